"""The pool of connections to the broker: what aiohttp's own does not see to.

A connection into which something came that nobody asked for is not used again, and a request is
asked for at its first byte. Requests and their meaning live in `transport`.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from atlas_daemon.core.errors import AtlasError

Gate = Callable[[], None]
"""Asked on a connection that stands and again before the first byte; raises to hold it back."""

asked_for: ContextVar[Gate | None] = ContextVar("asked_for", default=None)
"""The gate of the request that is being sent, if it has one."""


def _ask() -> None:
    if (gate := asked_for.get()) is not None:
        gate()


class CleanConnector(aiohttp.TCPConnector):
    """Gives a connection out only while the gate is open and nothing unasked came over it.

    Servers say "408 Request Timeout" into an idle connection before they close it, and a proxy may
    answer twice; aiohttp would take that for the answer to the next request.
    """

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Return a connection for `req`; what the gate raises comes through."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is not None and connection.protocol.should_close:
                connection.close()
                continue
            try:
                _ask()
            except BaseException:
                connection.release()
                raise
            return connection


class GatedRequest(ClientRequest):
    """A request whose body, and with it the whole of it, leaves right after the gate was asked.

    Between the connection and the body the loop may take other turns: a stop may be heard.
    """

    async def write_bytes(self, writer: Any, conn: Connection, *more: Any) -> None:
        """Write head and body; where the gate raises, nothing, and the answer is what it raised."""
        try:
            _ask()
        except AtlasError as error:
            _answer(conn, error)
            return
        except BaseException as error:
            _answer(conn, error)
            raise
        await super().write_bytes(writer, conn, *more)


def _answer(conn: Connection, error: BaseException) -> None:
    """Let whoever waits for an answer on `conn` hear this instead."""
    assert conn.protocol is not None
    conn.protocol.set_exception(error)
