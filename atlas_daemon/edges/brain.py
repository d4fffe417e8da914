"""The slow brain from outside: a child process, one question in, one answer out, with a deadline.

A library that hangs or eats memory in there cannot touch the daemon.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypeVar

import msgspec

from atlas_daemon.core.brain import (
    KEY_VARIABLES,
    FailureKind,
    RegimeAnswer,
    SignalsAnswer,
    SignalsError,
    SignalsRequest,
    WorkerReply,
)
from atlas_daemon.core.values import Symbol
from atlas_daemon.edges.child import ChildError, run_child

DEADLINE_S = 120.0
REPLY_MAX = 4 * 1024 * 1024
"""Bytes of an answer; one of all US equities with a note for each has a quarter of it."""
REASON_MAX = 300
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")

Said = TypeVar("Said", SignalsAnswer, RegimeAnswer)


@dataclass(frozen=True, slots=True)
class ChildBrain:
    """Asks `python -m atlas_daemon.worker`."""

    request_for: Callable[[date, tuple[str, ...], datetime], SignalsRequest]
    key_id: str
    secret: str
    deadline_s: float = DEADLINE_S
    environ: Mapping[str, str] | None = None
    code: str = ""
    """Digest of the code that must say what to hold, empty where any may. The child starts anew
    each time: a later version on the disk changes what it runs, and not what we run."""

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        """Return the answer. Raises SignalsError, also for a child that hangs or dies."""
        ended = await self._ask(self.request_for(signal_day, tuple(held), asked_at))
        return read_reply(*ended, self.code)

    async def regime(self, signal_day: date, asked_at: datetime) -> RegimeAnswer:
        """Return the regime alone, of whatever code: it buys nothing, and a CRASH is to be heard.

        Raises SignalsError likewise.
        """
        request = replace(self.request_for(signal_day, (), asked_at), is_regime_only=True)
        return read_regime_reply(*await self._ask(request))

    async def _ask(self, request: SignalsRequest) -> tuple[bytes, bytes, int]:
        """Return what the child wrote, its complaints and its exit code."""
        source = self.environ if self.environ is not None else os.environ
        environ = {name: source[name] for name in KEPT_VARIABLES if name in source}
        environ |= dict(zip(KEY_VARIABLES, (self.key_id, self.secret), strict=True))
        environ["OPENBLAS_NUM_THREADS"] = "1"
        # -P: what lies in the folder that we were started in is not our code.
        command = (sys.executable, "-P", "-m", "atlas_daemon.worker")
        question = msgspec.json.encode(request)
        try:
            ended = await run_child(
                command,
                environ,
                question=question,
                deadline_s=self.deadline_s,
                reply_max=REPLY_MAX,
            )
        except ChildError as error:
            raise SignalsError(f"the child: {error}") from None
        return ended.out, ended.complaints, ended.code


def read_reply(out: bytes, complaints: bytes, code: int, digest: str = "") -> SignalsAnswer:
    """Return the answer in a child's output. Raises SignalsError where there is none.

    Also where it is not of the code `digest`, if one is given.
    """
    reply = _read(out, complaints, code)
    if digest and reply.code != digest:
        raise SignalsError(
            f"the child ran other code ({reply.code[:12] or 'unknown'}) than this daemon "
            f"({digest[:12]}): another version lies on the disk; restart the daemon",
            FailureKind.CONFIG,
        )
    return _answered(reply, reply.answer)


def read_regime_reply(out: bytes, complaints: bytes, code: int) -> RegimeAnswer:
    """Return the regime in a child's output. Raises SignalsError where there is none."""
    reply = _read(out, complaints, code)
    return _answered(reply, reply.regime)


def _read(out: bytes, complaints: bytes, code: int) -> WorkerReply:
    try:
        reply = msgspec.json.decode(out, type=WorkerReply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        last = complaints.decode(errors="replace").strip().splitlines()[-1:]
        raise SignalsError(f"the child ended with {code}: {' '.join(last)[:REASON_MAX]}") from None
    return reply


def _answered(reply: WorkerReply, answer: Said | None) -> Said:
    if answer is None:
        reason = " ".join((reply.error or "").split())[:REASON_MAX]
        raise SignalsError(reason or "no reason given", reply.kind or FailureKind.DATA)
    return answer
