"""How the doctor asks: whatever is asked ends, and what blocks is done beside the loop.

Nothing is asked or judged here.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Generic, TypeVar

from atlas_daemon.doctor.asking import Reply, put

T = TypeVar("T")

LEAST_S = 0.1


class Asker:
    """Puts questions, all of which end within `whole_s` seconds of its making."""

    def __init__(self, whole_s: float) -> None:
        self._ends_s = asyncio.get_running_loop().time() + whole_s

    async def put(self, question: Awaitable[T], deadline_s: float) -> Reply[T]:
        """Return the answer, or why there is none, within `deadline_s` seconds."""
        left_s = self._ends_s - asyncio.get_running_loop().time()
        return await put(question, max(LEAST_S, min(deadline_s, left_s)))

    async def have(self, work: Callable[[], T], deadline_s: float) -> Reply[T]:
        """The same of what blocks."""
        return await self.put(in_thread(work), deadline_s)


async def in_thread(work: Callable[[], T]) -> T:
    """Have something done that blocks. What hangs is left behind: the process ends without it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    threading.Thread(target=_Errand(work, loop, done), daemon=True).start()
    return await done


class _Errand(Generic[T]):
    """Carries what comes of the work, an answer or an error, from its thread to the loop."""

    def __init__(
        self, work: Callable[[], T], loop: asyncio.AbstractEventLoop, done: "asyncio.Future[T]"
    ) -> None:
        self._work, self._loop, self._done = work, loop, done

    def __call__(self) -> None:
        with self:
            self._tell(partial(self._done.set_result, self._work()))

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            self._tell(partial(self._done.set_exception, error))
        return True

    def _tell(self, settle: Callable[[], None]) -> None:
        def settled() -> None:
            if not self._done.done():
                settle()

        with contextlib.suppress(RuntimeError):  # the loop is over: nobody asks any more
            self._loop.call_soon_threadsafe(settled)
