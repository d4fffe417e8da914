"""The slow brain as one piece: the question and the answer, on made-up bars."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from atlas_daemon import worker
from atlas_daemon.assembly import World, make_brain
from atlas_daemon.bars import files
from atlas_daemon.config import Credentials
from atlas_daemon.config.digests import code_digest
from atlas_daemon.core.brain import KEY_VARIABLES, FailureKind, SignalsRequest, WorkerReply
from atlas_daemon.core.values import Regime
from atlas_daemon.paper import server as paper_server
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.replay import ReplayMarket
from atlas_daemon.strategy.regime import EMPTY, grow, read_track
from atlas_daemon.worker import answer
from tests.bars.builders import a_bar, a_series, sessions, write_bars
from tests.bars.vendors import DataService
from tests.strategy.markets import SMALL, a_market
from tests.worker_requests import DAY, a_request, answered, refused


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
        ({"strategy": "file:\0"}, "data", "cannot be read as targets"),
        ({"universe": "file:\0"}, "config", "cannot be read as members"),
        ({"source": "file:\0"}, "config", "no such file"),
        ({"regime": "file:\0"}, "data", "cannot be read as a regime"),
        ({"signal_day": date(1, 1, 1)}, "config", "there are no bars of 0001-01-01"),
        ({"regime": "jump_model"}, "data", "regime.source jump_model: SPY: the same close 5 times"),
        ({"regime": "jump_model:x"}, "config", "regime.source: 'jump_model:x' is none of"),
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


@pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
def test_a_day_beyond_the_calendar_is_one_line(made_up):
    request = a_request(made_up, source="alpaca", signal_day=date(2031, 1, 2))
    reply = answer(msgspec.json.encode(request), dict.fromkeys(KEY_VARIABLES, "x"))
    assert "the session calendar ends" in reply.error
    assert reply.kind is FailureKind.CONFIG


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
    assert reply.code == code_digest()
    assert reply.ok is (regime != "jump_model")


def test_the_daemons_child_must_run_the_daemons_code():
    made = make_brain(lambda: None, Credentials("PK", "s", "here"), World(), {})
    assert made.code == code_digest()


@pytest.fixture
def market(tmp_path):
    """AAA, and SPY with a history that a small model can be fitted to."""
    days, closes = a_market(520)
    rows = [a_bar(day, "SPY", close) for day, close in zip(days, closes, strict=True)]
    return write_bars(tmp_path / "bars.parquet", [*rows, *a_series("AAA", [100.0] * 260)])


def test_the_model_gives_the_regime_of_the_signal_session(market):
    got = answered(market, universe="AAA", regime="jump_model", model=SMALL)
    days, closes = a_market(520)
    told = read_track(grow(EMPTY, days, closes, SMALL), DAY, SMALL)
    assert (got.regime, got.regime_as_of) == (told.regime, DAY)
    assert (got.regime_raw, got.regime_confirmed) == (told.raw, told.confirmed)
    assert any(note.startswith("the model says ") for note in got.notes)
    assert answered(market, universe="AAA").regime_raw is None


def test_a_daily_update_reads_no_more_bars_than_the_scan(market, tmp_path, monkeypatch):
    model = replace(SMALL, state_path=str(tmp_path / "labels.json"), keeps_state=True)
    ask = {"universe": "AAA", "regime": "jump_model", "model": model}
    answered(market, signal_day=date(2024, 1, 30), **ask)
    reads = []
    load = files.load_bars
    monkeypatch.setattr(files, "load_bars", lambda *words: reads.append(words) or load(*words))
    warm = answered(market, **ask)
    assert len(reads) == 1
    assert warm == answered(market, universe="AAA", regime="jump_model", model=SMALL)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"close": 0.0}, "SPY of {bars}: a price that is empty, zero or negative on 2024-01-31"),
        ({"close": None}, "SPY of {bars}: a price that is empty, zero or negative on 2024-01-31"),
        ({"close": 1e6, "high": 1e6}, "% on 2024-01-31 without a corporate action"),
        ({"date": date(2024, 1, 27)}, "last bar is 2024-01-30, not the signal session 2024-01-31"),
    ],
    ids=["zero", "empty", "jump", "stale"],
)
@pytest.mark.parametrize("regime", ["jump_model", "fixed:TREND_BULL"])
def test_a_benchmark_that_fails_a_check_ends_the_whole_run(tmp_path, last, words, regime):
    days, closes = a_market(520)
    rows = [a_bar(day, "SPY", close) for day, close in zip(days, closes, strict=True)]
    rows[-1] |= last
    path = write_bars(tmp_path / "bars.parquet", [*rows, *a_series("AAA", [100.0] * 260)])
    kind, error = refused(path, universe="AAA", regime=regime, model=SMALL)
    assert kind is FailureKind.DATA
    assert words.format(bars=path) in error


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


def test_a_load_over_the_data_api_loads_neither_pandas_nor_arrows_functions(tmp_path):
    """Reading and writing the store included: each of them would cost more than all the rest."""
    service = DataService()
    bars = [
        {"t": f"{day}T05:00:00Z", "o": 50.0, "h": 50.0, "l": 50.0, "c": 50.0, "v": 1000}
        for day in sessions(280)
    ]
    service.series = {"AAA": bars, "SPY": bars}
    request = a_request(
        "",
        source="alpaca",
        data_url=service.url,
        universe="AAA",
        asked_at=datetime(2024, 2, 1, 13, 30, tzinfo=UTC),
        bars_dir=str(tmp_path / "bars"),
        keeps_bars=True,
    )
    later = replace(request, asked_at=request.asked_at + timedelta(hours=1))
    program = (
        "import sys, atlas_daemon.worker as w; w.main();"
        "sys.exit(bool({'pandas', 'pyarrow.compute', 'numpy.ma'} & set(sys.modules)))"
    )
    keys = dict.fromkeys(KEY_VARIABLES, "x")
    try:
        for asked in (request, later):
            done = subprocess.run(
                [sys.executable, "-c", program],
                input=msgspec.json.encode(asked),
                capture_output=True,
                timeout=60,
                check=False,
                env=os.environ | keys,
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["ok"], done.stdout
    finally:
        service.close()


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


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
async def test_the_model_reads_the_same_regime_off_the_data_api(market):
    """The whole history of one symbol over HTTP; its closes come rounded, its labels do not."""
    now = datetime(2024, 2, 1, 13, 30, tzinfo=UTC)
    broker = await paper_server.start(
        paper_server.PaperConfig(
            market=ReplayMarket(market, 1, None, DAY, DAY), calendar=Calendar(), starts_at=now
        )
    )
    ask = {"universe": "AAA", "regime": "jump_model", "model": SMALL}
    try:
        request = a_request(market, source="alpaca", data_url=broker.url, asked_at=now, **ask)
        keys = dict(zip(KEY_VARIABLES, (broker.key, broker.secret), strict=True))
        told = await asyncio.to_thread(answer, msgspec.json.encode(request), keys)
    finally:
        await broker.stop()
    assert told.ok, told.error
    assert told.answer == answered(market, **ask)


def test_the_clock_of_the_asker_counts_where_it_is_given(made_up):
    request = a_request(made_up, asked_at=datetime(2024, 2, 1, 13, 30, tzinfo=UTC))
    assert msgspec.json.decode(msgspec.json.encode(request), type=SignalsRequest) == request


def test_a_bar_on_a_holiday_refuses_its_symbol(tmp_path):
    rows = [*a_series("AAA", [1.0] * 260), *a_series("BBB", [1.0] * 260), *a_series("SPY", [1.0])]
    rows.append({**rows[300], "symbol": "BBB", "date": date(2023, 12, 25)})
    path = write_bars(tmp_path / "bars.parquet", rows)
    got = answered(path, universe="AAA,BBB")
    assert got.refused == (("BBB", "a bar though it is no session on 2023-12-25"),)


def test_another_source_of_bars_can_take_the_place_of_ours(made_up, monkeypatch):
    asked = []

    class TheirBars:
        def load(self, symbols, start, end, order_day):
            asked.append((sorted(symbols), end, order_day))
            return files.load_bars(made_up, symbols, start, end)

    sources = {"theirs": lambda argument, request, environment: TheirBars()}
    monkeypatch.setattr(worker, "BAR_SOURCES", sources)
    theirs = answered(made_up, source="theirs", universe=MADE_UP)
    monkeypatch.undo()
    assert theirs == answered(made_up, universe=MADE_UP)
    assert asked == [(["AAA", "BBB", "CCC", "NEW", "SPY"], DAY, date(2024, 2, 1))]
