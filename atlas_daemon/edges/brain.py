"""The slow brain from outside: a child process, one question in, one answer out, with a deadline.

A library that hangs or eats memory in there cannot touch the daemon.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from atlas_daemon.core.brain import (
    KEY_VARIABLES,
    FailureKind,
    SignalsAnswer,
    SignalsError,
    SignalsRequest,
    WorkerReply,
)
from atlas_daemon.core.values import Symbol

DEADLINE_S = 120.0
REPLY_MAX = 4 * 1024 * 1024
"""Bytes of an answer; one of all US equities with a note for each has a quarter of it."""
REASON_MAX = 300
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class ChildBrain:
    """Asks `python -m atlas_daemon.worker`."""

    request_for: Callable[[date, tuple[str, ...], datetime], SignalsRequest]
    key_id: str
    secret: str
    deadline_s: float = DEADLINE_S
    environ: Mapping[str, str] | None = None

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        """Return the answer. Raises SignalsError, also for a child that hangs or dies."""
        request = self.request_for(signal_day, tuple(held), asked_at)
        source = self.environ if self.environ is not None else os.environ
        environ = {name: source[name] for name in KEPT_VARIABLES if name in source}
        environ |= dict(zip(KEY_VARIABLES, (self.key_id, self.secret), strict=True))
        environ["OPENBLAS_NUM_THREADS"] = "1"
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "atlas_daemon.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environ,
            )
        except OSError as error:  # no memory, no process to be had: asked again later
            raise SignalsError(f"the child did not start: {error}") from error
        try:
            async with asyncio.timeout(self.deadline_s):
                out, complaints = await child.communicate(msgspec.json.encode(request))
        except TimeoutError:
            raise SignalsError(f"no answer within {self.deadline_s:.0f} s") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return read_reply(out, complaints, child.returncode or 0)


def read_reply(out: bytes, complaints: bytes, code: int) -> SignalsAnswer:
    """Return the answer in a child's output. Raises SignalsError where there is none."""
    if len(out) > REPLY_MAX:
        raise SignalsError(f"the child wrote {len(out)} bytes: no answer has over {REPLY_MAX}")
    try:
        reply = msgspec.json.decode(out, type=WorkerReply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        last = complaints.decode(errors="replace").strip().splitlines()[-1:]
        raise SignalsError(f"the child ended with {code}: {' '.join(last)[:REASON_MAX]}") from None
    if reply.answer is None:
        reason = " ".join((reply.error or "").split())[:REASON_MAX]
        raise SignalsError(reason or "no reason given", reply.kind or FailureKind.DATA)
    return reply.answer
