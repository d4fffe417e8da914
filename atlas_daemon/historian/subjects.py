"""What an entry is about: the orders, runs and symbols that its event names. Questions only."""

from collections.abc import Iterator

from atlas_daemon.core import events as e
from atlas_daemon.core.runs import parse_order_id
from atlas_daemon.core.values import Draft, OrderId, RunId, Symbol


def draft_of(event: e.Event) -> Draft | None:
    """Return the draft that an event carries."""
    match event:
        case e.OrderDrafted() | e.OrderRefused():
            return event.draft
        case e.OrderApproved():
            return event.approved.draft
    return None


def order_of(event: e.Event) -> OrderId | None:
    """Return the order of ours that an event is about."""
    draft = draft_of(event)
    if draft is not None:
        return draft.order_id
    if isinstance(event, e.ForeignOrderFound):
        return None
    found = getattr(event, "order_id", None)
    return None if found is None else OrderId(found)


def run_of(event: e.Event) -> RunId | None:
    """Return the run that an event names, itself or through its order's id."""
    found = getattr(event, "run_id", None)
    if found is not None:
        return RunId(found)
    draft = draft_of(event)
    if draft is not None:
        return draft.run_id
    named = parse_order_id(order_of(event) or "")
    return None if named is None else named[0]


def symbols_of(event: e.Event) -> Iterator[Symbol]:
    """Yield the symbols that an event decides or tells something about, in its order."""
    match event:
        case e.SignalsReported():
            yield from (pick.symbol for pick in event.picks)
            yield from (Symbol(symbol) for symbol, _ in event.refused)
        case e.RunPlanned():
            yield from (line.symbol for line in event.lines)
        case e.BookAdopted() | e.FirstBookSeen():
            yield from (symbol for symbol, _ in event.positions)
        case e.ActivityBooked():
            yield event.activity.symbol
            yield from (move.symbol for move in event.moves)
        case e.DriftSeen():
            yield from event.symbols
        case e.RunFinished(report=e.RunReport() as report):
            yield from (line.symbol for line in report.lines)
        case e.SnapshotReported():
            yield from (position.symbol for position in event.positions)
            yield from (order.symbol for order in event.open_orders)
        case _:
            yield from _named(event)


def _named(event: e.Event) -> Iterator[Symbol]:
    draft = draft_of(event)
    symbol = getattr(event, "symbol", None) if draft is None else draft.symbol
    if symbol:
        yield Symbol(symbol)
        return
    order_id = order_of(event)
    if order_id and (named := parse_order_id(order_id)) is not None:
        yield named[2]
