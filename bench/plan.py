"""`atlasd plan --universe all`: a dry run over every symbol, as a user starts it."""

import csv
import itertools
import math
import random
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from atlas_daemon.core.sessions import NYSE
from bench.figure import ROOT, Figure, median_s, run_python, skipped

PARQUET = ROOT.parent / "shared" / "data" / "us_daily_2014_2026.parquet"
SYMBOLS = 200
FIRST, LAST = date(2022, 6, 1), date(2024, 2, 5)


def figures() -> Iterator[Figure]:
    """Time the command over the real bars where they are, and over bars made for the occasion."""
    how = "--universe all, whole process, median of 3"
    if PARQUET.exists():
        yield _figure("plan over 632 symbols of real bars (parquet)", how, PARQUET)
    else:
        yield skipped("plan over 632 symbols of real bars (parquet)", f"{PARQUET.name} is not here")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.csv"
        rows = write_bars(path)
        yield _figure(f"plan over {SYMBOLS} symbols of made bars (csv, {rows:,} rows)", how, path)


def _figure(what: str, how: str, bars: Path) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "atlas.toml"
        config.write_text(
            f'[account]\nmode = "local"\n[data]\nsource = "file:{bars}"\n'
            '[paths]\nstate_dir = "state"\nlog_dir = "logs"\n'
        )
        words = ["-m", "atlas_daemon", "plan", "--config", str(config), "--date", "2024-02-01"]
        words += ["--universe", "all", "--regime", "TREND_BULL", "--json"]
        return Figure(what, how, median_s(lambda: run_python(words, Path(folder))), is_start=True)


def write_bars(path: Path) -> int:
    """Write SYMBOLS seeded random walks of daily bars; return the number of rows."""
    chance = random.Random(1)
    sessions = [session.day for session in NYSE.sessions_between(FIRST, LAST)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "symbol", "open", "high", "low", "close", "volume"])
        letters = itertools.product("ABCDEFGHIJKLMNOP", repeat=2)
        names = ["SPY", *(f"M{a}{b}" for a, b in itertools.islice(letters, SYMBOLS - 1))]
        for symbol in names:
            close = chance.uniform(20, 400)
            for day in sessions:
                start = close
                close = start * math.exp(chance.gauss(0.0006, 0.015))
                high, low = max(start, close) * 1.004, min(start, close) * 0.996
                prices = [f"{price:.4f}" for price in (start, high, low, close)]
                writer.writerow([day, symbol, *prices, chance.randrange(10**5, 10**7)])
    return len(names) * len(sessions)
