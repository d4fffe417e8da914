import errno
import io
import logging
import os
import stat
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from atlas_daemon.records import ExecutionLogger, execution_logger
from atlas_daemon.records.trades_csv import Row

from .builders import OPEN, HandClock, a_logger

DAY = "2027-02-01"


@pytest.fixture
def clock():
    return HandClock()


def text_of(folder, name):
    return (folder / name).read_text()


def lines_of(folder, kind, day=DAY):
    return text_of(folder, f"{kind}_{day}.log").splitlines()[1:]


def a_row(**kw):
    return Row(
        **({"timestamp": "t", "symbol": "SPY", "action": "BUY", "qty": "1", "status": "s"} | kw)
    )


# The seed's methods.


def test_it_is_made_as_the_seed_makes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ExecutionLogger().log_order_submission("SPY", 10, "buy", "market", "abc123")
    ExecutionLogger(log_dir="elsewhere").log_order_rejection("abc123", "no")
    assert sorted(p.name.split("_")[0] for p in (tmp_path / "logs").iterdir()) == [
        "execution",
        "trades",
    ]
    assert (tmp_path / "elsewhere").is_dir()
    assert "Submitted market order: BUY 10 SPY" in capsys.readouterr().err


def test_an_order_is_followed_from_submission_to_fill(tmp_path):
    logger = a_logger(tmp_path)
    logger.log_order_submission(
        symbol="SPY", qty=10, side="buy", order_type="market", order_id="abc123"
    )
    logger.log_order_fill(order_id="abc123", fill_price=450.25, fill_qty=10, commission=0.0)
    assert lines_of(tmp_path, "execution") == [
        "[2027-02-01 09:35:42] [INFO] ExecutionLogger: "
        "Submitted market order: BUY 10 SPY, id abc123",
        "[2027-02-01 09:35:42] [INFO] ExecutionLogger: "
        "Filled order abc123: 10 SPY @ 450.25, commission 0.0",
    ]
    assert text_of(tmp_path, f"trades_{DAY}.csv").splitlines()[1:] == [
        "2027-02-01 09:35:42,SPY,BUY,10,,market,abc123,submitted,,,,,,,",
        "2027-02-01 09:35:42,SPY,FILL,10,450.25,market,abc123,filled,,,450.25,10,0.0,,",
    ]


def test_a_rejection_is_an_error_and_a_row(tmp_path):
    logger = a_logger(tmp_path)
    logger.log_order_rejection(order_id="abc123", reason='no, "never"\never')
    said = (
        '[2027-02-01 09:35:42] [ERROR] ExecutionLogger: Rejected order abc123: no, "never"\\never'
    )
    assert lines_of(tmp_path, "execution") == lines_of(tmp_path, "errors") == [said]
    frame = pd.read_csv(tmp_path / f"trades_{DAY}.csv")
    assert frame[["action", "status", "error"]].to_numpy().tolist() == [
        ["REJECT", "rejected", 'no, "never"\never']
    ]


def test_a_position_update_is_a_line_and_no_row(tmp_path):
    logger = a_logger(tmp_path)
    logger.log_position_update(symbol="SPY", action="open", qty=10, price=Decimal("450.25"))
    assert lines_of(tmp_path, "execution")[0].endswith("Position open: 10 SPY @ 450.25")
    assert not (tmp_path / f"trades_{DAY}.csv").exists()


def test_an_error_has_its_trace_in_the_files_and_one_line_on_the_console(tmp_path):
    console = io.StringIO()
    logger = a_logger(tmp_path, console=console)
    try:
        raise ValueError("odd\nvalue")
    except ValueError as error:
        logger.log_error("Planner", "cannot plan", exc_info=error)
    head = "[2027-02-01 09:35:42] [ERROR] Planner: cannot plan (ValueError: odd\\nvalue)"
    assert console.getvalue() == f"{head}\n"
    for kind in ("execution", "errors"):
        (said,) = lines_of(tmp_path, kind)
        assert said.startswith(f"{head}\\nTraceback")
        assert "test_execution_logger.py" in said


def test_an_error_without_an_exception_has_no_trace(tmp_path):
    logger = a_logger(tmp_path)
    logger.log_error("Planner", "cannot plan")
    assert lines_of(tmp_path, "errors") == ["[2027-02-01 09:35:42] [ERROR] Planner: cannot plan"]


@pytest.mark.parametrize(
    ("target", "actual", "told", "level"),
    [
        ({"SPY": 10}, {"SPY": Decimal(10)}, [], "INFO"),
        ({"SPY": 10}, {"SPY": 9}, ["SPY: 1 short"], "WARNING"),
        ({"SPY": 10}, {"SPY": 9}, [], "WARNING"),
        ({"SPY": 10}, {"SPY": 8}, ["SPY: 2 short"], "ERROR"),
        ({"SPY": 10}, {"SPY": 8.5}, [], "ERROR"),
        ({"SPY": 10}, {}, ["SPY: missing"], "ERROR"),
        ({}, {"QQQ": 5}, ["QQQ: not wanted"], "ERROR"),
        ({}, {}, [], "INFO"),
    ],
)
def test_a_reconciliation_is_as_grave_as_its_widest_gap(tmp_path, target, actual, told, level):
    logger = a_logger(tmp_path)
    logger.log_reconciliation(target_positions=target, actual_positions=actual, discrepancies=told)
    (said,) = lines_of(tmp_path, "execution")
    assert f"[{level}]" in said
    assert all(what in said for what in told)


# Destinations and levels.


@pytest.mark.parametrize(
    ("level", "on_console", "in_errors"),
    [
        ("debug", False, False),
        ("info", True, False),
        ("warning", True, False),
        ("error", True, True),
        ("critical", True, True),
    ],
)
def test_each_level_goes_where_it_belongs(tmp_path, level, on_console, in_errors):
    console = io.StringIO()
    a_logger(tmp_path, console=console).log(level, "Stream", "words", attempt=3)
    said = f"[2027-02-01 09:35:42] [{level.upper()}] Stream: words attempt=3"
    assert lines_of(tmp_path, "execution") == [said]
    assert (console.getvalue() == f"{said}\n") is on_console
    assert (tmp_path / f"errors_{DAY}.log").exists() is in_errors


def test_the_first_line_of_each_new_file_names_mode_and_account(tmp_path):
    logger = a_logger(tmp_path, account_label="[LIVE] LARGE")
    logger.log("error", "Stream", "words")
    for kind in ("execution", "errors"):
        first = text_of(tmp_path, f"{kind}_{DAY}.log").splitlines()[0]
        assert first == (
            f"[2027-02-01 09:35:42] [INFO] ExecutionLogger: "
            f"[LIVE] LARGE, {kind} of 2027-02-01, New York time"
        )
    a_logger(tmp_path).log("info", "Stream", "a second process")
    assert text_of(tmp_path, f"execution_{DAY}.log").count("New York time") == 1


def test_files_are_not_for_others(tmp_path):
    logger = a_logger(tmp_path / "deep" / "logs")
    logger.log_order_rejection("x", "no")
    modes = {stat.S_IMODE(p.stat().st_mode) & 0o137 for p in (tmp_path / "deep/logs").iterdir()}
    assert modes == {0}


def test_a_component_speaks_for_itself(tmp_path):
    a_logger(tmp_path).component("Stream").warning("lost", after_s=3)
    assert lines_of(tmp_path, "execution")[0].endswith("[WARNING] Stream: lost after_s=3")


def test_a_percent_sign_is_no_format(tmp_path):
    a_logger(tmp_path).log("info", "Planner", "15 % of %s {x}")
    assert lines_of(tmp_path, "execution")[0].endswith("15 % of %s {x}")


def test_the_console_is_standard_error_unless_told_otherwise(tmp_path, capsys):
    a_logger(tmp_path, console=True).log("info", "Stream", "words")
    a_logger(tmp_path, console=False).log("info", "Stream", "silence")
    out, err = capsys.readouterr()
    assert out == ""
    assert "words" in err
    assert "silence" not in err


class Gone(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("make", [Gone, io.StringIO])
def test_a_console_that_is_gone_stops_nothing(tmp_path, make):
    console = make()
    if make is io.StringIO:
        console.close()
    a_logger(tmp_path, console=console).log("info", "Stream", "words")
    assert len(lines_of(tmp_path, "execution")) == 1


def test_a_console_that_cannot_spell_a_letter_spells_it_out(tmp_path):
    raw = io.BytesIO()
    console = io.TextIOWrapper(raw, encoding="ascii")
    a_logger(tmp_path, console=console).log("info", "Stream", "naïve ✓")
    assert b"na\\xefve \\u2713" in raw.getvalue()


def test_lines_are_the_same_under_any_zone_and_locale(tmp_path, monkeypatch):
    for zone in ("Asia/Tokyo", "UTC"):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", "C")
        time.tzset()
        a_logger(tmp_path).log("info", "Stream", "é")
    monkeypatch.undo()
    time.tzset()
    assert lines_of(tmp_path, "execution") == ["[2027-02-01 09:35:42] [INFO] Stream: é"] * 2


# The standard library's loggers.


def test_the_standard_librarys_loggers_go_to_the_same_files(tmp_path):
    logger = a_logger(tmp_path)
    client, other = logging.getLogger("AlpacaTradingClient"), logging.getLogger("some.library")
    before = client.level
    logger.capture("AlpacaTradingClient")
    logger.capture("AlpacaTradingClient")
    try:
        client.debug("GET %s", "/v2/account")
        client.info("Submitting market order: BUY 10 SPY")
        other.info("chatter")
        other.warning("odd\nthing")
        other.critical("end")
        odd = logging.LogRecord("some.library", logging.ERROR, "", 1, "bad args %d", ("x",), None)
        logger._handler.handle(odd)
        try:
            raise OSError("gone")
        except OSError:
            client.exception("failed")
    finally:
        logger.release()
        client.setLevel(before)
    client.warning("nobody listens")
    said = lines_of(tmp_path, "execution")
    assert [line[22:].split("Traceback")[0] for line in said] == [
        "[DEBUG] AlpacaTradingClient: GET /v2/account",
        "[INFO] AlpacaTradingClient: Submitting market order: BUY 10 SPY",
        "[WARNING] some.library: odd\\nthing",
        "[CRITICAL] some.library: end",
        "[ERROR] some.library: bad args %d ('x',)",
        "[ERROR] AlpacaTradingClient: failed (OSError: gone)\\n",
    ]


# Days.


def test_files_roll_at_new_york_midnight_in_a_process_that_never_restarts(tmp_path, clock):
    logger = a_logger(tmp_path, clock)
    clock.at = datetime(2027, 2, 2, 4, 59, 59, tzinfo=UTC)
    logger.log_order_rejection("x", "before midnight")
    clock.pass_by(seconds=1)
    logger.log_order_rejection("x", "after midnight")
    for day, words in (("2027-02-01", "before"), ("2027-02-02", "after")):
        for kind in ("execution", "errors"):
            (said,) = lines_of(tmp_path, kind, day)
            assert words in said
        assert words in text_of(tmp_path, f"trades_{day}.csv").splitlines()[1]


def test_files_older_than_90_days_go_to_the_archive(tmp_path, clock):
    old, kept = date(2027, 2, 1) - timedelta(days=91), date(2027, 2, 1) - timedelta(days=90)
    names = [f"{k}" for k in ("execution_{}.log", "errors_{}.log", "trades_{}.csv")]
    for name in names:
        for day in (old, kept):
            (tmp_path / name.format(day)).write_text(f"{day}\n")
    for stranger in ("notes.txt", "trades_2020-02-30.csv", "trades_2020-01-01.csv.gz"):
        (tmp_path / stranger).write_text("not ours")
    logger = a_logger(tmp_path, clock)
    logger.log("info", "Stream", "first line")
    archived = sorted(p.name for p in (tmp_path / "archive").iterdir())
    assert archived == sorted(name.format(old) for name in names)
    assert (tmp_path / "archive" / names[2].format(old)).read_text() == f"{old}\n"
    assert (tmp_path / "notes.txt").exists()
    clock.pass_by(days=1)
    logger.log("info", "Stream", "a new day")
    assert len(list((tmp_path / "archive").iterdir())) == 6


def test_an_archived_file_is_never_overwritten(tmp_path, clock):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "trades_2020-01-01.csv").write_text("first")
    (tmp_path / "trades_2020-01-01.csv").write_text("second")
    a_logger(tmp_path, clock).log("info", "Stream", "words")
    assert text_of(tmp_path, "archive/trades_2020-01-01.csv") == "first"
    assert text_of(tmp_path, "archive/trades_2020-01-01.csv.1") == "second"


# When the disk does not take it.


def blocked(folder):
    """A folder whose place is taken by a file: nothing can be written, as root too."""
    folder.write_text("in the way")


def test_an_outage_is_named_once_raises_nothing_and_ends(tmp_path):
    folder, console = tmp_path / "logs", io.StringIO()
    blocked(folder)
    logger = a_logger(folder, console=console)
    for n in range(3):
        logger.log("info", "Stream", f"lost {n}")
    said = console.getvalue().splitlines()
    assert [line for line in said if "CRITICAL" in line and "execution" in line] == [
        f"[2027-02-01 09:35:42] [CRITICAL] ExecutionLogger: "
        f"cannot write {folder}/execution_{DAY}.log: Not a directory"
    ]
    assert logger.outages["execution"] == "Not a directory"
    folder.unlink()
    logger.log("info", "Stream", "found")
    written = text_of(folder, f"execution_{DAY}.log")
    assert "found" in written
    assert "3 tries failed, lines lost" in written
    assert "execution" not in logger.outages
    folder.joinpath(f"execution_{DAY}.log").unlink()
    folder.rmdir()
    blocked(folder)
    logger.log("info", "Stream", "lost again")
    assert console.getvalue().count(f"cannot write {folder}/execution") == 2


def test_an_outage_is_told_on_standard_error_where_there_is_no_console(tmp_path, capsys):
    blocked(tmp_path / "logs")
    a_logger(tmp_path / "logs", console=False).log("info", "Stream", "lost")
    assert "[CRITICAL] ExecutionLogger: cannot write" in capsys.readouterr().err


def test_trade_rows_wait_for_the_disk_in_order(tmp_path):
    folder = tmp_path / "logs"
    blocked(folder)
    logger = a_logger(folder)
    logger.write_trades(date(2027, 2, 1), [a_row(qty="1")])
    logger.write_trades(date(2027, 2, 2), [a_row(qty="2")])
    logger.write_trades(date(2027, 2, 1), [a_row(qty="3")])
    folder.unlink()
    logger.log("debug", "Stream", "any line will do")
    assert pd.read_csv(folder / "trades_2027-02-01.csv").qty.tolist() == [1, 3]
    assert pd.read_csv(folder / "trades_2027-02-02.csv").qty.tolist() == [2]
    logger.write_trades(date(2027, 2, 2), [a_row(qty="4")])
    assert pd.read_csv(folder / "trades_2027-02-02.csv").qty.tolist() == [2, 4]


def test_a_swap_that_failed_is_made_up_with_the_rows_that_came_since(tmp_path):
    folder = tmp_path / "logs"
    blocked(folder)
    logger = a_logger(folder)
    logger.swap_trades(date(2027, 2, 1), [a_row(qty="1")])
    logger.write_trades(date(2027, 2, 1), [a_row(qty="2")])
    folder.unlink()
    logger.write_trades(date(2027, 2, 1), [a_row(qty="3")])
    assert pd.read_csv(folder / "trades_2027-02-01.csv").qty.tolist() == [1, 2, 3]
    assert logger.outages == {}


def test_rows_that_wait_are_not_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(execution_logger, "PENDING_ROWS_MAX", 7)
    blocked(tmp_path / "logs")
    logger = a_logger(tmp_path / "logs")
    logger.write_trades(date(2027, 2, 1), [a_row()] * 12)
    assert len(logger._pending) == 7


def test_a_write_that_stopped_half_way_is_taken_back(tmp_path, monkeypatch):
    logger = a_logger(tmp_path)
    logger.write_trades(date(2027, 2, 1), [a_row(qty="1")])
    real, calls = os.write, []

    def short_of_space(handle, raw):
        calls.append(raw)
        if len(calls) == 1:
            return real(handle, raw[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", short_of_space)
    logger.write_trades(date(2027, 2, 1), [a_row(qty="2")])
    monkeypatch.undo()
    assert logger.outages == {"trades": "No space left on device"}
    assert pd.read_csv(tmp_path / f"trades_{DAY}.csv").qty.tolist() == [1]
    logger.write_trades(date(2027, 2, 1), [a_row(qty="3")])
    assert pd.read_csv(tmp_path / f"trades_{DAY}.csv").qty.tolist() == [1, 2, 3]


def test_half_a_line_of_a_killed_process_does_not_spoil_the_next(tmp_path):
    (tmp_path / f"execution_{DAY}.log").write_text("first\n[2027-02-01 09:35:4")
    a_logger(tmp_path).log("info", "Stream", "words")
    assert lines_of(tmp_path, "execution")[-1] == "[2027-02-01 09:35:42] [INFO] Stream: words"


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path):
    logger = a_logger(tmp_path)
    logger.log("info", "Stream", "one")
    (tmp_path / f"execution_{DAY}.log").rename(tmp_path / "taken.log")
    logger.log("info", "Stream", "two")
    assert [line[-3:] for line in lines_of(tmp_path, "execution")] == ["two"]


# Secrets.


def test_s181_a_secret_reaches_no_destination(tmp_path):
    secret, console = "hush-hush-0123456789", io.StringIO()
    logger = a_logger(tmp_path, console=console, secrets=[secret])
    logger.log("error", f"c {secret}", f"t {secret}", field=secret)
    logger.log_order_submission(f"S{secret}", 1, "buy", "market", f"id {secret}")
    logger.log_order_rejection("x", f"because {secret}")
    logger.write_trades(date(2027, 2, 1), [a_row(error=f'"{secret}",')])
    try:
        raise ValueError(f"{secret} and APCA-API-SECRET-KEY: otherhush")
    except ValueError as error:
        logger.log_error("Client", "failed", exc_info=error)
    logger.component("Client").info("headers", headers={"APCA-API-KEY-ID": "otherhush"})
    written = console.getvalue() + "".join(p.read_text() for p in tmp_path.iterdir())
    assert secret not in written
    assert "otherhush" not in written
    assert written.count("***") > 10


def test_the_current_exception_can_be_asked_for(tmp_path):
    logger = a_logger(tmp_path)
    try:
        raise OSError("gone")
    except OSError:
        logger.component("Client").error("failed", exc_info=True)
    logger.component("Client").error("no exception", exc_info=True)
    assert "(OSError: gone)" in lines_of(tmp_path, "errors")[0]
    assert lines_of(tmp_path, "errors")[1].endswith("Client: no exception")


def test_the_clock_alone_says_what_day_it_is(tmp_path, clock):
    logger = a_logger(tmp_path, clock)
    assert logger.today == date(2027, 2, 1)
    assert logger.keeps(date(2026, 11, 3))
    assert not logger.keeps(date(2026, 11, 2))
    clock.at = OPEN + timedelta(days=1)
    assert logger.today == date(2027, 2, 2)
