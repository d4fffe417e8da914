"""An event loop on real sockets whose time stands still while there is anything to do.

Where nothing is ready it jumps to the next timer. So a minute of waiting costs no minute, and
timeouts of daemon and broker keep their proportions, however slow the machine is.
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

SETTLE_S = 0.00005
"""What one process writes to itself is there at once; this is for what the kernel still does."""


class _Patient(selectors.DefaultSelector):
    """Waits for nothing but threads; otherwise moves its loop's time on."""

    loop: "FastLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        time.sleep(SETTLE_S)
        events = super().select(0)
        if events:
            return events
        if self.loop.threads or timeout is None:
            return super().select(0.01)
        self.loop.now_s += timeout
        return []


class FastLoop(asyncio.SelectorEventLoop):
    """One run's loop; `now_s` is its time."""

    def __init__(self) -> None:
        selector = _Patient()
        selector.loop = self
        self.now_s = 0.0
        self.threads = 0
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, future: Any) -> None:
        self.threads -= 1
