"""Kinds of values: what a key takes, read from TOML or from the text of a variable.

Lives here: one class per kind, each saying in words what it allows. May not live here: keys,
their defaults, files, the environment.

A kind is strict: TOML values must have the right TOML type (`"0.15"` is no number, `1` is no
boolean). Numbers with a fraction are `Decimal`, never float.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from atlas_daemon.core.rules import symbol_format

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FILE_PREFIX = "file:"
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][+-]?[0-9]{1,2})?")
_PLAIN_YEAR = 2027


class UnfitError(ValueError):
    """The value does not fit its kind. Becomes a `ConfigError` where key and source are known."""


class Kind(Protocol[T_co]):
    """What a key takes."""

    @property
    def allowed(self) -> str:
        """The allowed values in words, to stand behind "must be"."""

    def from_toml(self, value: object) -> T_co:
        """Return the checked value of a TOML value. Raises UnfitError."""

    def from_text(self, text: str) -> T_co:
        """Return the checked value of a variable's text. Raises UnfitError."""


@dataclass(frozen=True, eq=False, repr=False)
class Number:
    """A finite decimal number within bounds; each bound itself is allowed unless `open`."""

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False

    @property
    def allowed(self) -> str:
        """`a number, 0 < x <= 1`."""
        low = f"{self.low} {'<' if self.low_open else '<='} x"
        return f"a number, {low} {'<' if self.high_open else '<='} {self.high}"

    def from_toml(self, value: object) -> Decimal:
        """TOML integers and floats (read as Decimal)."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise UnfitError
        return self._within(Decimal(value))

    def from_text(self, text: str) -> Decimal:
        """`0.15`, `15e-2`."""
        if _DECIMAL.fullmatch(text) is None:
            raise UnfitError
        return self._within(Decimal(text))

    def _within(self, number: Decimal) -> Decimal:
        # Not-a-number compares with nothing: it has to go before the bounds.
        if not number.is_finite():
            raise UnfitError
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        if not (above and below):
            raise UnfitError
        return number


@dataclass(frozen=True, eq=False, repr=False)
class Whole:
    """An integer within bounds, both allowed."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        """`a whole number, 0 to 20`."""
        return f"a whole number, {self.low} to {self.high}"

    def from_toml(self, value: object) -> int:
        """A TOML integer; 5.0 is none."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnfitError
        if not self.low <= value <= self.high:
            raise UnfitError
        return value

    def from_text(self, text: str) -> int:
        """Digits with an optional sign."""
        if _WHOLE.fullmatch(text) is None:
            raise UnfitError
        return self.from_toml(int(text))


@dataclass(frozen=True, eq=False, repr=False)
class WholeOr:
    """An integer within bounds, or one word."""

    whole: Whole
    word: str

    @property
    def allowed(self) -> str:
        """`a whole number, 60 to 20000, or "expanding"`."""
        return f'{self.whole.allowed}, or "{self.word}"'

    def from_toml(self, value: object) -> int | str:
        """A TOML integer or the word."""
        return self.word if value == self.word else self.whole.from_toml(value)

    def from_text(self, text: str) -> int | str:
        """Digits or the word."""
        return self.word if text == self.word else self.whole.from_text(text)


@dataclass(frozen=True, eq=False, repr=False)
class Flag:
    """True or false, in no other words."""

    allowed: str = "true or false"

    def from_toml(self, value: object) -> bool:
        """A TOML boolean."""
        if not isinstance(value, bool):
            raise UnfitError
        return value

    def from_text(self, text: str) -> bool:
        """`true` or `false`."""
        if text not in ("true", "false"):
            raise UnfitError
        return text == "true"


@dataclass(frozen=True, eq=False, repr=False)
class Text:
    """One line of text that `reads` accepts; `reads` returns it as it shall be kept."""

    allowed: str
    reads: Callable[[str], str]

    def from_toml(self, value: object) -> str:
        """A TOML string."""
        if not isinstance(value, str):
            raise UnfitError
        return self.from_text(value)

    def from_text(self, text: str) -> str:
        """The text itself."""
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
            raise UnfitError
        return self.reads(text)


@dataclass(frozen=True, eq=False, repr=False)
class Maybe(Generic[T]):
    """A value that may be absent: `None` by default, an empty variable leaves it absent."""

    kind: Kind[T]

    @property
    def allowed(self) -> str:
        """As the kind itself."""
        return f"{self.kind.allowed}; left out where unknown"

    def from_toml(self, value: object) -> T | None:
        """As the kind itself: TOML has no null."""
        return self.kind.from_toml(value)

    def from_text(self, text: str) -> T | None:
        """Empty is absent."""
        return self.kind.from_text(text) if text else None


@dataclass(frozen=True, eq=False, repr=False)
class Several:
    """A list without repetitions; in a variable comma-separated or as a JSON list."""

    item: Text
    allowed: str
    least: int = 0
    agree: Callable[[tuple[str, ...]], bool] = field(default=lambda items: True)

    def from_toml(self, value: object) -> tuple[str, ...]:
        """A TOML array of strings."""
        if not isinstance(value, list):
            raise UnfitError
        items = tuple(self.item.from_toml(item) for item in value)
        if len(items) < self.least or len(set(items)) < len(items) or not self.agree(items):
            raise UnfitError
        return items

    def from_text(self, text: str) -> tuple[str, ...]:
        """`AAPL,MSFT`, `["AAPL", "MSFT"]`, or nothing at all."""
        return self.from_toml(_listed(text))


@dataclass(frozen=True, eq=False, repr=False)
class OneOrSeveral:
    """A name, a `file:PATH`, or a list of names (an array, or one string with commas)."""

    one: Text
    several: Several

    @property
    def allowed(self) -> str:
        """As the single one."""
        return self.one.allowed

    def from_toml(self, value: object) -> str | tuple[str, ...]:
        """A TOML string or array."""
        if isinstance(value, str):
            return self.from_text(value)
        return self.several.from_toml(value)

    def from_text(self, text: str) -> str | tuple[str, ...]:
        """A single name stays a string, commas make a list."""
        if text.startswith(FILE_PREFIX) or ("," not in text and not text.startswith("[")):
            return self.one.from_text(text)
        return self.several.from_text(text)


def choice(*words: str) -> Text:
    """One of `words`, spelled exactly so."""
    listed = ", ".join(f'"{word}"' for word in words[:-1])
    allowed = f'{listed} or "{words[-1]}"' if listed else f'"{words[-1]}"'
    return Text(allowed, _one_of(words))


def pattern(allowed: str, expression: str, *, upper: bool = False) -> Text:
    """Text that `expression` matches as a whole; `upper` keeps it in capitals."""
    compiled = re.compile(expression, re.ASCII)

    def reads(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise UnfitError
        return text.upper() if upper else text

    return Text(allowed, reads)


def anchors() -> Several:
    """Days of the year `MM-DD`, at most one in a month: a slot is named by year and month."""
    allowed = 'a list of days "MM-DD" that every year has, at most one in a month'
    day = Text(allowed, _day_of_year)
    return Several(
        day, allowed, least=1, agree=lambda days: len({d[:2] for d in days}) == len(days)
    )


def address() -> Text:
    """An IP address in its shortest spelling, or `localhost`."""
    return Text('an IP address such as "127.0.0.1" or "::", or "localhost"', _ip_address)


def symbols() -> Several:
    """Tickers in Alpaca's spelling; BRK-B becomes BRK.B."""
    allowed = 'a list of symbols such as ["AAPL", "BRK.B"], each once'
    return Several(Text(allowed, _symbol), allowed)


def several_of(*words: str) -> Several:
    """Any of `words`, each at most once."""
    allowed = f"a list of any of {', '.join(words)}, each once"
    return Several(Text(allowed, _one_of(words)), allowed)


def _one_of(words: Collection[str]) -> Callable[[str], str]:
    def reads(text: str) -> str:
        if text not in words:
            raise UnfitError
        return text

    return reads


def _day_of_year(text: str) -> str:
    if re.fullmatch(r"[0-9]{2}-[0-9]{2}", text) is None:
        raise UnfitError
    try:
        date.fromisoformat(f"{_PLAIN_YEAR}-{text}")
    except ValueError as error:
        raise UnfitError from error
    return text


def _ip_address(text: str) -> str:
    if text == "localhost":
        return text
    import ipaddress  # only where somebody gives one

    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise UnfitError from error


def _symbol(text: str) -> str:
    ours, verdict = symbol_format(text)
    if not verdict:
        raise UnfitError
    return ours


def _listed(text: str) -> object:
    """Return the list that `text` spells, its items unchecked."""
    if not text.strip():
        return []
    if not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",")]
    # Only a variable with a JSON list needs the reader; every start would pay for it.
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnfitError from error
