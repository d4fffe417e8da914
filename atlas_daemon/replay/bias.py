"""What is not to be believed in a replay, said plainly and as far as possible in figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from atlas_daemon.core.brain import SignalsError
from atlas_daemon.strategy.universe import ALL, NAMED, intervals_on, resolve_universe

from .held_bars import HeldBars

FILE = "file:"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a universe the data has on a day."""

    day: date
    members: int
    present: int

    @property
    def share(self) -> float:
        """The fraction that has a bar on the day."""
        return self.present / self.members if self.members else 0.0


def coverage_of(universe: str, days: Sequence[date], bars: HeldBars) -> list[Coverage]:
    """Return for each day how many members the universe had, and how many have a bar that day."""
    found = []
    for day in days:
        try:
            series = _members(universe, day)
        except SignalsError:
            continue  # told by the run that it kept from trading
        row = bars.bars.row(day)
        here = 0
        for name in series:
            column = bars.column(name)
            if row is not None and column is not None:
                here += bool(bars.bars.present[row, column])
        found.append(Coverage(day, len(series), here))
    return found


def _members(universe: str, day: date) -> list[str]:
    """Return the series of every member on a day, an empty name for one that has none."""
    if universe.startswith(FILE):
        path = Path(universe.removeprefix(FILE)).expanduser()
        return [series for _, series in intervals_on(path, day)]
    symbols = resolve_universe(universe, day).symbols
    return list(symbols or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """The figures that the statements rest on. Money in dollars."""

    universe: str
    coverage: Sequence[Coverage]
    has_dividends: bool
    """The data tells of dividends; else they may be in its prices."""
    ignored_dividends: Decimal
    mean_equity: float
    years: float
    slippage: Decimal
    traded: Decimal
    seed: int
    is_model: bool
    """The regime is the model's."""
    has_benchmark_dividends: bool


def statements(grounds: Grounds) -> list[str]:
    """Return what is biased, one sentence or two each."""
    said = [_of_the_universe(grounds)]
    said.append(_of_dividends(grounds))
    cost = float(grounds.slippage / grounds.traded) * 1e4 if grounds.traded else 0.0
    said.append(
        "Fills are modelled: at the quote of a path that is drawn through each day's open, high, "
        f"low and close (seed {grounds.seed}), 1 to 10 basis points wide, in any size. They cost "
        f"${grounds.slippage:,.0f} against the prices decided on, {cost:.1f} basis points of what "
        "was traded. Market impact, fees, taxes and interest on cash are left out."
    )
    if grounds.is_model:
        said.append(
            "The settings of the regime model were chosen with this history known; its labels "
            "themselves use each day's past only."
        )
    if not grounds.has_benchmark_dividends:
        said.append("The data has no dividends of SPY: its total return here is its price's.")
    return said


def _of_dividends(grounds: Grounds) -> str:
    if not grounds.has_dividends:
        return (
            "The data tells of no dividends. Where its prices are adjusted for them they are in "
            "the result, and sizes rest on prices that no share ever cost."
        )
    a_year = float(grounds.ignored_dividends) / grounds.years / grounds.mean_equity
    return (
        f"Dividends are not paid, as in paper trading: ${grounds.ignored_dividends:,.0f} on what "
        f"was held at the ex-days are missing, about {a_year:.2%} a year. Splits are applied."
    )


def _of_the_universe(grounds: Grounds) -> str:
    covered = grounds.coverage
    if grounds.universe == ALL:
        return (
            "Survivorship: the universe is every series that the data holds, which are the "
            "companies of its last years. What vanished before is not there to lose money on."
        )
    if not covered:
        return f"Survivorship: no member of universe {grounds.universe} could be counted."
    mean = sum(each.share for each in covered) / len(covered)
    least = min(covered, key=lambda each: each.share)
    counted = (
        f"{mean:.1%} of its members have a bar on the signal days, at least {least.share:.1%} "
        f"({least.present} of {least.members} on {least.day})"
    )
    if grounds.universe.startswith(FILE):
        return (
            f"Survivorship: membership is that of each date; {counted}. The missing ones were "
            "mostly taken over, renamed or delisted since, and cannot be picked here."
        )
    kind = "a list of late 2025" if grounds.universe in NAMED else "a list of today"
    return (
        f"Hindsight: the universe is {kind}, so its names are known to have done well; {counted}."
    )
