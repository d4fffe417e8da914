"""What orders do: the rebalance under way as a timeline, what is open, the rebalances before."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from atlas_daemon.core.spelling import (
    UNKNOWN,
    dollars,
    order_status,
    percent,
    shares,
    span,
    whole_dollars,
)

from .markup import (
    Cell,
    View,
    at_of,
    badge,
    bar,
    bullets,
    clock,
    date_text,
    facts,
    new_york_date,
    number,
    paragraph,
    safe,
    section,
    table,
)

STEPS_SHOWN = 8
"""Of all orders of the run under way, newest first."""
RUNS_SHOWN = 12

_PHASES = ("due", "selling", "buying", "reconciling")
_STATUS = {
    "filled": "good",
    "working": "plain",
    "sending": "plain",
    "canceling": "warn",
    "unknown": "bad",
    "rejected": "bad",
    "refused": "bad",
    "lapsed": "bad",
}
_ENDED = {"filled", "canceled", "expired", "replaced", "rejected", "refused", "withheld", "lapsed"}


def run_section(view: View) -> str:
    """The rebalance under way: where it stands, its orders as they fill, its plan."""
    run = view["run"]
    if run is None:
        text = "No rebalance is under way."
        return section("run", "Current rebalance", paragraph(text, "empty"))
    told = _told_of(view, run["id"])
    orders = told["orders"] if told is not None else _orders_in(view["orders"], run["id"])
    said = f"{run['phase']}, round {run['round']}, order day {run['order_day']}"
    if run["regime"] is not None:
        allocation = percent(number(run["allocation"]), places=0)
        deployable = dollars(number(run["deployable"]))
        said += f"; {run['regime']} {allocation}, {deployable} to deploy"
    body = (
        paragraph(said, "lead")
        + _timeline(run, told)
        + _tally(orders)
        + _order_list(orders)
        + _latest(orders)
        + _plan(run)
    )
    return section("run", f"Rebalance {run['id']}", body)


def _told_of(view: View, run_id: str) -> View | None:
    runs = view.get("rebalances") or ()
    return next((each for each in runs if each["run"] == run_id), None)


def _orders_in(orders: Sequence[View], run_id: str) -> list[View]:
    """Without a chronicle: what is open, with no steps told."""
    return [
        order | {"avg_price": order["filled_avg_price"], "events": []}
        for order in orders
        if order["run"] == run_id
    ]


def _timeline(run: View, told: View | None) -> str:
    """The phases with their times; what has not come yet is said to be so."""
    steps: list[tuple[str, str | None, int]] = []
    if told is not None:
        steps = [(each["phase"], each["at"], each["round"]) for each in told["phases"]]
        if not steps or steps[0][0] != "due":
            steps.insert(0, ("due", told["started_at"], 1))
    else:
        steps = [("due", run["started_at"], 1)]
    phase = run["phase"]
    if steps[-1][0] != phase:
        steps.append((phase, None, run["round"]))
    items = []
    for n, (name, at, count) in enumerate(steps):
        is_now = n == len(steps) - 1
        turn = f" {count}" if count > 1 else ""
        when = clock(at) if at else ("now" if is_now else UNKNOWN)
        state = 'class="now" aria-current="step"' if is_now else 'class="past"'
        items.append(f"<li {state}><b>{safe(name)}{turn}</b><span>{when}</span></li>")
    if phase in _PHASES:
        coming = (*_PHASES[_PHASES.index(phase) + 1 :], "done")
        items += [f'<li class="coming"><b>{name}</b><span>to come</span></li>' for name in coming]
    return f'<ol class="phases">{"".join(items)}</ol>'


def _tally(orders: Sequence[View]) -> str:
    if not orders:
        return ""
    counts: dict[str, int] = {}
    for order in orders:
        counts[order["status"]] = counts.get(order["status"], 0) + 1
    filled = counts.pop("filled", 0)
    said = [f"{filled} of {len(orders)} orders filled"]
    said += [f"{count} {status}" for status, count in counts.items()]
    drawn = bar(Decimal(filled), Decimal(len(orders)), "tally")
    return f'<div class="tally">{paragraph(", ".join(said))}{drawn}</div>'


def _order_list(orders: Sequence[View]) -> str:
    if not orders:
        return ""
    items = "".join(_order_row(order) for order in orders)
    return f'<ol class="orders">{items}</ol>'


def _order_row(order: View) -> str:
    status = order["status"]
    kind = _STATUS.get(status, "warn")
    filled, qty = number(order["filled_qty"]), number(order["qty"])
    done = f"{shares(filled)} / {shares(qty)}"
    steps = order["events"]
    history = ""
    if steps:
        listed = "".join(f"<li>{_step(step)}</li>" for step in steps)
        count = f"{len(steps)} step{'s'[: len(steps) != 1]}"
        history = (
            f'<details id="steps-{safe(order["id"])}"><summary>{count}'
            f'<span class="unseen"> of {safe(order["side"])} {safe(order["symbol"])}</span>'
            f"</summary><ol>{listed}</ol>{paragraph(order['id'], 'id')}</details>"
        )
    return (
        f'<li><span class="what"><b class="side {safe(order["side"])}">{safe(order["side"])}</b> '
        f"<b>{safe(order['symbol'])}</b></span>{bar(filled, qty, kind)}"
        f'<span class="qty">{safe(done)}</span><span class="price">{_price(order)}</span>'
        f"{badge(status, kind)}{history}</li>"
    )


def _price(order: View) -> str:
    """The average price of the fills, and what it cost against the expected one."""
    average, expected = number(order["avg_price"]), number(order["expected_price"])
    if average is None or not number(order["filled_qty"]):
        return "" if expected is None else safe(f"expected {dollars(expected)}")
    text = f"at {dollars(average)}"
    if expected:
        sign = -1 if order["side"] == "sell" else 1
        text += f", {(average / expected - 1) * 10_000 * sign:+z.0f} bps"
    return safe(text)


def _step(step: View) -> str:
    return f"{clock(step['at'])} <b>{safe(step['what'])}</b> {safe(step['text'])}"


def _latest(orders: Sequence[View]) -> str:
    """The newest steps of all orders: fills as they come in."""
    steps = [
        (step["at"], order, step)
        for order in orders
        for step in order["events"]
        if step["text"] or step["what"] != "filled"  # the fill before it has said so
    ]
    if not steps:
        return ""
    newest = sorted(steps, key=lambda each: each[0], reverse=True)[:STEPS_SHOWN]
    items = "".join(
        f"<li>{clock(at)} <b>{safe(order['symbol'])}</b> {safe(step['what'])} "
        f"{safe(step['text'])}</li>"
        for at, order, step in newest
    )
    return f'<h3>Latest steps</h3><ol class="steps">{items}</ol>'


def _plan(run: View) -> str:
    rows = [
        (
            line["symbol"],
            shares(number(line["current_qty"])),
            shares(number(line["target_qty"])),
            shares(number(line["held_qty"])),
            line["state"],
            line["note"],
        )
        for line in run["lines"]
    ]
    if not rows:
        return ""
    heads = "Symbol,Before,Target,Now,State,Note"
    shown = table("plan", "The plan, line by line", heads, rows, words=(0, 4, 5))
    notes = bullets(run["notes"]) if run["notes"] else ""
    count = f"{len(rows)} line{'s'[: len(rows) != 1]}"
    return f'<details id="plan"><summary>The plan: {count}</summary>{shown}{notes}</details>'


def orders_section(view: View) -> str:
    """What may still fill, and what nobody knows, with its age."""
    rows = [
        (
            order["symbol"],
            order["side"],
            shares(number(order["qty"])),
            shares(number(order["filled_qty"])),
            span(order["age_s"]),
            Cell(f"{badge(order['status'], _STATUS.get(order['status'], 'warn'))} {_why(order)}"),
            order["id"],
        )
        for order in sorted(view["orders"], key=lambda each: not each["is_in_doubt"])
    ]
    if not rows:
        text = paragraph("No order of ours is open, and none is in doubt.", "empty")
        return section("orders", "Open orders", text)
    heads = "Symbol,Side,Qty,Filled,Age,Status,Id"
    body = table("orders", "Open and unknown orders", heads, rows, words=(0, 1, 5, 6))
    return section("orders", f"Open orders ({len(rows)})", body)


def _why(order: View) -> str:
    whole = order_status("", order["reason"], order["evidence"])
    return f'<span class="note">{safe(whole.strip())}</span>' if whole else ""


def rebalances_section(view: View) -> str:
    """The last one with its figures and orders, and those before in a table."""
    last = view["last_run"]
    body = _last(last) if last is not None else paragraph("None yet.", "empty")
    under_way = view["run"]["id"] if view["run"] is not None else None
    told = [
        each
        for each in view.get("rebalances") or ()
        if each["ended_at"] and each["run"] != under_way
    ]
    if told:
        body += _last_orders(told[0]) + _history(told[:RUNS_SHOWN])
    return section("rebalances", "Last rebalance", body)


def _last(run: View) -> str:
    rows = [("Run", run["id"]), ("Date", date_text(run["date"])), ("Outcome", run["outcome"])]
    if run["orders"] is not None:
        counts = f"{run['orders']} ({run['filled']} filled, {run['rejected']} rejected)"
        allocation = percent(number(run["allocation"]), places=0)
        rows += [
            ("Orders", counts),
            ("Regime", f"{run['regime']} ({allocation} allocation)"),
            ("Deployed", percent(number(run["achieved_pct"]))),
            ("Slippage", _cost(number(run["slippage_cost"]))),
        ]
    if run["reason"]:
        rows.append(("Reason", run["reason"]))
    off = bullets(run["discrepancies"]) if run["discrepancies"] else ""
    return facts(rows) + off


def _cost(cost: Decimal | None) -> str:
    if cost is None:
        return UNKNOWN
    return f"cost {dollars(cost)}" if cost >= 0 else f"gained {dollars(-cost)}"


def _last_orders(run: View) -> str:
    if not run["orders"]:
        return ""
    count = f"{len(run['orders'])} order{'s'[: len(run['orders']) != 1]}"
    return (
        f'<details id="last-orders"><summary>{count} of {safe(run["run"])}, step by step</summary>'
        f"{_order_list(run['orders'])}</details>"
    )


def _history(runs: Iterable[View]) -> str:
    rows = [
        (
            run["run"],
            date_text(new_york_date(run["started_at"]).isoformat()),
            Cell(badge(run["outcome"] or UNKNOWN, "good" if run["outcome"] == "done" else "warn")),
            _filled(run["orders"]),
            whole_dollars(_moved(run["orders"])),
            run["regime"] or UNKNOWN,
            _took(run),
            run["trigger"],
        )
        for run in runs
    ]
    heads = "Run,Begun,Outcome,Filled,Moved,Regime,Took,Trigger"
    shown = table("history", "Rebalances, newest first", heads, rows, words=(0, 1, 2, 5, 7))
    return f"<h3>History</h3>{shown}"


def _took(run: View) -> str:
    return span((at_of(run["ended_at"]) - at_of(run["started_at"])).total_seconds())


def _filled(orders: Sequence[View]) -> str:
    filled = sum(1 for order in orders if order["status"] == "filled")
    return f"{filled} / {len(orders)}"


def _moved(orders: Sequence[View]) -> Decimal:
    """Return the dollars that fills moved."""
    moved = Decimal(0)
    for order in orders:
        price, qty = number(order["avg_price"]), number(order["filled_qty"])
        if price is not None and qty is not None:
            moved += price * qty
    return moved
