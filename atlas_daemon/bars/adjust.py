"""Raw bars and corporate actions made into a frame: total return for signals, as traded for sizes.

The total return of a series up to its last bar: every price before an ex-day is divided by the
split and multiplied by 1 - D / C, C the last close before, D the dollars per share, both on the
basis after the split. That is what vendors' adjusted closes are (measured: Yahoo's, to 1e-6).
Actions after the last session are not looked at.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import numpy as np

from atlas_daemon.bars.actions import DIVIDENDS, SPIN_OFF, SPLITS, Action, ends_of
from atlas_daemon.bars.frame import (
    BarRows,
    Bars,
    Days,
    Flags,
    Floats,
    build_frame,
    day_number,
    day_of,
    distinct,
)
from atlas_daemon.bars.raw import RawBars

_PAID = DIVIDENDS | {SPIN_OFF}


def adjusted(
    source: str,
    raw: RawBars,
    actions: Sequence[Action],
    symbols: Sequence[str],
    end: date,
    notes: tuple[str, ...] = (),
) -> Bars:
    """Return the frame of `symbols`, whose rows in `raw` reach to `end` and not beyond.

    A symbol with an action whose effect is unknown is named in the frame's `flaws`.
    """
    bars = raw.where(raw.of(symbols)).under(symbols)
    order = np.lexsort((bars.day, bars.symbol))
    day, code, close = bars.day[order], bars.symbol[order], bars.close[order]
    price, shares = np.ones(len(order)), np.ones(len(order))
    acted = np.zeros(len(order), dtype=np.bool_)
    flaws = {}
    edges = np.searchsorted(code, np.arange(len(symbols) + 1))
    place = {symbol: at for at, symbol in enumerate(symbols)}
    for symbol, by_day in _by_symbol(actions, day_number(end)).items():
        at = place.get(symbol)
        if at is None:
            continue
        rows = slice(int(edges[at]), int(edges[at + 1]))
        series = _Series(day[rows], close[rows], price[rows], shares[rows], acted[rows])
        flaw = series.apply(by_day)
        if flaw:
            flaws[symbol] = flaw
    volume = bars.volume[order]
    frame = build_frame(
        source,
        symbols,
        BarRows(
            day=day,
            symbol=code,
            high_total=bars.high[order] * price,
            close_total=close * price,
            close_traded=close,
            volume=volume * shares,
            value=close * volume,
            action=acted,
        ),
        distinct(raw.day),
    )
    return frame.saying(flaws, ends_of(actions, end), notes)


def _by_symbol(actions: Sequence[Action], end: int) -> dict[str, dict[int, list[Action]]]:
    """Return the actions that touch prices, by symbol and day."""
    found: dict[str, dict[int, list[Action]]] = defaultdict(lambda: defaultdict(list))
    for action in actions:
        day = day_number(action.day)
        if day <= end and (action.kind in SPLITS | _PAID or not action.is_priced):
            found[action.symbol][day].append(action)
    return found


class _Series:
    """One symbol's rows, ascending by day: views into the arrays of all."""

    def __init__(
        self, day: Days, close: Floats, price: Floats, shares: Floats, acted: Flags
    ) -> None:
        self.day, self.close = day, close
        self.price, self.shares, self.acted = price, shares, acted

    def apply(self, by_day: dict[int, list[Action]]) -> str:
        """Take the actions out of the prices; return the first that cannot be, or nothing."""
        for day in sorted(by_day):
            before = int(np.searchsorted(self.day, day))
            if before < len(self.day):
                self.acted[before] = True
            if before == 0:
                continue  # nothing traded before it in this window
            odd = [action for action in by_day[day] if not action.is_priced]
            if odd:
                return f"{odd[0].says()}: its total return cannot be computed"
            split = float(np.prod([a.ratio for a in by_day[day] if a.kind in SPLITS]))
            paid = sum(a.cash or 0.0 for a in by_day[day] if a.kind in _PAID)
            left = 1 - paid * split / self.close[before - 1]
            if not left > 0:
                return f"{paid:g} dollars paid on {day_of(day)}, no less than the close before"
            self.price[:before] *= left / split
            self.shares[:before] *= split
        return ""
