"""What each drill judges by itself: the fault's bad outcome is planted, and its verdict is red."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime
from atlas_daemon.drillmaster import disks, kills, lines, stops
from atlas_daemon.drillmaster.books import Books
from atlas_daemon.drillmaster.master import DRILLS
from atlas_daemon.drillmaster.wire import Post
from tests.core.world import World, has, is_done
from tests.drillmaster.seen import (
    BUY,
    OTHER_BUY,
    SELL,
    books_of,
    good,
    reds,
    with_event,
    with_order,
    with_posts,
    without,
)
from tests.historian.journals import a_world

STRUCK = [name for *_, name in kills.INSTANTS]
EVERY = (SELL, BUY, OTHER_BUY)

# kill9


def test_kill9_is_green_after_four_kills_and_red_where_one_fell_out() -> None:
    assert reds(kills.judge(good(), STRUCK, 0)) == set()
    assert reds(kills.judge(good(), STRUCK[:3], 0)) == {"killed"}
    assert reds(kills.judge(good(), STRUCK, -9)) == {"end"}


def test_kill9_is_red_where_a_kill_lost_a_fill_or_sent_an_order_twice() -> None:
    lost = without(good(), e.FillBooked, BUY)
    assert "fills lost" in reds(kills.judge(lost, STRUCK, 0))
    again = with_posts(good(), Post(SELL, 9.0, status=422))
    assert reds(kills.judge(again, STRUCK, 0)) == {"sent twice"}


# The line.


def test_netcut_is_red_where_an_order_in_doubt_was_not_asked_after() -> None:
    cut = lines.Cut([BUY], 1, Decimal(30))
    assert reds(lines.judge_netcut(good(), cut, [BUY])) == set()
    assert reds(lines.judge_netcut(good(), cut, [])) == {"cut"}
    assert reds(lines.judge_netcut(good(), lines.Cut(), [BUY])) == {"cut"}, "nothing was cut"
    again = with_posts(good(), Post(BUY, 9.0, status=422))
    assert "sent twice" in reds(lines.judge_netcut(again, cut, [BUY]))


def _of_the_stream(books: Books) -> Books:
    fill = books.all(e.FillBooked)[0]
    told = e.OrderFilled(
        fill.order_id, "b-1", fill.symbol, fill.side, fill.qty, "x-1", fill.qty, fill.price,
        fill.filled_qty, fill.price, "filled",
    )  # fmt: skip
    return with_event(books, told)


def test_mute_stream_is_red_where_the_stream_spoke_or_a_fill_was_not_found() -> None:
    mute = without(good(), e.OrderFilled) if good().all(e.OrderFilled) else good()
    assert reds(lines.judge_mute(mute)) == set()
    assert reds(lines.judge_mute(_of_the_stream(mute))) == {"mute"}
    assert "fills lost" in reds(lines.judge_mute(without(mute, e.FillBooked, BUY)))


def test_429_is_red_where_nobody_waited_or_nothing_was_refused() -> None:
    def after(seconds: float) -> Books:
        refused = Post(BUY, 10.0, has_arrived=False, status=429, answered_at_s=10.0)
        return with_posts(good(), refused, Post(BUY, 10.0 + seconds, status=200))

    assert reds(lines.judge_429(after(lines.RETRY_AFTER_S + 0.1))) == set()
    assert reds(lines.judge_429(after(0.2))) == {"429"}
    assert reds(lines.judge_429(good())) == {"429"}


def test_accept504_is_red_where_an_order_was_sent_again_or_not_asked_after() -> None:
    posts = tuple(replace(p, status=504) if p.order_id == BUY else p for p in good().posts)
    doubted = replace(good(), posts=posts)
    assert reds(lines.judge_504(doubted, [BUY])) == set()
    assert reds(lines.judge_504(doubted, [])) == {"504"}
    assert reds(lines.judge_504(good(), [BUY])) == {"504"}, "nothing was answered 504"
    again = with_posts(doubted, Post(BUY, 9.0, status=200))
    assert reds(lines.judge_504(again, [BUY])) == {"504"}, "even where the broker takes it"


# CRASH.


def _resting() -> World:
    """A rebalance in which AAPL is bought and the buy of MSFT rests."""
    world = a_world()
    world.faults.fill = lambda symbol: "rest" if symbol == "MSFT" else "all"
    return world.run(lambda w: "AAPL" in w.held and OTHER_BUY in w.orders)


@cache
def _crashed() -> tuple[Books, stops.Crash]:
    """CRASH while the buy of MSFT rests: it is pulled, AAPL is sold."""
    world = _resting()
    told_at = world.now
    world.hear(e.RegimeReported(Regime.CRASH, date(2024, 1, 31), "test"))
    world.run(lambda w: not w.held and w.state.run is None)
    return books_of(world), stops.Crash(OTHER_BUY, told_at, 1, goes_to_cash=True)


CRASHED: dict[str, tuple[Callable[[Books], Books], set[str]]] = {
    "the buy stays open": (
        lambda books: with_order(books, OTHER_BUY, status="new"),
        {"buys cancelled"},
    ),
    "the buy filled": (
        lambda books: with_order(books, OTHER_BUY, filled_qty="3"),
        {"buys cancelled"},
    ),
    "nobody saw it cancelled": (
        lambda books: without(books, e.RegimeReported),
        {"buys cancelled"},
    ),
    "a sell is left": (
        lambda books: with_order(books, SELL, status="new"),
        {"sells finish"},
    ),
    "something is held": (
        lambda books: replace(books, positions={"AAPL": Decimal(3)}),
        {"cash", "books"},
    ),
    "a buy after the word": (
        lambda books: with_order(
            books, BUY, submitted_at=(_crashed()[1].told_at + timedelta(seconds=9)).isoformat()
        ),
        {"no buys"},
    ),
}


def test_crash_regime_is_green_where_buys_are_pulled_and_all_is_sold() -> None:
    books, crash = _crashed()
    assert reds(stops.judge_crash(books, crash)) == set()
    stay = replace(crash, goes_to_cash=False, held=1)
    assert reds(stops.judge_crash(books, stay)) == {"holdings stay"}, "react = none sells nothing"


@pytest.mark.parametrize("flaw", CRASHED)
def test_crash_regime_is_red_where(flaw: str) -> None:
    spoil, wanted = CRASHED[flaw]
    books, crash = _crashed()
    assert wanted <= reds(stops.judge_crash(spoil(books), crash))


# The emergency stop.


@cache
def _stopped() -> tuple[Books, stops.Stop]:
    """A rebalance that was stopped while a buy rested, and went on after a resume."""
    world = _resting()
    world.hear(e.StopRequested("operator", "a drill"))
    world.run(has(e.HaltCompleted))
    world.faults.fill = lambda symbol: "all"
    world.hear(e.ResumeRequested("operator"))
    world.run(is_done())
    return books_of(world), stops.Stop(
        resting=(OTHER_BUY,),
        seconds=0.4,
        latched=(True, True),
        is_latched=True,
        open_orders=0,
        left_halted=0,
        stays_halted=True,
    )


STOPPED: dict[str, tuple[dict[str, Any], str]] = {
    "a cancel went before the latch": ({"latched": (False, True)}, "latch first"),
    "no cancel went": ({"latched": ()}, "latch first"),
    "no latch": ({"is_latched": False}, "latch first"),
    "an order stayed open": ({"open_orders": 1}, "seen cancelled"),
    "an order was not cancelled": ({"resting": (OTHER_BUY, SELL)}, "seen cancelled"),
    "nothing rested": ({"resting": ()}, "seen cancelled"),
    "it took a minute": ({"seconds": 60.0}, "seen cancelled"),
    "an order left while halted": ({"left_halted": 1}, "stays halted"),
    "a restart traded": ({"stays_halted": False}, "stays halted"),
}


def test_estop_is_green_where_all_was_seen_cancelled_and_a_person_resumed() -> None:
    books, stop = _stopped()
    assert reds(stops.judge_stop(books, stop)) == set()
    assert reds(stops.judge_stop(without(books, e.TradingResumed), stop)) == {"resumed"}


@pytest.mark.parametrize("flaw", STOPPED)
def test_estop_is_red_where(flaw: str) -> None:
    changes, wanted = STOPPED[flaw]
    books, stop = _stopped()
    assert reds(stops.judge_stop(books, replace(stop, **changes))) == {wanted}


# Disks.


def test_restore_is_red_where_an_order_was_not_taken_over_or_left_again() -> None:
    seen = disks.Restored(EVERY, EVERY, 0, len(good().posts))
    assert reds(disks.judge_restored(good(), seen)) == set()
    missed = replace(seen, taken_over=EVERY[1:])
    assert reds(disks.judge_restored(good(), missed)) == {"taken over"}
    assert reds(disks.judge_restored(good(), replace(seen, again=1))) == {"taken over"}
    nothing = replace(seen, before=(), taken_over=())
    assert "taken over" in reds(disks.judge_restored(good(), nothing)), "nothing to restore"
    posted = with_posts(good(), Post("atlas-2024-02-r2-buy-AAPL-1", 9.0, status=200))
    assert reds(disks.judge_restored(posted, seen)) == {"not again"}
    assert "not again" in reds(disks.judge_restored(good(), replace(seen, before=EVERY[1:])))


FULL = disks.Full(
    "a small disk",
    "cannot be written",
    filled=2,
    left=0,
    seconds=0.3,
    open_orders=0,
    was_durable=False,
    is_latched=True,
)
FULLS: dict[str, tuple[dict[str, Any], str]] = {
    "the disk was never full": ({"fault": ""}, "full"),
    "an order left": ({"left": 1}, "nothing leaves"),
    "no order was to leave anyway": ({"filled": 0}, "nothing leaves"),
    "an order stayed open": ({"open_orders": 1}, "stop works"),
    "the stop took a minute": ({"seconds": 60.0}, "stop works"),
    "it said it was durable": ({"was_durable": True}, "stop works"),
    "the stop was forgotten": ({"is_latched": False}, "kept"),
}


def _halted() -> Books:
    return with_event(good(), e.TradingHalted("SIGUSR1", "signal"))


def test_diskfull_is_green_where_nothing_left_and_the_stop_worked() -> None:
    assert reds(disks.judge_full(_halted(), FULL)) == set()
    assert reds(disks.judge_full(good(), FULL)) == {"kept"}, "no stop on record"
    assert "fills lost" in reds(disks.judge_full(without(_halted(), e.FillBooked, SELL), FULL))


@pytest.mark.parametrize("flaw", FULLS)
def test_diskfull_is_red_where(flaw: str) -> None:
    changes, wanted = FULLS[flaw]
    assert reds(disks.judge_full(_halted(), replace(FULL, **changes))) == {wanted}


def test_every_drill_that_was_asked_for_is_there() -> None:
    assert list(DRILLS) == [
        *("kill9", "netcut", "mute-stream", "429", "accept504"),
        *("crash-regime", "estop", "restore", "diskfull"),
    ]
