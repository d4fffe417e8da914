"""Made-up markets with calm and wild stretches, seeded; and the real one where it is."""

import csv
import gzip
import math
import random
from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon.core.brain import RegimeModel
from tests.bars.builders import SHARED_BARS, sessions

MARKETS = SHARED_BARS.with_name("market_daily.csv.gz")
real_markets = pytest.mark.skipif(
    not MARKETS.exists(), reason=f"the real markets are not on this machine ({MARKETS})"
)

SMALL = RegimeModel(lookback=120, window=200)
"""Small enough to be quick, with the rules of the default."""
SMALL_EXPANDING = RegimeModel(lookback=120, window=None)


def a_market(count, last=date(2024, 1, 31), seed=1, crash_at=None):
    """`count` sessions up to `last` and their closes; 15 sessions of a crash where asked."""
    chance = random.Random(seed)
    closes, close, left, is_wild = [], 100.0, 0, True
    for at in range(count):
        if left == 0:
            left, is_wild = chance.randrange(30, 90), not is_wild
        left -= 1
        drift, size = (-0.002, 0.022) if is_wild else (0.001, 0.006)
        if crash_at is not None and crash_at <= at < crash_at + 15:
            drift, size = -0.03, 0.03
        close *= math.exp(chance.gauss(drift, size))
        closes.append(round(close, 6))
    return sessions(count, last), closes


def real_market(symbol, first, last=date.max):
    """The days of a real series and its total-return closes (an index's: its closes)."""
    days, closes = [], []
    with gzip.open(MARKETS, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            day = date.fromisoformat(row["date"])
            if row["symbol"] == symbol and first <= day <= last:
                days.append(day)
                closes.append(float(row["adj_close"]))
    return days, closes


def a_model(**changes):
    """The default model with some changes; `penalty` as text."""
    if "penalty" in changes:
        changes["penalty"] = Decimal(changes["penalty"])
    return RegimeModel(**changes)
