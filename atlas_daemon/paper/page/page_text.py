"""The broker's page as HTML. Everything that came from outside is escaped; nothing is changed.

It works without scripts. What has an id is replaced by `page.js` while the page is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import islice
from urllib.parse import urlencode

from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.hours import Phase
from atlas_daemon.paper.exchange.orders import Activity, Kind, Order
from atlas_daemon.paper.exchange.refusals import plain
from atlas_daemon.paper.faults.faults import Armed
from atlas_daemon.paper.market.calendar import NEW_YORK
from atlas_daemon.paper.page.page_chart import chart
from atlas_daemon.paper.page.page_prices import SPANS, price_line
from atlas_daemon.paper.page.page_words import NOTHING, clock, gain, money, signed, table, when

REFRESH_S = 5
ORDERS_SHOWN = 25
OPEN_SHOWN = 100

_PHASES = {
    Phase.CLOSED: "Market closed",
    Phase.EARLY: "Before the session",
    Phase.REGULAR: "Market open",
    Phase.LATE: "After the session",
}
_CHOSEN = ' aria-current="true"'


@dataclass(frozen=True)
class Choice:
    """What the reader wants to see: an account by key, a symbol, a span of the chart."""

    key: str
    symbol: str
    span: str

    def link(self, **changes: str) -> str:
        """The address of the page with something else chosen."""
        asked = {"account": self.key, "symbol": self.symbol, "span": self.span} | changes
        return "/?" + urlencode(asked)


def choice_of(desk: Desk, key: str, symbol: str, span: str) -> Choice:
    """What was asked for, as far as it exists; else the first there is."""
    by_key = desk.exchange.by_key
    account = by_key.get(key) or by_key[desk.key]
    if not desk.exchange.knows(symbol):
        held = max(account.positions.values(), key=lambda one: one.cost_basis, default=None)
        symbols = desk.exchange.market.symbols()
        symbol = held.symbol if held else "SPY" if desk.exchange.knows("SPY") else symbols[0]
    return Choice(account.key, symbol, span if span in SPANS else "day")


def page_of(desk: Desk, choice: Choice, listeners: int) -> str:
    """The whole page."""
    account = desk.exchange.by_key[choice.key]
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<noscript><meta http-equiv="refresh" content="{REFRESH_S}"></noscript>',
            '<meta name="color-scheme" content="light dark"><title>Local broker</title>',
            '<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">',
            '<script src="/page.js" defer></script></head><body>',
            _header(desk),
            "<main>",
            _accounts(desk, choice),
            _trouble(desk),
            _summary(desk, account),
            _chart(desk, account, choice),
            _positions(desk, account, choice),
            _open_orders(account, choice),
            _last_orders(account, choice),
            _activities(account),
            "</main>",
            _footer(desk, listeners),
            "</body></html>\n",
        )
    )


def _header(desk: Desk) -> str:
    exchange, now = desk.exchange, desk.exchange.now
    phase = exchange.engine.phase
    speed = desk.clock.speed
    pace = (
        "real time" if speed == 1 else "standing still" if not speed else f"{speed:g} x real time"
    )
    bell = (
        f"closes {clock(exchange.calendar.next_close(now), now)}"
        if phase is Phase.REGULAR
        else f"opens {clock(exchange.calendar.next_open(now), now)}"
    )
    return (
        '<header><h1>Local broker<span class="toy">play money</span></h1><div id="clock" '
        f'class="clock"><p class="phase {phase.value}">{_PHASES[phase]}</p>'
        f"<p><time>{now.astimezone(NEW_YORK):%a %d %b %Y, %H:%M:%S}</time> New York</p>"
        f'<p class="soft">{escape(pace)}; {escape(bell)}</p></div>'
        '<p id="lost" class="lost" hidden>The broker does not answer.</p></header>'
    )


def _accounts(desk: Desk, choice: Choice) -> str:
    accounts = list(desk.exchange.by_key.values())
    if len(accounts) == 1:
        return ""
    links = [
        f'<a href="{escape(Choice(one.key, "", choice.span).link())}"'
        f"{_CHOSEN if one.key == choice.key else ''}>{escape(one.number)}"
        f'<span class="soft">{escape(one.key)}</span></a>'
        for one in accounts
    ]
    return f'<nav aria-label="Accounts">{"".join(links)}</nav>'


def _trouble(desk: Desk) -> str:
    """What goes wrong on purpose, and is not to be forgotten."""
    said = [_fault(armed) for armed in desk.faults.armed]
    if desk.console.script is not None:
        said.insert(0, f"Scenario {desk.console.script.scenario.name} is running")
    said += [f"{symbol} is halted" for symbol in sorted(desk.exchange.engine.halted)]
    if not said:
        return '<section id="trouble" hidden></section>'
    lines = "".join(f"<li>{escape(line)}</li>" for line in said)
    return f'<section id="trouble" class="trouble"><h2>Armed faults</h2><ul>{lines}</ul></section>'


def _fault(armed: Armed) -> str:
    fault = armed.fault
    about = " ".join(filter(None, (fault.method, fault.path, fault.symbol, fault.event)))
    left = "until cleared" if armed.left is None else f"{armed.left} times more"
    chance = f", chance {fault.probability:g}" if fault.probability < 1 else ""
    return f"{fault.kind}{f' ({about})' if about else ''}: {left}{chance}; fired {armed.fired}"


def _summary(desk: Desk, account: Account) -> str:
    figures = desk.exchange.figures(account)
    today = figures.equity - account.last_equity
    share = today / account.last_equity * 100 if account.last_equity else Decimal(0)
    rows = [
        ("Cash", money(account.cash)),
        ("Positions", money(figures.long_market_value)),
        ("Buying power", money(figures.buying_power)),
        ("Reserved by open buys", money(account.held_cash)),
        ("Account", escape(account.number)),
        ("Opened", escape(f"{account.created_at.astimezone(NEW_YORK):%d %b %Y}")),
    ]
    state = ""
    if account.configuration.suspend_trade:
        state = '<p class="state">Trading is suspended by the user</p>'
    elif account.is_blocked:
        state = '<p class="state">The account is blocked</p>'
    facts = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return (
        f'<section id="summary" class="summary"><div class="equity"><h2>Equity</h2>'
        f"<p>{money(figures.equity)}</p>{gain(today, share, 'since last close')}{state}</div>"
        f"<dl>{facts}</dl></section>"
    )


def _chart(desk: Desk, account: Account, choice: Choice) -> str:
    held = sorted(account.positions)
    others = [symbol for symbol in desk.exchange.market.symbols() if symbol not in held]
    groups = [("Held", held), ("Market", others)]
    options = "".join(
        f'<optgroup label="{label}">'
        f"{''.join(_option(symbol, choice.symbol) for symbol in symbols)}</optgroup>"
        for label, symbols in groups
        if symbols
    )
    spans = "".join(
        f'<a href="{escape(choice.link(span=span))}"'
        f"{_CHOSEN if span == choice.span else ''}>{span.capitalize()}</a>"
        for span in SPANS
    )
    line = price_line(desk, account, choice.symbol, choice.span)
    return (
        '<section class="prices"><div class="heading"><form method="get" action="/">'
        f'<input type="hidden" name="account" value="{escape(choice.key)}">'
        f'<input type="hidden" name="span" value="{escape(choice.span)}">'
        f'<label for="symbol">Price of</label><select id="symbol" name="symbol">{options}</select>'
        f'<button>Show</button></form><p class="spans">{spans}</p></div>'
        f'<div id="chart">{_quote(desk, choice, line.before)}{chart(line)}'
        '<p class="legend soft"><span class="key-price">price</span>'
        '<span class="key-entry">average entry</span>'
        '<span class="key-before">last close</span>'
        '<span class="key-buy">buy</span><span class="key-sell">sell</span></p></div></section>'
    )


def _quote(desk: Desk, choice: Choice, before: float | None) -> str:
    market, now = desk.exchange.market, desk.exchange.now
    trade, quote = market.trade(choice.symbol, now), market.quote(choice.symbol, now)
    if trade is None or quote is None:
        return f'<p class="quote"><b>{escape(choice.symbol)}</b> has no price yet.</p>'
    change = ""
    if before:
        base = Decimal(str(before))
        moved = trade.price - base
        change = gain(moved, moved / base * 100, "today", is_money=False)
    return (
        f'<div class="quote"><p><b>{escape(choice.symbol)}</b> {trade.price:,}</p>{change}'
        f'<p class="soft">bid {quote.bid:,} x {quote.bid_size}, ask {quote.ask:,} x '
        f"{quote.ask_size}</p></div>"
    )


def _positions(desk: Desk, account: Account, choice: Choice) -> str:
    rows = [
        _position(desk, account, position, choice)
        for position in sorted(account.positions.values(), key=lambda one: one.symbol)
    ]
    columns = (
        "Symbol",
        "=Shares",
        "=Price",
        "=Value",
        "=Gain",
        "=Gain %",
        "=Entry",
        "=Free to sell",
    )
    return table("positions", "Positions", columns, rows, "Nothing is held.")


def _position(desk: Desk, account: Account, position: Position, choice: Choice) -> tuple[str, ...]:
    trade = desk.exchange.market.trade(position.symbol, desk.exchange.now)
    price = trade.price if trade else position.avg_entry_price
    cost = position.cost_basis
    gain = position.qty * price - cost
    return (
        _symbol(position.symbol, choice),
        plain(position.qty),
        f"{price:,.2f}",
        money(position.qty * price),
        signed(gain, money(abs(gain))),
        signed(gain, f"{abs(gain) / abs(cost) * 100:.2f} %" if cost else NOTHING),
        f"{position.avg_entry_price:,.4f}",
        plain(account.available_qty(position.symbol)),
    )


_ORDER_COLUMNS = (
    "Time",
    "Symbol",
    "Order",
    "=Shares",
    "=Filled",
    "=Price",
    "Status",
    "Client order id",
)


def _open_orders(account: Account, choice: Choice) -> str:
    rows = [_order(one, choice) for one in islice(reversed(account.open.values()), OPEN_SHOWN)]
    title = f"Open orders <span>{len(account.open):,}</span>"
    return table("open", title, _ORDER_COLUMNS, rows, "No order is open.")


def _last_orders(account: Account, choice: Choice) -> str:
    latest = islice(reversed(account.orders.values()), ORDERS_SHOWN)
    title = f"Last orders <span>of {len(account.orders):,}</span>"
    rows = [_order(one, choice) for one in latest]
    return table("orders", title, _ORDER_COLUMNS, rows, "No order yet.")


def _order(order: Order, choice: Choice) -> tuple[str, ...]:
    prices = [
        f"{word} {plain(price)}"
        for word, price in (("stop", order.stop_price), ("limit", order.limit_price))
        if price is not None
    ]
    what = " ".join(prices) or order.kind.value.replace("_", " ")
    if order.kind is Kind.TRAILING_STOP:
        what = f"trailing {what}"
    wanted = plain(order.qty) if order.qty is not None else money(order.notional or Decimal(0))
    average = order.filled_avg_price
    return (
        when(order.submitted_at),
        _symbol(order.symbol, choice),
        f'<span class="{order.side.value}">{order.side.value}</span> '
        f"{escape(what)}, {order.tif.value}",
        wanted,
        plain(order.filled_qty),
        f"{average:,.2f}" if average is not None else NOTHING,
        f'<span class="status {escape(order.status.value)}">'
        f"{escape(order.status.value.replace('_', ' '))}</span>",
        f"<code>{escape(order.client_order_id)}</code>",
    )


def _activities(account: Account) -> str:
    latest = islice(reversed(account.activities), ORDERS_SHOWN)
    columns = ("Time", "What", "Symbol", "=Shares", "=Price", "=Amount")
    rows = [_activity(one) for one in latest]
    return table("activities", "Last activities", columns, rows, "Nothing has happened yet.")


def _activity(entry: Activity) -> tuple[str, ...]:
    amount = entry.net_amount
    if entry.kind == "FILL" and entry.qty is not None and entry.price is not None:
        amount = entry.qty * entry.price * (-1 if entry.side == "buy" else 1)
    what = entry.side or "" if entry.kind == "FILL" else f"{entry.kind} {entry.description}"
    return (
        when(entry.at),
        f'<span class="{escape(entry.side or "")}">{escape(what)}</span>',
        escape(entry.symbol or NOTHING),
        plain(entry.qty) if entry.qty is not None else NOTHING,
        f"{entry.price:,.2f}" if entry.price is not None else NOTHING,
        signed(amount, money(abs(amount)), is_coloured=False) if amount else NOTHING,
    )


def _footer(desk: Desk, listeners: int) -> str:
    config = desk.config
    kept = f"kept in {config.state_path}" if config.state_path else "kept in memory only"
    said = [
        f"Market {config.market_name or type(config.market).__name__}, seed {config.seed}",
        f"accounts {kept}",
        f"{listeners} on the stream",
        f"{config.rate_limit_per_min or 'any number of'} requests a minute",
        "this page is read-only and shown to this machine only",
    ]
    return f'<footer id="footer"><p>{escape("; ".join(said))}.</p></footer>'


def _option(symbol: str, chosen: str) -> str:
    return f"<option{' selected' if symbol == chosen else ''}>{escape(symbol)}</option>"


def _symbol(symbol: str, choice: Choice) -> str:
    return f'<a href="{escape(choice.link(symbol=symbol))}">{escape(symbol)}</a>'
