"""Every parser of what others say: a name, bodies it takes, how it is asked, and its one error."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from atlas_daemon.core.brain import SignalsError, refuse_unusable
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.edges import quotes
from atlas_daemon.edges.alpaca import faults, frames, wire
from atlas_daemon.edges.alpaca.scalars import WireError
from atlas_daemon.edges.alpaca.shapes import TEXT_MAX
from atlas_daemon.edges.alpaca.stream import BadFrame
from atlas_daemon.edges.brain import read_reply
from atlas_daemon.edges.stream_news import events_of, reported
from tests.edges import samples

DAY = date(2027, 1, 29)


@dataclass(frozen=True)
class Room:
    """A parser. `parse` returns what it lets in, and may raise `error` and nothing else."""

    name: str
    samples: tuple[object, ...]
    parse: Callable[[bytes], object]
    error: type[AtlasError] = WireError
    text_max: int = TEXT_MAX
    """Characters of its longest text."""

    def __str__(self) -> str:
        return self.name


def trade_updates() -> tuple[object, ...]:
    """A frame of each event there is, one that there is not, and each kind of word around them."""
    order = samples.an_order
    words = ("new", "fill", "partial_fill", "canceled", "expired", "rejected", "replaced")
    updates = [samples.a_trade_update(word) for word in (*words, "trade_bust", "wholly_new")]
    legs = [order(id="leg-1", side="sell"), order(id="leg-2", side="sell", status="held")]
    return (
        *updates,
        samples.a_trade_update("new", order=order(symbol="", side="", legs=legs)),
        {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
        {"stream": "authorization", "data": {"status": "unauthorized"}},
        {"stream": "listening", "data": {"streams": ["trade_updates"]}},
        {"stream": "error", "data": {"code": 406, "error_message": "connection limit exceeded"}},
        {"action": "error", "data": {"error_message": "what?"}},
        {"stream": "account_updates", "data": {}},
    )


def _news(body: bytes) -> object:
    """Read a frame as the stream does, and tell it as the daemon does."""
    try:
        heard = frames.frame(body)
    except WireError as error:
        return tuple(events_of(BadFrame(str(error), "")))
    return tuple(events_of(heard)) if isinstance(heard, frames.TradeUpdate) else heard


def _text_frame(body: bytes) -> object:
    return frames.frame(body.decode("utf-8", "replace"))


def _orders(body: bytes) -> object:
    found = wire.orders(body)
    return [(order.open_orders(), reported(order, "lookup")) for order in found]


def _verdicts(body: bytes) -> object:
    for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 504):
        for method in ("GET", "POST", "DELETE"):
            verdict = faults.classify(method, status, body)
            error = faults.error_for(f"{method} /v2/orders", verdict)
            assert len(str(error)) < 1000
    return None


def _headers(body: bytes) -> object:
    """The headers that an answer's budget is read from, each with the same odd text in it."""
    from atlas_daemon.edges.alpaca.transport import _count

    text = body.decode("latin-1")
    names = ("Date", "Retry-After", "X-RateLimit-Reset")
    waits = [faults.wait_of({name: text}, 1.8e9) for name in names]
    waits += [faults.wait_of(dict.fromkeys(names, text), 1.8e9)]
    assert all(wait is None or 0 <= wait <= faults.RESET_MAX_S for wait in waits)
    count = _count(text)
    assert count is None or 0 <= count < 10**9
    return None


def reply(**changes: object) -> dict[str, object]:
    pick = {"symbol": "AAPL", "weight": "0.1", "close": "185.5", "ratio": "0.97"}
    answer = {
        "signal_day": "2027-01-29",
        "picks": [pick, pick | {"symbol": "MSFT", "weight": 0.2, "close": None}],
        "closes": {"SPY": "480.1", "AAPL": "185.5"},
        "refused": [["XYZ", "a hole of 3 sessions"]],
        "candidates": 90,
        "notes": ["none"],
        "regime": "TREND_BULL",
        "regime_as_of": "2027-01-29",
    } | changes
    return {"ok": True, "answer": answer, "error": None, "kind": None}


def _reply(body: bytes) -> object:
    answer = read_reply(body, b"Traceback\n  \xff\nValueError: odd\n", 1)
    refuse_unusable(answer, DAY)
    return answer


NEVER = type("NeverError", (AtlasError,), {})
"""Of rooms that answer to everything."""

ROOMS = (
    Room("order", (samples.an_order(),), wire.order),
    Room("orders", ([samples.an_order(), samples.an_order(id="b", legs=[])],), _orders),
    Room("account", (samples.an_account(),), wire.account),
    Room("positions", ([samples.a_position()],), wire.positions),
    Room("position", (samples.a_position(),), wire.position),
    Room("asset", (samples.an_asset(),), wire.asset),
    Room("assets", ([samples.an_asset(), samples.an_asset(symbol="X")],), wire.assets),
    Room("clock", (samples.a_clock(),), lambda body: wire.clock(body, "60")),
    Room("clock speed", (b"60", b"0.5"), lambda body: wire.clock(CLOCK, body.decode("latin-1"))),
    Room("calendar", ([{"date": "2026-11-27", "open": "09:30", "close": "13:00"}],), wire.calendar),
    Room(
        "activities",
        ([samples.a_fill(), {"id": "x", "activity_type": "DIV", "date": "2027-01-04"}],),
        lambda body: [activity.activity() for activity in wire.activities(body)],
    ),
    Room("cancel results", ([{"id": "a", "status": 200}],), wire.cancel_results),
    Room(
        "configurations",
        ({"suspend_trade": True, "max_margin_multiplier": "4"},),
        wire.configurations,
    ),
    Room("refusals", ({"code": 40310000, "message": "no", "buying_power": "1"},), _verdicts, NEVER),
    Room("headers", (5, "Wed, 21 Oct 2026 07:28:00 GMT", 1800000000), _headers, NEVER),
    Room("frames", trade_updates(), frames.frame),
    Room("frames as text", trade_updates(), _text_frame),
    Room("news", trade_updates(), _news, NEVER, text_max=800),
    Room(
        "quotes",
        ({"quotes": {"SPY": {"t": "2027-02-01T14:35:00Z", "bp": 1.5, "ap": 2}, "X": None}},),
        quotes.latest_quotes,
    ),
    Room(
        "trades",
        ({"trades": {"SPY": {"t": "2027-02-01T14:35:00Z", "p": 1}}},),
        quotes.latest_trades,
    ),
    Room(
        "replies",
        (reply(), {"ok": False, "error": "no bars", "kind": "data"}),
        _reply,
        SignalsError,
        text_max=16_384,
    ),
)
CLOCK = json.dumps(samples.a_clock()).encode()
BODIES = tuple(sample for room in ROOMS for sample in room.samples)


def complaints(room: Room, body: bytes) -> Iterator[str]:
    """Yield what is wrong with how a room answers to a body; nothing where all is well."""
    from tests.fuzz.bounds import breaches, error_breaches

    try:
        value = room.parse(body)
    except room.error as error:
        yield from error_breaches(error)
    else:
        yield from breaches(value, text_max=room.text_max)
