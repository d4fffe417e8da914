"""The watchdog's ping: what it proves, and what it does not ask."""

import asyncio
from collections.abc import Callable

import pytest

from atlas_daemon.edges.systemd import Notifier
from atlas_daemon.edges.watchdog import Watchdog


class Told:
    """A notifier whose systemd has patience for 30 s."""

    watchdog_s: float | None = 30.0
    is_heard = True

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, *lines: str) -> bool:
        self.lines += lines
        return True


async def pings_of(
    monkeypatch: pytest.MonkeyPatch,
    ticks: list[bool],
    commit: Callable[[], str] = lambda: "",
) -> list[str]:
    """What systemd is told while a tick comes out of the inbox between two pings, or does not."""
    told, left = Told(), list(ticks)
    watchdog = Watchdog(told, commit=commit, line=lambda: "trading")

    async def sleep(seconds: float) -> None:
        assert seconds == 10.0  # a third of systemd's patience
        if not left:
            raise asyncio.CancelledError
        if left.pop(0):
            watchdog.beat()

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await watchdog.run()
    return told.lines


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ticks", "fault", "pings"),
    [
        ([True, True, True, True], "", 4),
        ([True, False, False, False], "", 1),
        ([False, False, False, False], "disk full", 4),
    ],
    ids=["turning", "stuck inbox", "a full disk is no reason to be killed"],
)
async def test_s184_the_watchdog_is_fed_while_turns_are_taken(monkeypatch, ticks, fault, pings):
    lines = await pings_of(monkeypatch, ticks, lambda: fault)
    assert lines == ["WATCHDOG=1", "STATUS=trading"] * pings


@pytest.mark.asyncio
async def test_s184_each_ping_stands_on_a_commit(monkeypatch):
    commits: list[int] = []

    def commit() -> str:
        commits.append(1)
        return ""

    lines = await pings_of(monkeypatch, [True, True, False], commit)
    assert (len(commits), lines.count("WATCHDOG=1")) == (3, 2)


@pytest.mark.asyncio
async def test_where_nobody_listens_nothing_is_written(monkeypatch):
    def commit() -> str:
        raise AssertionError("a write for nobody")

    notifier = Notifier({})
    watchdog = Watchdog(notifier, commit=commit, line=lambda: "")
    async with asyncio.timeout(1):
        await watchdog.run()
