"""A small world for the local broker's tests: a table of prices, the real calendar, one account.

Thursday 1 February 2024 is the day; quotes change only where a test says so.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.exchange import Exchange
from atlas_daemon.paper.exchange.order_faults import OrderFaults
from atlas_daemon.paper.exchange.orders import Update
from atlas_daemon.paper.faults.fault import Fault
from atlas_daemon.paper.faults.faults import Faults
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.paper.market.market import CorporateAction, MarketBar, MarketQuote, MarketTrade

OPEN = datetime(2024, 2, 1, 14, 30, tzinfo=UTC)
NOON = datetime(2024, 2, 1, 17, 0, tzinfo=UTC)
CLOSE = datetime(2024, 2, 1, 21, 0, tzinfo=UTC)
NEXT_OPEN = datetime(2024, 2, 2, 14, 30, tzinfo=UTC)
NEXT_CLOSE = datetime(2024, 2, 2, 21, 0, tzinfo=UTC)
EVENING = datetime(2024, 2, 1, 23, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class TableMarket:
    """Quotes that stay until the table says otherwise; the last trade is at their middle."""

    def __init__(self, **quotes: tuple[str, str]) -> None:
        self._table: dict[str, list[tuple[datetime, Decimal, Decimal]]] = {}
        self.corporate_actions: list[CorporateAction] = []
        self.unfractionable: set[str] = set()
        for symbol, (bid, ask) in quotes.items():
            self.move(symbol, datetime(2020, 1, 1, tzinfo=UTC), bid, ask)

    def move(self, symbol: str, at: datetime, bid: str, ask: str) -> None:
        self._table.setdefault(symbol, []).append((at, Decimal(bid), Decimal(ask)))
        self._table[symbol].sort()

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._table))

    def quote(self, symbol: str, at: datetime) -> MarketQuote | None:
        rows = self._table.get(symbol, [])
        index = bisect_right(rows, at, key=lambda row: row[0])
        if not index:
            return None
        _, bid, ask = rows[index - 1]
        return MarketQuote(bid, ask, 100, 100, at)

    def trade(self, symbol: str, at: datetime) -> MarketTrade | None:
        quote = self.quote(symbol, at)
        return quote and MarketTrade((quote.bid + quote.ask) / 2, 100, at)

    def bars(
        self, symbol: str, first: date, last: date, adjustment: str, at: datetime
    ) -> list[MarketBar]:
        bars = []
        for session in Calendar().sessions(first, last):
            trade = self.trade(symbol, session.closes_at)
            if session.closes_at <= at and trade is not None:
                bars.append(MarketBar(session.day, *[trade.price] * 4, volume=1000))
        return bars

    def minutes(self, *asked: object) -> None:
        """A market of sessions only."""

    def actions(self, first: date, last: date) -> list[CorporateAction]:
        return [a for a in self.corporate_actions if first <= a.ex_day <= last]

    def fractionable(self, symbol: str) -> bool:
        return symbol in self._table and symbol not in self.unfractionable


class World:
    """An exchange with one account; every helper takes and gives plain values."""

    def __init__(
        self,
        *,
        starts_at: datetime = NOON,
        cash: str = "10000",
        holdings: dict[str, str] | None = None,
        partial_fill_pct: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.market = TableMarket(SPY=("99.90", "100.00"), CHEAP=("9.90", "10.00"))
        self.exchange = Exchange(
            self.market, Calendar(), seed, partial_fill_pct, starts_at=starts_at
        )
        self.account: Account = self.exchange.open_account(
            "PKTEST",
            "secret",
            Decimal(cash),
            {symbol: (Decimal(qty), Decimal(50)) for symbol, qty in (holdings or {}).items()},
        )
        self.updates: list[Update] = []

    @property
    def now(self) -> datetime:
        return self.exchange.now

    def submit(self, **request: object):
        return self.exchange.submit(self.account, an_order(**request), self.now)

    def arm(self, kind: str, **terms: object) -> None:
        """Arm a fault that befalls single orders."""
        faults = Faults()
        faults.arm(Fault(kind, **terms))
        self.exchange.engine.order_faults = OrderFaults(faults)

    def replace(self, order, **change: object):
        return self.exchange.replace(self.account, order.id, change, self.now)

    def legs(self, order):
        return [self.account.orders[leg_id] for leg_id in order.leg_ids]

    def cancel(self, order):
        return self.exchange.cancel(self.account, order.id, self.now)

    def go_to(self, at: datetime) -> list[Update]:
        new = self.exchange.advance(at)
        self.updates += new
        return new

    def wait(self, seconds: float = 30) -> list[Update]:
        return self.go_to(self.now + timedelta(seconds=seconds))

    def events(self, order) -> list[str]:
        return [u.event for u in self.updates if u.order.id == order.id]


def a_bracket(**changes: object) -> dict[str, object]:
    """A bracket around a buy of 10 SPY: profit at 110, stop at 90."""
    body: dict[str, object] = {
        "qty": "10",
        "order_class": "bracket",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "90"},
    }
    return body | changes


def an_oco(**changes: object) -> dict[str, object]:
    """The exits of 10 SPY that are held already: profit at 110, stop at 90."""
    return a_bracket(order_class="oco", side="sell", type="limit", **changes)


def an_order(**changes: object) -> dict[str, object]:
    """The body of a market DAY buy of 1 SPY, changed as asked; None takes a key out."""
    body: dict[str, object] = {
        "symbol": "SPY",
        "qty": "1",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
    }
    body |= changes
    return {key: value for key, value in body.items() if value is not None}
