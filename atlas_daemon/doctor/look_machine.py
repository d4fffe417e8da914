"""What this machine says of itself: NTP, packages, the unit. Nothing is judged here."""

import ctypes
import ctypes.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

TIME_ERROR = 5
"""What adjtimex(2) returns while nothing keeps the clock."""
TIMEX_BYTES = 512
"""More than `struct timex` has on any Linux."""
UNIT_FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
DISTRIBUTION = "atlas-daemon"


@dataclass(frozen=True, slots=True)
class Packages:
    """What Python has for us."""

    python: str
    missing: tuple[str, ...]
    """Distributions that we need and that are not installed."""
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """The service as the file system shows it. No bus is asked: a sandbox may have none."""

    has_systemd: bool
    installed: tuple[str, ...]
    """Unit files of ours: `atlas.service`, `atlas@.service`."""
    enabled: tuple[str, ...]
    """What starts with the machine: `atlas.service`, `atlas@small.service`."""


def is_clock_kept() -> bool | None:
    """Return whether the kernel's clock is kept by NTP; None where it does not say.

    A question of adjtimex(2) with no mode set, which anybody may ask.
    """
    adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    if adjtimex is None:
        return None
    state = adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return None if state < 0 else state != TIME_ERROR


def packages() -> Packages:
    """Return Python's version and those of the distributions that we need."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return Packages(version, (DISTRIBUTION,), ())
    missing, found = [], []
    for line in wanted:
        if "extra ==" in line:
            continue
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            missing.append(name)
    return Packages(version, tuple(missing), tuple(found))


def unit_files(root: Path = Path("/")) -> Unit:
    """Return what systemd would start of ours, below `root`. Raises OSError."""
    installed = {
        path.name
        for folder in UNIT_FOLDERS
        for pattern in ("atlas.service", "atlas@.service")
        for path in (root / folder).glob(pattern)
    }
    enabled = {
        path.name
        for pattern in ("*.wants/atlas.service", "*.wants/atlas@*.service")
        for path in (root / UNIT_FOLDERS[0]).glob(pattern)
    }
    has_systemd = (root / "run/systemd/system").is_dir()
    return Unit(has_systemd, _sorted(installed), _sorted(enabled))


def _sorted(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def unit_of(enabled: Sequence[str], account: str) -> bool:
    """True where one of the units enabled is, or may be, the account's."""
    return any(
        name == "atlas.service" or name.lower() == f"atlas@{account.lower()}.service"
        for name in enabled
    )
