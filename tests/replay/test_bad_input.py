"""What cannot be replayed is refused in one line, with the right code, before anything runs."""

import importlib.util

import pytest

from tests.replay.conftest import UNIVERSE, atlasd

DATA = ("--data", "file:{data}")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((*DATA, "--from", "2023-02-01", "--to", "2022-02-01"), 2, "is after --to 2022-02-01"),
        ((*DATA, "--from", "yesterday"), 2, "--from: 'yesterday' is not a date"),
        ((*DATA, "--from", "2020-02-03"), 2, "begins on 2021-01-04"),
        ((*DATA, "--to", "2027-02-01"), 2, "ends on 2023-08-31"),
        (
            (*DATA, "--from", "2022-03-01", "--to", "2022-06-30"),
            2,
            "no slot (anchors 02-01, 08-01)",
        ),
        ((*DATA, "--from", "2022-08-06", "--to", "2022-08-07"), 2, "no session lies between"),
        ((*DATA, "--from", "2021-08-01", "--to", "2022-06-30"), 2, "145 of 252 sessions"),
        ((*DATA, "--cash", "0"), 2, "--cash 0: must be above 0"),
        ((*DATA, "--cash", "much"), 2, "must be a number of dollars"),
        ((*DATA, "--regime", "SIDEWAYS"), 2, "'SIDEWAYS' is none of TREND_BULL"),
        ((*DATA, "--png", "picture.jpg"), 2, "must end in .png"),
        ((*DATA, "--out", "{used}"), 2, "is not empty"),
        (("--data", "bars.parquet"), 2, "must be file:PATH"),
        (("--data", "file:{folder}/none.parquet"), 78, "none.parquet: no such file"),
        (("--data", "file:{noise}"), 78, "noise.parquet: cannot be read"),
        ((), 78, "give --data file:PATH"),
        ((*DATA, "--benchmark", "file:{folder}/none.csv"), 78, "none.csv: no such file"),
        ((*DATA, "--universe", "file:{nobody}"), 1, "no member with a series"),
        ((*DATA, "--universe", "somewhere"), 78, "strategy.universe"),
        ((*DATA, "--regime", "TREND_BULL", "--universe", "XYZ,ZYX"), 1, "XYZ"),
        (DATA, 1, "give --benchmark file:PATH or --regime"),
    ],
)
def test_it_is_one_line_and_the_right_code(history, tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    noise, nobody, used = tmp_path / "noise.parquet", tmp_path / "nobody.csv", tmp_path / "used"
    noise.write_bytes(b"not a parquet file")
    nobody.write_text("ticker,start_date,end_date,data_symbol\nOLD,1999-01-04,2001-01-05,OLD\n")
    used.mkdir()
    (used / "something").touch()
    places = {
        "data": history.path,
        "folder": tmp_path,
        "noise": noise,
        "nobody": nobody,
        "used": used,
    }
    given = [word.format(**places) for word in words]
    if "--universe" not in given:
        given += ["--universe", UNIVERSE]
    result = atlasd("replay", *given)
    lines = result.stderr.strip().splitlines()
    assert (result.exit_code, len(lines)) == (code, 1), result.output
    assert told in lines[0]
    assert "Traceback" not in result.output
    is_judged = words == DATA  # what the model has said of the days is kept, and is too little
    assert is_judged or not (tmp_path / "replays").exists(), "nothing was begun"


def test_without_matplotlib_the_report_still_comes(history, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    out, png = tmp_path / "out", tmp_path / "curves.png"
    span = ("--from", "2022-07-29", "--to", "2022-08-02", "--regime", "TREND_BULL")
    words = (f"file:{history.path}", "--universe", UNIVERSE, *span)
    result = atlasd("replay", "--data", *words, "--out", str(out), "--png", str(png))
    assert result.exit_code == 1
    assert result.stderr.strip().endswith("(the page needs nothing)")
    assert 'pip install "atlas-daemon[plot]"' in result.stderr
    assert (out / "report.html").exists() and not png.exists()
    assert "What is biased" in result.stdout and "2022-08" in result.stdout


def test_the_picture_is_a_png(calm, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    from atlas_daemon.replay.picture import draw

    report, _ = calm
    for name in ("one.png", "two.png"):
        draw(tmp_path / name, report)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    assert first.startswith(b"\x89PNG") and first == second
