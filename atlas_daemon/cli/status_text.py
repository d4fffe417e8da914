"""The status view as text, in the layout of the operator's handbook. Text only; no command here."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from atlas_daemon.core.findings_view import examined_text
from atlas_daemon.core.moments import new_york_day
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
from atlas_daemon.records.lines import one_line

STALE_S = 120
"""Figures older than this are shown with their age."""
ALERTS_SHOWN = 3
ACTIVITIES_SHOWN = 5

View = dict[str, Any]


def status_text(view: View, note: str = "", width: int | None = None) -> str:
    """Return the whole status; `note` says where it is from, if not from a running daemon.

    Tables are cut down to `width` columns as far as that goes, where one is given.
    """
    label, blocks = status_blocks(view, note, width)
    # The label stands right above the title.
    return "\n".join(label) + "\n" + "\n\n".join("\n".join(block) for block in blocks) + "\n"


def status_blocks(
    view: View, note: str = "", width: int | None = None
) -> tuple[list[str], list[list[str]]]:
    """Return the lines that belong on every screen, and the blocks of lines below them."""
    parts = [
        _header(view),
        _account(view),
        _ramp(view.get("ramp")),
        _regime(view),
        _positions(view["positions"], width),
        _performance(view["performance"]),
        _last_run(view["last_run"]),
        _run(view["run"]),
        _orders(view["orders"]),
        _foreign(view["foreign"]),
        _differences(view),
        _activities(view["activities"]),
        _alerts(view["alerts"]),
        _undelivered(view.get("deliveries", ())),
    ]
    blocks = [[one_line(line) for line in part] for part in parts]
    return [one_line(line) for line in _label(view, note)], [block for block in blocks if block]


def order_lines(orders: Sequence[View]) -> list[str]:
    """Return orders as the lines of a table."""
    heads = ("Symbol", "Side", "Qty", "Filled", "Avg Price", "Status", "Age", "Id")
    rows = [
        (
            o["symbol"],
            o["side"].upper(),
            shares(_d(o["qty"])),
            shares(_d(o["filled_qty"])),
            "-" if o["filled_avg_price"] is None else dollars(_d(o["filled_avg_price"])),
            order_status(o["status"], o["reason"], o["evidence"]),
            span(o["age_s"]),
            o["id"],
        )
        for o in orders
    ]
    return table(heads, rows)


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int] = ()
) -> list[str]:
    """Return a plain table, two blanks in front; columns are at least `widths` wide."""
    wide = [
        max(least, *(len(cell) + 2 for cell in column))
        for least, column in zip(
            widths or [0] * len(heads), zip(heads, *rows, strict=True), strict=True
        )
    ]
    lines = [heads, ["-" * len(head) for head in heads], *rows]
    return [
        "  " + "".join(f"{cell:<{n}}" for cell, n in zip(line, wide, strict=True)).rstrip()
        for line in lines
    ]


def _label(view: View, note: str) -> Iterator[str]:
    daemon, halt = view["daemon"], view["halt"]
    label = f"{view['label']} {view['account']['name']}"
    if note:
        yield f"{label}  {note}"
    else:
        yield f"{label}  {daemon['mode']}: {daemon['reason']}"
    if halt is not None:
        ended = "complete" if halt["is_complete"] else "NOT COMPLETE"
        durable = "" if halt["is_durable"] else ", NOT DURABLE"
        yield (
            f"HALTED by {halt['by']}: {halt['reason']} "
            f"(for {span(halt['age_s'])}, {ended}, {halt['open_orders']} open orders, "
            f"{halt['unconfirmed']} unconfirmed{durable}{_flatten(halt['flatten'])})"
        )
    if daemon["fault"]:
        yield f"THE JOURNAL CANNOT BE WRITTEN: {daemon['fault']}"
    if view["calendar_dispute"]:
        yield f"CALENDARS DIFFER, no slot is due: {view['calendar_dispute']}"
    if waits := view.get("config_waits"):
        yield f"A NEW CONFIGURATION WAITS: {waits}"


def _flatten(flatten: View | None) -> str:
    return "" if flatten is None else f", flatten: {flatten['left']} left"


def _header(view: View) -> Iterator[str]:
    yield "ATLAS Trading System - Portfolio Status"
    yield "=" * 40
    yield f"Date: {moment_text(datetime.fromisoformat(view['at']))}"
    market = view["market"]
    if market["is_open"] is None:
        yield f"Market: {UNKNOWN} ({market['detail']})"
    elif market["is_open"]:
        yield f"Market: OPEN (closes in {span(market['changes_in_s'])})"
    else:
        yield f"Market: CLOSED (opens in {span(market['changes_in_s'])})"


def _account(view: View) -> Iterator[str]:
    money, name = view["money"], view["account"]["name"]
    yield f"ACCOUNT ({name} - {whole_dollars(_d(money['size']))})"
    yield f"  Equity: {dollars(_d(money['equity']))}"
    yield f"  Buying Power: {dollars(_d(money['buying_power']))}"
    yield f"  Cash: {dollars(_d(money['cash']))}"
    if money["as_of"] is None:
        yield "  The broker has not been heard since the daemon's start."
    elif money["age_s"] > STALE_S:
        yield f"  Figures are {span(money['age_s'])} old ({_moment(money['as_of'])})"


def _ramp(ramp: View | None) -> Iterator[str]:
    """How far real money is let in, and what proves that it may; nothing in other worlds."""
    if ramp is None:
        return
    yield "GOING LIVE"
    since = "" if ramp["since"] is None else f", since {_day(ramp['since'])}"
    yield f"  Scale: {percent(_d(ramp['scale']), places=0)} of normal sizes{since}"
    days, needed = ramp["clean_days"], ramp["clean_days_needed"]
    yield f"  Clean days: {UNKNOWN if days is None else days} of {needed} before it may be raised"
    if (begun := ramp.get("clean_since")) is not None:
        yield f"  Counted since: {_day(begun)} ({ramp['clean_since_what']})"
    certificate = ramp["certificate"]
    if certificate is None:
        yield f"  Certificate: {UNKNOWN}: nothing is bought"
    elif certificate["problem"]:
        yield f"  Certificate: NOT VALID: {certificate['problem']}: nothing is bought"
    else:
        ends = certificate["expires_at"]
        until = UNKNOWN if ends is None else _moment(ends)
        yield f"  Certificate: {certificate['id']}, valid until {until}"


def _regime(view: View) -> Iterator[str]:
    yield "CURRENT REGIME"
    regime, slot = view["regime"], view["next_slot"]
    if regime is None:
        yield f"  {UNKNOWN} (no source has spoken)"
    else:
        yield f"  {regime['regime']} ({percent(_d(regime['allocation']), places=0)} allocation)"
        if regime["is_stale"]:
            old = f"{regime['sessions_old']} sessions old"
            yield f"  {old}: nothing is bought until it is refreshed"
    if slot is None:
        yield f"  Days until next rebalance: {UNKNOWN}"
    elif slot["is_due"]:
        until = day_text(date.fromisoformat(slot["last_session"]))
        yield f"  Next rebalance: {slot['name']} is due now (until {until})"
    elif slot["is_over"]:  # nobody ran to say so: the next start does
        last = day_text(date.fromisoformat(slot["last_session"]))
        yield f"  Next rebalance: {slot['name']} was not done by {last}: it is missed"
    else:
        anchor = day_text(date.fromisoformat(slot["anchor"]))
        session = weekday_text(date.fromisoformat(slot["session"]))
        yield f"  Days until next rebalance: {slot['days_to_anchor']} ({anchor})"
        yield f"  Session: {session}"
    if regime is not None:
        yield f"  As of: {regime['as_of']} ({regime['source']})"
    if (examined := view["examined"]) is not None:
        yield f"  Rehearsed: {span(examined['age_s'])} ago, {examined_text(examined)}"


def _positions(positions: Sequence[View] | None, width: int | None) -> Iterator[str]:
    if positions is None:
        yield f"POSITIONS ({UNKNOWN})"
        return
    yield f"POSITIONS ({len(positions)} holdings)"
    rows = [
        (
            p["symbol"],
            shares(_d(p["qty"])),
            whole_dollars(_d(p["value"])),
            whole_dollars(_d(p["cost_basis"])),
            gain(_d(p["gain"])),
            percent(_d(p["gain_pct"]), signed=True),
            percent(_d(p["portfolio_pct"])),
        )
        for p in positions
    ]
    if not rows:
        return
    heads = ("Symbol", "Qty", "Value", "Cost Basis", "P&L", "P/L %", "% Portfolio")
    head, rule, *_ = table(heads, rows, (10, 7, 10, 14, 11, 9, 11))
    # A sign stands one column to the left, so that the digits are in line.
    lines = [head, rule, *table(heads, rows, (10, 7, 10, 13, 11, 10, 11))[2:]]
    yield from lines if width is None or _fits(lines, width) else _narrow(heads, rows, width)
    for each in positions:
        if each["frozen"]:
            yield f"  {each['symbol']} is FROZEN: {each['frozen']}"


def _narrow(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the table with columns no wider than they must be, the least needed left out."""
    for left_out in ((), ("Cost Basis",), ("Cost Basis", "P&L")):
        kept = [at for at, head in enumerate(heads) if head not in left_out]
        lines = table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows])
        if _fits(lines, width):
            break
    return lines


def _fits(lines: Sequence[str], width: int) -> bool:
    return max(map(len, lines)) <= width


def _performance(made: View) -> Iterator[str]:
    if made["since"] is None:
        yield "PERFORMANCE SINCE LAST REBALANCE"
        yield f"  n/a ({made['why_no_return']})"
        return
    since, why, behind = made["since"], made["why_no_return"], made["why_no_benchmark"]
    yield f"PERFORMANCE SINCE LAST REBALANCE ({day_text(date.fromisoformat(since))})"
    yield f"  Total Return: {_pct(made['total_return'], why)}"
    yield f"  {made['benchmark']} Return: {_pct(made['benchmark_return'], behind)}"
    yield f"  Outperformance: {_pct(made['outperformance'], behind)}"
    sharpe = _d(made["sharpe"])
    ratio = f"n/a ({made['why_no_sharpe']})" if sharpe is None else f"{sharpe:.2f}"
    yield f"  Sharpe Ratio: {ratio}"
    worst = _d(made["max_drawdown"])
    yield f"  Max Drawdown: {f'n/a ({why})' if worst is None else percent(worst, places=2)}"
    if flows := _d(made.get("flows")):
        yield f"  Paid in and out since: {dollars(flows)}, not counted as return"
    if unmarked := made.get("sessions_unmarked"):
        yield f"  Sessions whose close was not seen: {unmarked}"
    if made.get("doubt"):
        yield f"  In doubt: {made['doubt']}"


def _last_run(run: View | None) -> Iterator[str]:
    yield "LAST REBALANCE"
    if run is None:
        yield "  none yet"
        return
    yield f"  Date: {run['date']}"
    if run["orders"] is None:
        yield f"  Orders: {UNKNOWN}"
    else:
        yield f"  Orders: {run['orders']} ({run['filled']} filled, {run['rejected']} rejected)"
        allocation = percent(_d(run["allocation"]), places=0)
        yield f"  Regime: {run['regime']} ({allocation} allocation)"
    achieved = f", {percent(_d(run['achieved_pct']))} deployed" if run["achieved_pct"] else ""
    yield f"  Outcome: {run['outcome']}{'' if run['is_final'] else ', not final'}{achieved}"
    if run["reason"]:
        yield f"  Reason: {run['reason']}"


def _run(run: View | None) -> Iterator[str]:
    if run is None:
        return
    yield f"REBALANCE {run['id']} ({run['phase']}, round {run['round']})"
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
    if rows:
        yield from table(("Symbol", "Before", "Target", "Now", "State", "Note"), rows)


def _orders(orders: Sequence[View]) -> Iterator[str]:
    if orders:
        yield f"OPEN ORDERS ({len(orders)})"
        yield from order_lines(orders)


def _foreign(orders: Sequence[View]) -> Iterator[str]:
    if orders:
        yield f"FOREIGN ORDERS ({len(orders)})"
    for o in orders:
        yield f"  {o['side'].upper()} {shares(_d(o['qty']))} {o['symbol']} ({o['client_order_id']})"


def _differences(view: View) -> Iterator[str]:
    """What our book and the account's disagree about, also of symbols that nobody holds."""
    frozen, cash = view["frozen"], view["cash_dispute"]
    if frozen or cash is not None:
        yield "UNEXPLAINED (atlasd adopt SYMBOL, or --all, takes the broker's figures)"
    for symbol, why in frozen.items():
        yield f"  {symbol}: {why}"
    if cash is not None:
        ours, theirs = dollars(_d(cash["ours"])), dollars(_d(cash["theirs"]))
        yield f"  cash: we have {ours}, the broker has {theirs}; the lower figure counts"


def _activities(activities: Sequence[View]) -> Iterator[str]:
    if activities:
        yield "LAST ACTIVITIES"
    for each in activities[:ACTIVITIES_SHOWN]:
        moves = ", ".join(f"{symbol} {_d(qty):+f}" for symbol, qty in each["moves"].items())
        about = " ".join(word for word in (each["kind"], each["symbol"], each["note"]) if word)
        tail = f"{dollars(_d(each['cash']))}{f', {moves}' if moves else ''}"
        yield f"  {_moment(each['at'])} {about}: {tail if each['is_explained'] else 'unexplained'}"


def _alerts(alerts: Sequence[View]) -> Iterator[str]:
    if alerts:
        yield "LAST ALERTS"
    for alert in alerts[:ALERTS_SHOWN]:
        yield f"  {_moment(alert['at'])} {alert['level'].upper()}: {alert['text']}"


def _undelivered(deliveries: Sequence[View]) -> Iterator[str]:
    for one in deliveries:
        if one["why"]:
            waiting = f"; {one['waiting']} wait" if one["waiting"] else ""
            yield f"Alerts do not reach {one['channel']}: {one['why']}{waiting}"


def _pct(fraction: str | None, why: str) -> str:
    return f"n/a ({why})" if fraction is None else percent(_d(fraction), places=2, signed=True)


def _moment(text: str) -> str:
    return moment_text(datetime.fromisoformat(text))


def _day(moment: str) -> str:
    return day_text(new_york_day(datetime.fromisoformat(moment)))


def _d(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
