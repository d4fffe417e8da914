"""`atlasd run`: the daemon in the foreground, as systemd runs it."""

from atlas_daemon.cli.options import ConfigOption, chosen_config, plain_errors


@plain_errors
def run(config: ConfigOption = None) -> None:
    """Run the daemon until SIGTERM. SIGUSR1 stops all trading at once."""
    from atlas_daemon.service import run_service

    run_service(chosen_config(config))
