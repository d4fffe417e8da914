"""The four recoveries of the handbook, and their neighbours, end to end: the real daemon, real
sockets, the local broker, a clock that runs fast.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode, Regime
from atlas_daemon.edges.alpaca.budget import RequestBudget
from tests.e2e.one_process import EARLY, a_broker, a_desk, a_scene
from tests.paper.world import NEXT_OPEN

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _no_budget(monkeypatch):
    """Minutes pass in a second here; a budget by the minute would be used up."""
    monkeypatch.setattr(RequestBudget, "try_acquire", lambda self, *, is_cancel=False: 0.0)


# 1. Partial fills and timeouts.


@pytest.mark.asyncio
async def test_what_does_not_fill_in_time_is_pulled_planned_anew_and_bought(tmp_path):
    async with a_scene(tmp_path) as scene:
        scene.trading("BBB", is_halted=True)
        await scene.until(lambda: scene.has_order("r1-buy-BBB"))
        await scene.until(lambda: scene.has_order("r2-buy-BBB"), step_s=1)
        scene.trading("BBB", is_halted=False)
        finished = await scene.is_finished()
        assert finished.outcome == "done"
        first, second = scene.order("r1-buy-BBB"), scene.order("r2-buy-BBB")
        assert (str(first.status), first.filled_qty) == ("canceled", 0)
        assert str(second.status) == "filled"
        plans, gates = scene.all(e.RunPlanned), scene.all(e.GatesAnswered)
        assert [plan.round for plan in plans] == [1, 2]
        assert len(gates) == 2, "the second plan passed the gates too"
        assert scene.held == {"AAA": 15, "BBB": 30}
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_the_part_that_filled_is_kept_and_only_the_rest_is_planned_again(tmp_path):
    async with (
        a_broker("10000", {}, partial_fill_pct=1.0) as broker,  # all fill in parts
        a_desk(tmp_path, broker) as scene,
    ):

        def stall(entries: Sequence[e.Entry]) -> None:
            fills = [x.event for x in entries if isinstance(x.event, e.FillBooked)]
            if any(x.symbol == "BBB" and not x.is_complete for x in fills):
                scene.trading("BBB", is_halted="r2" not in fills[-1].order_id)

        scene.daemon.subscribe(stall)
        await scene.until(lambda: scene.has_order("buy-BBB"), step_s=0.05)
        await scene.until(lambda: scene.held.get("BBB"), step_s=0.02)
        await scene.until(lambda: scene.has_order("r2-buy-BBB"), step_s=1)
        scene.trading("BBB", is_halted=False)
        finished = await scene.is_finished(step_s=0.5)
        assert finished.outcome == "done"
        first, second = scene.order("r1-buy-BBB"), scene.order("r2-buy-BBB")
        assert str(first.status) == "canceled"
        assert 0 < first.filled_qty < first.qty == 30
        assert second.qty == 30 - first.filled_qty
        assert scene.held == {"AAA": 15, "BBB": 30}
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_what_never_fills_is_degraded_and_at_last_asks_for_hands(tmp_path):
    changes = {
        "rebalance.rounds": 2,
        "rebalance.catch_up_sessions": 1,
        "rebalance.fill_timeout_s": 60,
    }
    async with a_scene(tmp_path, **{k.replace(".", "__"): v for k, v in changes.items()}) as scene:
        scene.trading("BBB", is_halted=True)
        await scene.until(lambda: scene.all(e.RunFinished), step_s=1)
        (today,) = scene.all(e.RunFinished)
        assert (today.outcome, today.is_final) == ("degraded", False)
        assert "BBB: target 30, actual 0" in today.reason
        for days in range(4):
            if any(x.is_final for x in scene.all(e.RunFinished)):
                break
            scene.broker.go_to(NEXT_OPEN + timedelta(days=days, minutes=4))
            seen = len(scene.all(e.RunFinished))
            begin = scene.daemon.now()
            await scene.until(
                lambda seen=seen, begin=begin: (
                    len(scene.all(e.RunFinished)) > seen
                    or scene.daemon.now() - begin > timedelta(minutes=9)
                ),
                step_s=2,
            )
        assert scene.all(e.RunContinued), "it went on in the next session"
        last = scene.all(e.RunFinished)[-1]
        assert (last.outcome, last.is_final) == ("degraded", True)
        assert "manual intervention required" in scene.alerts("critical")
        assert "BBB" in scene.alerts("critical")
        assert scene.held == {"AAA": 15}


# 2. The connection is lost in the middle.


@pytest.mark.asyncio
async def test_a_connection_lost_amid_the_orders_is_reconciled_and_nothing_is_sent_twice(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("atlas_daemon.edges.alpaca.transport.RETRY_S", (0.01, 0.01, 0.01))
    async with a_scene(tmp_path, held={"CCC": 20}) as scene:
        await scene.until(lambda: scene.daemon.state.mode is Mode.TRADING)
        await scene.fault(kind="accept_then_reset", method="POST", path="/v2/orders", count=1)
        await scene.until(lambda: scene.has_order("sell-CCC"))
        await scene.fault(kind="drop_before_accept", method="POST", path="/v2/orders", count=1)
        await scene.until(lambda: len(scene.all(e.SubmitUnconfirmed)) == 2)
        await scene.fault(kind="stream_drop")
        await scene.fault(kind="drop_before_accept", method="GET", path="/v2", count=12)
        finished = await scene.is_finished()
        assert finished.outcome == "done"
        assert scene.held == {"AAA": 17, "BBB": 34}
        # The one that never arrived: sent again under its own id, or lapsed and planned again.
        (lost,) = {x.order_id for x in scene.all(e.SubmitUnconfirmed)} - {
            o.client_order_id for o in scene.account.orders.values() if "sell" in o.client_order_id
        }
        sends = [x.sends for x in scene.all(e.OrderSubmitted) if x.order_id == lost]
        lapsed = {x.order_id for x in scene.all(e.OrderStepped) if x.status == "lapsed"}
        assert (sends == [1, 2]) is (lost not in lapsed)
        assert lost not in lapsed or not scene.has_order(lost)
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_an_orphan_of_a_closed_run_is_found_at_the_start_and_pulled(tmp_path):
    left = "atlas-2023-08-r1-buy-AAA-1"
    async with a_broker("10000", {}) as broker:
        body = {"symbol": "AAA", "qty": "5", "type": "limit", "limit_price": "50.00"}
        await broker.order(**body, client_order_id=left)
        async with a_desk(tmp_path, broker) as scene:
            finished = await scene.is_finished()
            assert finished.outcome == "done"
            assert [x.order_id for x in scene.all(e.OrderAdopted)] == [left]
            assert str(scene.order(left).status) == "canceled"
            assert "an order of ours that the journal lacks" in scene.alerts("error")
            assert scene.held == {"AAA": 15, "BBB": 30}
            scene.nothing_went_wrong()


# 3. Not enough money after all.


@pytest.mark.asyncio
async def test_money_gone_between_the_gates_and_the_broker_is_sized_anew_on_what_there_is(tmp_path):
    async with a_broker("2000", {}) as broker:
        body = {"max_margin_multiplier": "1"}  # as a cash account: it lends nothing
        assert (await broker.ask("PATCH", "/v2/account/configurations", json=body))[0] == 200
        async with a_desk(tmp_path, broker) as scene:

            def spend(entries: Sequence[e.Entry]) -> None:
                is_first = any(isinstance(x.event, e.OrderSubmitted) for x in entries)
                if is_first and scene.account.cash == 2000:  # approved, and not yet on their way
                    scene.take_money("1550")

            scene.daemon.subscribe(spend)
            finished = await scene.is_finished(step_s=1)
            (refused,) = scene.all(e.SubmitRefused)
            assert (refused.kind, refused.http_status) == ("insufficient_buying_power", 403)
            kinds = [type(event) for event in scene.events]
            after = kinds[kinds.index(e.SubmitRefused) :]
            assert e.ActivityBooked in after, "the account was asked for again, and told why"
            assert e.OrderTrimmed in after or e.OrderRefused in after
            assert finished.outcome in ("done", "degraded")
            assert finished.report.discrepancies, "what is missing is told"
            scene.nothing_went_wrong()


# 4. CRASH in the middle.


@pytest.mark.asyncio
async def test_crash_amid_the_buys_pulls_them_goes_to_cash_and_waits_for_the_next_slot(tmp_path):
    async with a_scene(tmp_path, held={"CCC": 20}) as scene:
        scene.trading("BBB", is_halted=True)
        await scene.until(lambda: scene.held.get("AAA"))
        await scene.until(lambda: scene.has_order("buy-BBB"))
        for word in (Regime.CRASH, Regime.TREND_BULL, Regime.CRASH):  # it flaps
            scene.daemon.hear(e.RegimeReported(word, date(2024, 2, 1), "test"))
            await asyncio.sleep(0)
        await scene.until(lambda: scene.held == {} and scene.daemon.state.run is None)
        assert str(scene.order("buy-BBB").status) == "canceled"
        ends = [(x.run_id, x.outcome) for x in scene.all(e.RunFinished)]
        assert ends == [("2024-02", "aborted"), ("crash-20240201", "done")]
        assert "regime went from TREND_BULL to CRASH" in scene.alerts("critical")
        scene.trading("BBB", is_halted=False)
        orders = len(scene.account.orders)
        scene.broker.go_to(NEXT_OPEN + timedelta(minutes=4))
        later = NEXT_OPEN + timedelta(minutes=10)
        await scene.until(lambda: scene.daemon.now() > later, step_s=2)
        assert len(scene.account.orders) == orders, "the slot is over: the next one is in August"
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_crash_amid_the_sells_lets_them_finish_and_buys_nothing(tmp_path):
    async with a_scene(tmp_path, held={"CCC": 20, "AAA": 40}) as scene:
        scene.trading("CCC", is_halted=True)
        await scene.until(lambda: scene.has_order("sell-CCC"))
        scene.daemon.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test"))
        await scene.until(lambda: scene.all(e.RunFinished))
        assert str(scene.order("2024-02-r1-sell-CCC").status) in ("new", "accepted")
        scene.trading("CCC", is_halted=False)
        await scene.until(lambda: scene.held == {} and scene.daemon.state.run is None)
        assert str(scene.order("2024-02-r1-sell-CCC").status) == "filled"
        assert not scene.has_order("buy")
        scene.nothing_went_wrong()


# Sells that bring less, lines that cannot be traded.


@pytest.mark.asyncio
async def test_a_sell_that_does_not_fill_shrinks_the_buys_to_the_cash_there_is(tmp_path):
    async with a_scene(tmp_path, cash="500", held={"CCC": 100}) as scene:
        scene.trading("CCC", is_halted=True)
        await scene.until(lambda: scene.has_order("sell-CCC"))
        await scene.until(lambda: scene.has_order("r2-sell-CCC"), step_s=2)
        spent = 500 - scene.account.cash
        assert scene.account.cash >= 0 and spent <= 500, "only the cash there was"
        scene.trading("CCC", is_halted=False)
        finished = await scene.is_finished(step_s=1)
        assert finished.outcome == "done"
        assert scene.held == {"AAA": 12, "BBB": 25}
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_a_sell_that_is_rejected_is_tried_again_and_buys_wait_for_its_money(tmp_path):
    async with a_scene(tmp_path, cash="500", held={"CCC": 100}) as scene:
        await scene.fault(kind="reject_order", symbol="CCC", count=1)
        finished = await scene.is_finished(step_s=1)
        assert finished.outcome == "done"
        assert str(scene.order("r1-sell-CCC").status) == "rejected"
        assert "CCC" not in scene.held
        assert set(scene.held) == {"AAA", "BBB"}
        scene.nothing_went_wrong()


@pytest.mark.asyncio
async def test_a_price_out_of_its_band_or_a_split_nobody_told_drops_its_line_and_says_so(tmp_path):
    async with a_scene(tmp_path) as scene:
        scene.broker.market.move(
            "BBB", EARLY, "24.95", "25"
        )  # half of the close that was decided on
        finished = await scene.is_finished(step_s=1)
        assert finished.outcome == "done"
        (dropped,) = scene.all(e.LineDropped)
        assert (dropped.symbol, dropped.rule) == ("BBB", "price_band")
        assert "BBB" in scene.alerts("warning")
        assert scene.held == {"AAA": 15}
        assert not scene.has_order("BBB")
        scene.nothing_went_wrong()
