"""`atlasd regime`: today's regime and what it rests on, its history, and a person's word."""

import importlib.util
import json
from dataclasses import replace
from datetime import date
from io import StringIO
from itertools import pairwise

import pytest
from rich.console import Console

from atlas_daemon.cli import regime_picture, regime_view
from atlas_daemon.core.values import Regime
from atlas_daemon.strategy.regime import EMPTY, grow, read_track
from tests.bars.builders import SHARED_BARS, a_bar, real_data, write_bars
from tests.control.desk import DeskThread
from tests.strategy.markets import SMALL, a_market

DAYS, CLOSES = a_market(520, crash_at=430)
LAST = "2024-01-31"
MODEL = "[regime]\nlookback = 120\nwindow = 200\n"


@pytest.fixture
def desk(shell, tmp_path):
    """A market of bars.csv and a small model to judge it by."""
    rows = [a_bar(day, "SPY", close) for day, close in zip(DAYS, CLOSES, strict=True)]
    write_bars(tmp_path / "bars.csv", rows)
    configure(tmp_path, MODEL)
    return shell


def configure(folder, regime, source="file:bars.csv"):
    path = folder / "atlas.toml"
    kept = path.read_text().split("[data]")[0]
    path.write_text(f'{kept}[data]\nsource = "{source}"\n{regime}')


def failed(said, code):
    assert said.exit_code == code, said.output
    assert said.stdout == ""
    (line,) = said.stderr.splitlines()
    return line


def test_the_regime_of_a_session_with_all_that_it_rests_on(desk):
    told = json.loads(desk("regime", "--date", LAST, "--json").stdout)
    reading = read_track(grow(EMPTY, DAYS, CLOSES, SMALL), DAYS[-1], SMALL)
    assert (told["as_of"], told["regime"]) == (LAST, reading.regime)
    assert told["raw"] == {
        "regime": reading.raw,
        "since": str(reading.raw_since),
        "sessions": reading.raw_sessions,
    }
    assert told["confirmed"]["since"] == str(reading.confirmed_since)
    assert told["confirmed"]["needs_sessions"] == 3
    assert told["margin"] == pytest.approx(reading.verdict.margin, abs=1e-6)
    assert told["fit"]["day"] == "2024-01-02"
    assert told["window"] == {"sessions": 200, "wanted": 200}
    downside, sortino, _ = told["features"]
    assert downside["value"] == pytest.approx(reading.row.downside, abs=1e-6)
    assert sortino["z"] == pytest.approx(reading.verdict.sortino_z, abs=1e-6)
    fit = reading.refit.fit
    assert downside["bear"] == pytest.approx(fit.mean[0] + fit.deviation[0] * fit.bear[0], abs=1e-6)


def test_a_person_reads_the_same(desk):
    said = desk("regime", "--date", LAST)
    assert said.exit_code == 0
    reading = read_track(grow(EMPTY, DAYS, CLOSES, SMALL), DAYS[-1], SMALL)
    assert f"[LOCAL] LARGE  regime as of the close of {LAST}" in said.stdout
    assert f"Regime     {reading.regime}: up to" in said.stdout
    for word in ("Confirmed", "How sure", "Thresholds", "downside deviation (10)", "Sortino (60)"):
        assert word in said.stdout


def test_a_day_without_a_session_is_told_by_the_session_before(desk):
    told = json.loads(desk("regime", "--date", "2024-01-28", "--json").stdout)
    assert told["as_of"] == "2024-01-26"


def test_the_daemons_labels_are_read_and_none_are_written(desk, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert desk("regime", "--date", LAST).exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--date", "soon"), 2, "--date: 'soon' is not a date"),
        (("--date", "2029-06-01"), 2, "--date: the session of 2029-06-01 is not over"),
        (("--date", "2030-06-01"), 1, "the session calendar ends: 2030-06-01"),
        (("--date", "2024-02-01"), 1, "ends on 2024-01-31: no bars for 2024-02-01"),
        (("--date", "2015-06-01"), 1, "no bars for 2015-06-01"),
        (("--date", "2022-06-01"), 1, "SPY: too few sessions: "),
        ((), 1, "(give --date for an earlier day)"),
        (
            ("history", "--from", "2024-01-31", "--to", "2024-01-30"),
            2,
            "--from 2024-01-31 is after",
        ),
        (("history", "--from", "x", "--to", LAST), 2, "--from: 'x' is not a date"),
        (("history", "--from", "2022-03-01", "--to", "2022-06-01"), 1, "no session was judged"),
        (("history", "--to", LAST, "--png", "plot.jpg"), 2, "plot.jpg must end in .png"),
        (("set", "DOOM"), 2, "REGIME: 'DOOM' is none of TREND_BULL"),
        (("set", "CRASH"), 1, "no daemon"),
    ],
)
def test_what_cannot_be_told_is_one_line_and_a_code(desk, words, code, text):
    assert text in failed(desk("regime", *words), code)


def test_history_lists_each_change_with_its_length(desk):
    told = json.loads(desk("regime", "history", "--to", LAST, "--json").stdout)
    assert told["kind"] == "confirmed"
    changes = told["changes"]
    assert sum(each["sessions"] for each in changes) == len(told["sessions"])
    assert all(a["regime"] != b["regime"] for a, b in pairwise(changes))
    assert "CRASH" in {each["regime"] for each in changes}
    assert (changes[0]["first"], changes[-1]["last"]) == (told["from"], told["to"])
    first, last = (DAYS.index(date.fromisoformat(changes[-1][end])) for end in ("first", "last"))
    assert changes[-1]["change"] == pytest.approx(CLOSES[last] / CLOSES[first] - 1, abs=1e-6)


def test_raw_labels_change_at_least_as_often(desk):
    counts = [
        len(json.loads(desk("regime", "history", "--to", LAST, *more, "--json").stdout)["changes"])
        for more in ((), ("--raw",))
    ]
    assert counts[0] <= counts[1]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_history_fits_the_terminal(desk, width, encoding):
    told = json.loads(desk("regime", "history", "--to", LAST, "--json").stdout)
    out = StringIO()
    terminal = type("Terminal", (Console,), {"encoding": encoding})
    regime_view.show_history(terminal(file=out, width=width), told, "[LOCAL] LARGE")
    lines = out.getvalue().splitlines()
    plot = lines[-regime_view.PLOT_ROWS - 3 : -1]
    assert max(map(len, lines[:-1])) <= width
    assert max(map(len, plot)) == width
    if encoding == "ascii":
        assert all(line.isascii() for line in plot)


def test_a_plot_shows_path_and_regimes():
    sessions = [
        {"day": f"2024-01-{at + 1:02}", "regime": regime, "index": 1.0 + at / 10}
        for at, regime in enumerate(["CRASH"] * 5 + ["TREND_BEAR"] * 5 + ["TREND_BULL"] * 10)
    ]
    lines = [line.plain for line in regime_view.plot(sessions, 80, is_plain=True)]
    assert lines[-2].strip() == "XXXXXbbbbbBBBBBBBBBB"
    assert lines[0].startswith("  290 |")
    assert lines[0].endswith(" ***")
    assert lines[11].startswith("  100 |**")


def test_a_column_shows_the_worst_of_its_sessions():
    regimes = ["TREND_BULL"] * 40
    regimes[7] = "CRASH"
    sessions = [{"day": "2024-01-01", "regime": each, "index": 1.0} for each in regimes]
    lines = regime_view.plot(sessions, 27, is_plain=True)
    assert lines[-2].plain.strip() == "BBBXBBBBBBBBBBBBBBBB"


def test_a_picture_needs_matplotlib_and_says_so(desk, monkeypatch, tmp_path):
    monkeypatch.setattr(regime_picture.importlib.util, "find_spec", lambda name: None)
    said = failed(desk("regime", "history", "--to", LAST, "--png", "plot.png"), 2)
    assert "--png needs matplotlib: pip install" in said
    assert not (tmp_path / "plot.png").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)
def test_a_picture_is_drawn_and_the_same_again(desk, tmp_path):
    pictures = []
    for name in ("one.png", "two.png"):
        said = desk("regime", "history", "--to", LAST, "--png", name)
        assert said.exit_code == 0, said.output
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[0] == pictures[1]
    said = desk("regime", "history", "--to", LAST, "--png", "gone/plot.png")
    assert "gone/plot.png: cannot be written: No such file" in said.stderr


def test_a_fixed_regime_and_a_file_are_told_as_they_are(desk, tmp_path):
    configure(tmp_path, '[regime]\nsource = "fixed:TREND_BEAR"\n')
    told = json.loads(desk("regime", "--date", LAST, "--json").stdout)
    assert (told["regime"], told["as_of"]) == ("TREND_BEAR", LAST)
    (tmp_path / "regime.json").write_text('{"regime": "CRASH", "as_of": "2024-01-29"}')
    configure(tmp_path, '[regime]\nsource = "file:regime.json"\n')
    said = desk("regime", "--date", LAST)
    assert "CRASH: up to 0 % deployed" in said.stdout
    assert "it is of 2024-01-29, older than the session 2024-01-31" in said.stdout
    assert "only jump_model has a history" in failed(desk("regime", "history", "--to", LAST), 2)


def test_in_local_mode_today_is_the_running_daemons(desk, tmp_path):
    configure(tmp_path, '[regime]\nsource = "fixed:TREND_BEAR"\n')
    with DeskThread(desk.settings):
        told = json.loads(desk("regime", "--json").stdout)
        late = failed(desk("regime", "--date", "2025-11-18"), 2)
    assert told["as_of"] == "2025-11-17"
    assert "the session of 2025-11-18 is not over; newest is 2025-11-17" in late


def test_alpaca_in_local_mode_without_a_broker_is_a_matter_of_configuration(desk, tmp_path):
    configure(tmp_path, MODEL, source="alpaca")
    assert "no broker is configured" in failed(desk("regime", "--date", LAST), 78)


def test_a_person_sets_the_regime_of_a_running_daemon(desk):
    with DeskThread(desk.settings) as running:
        said = desk("regime", "set", "trend_neutral")
        seen = running.desk.state.regime
    assert said.exit_code == 0, said.output
    assert "[LOCAL] LARGE  the regime is TREND_NEUTRAL as of 2025-11-17" in said.stdout
    assert seen.regime is Regime.TREND_NEUTRAL


def test_in_live_the_accounts_name_is_asked_for(desk, monkeypatch):
    from atlas_daemon.cli import regime

    live = replace(desk.settings.account, mode="live")
    settings = replace(desk.settings, account=live)
    monkeypatch.setattr(regime, "settings_for", lambda config: settings)
    assert "--account LARGE is needed to set the regime" in failed(
        desk("regime", "set", "CRASH"), 2
    )
    said = failed(desk("regime", "set", "CRASH", "--account", "SMALL"), 2)
    assert "'SMALL' is not the account's name" in said


@real_data
def test_the_sunday_of_march_2020_was_a_crash(desk, tmp_path):
    configure(tmp_path, "", source=f"file:{SHARED_BARS}")
    told = json.loads(desk("regime", "--date", "2020-03-15", "--json").stdout)
    assert (told["as_of"], told["regime"]) == ("2020-03-13", "CRASH")
    assert told["confirmed"]["regime"] == "CRASH"
    assert told["features"][0]["z"] > told["thresholds"]["crash_downside_z"]
