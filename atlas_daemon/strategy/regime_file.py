"""The regime that somebody else decided: `fixed:NAME`, or a file `{"regime": ..., "as_of": ...}`.

There is no default: whatever is missing or odd is an error. Standard library only. How old a
reading may be is for the core to judge; here it is only read.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.values import Regime

SIZE_MAX = 65_536


@dataclass(frozen=True, slots=True)
class RegimeReading:
    """A regime and the session it was read from."""

    regime: Regime
    as_of: date
    raw: Regime | None = None
    """A model's label of that session alone, where one was asked; `regime` may allow less."""
    confirmed: Regime | None = None
    notes: tuple[str, ...] = ()


def fixed_regime(name: str, signal_day: date) -> RegimeReading:
    """Return the regime of the configuration, as of `signal_day`; CONFIG errors."""
    if name not in {regime.value for regime in Regime}:
        text = f"regime.source: fixed:{name} is none of {_allowed()}"
        raise SignalsError(text, FailureKind.CONFIG)
    return RegimeReading(Regime(name), signal_day)


def read_regime(path: Path) -> RegimeReading:
    """Return what the file says.

    Raises `SignalsError` (DATA), naming the file: unreadable, not one JSON object with exactly the
    two keys, each once, an unknown regime, or no date.
    """
    try:
        raw = path.read_bytes()[: SIZE_MAX + 1]
        if len(raw) > SIZE_MAX:
            raise SignalsError(f"{path}: is larger than {SIZE_MAX} bytes: no regime")
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise SignalsError(f"{path}: cannot be read as a regime: {error}") from error
    if not isinstance(document, dict) or set(document) != {"regime", "as_of"}:
        raise SignalsError(f'{path}: must be {{"regime": NAME, "as_of": DATE}} and nothing else')
    name, as_of = document["regime"], document["as_of"]
    if not isinstance(name, str) or name not in {regime.value for regime in Regime}:
        raise SignalsError(f"{path}: the regime {name!r} is none of {_allowed()}")
    try:
        if not isinstance(as_of, str) or len(as_of) != len("2027-01-29"):
            raise ValueError
        return RegimeReading(Regime(name), date.fromisoformat(as_of))
    except ValueError as error:
        raise SignalsError(f"{path}: as_of {as_of!r} is no date (as 2027-01-29)") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands there twice")
    return document


def _allowed() -> str:
    return ", ".join(regime.value for regime in Regime)
