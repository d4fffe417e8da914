"""The faults that are armed, each with dice of its own, and whether one strikes now.

What a fault does is acted out elsewhere (`request_faults`, `answers`, `stream_faults`,
`order_faults`, `happenings`); when it comes is the console's business.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from atlas_daemon.paper.faults.fault import Fault
from atlas_daemon.paper.faults.fault_kinds import Place, Shape

__all__ = ["Armed", "Fault", "Faults"]

SPENT_MAX = 200


@dataclass(eq=False)
class Armed:
    """A fault that is armed: how often it fired, and how often it may still."""

    fault: Fault
    number: int
    armed_at: datetime | None
    dice: random.Random
    left: int | None
    fired: int = 0
    to_skip: int = 0
    is_on: bool = False
    """Of a condition: it holds now."""
    ends_at: datetime | None = None
    next_at: datetime | None = None
    note: str = ""
    """What came of it when it last happened."""

    def hits(self) -> bool:
        """One occasion: let it pass, or draw."""
        if self.to_skip:
            self.to_skip -= 1
            return False
        return self.dice.random() < self.fault.probability

    def fire(self) -> None:
        """Count one."""
        self.fired += 1
        if self.left is not None:
            self.left -= 1

    @property
    def is_spent(self) -> bool:
        """True where it will not fire again."""
        return self.left == 0


@dataclass
class Faults:
    """The armed faults, in the order in which they were armed. `seed` is for those without one."""

    seed: int = 1
    armed: list[Armed] = field(default_factory=list)
    spent: list[Armed] = field(default_factory=list)
    """The newest of those that are over."""
    _count: int = 0
    _of_kind: dict[str, int] = field(default_factory=dict)

    def arm(self, fault: Fault, at: datetime | None = None) -> Armed:
        """Add one that strikes, without a time of its own; the console arms the others."""
        self._count += 1
        nth = self._of_kind[fault.kind] = self._of_kind.get(fault.kind, 0) + 1
        # Chance of its own: what others draw, or whether they exist, moves nothing here.
        own = fault.seed if fault.seed is not None else f"{self.seed}/{nth}"
        dice = random.Random(f"{fault.kind}/{own}")  # noqa: S311
        armed = Armed(fault, self._count, at, dice, fault.count, to_skip=fault.skip)
        if fault.count != 0:
            self.armed.append(armed)
        return armed

    def clear(self) -> None:
        """Take all off, and begin the seed's numbers anew."""
        for armed in list(self.armed):
            self.retire(armed)
        self._of_kind.clear()

    def retire(self, armed: Armed) -> None:
        """Take one off; it is shown among the spent."""
        armed.is_on = False
        if armed in self.armed:
            self.armed.remove(armed)
            self.spent.append(armed)
            del self.spent[:-SPENT_MAX]

    def conditions(self, kind: str) -> list[Fault]:
        """The conditions of a kind that hold now."""
        if not self.armed:
            return []
        return [a.fault for a in self.armed if a.is_on and a.fault.kind == kind]

    def is_armed(self, kind: str) -> bool:
        """True while a fault of that kind is armed, without using it up."""
        return any(armed.fault.kind == kind for armed in self.armed)

    def condition(self, kind: str) -> Fault | None:
        """The newest condition of a kind that holds now."""
        found = self.conditions(kind)
        return found[-1] if found else None

    def strike(self, place: Place, fits: Callable[[Fault], bool]) -> Fault | None:
        """The fault of a place that strikes this occasion: the first armed of those that draw it.

        Each that fits draws, also after one was found, so that none shifts another's chance.
        """
        found = None
        for armed in list(self.armed):
            spec = armed.fault.spec
            if spec.place is not place or spec.shape is not Shape.STRIKE or not fits(armed.fault):
                continue
            if armed.hits() and found is None:
                found = armed
        if found is None:
            return None
        found.fire()
        if found.is_spent:
            self.retire(found)
        return found.fault

    def for_request(self, method: str, path: str, order: Mapping[str, object]) -> Fault | None:
        """The fault that strikes this request, if any; `order` is the body of a new order."""
        if not self.armed:
            return None

        def fits(fault: Fault) -> bool:
            if fault.method and fault.method != method:
                return False
            if fault.kind == "refuse_order" and not order:
                return False
            if (fault.symbol and fault.symbol != order.get("symbol")) or (
                fault.side and fault.side != order.get("side")
            ):
                return False
            return not fault.path or path.startswith(fault.path)

        return self.strike(Place.REQUEST, fits)

    def for_stream(
        self, kind: str, event: str = "", symbol: str = "", side: str = ""
    ) -> Fault | None:
        """The stream's fault of that kind where it strikes now."""
        if not self.armed:
            return None

        def fits(fault: Fault) -> bool:
            return (
                fault.kind == kind
                and fault.event in ("", event)
                and fault.symbol in ("", symbol)
                and fault.side in ("", side)
            )

        return self.strike(Place.STREAM, fits)

    def for_order(self, kind: str, symbol: str, side: str) -> Fault | None:
        """The fault of that kind that strikes an order of that symbol and side."""
        if not self.armed:
            return None

        def fits(fault: Fault) -> bool:
            return fault.kind == kind and fault.symbol in ("", symbol) and fault.side in ("", side)

        return self.strike(Place.ORDER, fits)
