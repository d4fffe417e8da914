"""`atlasd reload`: the running daemon reads its configuration again, and says what that changed."""

import json
from typing import Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.control import ask


@plain_errors
def reload(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Have the daemon read its configuration again. Refused whole where anything in it is wrong.

    Exit 0 where it is in force or waits for the end of the run under way, 78 where it is refused
    (what was in force stays so), 1 where no daemon answers.
    """
    # Where the daemon listens is all that is taken from here: it reads its own sources.
    settings = settings_for(config)
    done = ask(settings.control_socket_path, "reload")
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    else:
        typer.echo(f"{label_of(settings)}  {_told(done)}")


def _told(done: dict[str, Any]) -> str:
    if not done["changes"]:
        return "reloaded; nothing differs from what is in force"
    changes = ", ".join(f"{c['name']} {c['before']} -> {c['after']}" for c in done["changes"])
    if done["waits_for"]:
        return f"read, and waits {done['waits_for']}: {changes}"
    return f"reloaded: {changes}"
