"""A stop on a disk that takes nothing: what follows it happens in memory, and is written later."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from atlas_daemon import bus
from atlas_daemon.bus import Committed
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from tests.test_bus import MORNING, Desk

STOP = e.StopRequested("ann", "drill")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Desk]:
    """A desk that was stopped while its disk was full."""
    made = Desk(tmp_path)
    made.boot()
    made.told: list[Committed] = []
    made.bus.watch(lambda told: told.turn.entries and made.told.append(told))
    made.journal.is_full = True
    made.bus.hear(STOP)
    made.settle()
    yield made
    made.journal.journal.close()


def test_it_completes_in_memory_and_says_what_is_missing(full: Desk) -> None:
    assert full.state.halt.missing == {"journal"}
    full.take(full.snapshot(full.clock.now()))
    assert full.state.halt.is_complete
    full.take(e.Ticked())
    assert fx.SuspendTrading(is_on=True) in full.effects
    assert full.told == [], "watchers are told of what is on disk"


def test_all_of_it_is_written_in_order_and_told_once_the_disk_takes_it(full: Desk) -> None:
    full.take(full.snapshot(full.clock.now()))
    lived = full.state
    full.journal.is_full = False
    full.take(e.Ticked())  # nothing else has to happen for it
    full.settle()
    assert full.bus.fault == ""
    kinds = full.kinds()
    wanted = ["StopRequested", "TradingHalted", "HaltDurabilityChanged", "HaltCompleted"]
    places = [kinds.index(kind) for kind in wanted]
    assert places == sorted(places)
    assert full.state.halt.is_durable
    assert [type(x.event).__name__ for x in full.told][:2] == ["StopRequested", "LatchFailed"]
    assert full.a_bus().state.halt == full.state.halt
    assert full.a_bus().state.seq >= lived.seq


def test_no_order_leaves_unwritten_not_even_a_flattens(full: Desk, monkeypatch) -> None:
    before = full.state

    def sends(state, event, at, policy):
        turn = take_turn(state, event, at, policy)
        return bus.Turn(turn.state, turn.entries, (*turn.effects, fx.SubmitOrder(None)))

    take_turn = bus.take_turn
    monkeypatch.setattr(bus, "take_turn", sends)
    full.take(e.FrameUnread("any turn that is written", ""))
    assert full.sent() == []
    assert full.state == before


def test_a_resume_waits_for_the_disk(full: Desk) -> None:
    full.take(e.ResumeRequested("ann"))
    assert full.state.halt is not None
    assert full.latch.is_on()


def test_after_a_resume_the_fence_is_open_again(full: Desk) -> None:
    full.journal.is_full = False
    full.take(e.ResumeRequested("ann"))
    full.settle()
    assert full.state.halt is None
    assert full.bus.is_stop_heard is False


def test_what_is_held_has_an_end_but_never_for_a_stop(full: Desk, monkeypatch) -> None:
    monkeypatch.setattr(bus, "HELD_MAX", 2)
    seq = full.state.seq
    full.take(e.FrameUnread("one too many", ""))
    assert full.state.seq == seq
    full.take(STOP)
    assert full.state.seq > seq


def test_a_halt_that_was_written_before_the_disk_filled_stays_durable(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.boot()
    desk.take(STOP)
    desk.settle()
    desk.journal.is_full = True
    desk.take(e.FrameUnread("any turn that is written", ""))
    desk.settle()
    assert desk.state.halt.is_durable
    desk.journal.journal.close()


def test_a_crash_is_written_straight_to_the_journal(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.boot()
    desk.journal.head = desk.journal.journal.head
    desk.bus.write_crash("KeyError: 'x' at bus.py:1")
    assert desk.on_disk()[-1].event == e.DaemonCrashed("KeyError: 'x' at bus.py:1")
    desk.journal.is_full = True
    desk.bus.write_crash("again")  # best effort: nothing is raised
    desk.journal.journal.close()


# An answer that the disk does not take.


def test_s073_an_answer_that_cannot_be_written_is_not_taken_and_the_order_not_forgotten(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.play_broker()
    desk.boot()
    desk.settle()
    answers: list[fx.Effect] = []
    play = desk.on_effect

    def hold_answers(effect: fx.Effect) -> None:
        (answers.append if isinstance(effect, fx.SubmitOrder) else play)(effect)

    desk.on_effect = hold_answers
    desk.clock.at = MORNING + timedelta(minutes=4, seconds=50)
    desk.until(lambda: answers)
    sent = len(desk.sent())
    desk.journal.is_full = True  # the broker takes them, and its word finds a full disk
    desk.on_effect = play
    for effect in answers:
        play(effect)
    desk.settle()
    assert desk.bus.fault
    assert {str(order.status) for order in desk.state.orders.values()} == {"sending"}
    for _ in range(50):
        desk.clock.at += timedelta(seconds=1)
        desk.take(e.Ticked())
        desk.settle()
    assert len(desk.sent()) == sent, "nothing more leaves"
    assert len(desk.state.orders) == sent
    again = desk.a_bus().state
    assert set(again.orders) == set(desk.state.orders), "the next process knows them too"
    desk.journal.is_full = False
    asked_before = len(desk.effects)
    desk.until(lambda: desk.state.orders == {} or asked(desk, asked_before), ticks=100)
    assert asked(desk, asked_before), "what they became is asked for by id"
    desk.journal.journal.close()


def asked(desk: Desk, since: int) -> set[str]:
    return {str(x.order_id) for x in desk.effects[since:] if isinstance(x, fx.FetchOrder)}
