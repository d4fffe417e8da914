from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.records.lines import Redactor, cell, day_of, line, number, one_line, stamp

AT = datetime(2025, 11, 18, 14, 35, 42, tzinfo=UTC)


def test_a_line_is_the_seeds():
    text = "Submitting market order: BUY 10 SPY"
    assert line(AT, "info", "AlpacaTradingClient", text) == (
        "[2025-11-18 09:35:42] [INFO] AlpacaTradingClient: Submitting market order: BUY 10 SPY"
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb", "a\\tb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u2028b", "a\\u2028b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x85b\x00", "a\\x85b\\x00"),
        ("half \ud800", "half \\ud800"),
        ("é ✓ $", "é ✓ $"),
    ],
)
def test_what_is_not_seen_is_spelled_out(text, seen):
    assert one_line(text) == seen


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(st.characters()), st.text(st.characters()))
def test_whatever_is_in_it_it_is_one_line_of_utf_8(component, text):
    told = line(AT, "error", component, text)
    assert len(told.splitlines()) == 1
    told.encode()


def test_a_cell_keeps_its_newlines():
    assert cell("a\nb\rc") == "a\nb\\rc"


@pytest.mark.parametrize(
    ("at", "day", "text"),
    [
        (datetime(2027, 2, 2, 4, 59, 59, tzinfo=UTC), date(2027, 2, 1), "2027-02-01 23:59:59"),
        (datetime(2027, 2, 2, 5, 0, tzinfo=UTC), date(2027, 2, 2), "2027-02-02 00:00:00"),
        (datetime(2027, 7, 2, 4, 0, tzinfo=UTC), date(2027, 7, 2), "2027-07-02 00:00:00"),
    ],
)
def test_days_are_new_yorks_in_winter_and_in_summer(at, day, text):
    assert (day_of(at), stamp(at)) == (day, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (10, "10"), (450.25, "450.25"), (Decimal("1E+2"), "100"), (0.1, "0.1")],
)
def test_a_number_is_plain_digits(value, text):
    assert number(value) == text


SECRET = "q7/Xw+9aLmN2'pZr8"


@pytest.mark.parametrize(
    "text",
    [
        f"key {SECRET} leaked",
        f"?secret={SECRET.replace('/', '%2F').replace('+', '%2B')}".replace("'", "%27"),
        repr({"h": SECRET + '"'}),
        f"{SECRET}{SECRET}",
    ],
)
def test_s181_a_given_secret_is_blotted_out_however_it_is_spelled(text):
    told = Redactor([SECRET, "", "short"])(text)
    assert "***" in told
    assert "Xw" not in told


@pytest.mark.parametrize(
    "text",
    [
        "APCA-API-SECRET-KEY: hushhushhush",
        "apca-api-key-id=hushhushhush",
        "{'APCA-API-SECRET-KEY': 'hushhushhush'}",
        "[(b'APCA-API-SECRET-KEY', b'hushhushhush')]",
        "ALPACA_LARGE_SECRET=hushhushhush",
        'ALPACA_LIVE_KEY = "hushhushhush"',
        '{"action":"auth","secret":"hushhushhush"}',
    ],
)
def test_s181_what_looks_like_the_brokers_secret_is_blotted_out(text):
    told = Redactor()(text)
    assert "hush" not in told
    assert "***" in told


def test_s181_a_key_id_is_blotted_out():
    assert Redactor()("key PKABCDEFGHIJ12345678 refused") == "key PK*** refused"


def test_ordinary_text_stays():
    text = "BUY 10 SPY (market): atlas-2027-02-r1-buy-SPY-1, 904837e3-3b76-47ec-b432-046db621571b"
    assert Redactor(["short", ""])(text) == text
