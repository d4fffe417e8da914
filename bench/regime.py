"""The slow brain at work: signals of 500 symbols and the regime, from nothing and day by day."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
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
        request = request_of(Path(folder))
        yield figure_of(f"{WHAT}: cold", request)
        yield figure_of(f"{WHAT}: the next session", replace(request, signal_day=NEXT_DAY))


def request_of(folder: Path) -> SignalsRequest:
    """The question of a daemon whose labels are kept in `folder`, on bars from the file."""
    return SignalsRequest(
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
        model=RegimeModel(state_path=str(folder / "labels.json"), keeps_state=True),
    )


def figure_of(what: str, request: SignalsRequest, keys: Mapping[str, str] | None = None) -> Figure:
    """What a fresh child's answer costs, from its start to its end."""
    answer_s, start_s, megabytes = ask(request, keys)
    how = f"CPU time of the child, {start_s:.2f} s of it start and imports; {megabytes:.0f} MB"
    return Figure(what, how, start_s + answer_s, is_start=True)


def ask(
    request: SignalsRequest, keys: Mapping[str, str] | None = None
) -> tuple[float, float, float]:
    """Return a child's CPU seconds for its answer and before it, and its most megabytes.

    RuntimeError where it has no answer.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=msgspec.json.encode(request),
        capture_output=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | dict(keys or {}),
    )
    reply = json.loads(done.stdout or b'{"ok": false, "error": "no answer"}')
    if not reply["ok"]:
        raise RuntimeError(f"the child has no answer: {reply['error']}")
    answer_s, start_s, megabytes = json.loads(done.stderr.splitlines()[-1])
    return answer_s, start_s, megabytes
