"""Processes of this machine: waited for, seen, ended; and the folder and environment they get.

May not live here: what a process is for.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from atlas_daemon.core.errors import AtlasError

T = TypeVar("T")

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.05
END_S = 8.0
KEPT_VARIABLES = ("PATH", "LANG", "TZDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH")
"""What a process here has of this one's environment: nothing of any account."""
TIED = (
    "import ctypes, os, signal, sys; "
    "ctypes.CDLL(None).prctl(1, int(signal.SIGKILL)); "  # PR_SET_PDEATHSIG
    "os.getppid() == int(sys.argv[1]) or os._exit(1); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
"""Becomes the program it is given, which the kernel kills when its parent dies (prctl(2))."""


class TooLateError(AtlasError):
    """What was waited for did not come in time."""


class GoneError(AtlasError):
    """A process ended that should have lived on."""


def until(what: str, look: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Return what `look` says as soon as it is truthy. Raises TooLateError."""
    ends_at_s = time.monotonic() + patience_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends_at_s:
            raise TooLateError(f"no {what} within {patience_s:.0f} s")
        time.sleep(LOOK_EVERY_S)


def wait_while(is_so: Callable[[], object], seconds: float) -> None:
    """Wait `seconds`, or until it is no longer so."""
    ends_at_s = time.monotonic() + seconds
    while time.monotonic() < ends_at_s and is_so():
        time.sleep(LOOK_EVERY_S)


@contextmanager
def scratch_folder(prefix: str = "atlas-drill-") -> Iterator[Path]:
    """Yield a folder with a short name (a socket's path is short), gone with the block."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process that must know no account."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {"HOME": str(folder), "NO_PROXY": "*"}


def has_ended(process_id: int) -> bool:
    """True where no such process lives any more."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def children_of(process_id: int) -> list[int]:
    """Return the ids of a process's children."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(number) for number in text.split()]


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process, by force where it does not end in time."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kill_stray(process_id: int) -> None:
    """Kill a daemon's child that outlived it; a number that was given anew is left alone."""
    with contextlib.suppress(OSError):
        if b"atlas_daemon" in Path(f"/proc/{process_id}/cmdline").read_bytes():
            os.kill(process_id, signal.SIGKILL)
