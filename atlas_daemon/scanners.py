"""Who says what to hold: the built-in scanner, and targets that somebody else computed.

Bars and strategy meet here. A scanner is whatever answers to `Scanner` and stands in `SCANNERS`;
one that is a program of its own writes the file that `file:PATH` reads. May not live here: the
regime, where bars come from, shares and dollars.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.frame import Bars, as_decimal, as_price
from atlas_daemon.core.brain import (
    BENCHMARK,
    FailureKind,
    SignalsError,
    SignalsRequest,
    alpaca_symbol,
)
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import Pick
from atlas_daemon.strategy.momentum_52w import Rule, choose, rate
from atlas_daemon.strategy.targets_file import Target, read_targets, refuse_unknown
from atlas_daemon.strategy.universe import Universe, resolve_universe

WINDOW_DAYS = 400
"""Calendar days of bars read: 252 sessions and a margin of about 24."""
REFUSED_MAX = Decimal("0.5")
"""Above this part of a universe failing the checks, the source is broken, not the symbols."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a scanner decided, before it is put into the answer."""

    picks: tuple[Pick, ...]
    """Best first; none is all cash, and `notes` says why."""
    refused: tuple[tuple[str, str], ...]
    """Symbols that could not be judged, each with its reason."""
    candidates: int
    """How many could be judged."""
    notes: tuple[str, ...]


LoadBars = Callable[[Collection[str] | None, date], Bars]
"""Bars of these symbols (None = all) from a day up to the signal session."""


class Scanner(Protocol):
    """The port of everything that decides what to hold."""

    def __call__(
        self, argument: str, request: SignalsRequest, load: LoadBars, /
    ) -> tuple[Bars, Decision]:
        """Return the decision as of the close of `request.signal_day`, and the bars it rests on.

        `argument` is what stands after the colon of `strategy.source`. Nothing younger than the
        signal session may be looked at. Raises `SignalsError` where nothing can be decided.
        """


def scan(request: SignalsRequest, load: LoadBars) -> tuple[Bars, Decision]:
    """Ask the scanner that the request names. Raises `SignalsError`."""
    name, _, argument = request.strategy.partition(":")
    scanner = SCANNERS.get(name)
    if scanner is None or bool(argument) != (name == "file"):
        text = f"strategy.source: {request.strategy!r} is neither momentum_52w nor file:PATH"
        raise SignalsError(text, FailureKind.CONFIG)
    return scanner(argument, request, load)


def _momentum(_: str, request: SignalsRequest, load: LoadBars) -> tuple[Bars, Decision]:
    """Rank the universe by the 52-week high."""
    rule = Rule(request.top_n, request.weighting, request.min_high_ratio, request.volume_filter)
    universe = resolve_universe(request.universe, request.signal_day)
    start = request.signal_day - timedelta(days=WINDOW_DAYS)
    bars = load(None if universe.symbols is None else universe.symbols, start)
    members = _tradable(bars.symbols) if universe.symbols is None else universe.symbols
    findings = examine(bars, members, request.signal_day, may_trade, known_sessions)
    _refuse_broken(universe, members, findings.refused, bars, request.signal_day)
    failed = {symbol for symbol, _ in findings.refused}
    ratings, short = rate(bars, [symbol for symbol in members if symbol not in failed])
    refused = (*findings.refused, *short)
    if not ratings:
        named = (*short, *findings.refused)  # a data set that begins too late is short of bars
        first = f"{named[0][0]}: {named[0][1]}" if named else "it is empty"
        raise SignalsError(
            f"no symbol of universe {universe.label} can be rated on {request.signal_day} "
            f"from {bars.source} ({first})",
            FailureKind.EMPTY,
        )
    closes = closes_of(bars, [rating.symbol for rating in ratings], request.signal_day)
    picks, notes = choose(ratings, rule, closes)
    renamed = [
        f"{pick.symbol} was {universe.then[pick.symbol]} on {request.signal_day}"
        for pick in picks
        if pick.symbol in universe.then
    ]
    all_notes = (*universe.notes, *notes, *renamed)
    return bars, Decision(picks, refused, len(ratings), all_notes)


def _refuse_broken(
    universe: Universe,
    members: Sequence[str],
    refused: Sequence[tuple[str, str]],
    bars: Bars,
    signal_day: date,
) -> None:
    """Refuse to decide on the few that are left where most of a universe fails the checks.

    Selling everything else because a feed broke half-way would be a guess.
    """
    if len(members) > 1 and len(refused) > REFUSED_MAX * len(members):
        raise SignalsError(
            f"{len(refused)} of {len(members)} symbols of universe {universe.label} fail the "
            f"checks of {bars.source} on {signal_day} ({refused[0][0]}: {refused[0][1]}): "
            "too few are left to decide on",
        )


def _targets(file: str, request: SignalsRequest, load: LoadBars) -> tuple[Bars, Decision]:
    """Take the targets of a file; the bars only say what they cost and whether they exist."""
    path = Path(file).expanduser()
    targets = read_targets(path, request.signal_day)
    symbols = [target.symbol for target in targets]
    bars = load(symbols, request.signal_day - timedelta(days=30))
    known = [symbol for at, symbol in enumerate(bars.symbols) if bars.present[:, at].any()]
    refuse_unknown(path, targets, known)
    findings = examine(bars, symbols, request.signal_day, may_trade, known_sessions)
    failed = {symbol for symbol, _ in findings.refused}
    sound = [symbol for symbol in symbols if symbol not in failed]
    closes = closes_of(bars, sound, request.signal_day)
    picks = tuple(_pick(target, closes) for target in targets)
    return bars, Decision(picks, findings.refused, len(targets), ())


def _pick(target: Target, closes: Mapping[str, Decimal]) -> Pick:
    return Pick(target.symbol, target.weight, closes.get(target.symbol))


def may_trade(day: date) -> bool:
    """False on days that the calendar knows to be no session; it knows nothing of other decades."""
    return not NYSE.first <= day <= NYSE.last or NYSE.is_session(day)


def known_sessions(first: date, last: date) -> list[date]:
    """Return the sessions of [first, last] as far as the calendar reaches."""
    first, last = max(first, NYSE.first), min(last, NYSE.last)
    days = (first + timedelta(days=at) for at in range((last - first).days + 1))
    return [day for day in days if NYSE.is_session(day)]


def closes_of(bars: Bars, symbols: Sequence[str], signal_day: date) -> dict[str, Decimal]:
    """Return the as-traded closes of the signal session, for those that have a sound one.

    A split that takes effect before the order session is in them: what is held, quoted and ordered
    then counts in new shares (NVDA's 1,208.88 of 2024-06-07 is 120.888).
    """
    row, splits = bars.row(signal_day), splits_of(bars)
    closes = {}
    for symbol in map(spelled, symbols):
        column = bars.column(symbol)
        if row is not None and column is not None:
            close = float(bars.close_traded[row, column])
            if 0 < close < float("inf"):
                closes[symbol] = as_price(close)
                if symbol in splits:
                    closes[symbol] = round(closes[symbol] / splits[symbol], 6)
    return closes


def splits_of(bars: Bars) -> dict[str, Decimal]:
    """Return new shares for one old one, of the splits before the order session."""
    return {symbol: as_decimal(ratio) for symbol, ratio in bars.splits_next.items()}


def said_of_splits(
    splits: Mapping[str, Decimal], closes: Mapping[str, Decimal], signal_day: date
) -> list[str]:
    """Return a line for each split whose symbol has a close."""
    return [
        f"{symbol} splits {float(ratio):g}:1 after {signal_day}: its close counts as "
        f"{closes[symbol].normalize():f} a new share"
        for symbol, ratio in sorted(splits.items())
    ]


def _tradable(symbols: Sequence[str]) -> list[str]:
    """Leave out series that are no companies' shares: indices (^GSPC) and the benchmark itself."""
    return [symbol for symbol in symbols if is_ticker(symbol) and symbol != BENCHMARK]


def spelled(symbol: str) -> str:
    """Return a symbol in Alpaca's spelling, whatever it is."""
    return symbol.replace("-", ".")


def is_ticker(symbol: str) -> bool:
    """True for a stock's ticker in Alpaca's spelling."""
    try:
        return alpaca_symbol(symbol) == symbol
    except SignalsError:
        return False


SCANNERS: Mapping[str, Scanner] = {"momentum_52w": _momentum, "file": _targets}
