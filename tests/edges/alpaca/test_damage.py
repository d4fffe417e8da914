import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.edges import quotes
from atlas_daemon.edges.alpaca import frames, wire
from atlas_daemon.edges.alpaca.scalars import WireError
from tests.edges.samples import (
    a_clock,
    a_fill,
    a_position,
    a_trade_update,
    an_account,
    an_asset,
    an_order,
)


def raw(body: object) -> bytes:
    return json.dumps(body).encode()


DECODERS = [
    wire.order,
    wire.orders,
    wire.account,
    wire.positions,
    wire.position,
    wire.asset,
    wire.assets,
    wire.clock,
    wire.calendar,
    wire.activities,
    wire.cancel_results,
    wire.configurations,
    frames.frame,
    quotes.latest_quotes,
    quotes.latest_trades,
]
SAMPLES = [
    an_order(),
    [an_order()],
    an_account(),
    [a_position()],
    a_position(),
    an_asset(),
    [an_asset()],
    a_clock(),
    [{"date": "2026-11-27", "open": "09:30", "close": "13:00"}],
    [a_fill()],
    [{"id": "a", "status": 200}],
    {"suspend_trade": True},
    a_trade_update(),
    {"quotes": {"SPY": {"t": "2027-02-01T14:35:00Z", "bp": 1, "ap": 2}}},
    {"trades": {"SPY": {"t": "2027-02-01T14:35:00Z", "p": 1}}},
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["NaN", "1e999999", "-5", "2027-02-01", "0000-00-00T00:00:00Z", ""])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[int, bytes]:
    """A decoder's number and a body of its own kind with one leaf replaced, cut, or made up."""
    index = draw(st.integers(0, len(DECODERS) - 1))
    how = draw(st.sampled_from(["leaf", "cut", "any", "bytes"]))
    if how == "any":
        return index, json.dumps(draw(JSON)).encode()
    if how == "bytes":
        return index, draw(st.binary(max_size=40))
    body = json.loads(json.dumps(SAMPLES[index]))
    if how == "cut":
        whole = json.dumps(body).encode()
        return index, whole[: draw(st.integers(0, len(whole)))]
    place = body
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else sorted(place)
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(JSON)
        return index, json.dumps(body).encode()


@given(damaged())
def test_damage_is_read_or_is_a_wire_error_of_one_line_and_nothing_else(case) -> None:
    index, body = case
    try:
        DECODERS[index](body)
    except WireError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("index", range(len(DECODERS)))
def test_every_sample_is_read_whole(index: int) -> None:
    assert DECODERS[index](raw(SAMPLES[index])) is not None
