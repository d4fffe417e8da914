"""Events as server-sent text: GET /v2/events/trades and GET /v2beta1/events/activities.

History first, if it is asked for, then whatever happens, until the client leaves or `until` is
reached. Trade events are remembered while this process runs (the last `REMEMBERED` of each
account); activities are the account's own and outlive it. One task writes to one client: a client
that does not read is dropped behind, told how many lines it has lost, and harms nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import msgspec
from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import query
from atlas_daemon.paper.api.gate import DESK, account_of
from atlas_daemon.paper.api.ulid import moment_of, ulid
from atlas_daemon.paper.desk import Desk
from atlas_daemon.paper.exchange import refusals
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import ZERO, Activity, Update
from atlas_daemon.paper.exchange.refusals import plain
from atlas_daemon.paper.exchange.settlement import SettlementDays

REMEMBERED = 20_000
AT_ONCE = 500
"""Events put into words before the next client has its turn."""
LOOK_EVERY_S = 0.1
HEARTBEAT_S = 15.0
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


@dataclass(frozen=True, slots=True)
class Span:
    """What part of the events is asked for; both ends belong to it."""

    since: datetime | None = None
    since_id: str = ""
    until: datetime | None = None
    until_id: str = ""

    @property
    def has_history(self) -> bool:
        """True where the past is asked for too."""
        return self.since is not None or bool(self.since_id)

    @property
    def ends_at(self) -> datetime | None:
        """The moment after which nothing is sent any more; None where there is none."""
        if self.until_id:
            return moment_of(self.until_id) + timedelta(milliseconds=1)
        return self.until

    def begins_before(self, at: datetime, event_id: str) -> bool:
        """True for an event that is not too early."""
        if self.since_id:
            return event_id >= self.since_id
        return self.since is None or at >= self.since

    def ends_after(self, at: datetime, event_id: str) -> bool:
        """True for an event that is not too late."""
        if self.until_id:
            return event_id <= self.until_id
        return self.until is None or at <= self.until


class Source(Protocol):
    """A growing row of events of one account; each has a running number, from 0 on."""

    def next_number(self) -> int:
        """The number that the next event will have."""
        ...

    def first_number(self) -> int:
        """The oldest number that is still known."""
        ...

    def event(self, number: int) -> tuple[datetime, str]:
        """Moment and id of an event."""
        ...

    def body(self, number: int) -> wire.Json:
        """What is told of it."""
        ...


class TradeEvents:
    """The order updates of one account."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._updates: deque[Update] = deque(maxlen=REMEMBERED)
        self._count = 0

    def add(self, update: Update) -> None:
        """Remember one more."""
        self._updates.append(update)
        self._count += 1

    def next_number(self) -> int:
        """As `Source`."""
        return self._count

    def first_number(self) -> int:
        """As `Source`."""
        return self._count - len(self._updates)

    def event(self, number: int) -> tuple[datetime, str]:
        """As `Source`."""
        at = self._update(number).at
        return at, ulid(at, number)

    def body(self, number: int) -> wire.Json:
        """As `Source`: the message of the stream, with the account, `at` and `event_id`."""
        update = self._update(number)
        told = wire.trade_update(update) | {
            "account_id": self._account_id,
            "at": wire.moment(update.at),
            "event_id": self.event(number)[1],
        }
        return dict(sorted(told.items()))

    def _update(self, number: int) -> Update:
        return self._updates[number - self.first_number()]


class ActivityEvents:
    """The activities of one account."""

    def __init__(self, account: Account, desk: Desk) -> None:
        self._account = account
        self._desk = desk

    def next_number(self) -> int:
        """As `Source`."""
        return len(self._account.activities)

    def first_number(self) -> int:
        """As `Source`: all are known."""
        return 0

    def event(self, number: int) -> tuple[datetime, str]:
        """As `Source`."""
        at = self._account.activities[number].at
        return at, ulid(at, number)

    def body(self, number: int) -> wire.Json:
        """As `Source`: `TRD` for an execution, else the activity's own type."""
        entry = self._account.activities[number]
        is_trade = entry.kind == "FILL"
        told: wire.Json = {"activity_type": "TRD" if is_trade else entry.kind}
        if entry.sub_type:
            told["activity_subtype"] = entry.sub_type
        amount = entry.net_amount or ZERO
        if is_trade and entry.qty is not None and entry.price is not None:
            amount = entry.qty * entry.price * (1 if entry.side == "sell" else -1)
        return told | {
            "at": wire.moment(entry.at),
            "currency": "USD",
            "details": self._trade(entry) if is_trade else _details(entry),
            "event_id": self.event(number)[1],
            "executed_at": wire.moment(entry.at),
            "net_amount": wire.dollars(amount),
            "price": plain(entry.price or ZERO),
            "qty": plain(entry.qty or ZERO) if _moves_shares(entry) else "0",
            "ref_id": entry.id.partition("::")[2],
            "settle_date": self._settles(entry).isoformat(),
            "status": "executed",
        }

    def _trade(self, entry: Activity) -> wire.Json:
        order = self._account.orders.get(entry.order_id or "")
        return {
            "asset_id": wire.asset_id(entry.symbol or ""),
            "client_order_id": order.client_order_id if order else "",
            "cum_qty": plain(entry.cum_qty or ZERO),
            "execution_type": "fill",
            "leaves_qty": plain(entry.leaves_qty or ZERO),
            "order_id": entry.order_id,
            "order_status": entry.order_status,
            "side": entry.side,
            "symbol": entry.symbol,
        }

    def _settles(self, entry: Activity) -> date:
        day = entry.day or entry.at.astimezone(NEW_YORK).date()
        if entry.kind != "FILL":
            return day
        return SettlementDays.around(self._desk.exchange.calendar, day, day).of(day)


class EventBook:
    """The trade events of all accounts, and the clients that wait for news."""

    def __init__(self, desk: Desk) -> None:
        self._trades: dict[str, TradeEvents] = {}
        self._waiting: set[asyncio.Event] = set()
        self.is_closed = False
        tell = desk.publish

        def publish(update: Update) -> None:
            self.trades(update.account_id).add(update)
            tell(update)
            for news in self._waiting:
                news.set()

        desk.publish = publish

    def trades(self, account_id: str) -> TradeEvents:
        """The trade events of an account."""
        found = self._trades.get(account_id)
        if found is None:
            found = self._trades[account_id] = TradeEvents(account_id)
        return found

    def join(self) -> asyncio.Event:
        """A bell that rings at news."""
        bell = asyncio.Event()
        self._waiting.add(bell)
        return bell

    def leave(self, bell: asyncio.Event) -> None:
        """No more news for that one."""
        self._waiting.discard(bell)

    def close_all(self) -> None:
        """Let every client's stream end."""
        self.is_closed = True
        for bell in self._waiting:
            bell.set()


EVENTS: web.AppKey[EventBook] = web.AppKey("events", EventBook)


def routes() -> list[web.RouteDef]:
    """Method, path and handler of each event stream."""
    return [
        web.get("/v2/events/trades", trade_events, allow_head=False),
        web.get("/v2beta1/events/activities", activity_events, allow_head=False),
    ]


async def trade_events(request: web.Request) -> web.StreamResponse:
    """GET /v2/events/trades."""
    return await _serve(request, request.app[EVENTS].trades(account_of(request).id))


async def activity_events(request: web.Request) -> web.StreamResponse:
    """GET /v2beta1/events/activities."""
    return await _serve(request, ActivityEvents(account_of(request), request.app[DESK]))


async def _serve(request: web.Request, source: Source) -> web.StreamResponse:
    """Write events as `data:` lines until the client leaves or the span ends."""
    span = _span(request.query)
    desk, book = request.app[DESK], request.app[EVENTS]
    # From here to the first wait nothing can happen between history and news.
    number = 0 if span.has_history else source.next_number()
    response = web.StreamResponse(headers=_HEADERS | {"X-Request-ID": desk.next_request_id()})
    await response.prepare(request)
    bell = book.join()
    quiet_s = 0.0
    try:
        await response.write(b": connected\n\n")
        while not book.is_closed and not _is_gone(request):
            now = desk.settle()
            lines, number = _lines(source, number, span)
            for line in lines:
                await response.write(line)
            if number < source.next_number():
                continue
            if span.ends_at is not None and now >= span.ends_at:
                break
            quiet_s = 0.0 if lines else quiet_s + LOOK_EVERY_S
            if quiet_s >= HEARTBEAT_S:
                await response.write(b": heartbeat\n\n")
                quiet_s = 0.0
            try:
                await asyncio.wait_for(bell.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue
            bell.clear()
    finally:
        book.leave(bell)
    return response


def _is_gone(request: web.Request) -> bool:
    """True where the client has hung up; an idle stream writes nothing that would tell."""
    return request.transport is None or request.transport.is_closing()


def _lines(source: Source, number: int, span: Span) -> tuple[list[bytes], int]:
    """What there is to send from a number on, and the number to go on with."""
    lines: list[bytes] = []
    first = source.first_number()
    if number < first:
        if number:
            text = f": you are reading too slowly, dropped {first - number} messages\n\n"
            lines.append(text.encode())
        number = first
    end = min(source.next_number(), number + AT_ONCE)
    told = (source.body(one) for one in _within(source, range(number, end), span))
    lines += [b"data: " + msgspec.json.encode(body) + b"\n\n" for body in told]
    return lines, end


def _within(source: Source, numbers: range, span: Span) -> Iterator[int]:
    for number in numbers:
        at, event_id = source.event(number)
        if span.begins_before(at, event_id) and span.ends_after(at, event_id):
            yield number


def _span(asked: query.Query) -> Span:
    """The bounds asked for. Raises RefusedError (400)."""
    texts = {key: asked.get(key, "") for key in ("since", "since_id", "until", "until_id")}
    if texts["since"] and texts["since_id"]:
        raise refusals.malformed("since and since_id cannot be used together")
    if texts["until"] and texts["until_id"]:
        raise refusals.malformed("until and until_id cannot be used together")
    for key in ("", "_id"):
        if texts[f"until{key}"] and not texts[f"since{key}"]:
            raise refusals.malformed(f"since{key} is required if until{key} is given")
    for key in ("since_id", "until_id"):
        if texts[key]:
            try:
                moment_of(texts[key])
            except ValueError:
                raise refusals.malformed(f"invalid {key}: {texts[key][:40]}") from None
    try:
        since, until = query.moment(asked, "since"), query.moment(asked, "until")
    except refusals.RefusedError as refused:
        raise refusals.malformed(str(refused.body["message"])) from None
    return Span(since, texts["since_id"].upper(), until, texts["until_id"].upper())


def _moves_shares(entry: Activity) -> bool:
    """False where `qty` only says how many shares were paid for."""
    return entry.kind != "DIV" or entry.sub_type == "SDIV"


def _details(entry: Activity) -> wire.Json:
    """What is told of an activity that is no trade."""
    told: wire.Json = dict(entry.details or {})
    day = entry.day or entry.at.astimezone(NEW_YORK).date()
    told["system_date"] = day.isoformat()
    if entry.group_id is not None:
        told["group_id"] = entry.group_id
    if entry.symbol is not None and "symbol" not in told:
        told["symbol"] = entry.symbol
    for key in [key for key in told if key.endswith("symbol")]:
        told[key.removesuffix("symbol") + "cusip"] = wire.cusip(str(told[key]))
    if "old_rate" in told:  # a split: the shares keep their name
        told |= {"new_cusip": told["cusip"], "old_cusip": told["cusip"]}
    return dict(sorted(told.items()))
