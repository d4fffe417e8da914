"""A sweep on several processes, merged into one tally, with a bar where a terminal is there."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.scenario import Result
from tests.simulation.sweep import Job, Tally, sweep

PORTION = 4
"""So many runs are given to a process at a time."""
FAILURES_MAX = 5


def cores() -> int:
    """Return how many processes may run side by side here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def campaign(jobs: Sequence[Job], workers: int, failures_max: int = FAILURES_MAX) -> Tally:
    """Run all jobs, or as many as it takes until `failures_max` have failed."""
    with _bar(len(jobs)) as advance:
        if workers <= 1:
            return sweep(jobs, failures_max=failures_max, on_result=lambda _: advance(1))
        return _spread(jobs, workers, failures_max, advance)


def _spread(
    jobs: Sequence[Job], workers: int, failures_max: int, advance: Callable[[int], None]
) -> Tally:
    tally = Tally()
    portions = [jobs[at : at + PORTION] for at in range(0, len(jobs), PORTION)]
    with ProcessPoolExecutor(workers) as pool:
        under_way: list[Future[Tally]] = [pool.submit(sweep, portion) for portion in portions]
        for future in under_way:  # in the order of the seeds: the same words every time
            done = future.result()
            tally.merge(done)
            advance(done.scenarios)
            if len(tally.failed) >= failures_max:
                pool.shutdown(cancel_futures=True)
                break
    return tally


def digests(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what each run hashes to."""
    found: list[Result] = []
    sweep(jobs, on_result=found.append, failures_max=len(jobs) + 1)
    yield from (result.digest for result in found)


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """Give what tells of progress; it shows on a terminal only."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("scenarios", total=total)
        yield lambda count: progress.advance(task, count)
