"""The parts put together: what opens, what closes the fence, how it ends."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon import app
from atlas_daemon.app import Daemon, World, run_daemon
from atlas_daemon.assembly import make_brain
from atlas_daemon.config import Settings, load_credentials, load_settings
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AccountBusyError, AtlasError, ConfigError
from atlas_daemon.core.values import (
    AccountMode,
    Approved,
    Draft,
    Mode,
    OrderId,
    OrderType,
    Regime,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.edges.brain import ChildBrain
from atlas_daemon.edges.lock import AccountLock
from atlas_daemon.journal import Journal
from atlas_daemon.rehearsal.question import signals_request
from tests.paper.sockets import Client, running

PATIENCE_S = 20
QUIET = World(console=False, environ={}, tick_s=0.01)


def settings_at(folder: Path, url: str, **changes: object) -> Settings:
    overrides = {
        "account.mode": "local",
        "account.name": "PROOF",
        "broker.trading_url": url,
        "regime.source": "fixed:TREND_BULL",
        "paths.state_dir": str(folder / "state"),
        "paths.log_dir": str(folder / "logs"),
        "dashboard.port": 0,
    } | {name.replace("__", "."): value for name, value in changes.items()}
    return load_settings(None, environ={"HOME": str(folder)}, cwd=folder, overrides=overrides)


def a_daemon(settings: Settings, world: World = QUIET) -> Daemon:
    return Daemon(settings, load_credentials(settings, {}), world)


@asynccontextmanager
async def opened(folder: Path, world: World = QUIET) -> AsyncIterator[Daemon]:
    """A daemon whose parts stand, and that does not run."""
    async with running(speed=1.0) as broker:
        daemon = a_daemon(settings_at(folder, broker.broker.url), world)
        await daemon.open()
        try:
            yield daemon
        finally:
            await daemon.close()


@asynccontextmanager
async def started(folder: Path, world: World = QUIET) -> AsyncIterator[tuple[Daemon, Client]]:
    """A daemon that runs, and ends with the block."""
    async with running(speed=1.0) as broker:
        daemon = a_daemon(settings_at(folder, broker.broker.url), world)
        await daemon.open()
        task = asyncio.create_task(daemon.run())
        try:
            yield daemon, broker
        finally:
            daemon.stop("the test")
            async with asyncio.timeout(PATIENCE_S):
                await task


async def heard(daemon: Daemon, is_so: Callable[[], object]) -> None:
    """Wait for a turn after which it is so."""
    news = asyncio.Event()
    leave = daemon.subscribe(lambda entries: news.set())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                news.clear()
                await news.wait()
    finally:
        leave()


def entries(folder: Path) -> list[e.Event]:
    with Journal.open_readonly(folder / "state" / "journal.db") as journal:
        return [entry.event for entry in journal.read()]


@pytest.mark.asyncio
async def test_started_it_reconciles_listens_and_trades_and_ends_in_good_order(tmp_path):
    async with started(tmp_path) as (daemon, _):
        await heard(daemon, lambda: daemon.state.mode is Mode.TRADING)
        assert daemon.state.book.positions == {"SPY": 5}
        assert daemon.status_line() == (
            "waiting for 2024-08-01 (182 days); local PROOF; reconciled 0 s ago"
        )
        assert daemon.url.startswith("http://127.0.0.1:")
        assert daemon.settings.control_socket_path.exists()
    assert not daemon.settings.control_socket_path.exists()
    assert not AccountLock(daemon.settings.lock_path).is_held()
    assert entries(tmp_path)[-1] == e.ShutdownRequested("the test")
    log = "".join(path.read_text() for path in (tmp_path / "logs").glob("execution_*.log"))
    assert "Ending by the test" in log


@pytest.mark.asyncio
async def test_a_stop_before_the_run_ends_it_at_once_and_sends_nothing(tmp_path):
    async with running(speed=1.0) as broker:
        daemon = a_daemon(settings_at(tmp_path, broker.broker.url))
        await daemon.open()
        daemon.stop("early")
        daemon.stop("again")
        async with asyncio.timeout(PATIENCE_S):
            await daemon.run()
        assert (await broker.get("/v2/orders", status="all")) == []
    assert e.ShutdownRequested("early") in entries(tmp_path)
    assert e.ShutdownRequested("again") not in entries(tmp_path)


# The fence as it is wired.


def an_approved(daemon: Daemon, side: Side) -> Approved:
    draft = Draft(
        *(OrderId("atlas-x-r1-buy-SPY-1"), RunId("x"), Symbol("SPY"), side, Decimal(1)),
        *(OrderType.MARKET, None),
    )
    return Approved(draft, daemon.now(), daemon.now() + timedelta(minutes=1))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("close", "sells_pass"),
    [
        (lambda daemon: daemon.hear(e.StopRequested("ann", "drill")), False),
        (lambda daemon: daemon._bus.take(e.StopRequested("ann", "drill")), False),
        (lambda daemon: daemon.settings.latch_path.touch(), False),
        (lambda daemon: daemon.stop("SIGTERM"), False),
        (
            lambda daemon: daemon._bus.take(
                e.RegimeReported(Regime.CRASH, date(2024, 1, 31), "control")
            ),
            True,
        ),
    ],
    ids=["stop heard", "halted", "latch on disk", "shutting down", "crash"],
)
async def test_each_word_closes_the_fence_of_the_real_daemon(tmp_path, close, sells_pass):
    async with opened(tmp_path) as daemon:
        ask = daemon._outlet._fence.why_closed
        buy, sell = an_approved(daemon, Side.BUY), an_approved(daemon, Side.SELL)
        assert (ask(buy), ask(sell)) == (None, None)
        close(daemon)
        assert ask(buy) is not None
        assert (ask(sell) is None) is sells_pass


# How it ends where something is wrong.


@pytest.mark.asyncio
async def test_an_unexpected_exception_in_an_effect_ends_the_process(tmp_path, monkeypatch):
    async def fail(self: object, effect: fx.Effect) -> None:
        if isinstance(effect, fx.FetchFigures):
            raise ZeroDivisionError("in an effect")

    monkeypatch.setattr(app.Outlet, "run", fail)
    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url)
        with pytest.raises(ZeroDivisionError, match="in an effect"):
            async with asyncio.timeout(PATIENCE_S):
                await run_daemon(settings, load_credentials(settings, {}), QUIET)
    assert not AccountLock(settings.lock_path).is_held()


@pytest.mark.asyncio
async def test_what_is_raised_on_purpose_in_a_turn_comes_out_with_its_own_exit_code(
    tmp_path, monkeypatch
):
    def taken(self: object, entries: object) -> None:
        raise AccountBusyError("another process wrote to the journal")

    monkeypatch.setattr(Journal, "append", taken)
    async with running(speed=1.0) as broker:
        settings = settings_at(tmp_path, broker.broker.url)
        with pytest.raises(AccountBusyError):
            async with asyncio.timeout(PATIENCE_S):
                await run_daemon(settings, load_credentials(settings, {}), QUIET)


@pytest.mark.asyncio
async def test_s180_a_second_daemon_of_the_account_is_refused_and_the_first_unharmed(tmp_path):
    async with opened(tmp_path) as daemon:
        settings = daemon.settings
        with pytest.raises(AccountBusyError, match="local-PROOF"):
            await run_daemon(settings, load_credentials(settings, {}), QUIET)
        assert AccountLock(settings.lock_path).is_held()


@pytest.mark.asyncio
async def test_a_taken_port_ends_it_with_everything_let_go(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with running(speed=1.0) as broker:
            settings = settings_at(tmp_path, broker.broker.url, dashboard__port=port)
            with pytest.raises(ConfigError, match=f"dashboard.port = {port}"):
                await run_daemon(settings, load_credentials(settings, {}), QUIET)
    assert not AccountLock(settings.lock_path).is_held()
    assert not settings.control_socket_path.exists()


@pytest.mark.asyncio
async def test_a_local_broker_that_is_not_there_is_named(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("atlas_daemon.edges.alpaca.transport.RETRY_S", ())
    settings = settings_at(tmp_path, url)
    with pytest.raises(AtlasError, match=f"the local broker at {url} does not answer"):
        await run_daemon(settings, load_credentials(settings, {}), QUIET)
    assert not AccountLock(settings.lock_path).is_held()


@pytest.mark.asyncio
async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "state").touch()
    settings = settings_at(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="state: cannot be made"):
        await run_daemon(settings, load_credentials(settings, {}), QUIET)


# What systemd is told.


@pytest.mark.asyncio
async def test_systemd_hears_readiness_pings_and_the_end(tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.setblocking(False)
        environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "90000"}
        world = World(console=False, environ=environ, tick_s=0.01)
        loop = asyncio.get_running_loop()
        told: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S), started(tmp_path, world):
            while not told or b"WATCHDOG=1" not in told[-1]:
                told.append(await loop.sock_recv(listener, 4000))
        while not told[-1].startswith(b"STOPPING=1"):
            told.append(await loop.sock_recv(listener, 4000))
    assert told[0].startswith(b"READY=1\nSTATUS=")
    # Longer than answers are awaited, whatever the unit's own limit says.
    assert b"STATUS=ending by the test: awaiting answers" in told[-1]
    assert b"EXTEND_TIMEOUT_USEC=45000000" in told[-1]


def test_the_question_to_the_slow_brain_is_the_configurations(tmp_path):
    settings = settings_at(
        tmp_path, "http://127.0.0.1:1", strategy__universe=["AAPL", "MSFT"], strategy__top_n=7
    )
    at = datetime(2027, 2, 1, 14, 0, tzinfo=UTC)
    asked = signals_request(settings, date(2027, 1, 29), ("SPY",), at)
    assert (asked.universe, asked.top_n, asked.held) == ("AAPL,MSFT", 7, ("SPY",))
    assert (asked.signal_day, asked.asked_at) == (date(2027, 1, 29), at)
    assert asked.regime == "fixed:TREND_BULL"
    assert asked.data_url == "http://127.0.0.1:1"
    assert settings.mode is AccountMode.LOCAL


def test_the_daemon_keeps_bars_and_labels_and_a_dry_run_only_reads_them(tmp_path):
    changes = {"regime__lookback": 500, "regime__lambda": 2, "regime__window": "expanding"}
    settings = settings_at(tmp_path, "http://127.0.0.1:1", **changes)
    at, day = datetime(2027, 2, 1, 14, 0, tzinfo=UTC), date(2027, 1, 29)
    rehearsed = signals_request(settings, day, (), at)
    dry = rehearsed.model
    brain = make_brain(lambda: settings, load_credentials(settings, {}), World(environ={}), {})
    assert isinstance(brain, ChildBrain)
    lived = brain.request_for(day, (), at)
    kept = lived.model
    assert Path(lived.bars_dir) == Path(rehearsed.bars_dir) == settings.state_dir / "bars"
    assert (lived.keeps_bars, rehearsed.keeps_bars) == (True, False)
    assert (dry.lookback, dry.penalty, dry.window) == (500, Decimal(2), None)
    assert (dry.mode, dry.confirm_sessions, dry.vix) == ("greedy", 3, "")
    assert Path(kept.state_path) == settings.state_dir / "regime_labels.json"
    assert kept.keeps_state
    assert replace(kept, keeps_state=False) == dry


@pytest.mark.asyncio
async def test_the_logs_upkeep_reaches_the_daemons_own_log_folder(tmp_path):
    async with opened(tmp_path) as daemon:
        (daemon.settings.log_dir / "errors_2020-01-02.log").write_text("old\n")
        await daemon._outlet.run(fx.KeepLogs(date(2024, 2, 1)))
        assert not list(daemon.settings.log_dir.glob("errors_2020*"))
        archived = [path.name for path in (daemon.settings.log_dir / "archive").iterdir()]
    assert archived == [], "older than the archive is kept: let go at once"
