"""The local broker's composition root: desk, endpoints and stream on one port, and the tick."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from atlas_daemon.paper.api import admin, data_api, events, history, ledger, reference, rest
from atlas_daemon.paper.api.door import Door
from atlas_daemon.paper.api.gate import DESK, LIMITS, gate
from atlas_daemon.paper.api.patience import patient_runner
from atlas_daemon.paper.api.stream import SWITCHBOARD, Switchboard, stream
from atlas_daemon.paper.desk import Desk, PaperConfig
from atlas_daemon.paper.page import page

__all__ = ["PaperConfig", "RemoteHostError", "RunningBroker", "application", "serve", "start"]

BODY_MAX = 64 * 1024
SAVE_EVERY_S = 1.0


class RemoteHostError(Exception):
    """The broker was asked to listen beyond this machine. Its text is one line for a person."""


@dataclass
class RunningBroker:
    """A broker that listens: its addresses, the default account's key, and how to stop it."""

    url: str
    stream_url: str
    host: str
    port: int
    key: str
    secret: str
    desk: Desk
    _runner: web.AppRunner
    _tick: asyncio.Task[None]

    async def wait(self) -> None:
        """Until the broker ends; raises what ended it."""
        await asyncio.shield(self._tick)

    async def stop(self) -> None:
        """Say farewell to the listeners, close the port, save the state.

        Raises what ended the tick, if something did.
        """
        self._tick.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._tick
        finally:
            self._runner.app[events.EVENTS].close_all()
            await self._runner.app[SWITCHBOARD].close_all()
            await self._runner.cleanup()
            self.desk.settle()
            self.desk.close()


async def start(config: PaperConfig) -> RunningBroker:
    """Start a broker and return once it listens.

    Raises RemoteHostError for a host beyond loopback without `allow_remote`, StateFileError for a
    state file that cannot be read, OSError where the port is taken.
    """
    if not config.allow_remote and not _is_loopback(config.host):
        raise RemoteHostError(
            f"paper: host {config.host} is reachable from outside; use 127.0.0.1 or allow it"
        )
    desk = Desk(config)
    runner = patient_runner(application(desk), config.patience_s)
    await runner.setup()
    door = Door(runner, config.host, config.port)
    try:
        await door.open()
    except OSError:
        await runner.cleanup()
        desk.close()
        raise
    port = door.port
    host = f"[{config.host}]" if ":" in config.host else config.host
    return RunningBroker(
        url=f"http://{host}:{port}",
        stream_url=f"ws://{host}:{port}/stream",
        host=config.host,
        port=port,
        key=desk.key,
        secret=desk.exchange.by_key[desk.key].secret,
        desk=desk,
        _runner=runner,
        _tick=asyncio.create_task(_tick(desk, door), name="paper-tick"),
    )


async def serve(config: PaperConfig, on_ready: Callable[[RunningBroker], None]) -> None:
    """Run a broker until cancelled; `on_ready` is told once it listens."""
    broker = await start(config)
    try:
        on_ready(broker)
        await broker.wait()
    finally:
        await broker.stop()


def application(desk: Desk, around: Iterable[Middleware] = ()) -> web.Application:
    """Return endpoints and stream of a desk; `around` sees each request before the gate does."""
    app = web.Application(middlewares=[*around, gate], client_max_size=BODY_MAX)
    app[DESK] = desk
    app[LIMITS] = {}
    app[SWITCHBOARD] = Switchboard(desk)
    app[events.EVENTS] = events.EventBook(desk)
    for part in (rest, ledger, history, reference, data_api, events, admin, page):
        app.add_routes(part.routes())
    app.add_routes([web.get("/stream", stream), web.get("/stream/", stream)])
    return app


async def _tick(desk: Desk, door: Door) -> None:
    """Keep the exchange at the clock's time, and the state file at the exchange's."""
    while True:
        desk.settle()
        await door.keep(is_open=desk.console.is_reachable)
        if desk.save(every_s=SAVE_EVERY_S):
            await asyncio.to_thread(desk.sync)
        await asyncio.sleep(desk.config.tick_s)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
