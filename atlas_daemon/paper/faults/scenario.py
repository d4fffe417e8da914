"""Scenarios: small TOML files that say what the broker does wrong, when, and what to expect of it.

Reads them strictly: whatever is unknown or does not fit is one line that names file and key. The
packaged ones are in `scenarios/`; running them is `script`'s business.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from atlas_daemon.paper.faults.fault import Fault, FaultError, read_fault
from atlas_daemon.paper.faults.fault_kinds import KINDS

FOLDER = Path(__file__).parent / "scenarios"
SUFFIX = ".toml"
BYTES_MAX = 64 * 1024
OUTCOMES = ("done", "degraded", "aborted", "halted", "waiting")
BOOKS = ("equal", "told")
SIDES = ("order", "buy", "sell")
WORDS = ("accepted", "new", "partially filled", "filled", "canceled", "rejected", "expired")
_AT = re.compile(r"(open|close)(?:([+-])(\d{1,5})(s|m|h))?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_ON = re.compile(rf"({'|'.join(SIDES)}) (\d{{1,4}}) ({'|'.join(WORDS)})")
_UNIT_S = {"s": 1, "m": 60, "h": 3600}


class ScenarioError(Exception):
    """A scenario that cannot be read. Its text is one line: the file, the key, what is wrong."""


@dataclass(frozen=True, slots=True)
class Moment:
    """`open+5m`, `close-1h` or `10:15` (New York) of the `session`-th session that has it."""

    anchor: str
    offset: timedelta
    clock: time | None
    session: int


@dataclass(frozen=True, slots=True)
class Occasion:
    """`sell 2 filled`: what is waited for; orders are counted as they are accepted."""

    side: str
    number: int
    word: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step: when (`at`, `on`, and so many seconds later), and what to arm or to clear."""

    fault: Fault | None
    clear: str
    at: Moment | None
    on: Occasion | None
    after: timedelta
    when: str
    """When, in the file's own words."""

    @property
    def what(self) -> str:
        """What it does, in a few words."""
        if self.fault is None:
            return f"clear {self.clear}"
        given = {name: value for name, value in self.fault.shown().items() if name != "kind"}
        return " ".join([self.fault.kind, *(f"{name}={value}" for name, value in given.items())])


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a correct daemon makes of it: how the run ends, what it tells, and its books."""

    outcome: str = "done"
    alerts: tuple[str, ...] = ()
    """Parts of alerts that somebody must have been told."""
    books: str = "equal"
    """`equal` to the broker's at the end, or the difference is `told`."""


@dataclass(frozen=True)
class Scenario:
    """One scenario as it was read."""

    name: str
    title: str
    story: str
    steps: tuple[Step, ...]
    expect: Expectation = field(default_factory=Expectation)


def names() -> list[str]:
    """The packaged scenarios."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load(name: str) -> Scenario:
    """Return a packaged scenario, or the one in a file. Raises ScenarioError."""
    path = Path(name)
    if path.suffix != SUFFIX and "/" not in name:
        path = FOLDER / f"{name}{SUFFIX}"
        if not path.is_file():
            near = get_close_matches(name[:60], names(), n=1)
            hint = f"; meant {near[0]}?" if near else ""
            raise ScenarioError(
                f"scenario {name[:60]}: none has that name, nor a {SUFFIX} file{hint}"
            )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"scenario {path}: {error.strerror or error}") from error
    if len(raw) > BYTES_MAX:
        raise ScenarioError(f"scenario {path}: is larger than {BYTES_MAX} bytes")
    try:
        table = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise ScenarioError(f"scenario {path}: is no TOML: {text}") from error
    try:
        return read(table, path.stem)
    except FaultError as error:
        raise ScenarioError(f"scenario {path}: {error}") from error


def read(table: Mapping[str, Any], name: str) -> Scenario:
    """Return the scenario that a table describes. Raises FaultError naming the key."""
    _check_keys(table, "", ("title", "story", "step", "expect"))
    title, story = _text(table, "title"), _text(table, "story")
    if "\n" in title.strip() or not title.strip() or not story.strip():
        raise FaultError(
            "title" if story.strip() else "story", "must say something, the title in a line"
        )
    steps = table.get("step", [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise FaultError("step", "must be tables, [[step]]")
    read_steps = tuple(_step(step, f"step {n}: ") for n, step in enumerate(steps, 1))
    return Scenario(name, title.strip(), " ".join(story.split()), read_steps, _expectation(table))


def _step(table: Mapping[str, Any], place: str) -> Step:
    timing = {"at", "session", "on", "after_s"}
    what = {key: value for key, value in table.items() if key not in timing}
    try:
        after = timedelta(seconds=_seconds(table.get("after_s", 0)))
        at, on = _moment(table), _occasion(table)
        if at is not None and on is not None:
            raise FaultError("on", "and at exclude each other")
        fault, clear = None, ""
        if "clear" in what:
            _check_keys(what, "", ("clear",))
            clear = _text(what, "clear")
            if clear != "all" and clear not in KINDS:
                raise FaultError("clear", f"{clear[:60]!r} is no kind of fault, and not all")
        else:
            if "fault" not in what:
                raise FaultError("fault", "is missing")
            rest = {key: value for key, value in what.items() if key != "fault"}
            if "kind" in rest:
                raise FaultError("kind ", "is written fault here")
            fault = read_fault({"kind": what["fault"], **rest})
            if fault.symbol == "ordered" and on is None:
                raise FaultError("symbol", "ordered needs a step with on")
        return Step(fault, clear, at, on, after, _when(table))
    except FaultError as error:
        text = str(error).partition(": ")[2]
        key = "fault" if error.key == "kind" else error.key.strip()
        raise FaultError(f"{place}{key}", text) from None


def _when(table: Mapping[str, Any]) -> str:
    words = [str(table[key]) for key in ("at", "on") if key in table]
    if table.get("session", 1) != 1:
        words.append(f"of session {table['session']}")
    if table.get("after_s"):
        words.append(f"{'and ' if words else ''}{table['after_s']} s later")
    return " ".join(words) or "from the start"


def _moment(table: Mapping[str, Any]) -> Moment | None:
    session = table.get("session", 1)
    if isinstance(session, bool) or not isinstance(session, int) or not 1 <= session <= 250:
        raise FaultError("session", "must be 1 to 250")
    if "at" not in table:
        if "session" in table:
            raise FaultError("session", "needs at")
        return None
    text = _text(table, "at")
    if found := _AT.fullmatch(text):
        anchor, sign, count, unit = found.groups()
        offset = timedelta(seconds=int(count) * _UNIT_S[unit]) if count else timedelta()
        return Moment(anchor, -offset if sign == "-" else offset, None, session)
    if found := _CLOCK.fullmatch(text):
        return Moment("", timedelta(), time(int(found[1]), int(found[2])), session)
    raise FaultError("at", "must be like open+5m, close-1h or 10:15")


def _occasion(table: Mapping[str, Any]) -> Occasion | None:
    if "on" not in table:
        return None
    found = _ON.fullmatch(_text(table, "on"))
    if found is None or not int(found[2]):
        words = f"{', '.join(SIDES)}; a number; {', '.join(WORDS)}"
        raise FaultError("on", f'must be like "order 3 accepted" ({words})')
    return Occasion(found[1], int(found[2]), found[3])


def _expectation(table: Mapping[str, Any]) -> Expectation:
    expect = table.get("expect", {})
    if not isinstance(expect, dict):
        raise FaultError("expect", "must be a table, [expect]")
    _check_keys(expect, "expect.", ("outcome", "alerts", "books"))
    outcome, books = expect.get("outcome", "done"), expect.get("books", "equal")
    if outcome not in OUTCOMES:
        raise FaultError("expect.outcome", f"must be one of {', '.join(OUTCOMES)}")
    if books not in BOOKS:
        raise FaultError("expect.books", f"must be one of {', '.join(BOOKS)}")
    alerts = expect.get("alerts", [])
    if not isinstance(alerts, list) or not all(isinstance(x, str) and x for x in alerts):
        raise FaultError("expect.alerts", "must be a list of texts")
    return Expectation(outcome, tuple(alerts), books)


def _check_keys(table: Mapping[str, Any], place: str, known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise FaultError(f"{place}{key[:60]}", f"is unknown; known: {', '.join(known)}")


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise FaultError(key, "must be a text" if key in table else "is missing")
    return value


def _seconds(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1e7:  # type: ignore[operator]
        raise FaultError("after_s", "must be a number of seconds, 0 or more")
    return float(value)  # type: ignore[arg-type]
