"""What every command shares: where the configuration is, how errors end, how the account is named.

No command lives here; nothing heavy is imported here.
"""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from atlas_daemon.config import Settings, load_settings
from atlas_daemon.core.errors import AtlasError, BugError, ConfigError, UsageError

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The atlas.toml to read; else ./atlas.toml where there is one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

PING_S = 1.0

_given: dict[str, Path | None] = {"config": None}

F = TypeVar("F", bound=Callable[..., Any])


def remember_config(config: Path | None) -> None:
    """Keep what `atlasd --config PATH COMMAND` said before the command."""
    _given["config"] = config


def chosen_config(config: Path | None) -> Path | None:
    """Return what the command itself was given, else what stood before it."""
    return config if config is not None else _given["config"]


def settings_for(config: Path | None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Return the settings in force for a command. Raises ConfigError.

    Also where state or runtime folder are another account's: its daemon must not be asked in our
    name.
    """
    chosen = chosen_config(config)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    settings = load_settings(chosen, environ=os.environ, cwd=Path.cwd(), overrides=given)
    if os.path.exists(settings.journal_path):  # noqa: PTH110  (no right to look is no journal)
        from atlas_daemon.claim import refuse_foreign_folder

        refuse_foreign_folder(settings)
    if settings.state_dir not in settings.runtime_dir.parents:
        _refuse_foreign_daemon(settings)
    return settings


def _refuse_foreign_daemon(settings: Settings) -> None:
    """Raise ConfigError where another account's daemon serves our socket.

    Two accounts may have been given one runtime folder. One that is slow to answer is asked anyway.
    """
    if not os.path.exists(settings.control_socket_path):  # noqa: PTH110  (as above)
        return
    from atlas_daemon.control import ControlError, ask

    try:
        told = ask(settings.control_socket_path, "ping", timeout_s=PING_S)
    except ControlError:
        return
    ours = settings.account
    theirs = told.get("mode", ours.mode), told["account"]
    if theirs != (ours.mode, ours.name):
        raise ConfigError(
            f"paths.runtime_dir {settings.runtime_dir} belongs to the daemon of "
            f"{'-'.join(theirs)}, and the configuration is of {ours.mode}-{ours.name}"
        )


def label_of(settings: Settings) -> str:
    """Return the account's name with its world: `[PAPER] LARGE`."""
    return f"[{settings.account.mode.upper()}] {settings.account.name}"


def day_of_option(option: str, text: str) -> date:
    """Return a day given as YYYY-MM-DD. Raises UsageError naming the option."""
    try:
        if len(text) != len("2024-02-01"):  # the standard has other spellings: one is enough
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: {text!r} is not a date (as 2024-02-01)") from None


def fail(error: AtlasError) -> typer.Exit:
    """Print an error in one line and return the exit that goes with it."""
    from atlas_daemon.records.lines import one_line  # others' words are in it: no terminal obeys

    sys.stderr.write(f"atlasd: {one_line(' '.join(str(error).split()))}\n")
    return typer.Exit(error.exit_code)


def plain_errors(command: F) -> F:
    """Turn what is raised on purpose into one line and its exit code; a bug keeps its traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BugError:
            raise
        except AtlasError as error:
            raise fail(error) from None

    return wrapped  # type: ignore[return-value]
