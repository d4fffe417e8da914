"""The plan of a run: from picks, figures and regime to target quantities. Pure arithmetic.

The same function makes the plan of a live rebalance, a rehearsal and a dry run; its digest proves
that they agree.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal

from . import events as e
from .policy import Policy
from .pricing import Price
from .runs import CASH_RUNS, managed_equity, managed_positions, missing_lines, picks_of
from .scale import scale_in_force, spelled
from .sizing import SizedLine, size_lines
from .state import Run, State
from .values import ALLOCATION, ZERO, Regime, Symbol

DOLLARS_MIN = Decimal(1)
"""Alpaca refuses a smaller order of a part of a share."""


def regime_of(state: State, run: Run) -> Regime:
    """Return the regime the run is sized under: its signals', lowered by any later word."""
    if run.trigger in CASH_RUNS:
        return Regime.CRASH
    regimes = [run.signals.regime] if run.signals is not None else []
    if run.plan is not None:
        regimes.append(run.plan.regime)
    if state.regime is not None:
        regimes.append(state.regime.regime)
    return min(regimes, key=lambda regime: ALLOCATION[regime])


def make_plan(
    state: State, run: Run, prices: Mapping[Symbol, Price], policy: Policy
) -> e.RunPlanned:
    """Return the whole plan of a run's first round, every line accounted for.

    `prices` holds a believed price for each pick that was not dropped. Order: picks by rank, then
    the positions to close by symbol.
    """
    snapshot = state.figures.snapshot
    assert snapshot is not None
    regime = regime_of(state, run)
    held = managed_positions(state, policy)
    picks = picks_of(run)
    kept = [p for p in picks if p.symbol not in run.dropped]
    # A dropped line that is held stays as it is: its value is not there to be spent.
    stuck = sum((_value_held(state, s) for s in run.dropped if s in held), ZERO)
    equity = max(managed_equity(state, policy), ZERO)
    if equity == 0:  # nothing to size with (S025): what is held may still be closed
        kept = []
    scale = scale_in_force(state, policy)
    # Measured before the scale is: what is stuck leaves room for so much less in full.
    stuck_pct = min(stuck / scale / equity, Decimal(1)) if equity > 0 else ZERO
    fractionable = frozenset(
        s for s, a in state.figures.assets.items() if policy.fractional and a.fractionable
    )
    sizing = size_lines(
        kept,
        {s: p.value for s, p in prices.items()},
        equity=equity,
        allocation=max(ALLOCATION[regime] - stuck_pct, ZERO) if equity > 0 else ZERO,
        cash_reserve_pct=min(policy.cash_reserve_pct + stuck_pct, Decimal(1)),
        max_position_pct=policy.max_position_pct,
        fractional=fractionable,
        scale=scale,
    )
    lines = [
        *_lines_of_picks(run, held, {line.symbol: line for line in sizing.lines}),
        *_lines_to_close(run, held, prices),
    ]
    notes = [*sizing.notes]
    if scale < 1:
        notes.append(
            f"scale {spelled(scale)}: {sizing.deployable:,.2f} dollars instead of normal sizes"
        )
    if not picks and run.trigger not in CASH_RUNS:
        why = "no candidate passes" if run.signals is not None else "CRASH, and no signals came"
        notes.append(f"{why}: all cash")
    return with_digest(
        e.RunPlanned(
            run_id=run.run_id,
            round=run.round + 1,
            regime=regime,
            allocation=ALLOCATION[regime],
            equity=equity,
            portfolio_value=snapshot.account.equity,
            deployable=sizing.deployable,
            cash=min(snapshot.account.cash, state.book.cash),
            lines=tuple(lines),
            notes=tuple(notes),
            digest="",
            scale=scale,
        )
    )


def _lines_of_picks(
    run: Run, held: Mapping[Symbol, Decimal], sized: Mapping[Symbol, SizedLine]
) -> Iterator[e.PlanLine]:
    for pick in picks_of(run):
        current, line = held.get(pick.symbol, ZERO), sized.get(pick.symbol)
        dropped = run.dropped.get(pick.symbol)
        note = line.note if line else "no equity to size with"
        target = line.qty if line else current if dropped else ZERO
        if line is not None and _is_too_little(target - current, line.price):
            target, note = current, "what is missing is worth less than a dollar: no order"
        yield e.PlanLine(
            symbol=pick.symbol,
            current_qty=current,
            target_qty=target,
            weight=pick.weight,
            price=line.price if line else None,
            close=pick.close,
            note=f"dropped: {dropped}" if dropped else note,
        )


def _is_too_little(gap: Decimal, price: Decimal | None) -> bool:
    """True for a part of a share to buy that the broker takes no order for."""
    return gap > 0 and gap != int(gap) and price is not None and gap * price < DOLLARS_MIN


def _lines_to_close(
    run: Run, held: Mapping[Symbol, Decimal], prices: Mapping[Symbol, Price]
) -> Iterator[e.PlanLine]:
    closes = run.signals.closes if run.signals is not None else {}
    for symbol in sorted(held.keys() - {pick.symbol for pick in picks_of(run)}):
        is_dropped = symbol in run.dropped
        price = prices.get(symbol)
        yield e.PlanLine(
            symbol=symbol,
            current_qty=held[symbol],
            target_qty=held[symbol] if is_dropped else ZERO,
            weight=ZERO,
            price=price.value if price else None,
            close=closes.get(symbol),
            note=f"dropped: {run.dropped[symbol]}" if is_dropped else "",
        )


def plan_again(
    state: State, run: Run, prices: Mapping[Symbol, Price], policy: Policy
) -> e.RunPlanned:
    """Return the plan of a later round of the same session: the missing part of the first.

    Targets and their prices stay, so that a price that ticks makes no orders of its own; a target
    whose price left the drift band is re-sized by `resized`, when its order is drafted. A line
    that was cut stays cut, but for one that may still get the cash of a sell that is missing.
    """
    assert run.plan is not None
    snapshot = state.figures.snapshot
    assert snapshot is not None
    held = managed_positions(state, policy)
    waits_for_sells = any(gap < 0 for gap in missing_lines(state, run, policy).values())
    lines = []
    for line in run.plan.lines:
        current = held.get(line.symbol, ZERO)
        price = prices.get(line.symbol)
        target = run.agreed.get(line.symbol, line.target_qty)
        if waits_for_sells:
            target = max(target, line.target_qty)
        is_dropped = line.symbol in run.dropped
        lines.append(
            e.PlanLine(
                symbol=line.symbol,
                current_qty=current,
                target_qty=current if is_dropped else target,
                weight=line.weight,
                price=price.value if price and line.price is None else line.price,
                close=line.close,
                note=run.dropped.get(line.symbol, line.note),
            )
        )
    return with_digest(
        e.RunPlanned(
            run_id=run.run_id,
            round=run.round + 1,
            regime=regime_of(state, run),
            allocation=run.plan.allocation,
            equity=run.plan.equity,
            portfolio_value=snapshot.account.equity,
            deployable=run.plan.deployable,
            cash=min(snapshot.account.cash, state.book.cash),
            lines=tuple(lines),
            notes=(),
            digest="",
            scale=run.plan.scale,
        )
    )


def has_drifted(line: e.PlanLine, price: Decimal, policy: Policy) -> bool:
    """True where the price left the band around the one the plan was made on."""
    return line.price is not None and abs(price / line.price - 1) > policy.drift_band_pct


def resized(line: e.PlanLine, price: Decimal, policy: Policy, *, is_fractional: bool) -> Decimal:
    """Return the line's target quantity, re-sized where the price left the drift band.

    The line keeps its dollars: shares x old price / new price, cut down.
    """
    if line.price is None or not has_drifted(line, price, policy):
        return line.target_qty
    qty = line.target_qty * line.price / price
    return round(qty - Decimal("5E-10"), 9) if is_fractional else Decimal(int(qty))


def _value_held(state: State, symbol: Symbol) -> Decimal:
    snapshot = state.figures.snapshot
    positions = snapshot.positions if snapshot is not None else ()
    return sum((p.value for p in positions if p.symbol == symbol), ZERO)


def with_digest(plan: e.RunPlanned) -> e.RunPlanned:
    """Return the plan with the hash of all that makes it what it is."""
    unsaid = {"run_id", "digest"} | ({"scale"} if plan.scale == 1 else set())
    parts = [
        f"{field.name}={_spelled(getattr(plan, field.name))}"
        for field in fields(plan)
        if field.name not in unsaid
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return e.RunPlanned(
        **{f.name: getattr(plan, f.name) for f in fields(plan) if f.name != "digest"},
        digest=digest,
    )


def _spelled(value: object) -> str:
    """Spell a value of a plan so that equal ones are spelled alike: 10000.00 is 10000."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, tuple):
        return f"({', '.join(map(_spelled, value))})"
    if isinstance(value, e.PlanLine):
        return _spelled(tuple(getattr(value, field.name) for field in fields(value)))
    return repr(value)
