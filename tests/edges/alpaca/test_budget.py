import pytest

from atlas_daemon.edges.alpaca.budget import RequestBudget
from tests.edges.stub import HandClock


def a_budget(clock: HandClock, **changes: int) -> RequestBudget:
    limits = {"per_minute": 10, "cancel_reserve": 2} | changes
    return RequestBudget(**limits, clock=clock, sleep=clock.sleep)


def test_the_reserve_is_only_for_cancels() -> None:
    budget = a_budget(HandClock())
    assert [budget.try_acquire() for _ in range(8)] == [0.0] * 8
    assert budget.try_acquire() == 60.0
    assert [budget.try_acquire(is_cancel=True) for _ in range(2)] == [0.0, 0.0]
    assert budget.try_acquire(is_cancel=True) == 60.0


def test_no_minute_however_cut_holds_more_than_the_limit() -> None:
    clock = HandClock()
    budget = a_budget(clock)
    taken = []
    for _ in range(400):
        if budget.try_acquire(is_cancel=True) == 0.0:
            taken.append(clock.now)
        clock.now += 1.7
    assert len(taken) > 100
    assert all(later - earlier >= 60 for earlier, later in zip(taken, taken[10:], strict=False))


@pytest.mark.asyncio
async def test_acquire_waits_until_the_oldest_token_is_back() -> None:
    clock = HandClock()
    budget = a_budget(clock)
    for _ in range(8):
        await budget.acquire()
        clock.now += 1
    await budget.acquire()
    assert clock.slept == [pytest.approx(52.01)]


def test_s121_a_pause_holds_everybody_but_cancels() -> None:
    clock = HandClock()
    budget = a_budget(clock)
    budget.pause(7)
    budget.pause(3)
    assert budget.try_acquire() == 7
    assert budget.try_acquire(is_cancel=True) == 0.0
    clock.now += 7
    assert budget.try_acquire() == 0.0


def test_the_brokers_own_count_narrows_ours_until_it_resets() -> None:
    clock = HandClock()
    budget = a_budget(clock)
    budget.heed(3, 200, 20)
    assert budget.try_acquire() == 0.0
    assert budget.try_acquire() == 20
    assert budget.try_acquire(is_cancel=True) == 0.0
    clock.now += 20
    assert budget.try_acquire() == 0.0


def test_a_count_without_a_reset_holds_for_a_minute_at_most() -> None:
    clock = HandClock()
    budget = a_budget(clock)
    budget.heed(0, None, None)
    assert budget.try_acquire() == 60
    budget.heed(0, None, 9999)
    assert budget.try_acquire() == 60


def test_a_broker_with_a_small_limit_is_not_starved_by_our_reserve() -> None:
    budget = a_budget(HandClock(), per_minute=200, cancel_reserve=20)
    budget.heed(4, 5, 60)
    assert [budget.try_acquire() for _ in range(4)] == [0.0] * 4
    assert budget.try_acquire() == 60


def test_a_reserve_as_large_as_the_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="cancel_reserve 10"):
        RequestBudget(10, 10)


@pytest.mark.asyncio
async def test_without_a_clock_the_loops_time_counts() -> None:
    assert RequestBudget().try_acquire() == 0.0
