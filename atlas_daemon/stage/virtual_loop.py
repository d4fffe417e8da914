"""An event loop on virtual time, and the one heap of moments that the world outside it lives by.

Nothing here waits: where nothing is ready the loop jumps to the next timer or to the world's next
moment, whichever comes first. Tasks run in the order they became ready, so a run can be repeated.
"""

import asyncio
import heapq
import itertools
from asyncio import base_events
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any


class DeadlockError(RuntimeError):
    """Nothing is ready, no timer runs and the world has no further moment."""


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


class CountedTask(asyncio.Task[Any]):
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
    """A loop whose time is a timeline's. `complaints` is what its exception handler was told."""

    # The base class's own, which it does not declare.
    _ready: "deque[asyncio.Handle]"
    _scheduled: list[Any]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.timeline = timeline
        self._selector = _Selector()
        self._numbers = itertools.count()
        self.set_task_factory(self._make_task)
        self.complaints: list[str] = []
        self.set_exception_handler(self._complain)

    def _make_task(self, loop: Any, coro: Any, **more: Any) -> CountedTask:
        return CountedTask(coro, loop=loop, number=next(self._numbers), **more)

    def _complain(self, loop: Any, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def time(self) -> float:
        """The timeline's seconds."""
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
        self._run_ready()

    def _run_ready(self) -> None:
        """Run what is ready now; what becomes ready meanwhile waits for the next time."""
        ready = self._ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

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

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Refuse: a thread would run on the machine's time."""
        raise RuntimeError("a thread in the simulation")

    async def getaddrinfo(self, *args: Any, **more: Any) -> Any:
        """Refuse: nothing leaves."""
        raise RuntimeError("the real network in the simulation")

    def add_signal_handler(  # type: ignore[override]
        self, number: int, callback: Any, *args: Any
    ) -> None:
        """Nobody signals a daemon on virtual time; whoever runs the loop is told of Ctrl-C."""

    def remove_signal_handler(self, number: int) -> bool:
        """See `add_signal_handler`."""
        return False
