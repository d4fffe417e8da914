"""Effects become calls, their ends become events; and the fence at an order's first byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.errors import BugError
from atlas_daemon.core.values import (
    Approved,
    BrokerOrderId,
    Draft,
    OrderId,
    OrderType,
    Regime,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.outlet import SENDS_MAX, Fence, Outlet
from tests.edges.alpaca.bench import Bench, refusal
from tests.edges.samples import ORDER_ID, an_account, an_asset, an_order
from tests.edges.stub import HANG, RESET, Stub, running_stub
from tests.paper.sockets import running

OUR_ID = OrderId("atlas-2027-02-r1-buy-SPY-1")
NOW = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
DAY = date(2027, 1, 29)
LIFE = timedelta(seconds=60)
NOT_FOUND = refusal(40410000, "order not found")


def approved(side: Side = Side.BUY, **changes: Any) -> Approved:
    draft = Draft(
        **{
            "order_id": OUR_ID,
            "run_id": RunId("2027-02"),
            "symbol": Symbol("SPY"),
            "side": side,
            "qty": Decimal(10),
            "order_type": OrderType.MARKET,
            "expected_price": Decimal(450),
        }
        | changes
    )
    return Approved(draft, NOW, NOW + LIFE)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.at = NOW
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.at

    async def sleep(self, delay_s: float) -> None:
        self.at += timedelta(seconds=delay_s)
        self.on_sleep()
        await asyncio.sleep(0)


@dataclass
class Brain:
    answer: SignalsAnswer | None = None

    async def compute(self, signal_day: date, held: object, asked_at: datetime) -> SignalsAnswer:
        if self.answer is None:
            raise SignalsError("no bars")
        return self.answer


@dataclass
class Notice:
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, level: str, key: str, text: str) -> None:
        self.sent.append((level, key, text))


class Desk:
    """An outlet in front of a client; what it hears, and switches for every word of the fence."""

    def __init__(self, client: AlpacaTradingClient, folder: Path) -> None:
        self.client = client
        self.heard: list[e.Event] = []
        self.stopped_by: list[str] = []
        self.reopened_for: list[str] = []
        self.is_halted = self.is_stop_heard = self.is_shutting_down = self.is_crash = False
        self.uncertified = ""
        self.questions = 0
        self.on_question: Callable[[int], object] = lambda number: None
        self.clock, self.brain, self.notice = Clock(), Brain(), Notice()
        self.latch = LatchFile(folder / "HALTED")
        self.fence = Fence(
            is_stopped=self._is_stopped,
            is_crash=lambda: self.is_crash,
            why_uncertified=lambda: self.uncertified,
            latch=self.latch,
            now=self.clock.now,
        )
        self.outlet = Outlet(
            client=client,
            quotes=LatestQuotes(client, feed="iex"),
            brain=self.brain,
            notice=self.notice,
            clock=self.clock,
            fence=self.fence,
            hear=self.heard.append,
            stop=self.stopped_by.append,
            reopen_stream=self.reopened_for.append,
        )

    def _is_stopped(self) -> bool:
        """The first word that the fence asks for: here the world may change under its hands."""
        self.questions += 1
        self.on_question(self.questions)
        return self.is_halted or self.is_stop_heard or self.is_shutting_down

    async def run(self, effect: fx.Effect) -> list[e.Event]:
        async with asyncio.timeout(20):
            await self.outlet.run(effect)
        return self.heard

    async def submit(self, side: Side = Side.BUY, **changes: Any) -> list[e.Event]:
        return await self.run(fx.SubmitOrder(approved(side, **changes)))


@asynccontextmanager
async def a_desk(folder: Path, **changes: Any) -> AsyncIterator[tuple[Desk, Stub]]:
    async with running_stub() as stub:
        bench = Bench(stub, **changes)
        try:
            yield Desk(bench.client, folder), stub
        finally:
            await bench.client.close()


# The fence.

CLOSERS: dict[str, Callable[[Desk], object]] = {
    "halted": lambda desk: setattr(desk, "is_halted", True),
    "stop heard": lambda desk: setattr(desk, "is_stop_heard", True),
    "shutting down": lambda desk: setattr(desk, "is_shutting_down", True),
    "latch on disk": lambda desk: desk.latch.path.touch(),
    "crash": lambda desk: setattr(desk, "is_crash", True),
    "uncertified": lambda desk: setattr(desk, "uncertified", "it was not read yet"),
    "too old": lambda desk: setattr(desk.clock, "at", NOW + LIFE),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("closer", CLOSERS)
async def test_a_closed_fence_lets_no_request_begin(tmp_path, closer):
    async with a_desk(tmp_path) as (desk, stub):
        CLOSERS[closer](desk)
        (withheld,) = await desk.submit()
        assert isinstance(withheld, e.SubmitWithheld)
        assert withheld.order_id == OUR_ID
        assert stub.requests == []


@pytest.mark.asyncio
@pytest.mark.parametrize("closer", CLOSERS)
@pytest.mark.parametrize("is_reused", [False, True])
async def test_a_fence_that_closes_before_the_first_byte_holds_the_order_back(
    tmp_path, closer, is_reused
):
    """The request is built, its connection found: then the world changes, and it is not sent."""
    async with a_desk(tmp_path) as (desk, stub):
        if is_reused:
            stub.answer(an_account())
            await desk.client.get_account()
        desk.on_question = lambda number: number == 2 and CLOSERS[closer](desk)
        before = len(stub.requests)
        (withheld,) = await desk.submit()
        assert isinstance(withheld, e.SubmitWithheld)
        assert desk.questions == 2
        assert len(stub.requests) == before


@pytest.mark.asyncio
async def test_a_crash_lets_sells_out_and_an_open_fence_lets_both(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        desk.is_crash, desk.uncertified = True, "it was not read yet"
        stub.answer(an_order(side="sell"))
        (report,) = await desk.submit(Side.SELL)
        assert isinstance(report, e.OrderReported)
        assert report.side is Side.SELL
        desk.is_crash, desk.uncertified = False, ""
        desk.clock.at = NOW + LIFE - timedelta(microseconds=1)
        stub.answer(an_order())
        await desk.submit()
        assert len(stub.requests) == 2


# What an answer to an order is.


@pytest.mark.asyncio
async def test_an_accepted_order_is_reported_once_with_its_id(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(an_order())
        (report,) = await desk.submit()
        assert isinstance(report, e.OrderReported)
        assert (report.order_id, report.broker_order_id) == (OUR_ID, ORDER_ID)
        assert (report.source, report.status) == ("submit", "pending_new")
        assert stub.requests[0].json["type"] == "market"


@pytest.mark.asyncio
async def test_a_limit_order_carries_its_limit(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(an_order(type="limit"))
        await desk.submit(order_type=OrderType.LIMIT, limit_price=Decimal("451.25"))
        assert stub.requests[0].json["limit_price"] == "451.25"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, 40310000, "insufficient buying power", "insufficient_buying_power"),
        (403, 40310000, "insufficient qty available for order", "insufficient_qty"),
        (400, 40010000, "bad parameter", "parameter"),
    ],
)
async def test_a_refusal_is_final_and_not_asked_after(tmp_path, status, code, message, kind):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(refusal(code, message), status=status)
        (refused,) = await desk.submit()
        assert refused == e.SubmitRefused(OUR_ID, kind, status, code, message)
        assert len(stub.requests) == 1


@pytest.mark.asyncio
async def test_a_duplicate_id_is_never_a_refusal(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(refusal(40010001, "client_order_id must be unique"), status=422)
        (unconfirmed,) = await desk.submit()
        assert isinstance(unconfirmed, e.SubmitUnconfirmed)  # the core asks by id
        assert len(stub.requests) == 1


@pytest.mark.asyncio
async def test_another_422_is_asked_after_and_found_is_no_refusal(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(refusal(42210000, "qty must be > 0"), status=422).answer(an_order(status="new"))
        (report,) = await desk.submit()
        assert isinstance(report, e.OrderReported)
        assert report.source == "lookup"
        assert [str(request) for request in stub.requests] == [
            "POST /v2/orders",
            "GET /v2/orders:by_client_order_id",
        ]


@pytest.mark.asyncio
async def test_another_422_is_a_refusal_only_where_the_broker_has_no_such_order(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(refusal(42210000, "qty must be > 0"), status=422)
        stub.answer(NOT_FOUND, status=404)
        (refused,) = await desk.submit()
        assert isinstance(refused, e.SubmitRefused)
        assert refused.http_status == 422


@pytest.mark.asyncio
async def test_another_422_whose_order_nobody_can_ask_for_is_unconfirmed(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(refusal(42210000, "qty must be > 0"), status=422)
        for _ in range(4):
            stub.answer(b"", status=502)
        (unconfirmed,) = await desk.submit()
        assert isinstance(unconfirmed, e.SubmitUnconfirmed)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "arm",
    [
        lambda stub: stub.fail(HANG),
        lambda stub: stub.fail(RESET),
        lambda stub: stub.answer(b"", status=504),
        lambda stub: stub.answer({}, status=500),
        lambda stub: stub.answer(b"<html>welcome</html>"),
        lambda stub: stub.answer(an_order(client_order_id="somebody-elses")),
        lambda stub: stub.answer(b"<html>forbidden</html>", status=404),
    ],
    ids=["timeout", "reset", "504", "500", "html", "another order", "a proxy's 404"],
)
async def test_what_proves_nothing_is_unconfirmed_and_sent_once(tmp_path, arm):
    async with a_desk(tmp_path, timeout_s=0.3) as (desk, stub):
        arm(stub)
        (unconfirmed,) = await desk.submit()
        assert isinstance(unconfirmed, e.SubmitUnconfirmed)
        assert unconfirmed.order_id == OUR_ID
        assert len(stub.requests) == 1


@pytest.mark.asyncio
async def test_an_order_lost_on_a_kept_connection_is_not_sent_again_by_the_http_library(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(an_account()).fail(RESET).answer(an_order())
        await desk.client.get_account()
        (unconfirmed,) = await desk.submit()
        assert isinstance(unconfirmed, e.SubmitUnconfirmed)
        assert [request.method for request in stub.requests] == ["GET", "POST"]


@pytest.mark.asyncio
async def test_where_no_connection_came_about_the_order_surely_never_left(tmp_path):
    async with running_stub() as stub:
        bench = Bench(stub)
    desk = Desk(bench.client, tmp_path)  # nobody listens at its address any more
    try:
        (withheld,) = await desk.submit()
    finally:
        await bench.client.close()
    assert isinstance(withheld, e.SubmitWithheld)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 403])
async def test_s116_refused_credentials_are_told_and_say_nothing_of_the_order(tmp_path, status):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer({"message": "unauthorized."}, status=status)
        failed, unconfirmed = await desk.submit()
        assert isinstance(failed, e.FetchFailed)
        assert failed.what == "credentials"
        assert isinstance(unconfirmed, e.SubmitUnconfirmed)
        assert len(stub.requests) == 1


@pytest.mark.asyncio
async def test_s121_a_429_is_waited_out_and_sent_again_inside_the_approvals_life(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer({}, status=429, Retry_After="2").answer({}, status=429, Retry_After="3")
        stub.answer(an_order())
        desk.client._budget.pause = lambda seconds: None
        (report,) = await desk.submit()
        assert isinstance(report, e.OrderReported)
        assert desk.clock.at == NOW + timedelta(seconds=5)
        assert len({request.json["client_order_id"] for request in stub.requests}) == 1


@pytest.mark.asyncio
async def test_s121_after_three_sends_it_is_withheld(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        for _ in range(5):
            stub.answer({}, status=429, Retry_After="1")
        desk.client._budget.pause = lambda seconds: None
        (withheld,) = await desk.submit()
        assert isinstance(withheld, e.SubmitWithheld)
        assert len(stub.requests) == SENDS_MAX


@pytest.mark.asyncio
@pytest.mark.parametrize("closer", CLOSERS)
async def test_the_fence_is_asked_again_before_each_send(tmp_path, closer):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer({}, status=429, Retry_After="1").answer(an_order())
        desk.client._budget.pause = lambda seconds: None
        desk.clock.on_sleep = lambda: CLOSERS[closer](desk)
        (withheld,) = await desk.submit()
        assert isinstance(withheld, e.SubmitWithheld)
        assert len(stub.requests) == 1


@pytest.mark.asyncio
async def test_settled_waits_for_the_answer_under_way(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        await desk.outlet.settled()
        stub.fail(HANG)
        task = asyncio.create_task(desk.submit())
        async with asyncio.timeout(10):
            while not stub.requests:  # noqa: ASYNC110 - a request arrives when it arrives
                await asyncio.sleep(0)
        waiting = asyncio.create_task(desk.outlet.settled())
        await asyncio.sleep(0)
        assert not waiting.done()
        stub._hang.set()
        async with asyncio.timeout(10):
            await waiting
            await task
        assert len(desk.heard) == 1


# Cancels and look-ups.


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body"), [(204, None), (422, refusal(42210000, "order is not cancelable"))]
)
async def test_a_cancel_asked_for_is_looked_at(tmp_path, status, body):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(body, status=status).answer(an_order(status="pending_cancel"))
        (report,) = await desk.run(fx.CancelOrder(OUR_ID, BrokerOrderId(ORDER_ID)))
        assert isinstance(report, e.OrderReported)
        assert str(stub.requests[0]) == f"DELETE /v2/orders/{ORDER_ID}"


@pytest.mark.asyncio
async def test_s101_a_lost_cancel_is_unconfirmed_and_the_order_looked_at(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(b"", status=504).answer(an_order(status="new"))
        unconfirmed, report = await desk.run(fx.CancelOrder(OUR_ID, BrokerOrderId(ORDER_ID)))
        assert isinstance(unconfirmed, e.CancelUnconfirmed)
        assert isinstance(report, e.OrderReported)
        assert report.status == "new"


@pytest.mark.asyncio
async def test_an_order_without_the_brokers_id_is_asked_for_and_then_cancelled(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(an_order()).answer(None, status=204).answer(an_order(status="canceled"))
        (report,) = await desk.run(fx.CancelOrder(OUR_ID, None))
        assert isinstance(report, e.OrderReported)
        assert [request.method for request in stub.requests] == ["GET", "DELETE", "GET"]


@pytest.mark.asyncio
async def test_a_cancel_of_what_the_broker_has_not_is_told_as_not_found(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(NOT_FOUND, status=404)
        assert await desk.run(fx.CancelOrder(OUR_ID, None)) == [e.OrderNotFound(OUR_ID, NOW)]


@pytest.mark.asyncio
async def test_cancel_all_is_one_request_and_its_failure_is_told(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer([], status=207)
        assert await desk.run(fx.CancelAllOrders()) == []
        stub.answer(b"", status=504)
        (unconfirmed,) = await desk.run(fx.CancelAllOrders())
        assert isinstance(unconfirmed, e.CancelUnconfirmed)
        assert unconfirmed.order_id is None
        assert [str(request) for request in stub.requests] == ["DELETE /v2/orders"] * 2


@pytest.mark.asyncio
async def test_an_order_is_looked_up_one_question_at_a_time(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(an_order(status="new"))
        await asyncio.gather(*(desk.outlet.run(fx.FetchOrder(OUR_ID)) for _ in range(5)))
        assert len(stub.requests) == 1
        assert len(desk.heard) == 1
        stub.answer(NOT_FOUND, status=404)
        await desk.run(fx.FetchOrder(OUR_ID))  # and again once it is answered
        assert desk.heard[-1] == e.OrderNotFound(OUR_ID, NOW)


@pytest.mark.asyncio
async def test_s051_a_look_up_that_fails_is_no_not_found(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(b"<html>", status=404)
        (failed,) = await desk.run(fx.FetchOrder(OUR_ID))
        assert isinstance(failed, e.FetchFailed)
        assert failed.what == "order"


# Figures.


@pytest.mark.asyncio
async def test_figures_are_told_in_the_order_quotes_assets_snapshot(tmp_path):
    async with running() as broker:
        client = AlpacaTradingClient(
            key_id=broker.broker.key,
            secret=broker.broker.secret,
            trading_url=broker.broker.url,
            data_url=broker.broker.url,
        )
        try:
            desk = Desk(client, tmp_path)
            symbols = (Symbol("SPY"), Symbol("CHEAP"))
            effect = fx.FetchFigures(NOW, quotes=symbols, assets=(*symbols, Symbol("NONE")))
            heard = await desk.run(effect)
        finally:
            await client.close()
    told = {type(event) for event in heard[:2]}
    assert told == {e.QuotesReported, e.AssetsReported}
    assets = next(event for event in heard if isinstance(event, e.AssetsReported))
    assert assets.asked == effect.assets
    assert {asset.symbol for asset in assets.assets} == set(symbols)  # NONE is known as unknown
    snapshot = heard[2]
    assert isinstance(snapshot, e.SnapshotReported)
    assert snapshot.asked_at == NOW
    assert [(p.symbol, p.qty) for p in snapshot.positions] == [("SPY", 5)]
    assert len(heard) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("failing", ["account", "positions", "orders"])
async def test_s020_a_list_that_fails_is_never_an_empty_snapshot(tmp_path, failing):
    async with running() as broker:
        client = AlpacaTradingClient(
            key_id=broker.broker.key,
            secret=broker.broker.secret,
            trading_url=broker.broker.url,
            data_url=broker.broker.url,
            sleep=Clock().sleep,
        )
        fault = {"kind": "http_500_html", "method": "GET", "path": f"/v2/{failing}", "count": None}
        await broker.ask("POST", "/_admin/faults", json=fault)
        try:
            (failed,) = await Desk(client, tmp_path).run(fx.FetchFigures(NOW))
        finally:
            await client.close()
    assert isinstance(failed, e.FetchFailed)
    assert failed.what == "snapshot"


@pytest.mark.asyncio
async def test_s020_a_body_that_is_no_list_is_no_snapshot(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        for _ in range(3):
            stub.answer({"message": "maintenance"})
        (failed,) = await desk.run(fx.FetchFigures(NOW))
        assert isinstance(failed, e.FetchFailed)


@pytest.mark.asyncio
async def test_an_asset_that_cannot_be_asked_for_leaves_the_others_unasked(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        stub.answer(an_asset()).answer({"message": "unauthorized."}, status=401)
        for body in (an_account(), [], []):
            stub.answer(body)
        effect = fx.FetchFigures(NOW, assets=(Symbol("SPY"), Symbol("AAPL")))
        heard = await desk.run(effect)
    assert not any(isinstance(event, e.AssetsReported) for event in heard)
    told = [event.what for event in heard if isinstance(event, e.FetchFailed)]
    assert told[:2] == ["credentials", "assets"]


@pytest.mark.asyncio
async def test_a_calendar_is_reported_or_its_failure(tmp_path):
    day = {"date": "2027-02-01", "open": "09:30", "close": "16:00"}
    async with a_desk(tmp_path) as (desk, stub):
        effect = fx.FetchSessions(date(2027, 2, 1), date(2027, 2, 2))
        stub.answer([day])
        await desk.run(effect)
        stub.answer({}, status=404)
        await desk.run(effect)
    reported, failed = desk.heard
    assert isinstance(reported, e.SessionsReported)
    assert [session.day for session in reported.sessions] == [date(2027, 2, 1)]
    assert isinstance(failed, e.FetchFailed)
    assert failed.what == "sessions"


# The slow brain, people, the end.


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "no bars"),
        (SignalsAnswer(DAY, (), {}, (), 0, (), None, None), "no regime"),
        (SignalsAnswer(DAY, (), {}, (), 0, (), Regime.TREND_BULL, None), "no regime"),
    ],
)
async def test_no_signals_are_a_failure_and_no_default(tmp_path, answer, told):
    async with a_desk(tmp_path) as (desk, _):
        desk.brain.answer = answer
        (failed,) = await desk.run(fx.ComputeSignals(DAY, ()))
        assert isinstance(failed, e.FetchFailed)
        assert failed.what == "signals"
        assert told in failed.detail


@pytest.mark.asyncio
async def test_signals_come_through_with_their_regime(tmp_path):
    async with a_desk(tmp_path) as (desk, _):
        closes = {"SPY": Decimal("500.10")}
        desk.brain.answer = SignalsAnswer(
            DAY, (), closes, (("X", "stale"),), 5, ("note",), Regime.TREND_BEAR, DAY
        )
        (reported,) = await desk.run(fx.ComputeSignals(DAY, ()))
        assert isinstance(reported, e.SignalsReported)
        assert (reported.regime, reported.regime_as_of) == (Regime.TREND_BEAR, DAY)
        assert reported.closes == {"SPY": Decimal("500.10")}
        assert (reported.candidates, reported.notes) == (5, ("note",))


@pytest.mark.asyncio
async def test_alerts_are_sent_and_the_end_is_passed_on(tmp_path):
    async with a_desk(tmp_path) as (desk, _):
        await desk.run(fx.SendAlert("critical", "halt", "halted"))
        await desk.run(fx.ReopenStream("mute"))
        assert desk.reopened_for == ["mute"]
        await desk.run(fx.StopDaemon("asked to"))
        assert desk.notice.sent == [("critical", "halt", "halted")]
        assert desk.stopped_by == ["asked to"]
        assert desk.heard == []


@pytest.mark.asyncio
async def test_an_effect_that_nobody_runs_is_a_bug(tmp_path):
    async with a_desk(tmp_path) as (desk, _):
        with pytest.raises(BugError, match="no one runs"):
            await desk.run(fx.WriteLatch("ann", "drill"))
