"""The command line: one file for each group of commands; here they are put together.

Command files import what is heavy inside their functions: `atlasd run` carries no pandas.
"""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from atlas_daemon.cli.options import remember_config
from atlas_daemon.core.errors import AtlasError

app = typer.Typer(
    name="atlasd",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Executes a validated strategy on Alpaca, unattended.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"atlasd {metadata.version('atlas-daemon')}")
        raise typer.Exit


@app.callback()
def _before(
    config: Annotated[Path | None, typer.Option("--config", help="The atlas.toml to read.")] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print and end.")
    ] = False,
) -> None:
    remember_config(config)


def run() -> None:
    """Run the command line; the process ends with the command's exit code."""
    from atlas_daemon.cli import commands

    commands.register(app)
    try:
        app()
    except OSError:
        if (why := _why_unsaid()) is None:
            raise
        sys.stderr.write(f"atlasd: standard output cannot be written: {why}\n")
        sys.exit(AtlasError.exit_code)


def _why_unsaid() -> str | None:
    """Return why standard output takes no more, and give the rest up; None where it does."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as error:
        nobody = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
        sys.stdout = nobody  # nothing is left to be said at the end
        return error.strerror or str(error)
    return None
