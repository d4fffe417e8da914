"""Bars of minutes and more: the same road as quotes and trades, paged and merged."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.paper.api import bars
from atlas_daemon.paper.market.daily import DailyMarket, DailySeries
from atlas_daemon.paper.market.intraday import minute_bars, prices_of, printed
from atlas_daemon.paper.market.path import DayPath
from atlas_daemon.paper.market.synthetic import SyntheticMarket
from tests.paper.sockets import running

D = Decimal
DAY = date(2026, 11, 20)
MARKET = SyntheticMarket(7, DAY, DAY, ["AAPL", "SPY"])
CALENDAR = MARKET.calendar
SESSION = CALENDAR.session_of(DAY)
OVER = SESSION.closes_at


def asked(timeframe, **changes):
    wanted = {
        "symbols": ("AAPL", "SPY"),
        "timeframe": bars.read_timeframe(timeframe),
        "start": bars.midnight(date(2026, 11, 18)),
        "end": OVER,
        "limit": 10_000,
        "adjustment": "raw",
        "ascending": True,
        "resume": None,
    }
    return bars.BarsRequest(**(wanted | changes))


def page(timeframe, now=OVER, **changes):
    return bars.page_of(MARKET, CALENDAR, asked(timeframe, **changes), now)


@given(
    key=st.integers(0, 2**64 - 1),
    four=st.lists(st.floats(0.01, 5000), min_size=4, max_size=4).map(sorted),
    minutes=st.sampled_from([210, 390]),
)
@settings(max_examples=20, deadline=None)
def test_all_seconds_at_once_are_the_prices_of_each_second(key, four, minutes):
    low, close, opened, high = four
    path = DayPath(key, opened=opened, high=high, low=low, close=close, length_s=60 * minutes)
    prices = prices_of(path)
    assert len(prices) == 60 * minutes + 1
    for second in {0, 1, 59, 60, 299, 300, 7777, 60 * minutes - 1, 60 * minutes}:
        assert prices[second] == path.price(second)


@pytest.mark.parametrize("size", [1, 5, 7, 15, 30, 60, 240])
def test_the_minutes_of_a_session_add_up_to_it(size):
    (whole,) = MARKET.bars("AAPL", DAY, DAY, "raw", OVER)
    rows = MARKET.minutes("AAPL", DAY, size, "raw", OVER)
    assert rows[0].open == whole.open
    assert rows[-1].close == whole.close
    assert max(row.high for row in rows) == whole.high
    assert min(row.low for row in rows) == whole.low
    assert sum(row.volume for row in rows) == whole.volume
    assert all(row.low <= min(row.open, row.close) for row in rows)
    assert all(row.high >= max(row.open, row.close) for row in rows)
    grid = timedelta(minutes=size)
    assert all(after.at - before.at == grid for before, after in pairwise(rows))


def test_a_bar_holds_the_trades_that_could_be_seen():
    begin = SESSION.opens_at + timedelta(minutes=42)
    row = MARKET.minutes("SPY", DAY, 1, "raw", OVER)[42]
    seen = [MARKET.trade("SPY", begin + timedelta(seconds=n)).price for n in range(60)]
    assert row.at == begin
    assert (row.open, row.close) == (seen[0], seen[-1])
    assert (row.low, row.high) == (min(seen), max(seen))


def test_a_minute_is_told_when_it_is_over():
    at = SESSION.opens_at + timedelta(minutes=10)
    assert len(MARKET.minutes("SPY", DAY, 1, "raw", at - timedelta(seconds=1))) == 9
    assert len(MARKET.minutes("SPY", DAY, 1, "raw", at)) == 10
    assert MARKET.minutes("SPY", DAY, 1, "raw", SESSION.opens_at) == []


def test_minutes_are_adjusted_as_sessions_are():
    days = [date(2026, 11, 19), DAY]
    flat = {name: np.array([100.0, 50.0]) for name in ("open", "high", "low", "close")}
    series = DailySeries(
        symbol="XYZ",
        days=np.array([day.toordinal() for day in days]),
        volume=np.array([39_000, 78_000]),
        split=np.array([1.0, 2.0]),
        dividend=np.array([0.0, 0.0]),
        **flat,
    )
    market = DailyMarket(1, [series], CALENDAR)
    raw = market.minutes("XYZ", days[0], 1, "raw", OVER)[0]
    adjusted = market.minutes("XYZ", days[0], 1, "split", OVER)[0]
    assert (raw.close, adjusted.close) == (D(100), D(50))
    assert adjusted.volume == 2 * raw.volume


def test_hours_stand_on_the_clock_and_not_on_the_open():
    rows, _ = page("1Hour", start=bars.midnight(DAY))
    stamps = [f"{bar.at:%H:%M}" for bar in rows["AAPL"]]
    assert stamps == ["14:00", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00"]


@pytest.mark.parametrize(
    ("timeframe", "limit"),
    [("1Min", 100), ("1Min", 391), ("15Min", 7), ("1Hour", 7), ("1Day", 2), ("1Week", 1)],
)
@pytest.mark.parametrize("ascending", [True, False])
def test_pages_together_are_what_one_page_would_be(timeframe, ascending, limit):
    whole, token = page(timeframe, ascending=ascending)
    assert token is None
    found, resume = {}, None
    for _ in range(1000):
        part, token = page(timeframe, ascending=ascending, limit=limit, resume=resume)
        assert sum(map(len, part.values())) <= limit
        for symbol, rows in part.items():
            found.setdefault(symbol, []).extend(rows)
        if token is None:
            break
        resume = bars.read_token(token)
    assert found == whole


def test_a_page_of_minutes_ends_after_so_many_sessions():
    market = SyntheticMarket(7, DAY, DAY, ["SPY"])
    start = bars.midnight(date(2026, 6, 1))
    wanted = asked("1Hour", symbols=("SPY",), start=start)
    part, token = bars.page_of(market, CALENDAR, wanted, OVER)
    days = {bar.at.date() for bar in part["SPY"]}
    assert len(days) == bars.SESSIONS_MAX
    assert token is not None


def test_the_running_session_has_a_bar_of_what_was_traded_so_far():
    noon = SESSION.opens_at + timedelta(hours=2)
    rows, _ = page("1Day", now=noon, start=bars.midnight(DAY))
    (today,) = rows["SPY"]
    minutes = MARKET.minutes("SPY", DAY, 1, "raw", noon)
    assert today == bars.merged(minutes, bars.midnight(DAY))
    week, _ = page("1Week", now=noon)
    assert week == {}  # it begins before the span
    week, _ = page("1Week", now=noon, start=bars.midnight(date(2026, 11, 16)))
    assert week["SPY"][-1].close == today.close


def test_the_newest_minute_is_of_the_session_before_until_one_is_over():
    early = SESSION.opens_at + timedelta(seconds=30)
    newest = bars.last_minute(MARKET, CALENDAR, "SPY", early)
    assert newest.at == datetime(2026, 11, 19, 20, 59, tzinfo=UTC)
    later = bars.last_minute(MARKET, CALENDAR, "SPY", early + timedelta(minutes=1))
    assert later.at == SESSION.opens_at


def test_a_short_path_fills_its_minutes():
    path = DayPath(3, opened=0.5, high=0.52, low=0.49, close=0.51, length_s=600)
    factors = {"price_factor": 1, "volume_factor": 1}
    rows = minute_bars(printed(path), SESSION.opens_at, 10, 3, 0, volume=10, **factors)
    newest = minute_bars(printed(path), SESSION.opens_at, 10, 3, 2, volume=10, **factors)
    assert newest == rows[-2:]
    assert [row.volume for row in rows] and sum(row.volume for row in rows) == 10
    assert rows[-1].close == D("0.5100")


@pytest.mark.asyncio
async def test_minutes_and_snapshots_over_the_wire():
    noon = SESSION.opens_at + timedelta(hours=2, seconds=30)
    async with running(market=MARKET, starts_at=noon, holdings={}) as client:
        span = {"symbols": "SPY,AAPL", "timeframe": "5Min", "feed": "iex", "limit": "30"}
        body = await client.get("/v2/stocks/bars", **span)
        assert [len(rows) for rows in body["bars"].values()] == [24, 6]
        rest = await client.get("/v2/stocks/bars", **span, page_token=body["next_page_token"])
        assert {s: len(rows) for s, rows in rest["bars"].items()} == {"SPY": 18}
        assert set(body["bars"]["AAPL"][0]) == set("cehlnotv") - {"e"} | {"vw"}
        snapshot = (await client.get("/v2/stocks/snapshots", symbols="SPY"))["SPY"]
        assert snapshot["minuteBar"]["t"] == "2026-11-20T16:29:00Z"
        assert snapshot["dailyBar"]["t"] == "2026-11-20T05:00:00Z"
        assert snapshot["prevDailyBar"]["t"] == "2026-11-19T05:00:00Z"
        latest = await client.get("/v2/stocks/bars/latest", symbols="SPY,NOPE")
        assert latest["bars"] == {"SPY": snapshot["minuteBar"]}
        delayed = await client.get("/v2/stocks/SPY/bars/latest", feed="delayed_sip")
        assert delayed["bar"]["t"] == "2026-11-20T16:14:00Z"
