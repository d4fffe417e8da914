"""`/metrics`: what is true now and what the meter has counted, as Prometheus reads it.

prometheus_client is loaded by the first request and not before: most daemons are never asked. The
registry is our own and made for one answer; the package's own collectors of process and platform
stay out. A figure that nobody knows has no sample, rather than a zero.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from atlas_daemon import __version__
from atlas_daemon.config import Settings
from atlas_daemon.core.findings import reds
from atlas_daemon.core.freshness import regime_age
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import next_slot
from atlas_daemon.core.sessions import CalendarRangeError
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Mode
from atlas_daemon.core.views import why_not_ready

from .meter import Histogram, Meter

if TYPE_CHECKING:
    from prometheus_client.core import Metric

STATM = Path("/proc/self/statm")

Labels = tuple[str, ...]
Sample = tuple[str, Labels, float]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its kind, its meaning, its labels."""

    kind: str
    meaning: str
    labels: Labels = ()


FAMILIES: dict[str, Family] = {
    # What is true now.
    "atlas_build_info": Family(
        "gauge", "1, with version, world and account.", ("version", "mode", "account")
    ),
    "atlas_start_timestamp_seconds": Family("gauge", "When this process took up the journal."),
    "atlas_ready": Family("gauge", "1 while orders may be sent, else 0: /readyz says why."),
    "atlas_mode": Family("gauge", "1 for the mode the daemon is in, 0 for the others.", ("mode",)),
    "atlas_halted": Family("gauge", "1 while the latch is on."),
    "atlas_halt_complete": Family("gauge", "1 once no open order was left after a halt."),
    "atlas_halt_durable": Family("gauge", "1 while a restart would find the halt."),
    "atlas_stream_connected": Family("gauge", "1 while the stream of order news listens."),
    "atlas_stream_age_seconds": Family("gauge", "Since when the stream is in this condition."),
    "atlas_reconciled_age_seconds": Family(
        "gauge", "Age of the last look at which the books agreed."
    ),
    "atlas_snapshot_age_seconds": Family(
        "gauge", "Age of the broker's last answer on the account."
    ),
    "atlas_open_orders": Family("gauge", "Orders of ours that are not done."),
    "atlas_unknown_orders": Family("gauge", "Orders of which nobody knows what became of them."),
    "atlas_frozen_symbols": Family("gauge", "Symbols that wait for atlasd adopt."),
    "atlas_foreign_orders": Family("gauge", "Open orders that are not ours."),
    "atlas_calendar_disputed": Family("gauge", "1 while the broker's calendar differs from ours."),
    "atlas_clock_disputed": Family("gauge", "1 while the broker's clock differs from ours."),
    "atlas_failing": Family(
        "gauge", "1 for each question whose last try had no answer.", ("what",)
    ),
    "atlas_run_open": Family("gauge", "1 while a rebalance is under way or parked."),
    "atlas_run_age_seconds": Family("gauge", "Since when the rebalance is under way."),
    "atlas_last_run_timestamp_seconds": Family(
        "gauge", "When the last rebalance ended.", ("outcome",)
    ),
    "atlas_slot_due_seconds": Family("gauge", "Until the next slot is due; below 0 it is."),
    "atlas_regime_age_sessions": Family("gauge", "Age of the regime in sessions."),
    "atlas_regime": Family("gauge", "1 for the regime in force.", ("regime",)),
    "atlas_doctor_red": Family("gauge", "Red findings of the doctor's last look."),
    "atlas_doctor_age_seconds": Family("gauge", "Age of the doctor's last look."),
    "atlas_equity_dollars": Family("gauge", "The account's equity as last seen."),
    "atlas_cash_dollars": Family("gauge", "The account's cash as last seen."),
    "atlas_resident_bytes": Family("gauge", "Memory that the process holds."),
    "atlas_inbox_depth": Family("gauge", "Events that wait for their turn."),
    "atlas_journal_seq": Family("gauge", "Place of the journal's last entry."),
    "atlas_journal_bytes": Family("gauge", "Size of the journal's file."),
    "atlas_journal_failing": Family("gauge", "1 while the journal takes no entries."),
    "atlas_request_budget_left": Family("gauge", "Requests that may still be made this minute."),
    "atlas_alerts_waiting": Family("gauge", "Alerts nobody was told of yet.", ("channel",)),
    "atlas_alerts_waiting_seconds": Family("gauge", "Age of the oldest of them.", ("channel",)),
    "atlas_alert_delivery_failing": Family(
        "gauge", "1 while the last try to tell failed.", ("channel",)
    ),
    "atlas_alert_delivered_timestamp_seconds": Family(
        "gauge", "When somebody was last told.", ("channel",)
    ),
    # What this process has counted.
    "atlas_orders": Family(
        "counter", "Steps of orders, by the status they came to.", ("side", "status")
    ),
    "atlas_fills": Family("counter", "Fills booked.", ("side",)),
    "atlas_filled_dollars": Family("counter", "Dollars that fills moved.", ("side",)),
    "atlas_order_refusals": Family("counter", "Orders that a rule of ours refused.", ("rule",)),
    "atlas_runs": Family("counter", "Rebalances that ended or were parked.", ("outcome",)),
    "atlas_slots_missed": Family("counter", "Slots that passed without a rebalance."),
    "atlas_halts": Family("counter", "Halts."),
    "atlas_stream_losses": Family("counter", "Losses of the stream."),
    "atlas_failures": Family("counter", "Questions that had no answer.", ("what",)),
    "atlas_alerts": Family("counter", "Alerts on record.", ("level", "key")),
    "atlas_journal_entries": Family("counter", "Entries written."),
    "atlas_watchdog_pings": Family("counter", "Pings to systemd's watchdog: 0 where none listens."),
    "atlas_turn_seconds": Family("histogram", "How long a turn took, commit included."),
    "atlas_commit_seconds": Family("histogram", "How long a commit took, fsync included."),
    "atlas_effect_seconds": Family("histogram", "How long an effect took.", ("effect",)),
    "atlas_slippage_bps": Family(
        "histogram", "Basis points that fills cost beyond the planned price."
    ),
}
"""Every metric there is. A counter's samples end in `_total`."""


class Host(Protocol):
    """The daemon as its metrics see it."""

    @property
    def state(self) -> State:
        """What is true now."""
        ...

    @property
    def policy(self) -> Policy:
        """What the core decides by."""
        ...

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    @property
    def fault(self) -> str:
        """Why the journal takes no entries; empty while it does."""
        ...

    @property
    def meter(self) -> Meter:
        """What this process has counted."""
        ...

    @property
    def inbox_depth(self) -> int:
        """How many events wait."""
        ...

    @property
    def watchdog_pings(self) -> int:
        """How often systemd's watchdog was told that all is well."""
        ...

    @property
    def budget_left(self) -> int:
        """How many requests may still be made this minute."""
        ...

    def now(self) -> datetime:
        """Return the present moment of the daemon's clock."""
        ...

    def journal_head(self) -> tuple[int, str]:
        """Return place and hash of the last entry."""
        ...

    def deliveries(self) -> list[dict[str, Any]]:
        """Return how each way to people does."""
        ...


def exposition(host: Host) -> tuple[bytes, str]:
    """Return the body of `/metrics` and its content type."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_LATEST

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(host))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Now:
    """One answer, as the package's registry asks for it."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def describe(self) -> Iterable["Metric"]:
        """Say nothing beforehand: nothing else is in the registry."""
        return ()

    def collect(self) -> Iterator["Metric"]:
        """Yield every family with its samples."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        plain: dict[str, list[tuple[Labels, float]]] = {}
        pings = ("atlas_watchdog_pings", (), self._host.watchdog_pings)
        for name, labels, value in (*_now(self._host), *_counted(self._host.meter), pings):
            plain.setdefault(name, []).append((labels, value))
        histograms = dict(_histograms(self._host.meter))
        for name, family in FAMILIES.items():
            if family.kind == "histogram":
                made = HistogramMetricFamily(name, family.meaning, labels=family.labels)
                for labels, histogram in histograms[name]:
                    made.add_metric(labels, _buckets(histogram), histogram.total)
                yield made
                continue
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            simple = kind(name, family.meaning, labels=family.labels)
            for labels, value in plain.get(name, ()):
                simple.add_metric(labels, value)
            yield simple


def _now(host: Host) -> Iterator[Sample]:
    state, now = host.state, host.now()
    account = host.settings.account
    yield "atlas_build_info", (__version__, account.mode, account.name), 1
    yield "atlas_ready", (), not why_not_ready(state, host.policy, host.fault)
    for mode in Mode:
        yield "atlas_mode", (mode.value,), mode is state.mode
    yield "atlas_inbox_depth", (), host.inbox_depth
    yield "atlas_journal_seq", (), host.journal_head()[0]
    if (resident := _resident_bytes()) is not None:
        yield "atlas_resident_bytes", (), resident
    path = host.settings.journal_path
    if path.exists():
        yield "atlas_journal_bytes", (), path.stat().st_size
    yield "atlas_journal_failing", (), bool(host.fault)
    yield "atlas_request_budget_left", (), host.budget_left
    yield from _halt(state)
    yield from _books(state, now)
    yield from _stream(state, now)
    yield from _run(state, host.policy, now)
    yield from _told(host, now)


def _resident_bytes() -> int | None:
    """Return the process's resident memory, as Linux tells it; None elsewhere."""
    try:
        pages = STATM.read_text("ascii").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _halt(state: State) -> Iterator[Sample]:
    halt = state.halt
    yield "atlas_halted", (), halt is not None
    if halt is not None:
        yield "atlas_halt_complete", (), halt.is_complete
        yield "atlas_halt_durable", (), halt.is_durable


def _books(state: State, now: datetime) -> Iterator[Sample]:
    figures = state.figures
    if figures.matched_at is not None:
        yield "atlas_reconciled_age_seconds", (), _age(figures.matched_at, now)
    if (snapshot := figures.snapshot) is not None:
        yield "atlas_snapshot_age_seconds", (), _age(snapshot.asked_at, now)
        yield "atlas_equity_dollars", (), float(snapshot.account.equity)
        yield "atlas_cash_dollars", (), float(snapshot.account.cash)
        foreign = sum(1 for order in snapshot.open_orders if not order.is_ours)
        yield "atlas_foreign_orders", (), foreign
    still_open = tuple(state.open_orders())
    yield "atlas_open_orders", (), len(still_open)
    unknown = sum(1 for order in still_open if order.status is OrderStatus.UNKNOWN)
    yield "atlas_unknown_orders", (), unknown
    yield "atlas_frozen_symbols", (), len(state.frozen)
    yield "atlas_calendar_disputed", (), bool(state.calendar_dispute)
    yield "atlas_clock_disputed", (), figures.clock_dispute is not None
    for what in sorted(figures.failures):
        yield "atlas_failing", (what,), 1


def _stream(state: State, now: datetime) -> Iterator[Sample]:
    figures = state.figures
    if figures.started_at is not None:
        yield "atlas_start_timestamp_seconds", (), figures.started_at.timestamp()
    yield "atlas_stream_connected", (), figures.stream == "listening"
    if figures.stream_at is not None:
        yield "atlas_stream_age_seconds", (), _age(figures.stream_at, now)


def _run(state: State, policy: Policy, now: datetime) -> Iterator[Sample]:
    yield "atlas_run_open", (), state.run is not None
    if state.run is not None:
        yield "atlas_run_age_seconds", (), _age(state.run.started_at, now)
    if (last := state.last_run) is not None:
        yield "atlas_last_run_timestamp_seconds", (last.outcome,), last.finished_at.timestamp()
    try:
        slot = next_slot(state, policy)
    except CalendarRangeError:
        slot = None  # beyond the calendar nothing is guessed
    if slot is not None:
        yield "atlas_slot_due_seconds", (), (slot.due_at - now).total_seconds()
    if (age := regime_age(state)) is not None and state.regime is not None:
        yield "atlas_regime_age_sessions", (), age
        yield "atlas_regime", (state.regime.regime.value,), 1
    if (examined := state.examined) is not None:
        yield "atlas_doctor_red", (), len(reds(examined.findings))
        yield "atlas_doctor_age_seconds", (), _age(examined.at, now)


def _told(host: Host, now: datetime) -> Iterator[Sample]:
    for each in host.deliveries():
        channel = (str(each["channel"]),)
        yield "atlas_alerts_waiting", channel, each["waiting"]
        since = each["waiting_since"]
        age_s = 0.0 if since is None else _age(datetime.fromisoformat(since), now)
        yield "atlas_alerts_waiting_seconds", channel, age_s
        yield "atlas_alert_delivery_failing", channel, bool(each["why"])
        if (at := each["delivered_at"]) is not None:
            moment = datetime.fromisoformat(at).timestamp()
            yield "atlas_alert_delivered_timestamp_seconds", channel, moment


def _counted(meter: Meter) -> Iterator[Sample]:
    for side_status, count in meter.orders.items():
        yield "atlas_orders", side_status, count
    for level_key, count in meter.alerts.items():
        yield "atlas_alerts", level_key, count
    for name, counted in (
        ("atlas_fills", meter.fills),
        ("atlas_filled_dollars", meter.filled_dollars),
        ("atlas_order_refusals", meter.refusals),
        ("atlas_runs", meter.runs),
        ("atlas_failures", meter.failures),
    ):
        for label, count in counted.items():
            yield name, (label,), count
    yield "atlas_slots_missed", (), meter.slots_missed
    yield "atlas_halts", (), meter.halts
    yield "atlas_stream_losses", (), meter.stream_losses
    yield "atlas_journal_entries", (), meter.entries


def _histograms(meter: Meter) -> Iterator[tuple[str, list[tuple[Labels, Histogram]]]]:
    yield "atlas_turn_seconds", [((), meter.turns)]
    yield "atlas_commit_seconds", [((), meter.commits)]
    yield "atlas_effect_seconds", [((kind,), took) for kind, took in meter.effects.items()]
    yield "atlas_slippage_bps", [((), meter.slippage_bps)]


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [f"{bound}" for bound in histogram.bounds] + ["+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
