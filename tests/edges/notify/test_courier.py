"""Delivery over a real socket with every fault, in virtual time; kills, restarts and outages."""

import asyncio
import contextlib
import logging
import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.edges.notify import Delivered, Later, Messenger, Never, Severity, webhook_for
from atlas_daemon.edges.notify.courier import BACKOFF_S, NEVER_MAX
from tests.edges.notify.post import (
    START,
    Ears,
    Paper,
    Post,
    alert,
    loop_now,
    messenger_of,
    play,
    posted,
)


@contextlib.asynccontextmanager
async def running(messenger: Messenger):
    task = asyncio.create_task(messenger.run())
    try:
        yield messenger
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def told(messenger: Messenger, paper: Paper, event: e.Event) -> None:
    messenger.on_turn((paper.write(event, loop_now()),))


async def one_alert(tmp_path, *faults, wait_s=4000.0, text="halted by ann") -> tuple[Post, float]:
    """Raise one alert at a webhook with these faults; return it, and when it was last asked."""
    async with posted(*faults) as post:
        paper = Paper()
        hook = webhook_for(post.url, "generic", loop_now)
        messenger = messenger_of(hook, folder=tmp_path, paper=paper)
        async with running(messenger):
            began = loop_now()
            told(messenger, paper, alert(text, "critical", "halt"))
            await asyncio.sleep(wait_s)
        post.delivery = messenger.deliveries()[0]
    return post, (post.asked[-1][2] - began).total_seconds() if post.asked else 0.0


def test_an_alert_is_posted_with_account_level_and_head(tmp_path) -> None:
    post, after_s = play(one_alert(tmp_path))
    (body,) = post.taken
    assert (body["account"], body["level"], body["about"]) == ("[PAPER] LARGE", "critical", "halt")
    assert body["text"] == "halted by ann"
    assert body["head"] == "1:" + "ab" * 32
    assert after_s <= 1.5
    assert post.delivery.delivered_at is not None
    assert (post.delivery.waiting, post.delivery.why) == (0, "")


@pytest.mark.parametrize("fault", [500, 503, 408, 425, 429, "reset", "hang"])
def test_what_may_pass_is_tried_until_it_does(tmp_path, fault, caplog) -> None:
    caplog.set_level(logging.INFO)
    post, _ = play(one_alert(tmp_path, fault, fault, fault))
    assert len(post.taken) == 1
    assert len(post.asked) == 4
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]


def test_the_waits_grow_and_stay_within_minutes(tmp_path) -> None:
    post, _ = play(one_alert(tmp_path, *[500] * 8))
    at = [when for _, _, when in post.asked]
    waits = [(b - a).total_seconds() for a, b in pairwise(at)]
    assert [round(wait) for wait in waits[:5]] == [5, 15, 60, 300, 300]
    assert BACKOFF_S[-1] <= 600


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_in_seconds_and_as_a_date(tmp_path, status) -> None:
    date = "Mon, 01 Feb 2027 15:00:00 GMT"  # the story begins at 14:35
    post, _ = play(one_alert(tmp_path, (status, {"Retry-After": "47.5"})))
    assert (post.asked[1][2] - post.asked[0][2]).total_seconds() >= 47.5
    post, _ = play(one_alert(tmp_path / "..", (status, {"Retry-After": date})))
    assert post.asked[1][2] >= START + timedelta(minutes=25)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-5", "nan", "1e999", "Mon, 99 Feb"),
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2027 00:00:00 +9999999999999999999",
    ],
)
def test_a_retry_after_that_is_none_is_passed_over(tmp_path, text) -> None:
    post, after_s = play(one_alert(tmp_path, (429, {"Retry-After": text}), wait_s=4000))
    assert len(post.taken) == 1
    assert after_s <= 3700


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 307])
def test_a_refusal_that_does_not_pass_drops_the_message_and_says_so(
    tmp_path, status, caplog
) -> None:
    fault = (status, {"Location": "http://127.0.0.1:1/elsewhere"})
    post, _ = play(one_alert(tmp_path, *[fault] * 20))
    assert len(post.asked) == NEVER_MAX
    assert (post.taken, post.delivery.waiting) == ([], 0)
    assert f"HTTP {status}" in post.delivery.why
    error = caplog.records[-1]
    assert (error.levelname, "dropped" in error.getMessage()) == ("ERROR", True)
    assert "secret-token" not in caplog.text


def test_an_endless_answer_is_not_waited_for(tmp_path) -> None:
    post, after_s = play(one_alert(tmp_path, "endless"))
    assert len(post.asked) == 1
    assert post.delivery.why == ""
    assert after_s <= 1.5


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/secret-token", "http://a..b/secret-token"])
def test_where_nobody_is_the_address_is_in_no_log(tmp_path, url, caplog) -> None:
    async def story() -> Messenger:
        paper = Paper()
        hook = webhook_for(url, "generic", loop_now)
        messenger = messenger_of(hook, folder=tmp_path, paper=paper)
        async with running(messenger):
            told(messenger, paper, alert("x"))
            await asyncio.sleep(100)
        return messenger

    (state,) = play(story()).deliveries()
    assert state.why
    assert "secret-token" not in caplog.text + state.why
    assert "127.0.0.1" not in state.why


def test_a_tls_that_fails_may_pass_and_says_so(tmp_path) -> None:
    async def story() -> Messenger:
        async with posted() as post:
            paper = Paper()
            hook = webhook_for(post.url.replace("http:", "https:"), "generic", loop_now)
            messenger = messenger_of(hook, folder=tmp_path, paper=paper)
            async with running(messenger):
                told(messenger, paper, alert("x"))
                await asyncio.sleep(100)
            return messenger

    (state,) = play(story()).deliveries()
    assert (state.waiting, state.why) == (1, "TLS failed")


def test_no_secret_leaves_in_a_message(tmp_path) -> None:
    async def story() -> Ears:
        ears, paper = Ears(), Paper()
        messenger = messenger_of(ears, folder=tmp_path, paper=paper, secrets=("PKSECRET", ""))
        async with running(messenger):
            told(messenger, paper, alert("refused for key PKSECRET at once", "critical"))
            await asyncio.sleep(5)
        return ears

    (letter,) = play(story()).heard
    assert letter.text == "refused for key *** at once"


def test_an_outage_of_days_ends_with_a_few_messages_in_order(tmp_path) -> None:
    async def story() -> Post:
        async with posted() as post:
            paper = Paper()
            hook = webhook_for(post.url, "discord", loop_now)
            messenger = messenger_of(hook, folder=tmp_path, paper=paper)
            post.faults.extend([503] * 5000)
            async with running(messenger):
                for minute in range(60):
                    await asyncio.sleep(600)
                    level = "critical" if minute % 12 == 7 else "warning"
                    told(messenger, paper, alert(f"thing {minute}", level))
                post.faults.clear()
                await asyncio.sleep(4000)
            return post

    post = play(story())
    assert 1 <= len(post.taken) <= 3
    whole = "\n".join(body["content"] for body in post.taken)
    places = [whole.index(f"thing {n}\n") for n in (7, 19, 31, 43, 55)]
    assert places == sorted(places)
    assert "more (" in whole


def test_a_burst_is_one_message_and_a_rebalance_two(tmp_path) -> None:
    async def story() -> Ears:
        ears, paper = Ears(), Paper()
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        async with running(messenger):
            day = START.date()
            told(messenger, paper, e.RunStarted("2027-02", "slot", "2027-02", day, day))
            told(messenger, paper, alert("2027-02: below the regime's allocation", "info", "gate"))
            await asyncio.sleep(60)
            told(messenger, paper, alert("2027-02 plans again: missing A 3", "warning", "round"))
            await asyncio.sleep(600)
            told(messenger, paper, alert("2027-02 done: 99.0% deployed", "info", "run"))
            await asyncio.sleep(600)
            for n in range(5):
                told(messenger, paper, alert(f"order {n}"))
            await asyncio.sleep(60)
        return ears

    heard = play(story()).heard
    assert [letter.about for letter in heard] == ["started", "run", "order"]
    assert heard[0].text.startswith("rebalance 2027-02 begins: its date has come")
    assert len(heard[2].settles) == 5


def test_an_entry_that_is_in_already_is_no_repeat(tmp_path) -> None:
    async def story() -> Ears:
        ears, paper = Ears(), Paper()
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        async with running(messenger):
            entry = paper.write(alert("x"), loop_now())
            messenger.on_turn((entry,))
            messenger.on_turn((entry,))
            await asyncio.sleep(5 * 3600)
        return ears

    assert [letter.text for letter in play(story()).heard] == ["x"]


def test_a_channel_that_is_down_holds_up_no_other(tmp_path) -> None:
    async def story() -> Ears:
        paper, well = Paper(), Ears(name="well")
        down = Ears(lambda: Later("down"), name="down")
        messenger = messenger_of(down, well, folder=tmp_path, paper=paper)
        async with running(messenger):
            told(messenger, paper, alert("x"))
            await asyncio.sleep(5)
        assert [state.waiting for state in messenger.deliveries()] == [1, 0]
        return well

    assert len(play(story()).heard) == 1


def test_an_alert_that_the_disk_does_not_take_is_told_at_once_and_not_again(tmp_path) -> None:
    async def story() -> Ears:
        ears, paper = Ears(), Paper()
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        async with running(messenger):
            await messenger.send("critical", "latch", "the stop is NOT DURABLE")
            await asyncio.sleep(5)
            told(messenger, paper, alert("the stop is NOT DURABLE", "critical", "latch"))
            told(messenger, paper, alert("halted", "critical", "halt"))
            await messenger.send("critical", "halt", "halted")
            await asyncio.sleep(5 * 3600)
        return ears

    assert [letter.text for letter in play(story()).heard] == ["the stop is NOT DURABLE", "halted"]


def test_a_new_configuration_goes_on_over_other_channels(tmp_path) -> None:
    async def story() -> tuple[Ears, Ears]:
        before, after, paper = Ears(), Ears(name="other"), Paper()
        messenger = messenger_of(before, folder=tmp_path, paper=paper)
        async with running(messenger):
            told(messenger, paper, alert("a"))
            await asyncio.sleep(5)
            messenger.replace((after,))
            told(messenger, paper, alert("b"))
            await asyncio.sleep(5)
            messenger.tell(Severity.INFO, "daily", "a day")
            await asyncio.sleep(5)
        return before, after

    before, after = play(story())
    assert [letter.text for letter in before.heard] == ["a"]
    assert [letter.text for letter in after.heard] == ["b", "a day"]


# Kills and restarts.


def test_a_channel_without_a_file_begins_with_what_comes(tmp_path) -> None:
    async def story() -> Ears:
        ears, paper = Ears(), Paper()
        paper.write(alert("of long ago"), START)
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        async with running(messenger):
            await asyncio.sleep(5)
        return ears

    assert play(story()).heard == []


@pytest.mark.parametrize("raw", [b"", b"{", b'{"seen": "x"}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_costs_no_alert_of_the_last_day(tmp_path, raw, caplog) -> None:
    async def story() -> Ears:
        ears, paper = Ears(), Paper()
        paper.write(alert("of long ago"), START - timedelta(days=3))
        paper.write(alert("of the night"), START - timedelta(hours=3))
        (tmp_path / "notices-ears.json").write_bytes(raw)
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        async with running(messenger):
            await asyncio.sleep(5)
        return ears

    assert [letter.text for letter in play(story()).heard] == ["of the night"]
    assert "cannot be read" in caplog.text


def test_a_folder_that_takes_nothing_is_told_once_and_delivery_goes_on(tmp_path, caplog) -> None:
    async def story() -> Messenger:
        ears, paper = Ears(), Paper()
        messenger = messenger_of(ears, folder=tmp_path / "nowhere", paper=paper)
        async with running(messenger):
            for text in "ab":
                told(messenger, paper, alert(text))
                await asyncio.sleep(5)
        assert [letter.text for letter in ears.heard] == ["a", "b"]
        return messenger

    (state,) = play(story()).deliveries()
    assert not state.is_durable
    assert caplog.text.count("cannot be written") == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["alert"] * 5 + ["kill", "outage", "well", "kill unread"]),
        st.sampled_from(["critical", "warning"]),
        st.floats(0.0, 900.0),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_whatever_is_killed_and_down_each_is_told_and_none_twice_but_the_one_in_flight(
    steps,
) -> None:
    async def story(folder: Path) -> None:
        paper, is_down = Paper(), False
        ears = Ears(lambda: Later("down") if is_down else Delivered(), limit=100_000)
        messenger = messenger_of(ears, folder=folder, paper=paper)
        task = asyncio.create_task(messenger.run())
        kills, wanted = 0, []
        for what, level, passed_s in steps:
            if what == "alert":
                wanted.append(f"alert {len(wanted)} ")
                told(messenger, paper, alert(wanted[-1], level, "drift"))
            elif what.startswith("kill"):
                kills += 1
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if what == "kill unread":  # committed, and nobody was told before the end
                    wanted.append(f"alert {len(wanted)} ")
                    paper.write(alert(wanted[-1], level, "drift"), loop_now())
                messenger = messenger_of(ears, folder=folder, paper=paper)
                task = asyncio.create_task(messenger.run())
            else:
                is_down = what == "outage"
            await asyncio.sleep(passed_s)
        is_down = False
        await asyncio.sleep(30 * 3600)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        heard = [n.text for letter in ears.heard for n in letter.settles]
        for text in wanted:
            first = [x for x in heard if x.startswith(text.strip()) and "more time" not in x]
            summed = [x for x in heard if x.startswith(text.strip()) and "more time" in x]
            assert first or summed, text
        twice = len(heard) - len(set(heard))
        in_flight = max((len(letter.settles) for letter in ears.heard), default=0)
        assert twice <= kills * in_flight
        assert all(state.waiting == 0 for state in messenger.deliveries())

    with tempfile.TemporaryDirectory() as folder:
        play(story(Path(folder)))


def test_a_kill_between_delivery_and_disk_repeats_one_message_and_no_more(tmp_path) -> None:
    async def story() -> Ears:
        ears, paper = Ears(delay_s=2.0), Paper()
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        task = asyncio.create_task(messenger.run())
        told(messenger, paper, alert("a"))
        await asyncio.sleep(10)
        told(messenger, paper, alert("b"))
        await asyncio.sleep(2.5)  # heard over there, not yet answered here
        assert [letter.text for letter in ears.heard] == ["a", "b"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        messenger = messenger_of(ears, folder=tmp_path, paper=paper)
        async with running(messenger):
            await asyncio.sleep(7200)
        return ears

    assert [letter.text for letter in play(story()).heard] == ["a", "b", "b"]


def test_the_verdicts_say_why() -> None:
    assert (Later("x").why, Never("y").why) == ("x", "y")
