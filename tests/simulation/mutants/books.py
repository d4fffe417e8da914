"""Bugs about a run and its place in the journal: started once, ended when all is there."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from atlas_daemon.core import events as e
from atlas_daemon.core import planner, runs, scheduler
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.state import Phase
from tests.simulation.mutants.planting import evolved, planted, routed, silent
from tests.simulation.mutants.worlds import Focused

KILLED = Focused(chances={"slow_fill": 0.5}, events={"kill": 60.0})


@planted("buys go out as soon as the sells are accepted", "buys are paid with money not yet there")
def early_buys() -> Iterator[None]:
    def settle(state: Any, run: Any) -> Iterator[Any]:
        if all(order.status is not OrderStatus.SENDING for order in state.open_orders()):
            yield e.PhaseStarted(run.run_id, Phase.BUYING, run.round)

    with patch.object(planner, "_settle_sells", settle):
        yield


@planted("buys go out without waiting for the sells", "buys are paid with money not yet there")
def no_waves() -> Iterator[None]:
    def settle(state: Any, run: Any) -> Iterator[Any]:
        yield e.PhaseStarted(run.run_id, Phase.BUYING, run.round)

    with patch.object(planner, "_settle_sells", settle):
        yield


@planted(
    "a run is done when its orders are",
    "the portfolio is not what the report says",
    world=Focused(chances={"broker_cancel": 0.25, "reject": 0.2}),
)
def done_anyhow() -> Iterator[None]:
    with patch.object(planner, "missing_lines", lambda state, run, policy: {}):
        yield


@planted("an open run is forgotten by a restart", "the rebalance is left half done", world=KILLED)
def run_forgotten() -> Iterator[None]:
    def change(started: Any) -> Any:
        return lambda state, event: started(replace(state, run=None), event)

    with evolved(e.DaemonStarted, change):
        yield


@planted("a slot that is closed is due again", "the portfolio is rebalanced over and over")
def never_closed() -> Iterator[None]:
    def open_slots(state: Any, policy: Any) -> Iterator[Any]:
        yield from runs.open_slots(replace(state, slots={}), policy)

    with patch.object(scheduler, "open_slots", open_slots):
        yield


@planted(
    "closed slots are forgotten by a restart",
    "the portfolio is rebalanced once a restart",
    world=Focused(events={"terminate": 150.0, "price_jump": 300.0}),
)
def slots_forgotten() -> Iterator[None]:
    def change(started: Any) -> Any:
        return lambda state, event: started(replace(state, slots={}), event)

    with evolved(e.DaemonStarted, change):
        yield


@planted(
    "an open run does not hear of a CRASH",
    "buys go on into a crash",
    world=Focused(chances={"slow_fill": 0.8}, events={"crash_regime": 60.0}),
)
def deaf_to_crash() -> Iterator[None]:
    def change(handler: Any) -> Any:
        return silent(handler) if handler.__name__ == "on_regime_reported" else handler

    with routed(e.RegimeReported, change, "planner"), routed(e.SignalsReported, change, "planner"):
        yield
