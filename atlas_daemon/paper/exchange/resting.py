"""Orders that wait for the market to come to them, by symbol. No prices and no time in here."""

from __future__ import annotations

from collections.abc import Iterator

from atlas_daemon.paper.exchange.orders import Order


class Resting:
    """The orders that are compared with the market until they trade or end."""

    def __init__(self) -> None:
        self._by_symbol: dict[str, dict[str, Order]] = {}
        self._extended: set[str] = set()

    def __bool__(self) -> bool:
        """True while any order rests."""
        return bool(self._by_symbol)

    @property
    def has_extended(self) -> bool:
        """True while an order rests that may trade outside the session."""
        return bool(self._extended)

    def add(self, order: Order) -> None:
        """Let an order rest; one that does so already stays where it is."""
        self._by_symbol.setdefault(order.symbol, {})[order.id] = order
        if order.extended_hours:
            self._extended.add(order.id)

    def remove(self, order: Order) -> None:
        """Take an order off; nothing happens where it does not rest."""
        siblings = self._by_symbol.get(order.symbol)
        if siblings is not None and siblings.pop(order.id, None) is not None:
            self._extended.discard(order.id)
            if not siblings:
                del self._by_symbol[order.symbol]

    def has(self, order: Order) -> bool:
        """True where the order rests."""
        return order.id in self._by_symbol.get(order.symbol, {})

    def symbols(self) -> list[str]:
        """The symbols of resting orders, as of now."""
        return list(self._by_symbol)

    def of(self, symbol: str) -> Iterator[Order]:
        """The resting orders of a symbol, as of now; they may be removed while being looked at."""
        return iter(list(self._by_symbol.get(symbol, {}).values()))
