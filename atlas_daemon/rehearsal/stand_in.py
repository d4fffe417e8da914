"""An account that stands in for the broker's: fills every order at its expected price, at once.

It answers effects with the events that the world would answer with. Requests that would change
something at the broker are recorded here and go nowhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsAnswer
from atlas_daemon.core.errors import BugError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import (
    ZERO,
    Account,
    Asset,
    BrokerOrderId,
    Draft,
    OpenOrder,
    OrderId,
    Position,
    Quote,
    Side,
    Symbol,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a dry run begins: the moment, the account and the prices."""

    at: datetime
    """The moment the run is asked for, within the order session."""
    order_day: date
    signal_day: date
    account: Account
    positions: tuple[Position, ...]
    open_orders: tuple[OpenOrder, ...] = ()
    quotes: Mapping[Symbol, Quote]
    """As they stand at `at`; they keep that age for the whole of the dry run."""
    assets: Mapping[Symbol, Asset]
    bought: Mapping[Symbol, Decimal] = field(default_factory=dict)
    """What the journal bought: what `account.manage = "bought"` manages."""
    scale: Decimal | None = None
    """Part of normal sizes that the journal has for live trading; None where it has none."""
    is_hypothetical: bool = True
    prices_from: str = ""
    """What the prices are, for a person."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fill:
    """An order that would have been sent, and what it would have done."""

    draft: Draft
    price: Decimal
    cash_after: Decimal

    @property
    def value(self) -> Decimal:
        """Dollars that changed hands."""
        return self.draft.qty * self.price


class StandIn:
    """Answers effects over the scene's account as the orders change it."""

    def __init__(self, scene: Scene, answer: SignalsAnswer) -> None:
        self._scene, self._answer = scene, answer
        self._positions = {position.symbol: position for position in scene.positions}
        self.cash = scene.account.cash
        self.fills: dict[OrderId, Fill] = {}
        """In the order in which they would have been sent."""
        # What the account is worth besides cash and priced positions does not change here.
        self._besides = scene.account.equity - self.cash - self._positions_value()

    def answers(self, effect: fx.Effect, now: datetime) -> Iterator[e.Event]:
        """Yield what the world would say to an effect; nothing to what would only write."""
        match effect:
            case fx.SubmitOrder(approved=approved):
                yield from self._filled(approved.draft)
            case fx.FetchFigures():
                yield from self._figures(effect, now)
            case fx.FetchClock(asked_at=asked_at):
                yield e.ClockReported(asked_at, now, now)
            case fx.FetchSessions(first=first, last=last):
                yield e.SessionsReported(first, last, NYSE.sessions_between(first, last))
            case fx.ComputeSignals(signal_day=signal_day):
                yield self._signals(signal_day)
            case fx.FetchOrder(order_id=order_id):
                yield self._looked_up(order_id, now)
            case _:
                return  # alerts, cancels and latches: recorded in the entries, sent nowhere

    def _filled(self, draft: Draft) -> Iterator[e.Event]:
        held = self._positions.get(draft.symbol)
        price = draft.expected_price
        if price is None and held is not None:  # a close may be sent without a believed price
            price = held.price if held.price is not None else held.avg_entry_price
        if price is None:
            raise BugError(f"{draft.order_id} has no price and no position")
        self._book(draft, price)
        self.fills[draft.order_id] = Fill(draft, price, self.cash)
        yield self._reported(draft, "accepted", ZERO, None)
        yield e.OrderFilled(
            order_id=draft.order_id,
            broker_order_id=_broker_id(draft),
            symbol=draft.symbol,
            side=draft.side,
            order_qty=draft.qty,
            execution_id=f"fill-{draft.order_id}",
            qty=draft.qty,
            price=price,
            filled_qty=draft.qty,
            filled_avg_price=price,
            status="filled",
        )

    def _book(self, draft: Draft, price: Decimal) -> None:
        signed = draft.qty * draft.side.sign
        self.cash -= signed * price
        held = self._positions.get(draft.symbol)
        if held is None:
            self._positions[draft.symbol] = Position(
                draft.symbol, signed, price, qty_available=signed, price=price
            )
            return
        qty = held.qty + signed
        if qty:
            free = held.qty_available + signed
            self._positions[draft.symbol] = replace(held, qty=qty, qty_available=free)
        else:
            del self._positions[draft.symbol]

    def _figures(self, effect: fx.FetchFigures, now: datetime) -> Iterator[e.Event]:
        shift = now - self._scene.at
        if effect.quotes:
            quotes = (self._scene.quotes.get(symbol) for symbol in effect.quotes)
            yield e.QuotesReported(
                effect.asked_at,
                tuple(
                    replace(
                        quote,
                        quoted_at=quote.quoted_at + shift if quote.quoted_at else None,
                        last_at=quote.last_at + shift if quote.last_at else None,
                    )
                    for quote in quotes
                    if quote is not None
                ),
            )
        if effect.assets:
            known = (self._scene.assets.get(symbol) for symbol in effect.assets)
            yield e.AssetsReported(effect.assets, tuple(asset for asset in known if asset))
        account, spent = self._scene.account, self._scene.account.cash - self.cash
        yield e.SnapshotReported(
            effect.asked_at,
            replace(
                account,
                cash=self.cash,
                buying_power=account.buying_power - spent,
                equity=self.cash + self._positions_value() + self._besides,
            ),
            tuple(position for _, position in sorted(self._positions.items())),
            self._scene.open_orders,
        )

    def _positions_value(self) -> Decimal:
        return sum((position.value for position in self._positions.values()), ZERO)

    def _signals(self, signal_day: date) -> e.Event:
        answer = self._answer
        if signal_day != answer.signal_day:
            raise BugError(f"signals of {answer.signal_day}, asked for {signal_day}")
        if answer.regime is None or answer.regime_as_of is None:
            return e.FetchFailed("signals", "the regime source gave no regime")
        return e.SignalsReported(
            signal_day=signal_day,
            picks=answer.picks,
            closes={Symbol(symbol): close for symbol, close in answer.closes.items()},
            regime=answer.regime,
            regime_as_of=answer.regime_as_of,
            source="worker",
            candidates=answer.candidates,
            refused=answer.refused,
            notes=answer.notes,
        )

    def _looked_up(self, order_id: OrderId, now: datetime) -> e.Event:
        fill = self.fills.get(order_id)
        if fill is None:
            return e.OrderNotFound(order_id, now)
        return self._reported(fill.draft, "filled", fill.draft.qty, fill.price)

    def _reported(
        self, draft: Draft, status: str, filled_qty: Decimal, price: Decimal | None
    ) -> e.OrderReported:
        return e.OrderReported(
            order_id=draft.order_id,
            broker_order_id=_broker_id(draft),
            symbol=draft.symbol,
            side=draft.side,
            qty=draft.qty,
            status=status,
            filled_qty=filled_qty,
            filled_avg_price=price,
            source="submit",
        )


def closing_quotes(closes: Mapping[Symbol, Decimal], at: datetime) -> dict[Symbol, Quote]:
    """Return as-traded closes as if each were a trade of the moment `at`."""
    at = at.astimezone(UTC)
    return {
        symbol: Quote(symbol, None, None, None, last=close, last_at=at)
        for symbol, close in closes.items()
    }


def _broker_id(draft: Draft) -> BrokerOrderId:
    return BrokerOrderId(f"dry-run-{draft.order_id}")


def sells_value(fills: Mapping[OrderId, Fill]) -> Decimal:
    """Return the dollars that the sells brought in."""
    return sum((fill.value for fill in fills.values() if fill.draft.side is Side.SELL), ZERO)
