"""The list of all commands: name, function, in the order of the help."""

import typer


def register(app: typer.Typer) -> None:
    """Put every command on `app`."""
    from atlas_daemon.cli.alert import alert
    from atlas_daemon.cli.audit import audit
    from atlas_daemon.cli.backup import backup, restore
    from atlas_daemon.cli.config import config
    from atlas_daemon.cli.demo import demo
    from atlas_daemon.cli.desk import adopt, resume, stop
    from atlas_daemon.cli.doctor import doctor
    from atlas_daemon.cli.drill import drill
    from atlas_daemon.cli.explain import explain
    from atlas_daemon.cli.notify import notify
    from atlas_daemon.cli.orders import orders, trades
    from atlas_daemon.cli.panic import panic
    from atlas_daemon.cli.paper import paper
    from atlas_daemon.cli.plan import plan
    from atlas_daemon.cli.promote import promote
    from atlas_daemon.cli.rebalance import rebalance
    from atlas_daemon.cli.regime import regime
    from atlas_daemon.cli.reload import reload
    from atlas_daemon.cli.replay import replay
    from atlas_daemon.cli.report import report
    from atlas_daemon.cli.run import run
    from atlas_daemon.cli.scale import scale
    from atlas_daemon.cli.status import status
    from atlas_daemon.cli.transition import transition

    app.command()(demo)
    app.command()(run)
    app.command()(paper)
    app.command()(plan)
    app.command()(rebalance)
    app.command()(scale)
    app.command()(replay)
    app.command()(status)
    app.command()(doctor)
    app.command()(drill)
    app.add_typer(promote, name="promote")
    app.command()(transition)
    app.add_typer(regime, name="regime")
    app.command()(orders)
    app.command()(trades)
    app.command()(report)
    app.command()(explain)
    app.add_typer(audit, name="audit")
    app.command()(stop)
    app.command()(panic)
    app.command()(resume)
    app.command()(adopt)
    app.command()(reload)
    app.command()(alert)
    app.add_typer(config, name="config")
    app.command()(backup)
    app.command()(restore)
    app.add_typer(notify, name="notify")
