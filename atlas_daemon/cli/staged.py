"""The daemon as it goes on a stage: the real one, with the stage's clock and network.

Floor 4 may not know the daemon, so the commands hand it in.
"""

from typing import TYPE_CHECKING

from atlas_daemon.config import Settings, load_credentials
from atlas_daemon.errands import NOBODY
from atlas_daemon.ports import BrainPort

if TYPE_CHECKING:
    from atlas_daemon.app import Daemon
    from atlas_daemon.stage.stage import Backdrop, MakePlayer

CALM = 0.5
"""The stream's chance, which a replay must not have."""


def player_with(brain: BrainPort) -> "MakePlayer":
    """Return what makes a daemon that asks `brain`, opens no doors and writes to no terminal."""
    from atlas_daemon.app import Daemon, World

    def make(settings: Settings, backdrop: "Backdrop") -> "Daemon":
        world = World(
            clock=backdrop.clock,
            open_session=backdrop.open_session,
            connect=backdrop.connect,
            jitter=lambda: CALM,
            brain=brain,
            reporter=NOBODY,
            log_keeper=NOBODY,
            has_doors=False,
            environ={},
            console=False,
        )
        return Daemon(settings, load_credentials(settings, {}), world)

    return make
