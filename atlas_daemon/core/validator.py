"""Yes or no to a plan as a whole, and to each draft. The only place that makes an `Approved`.

A no carries rule, actual and limit. A buy over a limit is cut to the largest quantity that passes,
both on record; a sell never is. One refused order never stops the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from . import events as e
from .effects import Effect
from .gates import batch_verdicts, largest_qty, limit_verdicts, standing_verdicts
from .policy import Policy
from .rules import Verdict
from .state import State
from .values import Approved, Draft, Side


def on_run_planned(state: State, event: e.RunPlanned, policy: Policy) -> Iterator[e.Event | Effect]:
    """Let the batch pass, or abort the run before any order.

    A later round of a session aborts nothing: prices ticked since its targets were decided, and
    each of its orders is measured, and cut, by itself.
    """
    verdicts = batch_verdicts(state, event, policy)
    answers = tuple(e.GateAnswer(v.rule, v.ok, v.actual, v.limit, v.text) for v in verdicts)
    yield e.GatesAnswered(event.run_id, event.round, answers)
    warnings = dict.fromkeys(verdict.warning for verdict in verdicts if verdict.warning)
    for warning in warnings:
        yield e.AlertRaised("info", "gate", f"{event.run_id}: {warning}")
    failed = [verdict for verdict in verdicts if not verdict.ok]
    texts = list(dict.fromkeys(verdict.text for verdict in failed))
    is_later = state.run is not None and state.run.session_round > 1
    if failed and is_later:
        yield e.AlertRaised("warning", "gate", f"{event.run_id} goes on: {'; '.join(texts)}")
    if not failed or is_later:
        yield e.PhaseStarted(event.run_id, "selling", event.round)
        return
    yield e.AlertRaised("error", "gate", f"{event.run_id} refused: {'; '.join(texts)}")
    yield e.RunFinished(
        event.run_id,
        outcome="refused",
        is_final=state.run is None or state.run.slot is None,
        reason="; ".join(texts),
        report=None,
    )


def on_order_drafted(
    state: State, event: e.OrderDrafted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Say yes, cut and say yes, or say no: on the figures of this very turn."""
    draft = event.draft
    if (no := _first_no(standing_verdicts(state, draft, policy))) is not None:
        yield _refused(draft, no)
        return
    if draft.side is Side.BUY and (broken := _first_broken(state, draft, policy)) is not None:
        qty = largest_qty(state, draft, policy)
        if qty <= 0:
            yield _refused(draft, broken)
            return
        yield e.OrderTrimmed(
            draft.order_id,
            draft.symbol,
            draft.qty,
            qty,
            broken.rule,
            broken.actual,
            broken.limit,
        )
        draft = replace(draft, qty=qty)
        if (no := _first_broken(state, draft, policy)) is not None:
            yield _refused(draft, no)
            return
    yield e.OrderApproved(Approved(draft, state.now, state.now + policy.max_price_age))


def _first_broken(state: State, draft: Draft, policy: Policy) -> Verdict | None:
    return _first_no(limit_verdicts(state, draft, policy))


def _first_no(verdicts: Iterable[Verdict]) -> Verdict | None:
    return next((verdict for verdict in verdicts if not verdict.ok), None)


def _refused(draft: Draft, verdict: Verdict) -> e.OrderRefused:
    return e.OrderRefused(draft, verdict.rule, verdict.actual, verdict.limit, verdict.text)
