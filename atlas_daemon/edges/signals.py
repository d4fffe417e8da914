"""Signals of the operating system: held back until somebody can take them, and again at the end.

Lives here: which signals ask for an end or a stop, and who takes them when. May not live here: what
they mean.

Between the start of the process and its handlers, and between its handlers and its end, a stop must
neither kill nor get lost. The kernel holds it back then, and whoever runs the process asks
`signals_held` as the last thing it does. A signal goes to any thread that does not hold it back, so
at the end a handler stands as well that only takes note.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping

HELD = frozenset({signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""The emergency stop, the two that ask for an end, and the one that asks for a reload."""
TURNS = 3
"""Turns of the loop from a signal that was caught to its handler: woken, read, called."""

Handler = Callable[[], object]

_noted: set[int] = set()


def hold_signals() -> None:
    """Hold them back until there is somebody to take them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def signals_held() -> set[int]:
    """Return which came and were taken by nobody."""
    return {number for number in HELD if number in _noted or number in signal.sigpending()}


class Signals:
    """Who takes which signal of this process."""

    def __init__(self) -> None:
        self._taken: list[int] = []
        self._held: set[int] = set()

    def take(self, handlers: Mapping[signal.Signals, Handler]) -> None:
        """Let the running loop call these from here on; what was held back comes now."""
        loop = asyncio.get_running_loop()
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
            self._taken.append(number)
        held = signal.pthread_sigmask(signal.SIG_UNBLOCK, set(handlers))
        self._held |= held & HELD & set(handlers)

    async def close(self) -> None:
        """Hold back again what was held back before; what was caught by now is still taken."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self._held)
        for number in self._taken:
            if number in self._held:  # the loop takes its own handler away as it ends
                signal.signal(number, _note)
        # Only now: what a thread catches after these turns the loop may tell nobody: it is noted.
        for _ in range(TURNS):
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        for number in self._taken:
            if number not in self._held:
                loop.remove_signal_handler(number)
        self._taken.clear()


def _note(number: int, _frame: object) -> None:
    _noted.add(number)
