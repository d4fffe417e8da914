"""Frames of the trade_updates stream turned into records. Pure: no socket, no clock, no log."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from atlas_daemon.edges.alpaca.scalars import WireError, excerpt, moment, number, read
from atlas_daemon.edges.alpaca.shapes import BriefWire, Text
from atlas_daemon.edges.alpaca.wire import OrderBrief, order_brief

CODE_MAX = 10**9
"""No code of an error frame has over nine digits."""


class TradeUpdate(msgspec.Struct, frozen=True, gc=False):
    """Something happened to an order; `price` and `qty` are this execution's, if it is one.

    What counts is cumulative and in `order`: `filled_qty`, `filled_avg_price`, `status`.
    """

    event: str
    """Lower case; an event that we do not know stays text."""
    order: OrderBrief
    execution_id: str | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    position_qty: Decimal | None = None
    """Signed holding of the symbol after this event."""
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """The answer to authenticate, or to listen without it."""

    is_authorized: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Listening:
    """The acknowledgement of listen: what we are really subscribed to."""

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error frame of the broker."""

    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A readable frame of a stream that nobody asked for."""

    stream: str


Frame = TradeUpdate | Authorization | Listening | Complaint | Stranger


class _Envelope(msgspec.Struct):
    stream: Text | None = None
    action: Text | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _AuthorizationWire(msgspec.Struct):
    status: str
    message: str | None = None
    action: str | None = None


class _ListeningWire(msgspec.Struct):
    streams: list[Text] | None = None


class _ComplaintWire(msgspec.Struct):
    error_message: str | None = None
    message: str | None = None
    code: Any = None


class _UpdateWire(msgspec.Struct, gc=False):
    event: Text
    order: BriefWire
    execution_id: Text | None = None
    price: Any = None
    qty: Any = None
    position_qty: Any = None
    timestamp: Any = None
    at: Any = None


class _UpdateFrame(msgspec.Struct, gc=False):
    stream: Literal["trade_updates"]  # named, not a tag: a tag that is missing would do
    data: _UpdateWire


_update_frames = msgspec.json.Decoder(_UpdateFrame, float_hook=Decimal)


def is_heartbeat(frame: bytes | str) -> bool:
    """True for the empty and one-byte binary frames that keep a link warm."""
    return len(frame) <= (1 if isinstance(frame, bytes) else 0)


def frame(raw: bytes | str) -> Frame:
    """Read one frame, text or binary JSON; raises WireError on anything else."""
    try:
        update = _update_frames.decode(raw).data  # nearly every frame is one: read in one go
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        pass  # another frame, or what the readers below name the fault of
    else:
        return _update(update)
    envelope = read(raw, _Envelope, "frame")
    data = bytes(envelope.data)
    match envelope.stream:
        case "trade_updates":
            return _update(read(data, _UpdateWire, "trade update"))
        case "authorization":
            reply = read(data, _AuthorizationWire, "authorization")
            words = (reply.status, reply.action, reply.message)
            detail = excerpt(" ".join(word for word in words if word))
            return Authorization(reply.status == "authorized", detail)
        case "listening":
            return Listening(tuple(read(data, _ListeningWire, "listening").streams or ()))
    if envelope.stream == "error" or envelope.action == "error":
        complaint = read(data, _ComplaintWire, "error frame")
        code = complaint.code if isinstance(complaint.code, int) else None
        if code is not None and not 0 <= code < CODE_MAX:
            code = None
        text = complaint.error_message or complaint.message or "no reason given"
        return Complaint(code, excerpt(text))
    if envelope.stream is None:
        raise WireError(f"frame without a stream: {excerpt(raw)!r}")
    return Stranger(excerpt(envelope.stream))


def _update(wire: _UpdateWire) -> TradeUpdate:
    return TradeUpdate(
        event=wire.event.strip().lower(),
        order=order_brief(wire.order),
        execution_id=wire.execution_id or None,
        price=number(wire.price, "trade update.price"),
        qty=number(wire.qty, "trade update.qty"),
        position_qty=number(wire.position_qty, "trade update.position_qty"),
        timestamp=moment(wire.timestamp or wire.at, "trade update.timestamp"),
    )
