"""The slow brain at work: signals of 500 symbols and the regime, from nothing and day by day."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from atlas_daemon.core.brain import RegimeModel, SignalsRequest
from bench.figure import ROOT, Figure, skipped

DATA = ROOT.parent / "shared" / "data"
PARQUET = DATA / "us_daily_2014_2026.parquet"
MEMBERS = DATA / "sp500_membership.csv"
FIRST_DAY, NEXT_DAY = date(2026, 1, 29), date(2026, 1, 30)
WHAT = "signals of the S&P 500 and the regime, 12 years of bars"
PROGRAM = """
import json, resource, sys, time
from atlas_daemon.worker import main
begun = time.process_time()
main()
ended, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stderr.write(json.dumps([ended - begun, begun, memory / 1024]))
"""


def figures() -> Iterator[Figure]:
    """Ask a fresh child twice: without kept labels, and for the session after."""
    if not PARQUET.exists():
        yield skipped(WHAT, f"{PARQUET.name} is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        model = RegimeModel(state_path=str(Path(folder) / "labels.json"), keeps_state=True)
        request = SignalsRequest(
            signal_day=FIRST_DAY,
            source=f"file:{PARQUET}",
            universe=f"file:{MEMBERS}",
            top_n=10,
            weighting="equal",
            min_high_ratio=Decimal("0.90"),
            volume_filter=Decimal(0),
            strategy="momentum_52w",
            bars_feed="sip",
            data_url="",
            held=(),
            regime="jump_model",
            model=model,
        )
        yield _figure("cold", request)
        yield _figure("the next session", replace(request, signal_day=NEXT_DAY))


def _figure(when: str, request: SignalsRequest) -> Figure:
    answer_s, start_s, megabytes = ask(request)
    how = f"CPU time after {start_s:.2f} s of start and imports; the child needs {megabytes:.0f} MB"
    return Figure(f"{WHAT}: {when}", how, answer_s)


def ask(request: SignalsRequest) -> tuple[float, float, float]:
    """Return a child's CPU seconds for its answer and before it, and its most megabytes.

    RuntimeError where it has no answer.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=msgspec.json.encode(request),
        capture_output=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    reply = json.loads(done.stdout or b'{"ok": false, "error": "no answer"}')
    if not reply["ok"]:
        raise RuntimeError(f"the child has no answer: {reply['error']}")
    answer_s, start_s, megabytes = json.loads(done.stderr.splitlines()[-1])
    return answer_s, start_s, megabytes
