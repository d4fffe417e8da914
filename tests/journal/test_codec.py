import dataclasses
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import BugError
from atlas_daemon.core.values import OrderId, Pick, Regime, Symbol
from atlas_daemon.journal import JournalError
from atlas_daemon.journal.codec import EVENT_KINDS, decode, encode, moment, moment_text

from .catalogue import an_event

EXACT = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def through(event):
    return decode(1, *encode(event))


def signals(**closes):
    return e.SignalsReported(
        signal_day=date(2027, 1, 29),
        picks=(Pick(Symbol("BRK.B"), Decimal("0.10"), Decimal("412.50"), None),),
        closes={Symbol(symbol): Decimal(price) for symbol, price in closes.items()},
        regime=Regime.TREND_BULL,
        regime_as_of=date(2027, 1, 29),
        source="fixed",
        refused=(("XYZ", "stale"), ("QQ", "split, or worse")),
    )


@pytest.mark.parametrize("name", sorted(EVENT_KINDS))
def test_every_event_comes_back_as_it_was(name):
    @EXACT
    @given(an_event(EVENT_KINDS[name]))
    def comes_back(event):
        again = through(event)
        assert again == event
        assert type(again) is type(event)
        assert encode(again) == encode(event)
        hash_or_mapping(again)

    comes_back()


def hash_or_mapping(event):
    """A list where a tuple was would make a frozen record unhashable."""
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if not isinstance(value, dict):
            hash(value)


def test_the_catalogue_is_every_subclass_of_event():
    kinds = {kind.__name__ for kind in e.Event.__subclasses__() if "core" in kind.__module__}
    assert set(EVENT_KINDS) == kinds


def test_nested_tuples_stay_tuples():
    event = through(signals(AAPL="187.25"))
    assert event.refused == (("XYZ", "stale"), ("QQ", "split, or worse"))
    assert type(event.refused) is type(event.refused[0]) is type(event.picks) is tuple
    assert type(event.picks[0]) is Pick
    assert event.regime is Regime.TREND_BULL


@pytest.mark.parametrize("text", ["10.00", "1E+3", "0E-8", "-0", "0.1", "123456789.123456789"])
def test_a_decimal_keeps_its_digits(text):
    event = e.CashRestated(Decimal(text), Decimal(text), True)
    assert str(through(event).ours) == text


def test_equal_mappings_give_equal_text_whatever_their_order():
    one, two = signals(AAPL="1", MSFT="2"), signals(MSFT="2", AAPL="1")
    assert encode(one) == encode(two)
    assert list(through(two).closes) == ["AAPL", "MSFT"]


def test_a_read_only_mapping_is_written_as_a_mapping():
    plain = signals(AAPL="187.25")
    viewed = dataclasses.replace(plain, closes=MappingProxyType(dict(plain.closes)))
    assert encode(viewed) == encode(plain)


def test_a_moment_in_another_zone_is_the_same_moment():
    at = datetime(2027, 2, 1, 9, 35, tzinfo=timezone(timedelta(hours=-5)))
    event = e.OrderNotFound(OrderId("atlas-x"), at)
    assert through(event).asked_at == at


def test_moments_are_written_in_utc_to_the_microsecond():
    at = datetime(2027, 2, 1, 9, 35, tzinfo=timezone(timedelta(hours=-5)))
    assert moment_text(at) == "2027-02-01T14:35:00.000000Z"
    assert moment(1, moment_text(at)) == at
    assert moment(1, moment_text(at)).tzinfo is UTC


def test_a_naive_moment_is_our_bug():
    with pytest.raises(BugError, match="aware"):
        moment_text(datetime(2027, 2, 1, tzinfo=UTC).replace(tzinfo=None))


def test_an_unknown_type_names_entry_and_type():
    with pytest.raises(JournalError, match=r"entry 17: unknown event type 'MoonLanded'"):
        decode(17, "MoonLanded", "{}")


@pytest.mark.parametrize("payload", ["{", "[]", '{"level": 1}', "{}", '{"level": "info"}'])
def test_an_unreadable_payload_names_entry_and_type(payload):
    with pytest.raises(JournalError, match=r"entry 17: AlertRaised cannot be read"):
        decode(17, "AlertRaised", payload)


@pytest.mark.parametrize("text", ["yesterday", "2027-02-01T14:35:00", None, 5])
def test_an_unreadable_time_names_the_entry(text):
    with pytest.raises(JournalError, match="entry 3"):
        moment(3, text)


def test_an_event_outside_the_catalogue_is_our_bug():
    class HandMade:
        pass

    with pytest.raises(BugError, match="HandMade"):
        encode(HandMade())


def test_a_value_that_is_no_plain_value_is_our_bug():
    with pytest.raises(BugError, match="object"):
        encode(e.CalendarDisputed(object()))


@EXACT
@given(st.text())
def test_the_payload_is_json_that_anybody_reads(text):
    _, payload = encode(e.AlertRaised("info", "key", text))
    assert json.loads(payload) == {"level": "info", "key": "key", "text": text}
