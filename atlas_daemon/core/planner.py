"""A run from due to done: plan, sells, buys from realised cash, reconcile, rounds, report.

Each phase begins with figures asked for after it began, and ends when nothing of ours is open.
Nothing is remembered between turns but the state: every step is tried again on every tick, so a
restart or a lost event delays it and changes nothing.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from . import events as e
from .asking import alert_once, ask_figures, cancel, may_ask
from .certificate import LAPSED, why_uncertified
from .drafts import buy_drafts, pending_buys, sell_drafts
from .effects import ComputeSignals, Effect
from .first_trade import make_first_plan
from .freshness import sessions_old
from .modes import has_lapsed, lacks_certificate_only
from .plan import make_plan, plan_again, regime_of
from .policy import BENCHMARK, Policy
from .pricing import NoPrice, Price, price_of
from .runs import (
    CASH_RUNS,
    CRASH_REASON,
    FIRST_TRADE,
    goes_to_cash,
    is_at_rest,
    is_flattening,
    managed_positions,
    missing_lines,
    picks_of,
    report_of,
    symbols_of,
    time_left,
)
from .scale import spelled
from .state import Phase, Run, State
from .values import Mode, Regime, Side, Symbol


def on_anything(state: State, event: e.Event, policy: Policy) -> Iterator[e.Event | Effect]:
    """Take the next step of the open run, where there is one to take."""
    run = state.run
    if run is None or state.figures.is_shutting_down:
        return
    if run.phase is Phase.DUE:
        yield from _plan_when_ready(state, run, policy)
    elif run.phase is Phase.SELLING:
        yield from _settle_sells(state, run)
    elif run.phase is Phase.BUYING:
        yield from _release_buys(state, run, policy)
    elif run.phase is Phase.RECONCILING:
        yield from _reconcile(state, run, policy)


def on_phase_started(
    state: State, event: e.PhaseStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Draft the sells at once, on the plan's own figures; later phases ask for new ones."""
    run = state.run
    assert run is not None
    if run.phase is Phase.SELLING:
        for draft in sell_drafts(state, run, policy):
            yield e.OrderDrafted(draft)
        yield e.PhaseDrafted(run.run_id, run.phase)
    else:
        yield from _ask(state, run, policy)


def on_regime_reported(
    state: State, event: e.RegimeReported | e.SignalsReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """CRASH in a run: no more buys, open buys pulled, the run closed; sells finish.

    What is left goes to cash in a run of its own.
    """
    run, seen = state.run, state.regime  # what is in force: an answer may be of an older session
    if run is None or seen is None or seen.regime is not Regime.CRASH or run.trigger in CASH_RUNS:
        return
    if run.plan is None and run.phase is Phase.DUE and run.trigger != FIRST_TRADE:
        return  # it will be planned under CRASH: everything to cash
    if run.plan is not None and run.plan.regime is Regime.CRASH:
        return
    for order in state.open_orders():
        if order.draft.side is Side.BUY:
            yield from cancel(order, "regime is CRASH")
    text = f"{run.run_id} closed: regime went from {regime_of_plan(run)} to CRASH"
    yield e.AlertRaised("critical", "regime", text)
    report = report_of(state, run, policy, Regime.CRASH)
    # What else is held was no business of a first trade: for that a CRASH is to be confirmed.
    is_first = run.trigger == FIRST_TRADE
    why = "CRASH: nothing more is bought" if is_first else CRASH_REASON
    yield e.RunFinished(run.run_id, "aborted", is_final=True, reason=why, report=report)


def regime_of_plan(run: Run) -> str:
    """Return the regime a run was planned under, for texts."""
    return str(run.plan.regime) if run.plan is not None else "unplanned"


# Due: signals, figures, a price for each line; then the plan, in one commit.


def _plan_when_ready(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    if state.mode is not Mode.TRADING and not is_flattening(state):
        if not lacks_certificate_only(state, policy):
            return
        if not goes_to_cash(state, run):
            if has_lapsed(state, policy):
                yield from _park_uncertified(state, run, policy)
            return
    if _is_too_late(state, run, policy):
        text = f"{run.run_id}: too late in the session to begin, goes on in the next"
        yield e.RunFinished(run.run_id, "degraded", is_final=False, reason=text, report=None)
        yield e.AlertRaised("error", "run", text)
        return
    why = _signals_missing(state, run)
    if why is not None and not _goes_without(state, run, policy):
        asked_at = state.figures.signals_asked_at
        if asked_at is None or state.now - asked_at >= policy.signals_wait:
            if run.signals is not None:
                yield from alert_once(state, "critical", "regime", f"{run.run_id} waits: {why}")
            yield e.SignalsRequested(run.signal_day)
            yield ComputeSignals(run.signal_day, tuple(sorted(state.book.positions)))
        return
    if not is_at_rest(state, run.phase_at):
        yield from _ask_when_due(state, run, policy)
        return
    if not symbols_of(state, run, policy) <= state.figures.assets_asked:
        yield from _ask_when_due(state, run, policy)
        return
    _, problems = _prices(state, run, policy)
    waits = [s for s, why in problems.items() if _may_pass(why, policy)]
    if waits and _is_patient(state, run, policy):
        yield from _ask_again(state, run, policy)
        return
    for symbol, problem in problems.items():
        yield e.LineDropped(run.run_id, symbol, problem.rule, problem.detail)
    if problems:
        yield e.AlertRaised("warning", "line", f"{run.run_id} dropped {', '.join(problems)}")
    yield e.LinesChecked(run.run_id)


def _park_uncertified(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    """A run that has begun, and may not buy any more, goes on once a certificate counts again."""
    why = f"{LAPSED}{why_uncertified(state, policy)}"
    yield e.RunFinished(run.run_id, "degraded", is_final=False, reason=why, report=None)
    text = f"{run.run_id} waits for a certificate: {why}"
    yield from alert_once(state, "error", "run", text)


def _is_too_late(state: State, run: Run, policy: Policy) -> bool:
    """True where a run that would buy has waited until its session is nearly over.

    It began with `min_session_left`; what it may wait for signals and prices is its own.
    """
    least = policy.min_session_left - policy.signals_wait - policy.line_wait
    return run.trigger not in CASH_RUNS and time_left(state, run) < least


def _goes_without(state: State, run: Run, policy: Policy) -> bool:
    """True where everything goes to cash: signals are waited for then, but not for ever."""
    is_cash = run.signals is None and run.trigger != FIRST_TRADE and goes_to_cash(state, run)
    since = run.phase_at or state.now
    return is_cash and state.now - since >= policy.signals_wait


PRICE_GAP = timedelta(seconds=5)

_PASSING = frozenset({"price", "price_age", "price_band", "foreign_order"})
"""Problems that may pass while we wait; the others will not."""


def _may_pass(problem: NoPrice, policy: Policy) -> bool:
    """True where waiting may help; a foreign order is waited for where the policy says so."""
    return problem.rule in _PASSING and (policy.foreign_waits or problem.rule != "foreign_order")


def _is_patient(state: State, run: Run, policy: Policy) -> bool:
    """True while a line's problem may still pass: time in which nobody could ask does not count."""
    if run.phase_at is None:
        return True
    since = max(run.phase_at, state.trading_at or run.phase_at)
    return state.now - since < policy.line_wait


def on_lines_checked(
    state: State, event: e.LinesChecked, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Plan with the lines that are left."""
    run = state.run
    assert run is not None
    prices, _ = _prices(state, run, policy)
    make = make_first_plan if run.trigger == FIRST_TRADE else make_plan
    yield make(state, run, prices, policy)


def _prices(
    state: State, run: Run, policy: Policy
) -> tuple[dict[Symbol, Price], dict[Symbol, NoPrice]]:
    """Return a believed price for each line that has one, and each line's problem."""
    closes = run.signals.closes if run.signals is not None else {}
    figures = state.figures
    foreign = {
        order.symbol
        for order in (figures.snapshot.open_orders if figures.snapshot else ())
        if not order.is_ours
    }
    positions = figures.snapshot.positions if figures.snapshot else ()
    short = {position.symbol for position in positions if position.qty < 0}
    prices: dict[Symbol, Price] = {}
    problems: dict[Symbol, NoPrice] = {}
    wanted = {pick.symbol for pick in picks_of(run)}
    for symbol in sorted(symbols_of(state, run, policy)):
        if symbol in run.dropped:
            continue
        price = price_of(figures.quotes.get(symbol), closes.get(symbol), state.now, policy)
        if isinstance(price, Price):
            prices[symbol] = price
        elif symbol in wanted:  # closing a position needs no price
            problems[symbol] = price
        asset = figures.assets.get(symbol)
        if asset is None or not asset.tradable or asset.status != "active":
            why = "unknown to the broker" if asset is None else f"{asset.status}, not tradable"
            problems[symbol] = NoPrice("untradable", why)
        elif symbol in foreign:
            problems[symbol] = NoPrice("foreign_order", "a foreign order rests on it")
        elif symbol in short:
            problems[symbol] = NoPrice("short", "a short position is never touched")
        elif symbol in state.frozen:
            problems[symbol] = NoPrice("frozen", state.frozen[symbol])
        elif symbol in policy.protected:
            problems[symbol] = NoPrice("protected", "never touched")
    return prices, problems


def _signals_missing(state: State, run: Run) -> str | None:
    """Return why the run has no signals to plan by; None where it has, or needs none."""
    if run.trigger in CASH_RUNS:
        return None
    if run.signals is None:
        return "no signals yet"
    # A run that goes on keeps its symbols and weights; the regime of the day it needs all the same.
    is_of_today = state.regime is not None and sessions_old(state.regime.as_of, state.now) == 0
    if state.regime is None or state.regime.as_of < run.signal_day or not is_of_today:
        as_of = state.regime.as_of if state.regime is not None else "no day"
        return f"the regime is of {as_of}, needed is {run.signal_day}"
    return None


# Selling, buying, reconciling.


def _settle_sells(state: State, run: Run) -> Iterator[e.Event | Effect]:
    if not any(state.open_orders()):
        yield e.PhaseStarted(run.run_id, Phase.BUYING, run.round)


def _release_buys(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    lack, is_over = why_uncertified(state, policy), has_lapsed(state, policy)
    if lack and state.figures.certificate is not None:  # read, and not only about to be
        yield from _pull_buys(state, f"{LAPSED}{lack}")
    if state.halt is not None or run.trigger in CASH_RUNS or is_over:
        pending: list[e.PlanLine] = []
    else:
        pending = pending_buys(state, run, policy)
    if not pending:
        if not any(state.open_orders()):
            yield e.PhaseStarted(run.run_id, Phase.RECONCILING, run.round)
        return
    if state.mode is not Mode.TRADING or lack:
        return
    snapshot = state.figures.snapshot
    assert run.phase_at is not None
    since = max(run.phase_at, state.book.changed_at or run.phase_at)
    is_known = {line.symbol for line in pending} <= state.figures.assets_asked
    if snapshot is None or snapshot.asked_at < since or not is_known:
        yield from _ask_when_due(state, run, policy)
        return
    drafts, unpriced = buy_drafts(state, run, pending, policy)
    for draft in drafts:
        yield e.OrderDrafted(draft)
    is_patient = _is_patient(state, run, policy)
    waits = [s for s, why in unpriced.items() if _may_pass(why, policy) and is_patient]
    dropped = [symbol for symbol in unpriced if symbol not in waits]
    for symbol in dropped:
        why = unpriced[symbol]
        yield e.LineDropped(run.run_id, symbol, why.rule, why.detail)
    if dropped:
        yield e.AlertRaised("warning", "line", f"{run.run_id} dropped {', '.join(dropped)}")
    if waits:
        yield from _ask_again(state, run, policy)
    if drafts or len(unpriced) > len(waits):
        yield e.PhaseDrafted(run.run_id, run.phase)


def _pull_buys(state: State, why: str) -> Iterator[e.Event | Effect]:
    for order in state.open_orders():
        if order.draft.side is Side.BUY and not order.is_cancel_wanted:
            yield from cancel(order, why)
            if not order.is_in_doubt:
                return  # its step leads here again, for the next one


def _reconcile(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    if not is_at_rest(state, run.phase_at):
        yield from _ask_when_due(state, run, policy)
        return
    missing = missing_lines(state, run, policy)
    regime = run.plan.regime if run.plan is not None else regime_of(state, run)
    report = report_of(state, run, policy, regime)
    if not missing:
        # A stop's run claims no success with anything left, dropped or frozen as it may be.
        is_left = run.trigger == "stop" and bool(managed_positions(state, policy))
        yield from _finish(state, run, "degraded" if is_left else "done", report)
        return
    has_time = time_left(state, run) > policy.fill_timeout
    can_trade = state.mode is Mode.TRADING or is_flattening(state)
    can_trade = can_trade or (
        state.mode is Mode.REDUCE_ONLY and all(gap < 0 for gap in missing.values())
    )
    if run.session_round < policy.rounds and has_time and can_trade:
        prices, _ = _prices(state, run, policy)
        text = ", ".join(f"{s} {gap:+f}" for s, gap in missing.items())
        yield e.AlertRaised("warning", "round", f"{run.run_id} plans again: missing {text}")
        yield plan_again(state, run, prices, policy)
        return
    is_over = has_lapsed(state, policy) and not goes_to_cash(state, run)
    if run.session_round < policy.rounds and has_time and not is_over:
        return  # not trading just now: wait for it
    why = f"{LAPSED}{why_uncertified(state, policy)}" if is_over else ""
    yield from _finish(state, run, "degraded", report, why)


def _finish(
    state: State, run: Run, outcome: str, report: e.RunReport, lapsed: str = ""
) -> Iterator[e.Event | Effect]:
    first = lapsed or _nothing_bought(run, report)
    off = "; ".join((first, *report.discrepancies) if first else report.discrepancies)
    if outcome == "done" and run.trigger == "stop":
        yield e.AlertRaised("warning", "run", f"{run.run_id} done: nothing is left")
    elif outcome == "done":
        scaled = f" at scale {spelled(report.scale)}" if report.scale < 1 else ""
        text = f"{run.run_id} done: {report.achieved_pct:.1%} deployed{scaled}" + (
            f" ({off})" if off else ""
        )
        yield e.AlertRaised("warning" if off else "info", "run", text)
    else:
        when = "once a certificate counts" if lapsed else "in the next session"
        text = f"{run.run_id} degraded, goes on {when}: {off}"
        yield e.AlertRaised("error", "run", text)
    yield e.EquityMarked(
        run.order_day,
        report.final_equity,
        state.book.cash,
        _benchmark(state),
    )
    yield e.RunFinished(run.run_id, outcome, is_final=outcome == "done", reason=off, report=report)


def _nothing_bought(run: Run, report: e.RunReport) -> str:
    """Return why a run that meant to hold something sent nothing; empty where that is not so."""
    picked = [x for x in report.lines if x.symbol in {pick.symbol for pick in picks_of(run)}]
    is_held = any(line.actual_qty for line in picked) and run.trigger != FIRST_TRADE
    if report.total_orders or not picked or is_held or report.regime is Regime.CRASH:
        return ""
    notes = ", ".join(f"{line.symbol}: {line.note}" for line in picked if line.note)
    return f"nothing was bought: {notes}"


def _benchmark(state: State) -> Decimal | None:
    quote = state.figures.quotes.get(BENCHMARK)
    return quote.last if quote is not None else None


def _ask(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    # What is not managed (options, crypto, shorts) is not asked after: it has no quote as a stock.
    lines = symbols_of(state, run, policy)
    assets = lines - state.figures.assets_asked
    yield from ask_figures(state, {*lines, policy.benchmark}, assets)


def _ask_when_due(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    if may_ask(state, policy):
        yield from _ask(state, run, policy)


def _ask_again(state: State, run: Run, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask for a line that has no price yet: for minutes perhaps, so not at every chance."""
    asked_at = state.figures.asked_at
    if asked_at is None or state.now - asked_at >= PRICE_GAP:
        yield from _ask_when_due(state, run, policy)
