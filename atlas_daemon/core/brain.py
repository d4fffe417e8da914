"""What is asked of the slow brain and what it answers: the words both processes share.

The brain (bars, signals, regime) runs in a child process; these records cross the pipe as JSON.
Standard library only: neither side may need the other's packages to speak.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.sizing import WEIGHT_SLACK
from atlas_daemon.core.values import Pick, Regime, Symbol

KEY_VARIABLES = ("ATLAS_WORKER_KEY_ID", "ATLAS_WORKER_SECRET")
"""Environment of the child that carries the data keys: they never stand in a request."""

BENCHMARK = Symbol("SPY")
"""The market itself: its bars are always read, its close is part of every answer that has it."""

UNIVERSE_NAMES = ("technology", "sp500_proxy", "healthcare", "financials", "all")
"""Universes that have a name; `all` is every symbol of the data."""

REASON_MAX = 1000
"""Characters of an error's line: files and libraries may quote whole fields in theirs."""
POWER_MIN, POWER_MAX = -12, 15
"""Powers of ten that a weight, a close or a ratio may have: beyond them it is damage."""
COUNT_MAX = 10**9
NAME_MAX, TEXT_MAX = 64, 16_384
"""Characters of a symbol; and of a note or a reason in an answer, which may list symbols."""

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,6}(\.[A-Z]{1,3})?")


class FailureKind(StrEnum):
    """Whose fault it is that there is no answer."""

    DATA = "data"
    """Bars, targets or regime are missing, stale, odd or contradictory, or the feed refused."""
    CONFIG = "config"
    """The request itself cannot be: an unknown universe, a missing file, a wrong setting."""
    EMPTY = "empty"
    """No symbol of the universe could be rated: not the same as none passing the threshold."""


class SignalsError(AtlasError):
    """Why there are no signals, in one line. `CONFIG` ends a command with 78, the others with 1."""

    def __init__(self, text: str, kind: FailureKind = FailureKind.DATA) -> None:
        super().__init__(" ".join(text.split())[:REASON_MAX])
        self.kind = kind
        self.exit_code = 78 if kind is FailureKind.CONFIG else 1


@dataclass(frozen=True, slots=True)
class RegimeModel:
    """How the regime is computed where its source is `jump_model`."""

    lookback: int = 1000
    """Sessions that centroids, mean and deviation are fitted to."""
    penalty: Decimal = Decimal("1.5")
    """Lambda: what leaving the last session's state costs."""
    mode: str = "greedy"
    """`greedy`, or `dp` over the trailing lookback."""
    window: int | None = 2520
    """Sessions that a day's features are compared with, refits in January and July; None = all
    sessions since the first, refits every 126."""
    confirm_sessions: int = 3
    """Sessions in a row that a label must stand before it is confirmed."""
    vix: str = ""
    """`file:PATH` of closes of the VIX, or empty."""
    state_path: str = ""
    """File of the labels given so far; empty = none is looked for."""
    keeps_state: bool = False
    """Whether new labels are added to that file: the daemon's do, a dry run's do not."""


@dataclass(frozen=True, slots=True)
class SignalsRequest:
    """One question: what the strategy wants to hold, as of the close of `signal_day`."""

    signal_day: date
    """The last completed session before the order session."""
    source: str
    """`alpaca` or `file:PATH` (parquet or csv)."""
    universe: str
    """A name, `all`, `file:members.csv`, or symbols separated by commas."""
    top_n: int
    weighting: str
    """`equal` or `momentum`."""
    min_high_ratio: Decimal
    volume_filter: Decimal
    """0 = off; k: the session's volume must reach k times its 20-session mean."""
    strategy: str
    """`momentum_52w` or `file:targets.csv`."""
    bars_feed: str
    data_url: str
    held: tuple[str, ...]
    """Symbols whose as-traded close is wanted too."""
    regime: str
    """`fixed:NAME`, `file:PATH` or `jump_model`."""
    asked_at: datetime | None = None
    """The asker's clock (the feed serves nothing younger than 16 minutes); None = wall clock."""
    model: RegimeModel = RegimeModel()
    is_regime_only: bool = False
    """True where the regime alone is asked for: answered by `WorkerReply.regime`."""
    bars_dir: str = ""
    """Folder of the local store of bars; empty = there is none."""
    keeps_bars: bool = False
    """Whether bars are added to that store: the daemon's are, a dry run's are not."""


@dataclass(frozen=True, slots=True)
class SignalsAnswer:
    """What the strategy wants, what it was decided on, and what was left out and why."""

    signal_day: date
    picks: tuple[Pick, ...]
    """Best first. Empty = all cash, and `notes` says so."""
    closes: Mapping[str, Decimal]
    """As-traded closes of the signal session, in the next session's shares: picks, held symbols and
    the benchmark."""
    refused: tuple[tuple[str, str], ...]
    """Symbols that failed a check, each with its reason."""
    candidates: int
    """How many symbols could be rated (enough good bars), before the threshold."""
    notes: tuple[str, ...]
    regime: Regime | None
    """Of a model: the one of its raw and its confirmed label that allows less."""
    regime_as_of: date | None
    regime_raw: Regime | None = None
    """What a model says of that session alone; None where no model was asked."""
    regime_confirmed: Regime | None = None
    """What a model has said long enough to be acted on between slots."""
    splits: Mapping[str, Decimal] = field(default_factory=dict)
    """New shares for one old one, where a split takes effect between the signal session and the
    next; every close here counts in new shares already."""


@dataclass(frozen=True, slots=True)
class RegimeAnswer:
    """The regime of a session, where nobody asked for picks."""

    signal_day: date
    regime: Regime
    """Of a model: the one of its raw and its confirmed label that allows less."""
    as_of: date
    raw: Regime | None = None
    confirmed: Regime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerReply:
    """The one line that the child writes: an answer, or why there is none."""

    ok: bool
    answer: SignalsAnswer | None = None
    regime: RegimeAnswer | None = None
    """The answer to a question for the regime alone."""
    error: str | None = None
    kind: FailureKind | None = None
    code: str = ""
    """Digest of the code that it ran."""


def refuse_unusable(answer: SignalsAnswer, signal_day: date) -> None:
    """Raise `SignalsError` for an answer that nothing may be traded on, whoever computed it.

    Asked of every answer before the core hears it: another day's, no regime, a symbol twice, a
    weight or close that is no positive number, weights over 1 in sum (S144).
    """
    if answer.signal_day != signal_day:
        raise SignalsError(f"signals of {answer.signal_day}, asked for {signal_day}")
    if answer.regime is None or answer.regime_as_of is None:
        raise SignalsError("the regime source gave no regime")
    _refuse_strange_words(answer)
    counts = Counter(pick.symbol for pick in answer.picks)
    if twice := sorted(symbol for symbol, count in counts.items() if count > 1):
        raise SignalsError(f"signals: {', '.join(twice)} more than once")
    for pick in answer.picks:
        if not _is_sound(pick.weight):
            raise SignalsError(f"signals: the weight {pick.weight} of {pick.symbol} is not above 0")
        if pick.ratio is not None and not _is_sound(pick.ratio):
            raise SignalsError(f"signals: the ratio {pick.ratio} of {pick.symbol} is not above 0")
    for symbol, ratio in answer.splits.items():
        if not _is_sound(ratio):
            raise SignalsError(f"signals: the split {ratio} of {symbol} is not above 0")
    total = sum((pick.weight for pick in answer.picks), Decimal(0))
    if total > 1 + WEIGHT_SLACK:
        raise SignalsError(f"signals: the weights add up to {total}, above 1")
    told = ((p.symbol, p.close) for p in answer.picks if p.close is not None)
    for symbol, close in (*answer.closes.items(), *told):
        if not _is_sound(close):
            raise SignalsError(f"signals: the close {close} of {symbol} is not above 0")


def _is_sound(value: Decimal) -> bool:
    """True for a number above 0 of a size that can be reckoned with."""
    return value.is_finite() and value > 0 and POWER_MIN <= value.adjusted() <= POWER_MAX


def _refuse_strange_words(answer: SignalsAnswer) -> None:
    """Raise `SignalsError` for a text or a count out of bounds."""
    names = (*(pick.symbol for pick in answer.picks), *answer.closes, *answer.splits)
    words = (*answer.notes, *(word for pair in answer.refused for word in pair))
    for texts, most in ((names, NAME_MAX), (words, TEXT_MAX)):
        for text in texts:
            if len(text) > most:
                raise SignalsError(f"signals: a text of {len(text)} characters: {text[:40]!r}")
    if not 0 <= answer.candidates < COUNT_MAX:
        raise SignalsError("signals: the count of candidates is none")


def alpaca_symbol(text: str) -> Symbol:
    """Return a ticker in Alpaca's spelling: BRK-B becomes BRK.B.

    Raises `SignalsError` (CONFIG) where the text cannot be a ticker; lower case is refused.
    """
    symbol = text.strip().replace("-", ".")
    if not _SYMBOL.fullmatch(symbol):
        raise SignalsError(f"{text.strip()!r} is no ticker symbol", FailureKind.CONFIG)
    return Symbol(symbol)
