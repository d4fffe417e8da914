import asyncio
import signal
from datetime import UTC, datetime

import pytest

from tests.simulation.loop import DeadlockError, Timeline, VirtualLoop

EPOCH = datetime(2024, 2, 1, tzinfo=UTC)
HALF_A_YEAR_S = 200 * 86400


def lived(main, timeline: Timeline | None = None):
    loop = VirtualLoop(timeline or Timeline(EPOCH))
    try:
        return loop.run_until_complete(main), loop
    finally:
        loop.bury()


def test_two_hundred_days_pass_at_once_and_short_timers_still_fire() -> None:
    async def main() -> float:
        await asyncio.sleep(HALF_A_YEAR_S)
        await asyncio.sleep(0.001)
        return asyncio.get_running_loop().time()

    passed, _ = lived(main())
    assert passed == pytest.approx(HALF_A_YEAR_S + 0.001)


def test_the_worlds_moments_and_the_daemons_timers_share_one_time() -> None:
    timeline, told = Timeline(EPOCH), []
    timeline.after(2, lambda: told.append("world"))

    async def main() -> None:
        await asyncio.sleep(1)
        told.append("early")
        await asyncio.sleep(2)
        told.append("late")

    lived(main(), timeline)
    assert told == ["early", "world", "late"]


def test_a_program_that_waits_for_nothing_is_told_so() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="deadlock at 2024-02-01"):
        lived(main())


def test_a_killed_process_runs_not_one_more_handle() -> None:
    told = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(told.append, "never")
        loop.is_dead = True
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="Event loop stopped"):
        lived(main())
    assert told == []


def test_a_signal_finds_its_handler_in_the_loop_and_none_where_none_stands() -> None:
    async def main() -> tuple[bool, bool]:
        loop = asyncio.get_running_loop()
        early = loop.deliver(signal.SIGUSR1)
        heard = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        late = loop.deliver(signal.SIGUSR1)
        await heard.wait()
        return early, late

    (early, late), _ = lived(main())
    assert (early, late) == (False, True)


def test_sets_of_tasks_iterate_in_the_order_of_their_making() -> None:
    async def main() -> list[str]:
        async def nothing() -> None:
            await asyncio.sleep(1)

        tasks = {asyncio.create_task(nothing(), name=str(n)) for n in range(9)}
        await asyncio.wait(tasks)
        return [task.get_name() for task in tasks]

    first, _ = lived(main())
    assert first == lived(main())[0]
