"""A scenario that runs: which of its steps are due, and which have been taken.

Only the waiting is here: for moments of the broker's clock and for what becomes of orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import Order, Update
from atlas_daemon.paper.faults.scenario import Moment, Scenario, Step
from atlas_daemon.paper.market.calendar import Calendar

_WORDS = {
    "new": "new",
    "partial_fill": "partially filled",
    "fill": "filled",
    "canceled": "canceled",
    "rejected": "rejected",
    "expired": "expired",
}
_DAYS_MAX = 400


@dataclass(eq=False)
class RunningStep:
    """One step with what has become of it."""

    step: Step
    due_at: datetime | None = None
    order: Order | None = None
    """The order that the step waited for."""
    taken_at: datetime | None = None
    outcome: str = ""


class Script:
    """One scenario from `started_at` on."""

    def __init__(self, scenario: Scenario, calendar: Calendar, started_at: datetime) -> None:
        self.scenario = scenario
        self.started_at = started_at
        self.steps = [RunningStep(step) for step in scenario.steps]
        self._counts: dict[str, list[str]] = {"order": [], "buy": [], "sell": []}
        for running in self.steps:
            step = running.step
            if step.at is not None:
                running.due_at = moment(step.at, calendar, started_at) + step.after
            elif step.on is None:
                running.due_at = started_at + step.after

    @property
    def waits_for_news(self) -> bool:
        """True while a step waits for what becomes of an order."""
        return any(s.step.on is not None and s.due_at is None for s in self.steps)

    def next_at(self) -> datetime | None:
        """When the next step is due whose moment is known."""
        waiting = [s.due_at for s in self.steps if s.due_at is not None and s.taken_at is None]
        return min(waiting, default=None)

    def due(self, now: datetime) -> Iterator[tuple[RunningStep, Order | None]]:
        """The steps that are due and not taken yet, in order; each counts as taken now."""
        for running in self.steps:
            if running.taken_at is None and running.due_at is not None and running.due_at <= now:
                running.taken_at = now
                yield running, running.order

    def admitted(self, order: Order) -> None:
        """An order was accepted."""
        for side in ("order", order.side.value):
            self._counts[side].append(order.id)
        self._waited_for(order, "accepted", order.created_at)

    def saw(self, update: Update) -> None:
        """An update arose."""
        word = _WORDS.get(update.event)
        if word is not None:
            self._waited_for(update.order, word, update.at)

    def _waited_for(self, order: Order, word: str, at: datetime) -> None:
        for running in self.steps:
            on = running.step.on
            if on is None or on.word != word or running.due_at is not None:
                continue
            counted = self._counts[on.side]
            if len(counted) >= on.number and counted[on.number - 1] == order.id:
                running.order = order
                running.due_at = at + running.step.after


def moment(at: Moment, calendar: Calendar, started_at: datetime) -> datetime:
    """The moment that a step waits for: the first at or after the start, or a later session's."""
    first = started_at.astimezone(NEW_YORK).date() - timedelta(days=3)
    found = []
    for day in calendar.sessions(first, first + timedelta(days=_DAYS_MAX)):
        if at.clock is not None:
            moment = datetime.combine(day.day, at.clock, NEW_YORK)
        else:
            moment = (day.opens_at if at.anchor == "open" else day.closes_at) + at.offset
        if moment >= started_at:
            found.append(moment)
        if len(found) == at.session:
            break
    # The calendar's end: its last session is the latest that can be waited for.
    return found[-1] if found else datetime.max.replace(tzinfo=started_at.tzinfo)
