"""The stop of the real daemon against the local broker; ends by an exception of our own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from atlas_daemon import app
from atlas_daemon.app import Daemon, run_daemon
from atlas_daemon.bus import bug_in
from atlas_daemon.config import load_credentials
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import BugError, ConfigError
from atlas_daemon.core.values import Mode
from atlas_daemon.core.views import status_of
from atlas_daemon.journal import Journal, JournalError, JournalFullError
from tests.paper.sockets import Client, running
from tests.test_app import PATIENCE_S, QUIET, a_daemon, entries, settings_at

STOP = e.StopRequested("ann", "drill")


@asynccontextmanager
async def a_trading_daemon(
    folder: Path, broker: Client, **changes: object
) -> AsyncIterator[Daemon]:
    daemon = a_daemon(settings_at(folder, broker.broker.url, **changes))
    await daemon.open()
    task = asyncio.create_task(daemon.run())
    try:
        yield daemon
    finally:
        daemon.stop("the test")
        async with asyncio.timeout(PATIENCE_S):
            await task


async def until(is_so: Callable[[], Any]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.01)


def left(daemon: Daemon) -> int:
    halt = status_of(daemon.state, daemon.policy, daemon.now())["halt"]
    return halt["flatten"]["left"]


@pytest.mark.asyncio
async def test_a_flatten_sells_what_is_held_through_the_real_fence_and_nothing_else(tmp_path):
    async with running(speed=1.0) as broker:
        resting = await broker.order(type="limit", limit_price="1.00", side="buy")
        async with a_trading_daemon(tmp_path, broker, emergency__action="flatten") as daemon:
            await until(lambda: daemon.state.mode is Mode.TRADING)
            daemon.hear(STOP)
            await until(lambda: daemon.state.last_run is not None)
            await until(lambda: left(daemon) == 0)
            assert daemon.state.last_run.outcome == "done"
            assert daemon.state.halt is not None
            assert daemon.settings.latch_path.exists()
            assert await broker.get("/v2/positions") == []
            orders = await broker.get("/v2/orders", status="all")
            ours = [x for x in orders if x["client_order_id"].startswith("atlas-stop-20240201-1")]
            assert [(x["side"], x["symbol"], x["status"]) for x in ours] == [
                ("sell", "SPY", "filled")
            ]
            cancelled = next(x for x in orders if x["id"] == resting["id"])
            assert cancelled["status"] == "canceled"


@pytest.mark.asyncio
async def test_s187_a_stop_that_cannot_be_written_is_held_by_the_broker_and_resume_clears_it(
    tmp_path, monkeypatch
):
    def full(self: object, written: object) -> None:
        raise JournalFullError("no space left on the disk")

    async with running(speed=1.0) as broker:
        await broker.order(type="limit", limit_price="1.00", side="buy")
        async with a_trading_daemon(tmp_path, broker) as daemon:
            await until(lambda: daemon.state.mode is Mode.TRADING)
            account = broker.broker.desk.account_with(broker.broker.key, broker.broker.secret)
            with monkeypatch.context() as patch:
                patch.setattr(Journal, "append", full)
                daemon.hear(STOP)
                await until(lambda: account.configuration.suspend_trade)
                assert daemon.state.halt is not None
                assert daemon.state.halt.is_complete
                assert daemon.state.halt.missing == {"journal"}
                assert await broker.get("/v2/orders", status="open") == []
            await until(lambda: daemon.state.halt.is_durable)
            assert any(isinstance(event, e.TradingHalted) for event in entries(tmp_path))
            daemon.hear(e.ResumeRequested("ann"))
            await until(lambda: not account.configuration.suspend_trade)
            await until(lambda: daemon.state.suspension == "")


@pytest.mark.asyncio
async def test_suspended_by_the_user_at_the_start_is_halted(tmp_path):
    async with running(speed=1.0) as broker:
        body = {"suspend_trade": True}
        status, _ = await broker.ask("PATCH", "/v2/account/configurations", json=body)
        assert status == 200
        async with a_trading_daemon(tmp_path, broker) as daemon:
            await until(lambda: daemon.state.halt is not None)
            assert daemon.state.halt.by == "broker suspend_trade"
            assert daemon.settings.latch_path.exists()


# Ends by an exception of our own.


@pytest.mark.asyncio
async def test_three_ends_by_our_own_exception_and_the_next_start_is_halted(tmp_path, monkeypatch):
    async def fail(self: object, effect: fx.Effect) -> None:
        if isinstance(effect, fx.FetchFigures):
            raise ZeroDivisionError("in an effect\nwith the secret local-secret")

    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url)
        credentials = load_credentials(settings, {})
        with monkeypatch.context() as patch:
            patch.setattr(app.Outlet, "run", fail)
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    async with asyncio.timeout(PATIENCE_S):
                        await run_daemon(settings, credentials, QUIET)
        ends = [event for event in entries(tmp_path) if isinstance(event, e.DaemonCrashed)]
        assert len(ends) == 3
        assert ends[0].detail.startswith("ZeroDivisionError: in an effect with the secret ***")
        assert "at test_stops.py:" in ends[0].detail
        async with a_trading_daemon(tmp_path, broker) as daemon:
            await until(lambda: daemon.state.halt is not None)
            assert daemon.state.halt.by == "crash loop"
            assert "ZeroDivisionError: in an effect" in daemon.state.halt.reason


@pytest.mark.asyncio
async def test_an_end_that_cannot_be_written_down_is_the_same_end(tmp_path, monkeypatch):
    async def fail(self: object, effect: fx.Effect) -> None:
        def full(self: object, written: object) -> None:
            raise JournalFullError("no space left on the disk")

        monkeypatch.setattr(Journal, "append", full)
        if isinstance(effect, fx.FetchFigures):
            raise ZeroDivisionError

    monkeypatch.setattr(app.Outlet, "run", fail)
    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url)
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(PATIENCE_S):
                await run_daemon(settings, load_credentials(settings, {}), QUIET)


@pytest.mark.parametrize(
    ("error", "is_bug"),
    [
        (ZeroDivisionError("x"), True),
        (BugError("x"), True),
        (ExceptionGroup("g", [ConfigError("x"), ValueError("y")]), True),
        (BaseExceptionGroup("g", [asyncio.CancelledError()]), False),
        (ConfigError("x"), False),
        (KeyboardInterrupt(), False),
        (SystemExit(1), False),
    ],
)
def test_only_exceptions_of_our_own_count(error, is_bug):
    assert (bug_in(error) is not None) is is_bug


# One account, one folder.


@pytest.mark.asyncio
async def test_s179_a_folder_of_another_account_number_is_refused(tmp_path):
    async with running(speed=1.0) as broker:
        async with a_trading_daemon(tmp_path, broker) as daemon:
            await until(lambda: daemon.state.mode is Mode.TRADING)
            number = daemon.state.account_number
            assert number
            assert daemon._journal.account() == ("local", "PROOF", number)
            assert f"local-PROOF {number}" in daemon.settings.lock_path.read_text()
            daemon.hear(STOP)
            await until(lambda: daemon.settings.latch_path.exists())
            assert f"(local-PROOF {number})" in daemon.settings.latch_path.read_text()
        settings = settings_at(tmp_path, broker.broker.url, account__number="PA0000000000")
        with pytest.raises(JournalError, match=f"belongs to account {number}"):
            await run_daemon(settings, load_credentials(settings, {}), QUIET)


@pytest.mark.asyncio
async def test_s179_keys_of_another_account_end_it_with_78_before_anything_is_adopted(tmp_path):
    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url, account__number="PA0000000000")
        with pytest.raises(JournalError, match="belongs to account PA0000000000") as refused:
            async with asyncio.timeout(PATIENCE_S):
                await run_daemon(settings, load_credentials(settings, {}), QUIET)
    assert refused.value.exit_code == 78
    assert not any(isinstance(event, e.BookAdopted) for event in entries(tmp_path))
