"""Where files lie: folders made absolute, and what is found in them.

Lives here: the meaning of relative paths, `~`, `{mode}` and `{name}`, and systemd's folders. May
not live here: making folders or opening files.

A relative path starts from the folder of the file that gives it (atlas.toml, .env), elsewhere from
the working directory. Under systemd STATE_DIRECTORY, LOGS_DIRECTORY and RUNTIME_DIRECTORY win over
defaults, not over what somebody has set. The runtime folder's default is inside the state folder
and not in XDG_RUNTIME_DIR: a daemon and a command started from another login must find each other.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from atlas_daemon.core.errors import ConfigError

from .definitions import KEYS
from .kinds import FILE_PREFIX
from .sources import DEFAULT, Found, refused

STATE, LOGS, RUNTIME = "paths.state_dir", "paths.log_dir", "paths.runtime_dir"
SOCKET_NAME = "control.sock"
_SYSTEMD = {STATE: "STATE_DIRECTORY", LOGS: "LOGS_DIRECTORY", RUNTIME: "RUNTIME_DIRECTORY"}
_SOCKET_PATH_MAX = 107
"""Bytes of a Unix socket's path on Linux (108 with the closing NUL, unix(7))."""
_FILE_KEYS = (
    "strategy.source",
    "strategy.universe",
    "regime.source",
    "regime.vix",
    "data.source",
)


def with_places(found: Mapping[str, Found], environ: Mapping[str, str]) -> dict[str, Found]:
    """Return `found` with every path absolute. Raises ConfigError for one that cannot be."""
    placed = dict(found)
    for name in (STATE, LOGS, RUNTIME):
        given = found[name]
        variable = _SYSTEMD[name]
        if given.origin == DEFAULT and environ.get(variable):
            # systemd joins several with colons; the unit names its own first.
            given = replace(given, value=environ[variable].partition(":")[0], origin=variable)
        if name == RUNTIME and not given.value:
            folder = Path(placed[STATE].value) / "run"
            placed[name] = replace(given, value=str(folder), origin=f"follows {STATE}")
            continue
        text = _filled(name, given, found["account.mode"].value, found["account.name"].value)
        placed[name] = replace(given, value=_absolute(name, text, given, environ))
    for name in _FILE_KEYS:
        given = found[name]
        if isinstance(given.value, str) and given.value.startswith(FILE_PREFIX):
            path = given.value.removeprefix(FILE_PREFIX)
            absolute = _absolute(name, path, given, environ)
            placed[name] = replace(given, value=f"{FILE_PREFIX}{absolute}")
    _check_socket(placed[RUNTIME])
    return placed


def _filled(name: str, given: Found, mode: str, account: str) -> str:
    text = str(given.value).replace("{mode}", mode).replace("{name}", account)
    if re.search(r"[{}]", text):
        allowed = "a path in which only {mode} and {name} are replaced"
        raise refused(KEYS[name], given.value, allowed, given.origin)
    return text


def _absolute(name: str, text: str, given: Found, environ: Mapping[str, str]) -> str:
    if text == "~" or text.startswith("~/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            allowed = "a path without ~ where HOME is not set"
            raise refused(KEYS[name], given.value, allowed, given.origin)
        text = home + text[1:]
    elif text.startswith("~"):
        raise refused(KEYS[name], given.value, "a path; ~user is not followed", given.origin)
    # Not resolve(): the text of a path must not depend on what exists when it is read.
    return os.path.normpath(given.folder / text)


def _check_socket(runtime: Found) -> None:
    path = f"{runtime.value}/{SOCKET_NAME}"
    length = len(os.fsencode(path))
    if length > _SOCKET_PATH_MAX:
        # A shorter path below /tmp could be taken by another user before we come: refused instead.
        raise ConfigError(
            f"{RUNTIME} ({runtime.origin}): {path} has {length} bytes and a Unix socket's path at "
            f"most {_SOCKET_PATH_MAX}: set {RUNTIME} to a shorter folder"
        )
