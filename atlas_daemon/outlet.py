"""Runs effects. Whatever comes of one is told to the bus as an event; nothing is raised at it.

Here stands the fence, the one decision outside the core: right before an order's first byte it is
asked once more whether the order may still leave.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError, BugError, RefusedError
from atlas_daemon.core.values import (
    Approved,
    Asset,
    BrokerOrderId,
    OpenOrder,
    OrderId,
    OrderType,
    Side,
    Symbol,
)
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusalKind,
)
from atlas_daemon.edges.alpaca.wire import OrderRecord
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.edges.stream_news import reported
from atlas_daemon.errands import NOBODY, WORKER, Errand, Errands
from atlas_daemon.ports import (
    BrainPort,
    ClockPort,
    DoctorPort,
    LatchPort,
    LogKeeperPort,
    NoticePort,
    ReporterPort,
)

SENDS_MAX = 3
"""A submit that the broker did not process (429) is sent at most so often."""
SUBMITS_AT_ONCE = 8
ASSETS_AT_ONCE = 8

Hear = Callable[[e.Event], None]


@dataclass(frozen=True, slots=True)
class Fence:
    """What must hold at an order's first byte. Each question is asked afresh."""

    is_stopped: Callable[[], bool]
    """Halted, or a stop waits in the inbox, or the daemon is shutting down."""
    is_crash: Callable[[], bool]
    """The latest word on the regime is CRASH."""
    why_uncertified: Callable[[], str]
    """Why nothing may be bought for want of a certificate; empty where it may."""
    latch: LatchPort
    now: Callable[[], datetime]
    is_flatten: Callable[[Approved], bool] = lambda approved: False
    """A sell of the stop's own run: the one order that a complete halt lets through."""

    def why_closed(self, approved: Approved) -> str | None:
        """Return why the order may not leave; None where it may."""
        if not self.is_flatten(approved):
            if self.is_stopped():
                return "halted"
            if self.latch.is_on():
                return "the latch is on disk"
        if approved.draft.side is Side.BUY and self.is_crash():
            return "the regime is CRASH"
        if approved.draft.side is Side.BUY and (why := self.why_uncertified()):
            return f"certificate: {why}"
        if self.now() >= approved.expires_at:
            return f"the approval of {approved.approved_at:%H:%M:%S} UTC is too old"
        return None


class WithheldError(AtlasError):
    """The fence was closed at the order's first byte: it surely never left."""


class Outlet:
    """Turns effects into calls and their ends into events."""

    def __init__(
        self,
        *,
        client: AlpacaTradingClient,
        quotes: LatestQuotes,
        brain: BrainPort,
        notice: NoticePort,
        clock: ClockPort,
        fence: Fence,
        hear: Hear,
        stop: Callable[[str], None],
        reopen_stream: Callable[[str], None],
        doctor: DoctorPort = NOBODY,
        reporter: ReporterPort = NOBODY,
        log_keeper: LogKeeperPort = NOBODY,
        regime_source: Callable[[], str] = lambda: WORKER,
    ) -> None:
        self._client, self._quotes = client, quotes
        self._errands = Errands(
            brain=brain,
            doctor=doctor,
            reporter=reporter,
            log_keeper=log_keeper,
            clock=clock,
            hear=hear,
            regime_source=regime_source,
        )
        self._notice, self._clock, self._fence, self._hear = notice, clock, fence, hear
        self._stop, self._reopen_stream = stop, reopen_stream
        self._sending: dict[str, Approved] = {}
        client.order_gate = self._ask_fence
        self._submits = asyncio.Semaphore(SUBMITS_AT_ONCE)
        self._assets = asyncio.Semaphore(ASSETS_AT_ONCE)
        self._looking_up: set[OrderId] = set()
        self._submits_open = 0
        self._settled = asyncio.Event()
        self._settled.set()

    async def settled(self) -> None:
        """Wait until every answer to an order sent is in the inbox."""
        await self._settled.wait()

    async def run(self, effect: fx.Effect) -> None:
        """Run one effect to its end and tell what came of it."""
        match effect:
            case fx.SubmitOrder(approved=approved):
                await self._submit(approved)
            case fx.CancelOrder(order_id=order_id, broker_order_id=broker_order_id):
                await self._cancel(order_id, broker_order_id)
            case fx.CancelAllOrders():
                await self._cancel_all()
            case fx.FetchOrder(order_id=order_id):
                await self._look_up(order_id)
            case fx.FetchFigures():
                await self._figures(effect)
            case fx.FetchSessions(first=first, last=last):
                try:
                    sessions = await self._client.get_calendar(first, last)
                except BROKER_ERRORS as error:
                    self._failed("sessions", error)
                else:
                    self._hear(e.SessionsReported(first, last, sessions))
            case fx.FetchActivities():
                await self._fetch_activities(effect)
            case fx.FetchClock(asked_at=asked_at):
                try:
                    told = await self._client.get_clock()
                except BROKER_ERRORS as error:
                    self._failed("clock", error)
                else:
                    speed = told.speed or Decimal(1)
                    self._hear(e.ClockReported(asked_at, self._clock.now(), told.timestamp, speed))
            case fx.SuspendTrading(is_on=is_on):
                try:
                    await self._client.set_suspend_trade(is_on)
                except BROKER_ERRORS as error:
                    self._failed("suspend_trade", error)
                else:
                    self._hear(e.SuspendTradeChanged(is_on))
            case fx.SendAlert(level=level, key=key, text=text):
                await self._notice.send(level, key, text)
            case fx.ReopenStream(why=why):
                self._reopen_stream(why)
            case fx.StopDaemon(why=why):
                self._stop(why)
            case _:
                if not isinstance(effect, Errand):
                    raise BugError(f"no one runs {effect!r}")
                await self._errands.run(effect)

    async def _submit(self, approved: Approved) -> None:
        order_id = approved.draft.order_id
        if order_id in self._sending:  # held up by a limit for longer than the core waits
            self._hear(e.SubmitWithheld(order_id, "an earlier request of it is still under way"))
            return
        self._sending[order_id] = approved
        self._submits_open += 1
        self._settled.clear()
        try:
            async with self._submits:
                self._hear(await self._send(approved))
        except BrokerRefusedError as error:
            refused = error.refused
            if refused.is_final:
                self._hear(
                    e.SubmitRefused(
                        order_id, refused.kind, refused.status, refused.code, refused.message
                    )
                )
            elif refused.kind is RefusalKind.DUPLICATE_CLIENT_ORDER_ID:
                self._hear(e.SubmitUnconfirmed(order_id, refused.message))
            else:
                await self._ask_after_refusal(order_id, error)
        except RefusedError as error:  # our own client would not even send it
            self._hear(e.SubmitRefused(order_id, "local", 0, None, str(error)))
        except NoVerdictError as error:
            self._hear(e.FetchFailed("credentials", str(error)))
            self._hear(e.SubmitUnconfirmed(order_id, str(error)))
        except OutcomeUnknownError as error:
            if error.unknown.may_have_arrived:
                self._hear(e.SubmitUnconfirmed(order_id, str(error)))
            else:  # no connection came about: not a byte has left
                self._hear(e.SubmitWithheld(order_id, str(error)))
        finally:
            del self._sending[order_id]
            self._submits_open -= 1
            if not self._submits_open:
                self._settled.set()

    async def _send(self, approved: Approved) -> e.Event:
        """Send, again only where the broker said that it did not process it (429)."""
        order_id = approved.draft.order_id
        for sends in range(1, SENDS_MAX + 1):
            try:
                self._ask_fence(order_id)
                return reported(await self._request(approved), "submit")
            except WithheldError as withheld:
                return e.SubmitWithheld(order_id, str(withheld))
            except RateLimitedError as error:
                wait_s = error.limited.wait_s or 1.0
                if sends == SENDS_MAX:
                    return e.SubmitWithheld(order_id, str(error))
            await self._clock.sleep(wait_s)
        raise BugError("the last send returns")

    def _ask_fence(self, order_id: str) -> None:
        """Raise WithheldError where the order may not leave.

        Asked before the request is built, and again on its connection before the first byte.
        """
        if (why := self._fence.why_closed(self._sending[order_id])) is not None:
            raise WithheldError(why)

    async def _request(self, approved: Approved) -> OrderRecord:
        draft = approved.draft
        if draft.order_type is OrderType.LIMIT:
            assert draft.limit_price is not None
            return await self._client.submit_limit_order(
                draft.symbol,
                draft.qty,
                draft.side,
                draft.limit_price,
                client_order_id=draft.order_id,
            )
        return await self._client.submit_market_order(
            draft.symbol, draft.qty, draft.side, client_order_id=draft.order_id
        )

    async def _ask_after_refusal(self, order_id: OrderId, error: BrokerRefusedError) -> None:
        """A 422 may stand for an order that exists: only where it does not was it refused."""
        refused = error.refused
        try:
            record = await self._client.get_order_by_client_id(order_id)
        except BROKER_ERRORS as unknown:
            self._hear(e.SubmitUnconfirmed(order_id, f"{error}; {unknown}"))
            return
        if record is not None:
            self._hear(reported(record, "lookup"))
            return
        self._hear(
            e.SubmitRefused(order_id, refused.kind, refused.status, refused.code, refused.message)
        )

    async def _cancel(self, order_id: OrderId, broker_order_id: BrokerOrderId | None) -> None:
        try:
            if broker_order_id is None:
                record = await self._client.get_order_by_client_id(order_id)
                if record is None:
                    self._hear(e.OrderNotFound(order_id, self._clock.now()))
                    return
                broker_order_id = record.id
            await self._client.cancel_order(broker_order_id)
        except BROKER_ERRORS as error:
            self._hear(e.CancelUnconfirmed(order_id, str(error)))
        await self._look_up(order_id)

    async def _cancel_all(self) -> None:
        try:
            await self._client.cancel_all_orders()
        except BROKER_ERRORS as error:
            self._hear(e.CancelUnconfirmed(None, str(error)))

    async def _look_up(self, order_id: OrderId) -> None:
        if order_id in self._looking_up:
            return  # one question at a time: the answer under way is as good
        self._looking_up.add(order_id)
        asked_at = self._clock.now()
        try:
            record = await self._client.get_order_by_client_id(order_id)
        except BROKER_ERRORS as error:
            self._failed("order", error)
            return
        finally:
            self._looking_up.discard(order_id)
        if record is None:
            self._hear(e.OrderNotFound(order_id, asked_at))
        else:
            self._hear(reported(record, "lookup"))

    async def _figures(self, effect: fx.FetchFigures) -> None:
        """Quotes and assets are told first: whoever hears the snapshot has heard the rest."""
        await asyncio.gather(
            self._fetch_quotes(effect.quotes, effect.asked_at),
            self._fetch_assets(effect.assets),
        )
        try:
            account, positions, orders = await asyncio.gather(
                self._client.get_account(),
                self._client.get_positions(),
                self._client.list_orders(status="open"),
            )
        except BROKER_ERRORS as error:
            self._failed("snapshot", error)
            return
        open_orders: tuple[OpenOrder, ...] = tuple(
            order for record in orders for order in record.open_orders()
        )
        self._hear(e.SnapshotReported(effect.asked_at, account, positions, open_orders))

    async def _fetch_quotes(self, symbols: tuple[Symbol, ...], asked_at: datetime) -> None:
        if not symbols:
            return
        try:
            quotes = await self._quotes.get_quotes(symbols)
        except BROKER_ERRORS as error:
            self._failed("quotes", error)
            return
        self._hear(e.QuotesReported(asked_at, quotes))

    async def _fetch_assets(self, symbols: tuple[Symbol, ...]) -> None:
        if not symbols:
            return

        async def one(symbol: Symbol) -> Asset | None:
            async with self._assets:
                return await self._client.get_asset(symbol)

        try:
            assets = await asyncio.gather(*(one(symbol) for symbol in symbols))
        except BROKER_ERRORS as error:
            self._failed("assets", error)
            return
        known = tuple(asset for asset in assets if asset is not None)
        self._hear(e.AssetsReported(symbols, known))

    async def _fetch_activities(self, effect: fx.FetchActivities) -> None:
        """All pages or none: a part of the list is no list."""
        try:
            records = await self._client.activities(after=effect.after)
        except BROKER_ERRORS as error:
            self._failed("activities", error)
            return
        activities = tuple(record.activity() for record in records)
        self._hear(e.ActivitiesReported(effect.after, effect.asked_at, activities))

    def _failed(self, what: str, error: Exception) -> None:
        if isinstance(error, NoVerdictError):
            self._hear(e.FetchFailed("credentials", str(error)))
        self._hear(e.FetchFailed(what, str(error)))


BROKER_ERRORS = (
    BrokerRefusedError,
    OutcomeUnknownError,
    NoVerdictError,
    RateLimitedError,
    RefusedError,
)
"""What a question may end with; the last is our own client's, for what it would never send."""
