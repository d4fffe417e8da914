"""A dry run as one plain document: what `--json` prints and what the terminal shows.

Decimals become strings, fractions stay fractions (0.15 is 15 %), None is what nobody knows.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.values import ZERO, Symbol

from .dry_run import DryRun

NAMED_MAX = 5
_PLACES = Decimal("0.000001")


def document(dry_run: DryRun, label: str, asked: date | None) -> dict[str, Any]:
    """Return the whole dry run. `label` names the account, `asked` is the day asked for."""
    scene, plan, answer = dry_run.scene, dry_run.plan, dry_run.answer
    report = dry_run.finished.report
    return {
        "label": label,
        "nothing_sent": True,
        "date": str(asked) if asked else None,
        "order_session": str(scene.order_day),
        "signal_session": str(scene.signal_day),
        "prices_from": scene.prices_from,
        "regime": str(plan.regime),
        "regime_as_of": str(answer.regime_as_of),
        "allocation": _text(plan.allocation),
        "scale": _text(plan.scale),
        "account": _account(dry_run),
        "candidates": answer.candidates,
        "picks": [
            {
                "rank": rank,
                "symbol": str(pick.symbol),
                "ratio": _text(pick.ratio),
                "close": _text(pick.close),
                "weight": _text(pick.weight),
            }
            for rank, pick in enumerate(answer.picks, start=1)
        ],
        "lines": list(_lines(dry_run)),
        "orders": list(_orders(dry_run)),
        "orders_refused": list(_orders_refused(dry_run)),
        "gates": list(_gates(dry_run)),
        "passes": dry_run.passes,
        "cash": {
            "before": _text(dry_run.cash_before),
            "after_sells": _text(dry_run.cash_after_sells),
            "after_buys": _text(dry_run.cash_after_buys),
            "deployable": _text(plan.deployable),
            "deployed_pct": _text(report.achieved_pct) if report else None,
        },
        "outcome": dry_run.finished.outcome,
        "reason": dry_run.finished.reason,
        "refused_symbols": [
            {"symbol": symbol, "why": why} for symbol, why in sorted(answer.refused)
        ],
        "notes": list(dict.fromkeys(_notes(dry_run, asked))),
        "digest": plan.digest,
    }


def _account(dry_run: DryRun) -> dict[str, Any]:
    scene = dry_run.scene
    return {
        "is_hypothetical": scene.is_hypothetical,
        "number": scene.account.number,
        "equity": _text(scene.account.equity),
        "managed_equity": _text(dry_run.plan.equity),
        "cash": _text(scene.account.cash),
        "buying_power": _text(scene.account.buying_power),
        "positions": len(scene.positions),
    }


def _lines(dry_run: DryRun) -> Iterator[dict[str, Any]]:
    marks: Mapping[Symbol, Decimal] = {
        p.symbol: p.price if p.price is not None else p.avg_entry_price
        for p in dry_run.scene.positions
    }
    equity = dry_run.plan.equity
    for line in dry_run.plan.lines:
        price = line.price if line.price is not None else marks.get(line.symbol)
        value = None if price is None else line.target_qty * price
        share = None if value is None or equity <= 0 else (value / equity).quantize(_PLACES)
        note = line.note
        if not note and not line.target_qty:
            note = _why_nothing(line, dry_run.plan)
        yield {
            "symbol": str(line.symbol),
            "current_qty": _text(line.current_qty),
            "target_qty": _text(line.target_qty),
            "change": _text(line.target_qty - line.current_qty),
            "price": _text(price),
            "value": _text(value),
            "equity_pct": _text(share),
            "note": note,
        }


def _why_nothing(line: e.PlanLine, plan: e.RunPlanned) -> str:
    if not line.weight:
        return "closed: not among the picks"
    if plan.allocation == ZERO:
        return f"closed: {plan.regime}" if line.current_qty else f"not bought: {plan.regime}"
    return ""  # a line that is sized at nothing says why itself


def _orders(dry_run: DryRun) -> Iterator[dict[str, Any]]:
    for fill in dry_run.fills:
        draft = fill.draft
        yield {
            "side": str(draft.side),
            "qty": _text(draft.qty),
            "symbol": str(draft.symbol),
            "type": str(draft.order_type),
            "limit_price": _text(draft.limit_price),
            "price": _text(fill.price),
            "value": _text(fill.value),
            "cash_after": _text(fill.cash_after),
        }


def _orders_refused(dry_run: DryRun) -> Iterator[dict[str, Any]]:
    for refused in dry_run.refused:
        yield {
            "side": str(refused.draft.side),
            "qty": _text(refused.draft.qty),
            "symbol": str(refused.draft.symbol),
            "rule": refused.rule,
            "why": refused.detail,
        }


def _gates(dry_run: DryRun) -> Iterator[dict[str, Any]]:
    for verdict in dry_run.verdicts:
        yield {
            "rule": verdict.rule,
            "ok": verdict.ok,
            "actual": verdict.actual,
            "limit": verdict.limit,
            "text": verdict.text,
            "warning": verdict.warning,
        }


def _notes(dry_run: DryRun, asked: date | None) -> Iterator[str]:
    scene, plan, answer = dry_run.scene, dry_run.plan, dry_run.answer
    if asked is not None and asked != scene.order_day:
        why = f"a {asked:%A}" if asked.weekday() >= 5 else "no session"
        yield f"{asked} is {why}: order session {scene.order_day}"
    yield from scene.notes
    if plan.allocation == ZERO:
        yield f"regime {plan.regime} lets nothing be held: {_what_ends(plan)}"
    yield from answer.notes
    for note in plan.notes:
        if not any(said.startswith(note) for said in answer.notes):
            yield note
    if answer.refused:
        named = "; ".join(f"{s}: {why}" for s, why in sorted(answer.refused)[:NAMED_MAX])
        more = " ..." if len(answer.refused) > NAMED_MAX else ""
        count = len(answer.refused)
        yield f"{count} symbol{'s' * (count != 1)} could not be rated: {named}{more}"
    for dropped in dry_run.dropped:
        yield f"{dropped.symbol} is left as it is: {dropped.rule}: {dropped.detail}"
    for trimmed in dry_run.trimmed:
        yield (
            f"{trimmed.symbol}: cut from {trimmed.wanted_qty:f} to {trimmed.qty:f} by "
            f"{trimmed.rule} ({trimmed.actual}, limit {trimmed.limit})"
        )
    for verdict in dry_run.verdicts:
        if verdict.warning:
            yield f"warning: {verdict.warning}"
    if dry_run.finished.outcome == "degraded":
        yield f"the run would end degraded: {dry_run.finished.reason}"


def _what_ends(plan: e.RunPlanned) -> str:
    closed = sum(line.current_qty > line.target_qty == 0 for line in plan.lines)
    kept = sum(line.target_qty > 0 for line in plan.lines)
    if kept:  # dropped lines, which are left as they are
        return f"{closed} of {closed + kept} positions are closed"
    return f"all cash, all {closed} held are closed" if closed else "all cash"


def _text(value: Decimal | None) -> str | None:
    """Return a number without exponent and without idle zeros."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
