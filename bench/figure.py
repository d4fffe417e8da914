"""One figure and how it is written; the unit that others are measured in; processes, timed."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Figure:
    """What was measured. `seconds` is empty for a text: a size, or why it was skipped."""

    what: str
    how: str
    seconds: float | None = None
    text: str = ""
    is_start: bool = False
    """A start of a process: worth comparing with the start of another one."""

    def shown(self) -> str:
        """The figure in the unit that suits its size."""
        if self.seconds is None:
            return self.text
        for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
            if self.seconds < limit:
                return f"{self.seconds * factor:.1f} {unit}"
        return f"{self.seconds:.2f} s"


def skipped(what: str, why: str) -> Figure:
    """A figure that cannot be taken here, shown all the same."""
    return Figure(what, why, text="skipped")


def median_s(run: Callable[[], object], times: int = 3) -> float:
    """Median wall time of `run` in seconds."""
    return statistics.median(_timed_s(run) for _ in range(times))


def _timed_s(run: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    run()
    return time.perf_counter() - begun_s


def interpreter_s() -> float:
    """Seconds for `python -c "import aiohttp"`: the peer of everything that starts a process."""
    return median_s(lambda: run_python(["-c", "import aiohttp"]))


def run_python(arguments: Sequence[str], cwd: Path = ROOT, limit_s: float | None = None) -> str:
    """Run our own interpreter and return its standard output. RuntimeError where it fails."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{' '.join(arguments)}: no end within {limit_s:.0f} s") from error
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(arguments)}: exit {done.returncode}: {(done.stderr or done.stdout)[-2000:]}"
        )
    return done.stdout
