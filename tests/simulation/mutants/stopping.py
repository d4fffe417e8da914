"""Bugs about the emergency stop: halt, cancels, latch, resume."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from atlas_daemon import bus
from atlas_daemon.core import events as e
from atlas_daemon.core import halter
from atlas_daemon.core.effects import CancelAllOrders, CancelOrder
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.edges.latch import LatchFile
from tests.simulation.mutants.planting import evolved, planted, routed, silent
from tests.simulation.mutants.worlds import Focused

STOPPED = Focused(chances={"slow_fill": 0.9}, events={"stop": 35.0})
DOUBTFUL = Focused(
    chances={"slow_fill": 0.9, "reset": 0.15, "reply_lost": 0.1, "cancel_refused": 0.3},
    events={"stop": 32.5, "foreign_order": 20.0},
    method="POST",
)
"""Stopped when some orders are in doubt and one is not ours."""
LOOSE = "a stop says complete while an order rests, and fills"


@planted("the latch is kept in memory only", "a restart trades on after a stop")
def latch_in_memory() -> Iterator[None]:
    fold = bus.fold

    def without_halt(entries: Any, state: Any) -> Any:
        return replace(fold(entries, state), halt=None)

    with (
        patch.object(LatchFile, "write", lambda *words: ""),
        patch.object(bus, "fold", without_halt),
    ):
        yield


@planted("the latch is written after the cancels", "a kill between the two, and the stop is gone")
def latch_late() -> Iterator[None]:
    write = LatchFile.write

    def later(*words: Any) -> str:
        asyncio.get_running_loop().call_later(1.0, write, *words)
        return ""

    with patch.object(LatchFile, "write", later):
        yield


@planted("a restart takes the halt off", "a restart trades on after a stop")
def restart_resumes() -> Iterator[None]:
    def change(started: Any) -> Any:
        return lambda state, event: started(
            replace(state, halt=None), replace(event, is_latched=False)
        )

    with evolved(e.DaemonStarted, change), patch.object(LatchFile, "is_on", lambda self: False):
        yield


@planted("the halt is called complete at once", LOOSE, world=STOPPED)
def complete_at_once() -> Iterator[None]:
    def change(handler: Any) -> Any:
        def on_stop(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            for answer in handler(state, event, policy):
                yield answer
                if isinstance(answer, CancelAllOrders):
                    yield e.HaltCompleted()

        return on_stop

    with routed(e.StopRequested, change):
        yield


@planted("a stop is complete when no order that it knows is open", LOOSE, world=DOUBTFUL)
def only_the_known() -> Iterator[None]:
    def change(handler: Any) -> Any:
        if handler.__name__ != "on_snapshot_reported":
            return handler

        def on_snapshot(state: Any, event: Any, policy: Any) -> Iterator[Any]:
            known = {i: o for i, o in state.orders.items() if not o.is_in_doubt}
            ours = tuple(o for o in event.open_orders if o.client_order_id in known)
            seen = replace(event, open_orders=ours)
            figures = replace(state.figures, snapshot=seen)
            yield from handler(replace(state, orders=known, figures=figures), seen, policy)

        return on_snapshot

    with routed(e.SnapshotReported, change, "halter"):
        yield


@planted(
    "the cancels of a stop are asked for once",
    "an order rests, and fills, after a stop",
    world=Focused(
        chances={"error_503": 0.8, "stuck_order": 0.9}, events={"stop": 34.0}, method="DELETE"
    ),
)
def asked_once() -> Iterator[None]:
    with routed(e.Ticked, silent, "halter"), routed(e.Ticked, silent, "submitter"):
        yield


@planted(
    "a stop cancels what it knows to be working",
    "an order rests, and fills, after a stop",
    world=DOUBTFUL,
)
def known_cancelled() -> Iterator[None]:
    def pull(state: Any, policy: Any) -> Iterator[Any]:
        for order in state.open_orders():
            if order.status is OrderStatus.WORKING:
                yield e.CancelRequested(order.draft.order_id, "halted")
                yield CancelOrder(order.draft.order_id, order.broker_order_id)

    with (
        patch.object(halter, "_pull", pull),
        patch.object(halter, "_pull_lost", lambda state, listed: ()),
        patch.object(halter, "_strays", lambda state, listed, policy: []),
    ):
        yield


@planted(
    "a stop that the disk does not take does not happen",
    "a stop is ignored on a full disk",
    world=Focused(events={"full_disk_stop": 35.0}),
)
def undurable_stop() -> Iterator[None]:
    hear = bus.Bus.hear

    def heard(self: Any, event: Any) -> None:
        hear(self, event)
        if isinstance(event, e.StopRequested):
            self.is_stop_heard = False

    with (
        patch.object(bus.Bus, "_may_be_held", lambda self, committed: False),
        patch.object(bus.Bus, "hear", heard),
    ):
        yield
