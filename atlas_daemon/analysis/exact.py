"""Sums and products of money without any rounding, and rounding that keeps sums. Nothing else.

Python's default context keeps 28 digits, which is too few for a product of two prices as the
broker's averages spell them. Here a result that would have to be rounded raises instead.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation

from atlas_daemon.core.values import ZERO

_EXACT = Context(prec=2_000, traps=[Inexact, InvalidOperation, DivisionByZero])
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
BPS = 10_000
BPS_STEP = Decimal("0.01")


def product(*factors: Decimal) -> Decimal:
    """Return the product with all of its digits."""
    result = Decimal(1)
    for factor in factors:
        result = _EXACT.multiply(result, factor)
    return _EXACT.add(result, ZERO)  # no zero with a sign


def total(parts: Iterable[Decimal]) -> Decimal:
    """Return the sum with all of its digits."""
    result = ZERO
    for part in parts:
        result = _EXACT.add(result, part)
    return result


def difference(one: Decimal, other: Decimal) -> Decimal:
    """Return `one` minus `other` with all of its digits."""
    return _EXACT.subtract(one, other)


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """Return a quotient to sixty digits. `whole` may not be 0."""
    return _ROUNDING.divide(part, whole)


def bps_of(parts: Sequence[Decimal], whole: Decimal) -> list[Decimal]:
    """Return each part in basis points of `whole`, to the hundredth, so that they still add up.

    Their sum is the rounded whole of the parts: each is the difference of two rounded running
    sums, and so at most a hundredth off by itself. `whole` may not be 0.
    """
    told, running, before = [], ZERO, ZERO
    for part in parts:
        running = total((running, part))
        now = ratio(product(running, Decimal(BPS)), whole).quantize(BPS_STEP, context=_ROUNDING)
        told.append(now - before)
        before = now
    return told
