"""Bugs about the fence: one mutant for each of its conditions, and for when it is asked.

Behind most conditions stands a second one (what is halted has its latch on disk as well), so the
simulation reaches only few of them. All are caught by the property that the fence keeps its
conditions in every situation.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from atlas_daemon import app, outlet
from atlas_daemon.core import runs
from atlas_daemon.core.values import Side
from tests.fence_situations import NOW, the_fence_keeps_its_conditions
from tests.simulation.mutants.planting import planted
from tests.simulation.mutants.worlds import Focused

HALTED = "an order leaves after a stop"


class NoLatch:
    """A latch that is never on."""

    def is_on(self) -> bool:
        return False


@contextlib.contextmanager
def blinded(**parts: Any) -> Iterator[None]:
    """Give the fence other senses."""
    why_closed = outlet.Fence.why_closed

    def blind(self: Any, approved: Any) -> Any:
        return why_closed(replace(self, **parts), approved)

    with patch.object(outlet.Fence, "why_closed", blind):
        yield


@planted(
    "the fence is always open",
    HALTED,
    world=Focused(
        chances={"limited": 0.3, "connection_refused": 0.1}, events={"stop": 33.0}, method="POST"
    ),
)
def open_fence() -> Iterator[None]:
    with patch.object(outlet.Fence, "why_closed", lambda self, approved: None):
        yield


def stopped_by(*senses: str) -> Any:
    """Return a `Daemon._is_stopped` that has only these senses."""

    def is_stopped(self: Any) -> bool:
        bus = self._bus
        has = {
            "halt": bus.state.halt is not None,
            "inbox": bus.is_stop_heard,
            "end": bool(self._shutdown_by),
        }
        return any(has[sense] for sense in senses)

    return patch.object(app.Daemon, "_is_stopped", is_stopped)


@planted(
    "the fence does not ask whether trading is halted",
    f"{HALTED}, where the latch cannot be written",
    proof=the_fence_keeps_its_conditions,
)
def no_halt() -> Iterator[None]:
    with stopped_by("inbox", "end"):
        yield


@planted(
    "the fence does not see a stop that waits in the inbox",
    "an order leaves between a stop and its turn",
    proof=the_fence_keeps_its_conditions,
)
def no_inbox() -> Iterator[None]:
    with stopped_by("halt", "end"):
        yield


@planted(
    "the fence does not ask whether the daemon is ending",
    "an order leaves whose answer nobody awaits",
    proof=the_fence_keeps_its_conditions,
)
def no_end() -> Iterator[None]:
    with stopped_by("halt", "inbox"):
        yield


@planted(
    "the fence does not look for the latch",
    "a latch written by hand, or by `panic`, is seen a second late",
    proof=the_fence_keeps_its_conditions,
)
def no_latch() -> Iterator[None]:
    with blinded(latch=NoLatch()):
        yield


@planted(
    "the fence does not hear of a CRASH",
    "a buy leaves after the word that the market crashes",
    proof=the_fence_keeps_its_conditions,
)
def no_crash() -> Iterator[None]:
    with blinded(is_crash=lambda: False):
        yield


@planted(
    "the fence closes for sells in a CRASH",
    "risk cannot be reduced when it must be",
    proof=the_fence_keeps_its_conditions,
)
def no_sells() -> Iterator[None]:
    why_closed = outlet.Fence.why_closed

    def both(self: Any, approved: Any) -> Any:
        return "the regime is CRASH" if self.is_crash() else why_closed(self, approved)

    with patch.object(outlet.Fence, "why_closed", both):
        yield


@planted(
    "the fence does not ask for the certificate",
    "a buy of real money leaves after the proof has expired",
    proof=the_fence_keeps_its_conditions,
)
def no_certificate() -> Iterator[None]:
    with blinded(why_uncertified=lambda: ""):
        yield


@planted(
    "the fence wants a certificate for sells",
    "risk cannot be reduced when it must be",
    proof=the_fence_keeps_its_conditions,
)
def no_certified_sells() -> Iterator[None]:
    why_closed = outlet.Fence.why_closed

    def both(self: Any, approved: Any) -> Any:
        return self.why_uncertified() or why_closed(self, approved)

    with patch.object(outlet.Fence, "why_closed", both):
        yield


@planted(
    "the fence measures a certificate by the latest turn, not by the clock",
    "a buy of real money leaves in the second after the proof has expired",
    proof=the_fence_keeps_its_conditions,
)
def stale_certificate() -> Iterator[None]:
    was = app.why_uncertified
    with patch.object(app, "why_uncertified", lambda state, policy, now: was(state, policy)):
        yield


@planted(
    "the fence lets an old approval pass",
    "an order leaves on a price of minutes ago",
    proof=the_fence_keeps_its_conditions,
)
def no_age() -> Iterator[None]:
    with blinded(now=lambda: NOW.replace(year=2000)):
        yield


@planted(
    "an approval is good until its last moment, that moment too",
    "an order leaves as its price expires",
    proof=the_fence_keeps_its_conditions,
)
def edge_of_age() -> Iterator[None]:
    why_closed = outlet.Fence.why_closed

    def edge(self: Any, approved: Any) -> Any:
        if self.now() == approved.expires_at:
            return why_closed(replace(self, now=lambda: approved.approved_at), approved)
        return why_closed(self, approved)

    with patch.object(outlet.Fence, "why_closed", edge):
        yield


@planted(
    "a halt lets every sell pass",
    "a stop sells on",
    proof=the_fence_keeps_its_conditions,
)
def any_sell() -> Iterator[None]:
    with blinded(is_flatten=lambda approved: approved.draft.side is Side.SELL):
        yield


@planted(
    "a flatten's sells pass before all cancels are seen",
    "shares are sold twice",
    proof=the_fence_keeps_its_conditions,
)
def early_flatten() -> Iterator[None]:
    def is_flattening(state: Any) -> bool:
        run, halt = state.run, state.halt
        return run is not None and run.trigger == "stop" and halt is not None

    with patch.object(runs, "is_flattening", is_flattening):
        yield


@planted(
    "a flatten's run lets buys pass",
    "a stop buys",
    proof=the_fence_keeps_its_conditions,
)
def flatten_buys() -> Iterator[None]:
    was = app.is_flatten_sell

    def either(state: Any, draft: Any) -> bool:
        return was(state, replace(draft, side=Side.SELL))

    with patch.object(app, "is_flatten_sell", either):
        yield


@planted(
    "while a flatten sells, other runs' sells pass too",
    "what a stop has parked goes on",
    proof=the_fence_keeps_its_conditions,
)
def any_runs_sell() -> Iterator[None]:
    was = app.is_flatten_sell

    def any_run(state: Any, draft: Any) -> bool:
        run = state.run
        return run is not None and was(state, replace(draft, run_id=run.run_id))

    with patch.object(app, "is_flatten_sell", any_run):
        yield


@planted(
    "a flatten goes on while the daemon ends",
    "a sell leaves whose answer nobody awaits",
    proof=the_fence_keeps_its_conditions,
)
def flatten_at_end() -> Iterator[None]:
    def is_flatten(self: Any, approved: Any) -> bool:
        return app.is_flatten_sell(self._bus.state, approved.draft)

    with patch.object(app.Daemon, "_is_flatten", is_flatten):
        yield


@planted(
    "a flatten's sells do not pass",
    "what is held stays held after a stop that should sell it",
    proof=the_fence_keeps_its_conditions,
)
def no_flatten() -> Iterator[None]:
    with blinded(is_flatten=lambda approved: False):
        yield


@planted(
    "the fence is asked before the request, not at its first byte",
    "an order leaves after a stop that came while it was on its way to the socket",
    proof=the_fence_keeps_its_conditions,
)
def asked_early() -> Iterator[None]:
    init = outlet.Outlet.__init__

    def ungated(self: Any, **parts: Any) -> None:
        init(self, **parts)
        self._client.order_gate = lambda order_id: None

    with patch.object(outlet.Outlet, "__init__", ungated):
        yield


@planted(
    "the fence's first word is good for every later send",
    "an order that a rate limit held up leaves after a stop",
    proof=the_fence_keeps_its_conditions,
)
def asked_once() -> Iterator[None]:
    ask, passed = outlet.Outlet._ask_fence, set[int]()

    def once(self: Any, order_id: str) -> None:
        key = id(self._sending[order_id])
        if key not in passed:
            ask(self, order_id)
            passed.add(key)

    with patch.object(outlet.Outlet, "_ask_fence", once):
        yield
