import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from atlas_daemon.edges.alpaca import frames
from atlas_daemon.edges.alpaca.scalars import WireError
from tests.edges.samples import (
    a_trade_update,
    an_order,
)

D = Decimal


def raw(body: object) -> bytes:
    return json.dumps(body).encode()


def test_a_trade_update_is_read_with_its_execution() -> None:
    update = frames.frame(raw(a_trade_update()))
    assert isinstance(update, frames.TradeUpdate)
    assert (update.event, update.price, update.qty, update.position_qty) == (
        "fill",
        D("450.25"),
        10,
        10,
    )
    assert update.order.status == "filled"
    assert update.timestamp == datetime(2027, 2, 1, 14, 35, 0, 500000, tzinfo=UTC)


def test_s096_s106_an_unknown_event_and_absent_fields_are_read() -> None:
    sparse = {"stream": "trade_updates", "data": {"event": "trade_bust", "order": an_order()}}
    update = frames.frame(raw(sparse))
    assert isinstance(update, frames.TradeUpdate)
    assert update.event == "trade_bust"
    assert (update.price, update.timestamp, update.execution_id) == (None, None, None)


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (
            {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
            frames.Authorization(True, "authorized authenticate"),
        ),
        (
            {"stream": "authorization", "data": {"status": "unauthorized", "message": "why"}},
            frames.Authorization(False, "unauthorized why"),
        ),
        ({"stream": "listening", "data": {"streams": []}}, frames.Listening(())),
        (
            {"stream": "listening", "data": {"streams": ["trade_updates"]}},
            frames.Listening(("trade_updates",)),
        ),
        (
            {"action": "error", "data": {"error_message": "bad", "code": 406}},
            frames.Complaint(406, "bad"),
        ),
        ({"stream": "account_updates", "data": {}}, frames.Stranger("account_updates")),
    ],
)
def test_frames_of_every_kind_are_told_apart(told, heard) -> None:
    assert frames.frame(raw(told)) == heard
    assert frames.frame(json.dumps(told)) == heard


@pytest.mark.parametrize("garbage", [b"{", b"[]", b"{}", b"5", b'[{"T":"success"}]', "\ud800"])
def test_s097_a_frame_that_cannot_be_read_is_a_wire_error(garbage) -> None:
    with pytest.raises(WireError):
        frames.frame(garbage)


def test_s093_an_update_without_any_id_is_unread_and_never_guessed_at() -> None:
    for order in (an_order(id="", client_order_id=""), an_order(id=None, client_order_id=None)):
        with pytest.raises(WireError):
            frames.frame(raw(a_trade_update(order=order)))


def test_an_order_within_a_frame_of_another_kind_is_no_trade_update() -> None:
    data = a_trade_update()["data"]
    complaint = frames.frame(raw({"action": "error", "data": data}))
    assert isinstance(complaint, frames.Complaint)
    assert frames.frame(raw({"stream": "orders", "data": data})) == frames.Stranger("orders")
    with pytest.raises(WireError, match="without a stream"):
        frames.frame(raw({"data": data}))
