"""Judgements on the rehearsals: what a run would do today, what changed, how the real one ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from atlas_daemon.core.findings import Finding, Level

from .asking import NotKnown, Reply
from .keeping import Rehearsed, changes

WHOLE = "`atlasd plan` shows it whole"
REASONS_MAX = 3


@dataclass(frozen=True, slots=True)
class Played:
    """How the run on the local broker ended."""

    outcome: str
    """The run's: `done`, `degraded` ..."""
    reason: str
    orders: int
    filled: int
    took_s: float
    """Seconds of the machine's time."""


def on_plan(reply: Reply[Mapping[str, Any]]) -> Iterator[Finding]:
    """Judge the dry run on today's figures: every gate, and how it would end."""
    if isinstance(reply, NotKnown):
        # The core's own no: a run of today would not begin, or not end.
        is_refused = reply.is_refusal
        level = Level.RED if is_refused else Level.WARN
        yield Finding("plan", level, reply.why if is_refused else f"not known: {reply.why}", WHOLE)
        return
    plan = reply.value
    said = (
        f"if the slot were {plan['order_session']} (closes of {plan['signal_session']}, "
        f"{plan['regime']}): {_orders(plan['orders'])}"
    )
    broken = [gate["text"] for gate in plan["gates"] if not gate["ok"]]
    if not plan["passes"]:
        text = f"{said}; a gate refuses it: {'; '.join(broken[:REASONS_MAX])}"
        yield Finding("plan", Level.RED, text, WHOLE)
    elif plan["outcome"] != "done":
        text = f"{said}; it would end {plan['outcome']}: {plan['reason']}"
        yield Finding("plan", Level.RED, text, WHOLE)
    else:
        yield Finding("plan", Level.OK, f"{said}; {_cash(plan)}", WHOLE)


def on_run_open(run: str) -> Iterator[Finding]:
    """Say why nothing is rehearsed: the account's own orders are under way."""
    yield Finding("plan", Level.OK, f"run {run} is under way: nothing is rehearsed beside it")


def on_changes(old: Rehearsed | None, new: Rehearsed | None, trouble: str) -> Iterator[Finding]:
    """Say what changed since the last session's rehearsal. `trouble` is the record's own."""
    if trouble:
        yield Finding("changes", Level.WARN, trouble)
    elif new is None:
        yield Finding("changes", Level.WARN, "not known: there is no plan of today")
    elif old is None:
        yield Finding("changes", Level.OK, "nothing to compare with yet")
    else:
        words = "; ".join(changes(old, new)) or "nothing"
        text = f"since the rehearsal on {old.signal_session}: {words}"
        yield Finding("changes", Level.OK, text)


def on_played(reply: Reply[Played]) -> Iterator[Finding]:
    """Judge the daemon's own run of today's plan on the local broker: it must end DONE."""
    if isinstance(reply, NotKnown):
        text = f"the run on the local broker did not end: {reply.why}"
        level = Level.RED if reply.is_refusal else Level.WARN
        yield Finding("rehearsal", level, text, WHOLE)
        return
    played = reply.value
    said = (
        f"the daemon ran today's slot on the local broker: {played.outcome.upper()}, "
        f"{played.filled} of {played.orders} orders filled"
    )
    if played.outcome == "done":
        yield Finding("rehearsal", Level.OK, f"{said}, in {played.took_s:.1f} s")
    else:
        yield Finding("rehearsal", Level.RED, f"{said}: {played.reason}", WHOLE)


def _orders(orders: Sequence[Mapping[str, Any]]) -> str:
    sells = sum(order["side"] == "sell" for order in orders)
    buys = len(orders) - sells
    if not orders:
        return "no order"
    words = [f"{n} {side}{'s' * (n != 1)}" for n, side in ((sells, "sell"), (buys, "buy")) if n]
    return ", ".join(words)


def _cash(plan: Mapping[str, Any]) -> str:
    cash = plan["cash"]
    left = f"{Decimal(cash['after_buys']):,.2f} dollars of cash left"
    if cash["deployed_pct"] is None:
        return left
    return (
        f"{Decimal(cash['deployed_pct']) * 100:.1f} % of {Decimal(plan['allocation']) * 100:.0f} % "
        f"deployed, {left}"
    )
