"""`atlasd config`: what is in force and where each value came from, and whether a file is fit."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import KEYS, Item, Settings, refuse_unavailable

config = typer.Typer(help="Show or check the configuration.", no_args_is_help=True)


@config.command("show")
@plain_errors
def show(
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what differs from the defaults.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print every key: the value that a start or a reload would take, and where it came from.

    Secrets are masked. A running daemon may still have others: `atlasd reload` says which.
    """
    settings = settings_for(config)
    refuse_unavailable(settings)
    items = [item for item in settings.items() if not (changed and item.is_default)]
    if as_json:
        typer.echo(json.dumps(_document(settings, items), indent=2))
        return
    name_width = max((len(item.name) for item in items), default=0)
    value_width = min(max((len(item.value) for item in items), default=0), 48)
    typer.echo(f"{label_of(settings)}  {settings.config_path or 'no atlas.toml'}")
    for item in items:
        value = item.value or "(none)"
        typer.echo(f"{item.name:<{name_width}}  {value:<{value_width}}  {item.origin}")
    if not items:
        typer.echo("every key has its default")


@config.command("check")
@plain_errors
def check(
    path: Annotated[Path, typer.Argument(help="The file to check; nothing follows it.")],
    as_json: JsonOption = False,
) -> None:
    """Say whether a file would be taken, with .env and variables as they are here. Exit 0 or 78."""
    settings = settings_for(path)
    refuse_unavailable(settings)
    told = f"{path}: fit; {sum(not item.is_default for item in settings.items())} keys are set"
    if as_json:
        document = _document(settings, [i for i in settings.items() if not i.is_default])
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{label_of(settings)}  {told}")


def _document(settings: Settings, items: list[Item]) -> dict[str, Any]:
    return {
        "config_path": str(settings.config_path) if settings.config_path else None,
        "digest": settings.digest(),
        "keys": {
            item.name: {
                "value": item.value,
                "origin": item.origin,
                "is_default": item.is_default,
                "is_secret": KEYS[item.name].secret,
                "takes_restart": KEYS[item.name].is_fixed,
                "allowed": KEYS[item.name].kind.allowed,
            }
            for item in items
        },
    }
