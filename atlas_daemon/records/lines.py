"""How a line looks: New York time, one line per record whatever is in it, and no secret in any."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
HIDDEN = "***"
SECRET_CHARS_MIN = 6
"""A shorter secret would blot out ordinary text, and no broker gives one."""

# Controls, line ends of other scripts, marks that turn the direction of text, halves of a pair.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN_IN_CELL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_LOOKS_SECRET = (
    # The broker's headers, as text, in a mapping or in a list of pairs.
    re.compile(r"""(?i)(apca[-_]api[-_](?:key[-_]id|secret[-_]key)\W+(?:b['"])?)([\w/+=.-]{4,})"""),
    # Our variables, and the stream's login.
    re.compile(r"""(?i)(alpaca_\w+_(?:key|secret)['"]?\s*[=:]\s*['"]?)([^\s'",;}]+)"""),
    re.compile(r"""(?i)(["'](?:secret|secret_key|key_id)["']\s*:\s*b?["'])([^"']+)"""),
    # Key ids tell themselves.
    re.compile(r"\b([PAC]K)([A-Z0-9]{16,})\b"),
)
_KEY_ID = _LOOKS_SECRET[-1]
_HINTS = ("apca", "alpaca_", "secret", "key_id")
"""One of them is in every text that the others find anything in."""


class Line(NamedTuple):
    """A line of the log, before its time."""

    level: str
    component: str
    text: str


def stamp(at: datetime) -> str:
    """Return an aware moment as `YYYY-MM-DD HH:MM:SS` in New York."""
    here = at.astimezone(NEW_YORK).replace(tzinfo=None)
    return here.isoformat(sep=" ", timespec="seconds")  # strftime is ten times as dear


def day_of(at: datetime) -> date:
    """Return the New York date of an aware moment."""
    return at.astimezone(NEW_YORK).date()


def one_line(text: str) -> str:
    """Return `text` with everything that is not seen, line ends first, spelled out."""
    return _UNSEEN.sub(_spelled, text)


def cell(text: str) -> str:
    """Return `text` for a CSV cell: as it is with its newlines, but for what is not seen."""
    return _UNSEEN_IN_CELL.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    char = found.group()
    code = ord(char)
    return _NAMED.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def line(at: datetime, level: str, component: str, text: str) -> str:
    """Return `[2025-11-18 09:35:42] [INFO] AlpacaTradingClient: text`, without its line end."""
    return f"[{stamp(at)}] [{level.upper()}] {one_line(component)}: {one_line(text)}"


def number(value: Decimal | float | None) -> str:
    """Return a number in plain digits; empty for None. A float enters by its shortest text."""
    if value is None:
        return ""
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    return f"{exact:f}"


class Redactor:
    """Blots out the given secrets, and whatever looks like one, from any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        given = {s for s in secrets if len(s) >= SECRET_CHARS_MIN}
        spelled = given | {quote(s, safe="") for s in given}
        for mark in "'", '"':  # as Python and JSON write it between quotes
            spelled |= {s.replace("\\", "\\\\").replace(mark, f"\\{mark}") for s in given}
        # Longest first: one secret may be the beginning of another.
        ordered = sorted(spelled, key=lambda s: (-len(s), s))
        self._given = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if not text:  # as most cells of a row are
            return text
        if self._given is not None:
            text = self._given.sub(HIDDEN, text)
        plain = text.casefold()
        if not any(hint in plain for hint in _HINTS) and _KEY_ID.search(text) is None:
            return text  # as most lines do: the searches below are slow
        for pattern in _LOOKS_SECRET:
            text = pattern.sub(rf"\1{HIDDEN}", text)
        return text
