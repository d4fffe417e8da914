"""The server's side of the socket: who may connect, how much they may send, how long they may take.

Nothing a client does reaches further than its own connection.
"""

import asyncio
import os
import socket
import stat
import struct
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from atlas_daemon.core.errors import AccountBusyError, AtlasError, BugError, ConfigError

from .host import Host
from .messages import (
    LINE_MAX,
    RequestError,
    entry_line,
    error_line,
    number_arg,
    read_request,
    result_line,
)
from .requests import ANSWERS, WAIT_S_MAX, watch

CLIENTS_MAX = 32
IDLE_S = 60.0
"""A client that says nothing for this long is let go."""
WRITE_S = 10.0
"""A client that does not read its answer for this long is let go."""
DISMISS_S = 2.0
DISMISS_MAX = 16 * LINE_MAX
"""How long, and how many bytes, a client that is turned away is listened to."""
WAIT_S = 10.0
"""How long the core's answer is waited for where the client does not say."""


class ControlServer:
    """Serves `host` at the socket `path`. `uids` may connect: root and our own user by default."""

    def __init__(
        self,
        host: Host,
        path: Path,
        *,
        uids: frozenset[int] | None = None,
        idle_s: float = IDLE_S,
        write_s: float = WRITE_S,
    ) -> None:
        self._host = host
        self._uids = frozenset({0, os.geteuid()}) if uids is None else uids
        self._idle_s, self._write_s = idle_s, write_s
        self.path = path
        self._server: asyncio.Server | None = None
        self._inode: int | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the socket, replacing one that nobody serves any more.

        Raises AccountBusyError where somebody does, ConfigError where it cannot be opened.
        """
        _make_room(self.path)
        sock = _bound(self.path)
        self._inode = self.path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=LINE_MAX)

    async def stop(self) -> None:
        """Close the socket and every connection; the file goes where it is still ours."""
        if self._server is not None:
            self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        with suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, TimeoutError):
            pass  # gone, silent or not reading: its connection ends, and nothing else
        except asyncio.CancelledError:
            pass  # the daemon ends
        finally:
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._clients.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # `drain` waits until all is handed over
        try:
            self._admit(writer)
        except RequestError as error:
            await self._dismiss(reader, writer, error)
            return
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    line = await reader.readline()
            except ValueError:
                too_long = RequestError(f"a request has at most {LINE_MAX} bytes", exit_code=2)
                await self._dismiss(reader, writer, too_long)
                return
            if not line.endswith(b"\n"):
                return
            try:
                await self._answer(writer, line)
            except BugError:
                raise
            except AtlasError as error:
                await self._write(writer, error_line(error))

    def _admit(self, writer: asyncio.StreamWriter) -> None:
        uid = _peer_uid(writer.get_extra_info("socket"))
        if uid not in self._uids:
            raise RequestError(f"user {uid} may not control this daemon")
        if len(self._clients) > CLIENTS_MAX:
            raise RequestError(f"over {CLIENTS_MAX} connections are open")

    async def _answer(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        request = read_request(line)
        name = request["do"]
        wait_s = float(number_arg(request, "wait_s", WAIT_S_MAX)) or WAIT_S
        if name == "watch":
            await self._stream(writer, request)
            return
        answer = ANSWERS.get(name)
        if answer is None:
            known = ", ".join((*ANSWERS, "watch"))
            raise RequestError(f"no such request: {name[:40]!r}; there are {known}", exit_code=2)
        await self._write(writer, result_line(await answer(self._host, request, wait_s)))

    async def _stream(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        async with aclosing(watch(self._host, request)) as entries:
            async for entry in entries:
                if entry is not None:
                    await self._write(writer, entry_line(entry))
                elif writer.transport.is_closing():
                    return
        await self._write(writer, result_line(None))

    async def _dismiss(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, error: RequestError
    ) -> None:
        """Say why, and hear the client out: to close on unread words would take the answer back."""
        await self._write(writer, error_line(error))
        writer.write_eof()
        async with asyncio.timeout(DISMISS_S):
            for _ in range(DISMISS_MAX // LINE_MAX):
                if not await reader.read(LINE_MAX):
                    return

    async def _write(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        writer.write(line)
        async with asyncio.timeout(self._write_s):
            await writer.drain()


def _peer_uid(sock: socket.socket) -> int:
    """Return who connected, as the kernel says (SO_PEERCRED, unix(7)): pid, uid, gid."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"control socket {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"control socket {path}: something else is in its place")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            # Nobody answers: the one who made it is dead.
            with suppress(FileNotFoundError):
                path.unlink()
            return
    raise AccountBusyError(f"another daemon answers at {path}")


def _bound(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    before = os.umask(0o177)  # born private: there is no moment in which others could connect
    try:
        sock.bind(str(path))
    except OSError as error:
        sock.close()
        raise ConfigError(f"control socket {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    return sock
