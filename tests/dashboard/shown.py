"""A host for metrics: one quiet day of the core's builders, with anything in it made otherwise."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import RegimeSeen
from atlas_daemon.core.values import Regime
from atlas_daemon.dashboard.meter import Meter
from atlas_daemon.dashboard.metrics import _Now
from tests.core.builders import NOW, SIGNAL_DAY, a_snapshot, a_state
from tests.dashboard.promql import Scrape, scrape

CHANNEL = {
    "channel": "webhook",
    "waiting": 0,
    "waiting_since": None,
    "delivered_at": NOW.isoformat(),
    "failed_at": None,
    "why": "",
    "is_durable": True,
}


class Shown:
    """`seen` overrides the figures, `more` the state; time is the test's."""

    def __init__(self, path) -> None:
        self.at = NOW
        self.seen: dict[str, Any] = {}
        self.more: dict[str, Any] = {}
        self.fault = ""
        self.inbox_depth, self.budget_left, self.watchdog_pings = 0, 180, 0
        self.told: dict[str, Any] = {}
        self.policy = Policy()
        self.meter = Meter(lambda: 0.0)
        account = SimpleNamespace(mode="paper", name="LARGE")
        self.settings = SimpleNamespace(account=account, journal_path=path)
        self.is_up = True

    @property
    def state(self):
        seen = {"snapshot": a_snapshot(self.at), "matched_at": self.at, **self.seen}
        regime = RegimeSeen(Regime.TREND_BULL, SIGNAL_DAY, "worker", NOW)
        more = {"slots": {"2024-02": "done"}, "regime": regime, **self.more}
        return a_state(now=self.at, seen=seen, **more)

    def now(self):
        return self.at

    def journal_head(self):
        return 100, "ab" * 32

    def deliveries(self):
        return [CHANNEL | self.told]

    def scraped(self) -> Scrape:
        at_s = self.at.timestamp()
        return scrape(at_s, _Now(self).collect() if self.is_up else ())

    def passes(self, delta_s: float) -> None:
        self.at += timedelta(seconds=delta_s)
