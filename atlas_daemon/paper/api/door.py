"""The port: opened, closed for a while where nobody is to listen, and opened again."""

from __future__ import annotations

from aiohttp import web


class Door:
    """One port of one runner. `port` 0 takes any, and keeps it from then on."""

    def __init__(self, runner: web.AppRunner, host: str, port: int) -> None:
        self._runner = runner
        self._host = host
        self._site: web.TCPSite | None = None
        self.port = port

    async def open(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        self._site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True)
        await self._site.start()
        self.port = int(self._runner.addresses[0][1])

    async def keep(self, *, is_open: bool) -> None:
        """Listen or not; what is connected stays so. Raises OSError, as `open`."""
        if is_open and self._site is None:
            await self.open()
        elif not is_open and self._site is not None:
            await self._site.stop()
            self._site = None
