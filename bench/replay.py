"""Eleven years through the live path: 23 slots of the S&P 500, on a virtual clock."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import regime
from bench.figure import ROOT, Figure, skipped

WHAT = "replay of 2015-02..2026-02, 23 slots, 500 symbols"
SPAN = ("--from", "2015-02-01", "--to", "2026-02-02")
OLDER = regime.PARQUET.with_name("market_daily.csv.gz")
MEMBERS = regime.PARQUET.with_name("sp500_membership.csv")


def figures() -> Iterator[Figure]:
    """Run the command once; its processor time is what it costs, whoever else is at work here."""
    if not regime.PARQUET.exists():
        yield skipped(WHAT, f"{regime.PARQUET.name} is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        words = [
            *("replay", "--json", *SPAN, "--top-n", "10", "--out", str(Path(folder) / "out")),
            *("--data", f"file:{regime.PARQUET}", "--benchmark", f"file:{OLDER}"),
            *("--universe", f"file:{MEMBERS}"),
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "atlas_daemon", *words],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip()[-300:])
    yield Figure(WHAT, "user time of the process", after.ru_utime - before.ru_utime)
    yield Figure(f"{WHAT}: memory", "its peak", text=f"{after.ru_maxrss / 1024:.0f} MB")
