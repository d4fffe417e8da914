"""How a bug is planted: the register, and the few patches that most of them are made of."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from atlas_daemon import outlet
from atlas_daemon.core import events as e
from atlas_daemon.core import evolve, routes
from atlas_daemon.core.effects import Effect
from atlas_daemon.core.orders import Order
from atlas_daemon.core.values import Draft, OrderId
from tests.simulation.mutants.worlds import World

Mutant = Callable[[], contextlib.AbstractContextManager[object]]
Handler = Callable[[Any, Any, Any], Iterator[e.Event | Effect]]


@dataclass(frozen=True)
class Planted:
    """A bug, what it would cost, and where it is looked for."""

    name: str
    loss: str
    """What a user would lose by it."""
    plant: Mutant
    world: World = World()
    """Where it is looked for: among all faults of a day, where nothing else is said."""
    proof: Callable[[], None] | None = None
    """For what no simulation reaches: raises AssertionError where the bug is there."""


PLANTED: dict[str, Planted] = {}
MUTANTS: dict[str, Mutant] = {}
"""The same by their patches alone."""


def planted(
    name: str, loss: str, **more: Any
) -> Callable[[Callable[[], Iterator[None]]], Callable[[], Iterator[None]]]:
    """Register a mutant under the words of the bug."""

    def register(make: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
        assert name not in PLANTED, f"{name!r} is planted twice"
        MUTANTS[name] = contextlib.contextmanager(make)
        PLANTED[name] = Planted(name, loss, MUTANTS[name], **more)
        return make

    return register


@contextlib.contextmanager
def routed(kind: type[e.Event], change: Callable[[Handler], Any], only: str = "") -> Iterator[None]:
    """Wrap each handler of an event (or the one in room `only`) by `change(handler)`."""
    was = routes.ROUTES[kind]
    now = tuple(change(h) if not only or h.__module__.endswith(only) else h for h in was)
    assert now != was, f"nothing in {only} hears {kind.__name__}"
    with patch.dict(routes.ROUTES, {kind: now}):
        yield


@contextlib.contextmanager
def heard(change: Callable[[e.Event], e.Event]) -> Iterator[None]:
    """Change what the outlet tells of its requests."""
    init = outlet.Outlet.__init__

    def wrapped(self: Any, *, hear: Any, **more: Any) -> None:
        init(self, hear=lambda event: hear(change(event)), **more)

    with patch.object(outlet.Outlet, "__init__", wrapped):
        yield


@contextlib.contextmanager
def evolved(kind: type[e.Event], change: Callable[[Callable[..., Any]], Any]) -> Iterator[None]:
    """Wrap what an event does to the state by `change(function)`."""
    was = evolve._CHANGES[kind]
    with patch.dict(evolve._CHANGES, {kind: change(was)}):  # type: ignore[arg-type]
        yield


def silent(handler: object) -> Callable[..., tuple[()]]:
    """Return a handler that answers nothing."""
    return lambda state, event, policy: ()


def next_attempt(order: Order) -> Draft:
    """The same order under a number of its own."""
    stem, _, number = order.draft.order_id.rpartition("-")
    return replace(order.draft, order_id=OrderId(f"{stem}-{int(number) + 1}"))
