"""What control plane and dashboard ask of the daemon (their `Host`s), and what it answers.

Lives here: reading of what the running parts know, and handing in of requests. May not live here:
starting, ending or deciding anything.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from atlas_daemon.bus import Bus
from atlas_daemon.config import Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.views import status_line
from atlas_daemon.dashboard.chronicle import Chronicle
from atlas_daemon.dashboard.meter import Meter
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.watchdog import Watchdog
from atlas_daemon.journal import Journal
from atlas_daemon.ports import ClockPort
from atlas_daemon.reloader import Reloader
from atlas_daemon.teller import Teller

Subscriber = Callable[[Sequence[e.Entry]], None]


class Reception:
    """The daemon as others in the house see it. Its parts stand once the daemon is open."""

    _bus: Bus
    _journal: Journal
    _clock: ClockPort
    _client: AlpacaTradingClient
    _teller: Teller
    _watchdog: Watchdog
    _reloader: Reloader
    meter: Meter
    """What this process has counted."""
    chronicle: Chronicle
    """What happened, as far as the page shows it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        """The dashboard's address once it listens."""
        self._subscribers: list[Subscriber] = []

    @property
    def state(self) -> State:
        """The state after the last turn."""
        return self._bus.state

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._bus.policy

    @property
    def fault(self) -> str:
        """Why the journal cannot be written now; empty where it can."""
        return self._bus.fault

    @property
    def inbox_depth(self) -> int:
        """How many events wait for their turn."""
        return self._bus.depth

    @property
    def budget_left(self) -> int:
        """How many trading requests may still be made this minute."""
        return self._client.budget_left

    @property
    def watchdog_pings(self) -> int:
        """How often systemd's watchdog was told that all is well."""
        return self._watchdog.pings

    def deliveries(self) -> list[dict[str, Any]]:
        """How each way to people does."""
        return self._teller.deliveries()

    @property
    def config_waits(self) -> str:
        """What of a reloaded configuration is not in force yet, and why; empty where all is."""
        return self._reloader.waiting

    def hear(self, event: e.Event) -> None:
        """Put an operator's request in the inbox."""
        self._bus.hear(event)

    def now(self) -> datetime:
        """The present moment of the daemon's clock."""
        return self._clock.now()

    def journal_head(self) -> tuple[int, str]:
        """Sequence number and hash of the last entry."""
        return self._journal.head()

    def entries(self, after: int = 0) -> Iterator[e.Entry]:
        """The journal's entries after `after`."""
        return self._journal.read(after)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with the entries of each turn; return what ends that."""
        self._subscribers.append(subscriber)
        return partial(self._subscribers.remove, subscriber)

    def status_line(self) -> str:
        """One line for systemctl: mode, what is waited for, how old the last look is."""
        account = f"{self.settings.account.mode} {self.settings.account.name}"
        return status_line(self.state, self.policy, account, self.now(), self.fault)
