"""The outlet in a stop: the one way through the fence, and the latch at the broker."""

from dataclasses import replace
from typing import Any

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Approved, Side
from tests.edges.samples import an_order
from tests.test_outlet import LIFE, NOW, a_desk

ON = {
    "suspend_trade": True,
    "no_shorting": False,
    "fractional_trading": True,
    "max_margin_multiplier": "4",
    "trade_confirm_email": "all",
    "dtbp_check": "entry",
    "pdt_check": "entry",
    "ptp_no_exception_entry": False,
}


def _let(desk: Any, is_let: bool) -> None:
    asked: list[Approved] = []

    def is_flatten(approved: Approved) -> bool:
        asked.append(approved)
        return is_let

    desk.outlet._fence = replace(desk.fence, is_flatten=is_flatten)
    desk.is_halted = True
    desk.latch.path.touch()


@pytest.mark.asyncio
@pytest.mark.parametrize("is_let", [True, False])
async def test_a_halt_with_its_latch_lets_through_what_is_a_flattens_sell(tmp_path, is_let):
    async with a_desk(tmp_path) as (desk, stub):
        _let(desk, is_let)
        if is_let:
            stub.answer(an_order(side="sell"))
        (told,) = await desk.submit(Side.SELL)
        assert isinstance(told, e.OrderReported if is_let else e.SubmitWithheld)
        assert len(stub.requests) == is_let


@pytest.mark.asyncio
async def test_an_approval_of_a_flatten_grows_old_as_any_other(tmp_path):
    async with a_desk(tmp_path) as (desk, stub):
        _let(desk, is_let=True)
        desk.clock.at = NOW + LIFE
        (told,) = await desk.submit(Side.SELL)
        assert isinstance(told, e.SubmitWithheld)
        assert stub.requests == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((ON, 200), [e.SuspendTradeChanged(is_on=True)]),
        (({"message": "internal"}, 500), [e.FetchFailed]),
        ((ON | {"suspend_trade": False}, 200), [e.FetchFailed]),
    ],
    ids=["set", "lost", "not set"],
)
async def test_the_brokers_latch_is_confirmed_or_said_to_have_failed(tmp_path, answer, told):
    async with a_desk(tmp_path) as (desk, stub):
        body, status = answer
        stub.answer(body, status=status)
        heard = await desk.run(fx.SuspendTrading(is_on=True))
        assert len(heard) == len(told)
        if isinstance(heard[0], e.FetchFailed):
            assert heard[0].what == "suspend_trade"
        else:
            assert heard == told
        assert stub.requests[0].json == {"suspend_trade": True}
