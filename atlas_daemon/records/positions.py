"""Holdings as the entries make them: for wording only, the core keeps its own book."""

from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.values import ZERO, Symbol


class Positions:
    """Quantities by symbol as the entries make them, to tell an opening from an adjustment."""

    def __init__(self) -> None:
        self._held: dict[Symbol, Decimal] = {}

    def fold(self, entry: Entry) -> None:
        """Take one entry in."""
        match entry.event:
            case e.BookAdopted() as event:
                if event.is_whole:
                    self._held.clear()
                self._held.update(event.positions)
            case e.FillBooked() as event:
                self._held[event.symbol] = self.held(event.symbol) + event.qty * event.side.sign

    def held(self, symbol: Symbol) -> Decimal:
        """Return the quantity held, zero where none."""
        return self._held.get(symbol, ZERO)

    def action(self, event: e.FillBooked) -> str:
        """Return `open`, `close` or `adjust` for a fill that was not yet taken in."""
        before = self.held(event.symbol)
        after = before + event.qty * event.side.sign
        if not before:
            return "open"
        return "adjust" if after else "close"
