"""Alpaca's spellings: numbers, moments, and reading them back."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from atlas_daemon.paper import wire
from atlas_daemon.paper.exchange.orders import id_of
from atlas_daemon.paper.exchange.refusals import plain

AT = datetime(2026, 10, 8, 15, 10, 18, 97000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "salt", "text"),
    [
        (AT, 0, "2026-10-08T15:10:18.097Z"),
        (AT, 120, "2026-10-08T15:10:18.09700012Z"),
        (AT.replace(microsecond=0), 0, "2026-10-08T15:10:18Z"),
        (AT.astimezone(timezone(timedelta(hours=-4))), 0, "2026-10-08T15:10:18.097Z"),
    ],
)
def test_moments_have_nanoseconds_without_trailing_zeros(at, salt, text):
    assert wire.moment(at, salt) == text
    assert wire.parse_moment_ns(text) == wire.moment_ns(at, salt)


@pytest.mark.parametrize(
    "text", ["2026-10-08T11:10:18.097-04:00", "2026-10-08T11:10:18.097 04:00"[:23] + "-04:00"]
)
def test_moments_are_read_with_any_offset(text):
    assert wire.parse_moment_ns(text) == wire.moment_ns(AT)


@pytest.mark.parametrize(
    ("number", "text"),
    [("100.00", "100"), ("0.10", "0.1"), ("1E+3", "1000"), ("0E-9", "0"), ("-0.00", "0")],
)
def test_numbers_have_no_exponent_and_no_trailing_zeros(number, text):
    assert plain(Decimal(number)) == text


def test_ids_are_uuids_and_a_function_of_their_parts():
    assert id_of("a", 1) == id_of("a", 1) != id_of("a", 2)
    assert id_of("a", 1)[14] == "4"
    assert id_of("a", 1)[19] in "89ab"
