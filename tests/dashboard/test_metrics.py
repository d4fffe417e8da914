"""/metrics: every family, in a form that Prometheus reads; what is counted, and what it costs."""

from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from atlas_daemon.core import events as e
from atlas_daemon.core.engine import Turn
from atlas_daemon.core.events import Entry
from atlas_daemon.core.state import Halt
from atlas_daemon.core.values import Mode, Side, Symbol
from atlas_daemon.dashboard.health import why_not
from atlas_daemon.dashboard.meter import Histogram, Meter
from atlas_daemon.dashboard.metrics import FAMILIES, exposition
from tests.control.desk import Desk, settings_in
from tests.core.builders import NOW, POLICY, a_draft, a_halt, a_state, an_order
from tests.dashboard.shown import Shown
from tests.dashboard.test_dashboard import fetch
from tests.house.source import ROOT


def read(host: Shown) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples of an answer, by name and by the values of their labels."""
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(exposition(host)[0].decode()):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return samples


def turn_of(*events: e.Event, **state: object) -> Turn:
    entries = tuple(Entry(n, NOW, None, event) for n, event in enumerate(events, 1))
    return Turn(a_state(**state), entries, ())


@pytest.fixture
def host(tmp_path) -> Shown:
    return Shown(tmp_path / "journal.db")


def test_every_family_is_there_with_its_kind_and_no_other(host) -> None:
    text = exposition(host)[0].decode()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert found.keys() == FAMILIES.keys()
    for name, family in FAMILIES.items():
        assert found[name].type == family.kind
        assert found[name].documentation == family.meaning


def test_every_histogram_has_count_and_sum(host) -> None:
    for histogram in (host.meter.turns, host.meter.commits, host.meter.slippage_bps):
        histogram.observe(0.003)
    host.meter.effect("SubmitOrder")(None)
    samples = read(host)
    for name, family in FAMILIES.items():
        if family.kind == "histogram":
            (count,) = samples[f"{name}_count"].values()
            assert count == 1
            assert f"{name}_sum" in samples
            assert samples[f"{name}_bucket"]


def test_a_quiet_daemon_says_so(host) -> None:
    samples = read(host)
    assert samples["atlas_ready"] == {(): 1}
    assert samples["atlas_mode"][("trading",)] == 1
    assert sum(samples["atlas_mode"].values()) == 1
    assert samples["atlas_halted"] == {(): 0}
    assert samples["atlas_equity_dollars"] == {(): 100_000}
    assert samples["atlas_slot_due_seconds"][()] > 86_400
    assert samples["atlas_alerts_waiting"] == {("webhook",): 0}
    assert 10e6 < samples["atlas_resident_bytes"][()] < 10e9


def test_what_nobody_knows_has_no_sample_rather_than_a_zero(host) -> None:
    host.seen = {"snapshot": None, "matched_at": None}
    host.more = {"regime": None}
    samples = read(host)
    unknown = (
        "equity_dollars",
        "snapshot_age_seconds",
        "reconciled_age_seconds",
        "regime",
        "halt_complete",
    )
    for name in unknown:
        assert f"atlas_{name}" not in samples


def test_a_halt_an_unknown_order_and_a_fault_are_seen(host) -> None:
    host.more = {
        "halt": Halt("ann", "x", NOW, missing=frozenset({"latch"})),
        "mode": Mode.HALTED,
        "orders": (an_order(status="unknown"), an_order("MSFT")),
    }
    host.fault = "disk full"
    samples = read(host)
    assert samples["atlas_halted"] == {(): 1}
    assert samples["atlas_halt_durable"] == {(): 0}
    assert samples["atlas_unknown_orders"] == {(): 1}
    assert samples["atlas_open_orders"] == {(): 2}
    assert samples["atlas_journal_failing"] == {(): 1}
    assert samples["atlas_ready"] == {(): 0}


def test_what_happens_is_counted() -> None:
    meter = Meter(lambda: 0.0)
    order = an_order(draft=a_draft(price="100"))
    order_id = order.draft.order_id
    before = a_state(orders=(order,))
    fill = e.FillBooked(
        order_id, Symbol("AAPL"), Side.BUY, Decimal(10), Decimal("100.5"), Decimal(10), True
    )
    step = e.OrderStepped(order_id, "filled", "filled", None)
    again = e.OrderStepped(order_id, "working", "new", None)
    meter.on_turn(turn_of(fill, step, again), before)
    meter.on_turn(
        turn_of(e.AlertRaised("error", "cash", "x"), e.FetchFailed("snapshot", "x")), before
    )
    meter.on_turn(turn_of(e.TradingHalted("ann", "x"), e.StreamReported("lost")), before)
    meter.on_turn(turn_of(e.OrderRefused(order.draft, "position", "1", "2", "x")), before)

    assert meter.orders == {("buy", "filled"): 1}  # one that steps nowhere is not counted
    assert (meter.fills, meter.filled_dollars) == ({"buy": 1}, {"buy": 1005})
    assert meter.slippage_bps.counts[meter.slippage_bps.bounds.index(50.0)] == 1
    assert meter.alerts == {("error", "cash"): 1}
    assert meter.failures == {"snapshot": 1}
    assert (meter.halts, meter.stream_losses, meter.refusals) == (1, 1, {"position": 1})
    assert meter.entries == 8


def test_a_better_price_costs_nothing() -> None:
    meter = Meter(lambda: 0.0)
    order = an_order(draft=a_draft(price="100"))
    fill = e.FillBooked(
        order.draft.order_id, Symbol("AAPL"), Side.BUY, Decimal(1), Decimal(99), Decimal(1), True
    )
    meter.on_turn(turn_of(fill), a_state(orders=(order,)))
    assert meter.slippage_bps.counts[0] == 1
    assert meter.slippage_bps.total == 0


def test_a_histogram_counts_up_to_and_including_its_bounds() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 1], 14.0)


def test_an_effect_is_timed_to_its_end() -> None:
    seconds = iter((10.0, 10.3))
    meter = Meter(lambda: next(seconds))
    meter.effect("FetchOrder")(None)
    assert meter.effects["FetchOrder"].total == pytest.approx(0.3)


@pytest.mark.asyncio
async def test_it_is_served_as_text_and_read_only(tmp_path) -> None:
    desk = Desk(settings_in(tmp_path)).open()
    status, headers, text = await fetch(desk, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert 'atlas_build_info{account="LARGE"' in text
    assert "atlas_journal_seq " in text
    assert (await fetch(desk, "/metrics", "POST"))[0] == 405
    desk.journal.close()


@pytest.mark.asyncio
async def test_turns_and_commits_are_timed(tmp_path) -> None:
    desk = Desk(settings_in(tmp_path)).open()
    desk.bus.meter = desk.meter
    desk.take(e.StopRequested("ann", "x"))
    desk.hear(e.Ticked())
    desk.bus._take_timed()
    assert sum(desk.meter.turns.counts) == 1
    assert sum(desk.meter.commits.counts) >= 1
    desk.journal.close()


def test_ready_names_every_reason_the_weightiest_first() -> None:
    state = a_state(
        mode=Mode.HALTED, mode_reason="by ann", halt=a_halt(), calendar_dispute="27 Nov"
    )
    assert why_not(state, POLICY, "disk full") == (
        "the journal cannot be written: disk full",
        "halted: by ann",
        "calendars differ: 27 Nov",
    )
    assert why_not(a_state(), POLICY, "") == ()
    assert why_not(a_state(seen={"is_shutting_down": True}), POLICY, "") == ("shutting down",)


def test_the_paper_lists_every_metric() -> None:
    paper = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    for name, family in FAMILIES.items():
        shown = f"{name}_total" if family.kind == "counter" else name
        assert f"| `{shown}` | {family.kind} |" in paper
