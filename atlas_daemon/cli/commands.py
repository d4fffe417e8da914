"""The list of all commands: name, function, in the order of the help."""

import typer


def register(app: typer.Typer) -> None:
    """Put every command on `app`."""
