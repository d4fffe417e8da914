"""The form of requests and answers: one JSON object a line, at most `LINE_MAX` bytes a request.

    {"do": "stop", "by": "ann", "reason": "..."}  ->  {"ok": true, "result": {...}}
                                                      {"ok": false, "error": "...", "rule": "...",
                                                       "exit": 3}

`watch` answers with any number of `{"entry": {...}}` lines before its result.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.events import Entry
from atlas_daemon.journal.codec import encode, moment_text

LINE_MAX = 65_536
TEXT_MAX = 500
"""Characters of a text that somebody sends; the rest is cut off."""


class RequestError(AtlasError):
    """A request that cannot be met: what is said to the client, which rule, which exit code."""

    def __init__(self, text: str, *, rule: str = "", exit_code: int = 1) -> None:
        super().__init__(text)
        self.rule = rule
        self.exit_code = exit_code


def read_request(line: bytes) -> dict[str, Any]:
    """Return the request of a line; RequestError where it is none."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError("not a request: a line of JSON was expected", exit_code=2) from None
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        raise RequestError('not a request: {"do": ...} was expected', exit_code=2)
    return request


def text_arg(request: dict[str, Any], name: str, default: str = "") -> str:
    """Return a text of the request on one line; RequestError where it is something else."""
    value = request.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise RequestError(f"{name}: a text was expected", exit_code=2)
    # Half of a surrogate pair can be sent in JSON and written nowhere.
    clean = value.encode("utf-8", "replace").decode()
    return " ".join(clean.split())[:TEXT_MAX] or default


def flag_arg(request: dict[str, Any], name: str) -> bool:
    """Return a flag of the request, False where it is absent."""
    value = request.get(name, False)
    if not isinstance(value, bool):
        raise RequestError(f"{name}: true or false was expected", exit_code=2)
    return value


def number_arg(request: dict[str, Any], name: str, most: int) -> int:
    """Return a whole number in [0, most] of the request, 0 where it is absent."""
    value = request.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise RequestError(f"{name}: a whole number from 0 to {most} was expected", exit_code=2)
    return value


FRACTION_DIGITS = 6
"""After the point; 1e-999999999 is one number and a thousand megabytes of text."""


def fraction_arg(request: dict[str, Any], name: str) -> Decimal:
    """Return a number above 0 and at most 1 of the request, sent as a text of digits."""
    value = request.get(name)
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 < number <= 1 and is_short(number)):
        raise RequestError(f'{name}: a text such as "0.5", above 0 and at most 1', exit_code=2)
    return number


def is_short(number: Decimal) -> bool:
    """True for a finite number of so few digits after the point that it may be spelled out."""
    return -int(number.as_tuple().exponent) <= FRACTION_DIGITS


def result_line(result: Any) -> bytes:
    """Return a good answer as a line."""
    return _line({"ok": True, "result": result})


def error_line(error: AtlasError) -> bytes:
    """Return a refusal as a line."""
    rule = error.rule if isinstance(error, RequestError) else ""
    return _line({"ok": False, "error": str(error), "rule": rule, "exit": error.exit_code})


def entry_line(entry: Entry) -> bytes:
    """Return an entry as a line, its event as the journal spells it."""
    name, payload = encode(entry.event)
    return _line(
        {
            "entry": {
                "seq": entry.seq,
                "at": moment_text(entry.at),
                "cause": entry.cause,
                "type": name,
                "payload": payload,
            }
        }
    )


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
