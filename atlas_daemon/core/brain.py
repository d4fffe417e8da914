"""What is asked of the slow brain and what it answers: the words both processes share.

The brain (bars, signals, regime) runs in a child process; these records cross the pipe as JSON.
Standard library only: neither side may need the other's packages to speak.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.values import Pick, Regime, Symbol

KEY_VARIABLES = ("ATLAS_WORKER_KEY_ID", "ATLAS_WORKER_SECRET")
"""Environment of the child that carries the data keys: they never stand in a request."""

BENCHMARK = Symbol("SPY")
"""The market itself: its bars are always read, its close is part of every answer that has it."""

UNIVERSE_NAMES = ("technology", "sp500_proxy", "healthcare", "financials", "all")
"""Universes that have a name; `all` is every symbol of the data."""

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
        super().__init__(" ".join(text.split()))
        self.kind = kind
        self.exit_code = 78 if kind is FailureKind.CONFIG else 1


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


@dataclass(frozen=True, slots=True)
class SignalsAnswer:
    """What the strategy wants, what it was decided on, and what was left out and why."""

    signal_day: date
    picks: tuple[Pick, ...]
    """Best first. Empty = all cash, and `notes` says so."""
    closes: Mapping[str, Decimal]
    """As-traded closes of the signal session: picks, held symbols and the benchmark."""
    refused: tuple[tuple[str, str], ...]
    """Symbols that failed a check, each with its reason."""
    candidates: int
    """How many symbols could be rated (enough good bars), before the threshold."""
    notes: tuple[str, ...]
    regime: Regime | None
    regime_as_of: date | None


@dataclass(frozen=True, slots=True)
class WorkerReply:
    """The one line that the child writes: an answer, or why there is none."""

    ok: bool
    answer: SignalsAnswer | None = None
    error: str | None = None
    kind: FailureKind | None = None


def alpaca_symbol(text: str) -> Symbol:
    """Return a ticker in Alpaca's spelling: BRK-B becomes BRK.B.

    Raises `SignalsError` (CONFIG) where the text cannot be a ticker; lower case is refused.
    """
    symbol = text.strip().replace("-", ".")
    if not _SYMBOL.fullmatch(symbol):
        raise SignalsError(f"{text.strip()!r} is no ticker symbol", FailureKind.CONFIG)
    return Symbol(symbol)
