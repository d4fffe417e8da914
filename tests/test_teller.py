"""What speaks to people elsewhere, put together: daily line, reload, sign of life, two messages."""

import asyncio
import json
from datetime import date, timedelta

import pytest

from atlas_daemon.config import Credentials
from atlas_daemon.core import events as e
from atlas_daemon.teller import Teller, _slot_words, channels_of, secrets_of
from tests.control.desk import NOW, Desk, settings_in
from tests.edges.notify.post import loop_now, play, posted

KEYS = Credentials("PKID", "SECRET", "test")


def teller_of(desk: Desk, settings=None) -> Teller:
    return Teller(
        settings or desk.settings,
        KEYS,
        label="[LOCAL] LARGE",
        journal=desk.journal,
        bus=desk.bus,
        now=desk.now,
    )


@pytest.fixture
def desk(tmp_path):
    desk = Desk(settings_in(tmp_path)).open()
    yield desk
    desk.journal.close()


def test_the_channels_are_those_that_are_configured(tmp_path) -> None:
    assert channels_of(settings_in(tmp_path), loop_now) == ()
    both = settings_in(
        tmp_path,
        notify__webhook_url="https://ntfy.sh/topic",
        notify__apprise_url="mailto://u:p@example.org",
        notify__template="generic",
    )
    webhook, apprise = channels_of(both, loop_now)
    assert (webhook.name, webhook.template.name, apprise.name) == ("webhook", "generic", "apprise")
    assert "SECRET" in secrets_of(both, KEYS)
    assert "https://ntfy.sh/topic" in secrets_of(both, KEYS)


def test_the_daily_line_is_in_the_log_with_the_head_and_is_sent_where_wanted(
    tmp_path, desk, caplog
) -> None:
    async def story(daily: bool) -> list[dict]:
        async with posted() as post:
            settings = settings_in(tmp_path, notify__webhook_url=post.url, notify__daily=daily)
            teller = teller_of(desk, settings)
            task = asyncio.create_task(teller.run())
            await teller.report(date(2025, 11, 18))
            await asyncio.sleep(5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return post.taken

    caplog.set_level("INFO", "Notify")
    assert play(story(daily=False)) == []
    line = (
        "2025-11-18, trading, equity $10,245.67, 3 positions, regime unknown, "
        "next rebalance 2026-02-02 (in 76 days), 0 alerts that day"
    )
    seq, digest = desk.journal.head()
    assert caplog.records[-1].getMessage() == f"Daily: {line}; journal {seq}:{digest}"
    (body,) = play(story(daily=True))
    assert (body["about"], body["level"], body["text"]) == ("daily", "info", line)
    assert body["head"] == f"{seq}:{digest}"


def test_a_new_configuration_takes_channels_and_sign_of_life_with_it(tmp_path, desk) -> None:
    async def story() -> tuple[list, list]:
        async with posted() as before, posted() as after:
            first = settings_in(tmp_path, notify__webhook_url=before.url)
            teller = teller_of(desk, first)
            task = asyncio.create_task(teller.run())
            teller.follow(first)
            desk.take(e.StopRequested("ann", "x"))
            teller.on_turn(tuple(desk.journal.read(0)))
            await asyncio.sleep(5)
            teller.follow(
                settings_in(
                    tmp_path,
                    notify__webhook_url=after.url,
                    notify__healthcheck_url=after.url.replace("hook", "ping"),
                )
            )
            teller.on_turn((e.Entry(999, NOW, None, e.AlertRaised("critical", "order", "x")),))
            await asyncio.sleep(5)
            channels = [told["channel"] for told in teller.deliveries()]
            assert channels == ["webhook", "healthcheck"]
            assert all(told["delivered_at"] for told in teller.deliveries())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return before.taken, after.asked

    taken, asked = play(story())
    assert "halted by ann" in json.dumps(taken)
    assert sorted(method for method, _, _ in asked) == ["GET", "POST"]


def test_what_was_committed_and_told_to_nobody_before_a_kill_is_told_after_it(
    tmp_path, desk
) -> None:
    async def story() -> list[dict]:
        async with posted(503, 503, 503, "reset", "hang") as post:
            settings = settings_in(tmp_path, notify__webhook_url=post.url)
            for _ in range(3):  # lives that end before anything was delivered
                teller = teller_of(desk, settings)
                task = asyncio.create_task(teller.run())
                before = desk.journal.head()[0]
                desk.take(e.StopRequested("ann", f"life {before}"), e.ResumeRequested("ann"))
                teller.on_turn(tuple(desk.journal.read(before))[:1])  # killed amid the turn
                await asyncio.sleep(4)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            task = asyncio.create_task(teller_of(desk, settings).run())
            await asyncio.sleep(2000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return post.taken

    taken = play(story())
    halted = [x.text for _, x in desk.state.alerts if x.text.startswith("halted by")]
    assert len(halted) == 3
    whole = json.dumps(taken)
    assert all(whole.count(text) == 1 for text in halted)


def test_a_loop_that_takes_no_turns_and_a_full_disk_give_no_sign_of_life(desk) -> None:
    teller = play(_made(desk))
    assert teller._why_unwell() == ""
    assert teller._why_unwell() == "no turn is taken"
    desk.clock.at += timedelta(seconds=1)
    desk.take(e.Ticked())
    assert teller._why_unwell() == ""
    desk.bus.fault = "disk full"
    assert teller._why_unwell() == "the journal cannot be written: disk full"


async def _made(desk: Desk) -> Teller:
    return teller_of(desk)


def test_nothing_is_written_where_nobody_is_told(desk) -> None:
    teller = play(_made(desk))
    teller.on_turn((e.Entry(999, NOW, None, e.AlertRaised("critical", "order", "x")),))
    assert teller.deliveries() == []
    assert not list(desk.settings.state_dir.glob("notices-*"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"days_to_session": 1}, "next rebalance 2026-02-02 (in 1 day)"),
        ({"is_due": True}, "rebalance 2026-02 is due (until 2026-02-09)"),
        ({"is_over": True}, "rebalance 2026-02 was not done by 2026-02-09"),
    ],
)
def test_the_daily_line_says_of_a_slot_what_status_says(more, words):
    slot = {"name": "2026-02", "session": "2026-02-02", "last_session": "2026-02-09"}
    slot |= {"is_due": False, "is_over": False, "days_to_session": 0}
    assert _slot_words(slot | more) == words
