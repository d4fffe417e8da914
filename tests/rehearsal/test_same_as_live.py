"""The dry run of the account as it stands, and the daemon's own run on the same broker."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.app import Daemon
from atlas_daemon.app import World as Surroundings
from atlas_daemon.cli.plan import Wanted, make_dry_run
from atlas_daemon.config import load_settings
from atlas_daemon.config.credentials import load_credentials
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError, RefusedError
from atlas_daemon.core.values import Mode, Regime
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.transport import Transport
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.server import PaperConfig, start
from tests.bars.builders import a_series, write_bars
from tests.paper.world import CLOSE, EVENING, OPEN, TableMarket
from tests.rehearsal.builders import orders_of, targets_of

PATIENCE_S = 60
MORNING = OPEN + timedelta(minutes=10)
HOLDINGS = {"CCC": (Decimal(50), Decimal(70)), "AAA": (Decimal(5), Decimal(90))}


@asynccontextmanager
async def a_broker(starts_at=MORNING, **changes):
    market = TableMarket(
        AAA=("99.90", "100.10"), BBB=("94.90", "95.10"), CCC=("79.90", "80.10"), SPY=("479", "480")
    )
    config = {"holdings": HOLDINGS, "partial_fill_pct": 0.0, "starts_at": starts_at} | changes
    broker = await start(PaperConfig(market=market, calendar=Calendar(), **config))
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.fixture
def desk(tmp_path_factory):
    """Loads the settings of a local account whose bars are made up."""
    folder = tmp_path_factory.mktemp("d")  # short: a socket's path must fit
    rows = [
        *a_series("AAA", [100.0] * 260),
        *a_series("BBB", [100.0] * 259 + [95.0]),
        *a_series("CCC", [100.0] * 259 + [80.0]),
        *a_series("SPY", [480.0] * 260),
    ]
    write_bars(folder / "bars.parquet", rows)

    def load(url, **more):
        overrides = {
            "account.mode": "local",
            "broker.trading_url": url,
            "data.source": "file:bars.parquet",
            "strategy.universe": "AAA,BBB,CCC",
            "regime.source": "fixed:TREND_NEUTRAL",
            "paths.state_dir": "state",
            "paths.log_dir": "logs",
            "dashboard.port": 0,
        }
        return load_settings(environ={}, cwd=folder, overrides=overrides | more)

    return load


@pytest.fixture
def no_writes(monkeypatch):
    """Whatever is not a GET fails the test."""

    async def refuse(self, method, *args, **kwargs):
        raise AssertionError(f"a dry run sends a {method}")

    def put_on():
        monkeypatch.setattr(Transport, "send", refuse)

    put_on.off = monkeypatch.undo
    return put_on


async def a_live_run(settings):
    """The entries of a forced run by the daemon itself."""
    daemon = Daemon(
        settings,
        load_credentials(settings, {}),
        Surroundings(environ={}, console=False, tick_s=0.05),
    )
    await daemon.open()
    entries, trading, finished = [], asyncio.Event(), asyncio.Event()

    def watch(new):
        for event in (entry.event for entry in new):
            entries.append(event)
            if isinstance(event, e.ModeChanged) and event.mode is Mode.TRADING:
                trading.set()
            elif isinstance(event, e.RunFinished):
                finished.set()

    daemon.subscribe(watch)
    task = asyncio.create_task(daemon.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await trading.wait()
            daemon.hear(e.RebalanceRequested("test", force=True))
            await finished.wait()
    finally:
        daemon.stop("test")
        await task
    return entries


@pytest.mark.asyncio
async def test_s189_the_dry_run_writes_nothing_and_plans_what_the_daemon_then_does(desk, no_writes):
    async with a_broker() as broker:
        settings = desk(broker.url)
        no_writes()
        dry_run = await make_dry_run(settings, Wanted(), {})
        no_writes.off()
        assert not settings.state_dir.exists()
        entries = await a_live_run(settings)
    plan = next(event for event in entries if isinstance(event, e.RunPlanned))
    assert dry_run.plan.digest == plan.digest
    sent = [event.approved.draft for event in entries if isinstance(event, e.OrderApproved)]
    assert orders_of(dry_run) == [(str(d.side), d.symbol, d.qty) for d in sent]
    assert orders_of(dry_run) == [("sell", "CCC", 50), ("buy", "AAA", 16), ("buy", "BBB", 22)]
    assert next(x for x in entries if isinstance(x, e.RunFinished)).outcome == "done"


@pytest.mark.asyncio
async def test_the_account_as_it_stands_is_planned_on_the_markets_prices(desk, no_writes):
    async with a_broker() as broker:
        no_writes()
        got = await make_dry_run(desk(broker.url), Wanted(regime=Regime.CRASH), {})
    assert not got.scene.is_hypothetical
    assert got.scene.prices_from == "the market's latest quotes and trades"
    assert got.plan.equity == 10_000 + 50 * 80 + 5 * 100
    assert targets_of(got) == {"AAA": 0, "BBB": 0, "CCC": 0}


@pytest.mark.asyncio
async def test_while_the_market_is_closed_the_next_session_is_planned_on_closes(desk, no_writes):
    # 31 January, 18:00 New York: the run of the next morning.
    async with a_broker(EVENING - timedelta(days=1)) as broker:
        no_writes()
        got = await make_dry_run(desk(broker.url), Wanted(), {})
    assert str(got.scene.order_day) == "2024-02-01"
    assert got.scene.prices_from == "as-traded closes of 2024-01-31 (the market is closed)"
    assert orders_of(got)[0] == ("sell", "CCC", 50)
    assert got.passes


@pytest.mark.asyncio
async def test_late_in_a_session_no_run_can_be_planned(desk):
    async with a_broker(CLOSE - timedelta(minutes=30)) as broker:
        with pytest.raises(AtlasError, match="too late for a run today"):
            await make_dry_run(desk(broker.url), Wanted(), {})


@pytest.mark.asyncio
async def test_what_was_not_bought_by_us_is_counted_and_left(desk):
    async with a_broker() as broker:
        settings = desk(broker.url, **{"account.manage": "bought"})
        got = await make_dry_run(settings, Wanted(), {})
    assert any("0 of 2 positions were bought by us" in note for note in got.scene.notes)
    assert all(fill.draft.side == "buy" for fill in got.fills)


@pytest.mark.asyncio
async def test_a_latch_on_disk_is_told(desk):
    async with a_broker() as broker:
        settings = desk(broker.url)
        settings.state_dir.mkdir()
        settings.latch_path.touch()
        got = await make_dry_run(settings, Wanted(), {})
    assert "halted: a run waits until `atlasd resume`" in got.scene.notes


@pytest.mark.asyncio
async def test_an_order_of_ours_that_rests_is_named(desk):
    async with a_broker() as broker:
        client = AlpacaTradingClient(
            key_id=broker.key, secret=broker.secret, trading_url=broker.url, data_url=broker.url
        )
        await client.submit_limit_order(
            "BBB", 1, "buy", 1, client_order_id="atlas-2024-02-r1-buy-BBB-1"
        )
        await client.close()
        with pytest.raises(RefusedError, match="an order with our prefix rests: buy 1 BBB"):
            await make_dry_run(desk(broker.url), Wanted(), {})


@pytest.mark.asyncio
async def test_a_broker_that_is_not_there_is_one_line(desk, monkeypatch):
    monkeypatch.setattr("atlas_daemon.edges.alpaca.transport.RETRY_S", ())
    with pytest.raises(AtlasError, match=r"no answer from the broker at http://127\.0\.0\.1:9: "):
        await make_dry_run(desk("http://127.0.0.1:9"), Wanted(), {})
