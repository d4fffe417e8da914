"""The drills there are, in their order; one drill from its first process to its verdict.

Whatever ends a drill (its verdict, an error, Ctrl-C), its processes and its folder are gone.
"""

import subprocess
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from atlas_daemon.config import Settings
from atlas_daemon.core.errors import AtlasError, BugError

from .disks import diskfull, restore
from .ground import Ground
from .kills import kill9
from .lines import accept504, mute_stream, netcut, too_many
from .scene import CannotRunError, Setting
from .stops import crash_regime, estop
from .verdicts import Check

SAID_FIRST = (
    *("nothing leaves", "stop works", "seen cancelled", "not again", "cash", "holdings stay"),
    *("sent twice", "fills lost", "targets"),
)
"""Figures that a verdict's line has in any case, in this order."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One kind of bad day."""

    name: str
    title: str
    """What it proves, for a list."""
    play: Callable[[Setting], Iterator[Check]]


DRILLS: Mapping[str, Drill] = {
    drill.name: drill
    for drill in (
        Drill("kill9", "SIGKILL four times amid a rebalance: never twice, never lost", kill9),
        Drill("netcut", "the network goes amid the buys and comes back", netcut),
        Drill("mute-stream", "a stream that says nothing: fills are found by asking", mute_stream),
        Drill("429", "orders refused with Retry-After: sent once more, when told", too_many),
        Drill("accept504", "orders accepted and answered 504: asked after, not re-sent", accept504),
        Drill("crash-regime", "CRASH amid buying: buys cancelled, sells finish", crash_regime),
        Drill("estop", "SIGUSR1 amid a rebalance: latched, seen cancelled, kept", estop),
        Drill("restore", "a backup put back after more trading: nothing runs twice", restore),
        Drill("diskfull", "a disk that takes no more: no order leaves, a stop works", diskfull),
    )
}
"""By name, in the order in which `--all` runs them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one drill."""

    name: str
    checks: tuple[Check, ...]
    failure: str
    """Why it came to no verdict; empty where it did."""
    has_run: bool
    """False where this host cannot bring about what it is about: that is not passed either."""
    seconds: float

    @property
    def is_good(self) -> bool:
        """True where it ran to its end and every check is good."""
        return self.has_run and not self.failure and bool(self.checks) and not self.bad

    @property
    def bad(self) -> tuple[Check, ...]:
        """What was not as it had to be."""
        return tuple(check for check in self.checks if not check.is_good)

    @property
    def text(self) -> str:
        """One line for people: what went wrong, or the figures of what went well."""
        if not self.has_run:
            return f"NOT RUN: {self.failure}"
        if self.failure:
            return f"FAILED: {self.failure}"
        if self.bad:
            return f"FAILED: {'; '.join(check.text for check in self.bad)}"
        if not self.checks:
            return "FAILED: nothing was checked"
        by_name = {check.name: check.text for check in self.checks}
        own = self.checks[0].text
        said = (by_name[name] for name in SAID_FIRST if name in by_name)
        return "; ".join([own, *(text for text in said if text != own)])


def run_drill(
    drill: Drill,
    settings: Settings,
    ground: Ground,
    folder: Path,
    say: Callable[[str], None],
    monotonic_s: Callable[[], float],
) -> Verdict:
    """Run one drill in `folder`, a scratch folder of its own, and judge it.

    Raises BugError, and whatever ends the program.
    """
    began_s = monotonic_s()
    setting = Setting(
        ground=ground,
        folder=folder,
        say=say,
        reacts_to_crash=settings.regime.react != "none",
        flattens=settings.emergency.action == "flatten",
        stops_account=settings.emergency.scope == "account",
    )
    checks: list[Check] = []
    failure, has_run = "", True
    try:
        checks.extend(drill.play(setting))
    except BugError:
        raise
    except CannotRunError as error:
        failure, has_run = str(error), False
    except (AtlasError, OSError, subprocess.SubprocessError) as error:
        failure = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, urllib.error.URLError):
            failure = f"the local broker: {failure}"
    return Verdict(drill.name, tuple(checks), failure, has_run, monotonic_s() - began_s)
