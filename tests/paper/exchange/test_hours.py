"""The day's phases and bells, and what orders do in them: extended hours, half days, old age."""

from datetime import UTC, datetime, timedelta

import pytest

from atlas_daemon.paper.exchange import hours
from atlas_daemon.paper.exchange.hours import Phase
from atlas_daemon.paper.market.calendar import Calendar
from tests.paper.world import CLOSE, EVENING, NEXT_OPEN, NOON, OPEN, SECOND, World

CALENDAR = Calendar()
HALF_DAY = datetime(2024, 11, 29, 15, 0, tzinfo=UTC)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of February 2024, by New York's clock (five hours behind)."""
    return datetime(2024, 2, day, tzinfo=UTC) + timedelta(hours=hour + 5, minutes=minute)


@pytest.mark.parametrize(
    ("moment", "phase", "bell"),
    [
        (at(1, 3, 59), Phase.CLOSED, at(1, 4)),
        (at(1, 4), Phase.EARLY, at(1, 9, 30)),
        (at(1, 9, 30), Phase.REGULAR, at(1, 16)),
        (at(1, 16), Phase.LATE, at(1, 16, 15)),
        (at(1, 16, 15), Phase.LATE, at(1, 20)),
        (at(1, 20), Phase.CLOSED, at(2, 4)),
        (at(2, 20), Phase.CLOSED, at(5, 4)),
        (at(3, 12), Phase.CLOSED, at(5, 4)),
    ],
)
def test_a_day_has_its_phases_and_bells(moment, phase, bell):
    assert hours.phase_at(CALENDAR, moment) is phase
    assert hours.next_bell(CALENDAR, moment) == bell


def test_a_half_days_evening_ends_at_five():
    bells = [HALF_DAY]
    while bells[-1].date() == HALF_DAY.date():
        bells.append(hours.next_bell(CALENDAR, bells[-1]))
    assert [f"{bell - timedelta(hours=5):%H:%M}" for bell in bells[1:4]] == [
        "13:00",
        "16:15",
        "17:00",
    ]


def extended(world: World, **changes: object):
    return world.submit(
        **({"type": "limit", "limit_price": "101", "extended_hours": True} | changes)
    )


@pytest.mark.parametrize("starts_at", [at(1, 4), at(1, 9, 29), NOON, at(1, 16), at(1, 19, 59)])
def test_an_extended_order_trades_from_four_to_eight(starts_at):
    world = World(starts_at=starts_at)
    order = extended(world)
    assert order.status == "pending_new"
    assert order.expires_at == at(1, 20)
    world.wait(20)
    assert world.events(order) == ["new", "fill"]


@pytest.mark.parametrize("starts_at", [at(1, 3, 59), at(1, 20), at(3, 12)])
def test_at_night_an_extended_order_waits_for_four(starts_at):
    world = World(starts_at=starts_at)
    order = extended(world)
    assert order.status == "accepted"
    morning = hours.next_bell(CALENDAR, starts_at)
    assert order.expires_at == morning + timedelta(hours=16)
    world.go_to(morning + 20 * SECOND)
    assert world.events(order) == ["accepted", "new", "fill"]


@pytest.mark.parametrize("starts_at", [at(1, 5), at(1, 17)])
def test_other_orders_wait_for_the_session(starts_at):
    world = World(starts_at=starts_at)
    order = world.submit(type="limit", limit_price="101")
    assert order.status == "accepted"
    world.go_to(CALENDAR.next_open(starts_at) - SECOND)
    assert world.events(order) == ["accepted"]
    world.wait(20)
    assert world.events(order) == ["accepted", "new", "fill"]


def test_an_extended_day_order_outlives_the_close_and_expires_in_the_evening():
    world = World()
    order = extended(world, limit_price="80")
    world.go_to(CLOSE + SECOND)
    assert order.status == "new"
    world.go_to(at(1, 20))
    assert (order.status, order.expired_at) == ("expired", at(1, 20))


def test_an_extended_order_is_matched_with_the_evenings_quotes():
    world = World()
    order = extended(world, limit_price="80", time_in_force="gtc")
    world.market.move("SPY", at(1, 17), "79.00", "79.50")
    world.go_to(at(1, 17, 1))
    assert order.status == "filled"
    assert at(1, 17) <= order.filled_at < at(1, 17, 1)


def test_a_resting_order_of_the_session_sleeps_in_the_evening():
    world = World()
    order = world.submit(type="limit", limit_price="80", time_in_force="gtc")
    extended(world, limit_price="70")
    world.market.move("SPY", at(1, 17), "79.00", "79.50")
    world.go_to(NEXT_OPEN - SECOND)
    assert order.status == "new"
    world.go_to(NEXT_OPEN + 20 * SECOND)
    assert order.status == "filled"


def test_a_day_order_expires_at_the_close_of_a_half_day():
    world = World(starts_at=HALF_DAY)
    order = world.submit(type="limit", limit_price="80")
    auction = world.submit(time_in_force="cls")
    assert order.expires_at == HALF_DAY + timedelta(hours=3)
    world.go_to(order.expires_at)
    assert (order.status, world.events(order)) == ("expired", ["new", "expired"])
    assert auction.status == "filled"


def test_a_gtc_order_is_cancelled_for_its_age_after_ninety_days():
    world = World()
    order = world.submit(type="limit", limit_price="80", time_in_force="gtc")
    aged = datetime(2024, 5, 1, 20, 15, tzinfo=UTC)
    assert order.expires_at == aged
    world.go_to(aged - SECOND)
    assert order.status == "new"
    world.go_to(aged)
    assert order.status == "pending_cancel"
    world.wait()
    assert world.events(order) == ["new", "canceled"]


def test_an_auction_order_sent_at_night_is_for_the_next_session():
    world = World(starts_at=at(1, 20))
    opening, closing = world.submit(time_in_force="opg"), world.submit(time_in_force="cls")
    world.go_to(NEXT_OPEN + SECOND)
    assert (opening.status, closing.status) == ("filled", "new")
    assert NEXT_OPEN < opening.filled_at < NEXT_OPEN + SECOND
    world.go_to(CALENDAR.next_close(NEXT_OPEN))
    assert closing.status == "filled"


def test_an_auction_order_whose_limit_is_missed_expires():
    world = World()
    order = world.submit(time_in_force="cls", type="limit", limit_price="80")
    world.go_to(CLOSE)
    assert world.events(order) == ["new", "expired"]


def test_immediate_orders_of_the_evening_are_tried_at_the_open():
    world = World(starts_at=EVENING)
    hits = world.submit(time_in_force="ioc")
    misses = world.submit(time_in_force="fok", type="limit", limit_price="80")
    world.go_to(NEXT_OPEN + SECOND)
    assert (hits.status, misses.status) == ("filled", "canceled")


def test_a_broker_that_starts_before_the_open_begins_the_day_all_the_same():
    world = World(starts_at=OPEN - timedelta(hours=1), holdings={"SPY": "5"})
    order = extended(world, limit_price="80")
    world.wait()
    assert order.status == "new"
    world.go_to(OPEN)
    assert world.exchange.engine.begun_on == OPEN.date()
