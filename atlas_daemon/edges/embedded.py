"""The local broker as a child process: started, asked for its address, gone with its parent."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from atlas_daemon.core.errors import AtlasError

START_S = 30.0


class _Announced(msgspec.Struct):
    url: str


@asynccontextmanager
async def embedded_broker(arguments: Sequence[str]) -> AsyncIterator[str]:
    """Run `atlasd paper` with `arguments` for the length of the block; yield its address.

    It ends with us however we end: it watches the pipe that only we hold. Raises AtlasError with
    its own words where it does not start.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "atlas_daemon",
        "paper",
        "--port",
        "0",
        "--json",
        "--attached",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C of the terminal is ours to handle
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    telling: asyncio.Task[None] | None = None
    try:
        try:
            async with asyncio.timeout(START_S):
                line = await child.stdout.readline()
        except TimeoutError:
            raise AtlasError(f"the local broker did not start within {START_S:.0f} s") from None
        if not line:
            raise await _not_started(child)
        telling = asyncio.create_task(_tell(child.stderr), name="broker's words")
        yield msgspec.json.decode(line, type=_Announced).url
    finally:
        child.stdin.close()
        try:
            async with asyncio.timeout(5):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
        if telling is not None:
            await telling


class BrokerNotStartedError(AtlasError):
    """The local broker ended before it listened; the text and the exit code are its own."""


async def _not_started(child: asyncio.subprocess.Process) -> BrokerNotStartedError:
    assert child.stderr is not None
    words = (await child.stderr.read()).decode(errors="replace").strip()
    code = await child.wait()
    error = BrokerNotStartedError(
        words.removeprefix("atlasd: ") or "the local broker did not start"
    )
    error.exit_code = code or 1
    return error


async def _tell(stderr: asyncio.StreamReader) -> None:
    """Pass on what the broker complains of, so that its pipe never fills."""
    while line := await stderr.readline():
        sys.stderr.write(line.decode(errors="replace"))
