"""Where a blow may fall on a real process: on the wire, at the disk, or by the clock alone."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from atlas_daemon.drillmaster.tap import Kind


@dataclass
class Blow:
    """Where one life is to be killed: at the `nth` thing of a kind, or after a time."""

    where: str
    kind: Kind | None = None
    nth: int = 0
    after_s: float = 0.0
    passes: bool = True
    """Whether the thing that passed the tap at the moment of the blow reaches the other side."""


BLOWS: dict[str, Callable[[random.Random], Blow]] = {
    "start-up": lambda draw: Blow("start-up", after_s=draw.uniform(0.0, 1.2)),
    "first words": lambda draw: Blow("first words", Kind.REQUEST, draw.randint(1, 10)),
    "an order is swallowed": lambda draw: Blow(
        "an order is swallowed", Kind.ORDER, draw.randint(1, 2), passes=False
    ),
    "an order arrives": lambda draw: Blow("an order arrives", Kind.ORDER, draw.randint(1, 2)),
    "an order is accepted": lambda draw: Blow(
        "an order is accepted", Kind.ANSWER, draw.randint(1, 2), passes=False
    ),
    "an answer is read": lambda draw: Blow(
        "an answer is read", Kind.ANSWER, draw.randint(1, 2), after_s=draw.uniform(0.0, 0.01)
    ),
    "the stream speaks": lambda draw: Blow("the stream speaks", Kind.FRAME, draw.randint(3, 7)),
    "an entry is written": lambda draw: Blow("an entry is written", nth=draw.randint(2, 30)),
    "while ending": lambda draw: Blow(
        "while ending", nth=draw.randint(1, 30), after_s=draw.uniform(0.0, 0.04)
    ),
}
