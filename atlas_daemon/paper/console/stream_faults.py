"""What the stream does to updates on their way: lost, twice, late, out of order, misspelt.

Makes messages of updates; who gets them, and the handshake, are `stream`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from atlas_daemon.paper import wire
from atlas_daemon.paper.exchange.orders import Update
from atlas_daemon.paper.faults.faults import Faults

STREAM = "trade_updates"
SWAP_WITHIN = timedelta(seconds=2)
"""An update held back for the one that follows is sent all the same after so long."""
GARBLED = b'{"stream":"trade_upd\xff'

Message = tuple[str, dict[str, Any] | bytes]
"""The account whose listener gets it, and what: a message, or the bytes of a frame."""


class StreamFaults:
    """The stream's part of the fault console."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._late: list[tuple[datetime, Message]] = []
        self._swapped: dict[str, list[tuple[datetime, Message]]] = {}

    def messages(self, update: Update) -> Iterator[Message]:
        """What is to be sent now for an update that somebody listens to."""
        if not self._faults.armed and not self._swapped:
            yield update.account_id, {"stream": STREAM, "data": wire.trade_update(update)}
            return
        if self.is_mute:
            return
        if self._strikes("lost_events", update):
            return
        message = update.account_id, self._spelt(update)
        if (late := self._strikes("delayed_events", update)) is not None:
            self._late.append((update.at + timedelta(seconds=late.seconds or 0), message))
            return
        if self._strikes("out_of_order_events", update):
            waiting = self._swapped.setdefault(update.account_id, [])
            waiting.append((update.at + SWAP_WITHIN, message))
            return
        yield message
        if self._strikes("duplicate_events", update):
            yield message
        for _, held in self._swapped.pop(update.account_id, []):
            yield held

    @property
    def is_mute(self) -> bool:
        """True while no update is sent at all."""
        return bool(
            self._faults.armed and (self._faults.condition("mute_stream") or self.is_half_open)
        )

    @property
    def is_half_open(self) -> bool:
        """True while nothing whatever is sent."""
        return self._faults.condition("half_open_stream") is not None

    @property
    def holds_back(self) -> bool:
        """True while an update waits to be sent."""
        return bool(self._late or self._swapped)

    def next_at(self) -> datetime | None:
        """When the next update that is held back goes out."""
        waiting = [*self._late, *(pair for held in self._swapped.values() for pair in held)]
        return min((at for at, _ in waiting), default=None)

    def due(self, now: datetime) -> list[Message]:
        """The updates that were held back until now, in the order of their moments."""
        if not self.holds_back:
            return []
        found = [pair for pair in self._late if pair[0] <= now]
        self._late = [pair for pair in self._late if pair[0] > now]
        for account_id, held in list(self._swapped.items()):
            found += [pair for pair in held if pair[0] <= now]
            left = [pair for pair in held if pair[0] > now]
            if left:
                self._swapped[account_id] = left
            else:
                del self._swapped[account_id]
        found.sort(key=lambda pair: pair[0])
        return [] if self.is_mute else [message for _, message in found]

    def _strikes(self, kind: str, update: Update) -> Any:
        order = update.order
        return self._faults.for_stream(kind, update.event, order.symbol, order.side)

    def _spelt(self, update: Update) -> dict[str, Any] | bytes:
        """The message, with what is misspelt in it."""
        if self._strikes("garbled_frame", update):
            return GARBLED
        told = update
        if self._strikes("unknown_event", update):
            told = replace(update, event="event_of_the_future")
        data = wire.trade_update(told)
        if self._strikes("missing_timestamp", update):
            data.pop("timestamp", None)
        if update.execution_id is not None and self._strikes("missing_execution_id", update):
            data.pop("execution_id", None)
        if self._strikes("unknown_status", update):
            order = data["order"]
            assert isinstance(order, dict)
            order["status"] = "status_of_the_future"
        return {"stream": STREAM, "data": data}
