"""Where values come from: defaults, atlas.toml, .env beside it, the environment, the command line.

Lives here: reading these sources in rising order, and the refusals that name the source. May not
live here: what values mean for each other, credentials.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from atlas_daemon.core.errors import ConfigError

from .definitions import KEYS, SECTIONS, Key
from .kinds import UnfitError

CONFIG_NAME = "atlas.toml"
DOTENV_NAME = ".env"
DEFAULT = "default"
COMMAND_LINE = "command line"
_PREFIX = "ATLAS_"
_LONGEST_SHOWN = 80
_BY_VARIABLE = {key.variable: key for key in KEYS.values()}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADING = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]")
_ASSIGNED = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_MISTAKES_MAX = 20
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


@dataclass(frozen=True, slots=True)
class Found:
    """A key's checked value, who said it, and the folder its relative paths start from."""

    value: Any
    origin: str
    folder: Path
    line: int = 0
    """Its line in the file that `origin` names; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One assignment of a .env file."""

    name: str
    text: str
    number: int


def read_sources(
    config_path: Path | None,
    dotenv_path: Path,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    cwd: Path,
) -> dict[str, Found]:
    """Return the value of every key, of the highest source that gives one.

    Both paths are absolute. Raises ConfigError with every mistake of all sources in one line.
    """
    found = {name: Found(key.default, DEFAULT, cwd) for name, key in KEYS.items()}
    mistakes: list[str] = []
    if config_path is not None:
        with _noting(mistakes):
            found |= _from_toml(config_path, _label(config_path, cwd), mistakes)
    with _noting(mistakes):
        found |= _from_dotenv(dotenv_path, _label(dotenv_path, cwd), mistakes)
    found |= _from_environment(environ, cwd, mistakes)
    for name, value in overrides.items():
        with _noting(mistakes):
            key = _known(name, COMMAND_LINE)
            found[name] = Found(_from_toml_value(key, value, COMMAND_LINE), COMMAND_LINE, cwd)
    refuse(mistakes)
    return found


def refuse(mistakes: list[str]) -> None:
    """Raise ConfigError for all mistakes at once, where there are any."""
    if mistakes:
        more = len(mistakes) - _MISTAKES_MAX
        told = mistakes[:_MISTAKES_MAX] + ([f"and {more} more mistakes"] if more > 0 else [])
        raise ConfigError("; ".join(told))


@contextmanager
def _noting(mistakes: list[str]) -> Iterator[None]:
    """Note a refusal and go on: a person wants to correct all of them at once."""
    try:
        yield
    except ConfigError as error:
        mistakes.append(str(error))


def refused(key: Key, value: object, allowed: str, origin: str) -> ConfigError:
    """The one line for a bad value: key, value, what is allowed, source."""
    return ConfigError(f"{key.name} = {shown(key, value)} ({origin}): must be {allowed}")


def shown(key: Key, value: object) -> str:
    """Return `value` for a person, on one line; a secret one masked."""
    if key.secret:
        return "****" if value else '""'
    return _short(_spelled(value))


def read_dotenv(path: Path) -> list[Line]:
    """Return the assignments of a .env file, none where there is no such file.

    `KEY=VALUE`, `export KEY=VALUE`, comments, single quotes (taken literally), double quotes
    (with escapes); an unquoted value ends at ` #`. Raises ConfigError with the line's number, never
    its text: the file holds secrets.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error
    lines: dict[str, Line] = {}
    for number, row in enumerate(text.splitlines(), start=1):
        stripped = row.strip()
        if not stripped or stripped.startswith("#"):
            continue
        line = _assignment(stripped, number)
        if line is None:
            raise ConfigError(f"{path}:{number}: not a line of the form KEY=VALUE")
        if line.name in lines:
            first = lines[line.name].number
            raise ConfigError(f"{path}:{number}: {line.name} was already given in line {first}")
        lines[line.name] = line
    return list(lines.values())


def _from_toml(path: Path, origin: str, mistakes: list[str]) -> dict[str, Found]:
    found = {}
    text = _text_of(path)
    lines = _lines_of(text)
    for section, table in _tables(path, text).items():
        if not isinstance(table, dict):
            hint = _near(f".{section}", KEYS)
            mistakes.append(f"{_plain(section)} ({origin}): a key outside of any section{hint}")
            continue
        if section not in SECTIONS:
            hint = _near(section, SECTIONS)
            mistakes.append(f"[{_plain(section)}] ({origin}): no such section{hint}")
            continue
        for word, value in table.items():
            with _noting(mistakes):
                key = _known(f"{section}.{word}", origin)
                kept = _from_toml_value(key, value, origin)
                found[key.name] = Found(kept, origin, path.parent, lines.get(key.name, 0))
    return found


def _text_of(path: Path) -> str:
    try:
        # Editors of another system put a mark in front, and end lines in two signs.
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {_reason(error)}") from error


def _tables(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    # Decimal answers an exponent beyond all measure with an ArithmeticError.
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {_reason(error)}") from error


def _lines_of(text: str) -> dict[str, int]:
    """Return the line of each key that is written plainly; the reader of TOML tells none."""
    lines: dict[str, int] = {}
    section = ""
    for number, row in enumerate(text.split("\n"), start=1):
        if heading := _HEADING.match(row):
            section = heading[1]
        elif assigned := _ASSIGNED.match(row):
            lines.setdefault(f"{section}.{assigned[1]}", number)
    return lines


def _from_dotenv(path: Path, label: str, mistakes: list[str]) -> dict[str, Found]:
    found = {}
    for line in read_dotenv(path):
        # Other programs' variables may stand beside ours.
        if line.name.startswith(_PREFIX):
            origin = f"{label}:{line.number}"
            with _noting(mistakes):
                key = _known_variable(line.name, origin)
                found[key.name] = Found(_from_text(key, line.text, origin), origin, path.parent)
    return found


def _from_environment(
    environ: Mapping[str, str], cwd: Path, mistakes: list[str]
) -> dict[str, Found]:
    found = {}
    for name, text in sorted(environ.items()):
        if name.startswith(_PREFIX):
            with _noting(mistakes):
                key = _known_variable(name, "environment")
                found[key.name] = Found(_from_text(key, text, name), name, cwd)
    return found


def _from_toml_value(key: Key, value: object, origin: str) -> Any:
    try:
        return key.kind.from_toml(value)
    except UnfitError as error:
        raise refused(key, value, key.kind.allowed, origin) from error


def _from_text(key: Key, text: str, origin: str) -> Any:
    try:
        return key.kind.from_text(text)
    except UnfitError as error:
        raise refused(key, text, key.kind.allowed, origin) from error


def _known(name: str, origin: str) -> Key:
    # The value of an unknown key is not shown: it may be a secret that belongs elsewhere.
    if name not in KEYS:
        raise ConfigError(f"{_plain(name)} ({origin}): no such key{_near(name, KEYS)}")
    return KEYS[name]


def _known_variable(name: str, origin: str) -> Key:
    if name not in _BY_VARIABLE:
        hint = _near(name, _BY_VARIABLE)
        raise ConfigError(f"{_plain(name)} ({origin}): no such key{hint}")
    return _BY_VARIABLE[name]


def _plain(name: str) -> str:
    """Return a name somebody made up, fit for one line."""
    return _short(repr(name)[1:-1])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the most similar known name, empty where none is similar."""
    # Needed only on the way out.
    import difflib

    names = list(known)
    # The right word in the wrong section is the likeliest slip of all.
    word = name.rpartition(".")[2]
    same = [each for each in names if "." in name and each.rpartition(".")[2] == word]
    near = same[:1] or difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def _assignment(row: str, number: int) -> Line | None:
    name, sign, rest = row.removeprefix("export ").strip().partition("=")
    name = name.rstrip()
    if not sign or _NAME.fullmatch(name) is None:
        return None
    text = _unquoted(rest.strip())
    return None if text is None else Line(name, text, number)


def _unquoted(rest: str) -> str | None:
    if rest[:1] not in ("'", '"'):
        return re.split(r"(?:^|\s)#", rest, maxsplit=1)[0].rstrip()
    quote = rest[0]
    body = r"([^']*)" if quote == "'" else r'((?:[^"\\]|\\.)*)'
    match = re.fullmatch(rf"{quote}{body}{quote}\s*(?:#.*)?", rest)
    if match is None:
        return None
    inner = match.group(1)
    if quote == "'":
        return inner
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), inner)


def _spelled(value: object) -> str:
    """Return the value much as TOML spells it; `repr` keeps control characters visible."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + repr(value)[1:-1] + '"'
    if isinstance(value, list | tuple):
        # No key takes a list of lists: what stands in one may be nested without end.
        items = ("[...]" if isinstance(item, list | tuple) else _spelled(item) for item in value)
        return "[" + ", ".join(items) + "]"
    if isinstance(value, dict):
        return "{...}"
    return str(value)


def _reason(error: Exception) -> str:
    """Return why, on one line."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())


def _label(path: Path, cwd: Path) -> str:
    """Return the path as a person would write it where they stand; at / that is in full."""
    short = path.is_relative_to(cwd) and cwd != Path(cwd.anchor)
    return str(path.relative_to(cwd) if short else path)
