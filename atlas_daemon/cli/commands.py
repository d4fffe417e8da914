"""The list of all commands: name, function, in the order of the help."""

import typer


def register(app: typer.Typer) -> None:
    """Put every command on `app`."""
    from atlas_daemon.cli.demo import demo
    from atlas_daemon.cli.paper import paper
    from atlas_daemon.cli.run import run

    app.command()(demo)
    app.command()(run)
    app.command()(paper)
