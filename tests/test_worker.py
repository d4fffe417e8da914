"""The slow brain as one piece: the question and the answer, on made-up and on real bars."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from atlas_daemon.core.brain import KEY_VARIABLES, FailureKind, SignalsRequest, WorkerReply
from atlas_daemon.core.values import Regime
from atlas_daemon.paper import server as paper_server
from atlas_daemon.paper.calendar import Calendar
from atlas_daemon.paper.replay import ReplayMarket
from atlas_daemon.worker import answer
from tests.bars.builders import SHARED_BARS, a_series, real_data, sessions, write_bars

DAY = date(2024, 1, 31)
MEMBERS = SHARED_BARS.with_name("sp500_membership.csv")


def a_request(bars, /, **changes):
    defaults = {
        "signal_day": DAY,
        "source": f"file:{bars}",
        "universe": "technology",
        "top_n": 10,
        "weighting": "equal",
        "min_high_ratio": Decimal("0.90"),
        "volume_filter": Decimal(0),
        "strategy": "momentum_52w",
        "bars_feed": "sip",
        "data_url": "http://127.0.0.1:9",
        "held": (),
        "regime": "fixed:TREND_BULL",
    }
    return SignalsRequest(**(defaults | changes))


def ask(bars, /, **changes):
    return answer(msgspec.json.encode(a_request(bars, **changes)), {})


def answered(bars, /, **changes):
    reply = ask(bars, **changes)
    assert reply.ok, reply.error
    return reply.answer


def refused(bars, /, **changes):
    reply = ask(bars, **changes)
    assert not reply.ok
    assert reply.answer is None
    assert "\n" not in reply.error
    return reply.kind, reply.error


def ratios(picks, places="0.0001"):
    return [(pick.symbol, pick.ratio.quantize(Decimal(places))) for pick in picks]


@pytest.fixture
def made_up(tmp_path):
    """AAA at its high, BBB 5 % below, CCC 20 % below, NEW with too few bars, SPY."""
    rows = [
        *a_series("AAA", [100.0] * 260),
        *a_series("BBB", [100.0] * 259 + [95.0]),
        *a_series("CCC", [100.0] * 259 + [80.0]),
        *a_series("NEW", [100.0] * 251),
        *a_series("SPY", [480.0] * 260),
    ]
    return write_bars(tmp_path / "bars.parquet", rows)


MADE_UP = "AAA,BBB,CCC,NEW"


def test_an_answer_names_picks_closes_refusals_and_regime(made_up):
    got = answered(made_up, universe=MADE_UP, held=("CCC",), regime="fixed:TREND_BEAR")
    assert [(p.symbol, p.weight, p.close, p.ratio) for p in got.picks] == [
        ("AAA", Decimal("0.5"), Decimal(100), Decimal(1)),
        ("BBB", Decimal("0.5"), Decimal(95), Decimal("0.95")),
    ]
    assert got.closes == {"AAA": 100, "BBB": 95, "CCC": 80, "SPY": 480}
    assert got.refused == (("NEW", "251 of 252 sessions of bars"),)
    assert got.candidates == 3
    assert "2 of 10 wanted lines pass the threshold; each is weighted among 2" in got.notes
    assert (got.regime, got.regime_as_of) == (Regime.TREND_BEAR, DAY)


def test_no_candidate_above_the_threshold_is_an_answer_all_cash(made_up):
    got = answered(made_up, universe="CCC")
    assert got.picks == ()
    assert "no candidate passes: all cash (1 rated)" in got.notes


def test_a_universe_that_cannot_be_rated_is_no_answer(made_up):
    kind, error = refused(made_up, universe="NEW")
    assert kind is FailureKind.EMPTY
    assert "NEW: 251 of 252 sessions of bars" in error


def test_all_is_every_series_that_is_a_share(tmp_path):
    rows = [*a_series("AAA", [1.0] * 260), *a_series("^GSPC", [4000.0] * 260)]
    got = answered(write_bars(tmp_path / "bars.csv", rows), universe="all")
    assert got.candidates == 1


def test_one_stale_symbol_is_left_out_and_named(tmp_path):
    rows = [bar for name in ("AAA", "BBB", "CCC") for bar in a_series(name, [1.0] * 260)]
    rows = [row for row in rows if not (row["symbol"] == "CCC" and row["date"] == DAY)]
    got = answered(write_bars(tmp_path / "bars.parquet", rows), universe="AAA,BBB,CCC")
    assert [pick.symbol for pick in got.picks] == ["AAA", "BBB"]
    reason = "last bar is 2024-01-30, not the signal session 2024-01-31"
    assert got.refused == (("CCC", reason),)


def test_a_source_that_broke_half_way_decides_nothing(tmp_path):
    rows = [bar for name in ("AAA", "BBB", "CCC") for bar in a_series(name, [1.0] * 260)]
    rows = [row for row in rows if row["symbol"] == "AAA" or row["date"] != DAY]
    path = write_bars(tmp_path / "bars.parquet", rows)
    kind, error = refused(path, universe="AAA,BBB,CCC")
    assert kind is FailureKind.DATA
    assert "2 of 3 symbols of universe of the list fail the checks" in error


def test_held_symbols_without_a_close_are_said_and_do_no_harm(made_up):
    got = answered(made_up, universe=MADE_UP, held=("ZZZ", "AAPL240119C00100000", "BTC/USD"))
    without = "no as-traded close on 2024-01-31: AAPL240119C00100000, BTC/USD, ZZZ"
    assert without in got.notes


def targets(tmp_path, text):
    (tmp_path / "targets.csv").write_text("symbol,weight,as_of\n" + text)
    return f"file:{tmp_path / 'targets.csv'}"


def test_targets_from_a_file_keep_their_weights_and_get_closes(tmp_path, made_up):
    strategy = targets(tmp_path, "CCC,0.7,2024-01-31\nNEW,0.2,2024-01-31\n")
    got = answered(made_up, strategy=strategy)
    assert [(pick.symbol, pick.weight, pick.close, pick.ratio) for pick in got.picks] == [
        ("CCC", Decimal("0.7"), Decimal(80), None),
        ("NEW", Decimal("0.2"), Decimal(100), None),
    ]


def test_a_target_without_a_series_refuses_the_file(tmp_path, made_up):
    strategy = targets(tmp_path, "CCC,0.7,2024-01-31\nZZZ,0.2,2024-01-31\n")
    kind, error = refused(made_up, strategy=strategy)
    assert kind is FailureKind.DATA
    assert "targets.csv line 3: ZZZ is unknown" in error


def test_a_target_that_fails_the_checks_has_no_close_and_is_named(tmp_path):
    rows = [*a_series("AAA", [1.0] * 9), *a_series("SPY", [1.0] * 10)]
    rows += a_series("BBB", [1.0] * 10, last=date(2024, 1, 30))
    path = write_bars(tmp_path / "bars.parquet", rows)
    strategy = targets(tmp_path, "AAA,0.5,2024-01-31\nBBB,0.5,2024-01-31\n")
    got = answered(path, strategy=strategy)
    assert [pick.close for pick in got.picks] == [Decimal(1), None]
    assert got.refused[0][0] == "BBB"


def test_a_stale_regime_is_passed_on_and_said(tmp_path, made_up):
    path = tmp_path / "regime.json"
    path.write_text('{"regime": "CRASH", "as_of": "2024-01-29"}')
    got = answered(made_up, universe=MADE_UP, regime=f"file:{path}")
    assert (got.regime, got.regime_as_of) == (Regime.CRASH, date(2024, 1, 29))
    assert "the regime is of 2024-01-29, older than the signal session" in got.notes


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"universe": "tech"}, "config", "unknown universe 'tech'; allowed: technology"),
        ({"top_n": 0}, "config", "strategy.top_n: 0"),
        ({"weighting": "best"}, "config", "strategy.weighting: 'best'"),
        ({"source": "yahoo"}, "config", "data.source: 'yahoo'"),
        ({"source": "file:none.parquet"}, "config", "none.parquet: no such file"),
        ({"source": "alpaca"}, "config", "the data keys are missing"),
        ({"source": "alpaca", "universe": "all"}, "config", "all needs bars from a file"),
        ({"strategy": "momentum"}, "config", "strategy.source: 'momentum'"),
        ({"strategy": "file:none.csv"}, "data", "none.csv: cannot be read"),
        ({"regime": "fixed:BULL"}, "config", "fixed:BULL is none of"),
        ({"regime": "fixed"}, "config", "regime.source: 'fixed' is none of"),
        ({"regime": "vibes"}, "config", "regime.source: 'vibes' is none of"),
        ({"regime": "file:none.json"}, "data", "none.json: cannot be read"),
        ({"regime": "jump_model"}, "config", "jump_model is not available in this version"),
        ({"signal_day": date(2024, 2, 1)}, "data", "ends on 2024-01-31"),
        ({"signal_day": date(2014, 2, 3)}, "data", "no bars for 2014-02-03"),
    ],
)
@pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
def test_what_cannot_be_answered_is_one_line_of_its_kind(made_up, changes, kind, words):
    request = {"universe": MADE_UP} | changes
    got_kind, error = refused(made_up, **request)
    assert words in error
    assert got_kind is FailureKind(kind)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"signal_day": "soon"}', b"\xff"])
def test_a_request_that_cannot_be_read_is_one_line(text):
    reply = answer(text, {})
    assert reply.error.startswith("request: ")
    assert reply.kind is FailureKind.CONFIG


@pytest.mark.parametrize("regime", ["fixed:TREND_BULL", "jump_model"])
def test_the_process_answers_one_line_of_json_and_ends_with_0(made_up, regime):
    request = a_request(made_up, universe=MADE_UP, regime=regime)
    done = subprocess.run(
        [sys.executable, "-m", "atlas_daemon.worker"],
        input=msgspec.json.encode(request),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)
    reply = msgspec.json.decode(done.stdout, type=WorkerReply)
    assert reply == answer(msgspec.json.encode(request), {})
    assert reply.ok is (regime != "jump_model")


def test_bars_from_a_file_load_neither_the_sdk_nor_pandas(made_up):
    program = (
        "import sys, atlas_daemon.worker as w; w.main();"
        "sys.exit(bool({'alpaca', 'pandas', 'requests', 'exchange_calendars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=msgspec.json.encode(a_request(made_up, universe=MADE_UP)),
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"]


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
async def test_the_data_api_and_the_file_behind_it_give_the_same_answer(tmp_path):
    """The local broker serves the file's bars over HTTP to alpaca-py, adjusted by its own means."""
    days = sessions(280)
    rows = [
        *a_series("AAA", [50.0] * 279 + [49.0], split=0.0),
        *a_series("BBB", [20.0] * 279 + [19.0], split=0.0),
        *a_series("SPY", [480.0] * 280, split=0.0),
    ]
    next(row for row in rows if row["symbol"] == "BBB" and row["date"] == days[200])["split"] = 4.0
    path = write_bars(tmp_path / "bars.parquet", rows)
    now = datetime(2024, 2, 1, 13, 30, tzinfo=UTC)
    broker = await paper_server.start(
        paper_server.PaperConfig(
            market=ReplayMarket(path, 1, None, DAY, DAY), calendar=Calendar(), starts_at=now
        )
    )
    try:
        request = a_request(
            path, source="alpaca", data_url=broker.url, universe="AAA,BBB", asked_at=now
        )
        keys = dict(zip(KEY_VARIABLES, (broker.key, broker.secret), strict=True))
        told = await asyncio.to_thread(answer, msgspec.json.encode(request), keys)
    finally:
        await broker.stop()
    assert told.ok, told.error
    assert [pick.symbol for pick in told.answer.picks] == ["AAA", "BBB"]
    assert told.answer == answered(path, universe="AAA,BBB")


# --- real bars: the golden figures ---

TECHNOLOGY = {
    date(2024, 1, 31): "NFLX .9732 CRM .9717 ADBE .9710 NVDA .9690 NOW .9690 ACN .9685 PANW .9655 "
    "INTU .9653 META .9601 MSFT .9573",
    date(2020, 3, 13): "",
}
MEMBERS_TOP = {
    date(2020, 3, 13): "DLR .998 GIS .960 EQIX .949 LLY .947 WEC .941 CLX .938",
    date(2024, 1, 31): "SYY .9934 TDG .9933 AMGN .9925 PG .9914 CL .9912 COR .9899",
    date(2024, 7, 31): "EVRG .9991 SO .9978 DTE .9971 NI .9965 CINF .9965 EBAY .9955",
}


def golden(text):
    words = text.split()
    return [(name, Decimal(ratio)) for name, ratio in zip(words[::2], words[1::2], strict=True)]


@real_data
@pytest.mark.parametrize(("day", "picks"), TECHNOLOGY.items(), ids=str)
def test_the_technology_picks_on_real_bars(day, picks):
    assert ratios(answered(SHARED_BARS, signal_day=day).picks) == golden(picks)


@real_data
def test_only_eight_of_technology_pass_on_2024_07_31():
    got = answered(SHARED_BARS, signal_day=date(2024, 7, 31))
    names = [pick.symbol for pick in got.picks]
    assert names == ["IBM", "TXN", "INTU", "NOW", "ORCL", "AAPL", "KLAC", "NFLX"]
    assert {pick.weight for pick in got.picks} == {Decimal("0.125")}
    assert "8 of 10 wanted lines pass the threshold; each is weighted among 8" in got.notes


@real_data
def test_in_the_crash_of_2020_no_technology_passes_and_that_is_all_cash():
    got = answered(SHARED_BARS, signal_day=date(2020, 3, 13))
    assert got.picks == ()
    assert got.candidates == 29
    assert "no candidate passes: all cash (29 rated)" in got.notes
    assert got.refused == (("CRWD", "191 of 252 sessions of bars"),)


@real_data
def test_picks_are_priced_as_traded():
    got = answered(SHARED_BARS, held=("TSLA", "BRK-B"))
    assert got.closes["NVDA"] == Decimal("615.27")
    assert {"TSLA", "BRK.B", "SPY"} <= set(got.closes)
    assert got.closes["SPY"] == Decimal("482.88")


@real_data
@pytest.mark.parametrize(("day", "top"), MEMBERS_TOP.items(), ids=str)
def test_the_point_in_time_tops_on_real_bars(day, top):
    wanted = golden(top)
    got = answered(SHARED_BARS, signal_day=day, universe=f"file:{MEMBERS}")
    places = str(wanted[0][1])
    assert ratios(got.picks[: len(wanted)], places) == wanted


@real_data
def test_a_special_dividend_is_no_fall_in_the_ranking():
    # KDP paid $103.75 of its $123.66 on 2018-07-10; the raw ratio would be 0.18.
    got = answered(SHARED_BARS, signal_day=date(2018, 7, 10), universe="KDP", top_n=1)
    assert got.picks[0].ratio > Decimal("0.95")
    assert got.picks[0].close == Decimal("22.19")


@real_data
@pytest.mark.parametrize("universe", ["technology", "all"])
def test_cutting_the_real_file_at_the_signal_day_changes_no_pick(tmp_path, universe):
    day = date(2024, 7, 31)
    start = day - timedelta(days=450)
    table = pq.read_table(SHARED_BARS, filters=[("date", ">=", start)])
    pq.write_table(table, tmp_path / "whole.parquet")
    pq.write_table(table.filter(pc.less_equal(table["date"], day)), tmp_path / "cut.parquet")
    whole = answered(tmp_path / "whole.parquet", signal_day=day, universe=universe)
    cut = answered(tmp_path / "cut.parquet", signal_day=day, universe=universe)
    assert [(p.symbol, p.ratio, p.weight) for p in whole.picks] == [
        (p.symbol, p.ratio, p.weight) for p in cut.picks
    ]


@real_data
def test_the_file_as_it_was_on_the_signal_day_gives_the_same_answer(tmp_path):
    """Splits and dividends that came later are taken out, as a file of that day had them."""
    day = date(2024, 1, 31)
    table = pq.read_table(SHARED_BARS, filters=[("date", ">=", day - timedelta(days=450))])
    frame = table.to_pandas()
    later = frame[(frame["date"] > day) & (frame["split"] > 0)]
    product = later.groupby("symbol", observed=True)["split"].prod().astype(float)
    then = frame[frame["date"] <= day].copy()
    factor = then["symbol"].astype(str).map(product).fillna(1.0)
    last = then.groupby("symbol", observed=True)["adj_factor"].transform("last")
    then["adj_factor"] = then["adj_factor"].astype(float) / last
    for column in ("open", "high", "low", "close"):
        then[column] = then[column].astype(float) * factor
    then["volume"] = then["volume"] / factor
    then.to_parquet(tmp_path / "then.parquet")
    was = answered(tmp_path / "then.parquet", signal_day=day, held=("TSLA", "BRK.B", "WMT"))
    now = answered(SHARED_BARS, signal_day=day, held=("TSLA", "BRK.B", "WMT"))
    assert was.closes == now.closes
    assert ratios(was.picks) == ratios(now.picks)


def test_the_clock_of_the_asker_counts_where_it_is_given(made_up):
    request = a_request(made_up, asked_at=datetime(2024, 2, 1, 13, 30, tzinfo=UTC))
    assert msgspec.json.decode(msgspec.json.encode(request), type=SignalsRequest) == request


def test_a_bar_on_a_holiday_refuses_its_symbol(tmp_path):
    rows = [*a_series("AAA", [1.0] * 260), *a_series("BBB", [1.0] * 260), *a_series("SPY", [1.0])]
    rows.append({**rows[300], "symbol": "BBB", "date": date(2023, 12, 25)})
    path = write_bars(tmp_path / "bars.parquet", rows)
    got = answered(path, universe="AAA,BBB")
    assert got.refused == (("BBB", "a bar though it is no session on 2023-12-25"),)
