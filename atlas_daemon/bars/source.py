"""The ports of this room: who answers with bars, and who sells them to the store.

Another scanner's or vendor's bars come in by one of these two; the
rest of the house does not see which.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Protocol

from atlas_daemon.bars.actions import Action
from atlas_daemon.bars.frame import Bars
from atlas_daemon.bars.raw import RawBars


class BarSource(Protocol):
    """Whatever answers with daily bars: a file, a store with a vendor behind it, a service."""

    def load(
        self, symbols: Collection[str] | None, start: date, end: date, order_day: date
    ) -> Bars:
        """Return bars of `symbols` (None = all there are) over [start, end], inclusive.

        `order_day` is the session after `end`: splits up to it are told in `splits_next`. A symbol
        without bars has an empty column. Nothing dated after `end` may change a bar. Raises
        `SignalsError` where there can be no answer; a flaw of one symbol is for `checks` to name.
        """
        ...


class Vendor(Protocol):
    """Whoever sells raw bars and corporate actions, by symbol and day."""

    label: str
    """What the bars are called in messages."""
    identity: str
    """Whose bars they are: those of two identities are never mixed."""

    def bars(self, symbols: Collection[str], first: date, last: date) -> RawBars:
        """Return raw bars of [first, last]. Raises `SignalsError`."""
        ...

    def actions(self, symbols: Collection[str], first: date, last: date) -> Sequence[Action]:
        """Return the corporate actions processed in [first, last]. Raises `SignalsError`."""
        ...

    def close(self) -> None:
        """Let go of connections; asking again opens new ones."""
        ...
