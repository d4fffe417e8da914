"""What must hold at every turn, whatever happened: one function each, shared by all worlds."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.effects import SubmitOrder
from atlas_daemon.core.engine import Turn, take_turn
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.gates import price_paid
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import managed_in_book
from atlas_daemon.core.state import Figures, State
from atlas_daemon.core.values import ALLOCATION, Side

CENT = Decimal("0.01")


def check_turn(before: State, event: e.Event, turn: Turn, policy: Policy) -> None:
    one_open_order_per_line(turn.state)
    no_buy_before_the_sells_are_done(turn)
    never_on_credit(turn.state, policy)
    never_over_the_cap(turn, policy)
    never_over_the_regime(turn, policy)
    sells_stay_within_holdings(turn.state)
    no_real_money_without_a_certificate(turn, policy)
    never_over_the_scale(turn, policy)
    nothing_leaves_while_halted(before, turn)
    nothing_is_sent_unwritten(turn)
    no_id_is_sent_twice_but_in_doubt(before, turn)


def submitted(turn: Turn) -> list[SubmitOrder]:
    return [effect for effect in turn.effects if isinstance(effect, SubmitOrder)]


def one_open_order_per_line(state: State) -> None:
    seen = [(o.draft.symbol, o.draft.side) for o in state.open_orders()]
    assert len(seen) == len(set(seen)), f"two open orders for one line: {sorted(seen)}"


def no_buy_before_the_sells_are_done(turn: Turn) -> None:
    if any(effect.approved.draft.side is Side.BUY for effect in submitted(turn)):
        sells = [o.draft.order_id for o in turn.state.open_orders() if o.draft.side is Side.SELL]
        assert not sells, f"a buy left while {sells} were open"


def never_on_credit(state: State, policy: Policy) -> None:
    """Cash covers what open buys may still cost, with the collar."""
    if not state.book.is_known:
        return
    assert state.book.cash >= 0, f"cash is {state.book.cash}"
    buys = [o for o in state.open_orders() if o.draft.side is Side.BUY]
    need = sum((o.open_qty * price_paid(o.draft) for o in buys), Decimal(0)) * (
        1 + policy.collar_pct
    )
    # What filled within the collar, but above the price decided on, is paid already.
    paid = sum((o.filled_value - o.filled_qty * price_paid(o.draft) for o in buys), Decimal(0))
    slack = max(paid, Decimal(0)) + CENT
    assert need <= state.book.cash + slack, f"open buys need {need}, cash is {state.book.cash}"


def never_over_the_cap(turn: Turn, policy: Policy) -> None:
    state = turn.state
    for effect in submitted(turn):
        draft = effect.approved.draft
        if draft.side is Side.BUY:
            snapshot = state.figures.snapshot
            assert snapshot is not None
            qty = state.book.positions.get(draft.symbol, Decimal(0)) + draft.qty
            value = qty * price_paid(draft)
            limit = snapshot.account.equity * policy.max_position_pct
            assert value <= limit, f"{draft.symbol}: {value} is over the cap {limit}"


def never_over_the_regime(turn: Turn, policy: Policy) -> None:
    """Measured where something is bought: at the plan's prices, or the draft's where drifted."""
    state = turn.state
    run = state.run
    if run is None or run.plan is None or not submitted(turn):
        return
    if not any(x.approved.draft.side is Side.BUY for x in submitted(turn)):
        return
    held = managed_in_book(state, policy)
    prices = {line.symbol: line.price or Decimal(0) for line in run.plan.lines}
    total = sum((held.get(s, Decimal(0)) * price for s, price in prices.items()), Decimal(0))
    for order in state.open_orders():
        if order.draft.side is Side.BUY:
            plan_price = prices[order.draft.symbol]
            decided = price_paid(order.draft)
            is_drifted = abs(decided / plan_price - 1) > policy.drift_band_pct
            total += order.open_qty * (decided if is_drifted else plan_price)
    limit = run.plan.equity * ALLOCATION[run.plan.regime]
    assert total <= limit + CENT, f"{total} deployed, {run.plan.regime} allows {limit}"


def no_real_money_without_a_certificate(turn: Turn, policy: Policy) -> None:
    if not policy.needs_certificate:
        return
    word, now = turn.state.figures.certificate, turn.state.now
    counts = word is not None and not word.problem and word.expires_at and now < word.expires_at
    for effect in submitted(turn):
        draft = effect.approved.draft
        assert counts or draft.side is Side.SELL, f"{draft.order_id} left, certificate {word}"


def never_over_the_scale(turn: Turn, policy: Policy) -> None:
    """No plan of real money is larger than what the journal has, or before that the policy."""
    for entry in turn.entries:
        plan, on_record = entry.event, turn.state.ramp.scale
        if not isinstance(plan, e.RunPlanned) or plan.run_id.startswith("first-"):
            continue
        scale = policy.scale if on_record is None else on_record
        assert plan.scale == scale or plan.round > 1, f"{plan.run_id} at {plan.scale}, not {scale}"
        target = sum((x.target_qty * x.price for x in plan.lines if x.price), Decimal(0))
        kept = any(x.note.startswith("dropped") and x.target_qty for x in plan.lines)
        limit = plan.equity * ALLOCATION[plan.regime] * scale
        assert kept or plan.round > 1 or target <= limit + CENT, f"{target} is over {limit}"


def sells_stay_within_holdings(state: State) -> None:
    for order in state.open_orders():
        if order.draft.side is Side.SELL:
            held = state.book.positions.get(order.draft.symbol, Decimal(0))
            assert order.open_qty <= held, f"{order.draft.order_id} sells more than the {held} held"


def nothing_leaves_while_halted(before: State, turn: Turn) -> None:
    if before.halt is None and turn.state.halt is None:
        return
    run = turn.state.run
    is_flatten = run is not None and run.trigger == "stop"
    for effect in submitted(turn):
        is_allowed = is_flatten and effect.approved.draft.side is Side.SELL
        assert is_allowed, f"{effect.approved.draft.order_id} left while halted"


def nothing_is_sent_unwritten(turn: Turn) -> None:
    written = [x.event.order_id for x in turn.entries if isinstance(x.event, e.OrderSubmitted)]
    sent = [effect.approved.draft.order_id for effect in submitted(turn)]
    assert sent == written, f"sent {sent}, written {written}"


def no_id_is_sent_twice_but_in_doubt(before: State, turn: Turn) -> None:
    for effect in submitted(turn):
        order = before.orders.get(effect.approved.draft.order_id)
        assert order is None or order.is_in_doubt, f"{order.draft.order_id} was {order.status}"


def the_turn_is_deterministic(
    before: State, event: e.Event, at, policy: Policy, turn: Turn
) -> None:
    assert take_turn(before, event, at, policy) == turn


def recovered(entries: Iterable[e.Entry], state: State) -> State:
    for entry in entries:
        state = evolve(state, entry)
    return state


def lasting(state: State) -> State:
    """The part of the state that a restart keeps."""
    return replace(state, figures=Figures(), now=state.born_at, seq=0)


def every_line_is_accounted_for(finished: e.RunFinished, state: State) -> None:
    """Each planned line is where it should be, or the report says why not."""
    report = finished.report
    assert report is not None
    told = " ".join(report.discrepancies)
    for line in report.lines:
        is_there = abs(line.actual_qty - line.target_qty) <= 1
        assert is_there or line.note or line.symbol in told, f"{line} is unaccounted for"
