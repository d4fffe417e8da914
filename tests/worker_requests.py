"""Questions to the slow brain with sane defaults, asked in this process."""

import asyncio
from datetime import date
from decimal import Decimal

import msgspec

from atlas_daemon.core.brain import SignalsRequest
from atlas_daemon.edges.brain import ChildBrain
from atlas_daemon.worker import answer
from tests.bars.builders import SHARED_BARS

DAY = date(2024, 1, 31)
MEMBERS = SHARED_BARS.with_name("sp500_membership.csv")


def a_request(bars, /, **changes):
    defaults = {
        "signal_day": DAY,
        "source": f"file:{bars}",
        "universe": "technology",
        "top_n": 10,
        "weighting": "equal",
        "min_high_ratio": Decimal("0.90"),
        "volume_filter": Decimal(0),
        "strategy": "momentum_52w",
        "bars_feed": "sip",
        "data_url": "http://127.0.0.1:9",
        "held": (),
        "regime": "fixed:TREND_BULL",
    }
    return SignalsRequest(**(defaults | changes))


def ask(bars, /, **changes):
    return answer(msgspec.json.encode(a_request(bars, **changes)), {})


def answered(bars, /, **changes):
    reply = ask(bars, **changes)
    assert reply.ok, reply.error
    return reply.answer


def refused(bars, /, **changes):
    reply = ask(bars, **changes)
    assert not reply.ok
    assert reply.answer is None
    assert "\n" not in reply.error
    return reply.kind, reply.error


def ratios(picks, places="0.0001"):
    return [(pick.symbol, pick.ratio.quantize(Decimal(places))) for pick in picks]


def think_here(monkeypatch):
    """Let the slow brain answer in this process: half a second less for every question."""

    async def ask_here(self, request):
        told = await asyncio.to_thread(answer, msgspec.json.encode(request), {})
        return msgspec.json.encode(told), b"", 0

    monkeypatch.setattr(ChildBrain, "_ask", ask_here)
