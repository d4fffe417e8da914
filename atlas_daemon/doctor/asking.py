"""One question, one deadline: an answer, or why there is none. A failure hides nothing else.

Nothing is judged here.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from atlas_daemon.core.errors import AtlasError, BugError
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError
from atlas_daemon.records import lines

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BROKEN = "the doctor itself failed"


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """The answer."""

    value: T_co


@dataclass(frozen=True, slots=True)
class NotKnown:
    """There is none. `why` is one line."""

    why: str
    error: BaseException | None = None
    """What was raised, where the kind of failure matters to a judgement."""

    @property
    def is_refusal(self) -> bool:
        """True where somebody said no, or we are broken: asking later would not help."""
        return isinstance(self.error, AtlasError) or self.is_bug

    @property
    def is_bug(self) -> bool:
        """True for a mistake of our own."""
        is_ours = isinstance(self.error, AtlasError) and not isinstance(self.error, BugError)
        return self.error is not None and not is_ours and not isinstance(self.error, OSError)


Reply = Known[T] | NotKnown


async def put(question: Awaitable[T], deadline_s: float) -> Reply[T]:
    """Return what comes of a question within `deadline_s` seconds; nothing is raised.

    Our own mistakes are told as such: one broken question must not hide what the others found.
    """
    try:
        async with asyncio.timeout(deadline_s):
            (answer,) = await asyncio.gather(question, return_exceptions=True)
    except TimeoutError:
        return NotKnown(f"no answer within {deadline_s:.0f} s")
    if not isinstance(answer, BaseException):
        return Known(answer)
    reply = NotKnown(said(answer), answer)
    return replace(reply, why=f"{BROKEN}: {answer!r}") if reply.is_bug else reply


def not_known(check: str, reply: NotKnown, advice: str = "") -> Finding:
    """Return the finding on what nobody could say."""
    level = Level.RED if reply.is_bug else Level.WARN
    return Finding(check, level, f"not known: {reply.why}", advice)


def said(error: BaseException) -> str:
    """Return what an error says to a person, in one line."""
    if isinstance(error, OutcomeUnknownError):  # what was asked stands beside it already
        return one_line(error.unknown.detail)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(str(error))


def one_line(text: str) -> str:
    """Return a text without its line breaks, what is not seen spelled out."""
    return lines.one_line(" ".join(text.split()))
