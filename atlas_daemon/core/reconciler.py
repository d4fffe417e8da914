"""Our book against the broker's, and what mode follows from it. Figures are compared, not copied.

Compared only at rest: nothing of ours open or in doubt, and no fill since the figures were asked
for. Differences get a grace window; an unexplained quantity then freezes its symbol only.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from . import events as e
from .asking import alert_once, ask_figures, may_ask
from .effects import Effect, FetchSessions
from .moments import new_york_day
from .policy import Policy
from .runs import is_at_rest
from .sessions import NYSE
from .state import State
from .values import ZERO, Mode, Symbol

CALENDAR_DAYS = 14
CALENDAR_EVERY = timedelta(hours=12)


def on_daemon_started(
    state: State, event: e.DaemonStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Ask for everything at once: start-up is recovery."""
    yield from ask_figures(state, {policy.benchmark})
    yield from _ask_sessions(state)


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask for figures when they are due, and settle the mode as time passes."""
    figures = state.figures
    is_busy = state.run is not None or any(state.open_orders())
    every = policy.reconcile_every if is_busy else policy.reconcile_idle_every
    if figures.matched_at is None or state.mode is Mode.STARTING or figures.drift_at:
        every = policy.poll_blind_every
    if figures.stream != "listening":
        every = min(every, policy.reconcile_every)
    if (figures.asked_at is None or state.now - figures.asked_at >= every) and may_ask(
        state, policy
    ):
        yield from ask_figures(state, {policy.benchmark})
    asked_at = figures.sessions_asked_at
    wait = CALENDAR_EVERY if figures.sessions_agreed else timedelta(minutes=1)
    if asked_at is None or state.now - asked_at >= wait:
        yield from _ask_sessions(state)
    yield from settle_mode(state, policy)


def on_snapshot_reported(
    state: State, event: e.SnapshotReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Name foreign orders, compare the books where both are at rest."""
    if event.account.number != state.account_number:
        text = f"the keys are of account {event.account.number}, not of {state.account_number}"
        yield from alert_once(state, "critical", "account", text)
        yield from settle_mode(state, policy)
        return
    yield from _name_foreign(state, event)
    if not is_at_rest(state, None):
        return
    theirs = {p.symbol: p.qty for p in event.positions if p.qty}
    cash = event.account.cash
    if not state.book.is_known:
        positions = tuple(sorted(theirs.items()))
        yield e.BookAdopted(cash, positions, is_whole=True, why="first start")
        yield e.BookMatched()
        return
    ours = state.book.positions
    differing = tuple(
        symbol
        for symbol in sorted({*ours, *theirs})
        if ours.get(symbol, ZERO) != theirs.get(symbol, ZERO) and symbol not in state.frozen
    )
    if differing:
        yield from _name_drift(state, event, differing, policy)
        return
    if cash != state.book.cash:
        yield from _restate_cash(state, cash, policy)
    yield e.BookMatched()


def on_book_matched(
    state: State, event: e.BookMatched, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Parity may open trading; after a close it gives the day's mark of equity."""
    yield from settle_mode(state, policy)
    snapshot = state.figures.snapshot
    assert snapshot is not None
    last = NYSE.last_completed(snapshot.asked_at)
    is_new = not state.marks or state.marks[-1].day < last.day
    is_ours = state.born_at is not None and state.born_at < last.closes_at
    if is_new and is_ours and NYSE.session_at(snapshot.asked_at) is None:
        quote = state.figures.quotes.get(policy.benchmark)
        account = snapshot.account
        price = quote.last if quote is not None else None
        yield e.EquityMarked(last.day, account.equity, account.cash, price)


def on_drift_seen(state: State, event: e.DriftSeen, policy: Policy) -> Iterator[e.Event | Effect]:
    """While positions differ nothing is bought, from this very turn on."""
    yield from settle_mode(state, policy)


def on_stream_reported(
    state: State, event: e.StreamReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A stream that opens or is lost: whatever happened in between is asked for."""
    if event.condition == "refused":
        text = f"the order stream is refused: {event.detail}"
        yield from alert_once(state, "error", "stream", text)
    if event.condition in ("listening", "lost"):
        yield from ask_figures(state, {policy.benchmark})
    yield from settle_mode(state, policy)


def on_fetch_failed(
    state: State, event: e.FetchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """No answer is no news: nothing is concluded, somebody is told."""
    if event.what == "signals":
        yield from alert_once(state, "critical", "signals", f"no signals: {event.detail}")
    elif event.what == "credentials":
        text = f"the broker refuses our keys: {event.detail}"
        yield from alert_once(state, "critical", "credentials", text)
    yield from settle_mode(state, policy)


def on_sessions_reported(
    state: State, event: e.SessionsReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Compare the broker's calendar with ours; where they differ no slot is due."""
    ours = {s.day: s for s in NYSE.sessions_between(event.first, event.last)}
    theirs = {s.day: s for s in event.sessions}
    off = [
        f"{day}: ours {_hours(ours.get(day))}, the broker's {_hours(theirs.get(day))}"
        for day in sorted({*ours, *theirs})
        if ours.get(day) != theirs.get(day)
    ]
    if not off:
        if state.calendar_dispute or state.figures.sessions_agreed is None:
            yield e.CalendarAgreed(event.first, event.last)
    elif "; ".join(off) != state.calendar_dispute:
        yield e.CalendarDisputed("; ".join(off))
        yield e.AlertRaised("critical", "calendar", f"calendars differ: {'; '.join(off)}")


def on_adopt_requested(
    state: State, event: e.AdoptRequested, policy: Policy
) -> Iterator[e.Event | Effect]:
    """The operator accepts the broker's figures: of a symbol, or of all."""
    snapshot = state.figures.snapshot
    if snapshot is None or not is_at_rest(state, None):
        yield e.RequestDenied("adopt", "at rest", "orders are open, or no figures yet")
        return
    theirs = {p.symbol: p.qty for p in snapshot.positions}
    symbols = {*theirs, *state.frozen} if event.symbol is None else {event.symbol}
    if event.symbol is not None and event.symbol not in {*theirs, *state.book.positions}:
        yield e.RequestDenied("adopt", "held", f"{event.symbol} is held by nobody")
        return
    positions = tuple((symbol, theirs.get(symbol, ZERO)) for symbol in sorted(symbols))
    why = f"adopted by {event.by}"
    yield e.BookAdopted(None, positions, is_whole=False, why=why)
    yield from ask_figures(state, {policy.benchmark})


def settle_mode(state: State, policy: Policy) -> Iterator[e.Event | Effect]:
    """Yield the mode that follows from what is known, where it is another than now."""
    mode, reason = _mode(state, policy)
    if mode is not state.mode:
        yield e.ModeChanged(mode, reason)


def _mode(state: State, policy: Policy) -> tuple[Mode, str]:
    figures = state.figures
    if state.halt is not None:
        return Mode.HALTED, state.mode_reason
    snapshot = figures.snapshot
    if snapshot is not None and snapshot.account.number != state.account_number:
        return Mode.REDUCE_ONLY, f"account {snapshot.account.number} is another one"
    if figures.matched_at is None:
        reason = figures.failures.get("snapshot", "not yet reconciled")
        if state.mode is Mode.STARTING:
            return Mode.STARTING, reason
        return Mode.REDUCE_ONLY, reason
    assert snapshot is not None
    account = snapshot.account
    blocks = [
        name
        for name, is_on in (
            ("trading blocked", account.trading_blocked),
            ("account blocked", account.account_blocked),
            ("suspended by user", account.suspended_by_user),
            (f"account status {account.status}", account.status != "ACTIVE"),
            ("positions differ", figures.drift_at is not None),
        )
        if is_on
    ]
    if blocks:
        return Mode.REDUCE_ONLY, ", ".join(blocks)
    if "credentials" in figures.failures:
        return Mode.REDUCE_ONLY, "the broker refuses our keys"
    if figures.stream == "listening":
        if figures.stream_at is not None and figures.matched_at < figures.stream_at:
            return Mode.REDUCE_ONLY, "not reconciled since the stream opened"
        return Mode.TRADING, "reconciled, stream listening"
    clean = figures.clean_since
    if clean is not None and state.now - clean >= policy.blind_wait:
        return Mode.TRADING, "reconciled, polling (no stream)"
    return Mode.REDUCE_ONLY, f"stream {figures.stream}"


def _name_foreign(state: State, event: e.SnapshotReported) -> Iterator[e.Event | Effect]:
    for order in event.open_orders:
        if order.client_order_id in state.orders or str(order.broker_order_id) in state.foreign:
            continue
        yield e.ForeignOrderFound(
            order.broker_order_id,
            order.client_order_id,
            order.symbol,
            order.side,
            order.qty,
            order.is_ours,
        )
        whose = "an order with our prefix" if order.is_ours else "a foreign order"
        text = f"{whose} rests: {order.side} {order.qty} {order.symbol} ({order.client_order_id})"
        yield e.AlertRaised("critical" if order.is_ours else "warning", "foreign", text)


def _name_drift(
    state: State, event: e.SnapshotReported, symbols: tuple[Symbol, ...], policy: Policy
) -> Iterator[e.Event | Effect]:
    figures = state.figures
    if figures.drift_at is None or figures.drift_symbols != symbols:
        yield e.DriftSeen(symbols)
        return
    if event.asked_at - figures.drift_at < policy.grace:
        return
    theirs = {p.symbol: p.qty for p in event.positions}
    for symbol in symbols:
        ours, their = state.book.positions.get(symbol, ZERO), theirs.get(symbol, ZERO)
        yield e.DriftFound(symbol, ours, their)
        text = f"{symbol}: we have {ours:f}, the broker has {their:f}; frozen until adopted"
        yield e.AlertRaised("critical", "drift", text)
    if event.account.cash != state.book.cash:
        yield from _restate_cash(state, event.account.cash, policy)
    yield e.BookMatched()


def _restate_cash(state: State, theirs: Decimal, policy: Policy) -> Iterator[e.Event | Effect]:
    ours = state.book.cash
    sells = sum((o.filled_value for o in state.orders.values() if o.draft.side.sign < 0), ZERO)
    tolerance = policy.cash_tolerance + policy.cash_tolerance_pct * sells
    is_within = abs(theirs - ours) <= tolerance
    yield e.CashRestated(ours, theirs, is_within)
    if not is_within:
        text = f"cash: we have {ours:.2f}, the broker has {theirs:.2f}; theirs counts"
        yield e.AlertRaised("warning", "cash", text)


def _ask_sessions(state: State) -> Iterator[e.Event | Effect]:
    first = new_york_day(state.now)
    yield e.SessionsRequested()
    yield FetchSessions(first, first + timedelta(days=CALENDAR_DAYS))


def _hours(session: object) -> str:
    opens, closes = getattr(session, "opens_at", None), getattr(session, "closes_at", None)
    return f"{opens:%H:%M}-{closes:%H:%M} UTC" if opens and closes else "closed"
