"""Settings that cannot be carried out: not yet, or not with what is installed.

May not live here: what no version takes.
"""

import importlib.util

from atlas_daemon.core.errors import ConfigError

from .settings import Settings

NOT_YET = (("rebalance.first", "now"),)
"""What this version would have to ignore is refused: a promise is worse than a no."""


def refuse_unavailable(settings: Settings) -> None:
    """Raise ConfigError for a setting that cannot be carried out here."""
    for name, value in NOT_YET:
        if settings.found[name].value == value:
            origin = settings.origin(name)
            raise ConfigError(f"{name} = {value} ({origin}): not available in this version")
    if settings.notify.apprise_url and importlib.util.find_spec("apprise") is None:
        origin = settings.origin("notify.apprise_url")
        raise ConfigError(
            f"notify.apprise_url ({origin}): Apprise is not installed: "
            "pip install 'atlas-daemon[notify]'"
        )
