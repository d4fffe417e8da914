"""The client of a command that only looks: nothing but a GET can leave it.

What fails is said once, by the command itself: the client's own lines go nowhere. No command here.
"""

import logging
from typing import TYPE_CHECKING, Any

from atlas_daemon.config import Credentials, Settings

if TYPE_CHECKING:
    from atlas_daemon.edges.alpaca.client import AlpacaTradingClient


def onlooker(
    command: str, settings: Settings, keys: Credentials, **more: Any
) -> "AlpacaTradingClient":
    """Return a client of the configured broker; `more` is the client's own (deadline, budget).

    Raises ConfigError where the keys are no plain text. To be closed by who asked for it.
    """
    # Needed only where somebody looks: most commands need no network.
    from atlas_daemon.doctor.readonly import open_readonly_session
    from atlas_daemon.edges.alpaca.client import AlpacaTradingClient

    silent = logging.getLogger(f"atlasd.{command}")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    return AlpacaTradingClient(
        settings.account.name,
        silent,
        key_id=keys.key_id,
        secret=keys.secret,
        trading_url=settings.broker.trading_url,
        data_url=settings.broker.data_url,
        **{"session": open_readonly_session} | more,
    )
