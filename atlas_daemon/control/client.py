"""The commands' side of the socket: ask, wait, or say in one line why not. It blocks."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.events import Entry
from atlas_daemon.journal.codec import decode, moment

ANSWER_S = 20.0
REPLY_MAX = 64 * 1024 * 1024


class ControlError(AtlasError):
    """The daemon said no, or did not answer. `rule` names the rule, `exit_code` is its own."""

    def __init__(self, text: str, *, rule: str = "", exit_code: int = 1) -> None:
        super().__init__(text)
        self.rule = rule
        self.exit_code = exit_code


class NoDaemonError(ControlError):
    """Nobody serves this account's socket."""


def ask(path: Path, do: str, *, timeout_s: float = ANSWER_S, **args: object) -> Any:
    """Return the daemon's answer to a request.

    Raises NoDaemonError where none runs, ControlError where it refuses or is silent for
    `timeout_s`.
    """
    for message in _talk(path, {"do": do, **args}, timeout_s):
        return message["result"]
    raise ControlError(f"the daemon at {path} closed without an answer")


def follow(path: Path, run: str, after: int, *, timeout_s: float | None = None) -> Iterator[Entry]:
    """Yield the journal's entries after `after` as they come, until the run has ended.

    Raises as `ask`; where the daemon goes away in between, ControlError as well.
    """
    request = {"do": "watch", "run": run, "after": after}
    for message in _talk(path, request, timeout_s):
        if "entry" not in message:
            return
        entry = message["entry"]
        seq = entry["seq"]
        event = decode(seq, entry["type"], entry["payload"])
        yield Entry(seq, moment(seq, entry["at"]), entry["cause"], event)
    raise ControlError(f"the daemon at {path} went away; its journal has what it did")


def _talk(path: Path, request: dict[str, Any], timeout_s: float | None) -> Iterator[dict[str, Any]]:
    with _connected(path, timeout_s) as sock, sock.makefile("rb") as answers:
        try:
            sock.sendall(json.dumps(request).encode() + b"\n")
            while line := answers.readline(REPLY_MAX):
                yield _read(line, path)
        except TimeoutError:
            raise ControlError(
                f"the daemon at {path} did not answer within {timeout_s:.0f} s"
            ) from None
        except OSError as error:
            raise ControlError(f"the daemon at {path}: {error.strerror}") from error


def _connected(path: Path, timeout_s: float | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout_s)
    try:
        sock.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        raise NoDaemonError(f"no daemon runs: nobody answers at {path}") from None
    except PermissionError:
        sock.close()
        raise ControlError(f"{path}: only the daemon's own user and root may ask it") from None
    except OSError as error:
        sock.close()
        raise ControlError(f"{path}: {error.strerror or error}") from error
    return sock


def _read(line: bytes, path: Path) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise ControlError(f"the daemon at {path} answered with something else than JSON")
    if message.get("ok") is False:
        raise ControlError(
            str(message.get("error")),
            rule=str(message.get("rule", "")),
            exit_code=int(message.get("exit", 1)),
        )
    return message
