"""The regime that somebody else decided: `fixed:NAME`, or a file that `regime_text` describes.

There is no default. Standard library only. How old a reading may be is for the core to judge; here
it is only read.
"""

import json
from datetime import date
from pathlib import Path

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.regime_text import SIZE_MAX, RegimeReading, allowed, parse_regime
from atlas_daemon.core.values import Regime

__all__ = ["RegimeReading", "fixed_regime", "read_regime"]


def fixed_regime(name: str, signal_day: date) -> RegimeReading:
    """Return the regime of the configuration, as of `signal_day`; CONFIG errors."""
    if name not in {regime.value for regime in Regime}:
        text = f"regime.source: fixed:{name} is none of {allowed()}"
        raise SignalsError(text, FailureKind.CONFIG)
    return RegimeReading(Regime(name), signal_day)


def read_regime(path: Path) -> RegimeReading:
    """Return what the file says. Raises `SignalsError` (DATA), naming the file."""
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        raise SignalsError(f"{path}: cannot be read as a regime: {error}") from error
    return parse_regime(str(path), raw, json.loads)
