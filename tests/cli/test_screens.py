"""Every screen says first whose account it shows: [PAPER], [LIVE] or [LOCAL], and the name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from atlas_daemon.cli import commands
from tests.cli.journals import write_demo
from tests.control.desk import DeskThread

HERE = Path(__file__).parent

FROM_THE_JOURNAL = {
    "status": ("status",),
    "orders": ("orders",),
    "trades": ("trades",),
    "explain": ("explain", "2026-02"),
    "audit verify": ("audit", "verify"),
    "audit export": ("audit", "export", "--out", "out.jsonl"),
    "report": ("report",),
}
"""Commands that read what a daemon has left, with arguments that find something in the demo's."""
FROM_A_DAEMON = {"status": ("status",), "orders": ("orders",), "reload": ("reload",)}
FROM_THE_CONFIGURATION = {
    "config show": ("config", "show"),
    "config check": ("config", "check", "atlas.toml"),
    "regime": ("regime", "--date", "2024-01-31"),
}
ELSEWHERE = {
    "plan": ("test_plan.py", "[LOCAL]"),
    "doctor": ("test_doctor.py", "[LOCAL] LARGE  doctor"),
    "regime history": ("test_regime.py", "[LOCAL] LARGE"),
    "regime set": ("test_regime.py", "[LOCAL] LARGE  the regime is"),
    "replay": ("../replay/test_replay.py", "[LOCAL] REPLAY  replay"),
    "stop": ("test_desk.py", "[LOCAL] LARGE"),
    "notify test": ("test_notify.py", "[LOCAL] LARGE webhook"),
    "scale": ("test_scale.py", "[LIVE] LARGE  scale"),
    "drill": ("test_drill.py", "[LOCAL] LARGE  drills"),
    "transition": ("test_transition.py", "[LIVE] PROOF  transition"),
    "promote": ("test_promote.py", "[LIVE] LIVE  missing"),
    "promote approve": ("test_promote.py", "[LIVE] LIVE  risk.max_position_pct"),
    "promote explain-gap": ("test_promote.py", "[LIVE] LIVE"),
    "alert": ("test_alert.py", "[LOCAL] LARGE"),
}
"""Those whose screen needs more than a journal: the test that looks at it, and what it finds."""
NO_ACCOUNT = {"paper", "run"}
"""The local broker alone; the daemon's own log, whose first line says it."""
ASKING = {"resume", "adopt", "panic", "rebalance", "backup", "restore", "demo"}
"""Commands that do something: their prompts and answers are looked at where they are tested."""


def every_command() -> Iterator[str]:
    app = typer.Typer()
    commands.register(app)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        if not isinstance(command, TyperGroup):
            yield name
            continue
        if command.invoke_without_command:
            yield name
        yield from (f"{name} {each}" for each in command.commands)


def said(shell, words: tuple[str, ...]) -> str:
    done = shell(*words)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("words", FROM_THE_JOURNAL.values(), ids=FROM_THE_JOURNAL)
def test_what_is_read_from_a_journal_says_first_whose_it_is(shell, words):
    write_demo(shell.settings)

    name = "DEMO" if words == ("status",) else "LARGE"  # the journal knows its own
    assert said(shell, words).startswith(f"[LOCAL] {name}  ")


@pytest.mark.parametrize("words", FROM_A_DAEMON.values(), ids=FROM_A_DAEMON)
def test_what_a_daemon_says_begins_with_whose_it_is(shell, words):
    with DeskThread(shell.settings) as running:
        running.desk.reload = lambda: Nothing
        assert said(shell, words).startswith("[LOCAL] LARGE  ")


class Nothing:
    changes, digest, waits_for = (), "ab", ""


@pytest.mark.parametrize("mode", ["local", "paper", "live"])
@pytest.mark.parametrize("words", FROM_THE_CONFIGURATION.values(), ids=FROM_THE_CONFIGURATION)
def test_what_is_read_from_the_configuration_says_first_whose_it_is(shell, tmp_path, words, mode):
    toml = f'[account]\nmode = "{mode}"\nnumber = "123456789"\n[paths]\nstate_dir = "state"\n'
    regime = "file:regime.json"
    (tmp_path / "regime.json").write_text('{"regime": "CRASH", "as_of": "2024-01-31"}')
    (tmp_path / "atlas.toml").write_text(f'{toml}[regime]\nsource = "{regime}"\n')

    done = shell(*words)

    assert f"[{mode.upper()}] LARGE" in done.output.splitlines()[0], done.output


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_test_that_looks_at_the_others_is_there(name):
    file, found = ELSEWHERE[name]
    assert found in (HERE / file).read_text("utf-8")


def test_every_command_is_one_of_these():
    known = {*FROM_THE_JOURNAL, *FROM_A_DAEMON, *FROM_THE_CONFIGURATION, *ELSEWHERE}
    assert set(every_command()) - known - NO_ACCOUNT - ASKING == set()
