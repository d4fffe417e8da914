"""Faults that can be switched on: which kinds there are, and whether one strikes now.

Only the drawing lives here; request faults are acted out in `gate`, stream faults in `stream`.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field

REQUEST_FAULTS = frozenset(
    {
        "delay",  # answered late: `seconds`
        "hang",  # accepted, never answered
        "drop_before_accept",  # connection reset, nothing done
        "accept_then_504",
        "accept_then_reset",
        "accept_then_html",  # done, but answered 200 with HTML
        "http_429",  # not done; `headers` false leaves the rate limit headers out
        "http_500_html",  # not done
    }
)
STREAM_FAULTS = frozenset(
    {
        "mute_stream",  # connected, but nothing is sent nor answered while it lasts
        "duplicate_events",
        "no_listening_ack",
        "no_auth_reply",
        "unknown_event",
        "unknown_status",
        "missing_timestamp",
        "lost_events",
    }
)
INSTANT_FAULTS = frozenset({"stream_drop", "reject_symbol"})
KINDS = REQUEST_FAULTS | STREAM_FAULTS | INSTANT_FAULTS


@dataclass
class Fault:
    """One armed fault: strikes `count` times (None: until cleared), each time with `probability`.

    `method` and `path` (a prefix) narrow a request fault; empty means any.
    """

    kind: str
    count: int | None = 1
    probability: float = 1.0
    seed: int = 1
    method: str = ""
    path: str = ""
    seconds: float = 0.0
    symbol: str = ""
    headers: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(sorted(KINDS))}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be within 0..1, not {self.probability}")
        self._dice = random.Random(self.seed)  # noqa: S311

    def strikes(self) -> bool:
        """Draw once; a strike uses up one of the count."""
        if self.count == 0 or self._dice.random() >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True


@dataclass
class Faults:
    """The armed faults, in the order in which they were armed."""

    armed: list[Fault] = field(default_factory=list)

    def arm(self, fault: Fault) -> None:
        """Add one."""
        self.armed.append(fault)

    def clear(self) -> None:
        """Take all off."""
        self.armed.clear()

    def is_armed(self, kind: str) -> bool:
        """True while a fault of that kind is on, without using it up."""
        return any(fault.kind == kind and fault.count != 0 for fault in self.armed)

    def for_request(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        if not self.armed:
            return None
        return self._draw(REQUEST_FAULTS, method, path)

    def for_stream(self, kind: str) -> bool:
        """True where the stream's fault of that kind strikes now."""
        return bool(self.armed) and self._draw((kind,), "", "") is not None

    def _draw(self, kinds: Collection[str], method: str, path: str) -> Fault | None:
        for fault in self.armed:
            if fault.kind not in kinds:
                continue
            if fault.method and fault.method != method:
                continue
            if fault.path and not path.startswith(fault.path):
                continue
            if fault.strikes():
                if fault.count == 0:
                    self.armed.remove(fault)
                return fault
        return None
