"""What is a repeat, what is news again, what is summed up; and that nothing critical is lost."""

from datetime import datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.edges.notify.letters import write
from atlas_daemon.edges.notify.news import Ended
from atlas_daemon.edges.notify.notice import Severity
from atlas_daemon.edges.notify.outbox import (
    A_KEY_MAX,
    COOL_DOWN,
    NAMES_MAX,
    WAITING_MAX,
    Memory,
    Outbox,
)
from tests.edges.notify.post import START, notice

MINUTE = timedelta(minutes=1)


def texts(outbox: Outbox) -> list[str]:
    return [waits.text for waits in outbox.waiting]


def deliver(outbox: Outbox) -> list[str]:
    """Let everything that waits be told; return its lines."""
    lines = []
    while outbox.waiting:
        letter = write(outbox.waiting, label="", head="", limit=2000)
        lines += [told.text for told in outbox.waiting if told in letter.settles]
        outbox.settle(letter)
    return lines


def test_the_same_words_within_the_hour_are_told_once_and_summed_up_after_it() -> None:
    outbox = Outbox(Memory())
    for minute in range(0, 50, 10):
        outbox.take(notice(minute + 1, "no answer", at=START + minute * MINUTE))
    assert deliver(outbox) == ["no answer"]

    outbox.sum_up(START + 59 * MINUTE)
    assert outbox.waiting == []
    assert outbox.due_at() == START + COOL_DOWN
    outbox.sum_up(START + COOL_DOWN)

    since, last = "2027-02-01 09:35", "2027-02-01 10:15"
    told = f"no answer (4 more times since {since} New York, last {last} New York)"
    assert deliver(outbox) == [told]
    assert outbox.due_at() is None


def test_what_goes_on_is_summed_up_ever_more_rarely() -> None:
    outbox = Outbox(Memory())
    told = 0
    for minute in range(7 * 24 * 60):
        at = START + minute * MINUTE
        outbox.take(notice(minute + 1, "no answer", "critical", at=at))
        outbox.sum_up(at)
        told += len(deliver(outbox))
    assert told == 11  # at once, after 1, 3, 7, 15, 31 hours, and once a day from then on


def test_a_state_that_is_over_is_said_to_be_and_is_news_when_it_comes_again() -> None:
    outbox = Outbox(Memory())
    outbox.take(notice(1, "keys refused", "critical", key="credentials"))
    outbox.take(notice(2, "keys refused", "critical", key="credentials", at=START + MINUTE))
    outbox.take(Ended(START, ("credentials",), "trading is open again"))
    outbox.take(Ended(START, ("credentials",), "trading is open again"))
    outbox.take(notice(3, "keys refused", "critical", key="credentials", at=START + 2 * MINUTE))

    over = "over: trading is open again after 1 more (keys refused)"
    assert deliver(outbox) == ["keys refused", over, "keys refused"]


def test_what_is_still_to_be_told_is_not_summed_up_beside_itself() -> None:
    outbox = Outbox(Memory())
    for minute in range(0, 300, 10):
        at = START + minute * MINUTE
        outbox.take(notice(minute + 1, "no answer", at=at))
        outbox.sum_up(at)
    assert texts(outbox) == ["no answer"]
    deliver(outbox)
    outbox.sum_up(START + 24 * COOL_DOWN)
    (told,) = texts(outbox)
    assert "more times" in told


def test_the_end_of_a_state_that_nobody_was_told_of_is_no_news() -> None:
    outbox = Outbox(Memory())
    outbox.take(Ended(START, ("credentials",), "trading is open again"))
    assert outbox.waiting == []


def test_a_changed_state_is_news_and_so_is_its_change_back() -> None:
    outbox = Outbox(Memory())
    for seq, text in enumerate(("keys refused: 401", "keys refused: 403", "keys refused: 401")):
        outbox.take(notice(seq, text, key="credentials", at=START + seq * MINUTE))
    assert len(deliver(outbox)) == 3


def test_a_single_order_is_no_state_that_another_one_changes() -> None:
    outbox = Outbox(Memory())
    for seq, text in enumerate(("order a", "order b", "order a")):
        outbox.take(notice(seq, text, key="order", at=START + seq * MINUTE))
    assert deliver(outbox) == ["order a", "order b"]


def test_a_state_that_flaps_is_told_a_few_times_an_hour() -> None:
    outbox = Outbox(Memory())
    for seq in range(50):
        at = START + seq * MINUTE
        outbox.take(notice(seq, f"mute {seq % 2}", "critical", key="stream", at=at))
    assert len(deliver(outbox)) == A_KEY_MAX
    outbox.sum_up(START + 10 * COOL_DOWN)
    assert len(deliver(outbox)) == 2


def test_the_end_of_a_flapping_state_is_told_no_more_often_than_the_state() -> None:
    outbox = Outbox(Memory())
    for seq in range(100):
        at = START + seq * MINUTE / 4
        outbox.take(notice(seq, "the stream is mute", key="stream", at=at))
        outbox.take(Ended(at, ("stream",), "it listens again"))
    told = deliver(outbox)
    assert len(told) == A_KEY_MAX
    assert told.count("the stream is mute") == A_KEY_MAX // 2


def test_what_was_only_counted_is_told_as_such() -> None:
    outbox = Outbox(Memory())
    for seq in range(A_KEY_MAX + 1):
        outbox.take(notice(seq, f"order {seq}"))
    assert f"order {A_KEY_MAX}" not in deliver(outbox)
    outbox.sum_up(START + COOL_DOWN)
    (text,) = deliver(outbox)
    assert text.startswith(f"order {A_KEY_MAX} (1 time since ")


def test_a_critical_that_is_new_is_told_in_any_flood() -> None:
    outbox = Outbox(Memory())
    for seq in range(30):
        outbox.take(notice(seq, f"order {seq}", "warning"))
    outbox.take(notice(31, "order 31", "critical"))
    assert "order 31" in deliver(outbox)


def test_a_clock_set_back_silences_nothing_for_long() -> None:
    outbox = Outbox(Memory())
    outbox.take(notice(1, "halted", "critical", at=START))
    assert deliver(outbox) == ["halted"]
    outbox.take(notice(2, "halted", "critical", at=START - timedelta(days=300)))
    assert deliver(outbox) == ["halted"]


def test_a_flood_before_the_clock_was_set_back_silences_nothing() -> None:
    outbox = Outbox(Memory())
    later = START + timedelta(days=365)
    for n in range(20):
        outbox.take(notice(n + 1, f"later {n}", "warning", at=later))
    deliver(outbox)
    outbox.take(notice(30, "now", "warning", at=START))
    assert texts(outbox) == ["now"]


def test_too_many_to_keep_are_counted_and_the_critical_stay() -> None:
    outbox = Outbox(Memory())
    outbox.take(notice(0, "the first", "critical"))
    for seq in range(1, 2 * WAITING_MAX):
        at = START + seq * COOL_DOWN
        outbox.take(notice(seq, f"text {seq}", at=at))
    assert len(outbox.waiting) == WAITING_MAX
    assert outbox.waiting[0].text == "the first"
    assert outbox.memory.uncounted == WAITING_MAX
    letter = write(outbox.waiting, label="", head="", limit=2000, uncounted=outbox.memory.uncounted)
    outbox.settle(letter)
    assert outbox.memory.uncounted == 0


NEWS = st.tuples(
    st.sampled_from(["notice"] * 8 + ["end", "outage over"]),
    st.sampled_from(["halt", "credentials", "order", "stream"]),
    st.integers(0, 5),
    st.sampled_from(["info", "warning", "critical"]),
    st.integers(0, 4 * 3600),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(NEWS, max_size=60), st.sampled_from([1000, 2000, 20_000]))
def test_whatever_happens_each_new_critical_is_told_once_and_in_order(news, limit) -> None:
    outbox, at, seq = Outbox(Memory()), START, 0
    wanted: list[str] = []
    told: list[tuple[int, str]] = []
    lines: list[str] = []
    for what, key, number, severity, passed_s in [*news, ("outage over", "halt", 0, "info", 0)]:
        at += timedelta(seconds=passed_s)
        if what == "end":
            outbox.take(Ended(at, (key,), "over"))
        elif what == "notice":
            seq += 1
            text = f"{key} {number}"
            outbox.take(notice(seq, text, severity, key=key, at=at))
            if severity == "critical":
                wanted.append(text)
        else:
            outbox.sum_up(at)
            while outbox.waiting:
                letter = write(
                    outbox.waiting, label="[PAPER] L", head="1:" + "ab" * 32, limit=limit
                )
                assert len(letter.title) + len(letter.whole) + 1 <= limit
                assert outbox.waiting[0] in letter.settles
                told += [(n.seq, n.text) for n in outbox.waiting if n in letter.settles]
                critical = [n for n in letter.settles if n.severity is Severity.CRITICAL]
                for each in critical:
                    assert each.text in letter.whole
                lines.append(letter.whole)
                outbox.settle(letter)
        # What is on disk is what is known.
        raw = msgspec.json.encode(outbox.memory)
        outbox = Outbox(msgspec.json.decode(raw, type=Memory))
        assert len(outbox.memory.told) <= NAMES_MAX
    whole = "\n".join(lines)
    assert all(text in whole for text in wanted)
    first = [s for s, text in told if "more time" not in text and not text.startswith("over:")]
    assert first == sorted(first)


def test_moments_keep_their_zone_on_disk() -> None:
    memory = Memory(waiting=[notice(1)], delivered_at=START)
    again = msgspec.json.decode(msgspec.json.encode(memory), type=Memory)
    assert again == memory
    assert isinstance(again.waiting[0].at, datetime)
    assert again.waiting[0].at.utcoffset() == timedelta(0)
