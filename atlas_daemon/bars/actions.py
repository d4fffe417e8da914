"""What companies do to their shares, in the data API's words, and what that means for prices.

A kind whose effect on the price is not known leaves its symbol without total returns, said by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf, isfinite
from typing import Any

from atlas_daemon.core.brain import SignalsError

SPLITS = frozenset({"forward_split", "reverse_split", "stock_dividend"})
DIVIDENDS = frozenset({"cash_dividend", "capital_gains_distribution"})
SPIN_OFF = "spin_off"
RENAME = "name_change"
MERGERS = frozenset({"cash_merger", "stock_merger", "stock_and_cash_merger"})
ENDINGS = MERGERS | {"redemption", "worthless_removal"}
HARMLESS = frozenset({"partial_call"})

_OWNERS = ("symbol", "source_symbol", "acquiree_symbol", "old_symbol")
_DAYS = ("ex_date", "effective_date", "process_date")


@dataclass(frozen=True, slots=True)
class Action:
    """One corporate action, effective at the New York midnight that begins `day`."""

    symbol: str
    kind: str
    """The API's word, in the singular: `forward_split`, `cash_dividend`, `name_change` ..."""
    day: date
    """The ex-day; the effective or process day of kinds that have none."""
    processed: date
    """What the API sorts and filters by; of a dividend often the day it is paid."""
    ratio: float = 1.0
    """Shares held after, for one before; of a spin-off the other company's shares for one."""
    cash: float | None = 0.0
    """Dollars for each share held after; None where it is not known what a share got."""
    other: str = ""
    """The new name, or the company spun off."""

    @property
    def is_priced(self) -> bool:
        """False where its effect on total returns is not known."""
        if self.kind in SPLITS:
            return self.ratio > 0
        if self.kind in DIVIDENDS or self.kind == SPIN_OFF:
            return self.cash is not None and self.cash >= 0
        return self.kind == RENAME or self.kind in ENDINGS

    @property
    def is_structural(self) -> bool:
        """True where it changes what a share is: all but money paid out and a holding's end."""
        return self.kind not in DIVIDENDS and self.kind not in ENDINGS

    def says(self) -> str:
        """Return it for a person: `forward split on 2024-06-10`."""
        if self.kind == RENAME:
            return f"renamed to {self.other} on {self.day}"
        return f"{self.kind.replace('_', ' ')} on {self.day}"


def read_actions(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Action]:
    """Return the actions of an answer's groups (`cash_dividends`, ...), as far as they matter.

    Raises `SignalsError` for one that cannot be read.
    """
    try:
        named = [(group.removesuffix("s"), told) for group, many in groups.items() for told in many]
        found = [_action(kind, told) for kind, told in named if kind not in HARMLESS]
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        text = f"the data API answered a corporate action that cannot be read: {error!r}"
        raise SignalsError(text) from error
    # A change of the identification number alone comes as a new name that is the old one.
    return [one for one in found if one.kind != RENAME or one.symbol != one.other]


def _action(kind: str, told: Mapping[str, Any]) -> Action:
    symbol = str(_first_told(told, _OWNERS))
    day = date.fromisoformat(_first_told(told, _DAYS))
    processed = date.fromisoformat(told["process_date"])
    ratio, other = 1.0, str(told.get("new_symbol") or "")
    cash: float | None = 0.0
    if kind in ("forward_split", "reverse_split"):
        ratio = float(told["new_rate"]) / float(told["old_rate"])
        other = ""  # also a reverse split that comes with a new name keeps its history
    elif kind == "stock_dividend":
        ratio = 1 + float(told["rate"])
    elif kind == "cash_dividend":
        cash = float(told["rate"])
    elif kind == "capital_gains_distribution":
        cash = float(told.get("long_term_rate") or 0) + float(told.get("short_term_rate") or 0)
    elif kind == SPIN_OFF:
        ratio, cash = float(told["new_rate"]) / float(told["source_rate"]), None
    if (told.get("currency") or "USD") != "USD":
        cash = None
    if not 0 < ratio < inf or not isfinite(cash or 0.0):
        raise ValueError(f"{kind} of {symbol} on {day} has no finite rate above zero")
    return Action(symbol, kind, day, processed, ratio, cash, other)


def _first_told(told: Mapping[str, Any], keys: Sequence[str]) -> Any:
    for key in keys:
        if told.get(key):
            return told[key]
    raise KeyError(keys[0])


def ends_of(actions: Iterable[Action], until: date) -> dict[str, str]:
    """Return why a symbol may have no more bars: its new name, a merger, with the day."""
    return {
        one.symbol: one.says()
        for one in sorted(actions, key=lambda one: one.day)
        if one.day <= until and (one.kind == RENAME or one.kind in ENDINGS)
    }
