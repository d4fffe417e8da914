"""Two drills as a person runs them, with a live configuration: real processes, and no trace left.

The other seven run in `make soak`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_daemon.cli.evidence import record_evidence
from atlas_daemon.config import load_settings
from atlas_daemon.config.digests import code_digest, sections_digest
from atlas_daemon.core import events as e
from atlas_daemon.core.events import EvidenceReported
from atlas_daemon.journal import Journal

pytestmark = pytest.mark.e2e

SECRET = "never-needed-0123456789abcdef"
LIVE = """
[account]
name = "BIG"
mode = "live"
number = "912345678"
[strategy]
top_n = 4
[regime]
lookback = 60
window = 60
[paths]
state_dir = "state"
"""
NETWORK = """
import os, sys
def _seen(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        told = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        with open(os.path.join(os.path.dirname(__file__), "network.txt"), "a") as file:
            file.write(f"{event}\\t{told!r}\\n")
sys.addaudithook(_seen)
"""
"""Loaded by every Python that a drill starts: notes where it connects to (PEP 578)."""
HERE = ("127.0.0.1", "::1", "/")


class Installed:
    """A live account as it is installed: configuration, keys, state with a journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "t"
        self.hook = folder / "hook"
        for each in (self.temporary, self.hook):
            each.mkdir()
        (self.hook / "sitecustomize.py").write_text(NETWORK)
        self.config = folder / "atlas.toml"
        self.config.write_text(LIVE)
        (folder / ".env").write_text(f"ALPACA_BIG_KEY=AKREAL\nALPACA_BIG_SECRET={SECRET}\n")
        self.settings = load_settings(self.config, environ={"HOME": str(folder)}, cwd=folder)
        self.state = self.settings.state_dir
        kind = EvidenceReported("doctor", "doctor", True, "green", "0" * 64, "1" * 64)
        record_evidence(self.settings, kind)
        for name in ("regime_labels.json", "certificate.json"):
            (self.state / name).write_text(name)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.hook),
            "TMPDIR": str(self.temporary),
            "PYTHONUNBUFFERED": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "atlas_daemon", "drill", *words],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def files(self) -> dict[str, bytes]:
        """Every file of the state folder, but for the lock and what belongs to the journal."""
        return {
            str(path.relative_to(self.state)): path.read_bytes()
            for path in self.state.rglob("*")
            if path.is_file() and path.name != "lock" and not path.name.startswith("journal.db")
        }

    def events(self) -> list[e.Event]:
        with Journal.open_readonly(self.settings.journal_path) as journal:
            assert journal.verify().is_intact
            return [entry.event for entry in journal.read()]

    def connections(self) -> set[str]:
        lines = (self.hook / "network.txt").read_text().splitlines()
        return {line.partition("\t")[2] for line in lines}

    def processes(self) -> list[Path]:
        """What lives that was started for it."""
        return [path for path in Path("/proc").glob("[0-9]*/cmdline") if self._is_of(path)]

    def _is_of(self, path: Path) -> bool:
        try:
            words = path.read_bytes(), path.with_name("environ").read_bytes()
        except OSError:
            return False
        return any(str(self.temporary).encode() in text for text in words)


@pytest.fixture
def installed() -> Iterator[Installed]:
    folder = Path(tempfile.mkdtemp(prefix="atlas-t-"))  # a socket's path is short
    try:
        yield Installed(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_drills_of_a_live_account_need_nothing_of_it_and_leave_their_evidence_only(
    installed: Installed,
) -> None:
    before, events = installed.files(), installed.events()
    with installed.start("accept504", "estop", "--json") as process:
        out, complaints = process.communicate(timeout=180)
    assert process.returncode == 0, out + complaints
    document = json.loads(out)
    assert document["label"] == "[LIVE] BIG"
    assert [(each["name"], each["is_good"]) for each in document["drills"]] == [
        ("accept504", True),
        ("estop", True),
    ]
    texts = [each["text"] for each in document["drills"]]
    assert all("orders sent twice: 0 of" in text and "fills lost: 0 of" in text for text in texts)
    assert "seconds to seen-cancelled: " in texts[1]

    assert installed.files() == before
    later = installed.events()
    assert later[: len(events)] == events
    told = [event for event in later[len(events) :] if isinstance(event, EvidenceReported)]
    assert len(told) == len(later) - len(events) == 2
    assert {(x.code_digest, x.config_digest, x.is_good) for x in told} == {
        (code_digest(), sections_digest(installed.settings), True)
    }
    away = {place for place in installed.connections() if not any(h in place for h in HERE)}
    assert away == set(), "nothing connects elsewhere"
    assert any("127.0.0.1" in place for place in installed.connections()), "the hook saw it all"
    assert SECRET not in out + complaints
    assert list(installed.temporary.iterdir()) == []
    assert installed.processes() == []


def test_ctrl_c_amid_a_drill_leaves_no_process_and_no_folder(installed: Installed) -> None:
    events = installed.events()
    with installed.start("kill9") as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("daemon and local broker are up" in line for line in lines)
        assert len(installed.processes()) >= 3, "itself, the broker, the daemon"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # an impatient person
        assert process.wait(40) == 130
        assert process.stderr is not None
        assert process.stderr.read() == (
            "atlasd: interrupted: its processes and folders are gone\n"
        )
    ends_at_s = time.monotonic() + 10
    while installed.processes() and time.monotonic() < ends_at_s:
        time.sleep(0.05)
    assert installed.processes() == []
    assert list(installed.temporary.iterdir()) == []
    assert installed.events() == events, "no verdict, no evidence"
