"""The daemon as its control plane sees it: what can be asked of it, as Protocols. No code here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from atlas_daemon.config import Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State


class Change(Protocol):
    """A key's value before and after a reload, fit to be shown."""

    @property
    def name(self) -> str:
        """Its full name."""
        ...

    @property
    def before(self) -> str:
        """The value in force until now; masked where it is secret."""
        ...

    @property
    def after(self) -> str:
        """The new value; masked where it is secret."""
        ...


class Reloaded(Protocol):
    """What became of a reload."""

    @property
    def changes(self) -> Sequence[Change]:
        """What differs from before."""
        ...

    @property
    def digest(self) -> str:
        """The new configuration's."""
        ...

    @property
    def waits_for(self) -> str:
        """Why it is not in force yet; empty where it is."""
        ...


class Host(Protocol):
    """The daemon as its control plane sees it."""

    @property
    def state(self) -> State:
        """What is true now."""
        ...

    @property
    def policy(self) -> Policy:
        """What the core decides by."""
        ...

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    @property
    def fault(self) -> str:
        """Why the journal takes no entries; empty while it does."""
        ...

    @property
    def url(self) -> str:
        """The dashboard's address; empty where none is served."""
        ...

    @property
    def config_waits(self) -> str:
        """What of a reloaded configuration is not in force yet, and why; empty where all is."""
        ...

    def hear(self, event: e.Event) -> None:
        """Put an event in the inbox."""
        ...

    def reload(self) -> Reloaded:
        """Read the configuration again; ConfigError where it may not take the place of ours."""
        ...

    def now(self) -> datetime:
        """Return the present moment of the daemon's clock."""
        ...

    def deliveries(self) -> Sequence[Mapping[str, Any]]:
        """Return how each way to people does."""
        ...

    def journal_head(self) -> tuple[int, str]:
        """Return place and hash of the last entry."""
        ...

    def entries(self, after: int) -> Iterator[Entry]:
        """Return the journal's entries after `after`."""
        ...

    def subscribe(self, subscriber: Callable[[Sequence[Entry]], None]) -> Callable[[], None]:
        """Tell `subscriber` of each committed turn's entries; calling the result ends that."""
        ...
