"""52-week-high momentum: who stands closest to its high of the last 252 sessions.

Ratio = total-return close / highest total-return high of the last 252 bars (that session's own
included). Total return, because a special dividend is no loss: KDP fell from 123.66 to 22.19 on a
$103.75 dividend. Highs, because with closes alone dozens tie at 1. Pure: arrays in, picks out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

import numpy as np
import numpy.typing as npt

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.values import Pick, Symbol

WINDOW_SESSIONS = 252
VOLUME_SESSIONS = 20
WEIGHT_PLACES = Decimal("0.000001")
WEIGHTINGS = ("equal", "momentum")


class DailyBars(Protocol):
    """What the scanner needs of a frame: sessions down (oldest first), symbols across."""

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """True where there is a bar."""

    @property
    def high_total(self) -> npt.NDArray[np.float64]:
        """Total-return highs."""

    @property
    def close_total(self) -> npt.NDArray[np.float64]:
        """Total-return closes."""

    @property
    def volume(self) -> npt.NDArray[np.float64]:
        """Split-adjusted shares."""

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """Dollars traded."""

    def column(self, symbol: str) -> int | None:
        """Return the column of a symbol."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the scanner keeps, how many, and how they are weighted."""

    top_n: int = 10
    weighting: str = "equal"
    min_high_ratio: Decimal = Decimal("0.90")
    volume_filter: Decimal = Decimal(0)
    """0 = off; k: the last session's volume must reach k times the mean of the last 20."""

    def __post_init__(self) -> None:
        checks = (
            (self.top_n >= 1, f"strategy.top_n: {self.top_n} is below 1"),
            (
                self.weighting in WEIGHTINGS,
                f"strategy.weighting: {self.weighting!r} is none of {', '.join(WEIGHTINGS)}",
            ),
            (
                self.min_high_ratio.is_finite() and 0 <= self.min_high_ratio <= 1,
                f"strategy.min_high_ratio: {self.min_high_ratio} is not between 0 and 1",
            ),
            (
                self.volume_filter.is_finite() and self.volume_filter >= 0,
                f"strategy.volume_filter: {self.volume_filter} is below 0",
            ),
        )
        for holds, text in checks:
            if not holds:
                raise SignalsError(text, FailureKind.CONFIG)


@dataclass(frozen=True, slots=True)
class Rating:
    """One symbol's figures on the signal session, to six places: ranks follow what is shown."""

    symbol: str
    ratio: Decimal
    return_12m: Decimal
    """Total return over the 252 bars."""
    dollar_volume: Decimal
    """Mean dollars traded per session over the last 20."""
    volume_ratio: Decimal
    """Last session's volume over the mean of the last 20."""


def rate(bars: DailyBars, symbols: Iterable[str]) -> tuple[list[Rating], list[tuple[str, str]]]:
    """Rate every symbol on its last 252 bars; return the ratings, and who has too few bars.

    The bars must have passed the checks: the last one is the signal session's, none is bad.
    """
    ratings, short = [], []
    for symbol in symbols:
        column = bars.column(symbol)
        rows = np.flatnonzero(bars.present[:, column]) if column is not None else np.zeros(0, int)
        if column is None or len(rows) < WINDOW_SESSIONS:
            short.append((symbol, f"{len(rows)} of {WINDOW_SESSIONS} sessions of bars"))
            continue
        window = rows[-WINDOW_SESSIONS:]
        closes = bars.close_total[window, column]
        # An official close may stand a little above its day's high; the ratio stays within 1.
        high = max(bars.high_total[window, column].max(), closes[-1])
        volumes = bars.volume[window[-VOLUME_SESSIONS:], column]
        ratings.append(
            Rating(
                symbol=symbol,
                ratio=_decimal(closes[-1] / high),
                return_12m=_decimal(closes[-1] / closes[0] - 1),
                dollar_volume=_decimal(bars.value[window[-VOLUME_SESSIONS:], column].mean()),
                volume_ratio=_decimal(volumes[-1] / volumes.mean()),
            )
        )
    return ratings, short


def choose(
    ratings: Sequence[Rating], rule: Rule, closes: Mapping[str, Decimal]
) -> tuple[tuple[Pick, ...], tuple[str, ...]]:
    """Return the picks, best first, with weights of the deployable value, and what to say of them.

    Ties are ranked by 12-month return, then dollar volume, then symbol. The weights add up to 1
    (or just below, cut to six places) whatever the number of picks; the cap per position comes
    later, in the planner.
    """
    passing = [rating for rating in ratings if rating.ratio >= rule.min_high_ratio]
    notes = []
    if rule.volume_filter > 0:
        before = len(passing)
        passing = [rating for rating in passing if rating.volume_ratio >= rule.volume_filter]
        if len(passing) < before:
            notes.append(f"the volume filter left out {before - len(passing)} of {before}")
    best = sorted(passing, key=_rank)[: rule.top_n]
    if not best:
        notes.append(f"no candidate passes: all cash ({len(ratings)} rated)")
    elif len(best) < rule.top_n:
        notes.append(
            f"{len(best)} of {rule.top_n} wanted lines pass the threshold; "
            f"each is weighted among {len(best)}"
        )
    picks = tuple(
        Pick(Symbol(rating.symbol), weight, closes.get(rating.symbol), rating.ratio)
        for rating, weight in zip(best, _weights(best, rule.weighting), strict=True)
    )
    return picks, tuple(notes)


def _rank(rating: Rating) -> tuple[Decimal, Decimal, Decimal, str]:
    return (-rating.ratio, -rating.return_12m, -rating.dollar_volume, rating.symbol)


def _weights(best: Sequence[Rating], weighting: str) -> list[Decimal]:
    """Return weights cut (never rounded up) to six places, so that their sum cannot exceed 1."""
    shares = [rating.ratio if weighting == "momentum" else Decimal(1) for rating in best]
    total = sum(shares, Decimal(0))
    return [(share / total).quantize(WEIGHT_PLACES, ROUND_DOWN) for share in shares]


def _decimal(number: float) -> Decimal:
    return Decimal(str(round(float(number), 6)))
