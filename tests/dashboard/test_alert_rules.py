"""deploy/alerts.yml: every name exists, every rule is silent in peace and fires for its cause."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import yaml

from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.state import Examined, Halt
from atlas_daemon.core.values import Mode, Symbol
from atlas_daemon.dashboard.metrics import FAMILIES
from atlas_daemon.edges.notify.advice import ADVICE
from tests.core.builders import BORN, NOW, a_run, a_state, an_order
from tests.dashboard.promql import Expression, Scrape, firing, seconds
from tests.dashboard.shown import Shown
from tests.house.source import PACKAGE, ROOT

TEXT = (ROOT / "deploy" / "alerts.yml").read_text("utf-8")
RULES = {rule["alert"]: rule for group in yaml.safe_load(TEXT)["groups"] for rule in group["rules"]}
STEP_S = 300
STEPS = 16

Change = Callable[[Shown, int], None]


def told(host: Shown, event: e.Event, **state: object) -> None:
    """Let the meter see a turn of one entry."""
    from atlas_daemon.core.engine import Turn

    after = a_state(**state)
    host.meter.on_turn(Turn(after, (Entry(1, NOW, None, event),), ()), after)


def seen(**figures: object) -> Change:
    return lambda host, step: host.seen.update(figures)


def made(**state: object) -> Change:
    return lambda host, step: host.more.update(state)


def halted(**halt: object) -> Change:
    return made(halt=Halt("ann", "x", NOW, **{"is_complete": True, **halt}), mode=Mode.HALTED)


def shown(**attributes: object) -> Change:
    return lambda host, step: host.__dict__.update(attributes)


def channel(**state: object) -> Change:
    return lambda host, step: host.told.update(state)


def counted(event: e.Event, **state: object) -> Change:
    def count(host: Shown, step: int) -> None:
        if step > 0:
            told(host, event, **state)

    return count


def restarts(host: Shown, step: int) -> None:
    host.seen["started_at"] = host.at


def slow(name: str, each_s: float) -> Change:
    def observe(host: Shown, step: int) -> None:
        for _ in range(5):
            getattr(host.meter, name).observe(each_s)

    return observe


def red(host: Shown, step: int) -> None:
    finding = Finding("keys", Level.RED, "refused")
    host.more["examined"] = Examined((finding,), host.at, "rehearsal", frozenset())


def before_a_slot(host: Shown, step: int) -> None:
    host.more.update(mode=Mode.REDUCE_ONLY, mode_reason="x", slots={})
    host.seen["matched_at"] = None


REJECTED = e.OrderStepped(an_order().draft.order_id, "rejected", "rejected", None, "")
CAUSES: dict[str, Change] = {
    "AtlasDown": shown(is_up=False),
    "AtlasRestartsOften": restarts,
    "AtlasJournalFailing": shown(fault="disk full"),
    "AtlasCommitsSlow": slow("commits", 0.4),
    "AtlasTurnsSlow": slow("turns", 0.9),
    "AtlasInboxFull": shown(inbox_depth=5000),
    "AtlasHalted": halted(),
    "AtlasHaltIncomplete": halted(is_complete=False),
    "AtlasHaltNotDurable": halted(missing=frozenset({"latch"})),
    "AtlasBrokerDark": seen(snapshot=a_state().figures.snapshot),
    "AtlasNotReconciled": seen(matched_at=NOW - timedelta(hours=1)),
    "AtlasStreamDown": seen(stream="lost"),
    "AtlasKeysRefused": seen(failures={"credentials": "401"}),
    "AtlasCalendarDisputed": made(calendar_dispute="27 Nov"),
    "AtlasClockDisputed": seen(clock_dispute=object()),
    "AtlasBudgetSpent": shown(budget_left=0),
    "AtlasUnknownOrders": made(orders=(an_order(status="unknown"),)),
    "AtlasFrozenSymbols": made(frozen={Symbol("AAPL"): "drift"}),
    "AtlasNotReadyBeforeSlot": before_a_slot,
    "AtlasNotReady": made(mode=Mode.REDUCE_ONLY),
    "AtlasSlotOverdue": made(slots={}),
    "AtlasSlotMissed": counted(e.SlotMissed("2024-02", "x")),
    "AtlasRunLong": made(run=a_run(started_at=NOW - timedelta(hours=6))),
    "AtlasRunNotDone": counted(e.RunFinished("2024-02", "degraded", False, "x", None)),
    "AtlasOrdersRejected": counted(REJECTED, orders=(an_order(),)),
    "AtlasSlippage": slow("slippage_bps", 90.0),
    "AtlasRegimeOld": made(),
    "AtlasAlertsWaiting": channel(waiting=3, waiting_since=NOW.isoformat()),
    "AtlasAlertDeliveryFailing": channel(why="HTTP 404"),
    "AtlasDoctorRed": red,
    "AtlasDoctorSilent": made(
        examined=Examined((), NOW - timedelta(days=3), "rehearsal", frozenset())
    ),
}


def story(tmp_path, change: Change, steps: int = STEPS) -> list[Scrape]:
    """Scrape a quiet daemon three times, and then with the change."""
    host = Shown(tmp_path / "journal.db")
    scrapes = []
    for step in range(-3, steps):
        host.passes(STEP_S)
        if step >= 0:
            change(host, step)
        scrapes.append(host.scraped())
    return scrapes


def fires(name: str, scrapes: list[Scrape]) -> bool:
    rule = RULES[name]
    return firing(Expression(rule["expr"]), seconds(rule.get("for", "0s")), scrapes)


def test_every_rule_has_a_cause_here() -> None:
    assert RULES.keys() == CAUSES.keys()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_asks_for_metrics_and_labels_that_there_are(name: str) -> None:
    rule = RULES[name]
    for metric, matchers in Expression(rule["expr"]).names:
        base = metric
        for suffix, kind in (("_total", "counter"), ("_sum", "histogram"), ("_count", "histogram")):
            if metric.endswith(suffix) and metric not in FAMILIES:
                base = metric.removesuffix(suffix)
                assert FAMILIES[base].kind == kind
        assert base in FAMILIES
        assert FAMILIES[base].kind == "gauge" or base != metric
        assert matchers.keys() <= set(FAMILIES[base].labels)
        for text in matchers.get("status", "").split("|"):
            assert not text or text in set(OrderStatus)
    assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_in_words_what_to_do_with_commands_that_there_are(name: str) -> None:
    import re

    summary = RULES[name]["annotations"]["summary"]
    register = (PACKAGE / "cli" / "commands.py").read_text("utf-8")
    for command in re.findall(r"\batlasd ([a-z]+)(?= |,|$)", summary):
        assert command in register or command in ("does", "restarts")
    for label in re.findall(r"\$labels\.(\w+)", summary):
        assert any(label in family.labels for family in FAMILIES.values())


def test_a_quiet_daemon_alerts_nobody(tmp_path) -> None:
    scrapes = story(tmp_path, made())
    assert [name for name in RULES if name != "AtlasRegimeOld" and fires(name, scrapes)] == []


@pytest.mark.parametrize("name", [name for name in RULES if name != "AtlasRegimeOld"])
def test_a_rule_fires_for_its_cause(tmp_path, name: str) -> None:
    assert fires(name, story(tmp_path, CAUSES[name]))


def test_a_regime_that_nobody_refreshes_grows_old(tmp_path) -> None:
    host, scrapes = Shown(tmp_path), []
    host.at = NOW + timedelta(days=7)
    for _ in range(STEPS):
        host.passes(STEP_S)
        scrapes.append(host.scraped())
    assert fires("AtlasRegimeOld", scrapes)


def test_a_rule_with_a_patience_is_silent_before_it(tmp_path) -> None:
    assert not fires("AtlasHalted", story(tmp_path, CAUSES["AtlasHalted"], steps=2))
    assert fires("AtlasHalted", story(tmp_path, CAUSES["AtlasHalted"], steps=3))


def test_a_halt_is_no_second_alert_of_not_being_ready(tmp_path) -> None:
    assert not fires("AtlasNotReady", story(tmp_path, CAUSES["AtlasHalted"]))


def test_one_restart_is_no_loop(tmp_path) -> None:
    def once(host: Shown, step: int) -> None:
        host.seen["started_at"] = NOW + timedelta(minutes=30) if step > 3 else BORN

    assert not fires("AtlasRestartsOften", story(tmp_path, once))


def test_what_the_rules_watch_is_told_by_the_daemon_too() -> None:
    assert {"halt", "broker", "credentials", "calendar", "doctor", "slot"} <= ADVICE.keys()


@pytest.mark.parametrize("text", ["sum(x)", "x > y", "x ==", "rate(x[5x])", "x{a!='b'} > 1"])
def test_what_the_small_reader_does_not_know_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError, IndexError)):
        Expression(text)
