"""The true daemon at the true local broker, on a loop beside the test, for a page to look at."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from atlas_daemon.core import events as e
from tests.e2e.one_process import Scene, a_broker, living
from tests.test_app import settings_at

PATIENCE_S = 30.0
FILLED = ("CCC", "AAA", "BBB")
"""In the order in which the exchange lets them trade: what is sold, then what is bought."""


class _Loop(asyncio.SelectorEventLoop):
    """A loop beside the main thread's: it is sent no signals."""

    def add_signal_handler(self, *given: Any) -> None:
        pass

    def remove_signal_handler(self, sig: int) -> bool:
        return False


class Floor:
    """Daemon and broker on a loop of their own; time passes there only when somebody says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: Future[Scene] = Future()
        self._loop = _Loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),))
        self.booked: dict[str, float] = {}

    def __enter__(self) -> "Floor":
        self._thread.start()
        self.scene = self._ready.result(PATIENCE_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def does(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _live(self) -> None:
        self._end = asyncio.Event()
        try:
            async with a_broker("3000", {"CCC": 40}) as broker:
                settings = settings_at(self._folder, broker.broker.url)
                async with living(settings, broker, has_doors=True) as scene:
                    scene.daemon.subscribe(self._on_entries)
                    await scene.until(lambda: scene.daemon.url, step_s=0)
                    self._ready.set_result(scene)
                    await self._end.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def _on_entries(self, entries: Any) -> None:
        for entry in entries:
            if isinstance(entry.event, e.FillBooked):
                self.booked.setdefault(entry.event.symbol, time.monotonic())

    def trades(self, symbol: str, *, until: Callable[[], Any]) -> None:
        """Let a symbol trade, and time pass until something is so."""

        async def work() -> None:
            self.scene.trading(symbol, is_halted=False)
            await self.scene.until(until)

        self.does(work())

    async def rests(self) -> None:
        """Nothing trades; the slot falls due, and its first order rests."""
        for symbol in FILLED:
            self.scene.trading(symbol, is_halted=True)
        await self.scene.until(lambda: self.scene.has_order("sell-CCC"))
