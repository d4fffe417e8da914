"""From weights to shares: the planner's arithmetic.

Lives here: how much may be deployed, what each line gets, how the cash that rounding leaves is
spread again. May not live here: what is held now, orders, gates, prices' age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext

from .errors import RefusedError
from .values import ZERO, Pick, Symbol

FRACTION_DIGITS = 9
"""Decimals of a fractional quantity that Alpaca accepts."""

WEIGHT_SLACK = Decimal("0.000000001")
"""How far weights may add up beyond 1 by their own rounding (seven times 1/7 does)."""

_ONE = Decimal(1)
_NANO = Decimal("0.000000001")
_EXACT = Context(prec=80, rounding=ROUND_DOWN)
"""Wide enough for exact products of money, weights and shares."""


@dataclass(frozen=True, slots=True)
class SizedLine:
    """One pick and what it gets."""

    symbol: Symbol
    weight: Decimal
    price: Decimal | None
    """The price sized on; None where none was known."""
    target_value: Decimal
    """The line's slice in dollars: its weight of the deployable value, cut at the cap."""
    qty: Decimal
    value: Decimal
    """`qty` x `price`."""
    note: str = ""
    """Why the line differs from its weight; empty where it does not."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """What the portfolio should hold: one line for each pick, in the picks' order."""

    equity: Decimal
    deployable: Decimal
    lines: tuple[SizedLine, ...]
    deployed_value: Decimal
    cash_left: Decimal
    """Equity that stays in cash; never negative."""
    notes: tuple[str, ...]
    """The lines' notes, each with its symbol, and what concerns the whole."""


def shares_for(value: Decimal, price: Decimal, *, fractional: bool) -> Decimal:
    """Return the most shares that `value` dollars buy at `price` (> 0), rounded down, never < 0.

    Whole shares, or `FRACTION_DIGITS` decimals. The division is exact: a quotient a hair under a
    whole number does not become that number.
    """
    if value <= 0:
        return ZERO
    with localcontext(_EXACT):
        if not fractional:
            return value // price
        qty = (value.scaleb(FRACTION_DIGITS) // price).scaleb(-FRACTION_DIGITS)
        is_whole = qty == qty.to_integral_value()
        return qty.to_integral_value() if is_whole else qty.normalize()


def size_lines(
    picks: Sequence[Pick],
    prices: Mapping[Symbol, Decimal],
    *,
    equity: Decimal,
    allocation: Decimal,
    cash_reserve_pct: Decimal,
    max_position_pct: Decimal,
    fractional: frozenset[Symbol] = frozenset(),
    respread: bool = True,
    scale: Decimal = _ONE,
) -> Sizing:
    """Size each pick within the regime's allocation, the cash reserve and the cap on a position.

    Deployable is `equity` x min(`allocation`, 1 - `cash_reserve_pct`) x `scale`. A line's slice is
    its weight of that, at most `max_position_pct` of `equity`; what the cap cuts off stays in
    cash. Quantities are the slice over the price, rounded down. With `respread`, the cash that
    rounding left then goes out share by share: the whole-share line furthest below its slice in
    dollars gets one more, ties in symbol order, as long as the cap and the deployable value allow
    it. A line at or above its slice gets none, so each line ends less than one share from its slice
    or at its floor, and a pick too dear to hold never swells the others beyond their weights.

    A pick without a usable price gets 0 shares and a note. The answer depends on the picks' order
    only in the order of its lines.

    Raises RefusedError on figures that nothing can be sized with: no equity, fractions outside
    0..1, a weight that is not positive, weights over 1 in sum, a symbol twice.
    """
    with localcontext(_EXACT):
        _refuse_nonsense(picks, equity, allocation, cash_reserve_pct, max_position_pct, scale)
        deployable = max(equity, ZERO) * min(allocation, _ONE - cash_reserve_pct) * scale
        cap = max(equity, ZERO) * max_position_pct
        slices = _slices(picks, deployable)
        lines = [
            _floored(pick, prices.get(pick.symbol), min(slices[pick.symbol], cap), fractional)
            for pick in picks
        ]
        if respread:
            _respread(lines, deployable, cap, fractional)
        capped = f"capped at {(max_position_pct * 100).normalize():f} %"
        lines = [_with_note(line, capped if slices[line.symbol] > cap else "") for line in lines]
        deployed = sum((line.value for line in lines), ZERO)
        return Sizing(
            equity=equity,
            deployable=deployable,
            lines=tuple(lines),
            deployed_value=deployed,
            cash_left=equity - deployed,
            notes=_notes(lines, sum(slices.values(), ZERO), deployable),
        )


def _refuse_nonsense(
    picks: Sequence[Pick],
    equity: Decimal,
    allocation: Decimal,
    cash_reserve_pct: Decimal,
    max_position_pct: Decimal,
    scale: Decimal,
) -> None:
    fractions = {
        "allocation": allocation,
        "cash_reserve_pct": cash_reserve_pct,
        "max_position_pct": max_position_pct,
        "scale": scale,
    }
    for name, fraction in fractions.items():
        if not (fraction.is_finite() and 0 <= fraction <= 1):
            raise RefusedError(f"cannot size: {name} is {fraction}, must lie between 0 and 1")
    # Going to cash (allocation 0) stays possible whatever the account is worth.
    if not equity.is_finite() or (equity <= 0 and allocation > 0):
        raise RefusedError(f"cannot size: equity is {equity}, must be above 0")
    seen: set[Symbol] = set()
    for pick in picks:
        if pick.symbol in seen:
            raise RefusedError(f"cannot size: {pick.symbol} is picked twice")
        seen.add(pick.symbol)
        if not (pick.weight.is_finite() and pick.weight > 0):
            raise RefusedError(
                f"cannot size: weight of {pick.symbol} is {pick.weight}, must be > 0"
            )
    total = sum((pick.weight for pick in picks), ZERO)
    if total > _ONE + WEIGHT_SLACK:
        raise RefusedError(f"cannot size: weights add up to {total}, must not exceed 1")


def _slices(picks: Sequence[Pick], deployable: Decimal) -> dict[Symbol, Decimal]:
    """Return each pick's weight of the deployable value, before the cap.

    Rounded to the nearest nano-dollar, so that a third of 3,000 is 1,000 and not a share less;
    where rounding makes the sum exceed the whole, the largest slice gives the excess back.
    """
    slices = {
        pick.symbol: (pick.weight * deployable).quantize(_NANO, rounding=ROUND_HALF_EVEN)
        for pick in picks
    }
    excess = sum(slices.values(), ZERO) - deployable
    if excess > 0:
        largest = max(slices, key=lambda symbol: (slices[symbol], symbol))
        slices[largest] -= excess
    return slices


def _floored(
    pick: Pick, price: Decimal | None, target_value: Decimal, fractional: frozenset[Symbol]
) -> SizedLine:
    if price is None or not (price.is_finite() and price > 0):
        note = "no price" if price is None else f"no price: {price} is not one"
        return SizedLine(pick.symbol, pick.weight, None, target_value, ZERO, ZERO, note)
    qty = shares_for(target_value, price, fractional=pick.symbol in fractional)
    return SizedLine(pick.symbol, pick.weight, price, target_value, qty, qty * price)


def _respread(
    lines: list[SizedLine], deployable: Decimal, cap: Decimal, fractional: frozenset[Symbol]
) -> None:
    """Give one more share at a time to the line furthest below its slice; edits `lines`."""
    cash = deployable - sum((line.value for line in lines), ZERO)
    # One share lifts a line to its slice or above, so each line's turn comes once and the order
    # of turns is the order of the shortfalls after rounding down. What does not fit now never
    # fits later: the cash only shrinks.
    waiting = sorted(
        (line.value - line.target_value, line.symbol, index)
        for index, line in enumerate(lines)
        if line.price is not None
        and line.symbol not in fractional
        and line.value < line.target_value
    )
    for _, _, index in waiting:
        line = lines[index]
        price = line.price or ZERO
        if price <= cash and line.value + price <= cap:
            lines[index] = replace(line, qty=line.qty + 1, value=line.value + price)
            cash -= price


def _with_note(line: SizedLine, capped: str) -> SizedLine:
    if line.price is None:
        return line
    notes = [capped] if capped else []
    if not line.qty and line.target_value > 0:
        notes.append(
            f"one share at {line.price:,.2f} is dearer than its slice of {line.target_value:,.2f}"
        )
    return replace(line, note="; ".join(notes))


def _notes(
    lines: Sequence[SizedLine], sliced_value: Decimal, deployable: Decimal
) -> tuple[str, ...]:
    notes = [f"{line.symbol}: {line.note}" for line in lines if line.note]
    cut_off = sliced_value - sum((line.target_value for line in lines), ZERO)
    if cut_off > 0:
        notes.append(f"the cap leaves {cut_off:,.2f} of the deployable {deployable:,.2f} in cash")
    return tuple(notes)
