"""The tiers that share one scenario: what carries the daemon's words to the broker in each.

A: a stand-in for the session. B: the daemon's own aiohttp and its bytes. (C has real processes and
a room of its own.)
"""

from collections.abc import Mapping, Sequence

from tests.simulation.faults import CHANCES, EVENTS, NAMES
from tests.simulation.network import Network
from tests.simulation.wire_broker import WIRE_NAMES, WireNetwork

NETWORKS: Mapping[str, type[Network]] = {"A": Network, "B": WireNetwork}
NAMES_OF: Mapping[str, Sequence[str]] = {"A": NAMES, "B": (*CHANCES, *EVENTS, *WIRE_NAMES)}
"""The faults that each tier can have; B tells of one session only."""
