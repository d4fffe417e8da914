import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.edges.alpaca import wire
from atlas_daemon.edges.alpaca.scalars import WireError, excerpt, moment, number, stamp
from tests.edges.samples import (
    ORDER_ID,
    an_order,
)

D = Decimal


def raw(body: object) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-02-01T14:35:00Z", datetime(2027, 2, 1, 14, 35, tzinfo=UTC)),
        ("2027-02-01T14:35:00.1Z", datetime(2027, 2, 1, 14, 35, 0, 100000, tzinfo=UTC)),
        ("2027-02-01T14:35:00.123456789Z", datetime(2027, 2, 1, 14, 35, 0, 123456, tzinfo=UTC)),
        ("2027-02-01T09:35:00-05:00", datetime(2027, 2, 1, 14, 35, tzinfo=UTC)),
        ("2027-02-01T20:05:00.000+0530", datetime(2027, 2, 1, 14, 35, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_moments_of_any_rfc_3339_form_become_utc(text, at) -> None:
    assert moment(text, "at") == at


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-01",
        "2027-02-01T14:35:00",
        "2027-02-30T14:35:00Z",
        "now",
        5,
        True,
        [],
        "２027",
        "2027-02-01T14:35:00.1234567890Z",
        "2027-02-01T14:35:00+99:99",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_a_moment_without_zone_or_that_cannot_be_is_refused(text) -> None:
    with pytest.raises(WireError, match="at: "):
        moment(text, "at")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_stamped_moment_reads_back_as_itself(at: datetime) -> None:
    assert moment(stamp(at), "at") == at


@given(
    st.tuples(*(st.integers(0, most) for most in (9999, 13, 32, 24, 60, 60))),
    st.from_regex(r"(\.\d{1,9})?", fullmatch=True),
)
def test_the_usual_spelling_of_a_moment_is_read_as_any_other(parts, fraction) -> None:
    """The quick way and the careful way (which takes an offset) agree, also on what is no date."""
    text = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*parts) + fraction

    def read(spelled: str) -> datetime | None:
        try:
            return moment(spelled, "at")
        except WireError:
            return None

    assert read(f"{text}Z") == read(f"{text}+00:00")


def test_a_naive_moment_is_never_stamped() -> None:
    with pytest.raises(WireError, match="no time zone"):
        stamp(datetime(2027, 2, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", D("1.5")),
        (3, D(3)),
        (D("0.1"), D("0.1")),
        ("-2", D(-2)),
        ("", None),
        (None, None),
        ("1e3", D(1000)),
        ("123456789.123456789", D("123456789.123456789")),
    ],
)
def test_s075_numbers_come_as_text_or_as_numbers(text, value) -> None:
    assert number(text, "qty") == value


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-inf",
        "1_0",
        " 1",
        "1,5",
        "٣",
        "1e999",
        "1e17",
        True,
        [],
        {},
        10**400,
        "0x10",
        "--1",
        D("NaN"),
    ],
)
def test_s144_what_is_no_number_is_refused(text) -> None:
    with pytest.raises(WireError, match="qty: "):
        number(text, "qty")


def test_an_order_is_read_with_exact_numbers() -> None:
    order = wire.order(
        raw(an_order(qty="1.123456789", filled_qty="0.5", filled_avg_price=290.12, status="New "))
    )
    assert order.id == ORDER_ID
    assert order.qty == D("1.123456789")
    assert order.filled_qty == D("0.5")
    assert order.filled_avg_price == D("290.12")
    assert (order.status, order.raw_status) == ("new", "New ")
    assert order.submitted_at == datetime(2027, 2, 1, 14, 35, 0, 100000, tzinfo=UTC)
    assert (order.type, order.order_class, order.side) == ("market", "", "buy")


def test_deep_nesting_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        wire.order(b'{"id":"x","status":"new","qty":' + b"[" * 100_000)


def test_an_excerpt_is_one_short_printable_line() -> None:
    line = excerpt(b"a\nb\x00" + b"c" * 1000 + b"\xff")
    assert line.startswith("a b c")
    assert line.endswith("...")
    assert len(line) < 200
