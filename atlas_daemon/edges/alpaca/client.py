"""AlpacaTradingClient: Alpaca's trading API, one method per question or request.

It decides nothing: what may be sent is the validator's, when it is sent again is the submitter's.
A request that changes something is sent once; who sent it asks what became of it (see `faults`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from atlas_daemon.core.errors import ConfigError, RefusedError
from atlas_daemon.core.values import Account, Asset, OrderType, Position, Session, Side
from atlas_daemon.edges.alpaca import wire
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
    RefusalKind,
    Unknown,
)
from atlas_daemon.edges.alpaca.pool import Gate
from atlas_daemon.edges.alpaca.scalars import stamp
from atlas_daemon.edges.alpaca.ticket import Ticket, order_path, symbol_of
from atlas_daemon.edges.alpaca.transport import (
    Answer,
    SessionSource,
    Transport,
    check_page,
    root_of,
)
from atlas_daemon.edges.alpaca.wire import Activity, CancelResult, Clock, OrderRecord

T = TypeVar("T")

NOT_FOUND_CODE = 40410000
PAGE_MAX, ACTIVITIES_PAGE_MAX = 500, 100
MICROSECOND = timedelta(microseconds=1)


class AlpacaTradingClient:
    """The account `account` at the broker behind `trading_url`.

    Every method may raise `OutcomeUnknownError`, `NoVerdictError`, `RateLimitedError` and
    `BrokerRefusedError`; GETs have been tried four times by then, anything else once.
    `sleep`, `budget` and `wall` (epoch seconds) are given by simulations and tests.
    """

    def __init__(
        self,
        account: str = "LARGE",
        logger: logging.Logger | None = None,
        *,
        key_id: str,
        secret: str,
        trading_url: str,
        data_url: str,
        session: SessionSource = None,
        timeout_s: float = 30.0,
        budget: RequestBudget | None = None,
        data_budget: RequestBudget | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        for name, value in (("KEY", key_id), ("SECRET", secret)):
            if not value.strip() or not value.isascii() or not value.isprintable():
                raise ConfigError(f"ALPACA_{account}_{name} is empty or not plain text")
        self.account = account
        self._logger = logger or logging.getLogger("AlpacaTradingClient")
        self._trading_url = root_of(trading_url)
        self._data_url = root_of(data_url)
        self._budget = budget or RequestBudget(sleep=sleep)
        self._data_budget = data_budget or RequestBudget(cancel_reserve=0, sleep=sleep)
        self.order_gate: Callable[[str], None] = lambda client_order_id: None
        """Asked right before an order's first byte; raises to hold it back."""
        self._transport = Transport(
            key_id=key_id,
            secret=secret,
            session=session,
            timeout_s=timeout_s,
            sleep=sleep,
            logger=self._logger,
            wall=wall,
        )
        self.lookout = self._transport.lookout

    async def connect(self) -> bool:
        """Open the pooled session and prove the credentials; True, or an error of one line."""
        try:
            account = await self.get_account()
        except NoVerdictError as error:
            keys = f"ALPACA_{self.account}_KEY and ALPACA_{self.account}_SECRET"
            raise NoVerdictError(
                f"connect to {self._trading_url} with {keys}", error.no_verdict
            ) from error
        self._logger.info("Connected to Alpaca account %s (%s)", account.number, account.status)
        return True

    @property
    def budget_left(self) -> int:
        """How many trading requests may still be made this minute."""
        return self._budget.left

    async def close(self) -> None:
        """Close the pooled session."""
        await self._transport.close()

    # What the account holds.

    async def get_account(self) -> Account:
        """Return equity, cash, buying power and the account's blocks."""
        return await self._get("/v2/account", wire.account)

    async def get_positions(self) -> tuple[Position, ...]:
        """Return all holdings."""
        return await self._get("/v2/positions", wire.positions)

    async def get_configurations(self) -> wire.Configurations:
        """Return the account's own switches at the broker."""
        return await self._get("/v2/account/configurations", wire.configurations)

    async def set_suspend_trade(self, suspended: bool) -> wire.Configurations:
        """Set the broker's own latch: while it is on every order is refused, sells too."""
        self._logger.warning("Setting suspend_trade to %s at the broker", suspended)
        payload = {"suspend_trade": suspended}
        answer = await self._send("PATCH", "/v2/account/configurations", payload)
        result = _read(answer, wire.configurations, "suspend_trade")
        if result.suspend_trade is not suspended:
            detail = f"the broker still says {result.suspend_trade}"
            raise OutcomeUnknownError("suspend_trade", Unknown(detail, is_transient=False))
        return result

    # Orders out. Only the outlet calls these in the daemon.

    async def submit_market_order(
        self, symbol: str, qty: int | Decimal, side: Side | str, *, client_order_id: str
    ) -> OrderRecord:
        """Submit a simple DAY market order, once."""
        return await self._submit(
            Ticket.written(symbol, qty, side, OrderType.MARKET, client_order_id)
        )

    async def submit_limit_order(
        self,
        symbol: str,
        qty: int | Decimal,
        side: Side | str,
        limit_price: int | Decimal,
        *,
        client_order_id: str,
    ) -> OrderRecord:
        """Submit a simple DAY limit order, once; the price is set on the tick, never worse."""
        return await self._submit(
            Ticket.written(
                symbol, qty, side, OrderType.LIMIT, client_order_id, limit_price=limit_price
            )
        )

    async def submit_stop_order(
        self,
        symbol: str,
        qty: int | Decimal,
        side: Side | str,
        stop_price: int | Decimal,
        *,
        client_order_id: str,
    ) -> OrderRecord:
        """Submit a simple DAY stop order, once."""
        return await self._submit(
            Ticket.written(
                symbol, qty, side, OrderType.STOP, client_order_id, stop_price=stop_price
            )
        )

    async def submit_trailing_stop_order(
        self,
        symbol: str,
        qty: int | Decimal,
        side: Side | str,
        *,
        trail_price: int | Decimal | None = None,
        trail_percent: int | Decimal | None = None,
        client_order_id: str,
    ) -> OrderRecord:
        """Submit a simple DAY trailing stop by exactly one of price (USD) or percent, once."""
        return await self._submit(
            Ticket.written(
                symbol,
                qty,
                side,
                OrderType.TRAILING_STOP,
                client_order_id,
                trail_price=trail_price,
                trail_percent=trail_percent,
            )
        )

    async def close_position(self, symbol: str, *, client_order_id: str) -> OrderRecord:
        """Sell what is available of a holding, as a market order under our own id.

        Alpaca's DELETE /positions is never called: its order would carry no id of ours.
        """
        name = symbol_of(symbol)
        position = await self._get(f"/v2/positions/{quote(name, safe='')}", wire.position)
        if position.qty_available <= 0:
            held = f"{position.qty} held, {position.qty_available} available"
            raise RefusedError(f"close {name}: nothing to sell ({held})")
        return await self.submit_market_order(
            name, position.qty_available, Side.SELL, client_order_id=client_order_id
        )

    # Orders back.

    async def cancel_order(self, order_id: str) -> bool:
        """Ask for a cancel: True where the broker took it (asked, not done), else False.

        False where the order is past cancelling (422) or unknown to the broker (404).
        """
        self._logger.info("Cancelling order %s", order_id)
        url = self._trading_url + order_path(order_id)
        try:
            await self._transport.send("DELETE", url, None, self._budget, is_cancel=True)
        except BrokerRefusedError as error:
            gone = {RefusalKind.NOT_CANCELABLE, RefusalKind.NOT_FOUND}
            if error.refused.kind not in gone:
                raise
            self._logger.warning("Order %s not cancelled: %s", order_id, error.refused.message)
            return False
        return True

    async def cancel_all_orders(self) -> tuple[CancelResult, ...]:
        """Ask for a cancel of every open order of the account, ours or not, in one request."""
        self._logger.warning("Cancelling all open orders of account %s", self.account)
        url = self._trading_url + "/v2/orders"
        answer = await self._transport.send("DELETE", url, None, self._budget, is_cancel=True)
        return _read(answer, wire.cancel_results, "cancel all") if answer.body else ()

    async def get_order_status(self, order_id: str) -> OrderRecord:
        """Return the order with the broker's id `order_id`."""
        return await self._get(order_path(order_id), wire.order)

    async def get_order_by_client_id(self, client_order_id: str) -> OrderRecord | None:
        """Return the order with our id; None only where the broker itself says it has none."""
        params = {"client_order_id": client_order_id}
        order = await self._find("/v2/orders:by_client_order_id", wire.order, params)
        if order is not None and order.client_order_id != client_order_id:
            detail = f"asked for {client_order_id}, got {order.client_order_id!r}"
            raise OutcomeUnknownError("order by client id", Unknown(detail, is_transient=False))
        return order

    async def list_orders(
        self,
        status: str = "open",
        after: datetime | None = None,
        until: datetime | None = None,
        symbols: Sequence[str] = (),
        limit: int = PAGE_MAX,
        direction: str = "asc",
    ) -> tuple[OrderRecord, ...]:
        """Return all orders (`limit` a page), each once, in the order of their submission.

        `after` and `until` are exclusive and on the moment of submission: an older order that
        filled since is not found by them. A page that cannot be followed by the next raises.
        """
        check_page("limit", limit, 2, PAGE_MAX)  # consecutive pages share their border
        found: dict[str, OrderRecord] = {}
        params = {"status": status, "limit": str(limit), "direction": direction, "nested": "false"}
        if symbols:
            params["symbols"] = ",".join(symbol_of(symbol) for symbol in symbols)
        for name, bound in (("after", after), ("until", until)):
            if bound is not None:
                params[name] = stamp(bound)
        while True:
            page = await self._get("/v2/orders", wire.orders, params)
            is_new = any(order.id not in found for order in page)
            found.update((order.id, order) for order in page)
            if len(page) < limit:
                return tuple(found.values())
            last_at = page[-1].submitted_at
            if not is_new or last_at is None:
                detail = f"no way past {limit} orders submitted at {last_at}"
                raise OutcomeUnknownError("list orders", Unknown(detail, is_transient=False))
            # Several orders may share a microsecond: step back by one, the ids sort it out.
            if direction == "asc":
                params["after"] = stamp(last_at - MICROSECOND)
            else:
                params["until"] = stamp(last_at + MICROSECOND)

    async def activities(
        self,
        after: datetime | None = None,
        types: Sequence[str] = (),
        page_size: int = ACTIVITIES_PAGE_MAX,
    ) -> tuple[Activity, ...]:
        """Return the account's activities since `after` (exclusive), oldest first, each once."""
        check_page("page_size", page_size, 1, ACTIVITIES_PAGE_MAX)
        found: dict[str, Activity] = {}
        params = {"direction": "asc", "page_size": str(page_size)}
        if types:
            params["activity_types"] = ",".join(types)
        if after is not None:
            params["after"] = stamp(after)
        while True:
            page = await self._get("/v2/account/activities", wire.activities, params)
            is_new = any(activity.id not in found for activity in page)
            found.update((activity.id, activity) for activity in page)
            if len(page) < page_size:
                return tuple(found.values())
            if not is_new:
                detail = f"page after {page[-1].id} brings nothing new"
                raise OutcomeUnknownError("activities", Unknown(detail, is_transient=False))
            params["page_token"] = page[-1].id

    # Time and tradability.

    async def is_market_open(self) -> bool:
        """True while the broker says that the market is open."""
        return (await self.get_clock()).is_open

    async def get_clock(self) -> Clock:
        """Return the broker's time, the next open and the next close."""
        answer = await self._ask("/v2/clock")
        speed = answer.headers.get("X-Atlas-Clock-Speed")
        return _read(answer, lambda body: wire.clock(body, speed), "clock")

    async def get_calendar(self, first: date, last: date) -> tuple[Session, ...]:
        """Return the sessions from `first` to `last`, both included."""
        params = {"start": first.isoformat(), "end": last.isoformat()}
        return await self._get("/v2/calendar", wire.calendar, params)

    async def get_assets(self) -> tuple[Asset, ...]:
        """Return all active US equities."""
        params = {"status": "active", "asset_class": "us_equity"}
        return await self._get("/v2/assets", wire.assets, params)

    async def get_asset(self, symbol: str) -> Asset | None:
        """Return what the broker says of `symbol`; None where it has no such asset."""
        return await self._find(f"/v2/assets/{quote(symbol_of(symbol), safe='')}", wire.asset)

    async def get_data(
        self, path: str, decode: Callable[[bytes], T], params: Mapping[str, str]
    ) -> T:
        """Ask the market data API, which has an address and a budget of its own."""
        url = self._data_url + path
        answer = await self._transport.get(url, params, self._data_budget)
        return _read(answer, decode, path)

    async def _submit(self, ticket: Ticket) -> OrderRecord:
        self._logger.info("Submitting %s", ticket.sentence())
        gate = partial(self.order_gate, ticket.client_order_id)
        answer = await self._send("POST", "/v2/orders", ticket.payload(), gate)
        order = _read(answer, wire.order, f"submit {ticket.client_order_id}")
        if order.client_order_id != ticket.client_order_id:
            detail = f"the answer is about {order.client_order_id!r}"
            raise OutcomeUnknownError(
                f"submit {ticket.client_order_id}", Unknown(detail, is_transient=False)
            )
        self._logger.info("Order %s %s: %s", order.id, order.status, ticket.client_order_id)
        return order

    async def _ask(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        return await self._transport.get(self._trading_url + path, params, self._budget)

    async def _get(
        self, path: str, decode: Callable[[bytes], T], params: Mapping[str, str] | None = None
    ) -> T:
        return _read(await self._ask(path, params), decode, path)

    async def _find(
        self, path: str, decode: Callable[[bytes], T], params: Mapping[str, str] | None = None
    ) -> T | None:
        """As `_get`, and None for the broker's own 404; anybody else's 404 proves no absence."""
        try:
            return await self._get(path, decode, params)
        except BrokerRefusedError as error:
            if (error.refused.status, error.refused.code) != (404, NOT_FOUND_CODE):
                raise
            if "endpoint" in error.refused.message.lower():
                raise
            return None

    async def _send(
        self, method: str, path: str, payload: Mapping[str, object], gate: Gate | None = None
    ) -> Answer:
        url = self._trading_url + path
        return await self._transport.send(method, url, payload, self._budget, gate=gate)


def _read(answer: Answer, decode: Callable[[bytes], T], what: str) -> T:
    """Decode a 2xx body; where it cannot be read nobody knows what the broker meant."""
    try:
        return decode(answer.body)
    except wire.WireError as error:
        raise OutcomeUnknownError(what, Unknown(str(error), is_transient=False)) from error
