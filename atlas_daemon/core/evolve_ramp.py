"""The changes of state that going live makes: evidence, certificate, scale, and the clean days.

Nothing here decides anything. Clean days are counted on what other changes are made by, so
`evolve` lets `with_ramp` see every event of a live account, after the change itself.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from . import events as e
from .certificate import CERTIFICATE, EXPIRY
from .evolve_figures import with_figures
from .frozen import replace
from .moments import new_york_day
from .orders import OrderStatus
from .runs import FIRST_TRADE
from .scale import RESTORED
from .state import Evidence, Ramp, State
from .values import AccountMode, Side

Change = Callable[[State, Any], State]


def _evidence_reported(state: State, event: e.EvidenceReported) -> State:
    latest = {(event.kind, event.name): Evidence(event, state.now)}
    return replace(state, evidence={**state.evidence, **latest})


def _certificate_reported(state: State, event: e.CertificateReported) -> State:
    ramp = state.ramp
    if not event.problem:
        is_same = ramp.warned_of == event.certificate_id
        ramp = replace(
            ramp,
            refusal_told="",
            warned=ramp.warned if is_same else frozenset(),
            warned_of=event.certificate_id,
        )
    return with_figures(replace(state, ramp=ramp), certificate=event)


def _scale_changed(state: State, event: e.ScaleChanged) -> State:
    ramp = replace(state.ramp, scale=event.scale, changed_at=state.now)
    if event.scale > event.was:
        today = new_york_day(state.now)
        ramp = replace(ramp, raised_at=state.now, clean_days=0, counted_day=today)
    elif event.by == RESTORED:
        ramp = _begun_anew(replace(state, ramp=ramp), "the journal was put back from a backup")
    return replace(state, ramp=ramp)


RAMP_CHANGES: Mapping[type[e.Event], Change] = {
    e.EvidenceReported: _evidence_reported,
    e.CertificateReported: _certificate_reported,
    e.ScaleChanged: _scale_changed,
}
"""Looked up by `evolve`, with its own."""


def with_ramp(state: State, event: e.Event) -> State:
    """Return the state with what the event means for the count of clean days. Live only."""
    count = _COUNTS.get(type(event))
    if count is None or state.account_mode is not AccountMode.LIVE:
        return state
    ramp = count(state, event)
    return state if ramp is state.ramp else replace(state, ramp=ramp)


def _bought(state: State, event: e.FillBooked) -> Ramp:
    ramp, run = state.ramp, state.run
    if event.side is not Side.BUY:
        return ramp
    if ramp.first_buy_at is None:
        today = new_york_day(state.now)
        ramp = replace(ramp, first_buy_at=state.now, clean_days=0, counted_day=today)
    is_whole = run is not None and run.plan is not None and run.trigger != FIRST_TRADE
    if ramp.scale is None and is_whole and run is not None and run.plan is not None:
        ramp = replace(ramp, scale=run.plan.scale)
    return ramp


def _marked(state: State, event: e.EquityMarked) -> Ramp:
    """A session counts once, by its first mark; the one in which the count began does not."""
    ramp = state.ramp
    if ramp.first_buy_at is None or event.day <= (ramp.counted_day or date.max):
        return ramp
    return replace(ramp, clean_days=ramp.clean_days + 1, counted_day=event.day)


def _unclean(say: Callable[[Any], str]) -> Callable[[State, Any], Ramp]:
    def count(state: State, event: Any) -> Ramp:
        what = say(event)
        return _begun_anew(state, what) if what else state.ramp

    return count


def _begun_anew(state: State, what: str) -> Ramp:
    today = new_york_day(state.now)
    return replace(state.ramp, clean_days=0, counted_day=today, unclean_at=state.now, unclean=what)


def _of_step(event: e.OrderStepped) -> str:
    is_no = event.status in (OrderStatus.REJECTED, OrderStatus.REFUSED)
    why = f": {event.reason}" if event.reason else ""
    return f"the broker refused {event.order_id}{why}" if is_no else ""


def _of_end(event: e.RunFinished) -> str:
    is_short = event.is_final and event.outcome == "degraded"
    return f"{event.run_id} ended short of its target" if is_short else ""


def _apart(what: str, ours: Decimal, theirs: Decimal) -> str:
    return f"{what} unexplained: ours {ours:f}, the broker's {theirs:f}"


_COUNTS: Mapping[type[e.Event], Callable[[State, Any], Ramp]] = {
    e.FillBooked: _bought,
    e.EquityMarked: _marked,
    e.CashUnexplained: _unclean(lambda x: _apart("cash", x.ours, x.theirs)),
    e.DriftFound: _unclean(lambda x: _apart(x.symbol, x.ours, x.theirs)),
    e.OrderOverfilled: _unclean(lambda x: f"{x.order_id} filled {x.filled_qty:f} of {x.qty:f}"),
    e.ExecutionDisputed: _unclean(lambda x: f"execution {x.execution_id} told in two ways"),
    e.OrderDisputed: _unclean(lambda x: f"{x.order_id} disputed: {x.detail}"),
    e.DaemonCrashed: _unclean(lambda x: f"the daemon ended by an exception: {x.detail}"),
    e.OrderStepped: _unclean(_of_step),
    e.RunFinished: _unclean(_of_end),
}
"""What is counted, and what begins the count anew."""


def with_alert_told(state: State, event: e.AlertRaised) -> State:
    """Return the state with what was told of the certificate."""
    ramp = state.ramp
    if event.key == CERTIFICATE:
        return replace(state, ramp=replace(ramp, refusal_told=event.text))
    if event.key == EXPIRY:
        return replace(state, ramp=replace(ramp, warned=ramp.warned | {event.text}))
    return state
