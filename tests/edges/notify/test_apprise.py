"""Apprise in a child process: the package is not loaded here, and its absence has words."""

import asyncio
import io
import sys
from types import SimpleNamespace
from typing import ClassVar

import msgspec
import pytest

from atlas_daemon.edges.notify import Delivered, Later, Never, apprise
from atlas_daemon.edges.notify.letters import write
from tests.edges.notify.post import notice

SECRET = "tgram://123:secret-token/42"


def letter():
    return write([notice(1, "halted", "critical")], label="[PAPER] L", head="1:ab", limit=2000)


class FakeApprise:
    """Stands in for the package: what it is given is kept."""

    told: ClassVar[list[dict[str, str]]] = []
    takes = knows = True

    def add(self, url):
        return self.knows and url == SECRET

    def notify(self, **words):
        self.told.append(words)
        return self.takes


def as_child(monkeypatch, module, url=SECRET) -> int:
    question = msgspec.json.encode(apprise.Question(url, "title", "body", "failure"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(question)))
    monkeypatch.setitem(sys.modules, "apprise", module)
    return apprise.main()


def test_the_child_tells_one_message(monkeypatch) -> None:
    monkeypatch.setattr(FakeApprise, "told", [])
    assert as_child(monkeypatch, SimpleNamespace(Apprise=FakeApprise)) == apprise.TOLD
    assert FakeApprise.told == [{"body": "body", "title": "title", "notify_type": "failure"}]


def test_the_child_says_by_its_exit_code_what_is_wrong(monkeypatch) -> None:
    module = SimpleNamespace(Apprise=FakeApprise)
    assert as_child(monkeypatch, module, "nonsense://") == apprise.NO_ADDRESS
    monkeypatch.setattr(FakeApprise, "takes", False)
    assert as_child(monkeypatch, module) == apprise.SAID_NO
    assert as_child(monkeypatch, None) == apprise.NOT_INSTALLED


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (apprise.TOLD, Delivered),
        (apprise.SAID_NO, Later),
        (apprise.NO_ADDRESS, Never),
        (apprise.NOT_INSTALLED, Never),
        (1, Later),
        (-9, Later),
    ],
)
def test_an_exit_code_is_a_verdict(code, verdict) -> None:
    assert isinstance(apprise.verdict_of(code), verdict)


@pytest.mark.asyncio
async def test_a_real_child_is_asked_and_the_address_is_in_nothing_it_shows(monkeypatch) -> None:
    seen = []
    start = asyncio.create_subprocess_exec

    async def watched(*words, **how):
        seen.append((words, how["env"]))
        return await start(*words, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    verdict = await apprise.Apprise("nonsense://secret-token").deliver(letter())
    assert isinstance(verdict, Never)  # not installed, or no address that it knows
    assert "secret-token" not in str(seen) + verdict.why


@pytest.mark.asyncio
async def test_a_child_that_hangs_is_ended(monkeypatch) -> None:
    monkeypatch.setattr(apprise, "COMMAND", ("-c", "import time; time.sleep(60)"))
    verdict = await apprise.Apprise(SECRET, deadline_s=0.05).deliver(letter())
    assert isinstance(verdict, Later)
    assert "no answer" in verdict.why


@pytest.mark.asyncio
async def test_a_child_that_cannot_start_is_tried_later(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert isinstance(await apprise.Apprise(SECRET).deliver(letter()), Later)
