"""The stream's news in the core's words: nothing is lost, nothing is guessed."""

import json
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Side
from atlas_daemon.edges.alpaca.frames import TradeUpdate, frame
from atlas_daemon.edges.alpaca.stream import BadFrame, LinkStatus, StreamState
from atlas_daemon.edges.stream_news import KNOWN, UNDONE, events_of, side_of
from tests.edges.samples import a_trade_update, an_order

QUIET = sorted(KNOWN - {"fill", "partial_fill"})


def told(event: str, **changes: object) -> list[e.Event]:
    update = frame(json.dumps(a_trade_update(event, **changes)).encode())
    assert isinstance(update, TradeUpdate)
    return list(events_of(update))


@pytest.mark.parametrize("event", ["fill", "partial_fill"])
def test_an_execution_carries_its_own_and_the_cumulative_figures(event):
    order = an_order(status="partially_filled", filled_qty="7", filled_avg_price="450.10")
    (fill,) = told(event, order=order, qty="3", price="450.25")
    assert isinstance(fill, e.OrderFilled)
    assert (fill.qty, fill.price) == (3, Decimal("450.25"))
    assert (fill.filled_qty, fill.filled_avg_price) == (7, Decimal("450.10"))
    assert (fill.order_qty, fill.status) == (10, "partially_filled")
    assert fill.execution_id == "7922ab44-5b33-4049-ab9a-0cfd805ba989"
    assert fill.filled_at is not None


@pytest.mark.parametrize("missing", ["execution_id", "qty", "price"])
def test_s106_an_execution_without_its_figures_is_the_orders_own(missing):
    (report,) = told("fill", **{missing: None})
    assert isinstance(report, e.OrderReported)
    assert (report.filled_qty, report.filled_avg_price) == (10, Decimal("450.25"))


@pytest.mark.parametrize("event", QUIET)
def test_s095_every_other_known_event_reports_the_order_as_it_is(event):
    order = an_order(status="canceled", filled_qty="4", filled_avg_price="1")
    (report,) = told(event, order=order, execution_id=None, qty=None, price=None)
    assert isinstance(report, e.OrderReported)
    assert (report.status, report.filled_qty, report.source) == ("canceled", 4, "stream")


@pytest.mark.parametrize("event", [*sorted(UNDONE), "trade_cancelled_twice", ""])
def test_s096_an_undone_trade_or_an_unknown_event_is_put_on_record_and_looked_at_anew(event):
    unread, report = told(event)
    assert isinstance(unread, e.FrameUnread)
    assert "atlas-2027-02-r1-buy-SPY-1" in unread.detail
    assert isinstance(report, e.OrderReported)


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (LinkStatus.CONNECTING, "connecting"),
        (LinkStatus.LISTENING, "listening"),
        (LinkStatus.LOST, "lost"),
        (LinkStatus.REFUSED, "refused"),
    ],
)
def test_the_links_state_is_told_in_the_cores_words(status, condition):
    assert list(events_of(StreamState(status, "why"))) == [e.StreamReported(condition, "why")]


def test_s117_a_busy_place_is_a_refused_one_and_says_who_holds_it():
    (report,) = events_of(StreamState(LinkStatus.BUSY, "limit exceeded"))
    assert report == e.StreamReported("refused", "another connection holds it: limit exceeded")


def test_s097_a_frame_that_cannot_be_read_is_told():
    assert list(events_of(BadFrame("no JSON", "{"))) == [e.FrameUnread("no JSON", "{")]


@pytest.mark.parametrize(
    ("text", "side"), [("buy", Side.BUY), ("sell", Side.SELL), ("sell_short", Side.SELL)]
)
def test_whatever_sells_is_a_sell(text, side):
    assert side_of(text) is side
