"""What no turn may decide, asked of each one: prices, modes, a crash, a run called done.

`watch` looks at what the daemon does to the world; here is what it says and means. Nothing is
forgiven but what the world has done behind the daemon's back (`touched` symbols, jumped prices).
"""

from collections.abc import Collection, Iterator

from atlas_daemon.bus import Committed
from atlas_daemon.core import events as e
from atlas_daemon.core.effects import SubmitOrder
from atlas_daemon.core.freshness import sessions_old
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import CASH_RUNS
from atlas_daemon.core.values import Mode, Regime, Side

COMPARED = (e.DriftSeen, e.CashDriftSeen, e.BookMatched)
"""What a comparison of the books says: only at rest it means anything."""


def wrong_decisions(
    committed: Committed, policy: Policy, touched: Collection[str], *, has_jumped: bool
) -> Iterator[str]:
    """Yield what is wrong with what a turn decided."""
    turn = committed.turn
    for effect in turn.effects:
        if isinstance(effect, SubmitOrder) and effect.approved.draft.side is Side.BUY:
            yield from _wrong_buy(committed, effect, policy)
    yield from _rests_in_a_crash(committed)
    for entry in turn.entries:
        event = entry.event
        if isinstance(event, COMPARED) and any(committed.before.open_orders()):
            yield f"{type(event).__name__} while orders of ours are open"
        elif isinstance(event, e.DriftFound) and event.symbol not in touched:
            yield f"{event.symbol} is frozen and nobody touched it"
        elif isinstance(event, e.RunFinished) and not has_jumped:
            yield from _called_done(committed, event, touched)


def _wrong_buy(committed: Committed, effect: SubmitOrder, policy: Policy) -> Iterator[str]:
    draft, state = effect.approved.draft, committed.turn.state
    if Mode.TRADING not in (state.mode, committed.before.mode):
        yield f"{draft.order_id} is bought while {state.mode}"
    dispute = state.figures.clock_dispute
    if state.calendar_dispute or (dispute is not None and dispute.is_blocking):
        yield f"{draft.order_id} is bought while calendar or clock are the broker's no more"
    if state.regime is None or sessions_old(state.regime.as_of, state.now) > policy.regime_age_max:
        yield f"{draft.order_id} is bought under an old regime"
    if draft.priced_at is None or abs(state.now - draft.priced_at) > policy.max_price_age:
        yield f"{draft.order_id} is decided on a price of {draft.priced_at}"


def _rests_in_a_crash(committed: Committed) -> Iterator[str]:
    state = committed.turn.state
    if state.regime is None or state.regime.regime is not Regime.CRASH:
        return
    for order in state.open_orders():
        if order.draft.side is Side.BUY and not order.is_cancel_wanted:
            yield f"{order.draft.order_id} is left to fill in a crash"


def _called_done(
    committed: Committed, event: e.RunFinished, touched: Collection[str]
) -> Iterator[str]:
    run = committed.turn.state.run or committed.before.run
    is_to_cash = run is not None and run.trigger in CASH_RUNS
    if event.outcome != "done" or event.report is None or is_to_cash:
        return
    for line in event.report.lines:
        is_explained = line.note or line.symbol in {*touched, *committed.before.frozen}
        if abs(line.actual_qty - line.target_qty) > 1 and not is_explained:
            yield (
                f"{event.run_id} is called done with {line.actual_qty} {line.symbol}, "
                f"the target is {line.target_qty}"
            )
