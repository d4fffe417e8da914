"""The doctor as a child process that may hang, die or babble."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.edges.doctor import (
    FINDINGS_MAX,
    REPLY_MAX,
    TEXT_MAX,
    ChildDoctor,
    DoctorError,
    read_report,
)

FOUND = Finding("bars", Level.RED, "bars end on 2024-01-29", "look")


def a_report(*findings: Finding) -> str:
    rows = [
        {"check": f.check, "level": f.level, "text": f.text, "advice": f.advice} for f in findings
    ]
    return json.dumps({"label": "x", "findings": rows, "plan": {"orders": []}})


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a script in the place of the interpreter that would run the command."""

    def make(body: str) -> Path:
        script = tmp_path / "child"
        script.write_text(f"#!{sys.executable} -S\nimport os, sys, time, json\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(script))
        return tmp_path

    return make


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [0, 1, 78])
async def test_what_it_found_comes_out_whatever_its_exit_code_says(child, code):
    child(f"print({a_report(FOUND)!r}); sys.exit({code})")
    assert await ChildDoctor(None).examine("rehearsal") == (FOUND,)


@pytest.mark.asyncio
async def test_it_gets_the_daemons_keys_folders_and_file_and_little_else(child, tmp_path):
    folder = child(
        "here = os.path.dirname(sys.argv[0])\n"
        "told = {'environ': dict(os.environ), 'argv': sys.argv[1:]}\n"
        "open(os.path.join(here, 'told'), 'w').write(json.dumps(told))\n"
        f"print({a_report(FOUND)!r})"
    )
    source = {
        "PATH": os.environ["PATH"],
        "ALPACA_LARGE_KEY": "PK1",
        "ATLAS_RISK__ROUNDS": "2",
        "CREDENTIALS_DIRECTORY": "/run/credentials/atlas",
        "STATE_DIRECTORY": "/var/lib/atlas",
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "1",
        "AWS_SECRET": "of somebody else",
    }
    doctor = ChildDoctor(tmp_path / "atlas.toml", "http://127.0.0.1:1", environ=source)
    assert await doctor.examine("rehearsal") == (FOUND,)
    told = json.loads((folder / "told").read_text())
    kept = {name for name in source if name in told["environ"]}
    assert kept == set(source) - {"NOTIFY_SOCKET", "WATCHDOG_USEC", "AWS_SECRET"}
    assert told["environ"]["ATLAS_BROKER__TRADING_URL"] == "http://127.0.0.1:1"
    assert told["argv"][:5] == ["-P", "-m", "atlas_daemon", "doctor", "--json"]
    assert told["argv"][5:] == ["--config", str(tmp_path / "atlas.toml")]


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(3000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 30 s")


@pytest.mark.asyncio
async def test_one_that_hangs_is_killed_with_all_it_started(child):
    folder = child(
        "here = os.path.dirname(sys.argv[0])\n"
        "pid = os.fork()\n"
        "if pid:\n"
        "    open(os.path.join(here, 'pid.new'), 'w').write(str(pid))\n"
        "    os.rename(os.path.join(here, 'pid.new'), os.path.join(here, 'pid'))\n"
        "time.sleep(600)"
    )
    asked = asyncio.create_task(ChildDoctor(None, deadline_s=600).examine("rehearsal"))
    await until((folder / "pid").exists)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    started = int((folder / "pid").read_text())
    await until(lambda: not _lives(started))  # the kernel ends it a moment after the signal


@pytest.mark.asyncio
async def test_one_that_is_silent_is_given_up(child):
    child("time.sleep(600)")
    with pytest.raises(DoctorError, match="no answer within 0 s"):
        await ChildDoctor(None, deadline_s=0.2).examine("rehearsal")


@pytest.mark.asyncio
async def test_one_that_babbles_is_stopped(child):
    child("while True: sys.stdout.write('x' * 65536)")
    with pytest.raises(DoctorError, match=f"over {REPLY_MAX} bytes"):
        await ChildDoctor(None).examine("rehearsal")


@pytest.mark.asyncio
async def test_one_that_cannot_start_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DoctorError, match="did not start"):
        await ChildDoctor(None).examine("rehearsal")


@pytest.mark.parametrize(
    ("out", "complaints", "code", "said"),
    [
        (b"", b"Traceback\nKeyError: 'x'\n", 1, "the doctor ended with 1: KeyError: 'x'"),
        (b"{}", b"", 0, "the doctor ended with 0"),
        (b"[" * 100_000, b"", 0, "the doctor ended with 0"),
        (b'{"findings": [{"check": 1}]}', b"", 0, "the doctor ended with 0"),
        (b'{"findings": [{"check": "a", "level": "bad", "text": ""}]}', b"", 0, "ended with 0"),
    ],
)
def test_what_is_no_report_is_told_as_such(out, complaints, code, said):
    with pytest.raises(DoctorError, match=said):
        read_report(out, complaints, code)


def test_a_report_without_a_finding_is_none() -> None:
    with pytest.raises(DoctorError, match="found nothing at all"):
        read_report(a_report().encode(), b"", 0)


def test_a_configuration_that_cannot_be_loaded_is_a_finding():
    (found,) = read_report(b"", b"atlasd: risk.rounds: no such key\n", 78)
    assert (found.check, found.level) == ("config", Level.RED)
    assert "cannot be loaded any more: risk.rounds: no such key" in found.text


def test_a_report_is_cut_to_what_a_journal_may_hold():
    long = Finding("x", Level.OK, "y" * 10_000, "z" * 10_000)
    (found,) = read_report(a_report(long).encode(), b"", 0)
    assert (len(found.text), len(found.advice)) == (TEXT_MAX, TEXT_MAX)
    with pytest.raises(DoctorError, match="201 findings"):
        read_report(a_report(*([FOUND] * (FINDINGS_MAX + 1))).encode(), b"", 0)


def _lives(process_id: int) -> bool:
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"
