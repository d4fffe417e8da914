"""A new configuration while the daemon runs: read whole, refused whole, in force between two runs.

Here is decided when it may take its place. What follows a configuration is told by the composition
root; what a value may be is the configuration's own business.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from atlas_daemon.bus import Bus
from atlas_daemon.config import Settings, refuse_unavailable
from atlas_daemon.config.digests import sections_digest
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.state import Phase


@dataclass(frozen=True, slots=True)
class Change:
    """A key's value before and after, for a person: a secret one masked."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload found."""

    changes: tuple[Change, ...]
    """Against what is in force; empty where nothing differs."""
    digest: str
    waits_for: str
    """Why the changes are not in force yet; empty where they are."""


class Reloader:
    """Holds the configuration in force, and one that waits for the end of the run under way.

    `put_in_force` tells every part of the new one; it is called between two turns, right after
    the journal took the entry that names the changed keys.
    """

    def __init__(
        self, settings: Settings, bus: Bus, put_in_force: Callable[[Settings], None]
    ) -> None:
        self._settings, self._bus, self._put_in_force = settings, bus, put_in_force
        self._waiting: Settings | None = None
        self._logger = logging.getLogger("Daemon")

    def reload(self) -> Reloaded:
        """Read the sources of the settings again.

        A later reload takes the place of one that still waits. Raises ConfigError with every
        reason where the whole is not fit to take the place of what is in force: then nothing has
        changed, one that waits waits on, and the refusal is on record.
        """
        old = self._settings
        try:
            new = old.reread()
            refuse_unavailable(new)
            old.refuse_fixed(new)
        except ConfigError as error:
            self._logger.error("The configuration stays as it is: %s", error)
            self._bus.hear(e.RequestDenied("reload", "configuration", str(error)))
            raise
        names = old.changed(new)
        self._waiting = new if names else None
        self.look()
        changes = tuple(Change(name, old.shown(name), new.shown(name)) for name in names)
        waits_for = self._why_not_now() if self._waiting is not None else ""
        if waits_for:
            self._logger.warning("A new configuration waits: %s", waits_for)
        return Reloaded(changes, new.digest(), waits_for)

    @property
    def waiting(self) -> str:
        """The keys whose new values wait, and for what, in one line; empty where none do."""
        if self._waiting is None:
            return ""
        names = ", ".join(self._settings.changed(self._waiting))
        return f"{names}: {self._why_not_now()}"

    def look(self) -> None:
        """Put what waits in force if no run is under way; called once a beat, between turns."""
        new = self._waiting
        if new is None or self._is_run_under_way():
            return
        names = self._settings.changed(new)
        changed = e.PolicyChanged(new.digest(), names, sections_digest(new))
        if self._bus.swap(new.policy(), changed):
            self._settings, self._waiting = new, None
            self._put_in_force(new)

    def _is_run_under_way(self) -> bool:
        # A parked run has nothing in the market and plans anew when it goes on.
        run = self._bus.state.run
        return run is not None and run.phase is not Phase.PARKED

    def _why_not_now(self) -> str:
        run = self._bus.state.run
        if run is not None and self._is_run_under_way():
            return f"until run {run.run_id} has ended"
        return f"until it can be written down: {self._bus.fault or 'the daemon is starting'}"
