"""Sums of money lose nothing, and what is rounded still adds up."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.analysis import exact

money = st.decimals(
    min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=None
)


@settings(max_examples=30)
@given(st.lists(money, max_size=6))
def test_sums_and_products_keep_every_digit(values):
    whole, times = Fraction(0), Fraction(1)
    for value in values:
        whole += Fraction(value)
        times *= Fraction(value)
    assert Fraction(exact.total(values)) == whole
    assert Fraction(exact.product(*values)) == times


def test_more_digits_than_there_is_room_for_raise_instead_of_being_rounded():
    with pytest.raises(Inexact):
        exact.total((Decimal("1E+3000"), Decimal(1)))


@settings(max_examples=30)
@given(st.lists(money, min_size=1, max_size=6), st.decimals("0.01", 10**9, places=2))
def test_basis_points_add_up_and_are_a_hundredth_off_at_most(parts, whole):
    told = exact.bps_of(parts, whole)
    every = Fraction(exact.total(parts)) * 10_000 / Fraction(whole)
    assert abs(Fraction(sum(told)) - every) <= Fraction(1, 200)
    for part, bps in zip(parts, told, strict=True):
        assert abs(Fraction(part) * 10_000 / Fraction(whole) - Fraction(bps)) <= Fraction(1, 100)
        assert bps == bps.quantize(Decimal("0.01"))


def test_no_zero_has_a_sign():
    assert str(exact.product(Decimal(-1), Decimal("0.00"))) == "0.00"
