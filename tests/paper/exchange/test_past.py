"""Lists out of a long history: the same as by walking through all of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.orders import Activity, Order
from atlas_daemon.paper.exchange.past import activities_within, orders_within
from atlas_daemon.paper.wire import moment_ns
from tests.paper.world import NOON, World

STEPS = st.lists(st.integers(0, 3), max_size=12)
MOMENTS = st.none() | st.integers(-2_000, 30_000) | st.sampled_from([-(10**30), 10**30])
DIRECTIONS = st.sampled_from(["asc", "desc"])
NOON_NS = moment_ns(NOON)


def an_account(steps: list[int]) -> Account:
    """Orders and activities so many microseconds apart."""
    first = World().submit()
    account = Account("a", "n", "k", "s", Decimal(1), NOON)
    at = NOON
    for seq, step in enumerate(steps, 1):
        at += timedelta(microseconds=step)
        one = replace(first, id=str(seq), client_order_id=str(seq), seq=seq, submitted_at=at)
        account.add(one)
        account.activities.append(Activity(f"id{seq}", "FILL", at))
    return account


def ns(offset: int | None) -> int | None:
    return None if offset is None else NOON_NS + offset


@given(STEPS, DIRECTIONS, st.integers(0, 13), st.integers(0, 13), MOMENTS, MOMENTS)
def test_orders_between_bounds(steps, direction, first, last, after, until):
    account = an_account(steps)

    def is_wanted(order: Order) -> bool:
        at = moment_ns(order.submitted_at, order.salt)
        return (
            first < order.seq < last
            and (after is None or at > NOON_NS + after)
            and (until is None or at < NOON_NS + until)
        )

    every = list(account.orders.values())
    wanted = [order for order in every if is_wanted(order)]
    found = list(orders_within(account, direction, (first, last), ns(after), ns(until)))
    assert all(first < order.seq < last for order in found)
    found = [order for order in found if is_wanted(order)]
    assert found == (wanted if direction == "asc" else wanted[::-1])


@given(STEPS, DIRECTIONS, st.integers(-1, 13), MOMENTS, MOMENTS)
def test_activities_between_bounds_and_behind_a_token(steps, direction, token, after, until):
    account = an_account(steps)
    every = account.activities if direction == "asc" else account.activities[::-1]
    ids = [entry.id for entry in every]
    name = f"id{token}" if token >= 0 else ""
    if name:
        every = every[ids.index(name) + 1 :] if name in ids else []
    wanted = [
        entry
        for entry in every
        if (after is None or moment_ns(entry.at) > NOON_NS + after)
        and (until is None or moment_ns(entry.at) < NOON_NS + until)
    ]
    found = activities_within(account, name, direction, ns(after), ns(until))
    kept = [
        entry
        for entry in found
        if (after is None or moment_ns(entry.at) > NOON_NS + after)
        and (until is None or moment_ns(entry.at) < NOON_NS + until)
    ]
    assert kept == wanted


def test_a_bound_far_from_all_leaves_nothing_to_walk_through():
    account = an_account([1] * 10)
    late = moment_ns(datetime(2030, 1, 1, tzinfo=UTC))
    assert list(orders_within(account, "desc", (0, 99), late, None)) == []
    assert list(activities_within(account, "", "asc", late, None)) == []
    assert list(orders_within(account, "asc", (3, 5), None, None)) == [account.orders["4"]]
