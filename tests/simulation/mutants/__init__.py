"""Bugs planted on purpose: each must be caught, most of them by a few seeds of the simulation.

A mutant is what somebody might write who does not know the rule: a patch of a function or two. The
daemon itself knows nothing of it. docs/mutants.md is the table of all, and of what catches them.
"""

from tests.simulation.mutants import (
    books,
    days,
    fence,
    limits,
    live,
    reading,
    sending,
    stopping,
    writing,
)
from tests.simulation.mutants.hunting import SEEDS_MAX, Caught, hunt, prove, table
from tests.simulation.mutants.planting import MUTANTS, PLANTED, Planted

ROOMS = (sending, reading, books, limits, fence, stopping, writing, days, live)

__all__ = [
    "MUTANTS",
    "PLANTED",
    "ROOMS",
    "SEEDS_MAX",
    "Caught",
    "Planted",
    "hunt",
    "prove",
    "table",
]
