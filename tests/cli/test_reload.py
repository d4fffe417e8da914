"""`atlasd reload`: what changed, what waits, or why not."""

import json
from dataclasses import dataclass

import pytest

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.reloader import Change, Reloaded
from tests.control.desk import Desk, DeskThread

CHANGE = Change("strategy.top_n", "10", "7")
SECRET = Change("notify.webhook_url", "****", "****")


@dataclass
class Answered:
    """A desk that answers a reload as it was told to."""

    answer: object = None

    def __call__(self, desk: Desk) -> Reloaded:
        if isinstance(self.answer, ConfigError):
            raise self.answer
        assert isinstance(self.answer, Reloaded)
        return self.answer


@pytest.mark.parametrize(
    ("changes", "waits_for", "said"),
    [
        ((), "", "reloaded; nothing differs from what is in force"),
        (
            (CHANGE, SECRET),
            "",
            "reloaded: strategy.top_n 10 -> 7, notify.webhook_url **** -> ****",
        ),
        (
            (CHANGE,),
            "until run 2027-02 has ended",
            "read, and waits until run 2027-02 has ended: strategy.top_n 10 -> 7",
        ),
    ],
)
def test_it_says_what_changed(shell, monkeypatch, changes, waits_for, said):
    answer = Answered(Reloaded(changes, "d" * 64, waits_for))
    monkeypatch.setattr(Desk, "reload", lambda desk: answer(desk), raising=False)
    with DeskThread(shell.settings):
        text, as_json = shell("reload"), shell("reload", "--json")
    assert (text.exit_code, text.output) == (0, f"[LOCAL] LARGE  {said}\n")
    assert json.loads(as_json.output) == {
        "changes": [{"name": c.name, "before": c.before, "after": c.after} for c in changes],
        "digest": "d" * 64,
        "waits_for": waits_for,
    }


def test_a_refusal_ends_with_78_and_says_why(shell, monkeypatch):
    answer = Answered(ConfigError("account.mode: cannot change while the daemon runs: restart"))
    monkeypatch.setattr(Desk, "reload", lambda desk: answer(desk), raising=False)
    with DeskThread(shell.settings):
        said = shell("reload")
    assert said.exit_code == 78
    assert said.stderr == "atlasd: account.mode: cannot change while the daemon runs: restart\n"


def test_without_a_daemon_there_is_nothing_to_reload(shell):
    said = shell("reload")
    assert said.exit_code == 1 and "no daemon runs" in said.stderr
