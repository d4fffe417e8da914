"""A virtual loop that may be killed: one life of a process, on the world's timeline.

The loop and the timeline are the package's own (`atlas_daemon.stage`); here is what a death is.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from atlas_daemon.stage import virtual_loop
from atlas_daemon.stage.virtual_loop import CountedTask, DeadlockError, Timeline

__all__ = [
    "BuriedError",
    "CountedTask",
    "DeadlockError",
    "LivelockError",
    "Timeline",
    "VirtualLoop",
]

STEPS_MAX = 3_000_000
"""More handles than this in one life of the daemon is a livelock."""


UNWIND_MAX = 50
"""What a coroutine of the dead may wait for while it ends."""


class BuriedError(BaseException):
    """What a coroutine of a dead process is ended with."""


class LivelockError(RuntimeError):
    """The budget of steps is spent."""


class VirtualLoop(virtual_loop.VirtualLoop):
    """One life of a process. `is_dead` is kill -9: not one more handle runs."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(timeline)
        self.steps = 0
        self.is_dead = False
        self.signals: dict[int, Callable[[], object]] = {}

    def _complain(self, loop: Any, context: dict[str, Any]) -> None:
        if not self.is_dead:  # the dead leave everything as it lay
            super()._complain(loop, context)

    def _run_ready(self) -> None:
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
