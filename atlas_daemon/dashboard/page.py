"""The page as HTML, made of the status view. Everything that came from outside is escaped.

It works without scripts: the browser asks again every `REFRESH_S` seconds.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import Any

from atlas_daemon.core.findings import Level
from atlas_daemon.core.findings_view import examined_text
from atlas_daemon.core.spelling import (
    UNKNOWN,
    day_text,
    dollars,
    gain,
    moment_text,
    order_status,
    percent,
    shares,
    span,
    weekday_text,
    whole_dollars,
)

REFRESH_S = 5
ALERTS_SHOWN = 8

View = dict[str, Any]


def page_of(view: View) -> str:
    """Return the whole page."""
    account = view["account"]
    title = f"{view['label']} {account['name'] or 'no account yet'}"
    parts = [
        _header(view, title),
        _warnings(view),
        _summary(view),
        _run(view["run"]),
        _orders(view["orders"]),
        _positions(view["positions"]),
        _performance(view["performance"]),
        _last_run(view["last_run"]),
        _alerts(view["alerts"]),
        _footer(view),
    ]
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_e(title)} - ATLAS</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">'
        f'</head><body class="{_e(account["mode"] or "unknown")}">'
        + "\n".join(part for part in parts if part)
        + "</body></html>\n"
    )


def _header(view: View, title: str) -> str:
    daemon = view["daemon"]
    mode = daemon["mode"]
    at = moment_text(datetime.fromisoformat(view["at"]))
    return (
        f'<header><p class="label">{_e(view["label"])}</p><h1>{_e(title.partition("] ")[2])}</h1>'
        f'<p class="mode {_e(mode)}">{_e(mode.replace("_", " "))}</p>'
        f"<p>{_e(daemon['reason'])}</p><p><time>{_e(at)}</time></p></header><main>"
    )


def _warnings(view: View) -> str:
    """What a person must not overlook."""
    said = []
    halt, daemon = view["halt"], view["daemon"]
    if halt is not None:
        ended = "complete" if halt["is_complete"] else "NOT COMPLETE"
        said.append(
            f"HALTED by {halt['by']}: {halt['reason']} (for {span(halt['age_s'])}, {ended}, "
            f"{halt['open_orders']} open orders, {halt['unconfirmed']} unconfirmed)"
        )
        if halt["flatten"] is not None:
            said.append(f"Flatten: {halt['flatten']['left']} left.")
        if not halt["is_durable"]:
            said.append("The stop is NOT DURABLE: it holds in memory only.")
    if daemon["fault"]:
        said.append(f"The journal cannot be written: {daemon['fault']}")
    if view["calendar_dispute"]:
        said.append(f"Calendars differ: {view['calendar_dispute']}")
    if (examined := view["examined"]) is not None:
        red = [found for found in examined["findings"] if found["level"] == Level.RED]
        said += [f"{found['check']}: {found['text']}" for found in red]
    said += [f"{symbol} is frozen: {why}" for symbol, why in view["frozen"].items()]
    if (cash := view["cash_dispute"]) is not None:
        said.append(
            f"Cash is unexplained: ours {dollars(_d(cash['ours']))}, "
            f"the broker's {dollars(_d(cash['theirs']))}; the lower figure counts"
        )
    said += [
        f"Foreign order: {o['side']} {shares(_d(o['qty']))} {o['symbol']} ({o['client_order_id']})"
        for o in view["foreign"]
    ]
    said += [
        f"Alerts do not reach {one['channel']}: {one['why']}; {one['waiting']} wait"
        for one in view.get("deliveries", ())
        if one["why"]
    ]
    if not said:
        return ""
    return f'<section class="warnings" role="alert">{_list(said)}</section>'


def _summary(view: View) -> str:
    money, regime, market, daemon = view["money"], view["regime"], view["market"], view["daemon"]
    rows = [
        ("Equity", dollars(_d(money["equity"]))),
        ("Cash", dollars(_d(money["cash"]))),
        ("Buying power", dollars(_d(money["buying_power"]))),
        ("Figures", f"{span(money['age_s'])} old" if money["as_of"] else UNKNOWN),
        ("Market", _market(market)),
        ("Regime", _regime(regime)),
        ("Next rebalance", _slot(view["next_slot"])),
        ("Rehearsed", _examined(view["examined"])),
        ("Order stream", daemon["stream"]),
        (
            "Reconciled",
            f"{span(daemon['reconciled_age_s'])} ago" if daemon["reconciled_at"] else "not yet",
        ),
    ]
    return _section("Account", _facts(rows))


def _market(market: View) -> str:
    if market["is_open"] is None:
        return f"{UNKNOWN}: {market['detail']}"
    word = "open, closes" if market["is_open"] else "closed, opens"
    return f"{word} in {span(market['changes_in_s'])}"


def _regime(regime: View | None) -> str:
    if regime is None:
        return UNKNOWN
    return (
        f"{regime['regime']} ({percent(_d(regime['allocation']), places=0)}), "
        f"as of {regime['as_of']}, {regime['source']}"
        + (f"; {regime['sessions_old']} sessions old: no buys" if regime["is_stale"] else "")
    )


def _slot(slot: View | None) -> str:
    if slot is None:
        return UNKNOWN
    if slot["is_due"]:
        return f"{slot['name']} is due now, until {slot['last_session']}"
    if slot["is_over"]:
        return f"{slot['name']} was not done by {slot['last_session']}: it is missed"
    session = weekday_text(date.fromisoformat(slot["session"]))
    return f"{session} (in {slot['days_to_session']} days)"


def _examined(examined: View | None) -> str:
    if examined is None:
        return "not yet"
    return f"{span(examined['age_s'])} ago, {examined_text(examined)}"


def _run(run: View | None) -> str:
    if run is None:
        return ""
    said = f"{run['phase']}, round {run['round']}, order day {run['order_day']}"
    if run["regime"] is not None:
        allocation = percent(_d(run["allocation"]), places=0)
        deployable = dollars(_d(run["deployable"]))
        said += f"; {run['regime']} {allocation}, {deployable} to deploy"
    rows = [
        (
            line["symbol"],
            shares(_d(line["current_qty"])),
            shares(_d(line["target_qty"])),
            shares(_d(line["held_qty"])),
            line["state"],
            line["note"],
        )
        for line in run["lines"]
    ]
    table = _table("Symbol,Before,Target,Now,State,Note", rows, words=(0, 4, 5)) if rows else ""
    return _section(f"Rebalance {run['id']}", f"<p>{_e(said)}</p>{table}")


def _orders(orders: Sequence[View]) -> str:
    rows = [
        (
            order["symbol"],
            order["side"],
            shares(_d(order["qty"])),
            shares(_d(order["filled_qty"])),
            order_status(order["status"], order["reason"], order["evidence"]),
            span(order["age_s"]),
            order["id"],
        )
        for order in orders
    ]
    heads = "Symbol,Side,Qty,Filled,Status,Age,Id"
    body = _table(heads, rows, words=(0, 1, 4, 6)) if rows else "<p>No order is open.</p>"
    return _section("Open orders", body)


def _positions(positions: Sequence[View] | None) -> str:
    if positions is None:
        return _section("Positions", f"<p>{UNKNOWN}: the broker has not been heard yet.</p>")
    rows = [
        (
            each["symbol"],
            shares(_d(each["qty"])),
            whole_dollars(_d(each["value"])),
            whole_dollars(_d(each["cost_basis"])),
            gain(_d(each["gain"])),
            percent(_d(each["gain_pct"]), signed=True),
            percent(_d(each["portfolio_pct"])),
        )
        for each in positions
    ]
    heads = "Symbol,Qty,Value,Cost Basis,P&L,P/L %,% Portfolio"
    body = _table(heads, rows, words=(0,)) if rows else "<p>Nothing is held.</p>"
    return _section(f"Positions ({len(rows)} holdings)", body)


def _performance(made: View) -> str:
    if made["since"] is None:
        return _section("Performance", f"<p>n/a: {_e(made['why_no_return'])}</p>")
    no_return = made["why_no_return"]
    rows = [
        ("Total return", _or(made["total_return"], no_return)),
        (f"{made['benchmark']} return", _or(made["benchmark_return"], made["why_no_benchmark"])),
        ("Outperformance", _or(made["outperformance"], made["why_no_benchmark"])),
        ("Sharpe ratio", _ratio(made["sharpe"], made["why_no_sharpe"])),
        ("Max drawdown", _or(made["max_drawdown"], no_return, signed=False)),
    ]
    since = day_text(date.fromisoformat(made["since"]))
    return _section(f"Performance since {since}", _facts(rows))


def _last_run(run: View | None) -> str:
    if run is None:
        return _section("Last rebalance", "<p>None yet.</p>")
    rows = [("Run", run["id"]), ("Date", run["date"]), ("Outcome", run["outcome"])]
    if run["orders"] is not None:
        counts = f"{run['orders']} ({run['filled']} filled, {run['rejected']} rejected)"
        allocation = percent(_d(run["allocation"]), places=0)
        rows += [
            ("Orders", counts),
            ("Regime", f"{run['regime']} ({allocation} allocation)"),
            ("Deployed", percent(_d(run["achieved_pct"]))),
        ]
    if run["reason"]:
        rows.append(("Reason", run["reason"]))
    off = _list(run["discrepancies"]) if run["discrepancies"] else ""
    return _section("Last rebalance", _facts(rows) + off)


def _alerts(alerts: Sequence[View]) -> str:
    if not alerts:
        return ""
    rows = [
        (moment_text(datetime.fromisoformat(a["at"])), a["level"], a["text"])
        for a in alerts[:ALERTS_SHOWN]
    ]
    return _section("Last alerts", _table("At,Level,What", rows, words=(0, 1, 2)))


def _footer(view: View) -> str:
    journal, number = view["daemon"]["journal"], view["account"]["number"]
    said = [view["label"], f"account {number}" if number else "account number not yet known"]
    if journal is not None:
        said.append(f"journal {journal['seq']}:{journal['hash'][:12]}")
    return f"</main><footer><p>{_e(' · '.join(said))}</p></footer>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_e(title)}</h2>{body}</section>"


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<div><dt>{_e(name)}</dt><dd>{_e(text)}</dd></div>" for name, text in rows)
    return f"<dl>{items}</dl>"


def _list(texts: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_e(text)}</li>" for text in texts) + "</ul>"


def _table(heads: str, rows: Iterable[Sequence[str]], words: Sequence[int]) -> str:
    """`words` names the columns that hold text; the others hold figures."""
    names = heads.split(",")
    head = "".join(f'<th scope="col"{_kind(i, words)}>{_e(n)}</th>' for i, n in enumerate(names))
    body = "".join(
        "<tr>" + "".join(f"<td{_kind(i, words)}>{_e(c)}</td>" for i, c in enumerate(row)) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0">{table}</div>'


def _kind(column: int, words: Sequence[int]) -> str:
    return "" if column in words else ' class="figure"'


def _or(fraction: str | None, why: str, *, signed: bool = True) -> str:
    return f"n/a ({why})" if fraction is None else percent(_d(fraction), places=2, signed=signed)


def _ratio(text: str | None, why: str) -> str:
    return f"n/a ({why})" if text is None else f"{Decimal(text):.2f}"


def _d(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _e(text: object) -> str:
    return escape(str(text), quote=True)
