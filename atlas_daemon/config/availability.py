"""Settings that are known and not carried out yet. May not live here: what no version takes."""

from atlas_daemon.core.errors import ConfigError

from .settings import Settings

NOT_YET = (
    ("regime.react", "any"),
    ("notify.daily", True),
    ("rebalance.first", "now"),
)
"""What this version would have to ignore is refused: a promise is worse than a no."""


def refuse_unavailable(settings: Settings) -> None:
    """Raise ConfigError for a setting that this version does not carry out."""
    for name, value in NOT_YET:
        if settings.found[name].value == value:
            origin = settings.origin(name)
            raise ConfigError(f"{name} = {value} ({origin}): not available in this version")
    if settings.notify.healthcheck_url:
        origin = settings.origin("notify.healthcheck_url")
        raise ConfigError(f"notify.healthcheck_url ({origin}): not available in this version")
