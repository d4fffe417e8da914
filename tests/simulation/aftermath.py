"""What the broker's own log and the journal must say once a story of real processes is over.

Each rule yields one line for each breach. Nothing here knows what went wrong on the way.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.state import State
from atlas_daemon.journal import Journal
from tests.core.invariants import every_line_is_accounted_for, recovered
from tests.e2e.processes import Broker, Place

FAR_PAST = datetime(2000, 1, 1, tzinfo=UTC)
ENDS = ("filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at")


def breaches(broker: Broker, place: Place, cash: Decimal, held: dict[str, int]) -> list[str]:
    """All that is wrong, read from both sides, for an account that began with `cash` and `held`."""
    with Journal.open_readonly(place.state / "journal.db") as journal:
        verdict = journal.verify()
        entries = list(journal.read())
    state = recovered(entries, State(now=FAR_PAST))
    orders, fills = broker.orders(), _fills(broker)
    found = [] if verdict.is_intact else [verdict.fault]
    found += _sent_once(orders)
    found += _written_first(orders, entries)
    found += _sells_before_buys(orders)
    found += _cash_was_there(fills, cash)
    found += _fold_is_the_brokers(state, entries, orders, broker.account())
    found += _targets_are_reached(state, entries, broker.account(), held)
    return found


def _fills(broker: Broker) -> list[dict[str, Any]]:
    """Every fill, oldest first."""
    found: list[dict[str, Any]] = []
    params = {"activity_types": "FILL", "direction": "asc", "page_size": "100"}
    while page := broker.ask("GET", "/v2/account/activities", **params):
        found += page
        params["page_token"] = page[-1]["id"]
    return found


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _ended_at(order: dict[str, Any]) -> datetime | None:
    return min((at for name in ENDS if (at := _moment(order[name])) is not None), default=None)


def _sent_once(orders: Sequence[dict[str, Any]]) -> Iterator[str]:
    """No id twice, and never two live orders for one symbol."""
    ids = [order["client_order_id"] for order in orders]
    yield from (f"{one} is there {ids.count(one)} times" for one in set(ids) if ids.count(one) > 1)
    last: dict[str, dict[str, Any]] = {}
    for order in sorted(orders, key=lambda order: order["submitted_at"]):
        before = last.get(order["symbol"])
        if before is not None:
            ended_at = _ended_at(before)
            if ended_at is None or ended_at > datetime.fromisoformat(order["submitted_at"]):
                yield f"two live orders: {before['client_order_id']}, {order['client_order_id']}"
        last[order["symbol"]] = order
    yield from (
        f"{order['client_order_id']} is still open" for order in orders if not _ended_at(order)
    )


def _written_first(orders: Sequence[dict[str, Any]], entries: Sequence[e.Entry]) -> Iterator[str]:
    """The journal has an intent of each order, and none of them while it says halted."""
    written: set[str] = set()
    is_halted = False
    for entry in entries:
        match entry.event:
            case e.OrderSubmitted(order_id=order_id):
                written.add(order_id)
                if is_halted:
                    yield f"{order_id} was submitted while halted"
            case e.TradingHalted():
                is_halted = True
            case e.TradingResumed():
                is_halted = False
    for order in orders:
        if order["client_order_id"] not in written:
            yield f"{order['client_order_id']} is in no journal"


def _sells_before_buys(orders: Sequence[dict[str, Any]]) -> Iterator[str]:
    sells = [order for order in orders if order["side"] == "sell"]
    for buy in orders:
        if buy["side"] != "buy":
            continue
        bought_at = datetime.fromisoformat(buy["submitted_at"])
        for sell in sells:
            ended_at = _ended_at(sell)
            began_at = datetime.fromisoformat(sell["submitted_at"])
            if began_at < bought_at and (ended_at is None or ended_at > bought_at):
                yield f"{buy['client_order_id']} came while {sell['client_order_id']} was open"


def _cash_was_there(fills: Sequence[dict[str, Any]], cash: Decimal) -> Iterator[str]:
    for fill in fills:
        value = Decimal(fill["qty"]) * Decimal(fill["price"])
        cash += value if fill["side"] == "sell" else -value
        if cash < 0:
            yield f"{fill['symbol']}: bought on credit, cash is {cash}"


def _fold_is_the_brokers(
    state: State,
    entries: Sequence[e.Entry],
    orders: Sequence[dict[str, Any]],
    account: dict[str, Any],
) -> Iterator[str]:
    """What the journal adds up to is what the broker has, share by share and cent by cent."""
    theirs = {symbol: Decimal(qty) for symbol, qty in account["positions"].items()}
    ours = {str(symbol): qty for symbol, qty in state.book.positions.items() if qty}
    if ours != theirs:
        yield f"the book has {ours}, the broker {theirs}"
    if abs(state.book.cash - Decimal(account["cash"])) > Decimal("0.01"):
        yield f"the book has cash {state.book.cash}, the broker {account['cash']}"
    booked: dict[str, Decimal] = {}
    for entry in entries:
        if isinstance(entry.event, e.FillBooked):
            fill = entry.event
            booked[fill.order_id] = booked.get(fill.order_id, Decimal(0)) + fill.qty
    for order in orders:
        order_id, filled = order["client_order_id"], Decimal(order["filled_qty"])
        if booked.pop(order_id, Decimal(0)) != filled:
            yield f"{order_id}: the broker filled {filled}, and that is not what was booked"
    yield from (f"{order_id} was booked, and the broker has no such order" for order_id in booked)


def _targets_are_reached(
    state: State, entries: Sequence[e.Entry], account: dict[str, Any], held: dict[str, int]
) -> Iterator[str]:
    """Each line is at its target, or short of it and the report says why; never beyond it."""
    plans = [x.event for x in entries if isinstance(x.event, e.RunPlanned)]
    ends = [x.event for x in entries if isinstance(x.event, e.RunFinished)]
    if not plans or not ends or ends[-1].report is None:
        yield f"{len(plans)} plans, and the ends {ends}"
        return
    is_done = ends[-1].outcome == "done"
    try:
        every_line_is_accounted_for(ends[-1], state)
    except AssertionError as error:
        yield str(error)
    for line in plans[-1].lines:
        there = Decimal(account["positions"].get(line.symbol, "0"))
        began = Decimal(held.get(line.symbol, 0))
        targets = [x.target_qty for plan in plans for x in plan.lines if x.symbol == line.symbol]
        low, high = min(began, *targets, began), max(began, *targets, began)
        if (is_done and abs(there - line.target_qty) > 1) or not low <= there <= high:
            yield f"{line.symbol}: {began} became {there}, the target is {line.target_qty}"
