"""What is judged from which answer: the findings that no broker needs to be asked for."""

import asyncio
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.control import ControlError, NoDaemonError
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.findings import Finding, Level, reds
from atlas_daemon.core.runs import Slot
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Halt, State
from atlas_daemon.core.values import OpenOrder, Side, Symbol
from atlas_daemon.doctor.asking import Known, NotKnown, not_known, one_line, put
from atlas_daemon.doctor.look_disk import Modes, Room, modes_of, room_of, write_and_sync
from atlas_daemon.doctor.look_machine import (
    Packages,
    Unit,
    is_clock_kept,
    packages,
    unit_files,
    unit_of,
)
from atlas_daemon.doctor.on_account import on_budget
from atlas_daemon.doctor.on_daemon import next_slot_of, on_daemon, on_latch, on_mode
from atlas_daemon.doctor.on_disk import MIB, on_folder, on_modes
from atlas_daemon.doctor.on_machine import on_packages, on_unit
from atlas_daemon.doctor.on_plan import Played, on_changes, on_plan, on_played
from atlas_daemon.doctor.on_signals import on_orders
from atlas_daemon.doctor.on_time import Looked, on_clock, on_slot, on_table
from atlas_daemon.doctor.readonly import ThriftyBudget
from tests.control.desk import settings_in

OK, WARN, RED = Level.OK, Level.WARN, Level.RED
NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)
SETTINGS = settings_in(Path("/srv"))


def only(findings) -> Finding:
    (found,) = findings
    return found


def levels(findings) -> list[Level]:
    return [finding.level for finding in findings]


# Time.


def a_slot(day, catch_up=5):
    session = last = NYSE.next_session(day)
    for _ in range(catch_up):
        last = NYSE.session_after(last.day)
    return Slot(f"{day:%Y-%m}", session, session.opens_at + timedelta(minutes=5), last)


@pytest.mark.parametrize(
    ("skew_s", "travel_s", "level"),
    [
        (0, 0, OK),
        (0.5, 1, OK),
        (1.5, 1, OK),
        (3, 0, WARN),
        (-3, 0, WARN),
        (21, 0, RED),
        (-30, 1, RED),
    ],
)
def test_a_clock_is_judged_beyond_what_the_travel_explains(skew_s, travel_s, level):
    told = NOON
    asked = told + timedelta(seconds=skew_s) - timedelta(seconds=travel_s / 2)
    look = Looked(asked, told, asked + timedelta(seconds=travel_s))
    assert only(on_clock(Known(look), True)).level is level


@pytest.mark.parametrize(
    ("is_kept", "level", "words"),
    [(True, OK, "NTP keeps it"), (False, WARN, "does not"), (None, OK, "not known")],
)
def test_a_clock_that_nobody_keeps_is_a_warning(is_kept, level, words):
    found = only(on_clock(Known(Looked(NOON, NOON, NOON)), is_kept))
    assert (found.level, words in found.text) == (level, True)


def test_the_kernel_says_whether_it_keeps_the_clock():
    assert is_clock_kept() in (True, False, None)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (NOON, "2027-02 is due 2027-02-01 09:35 New York, in 70 days"),
        (datetime(2027, 2, 1, 12, 35, tzinfo=UTC), "in 2h 0m"),
    ],
)
def test_the_slot_to_come_is_told(now, words):
    found = only(on_slot(now, a_slot(date(2027, 2, 1)), ""))
    assert found.level is OK
    assert words in found.text


def test_a_slot_that_waits_is_a_warning_and_a_run_under_way_is_none():
    slot, later = a_slot(date(2027, 2, 1)), datetime(2027, 2, 2, 12, tzinfo=UTC)
    assert only(on_slot(later, slot, "")).level is WARN
    assert only(on_slot(later, slot, "2027-02")).level is OK
    assert only(on_slot(later, None, "")).level is RED


def test_a_slot_whose_time_is_over_is_not_the_next_one():
    state = State(now=NOON)
    assert next_slot_of(state, SETTINGS, NOON).name == "2027-02"
    assert next_slot_of(state, SETTINGS, NOON + timedelta(days=90)).name == "2027-08"


@pytest.mark.parametrize(
    ("today", "level"),
    [(date(2028, 12, 1), OK), (date(2029, 1, 2), WARN), (date(2029, 12, 30), WARN)],
)
def test_a_table_of_sessions_that_ends_is_told_a_year_ahead(today, level):
    assert only(on_table(today, a_slot(date(2028, 2, 1)))).level is level


def test_a_table_that_ends_before_the_slot_is_red():
    assert only(on_table(date(2029, 9, 1), None)).level is RED
    slot = a_slot(date(2027, 2, 1))
    assert only(on_table(date(2027, 1, 1), slot, date(2027, 2, 3))).level is RED


# The disk.


@pytest.mark.parametrize(
    ("room", "level"),
    [
        (Room(10_000 * MIB, 10**6), OK),
        (Room(10_000 * MIB, None), OK),
        (Room(400 * MIB, 10**6), WARN),
        (Room(40 * MIB, 10**6), RED),
        (Room(10_000 * MIB, 1000), WARN),
        (Room(10_000 * MIB, 100), RED),
    ],
)
def test_the_room_on_a_disk_is_judged_by_bytes_and_by_files(room, level):
    found = only(on_folder("state_dir", Path("/srv"), Known(None), Known(room)))
    assert found.level is level
    assert bool(found.advice) == (level is not OK)


def test_a_probe_leaves_nothing_and_says_what_is_left(tmp_path):
    (tmp_path / ".doctor-probe").write_text("of a look that was killed")
    write_and_sync(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert room_of(tmp_path).free_bytes > 0
    with pytest.raises(FileNotFoundError):
        write_and_sync(tmp_path / "none")


def test_a_disk_that_does_not_sync_is_told_and_nothing_is_left(tmp_path, monkeypatch):
    def fails(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        write_and_sync(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_modes_are_read_and_what_is_not_there_is_no_fault(tmp_path):
    tmp_path.chmod(0o750)
    assert modes_of(tmp_path).bits == 0o750
    assert modes_of(tmp_path / "none") is None
    found = only(on_modes([Known(None)], [Known(Modes(tmp_path, 0o750, 0))]))
    assert (found.level, found.text[:8]) == (OK, "1 looked")
    assert only(on_modes([NotKnown("a disk that hangs")], [])).level is WARN


# The machine.


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (Packages("3.11.7", (), (("aiohttp", "3.12"),)), OK),
        (Packages("3.10.1", (), ()), RED),
        (Packages("3.13.0", ("msgspec",), ()), RED),
        (Packages("3.13.0", ("atlas-daemon",), ()), WARN),
    ],
)
def test_python_and_packages_are_judged(seen, level):
    assert only(on_packages(Known(seen))).level is level


def test_our_own_packages_are_all_there():
    seen = packages()
    assert seen.missing == ()
    assert {"aiohttp", "pandas", "tzdata"} <= {name for name, _ in seen.versions}


@pytest.mark.parametrize(
    ("unit", "level", "words"),
    [
        (Unit(False, (), ()), OK, "no systemd"),
        (Unit(True, (), ()), WARN, "no unit"),
        (Unit(True, ("atlas.service",), ()), WARN, "not enabled"),
        (Unit(True, ("atlas@.service",), ("atlas@small.service",)), WARN, "not enabled"),
        (Unit(True, ("atlas@.service",), ("atlas@large.service",)), OK, "starts with"),
        (Unit(True, ("atlas.service",), ("atlas.service",)), OK, "starts with"),
    ],
)
def test_whether_the_daemon_survives_a_reboot_is_judged(unit, level, words):
    found = only(on_unit(Known(unit), "LARGE"))
    assert (found.level, words in found.text) == (level, True)


def test_the_unit_is_looked_for_where_systemd_looks(tmp_path):
    assert unit_files(tmp_path) == Unit(False, (), ())
    folder = tmp_path / "etc/systemd/system"
    wants = folder / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (folder / "atlas@.service").touch()
    (folder / "atlas-alert@.service").touch()
    (wants / "atlas@small.service").symlink_to(folder / "atlas@.service")
    assert unit_files(tmp_path) == Unit(True, ("atlas@.service",), ("atlas@small.service",))
    assert unit_of(("atlas@small.service",), "SMALL")


# The daemon.


def test_another_version_and_a_silent_daemon_are_told():
    told = {"version": "0.0.1", "config_digest": SETTINGS.digest()}
    found = {f.check: f for f in on_daemon(Known(told), SETTINGS, True)}
    assert (found["daemon"].level, found["config"].level) == (WARN, OK)
    assert "0.0.1" in found["daemon"].text
    silent = NotKnown("did not answer within 5 s", ControlError("x"))
    assert only(on_daemon(silent, SETTINGS, True)).level is RED
    gone = NotKnown("no daemon runs", NoDaemonError("x"))
    assert only(on_daemon(gone, SETTINGS, False)).level is WARN


@pytest.mark.parametrize(
    ("daemon", "level", "words"),
    [
        ({"mode": "trading"}, OK, "would start"),
        ({"mode": "reduce_only", "why_not_ready": "positions differ"}, RED, "positions differ"),
        ({"mode": "trading", "why_not_ready": "calendars differ: x"}, RED, "calendars differ"),
        ({"mode": "trading", "fault": "disk full"}, RED, "disk full"),
    ],
)
def test_a_mode_in_which_no_slot_would_start_is_red(daemon, level, words):
    whole = {"fault": "", "why_not_ready": "", "reason": "", "stream": "listening"}
    view = {"daemon": whole | {"stream_detail": ""} | daemon}
    mode, stream = on_mode(Known(view))
    assert (mode.level, stream.level) == (level, OK)
    assert words in mode.text


@pytest.mark.parametrize(("seconds", "level"), [(5, WARN), (59, WARN), (60, RED)])
def test_a_daemon_that_has_just_started_is_no_reason_for_an_alarm(seconds, level):
    daemon = {"mode": "starting", "reason": "not yet reconciled", "why_not_ready": "starting"}
    daemon |= {"fault": "", "stream": "listening", "stream_detail": ""}
    daemon["started_at"] = NOON.isoformat()
    view = {"at": (NOON + timedelta(seconds=seconds)).isoformat(), "daemon": daemon}
    mode, _ = on_mode(Known(view))
    assert mode.level is level


def test_a_latch_is_on_by_its_file_by_the_journal_or_by_doubt(tmp_path):
    halted = State(now=NOON, halt=Halt("ann", "a test", NOON))
    path = tmp_path / "HALTED"
    assert only(on_latch(path, Known(False), None)).level is OK
    assert "by ann: a test" in only(on_latch(path, Known(True), halted)).text
    assert only(on_latch(path, Known(False), halted)).level is RED
    assert only(on_latch(path, NotKnown("a disk that hangs"), None)).level is RED


# The plan.

PLAN = {
    "order_session": "2026-11-23",
    "signal_session": "2026-11-20",
    "regime": "TREND_BULL",
    "allocation": "1",
    "orders": [{"side": "sell"}, {"side": "buy"}, {"side": "buy"}],
    "gates": [{"ok": True, "text": ""}],
    "passes": True,
    "outcome": "done",
    "reason": "",
    "cash": {"after_buys": "123.4", "deployed_pct": "0.988"},
}


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, OK, "1 sell, 2 buys; 98.8 % of 100 % deployed, 123.40 dollars of cash left"),
        ({"orders": []}, OK, "no order"),
        ({"passes": False, "gates": [{"ok": False, "text": "heat: 9 %"}]}, RED, "heat: 9 %"),
        ({"outcome": "degraded", "reason": "short"}, RED, "would end degraded: short"),
    ],
)
def test_a_plan_is_judged_by_its_gates_and_its_end(changes, level, words):
    found = only(on_plan(Known(PLAN | changes)))
    assert (found.level, words in found.text) == (level, True), found.text


def test_a_plan_that_would_not_begin_is_red_and_one_nobody_knows_a_warning():
    assert only(on_plan(NotKnown("a run would not start", AtlasError("x")))).level is RED
    assert only(on_plan(NotKnown("there are no signals"))).level is WARN


@pytest.mark.parametrize(
    ("reply", "level"),
    [
        (Known(Played("done", "", 3, 3, 1.0)), OK),
        (Known(Played("degraded", "AAA: target 3, actual 1", 3, 2, 1.0)), RED),
        (NotKnown("no run began", AtlasError("x")), RED),
        (NotKnown("no answer within 10 s"), WARN),
        (NotKnown("too slow", TimeoutError("too slow")), WARN),
    ],
)
def test_the_played_slot_must_end_done(reply, level):
    assert only(on_played(reply)).level is level


def test_what_changed_is_not_known_where_there_is_no_plan():
    assert only(on_changes(None, None, "")).level is WARN
    assert only(on_changes(None, None, "the record cannot be read")).level is WARN


# Orders and budget.


def an_order(symbol, client_order_id, qty="1"):
    shares = None if qty is None else Decimal(qty)
    return OpenOrder("b", client_order_id, Symbol(symbol), Side.BUY, shares, Decimal(0), "new")


@pytest.mark.parametrize(
    ("orders", "is_run_open", "level"),
    [
        ((), False, OK),
        ((an_order("ZZZ", "by hand"),), False, OK),
        ((an_order("AAA", "by hand", None),), False, RED),
        ((an_order("AAA", "atlas-x"),), True, OK),
        ((an_order("ZZZ", "atlas-x"),), False, RED),
        (tuple(an_order("AAA", f"{n}") for n in range(9)), False, RED),
    ],
)
def test_orders_that_rest_are_judged_by_whose_they_are_and_where(orders, is_run_open, level):
    assert only(on_orders([Symbol("AAA")], Known(orders), is_run_open)).level is level


@pytest.mark.parametrize(("left", "level"), [(150, OK), (59, WARN), (19, RED), (None, WARN)])
def test_what_is_left_of_the_minute_is_judged(left, level):
    budget = ThriftyBudget()
    if left is not None:
        budget.told_left, budget.told_limit = left, 200
    assert only(on_budget(budget)).level is level


# Asking.


@pytest.mark.asyncio
async def test_every_end_of_a_question_is_an_answer():
    async def ends(how):
        if how is not None:
            raise how
        return 3

    assert await put(ends(None), 1) == Known(3)
    refused = await put(ends(AtlasError("no\n such")), 1)
    assert (refused.why, refused.is_refusal, refused.is_bug) == ("no such", True, False)
    lost = await put(ends(OSError(5, "a disk that fails")), 1)
    assert (lost.why, lost.is_refusal) == ("a disk that fails", False)
    broken = await put(ends(KeyError("x")), 1)
    assert broken.is_bug
    assert "the doctor itself failed: KeyError('x')" in broken.why
    assert not_known("bars", broken).level is RED
    assert not_known("bars", lost).level is WARN


@pytest.mark.asyncio
async def test_a_question_without_an_answer_ends_at_its_deadline():
    late = await put(asyncio.Event().wait(), 0.01)
    assert (late.why, late.error) == ("no answer within 0 s", None)


def test_the_red_ones_are_picked_out():
    found = [Finding("a", OK, ""), Finding("b", RED, ""), Finding("c", WARN, "")]
    assert [finding.check for finding in reds(found)] == ["b"]
    assert levels(found) == [OK, RED, WARN]


def test_what_a_terminal_would_obey_is_spelled_out_in_a_finding():
    assert one_line("two\n lines \x1b[31mred\x07") == "two lines \\x1b[31mred\\x07"
