"""The sign of life: while all is well, and how its absence is told where that can be."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from atlas_daemon.edges.notify import Delivered, Heartbeat, Never
from atlas_daemon.edges.notify.heartbeat import AGAIN_S
from tests.edges.notify.post import START, Post, loop_now, play, posted


async def beating(path: str, *faults, seconds=1000.0, why_not=lambda: "") -> tuple[Post, Heartbeat]:
    async with posted(*faults) as post:
        url = post.url.replace("/hook/secret-token", path)
        heart = Heartbeat(url, every_s=300, why_not=why_not, now=loop_now)
        task = asyncio.create_task(heart.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return post, heart


def asked(post: Post) -> list[str]:
    return [f"{method} {path}" for method, path, _ in post.asked]


def test_it_is_given_at_once_and_every_few_minutes() -> None:
    post, heart = play(beating("/ping/abc?x=1"))
    assert asked(post) == ["GET /ping/abc?x=1"] * 4
    assert [at - START for _, _, at in post.asked] == [timedelta(seconds=300 * n) for n in range(4)]
    assert heart.why == ""
    assert heart.pinged_at is not None


def test_an_address_that_fails_is_asked_again_soon_and_the_pace_is_kept(caplog) -> None:
    caplog.set_level("INFO", "Notify")
    post, heart = play(beating("/ping/abc", 500, 500, None, 404, 404, 404, seconds=700))
    at = [when - START for _, _, when in post.asked]
    soon = timedelta(seconds=AGAIN_S)
    assert at[:3] == [timedelta(0), soon, 2 * soon]
    assert round(at[3].total_seconds()) == 300
    assert heart.why == ""
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
    assert "/ping/" not in caplog.text


def test_a_fault_of_ours_is_told_at_once_where_the_address_is_a_check() -> None:
    post, heart = play(beating("/ping/abc/?a=b", seconds=10, why_not=lambda: "disk full"))
    assert asked(post) == ["POST /ping/abc/fail?a=b"]
    assert heart.why == "disk full"
    assert heart.pinged_at is None


def test_a_fault_of_ours_is_silence_at_any_other_address() -> None:
    post, heart = play(beating("/api/push/token", seconds=400, why_not=lambda: "disk full"))
    assert asked(post) == []
    assert heart.why == "disk full"


def test_healthchecks_io_is_known_by_its_name() -> None:
    from yarl import URL

    from atlas_daemon.edges.notify.heartbeat import _is_check

    assert _is_check(URL("https://hc-ping.com/1b2c"))
    assert not _is_check(URL("https://uptime.example/api/push/1b2c"))


@pytest.mark.parametrize(("url", "verdict"), [("http://[::1", Never)])
def test_an_address_that_is_none_raises_nothing(url, verdict) -> None:
    heart = Heartbeat(url, every_s=300, why_not=lambda: "", now=loop_now)
    assert isinstance(play(heart.ping()), verdict)


def test_one_ping_says_what_came_of_it() -> None:
    async def story():
        async with posted() as post:
            return await Heartbeat(post.url, every_s=9, why_not=lambda: "", now=loop_now).ping()

    assert play(story()) == Delivered()
