"""An event loop on virtual time, and the one heap of moments that the world outside it lives by.

Nothing here waits: where nothing is ready the loop jumps to the next timer or to the world's next
moment, whichever comes first. Tasks run in the order they became ready, so a run can be repeated.
"""

import asyncio
import contextlib
import heapq
import itertools
from asyncio import base_events
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

STEPS_MAX = 3_000_000
"""More handles than this in one life of the daemon is a livelock."""


UNWIND_MAX = 50
"""What a coroutine of the dead may wait for while it ends."""


class BuriedError(BaseException):
    """What a coroutine of a dead process is ended with."""


class DeadlockError(RuntimeError):
    """Nothing is ready, no timer runs and the world has no further moment."""


class LivelockError(RuntimeError):
    """The budget of steps is spent."""


class Timeline:
    """The world's moments. It stands outside every loop: a process dies, its packets travel on."""

    def __init__(self, epoch: datetime) -> None:
        self.epoch = epoch
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._told = -1.0, epoch

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let something happen `delay_s` seconds from now."""
        heapq.heappush(self._heap, (self.now_s + delay_s, next(self._count), action))

    def at(self, moment: datetime, action: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        self.after((moment - self.moment()).total_seconds(), action)

    def next_s(self) -> float | None:
        """When the next thing happens; None where nothing does."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Let the next thing happen."""
        at_s, _, action = heapq.heappop(self._heap)
        self.now_s = max(self.now_s, at_s)
        action()

    def run_to(self, at_s: float) -> None:
        """Let everything happen that happens before `at_s`, with no process there to see it."""
        while self._heap and self._heap[0][0] <= at_s:
            self.step()
        self.now_s = max(self.now_s, at_s)

    def moment(self) -> datetime:
        """The true time of the world, aware, UTC."""
        if self._told[0] != self.now_s:  # asked for several times at each moment
            at = self.epoch + timedelta(microseconds=round(self.now_s * 1e6))
            self._told = self.now_s, at
        return self._told[1]


class CountedTask(asyncio.Task):
    """A task whose hash is its number: sets of tasks iterate in the same order in every run."""

    def __init__(self, *args: Any, number: int, **more: Any) -> None:
        self.number = number
        super().__init__(*args, **more)

    def __hash__(self) -> int:
        return self.number


class _Selector:
    """Stands where the loop keeps its selector; there is nothing to select."""

    def close(self) -> None:
        pass

    def get_map(self) -> dict[int, Any]:
        return {}


class VirtualLoop(base_events.BaseEventLoop):
    """One life of a process. `is_dead` is kill -9: not one more handle runs."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.timeline = timeline
        self.steps = 0
        self.is_dead = False
        self.signals: dict[int, Callable[[], object]] = {}
        self._selector = _Selector()
        self._numbers = itertools.count()
        self.set_task_factory(self._make_task)
        self.complaints: list[str] = []
        self.set_exception_handler(self._complain)

    def _make_task(self, loop: Any, coro: Any, **more: Any) -> CountedTask:
        return CountedTask(coro, loop=loop, number=next(self._numbers), **more)

    def _complain(self, loop: Any, context: dict[str, Any]) -> None:
        if not self.is_dead:  # the dead leave everything as it lay
            self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def time(self) -> float:
        return self.timeline.now_s

    def _run_once(self) -> None:
        """As in the base class, but time moves here and the deadline is compared exactly.

        The base class adds its clock's resolution to `now`: past 195 days that is lost in a
        float, and no timer would ever fire again.
        """
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(timers)._scheduled = False
        if not self._ready and not self._stopping:
            self._jump()
        now = self.timeline.now_s
        while timers and timers[0]._when <= now:
            handle = heapq.heappop(timers)
            handle._scheduled = False
            self._ready.append(handle)
        for _ in range(len(self._ready)):
            if self.is_dead:
                break
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()
                self.steps += 1
        if self.is_dead:
            self._stopping = True
        if self.steps > STEPS_MAX:
            raise LivelockError(f"over {STEPS_MAX} steps by {self.timeline.moment()}")

    def _jump(self) -> None:
        timer_s = self._scheduled[0]._when if self._scheduled else None
        world_s = self.timeline.next_s()
        if world_s is not None and (timer_s is None or world_s <= timer_s):
            self.timeline.step()
        elif timer_s is not None:
            self.timeline.now_s = max(self.timeline.now_s, timer_s)
        else:
            names = sorted(task.get_name() for task in asyncio.all_tasks(self))
            raise DeadlockError(f"deadlock at {self.timeline.moment()}: {names}")

    # What would leave the simulation.

    def _process_events(self, event_list: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        raise RuntimeError("a thread in the simulation")

    async def getaddrinfo(self, *args: Any, **more: Any) -> Any:
        raise RuntimeError("the real network in the simulation")

    # Signals, as the kernel would deliver them.

    def add_signal_handler(self, number: int, callback: Any, *args: Any) -> None:
        self.signals[number] = lambda: callback(*args)

    def remove_signal_handler(self, number: int) -> bool:
        return self.signals.pop(number, None) is not None

    def deliver(self, number: int) -> bool:
        """Send the process a signal; False where no handler stands."""
        handler = self.signals.get(number)
        if handler is None or self.is_dead:
            return False
        self.call_soon(handler)
        return True

    def bury(self) -> None:
        """Close what the dead process left, silently; its descriptors go as the kernel's would."""
        self.is_dead = True
        seen: set[asyncio.Task[Any]] = set()
        while left := asyncio.all_tasks(self) - seen:
            # A library's own tasks have no number; they wait for nothing that others end.
            for task in sorted(left, key=lambda task: -getattr(task, "number", 0)):
                seen.add(task)
                task._log_destroy_pending = False
                self._unwind(task.get_coro())
        self._ready.clear()
        self._scheduled.clear()
        if not self.is_closed():
            self._stopping = False
            self.close()

    def _unwind(self, coro: Any) -> None:
        """Let a coroutine run to its end, whatever it waits for on the way."""
        with contextlib.suppress(BaseException):  # the dead may run into their fence
            for _ in range(UNWIND_MAX):
                coro.throw(BuriedError())
