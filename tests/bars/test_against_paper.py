"""The store over real sockets: the local broker's data API, its market moving on between loads."""

import asyncio
from datetime import UTC, date, datetime, time

import numpy as np
import pytest
import pytest_asyncio

from atlas_daemon.bars.access import DataAccess
from atlas_daemon.bars.alpaca import AlpacaVendor
from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.files import FileBars
from atlas_daemon.bars.stored import StoredBars
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.paper import server as paper_server
from atlas_daemon.paper.faults.fault import read_fault
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.replay import ReplayMarket
from tests.bars.builders import a_series, sessions, write_bars

DAYS = sessions(40, date(2024, 2, 2))
BEFORE, EX_DAY = DAYS[-3], DAYS[-2]
SYMBOLS = ("AAA", "BBB", "SPY")


def morning_after(day):
    return datetime.combine(NYSE.session_after(day).day, time(8, 30), UTC)


@pytest.fixture
def prices(tmp_path):
    """BBB splits 4:1 on the ex-day, AAA pays a fifth of its price on it."""
    rows = [
        *a_series("AAA", [50.0] * 38 + [40.0] * 2, DAYS[-1], split=0.0, dividend=0.0),
        *a_series("BBB", [20.0 + n / 4 for n in range(40)], DAYS[-1], split=0.0, dividend=0.0),
        *a_series("SPY", [480.0] * 40, DAYS[-1], split=0.0, dividend=0.0),
    ]
    for row in rows:
        row["volume"] = 1_000_000.0
        if row["date"] == EX_DAY and row["symbol"] == "BBB":
            row["split"] = 4.0
        if row["date"] == EX_DAY and row["symbol"] == "AAA":
            row["dividend"] = 10.0
    for row in rows:  # what the vendor of such a file would have put there
        is_before = row["symbol"] == "AAA" and row["date"] < EX_DAY
        row["adj_factor"] = 0.8 if is_before else 1.0
    return write_bars(tmp_path / "bars.parquet", rows)


@pytest_asyncio.fixture
async def broker(prices):
    market = ReplayMarket(prices, 1, None, DAYS[0], DAYS[-1])
    config = paper_server.PaperConfig(
        market=market, calendar=Calendar(), starts_at=morning_after(BEFORE), speed=0
    )
    running = await paper_server.start(config)
    yield running
    await running.stop()


def go_to(broker, at):
    broker.desk.clock.set(at=at)
    broker.desk.settle()


async def load(broker, folder, end, symbols=SYMBOLS):
    now = morning_after(end)
    access = DataAccess(broker.key, broker.secret, broker.url)
    source = StoredBars(AlpacaVendor(access, now), folder, now)
    order_day = NYSE.session_after(end).day
    return await asyncio.to_thread(source.load, symbols, DAYS[0], end, order_day)


@pytest.mark.asyncio
async def test_a_split_and_a_dividend_between_two_top_ups_leave_what_the_file_says(
    broker, prices, tmp_path
):
    folder = tmp_path / "sip"
    before = await load(broker, folder, BEFORE)
    assert not before.action.any()
    go_to(broker, morning_after(EX_DAY))
    told = await load(broker, folder, EX_DAY)
    assert told.notes == (f"bars fetched whole: BBB (forward split on {EX_DAY})",)
    file = FileBars(prices).load(SYMBOLS, DAYS[0], EX_DAY, EX_DAY)
    assert told.symbols == file.symbols
    assert told.sessions.tolist() == file.sessions.tolist()
    assert told.action.tolist() == file.action.tolist()
    for name in ("close_total", "high_total", "close_traded", "volume", "value"):
        ours, theirs = getattr(told, name), getattr(file, name)
        if "total" in name:  # the same returns: the file is adjusted up to its own last day
            ours, theirs = ours / ours[-1], theirs / theirs[-1]
        # The broker's prices are in cents.
        np.testing.assert_allclose(ours, theirs, rtol=2e-3 if name == "value" else 3e-4)
    assert examine(told, SYMBOLS, EX_DAY).refused == ()


@pytest.mark.asyncio
async def test_a_split_of_the_order_day_is_known_on_its_morning(broker, tmp_path):
    bars = await load(broker, tmp_path / "sip", BEFORE)
    assert bars.splits_next == {"BBB": 4.0}


@pytest.mark.asyncio
async def test_a_new_name_is_fetched_whole_and_the_old_one_named(broker, tmp_path):
    folder = tmp_path / "sip"
    await load(broker, folder, BEFORE)
    broker.desk.console.arm(read_fault({"kind": "rename", "symbol": "AAA", "to_symbol": "NEW"}))
    go_to(broker, morning_after(EX_DAY))
    bars = await load(broker, folder, EX_DAY, ("AAA", "NEW", "SPY"))
    # The new name has the company's whole past.
    assert bars.present.sum(axis=0).tolist() == [38, 39, 39]
    assert bars.notes == (f"bars fetched whole: AAA (renamed to NEW on {EX_DAY})",)
    assert examine(bars, ("AAA", "NEW", "SPY"), EX_DAY).refused == (
        (
            "AAA",
            f"last bar is {BEFORE}, not the signal session {EX_DAY}: renamed to NEW on {EX_DAY}",
        ),
    )
