"""The handbook's list "Pre-Deployment": that there is a machine, and that it runs.

What only its makers can test (coverage, documents) is stated with the version and the digest of
the code that the rest of the evidence is of.
"""

from collections.abc import Iterator

from atlas_daemon.core.runs import next_slot
from atlas_daemon.core.state import State

from .check import Check, count, judged, some, stated
from .facts import Facts

PACKAGE = "the package"
REHEARSE = "rehearse: atlasd rebalance --force, on paper"
FIRST_TRADE = "first"
"""Trigger of the run that buys a few dollars of the first names."""


def pre_deployment(facts: Facts) -> Iterator[Check]:
    """Yield the lines of the list, in its order."""
    release = f"version {facts.version}, code {facts.code[:12]}"
    yield stated(
        "documentation",
        "Architecture documentation complete",
        f"docs/architecture.md and docs/operations.md go with {release}",
        PACKAGE,
    )
    yield from _rooms_at_work(facts)
    yield stated(
        "unit-tests",
        "Unit tests passing (90%+ coverage)",
        f"run before a release, and not here: {release}; the drills below are of that code",
        PACKAGE,
    )
    yield stated(
        "integration-tests",
        "Integration tests passing (dry-run historical rebalances)",
        f"run before a release: {release}; `atlasd replay` plays history on this machine",
        PACKAGE,
    )
    yield _first_trade(facts)
    yield _scheduler(facts)
    yield judged(
        "dashboard",
        "Monitoring dashboard operational",
        bool(facts.page_url),
        f"served at {facts.page_url}" if facts.page_url else "no paper daemon answers now",
        "the paper daemon serves its page",
        "the paper daemon",
        f"start it: atlasd run --config {facts.paper.config_path}",
    )


def _rooms_at_work(facts: Facts) -> Iterator[Check]:
    evidence = facts.evidence
    sent, filled = len(evidence.submitted), len(evidence.filled)
    yield judged(
        "client",
        "AlpacaTradingClient implemented and tested",
        filled > 0,
        f"{count(sent, 'order')} sent to the paper broker, {filled} filled",
        "orders filled",
        advice=REHEARSE,
    )
    yield judged(
        "validator",
        "OrderValidator implemented and tested",
        evidence.approved > 0,
        f"{count(evidence.approved, 'order')} approved, {evidence.refused} refused",
        "orders approved by the rules",
        advice=REHEARSE,
    )
    fault = facts.trades_fault
    yield judged(
        "logger",
        "ExecutionLogger implemented and tested",
        not fault and facts.trades_files > 0,
        fault or f"{count(facts.trades_files, 'trades file')}, as the journal tells them",
        "the trades files agree with the journal",
        str(facts.paper.log_dir),
        "atlasd audit verify --csv, with the paper configuration" if fault else REHEARSE,
    )
    done = [run.run_id for run in evidence.runs.values() if run.is_done]
    yield judged(
        "rebalance",
        "execute_52w_rebalance implemented",
        bool(done),
        f"{count(len(done), 'run')} done: {some(done)}" if done else "no run was done",
        "a run that reached its target",
        advice=REHEARSE,
    )


def _first_trade(facts: Facts) -> Check:
    done = [run for run in facts.evidence.done(FIRST_TRADE) if run.filled]
    return judged(
        "first-trade",
        "First test trade successful (small position sizes)",
        bool(done),
        some(f"{run.run_id}, {count(run.filled, 'order')} filled" for run in done)
        or "none was done",
        "a first trade on paper, filled",
        advice="atlasd rebalance --first-trade, on paper, in market hours",
    )


def _scheduler(facts: Facts) -> Check:
    slot = next_slot(State(now=facts.now, born_at=facts.now), facts.live.policy())
    anchors = some(facts.live.rebalance.anchors)
    when = f", next on {slot.session.day}" if slot is not None else ", and no session is known"
    return judged(
        "scheduler",
        "Scheduler configured (semi-annual rebalances)",
        slot is not None,
        f"anchors {anchors}{when}",
        "a slot to come",
        "rebalance.anchors and the calendar",
        "the calendar of this version ends: install a later one",
    )
