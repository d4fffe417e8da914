"""One fault with its parameters: read strictly from JSON or TOML, and checked.

Which kind takes which parameter stands in `fault_kinds`. Nothing is armed and nothing acted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from atlas_daemon.paper.faults.fault_kinds import KINDS, FaultKind

ALWAYS = "always"
"""As `count`: until it is cleared."""
METHODS = ("GET", "POST", "PATCH", "DELETE")
QUOTE_FAULTS = ("stale", "crossed", "zero", "missing")
SYMBOL_WORDS = ("held", "ordered")
"""Instead of a symbol: one that is held (the first by name); that of the order waited for."""
SECONDS_MAX = 1e7


class FaultError(ValueError):
    """A fault that cannot be armed. `key` is the parameter that is wrong; its text is one line."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}")
        self.key = key


@dataclass(frozen=True)
class Fault:
    """One fault with its parameters; `fault_kinds.KINDS` says which kind takes which.

    Times are seconds of the broker's clock. `count` None strikes until cleared; `skip` lets that
    many occasions pass first; `method`, `path` (a prefix), `event`, `symbol`, `side` narrow it;
    `key` is the account's that something happens to (the first, unless told).
    Raises FaultError, naming the parameter.
    """

    kind: str
    count: int | None = 1
    probability: float = 1.0
    seed: int | None = None
    skip: int = 0
    for_s: float | None = None
    every_s: float | None = None
    method: str = ""
    path: str = ""
    seconds: float | None = None
    event: str = ""
    symbol: str = ""
    to_symbol: str = ""
    side: str = ""
    key: str = ""
    headers: bool = True
    status: int | None = None
    code: int | None = None
    message: str = ""
    how: str = ""
    day: date | None = None
    close: str = ""
    share: Decimal | None = None
    factor: Decimal | None = None
    ratio: Decimal | None = None
    amount: Decimal | None = None
    per_share: Decimal | None = None
    price: Decimal | None = None
    qty: Decimal | None = None

    def __post_init__(self) -> None:
        spec = KINDS.get(self.kind)
        if spec is None:
            raise FaultError("kind", f"{self.kind[:60]!r} is unknown; see GET /_admin/faults")
        given = self.given()
        for name in given:
            if name not in ("kind", *spec.parameters):
                known = ", ".join(spec.parameters)
                raise FaultError(name, f"is no parameter of {self.kind}, which has {known}")
        for name in spec.needs:
            if name not in given:
                raise FaultError(name, f"is needed by {self.kind}")
        for name, value in given.items():
            check = _CHECKS.get(name)
            if check is not None and (fault := check(value)):
                raise FaultError(name, f"must be {fault}")

        if self.seconds is not None and self.seconds < 0 and self.kind != "clock_skew":
            raise FaultError("seconds", "must be 0 or more")

    @property
    def spec(self) -> FaultKind:
        """What kind it is."""
        return KINDS[self.kind]

    def given(self) -> dict[str, object]:
        """The parameters that differ from their defaults, and the kind."""
        return {
            f.name: value
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default or f.name == "kind"
        }

    def shown(self) -> dict[str, object]:
        """The parameters in JSON's values."""
        return {name: _plain(value, name) for name, value in self.given().items()}


def read_fault(table: Mapping[str, object]) -> Fault:
    """Return the fault that a JSON object or a TOML table describes. Raises FaultError."""
    if "kind" not in table:
        raise FaultError("kind", "is missing")
    values: dict[str, object] = {}
    for name, value in table.items():
        reader = _READERS.get(name)
        if reader is None:
            raise FaultError(name[:60], "is no parameter of any fault")
        values[name] = reader(name, value)
    return Fault(**values)  # type: ignore[arg-type]


def _plain(value: object, name: str) -> object:
    if name == "count" and value is None:
        return ALWAYS
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


# Reading.


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FaultError(name, "must be a whole number")
    return value


def _count(name: str, value: object) -> int | None:
    if value is None or value == ALWAYS:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise FaultError(name, f'must be a whole number or "{ALWAYS}"')
    return value


def _float(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError(name, "must be a number")
    try:
        return float(value)
    except OverflowError:
        raise FaultError(name, "is too large") from None


def _decimal(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FaultError(name, "must be a number")
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise FaultError(name, "must be a number") from None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise FaultError(name, "must be a text")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FaultError(name, "must be true or false")
    return value


def _day(name: str, value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(_text(name, value))
    except ValueError:
        raise FaultError(name, "must be a day, YYYY-MM-DD") from None


_READERS: dict[str, Callable[[str, object], object]] = {
    "count": _count,
    "headers": _flag,
    "day": _day,
    **dict.fromkeys(("seed", "skip", "status", "code"), _whole),
    **dict.fromkeys(("probability", "for_s", "every_s", "seconds"), _float),
    **dict.fromkeys(
        ("kind", "method", "path", "event", "symbol", "to_symbol", "side", "key"), _text
    ),
    **dict.fromkeys(("message", "how", "close"), _text),
    **dict.fromkeys(("share", "factor", "ratio", "amount", "per_share", "price", "qty"), _decimal),
}


# Checking: each returns what the value must be, or nothing where it is.


def _one_of(*words: str) -> Callable[[object], str]:
    return lambda value: "" if value in words else f"one of {', '.join(words)}"


def _within(low: float, high: float, *, above: bool = False) -> Callable[[object], str]:
    def check(value: object) -> str:
        assert isinstance(value, int | float | Decimal)
        # A NaN fails each comparison; a Decimal's would raise.
        is_in = math.isfinite(value) and low <= value <= high and not (above and value == low)
        return "" if is_in else f"{'above' if above else 'at least'} {low:g}, at most {high:g}"

    return check


def _symbol(value: object) -> str:
    text = str(value)
    is_symbol = 0 < len(text) <= 10 and text.isascii() and text == text.upper()
    is_good = text in SYMBOL_WORDS or (is_symbol and text.replace(".", "").isalnum())
    return "" if is_good else f"a symbol, or {' or '.join(SYMBOL_WORDS)}"


def _hour(value: object) -> str:
    text = str(value)
    hours, _, minutes = text.partition(":")
    is_good = len(text) == 5 and (hours + minutes).isdigit() and hours < "24" and minutes < "60"
    return "" if is_good else "a time of day, HH:MM"


_seconds = _within(0, SECONDS_MAX, above=True)
_dollars = _within(-1e12, 1e12)
_CHECKS: dict[str, Callable[[object], str]] = {
    "count": lambda value: "" if value is None else _within(0, 1e9)(value),
    "probability": _within(0, 1),
    "skip": _within(0, 1e9),
    "for_s": _seconds,
    "every_s": _within(1, SECONDS_MAX),
    "seconds": _within(-SECONDS_MAX, SECONDS_MAX),
    "method": _one_of(*METHODS),
    "side": _one_of("buy", "sell"),
    "how": _one_of(*QUOTE_FAULTS),
    "status": _within(300, 599),
    "symbol": _symbol,
    "to_symbol": _symbol,
    "close": _hour,
    "share": _within(0, 1, above=True),
    "factor": _within(0.001, 1000),
    "ratio": _within(0.001, 1000),
    "amount": _dollars,
    "per_share": _dollars,
    "price": _within(0.0001, 1e7),
    "qty": _within(-1e9, 1e9),
}
