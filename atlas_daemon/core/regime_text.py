"""The regime that somebody else decided: `{"regime": "TREND_BULL", "as_of": "2027-01-29"}`.

There is no default: whatever is missing or odd is an error. Who reads it, and how old it may be,
is for others to judge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from .brain import SignalsError
from .values import Regime

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


def parse_regime(name: str, raw: bytes, loads: Callable[..., Any]) -> RegimeReading:
    """Return what the text says; `name` stands in the errors, `loads` is `json.loads`.

    Raises `SignalsError` (DATA): not one JSON object with exactly the two keys, each once, an
    unknown regime, no date, or too long.
    """
    try:
        if len(raw) > SIZE_MAX:
            raise SignalsError(f"{name}: is larger than {SIZE_MAX} bytes: no regime")
        document = loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise SignalsError(f"{name}: cannot be read as a regime: {error}") from error
    if not isinstance(document, dict) or set(document) != {"regime", "as_of"}:
        raise SignalsError(f'{name}: must be {{"regime": NAME, "as_of": DATE}} and nothing else')
    regime, as_of = document["regime"], document["as_of"]
    if not isinstance(regime, str) or regime not in {each.value for each in Regime}:
        raise SignalsError(f"{name}: the regime {regime!r} is none of {allowed()}")
    try:
        if not isinstance(as_of, str) or len(as_of) != len("2027-01-29"):
            raise ValueError
        return RegimeReading(Regime(regime), date.fromisoformat(as_of))
    except ValueError as error:
        raise SignalsError(f"{name}: as_of {as_of!r} is no date (as 2027-01-29)") from error


def allowed() -> str:
    """Return the regimes there are, for a text."""
    return ", ".join(regime.value for regime in Regime)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands there twice")
    return document
