"""The emergency stop that finds nobody: too early or too late for a handler, and kept all the same.

Whoever runs a daemon in this process does it within `late_stops_latched`.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from atlas_daemon.config import Settings
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.signals import hold_signals, signals_held


class LateStop:
    """Whose latch it would be. None until the configuration is read."""

    settings: Settings | None = None


@contextlib.contextmanager
def late_stops_latched() -> Iterator[LateStop]:
    """Hold back stops until a daemon takes them; at the block's end latch one that none took."""
    hold_signals()
    late = LateStop()
    try:
        yield late
    finally:
        if signal.SIGUSR1 in signals_held():
            _latch(late.settings)


def _latch(settings: Settings | None) -> None:
    if settings is None:
        _say("without a configuration the latch has no place: `atlasd panic` needs none")
        return
    with contextlib.suppress(OSError):  # the latch says it
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = f"{settings.account.mode}-{settings.account.name}"
    latch = LatchFile(settings.latch_path, account)
    if failed := latch.write("SIGUSR1", "signal", datetime.now(UTC)):
        _say(f"the latch cannot be written: {failed}")
    else:
        _say(f"the latch {settings.latch_path} is on; nothing was asked of the broker any more")


def _say(text: str) -> None:
    sys.stderr.write(f"atlasd: SIGUSR1 found no daemon to take it; {text}\n")
