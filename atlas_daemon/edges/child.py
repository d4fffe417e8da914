"""A child process with one question and one answer: bounded in time and in bytes, ended for sure.

What it is asked and what its answer means is its caller's to know.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atlas_daemon.core.errors import AtlasError

END_S = 5.0
"""How long a child that was killed is waited for."""
COMPLAINTS_MAX = 64 * 1024
PIECE = 64 * 1024


class ChildError(AtlasError):
    """The child did not start, did not end, or wrote more than anybody reads."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a child left behind."""

    out: bytes
    complaints: bytes
    code: int


async def run_child(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    question: bytes = b"",
    deadline_s: float,
    reply_max: int,
) -> Ended:
    """Run `command` to its end and return what it wrote. Raises ChildError.

    It has a session of its own: where it does not end in time it is killed with all it started.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:  # no memory, no process to be had: asked again later
        raise ChildError(f"did not start: {error}") from error
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    talking = [
        asyncio.create_task(_all_of(child.stdout, reply_max)),
        asyncio.create_task(_all_of(child.stderr, COMPLAINTS_MAX)),
        asyncio.create_task(_ask(child.stdin, question)),
    ]
    try:
        async with asyncio.timeout(deadline_s):
            out, complaints, _ = await asyncio.gather(*talking)
            await child.wait()
    except TimeoutError:
        raise ChildError(f"no answer within {deadline_s:.0f} s") from None
    finally:
        if child.returncode is None:
            await _end(child, talking)
    assert child.returncode is not None
    return Ended(out, complaints, child.returncode)


async def _ask(stdin: asyncio.StreamWriter, question: bytes) -> bytes:
    with contextlib.suppress(ConnectionError):  # it ended without listening: its words say why
        stdin.write(question)
        await stdin.drain()
    stdin.close()
    return question


async def _all_of(stream: asyncio.StreamReader, most: int) -> bytes:
    found = bytearray()
    while piece := await stream.read(PIECE):
        found += piece
        if len(found) > most:
            raise ChildError(f"wrote over {most} bytes: no answer has so many")
    return bytes(found)


async def _end(child: asyncio.subprocess.Process, talking: Sequence["asyncio.Task[bytes]"]) -> None:
    """Kill the child with all it started, and let go of its pipes."""
    for task in talking:
        task.cancel()
    await asyncio.wait(talking)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    # Its end is only seen once the pipes are read to theirs; a pipe that somebody keeps is left.
    ending = [
        asyncio.ensure_future(child.wait()),
        *(asyncio.create_task(_drain(stream)) for stream in (child.stdout, child.stderr)),
    ]
    _, late = await asyncio.wait(ending, timeout=END_S)
    for hanging in late:
        hanging.cancel()


async def _drain(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(PIECE):
        pass
