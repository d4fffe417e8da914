"""Whatever a body is made of: it is read within bounds, or refused by the room's one error."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.files import FILES
from tests.fuzz.mutator import Mutator
from tests.fuzz.rooms import BODIES, Room, complaints
from tests.fuzz.rooms import ROOMS as WIRE

ROOMS = (*WIRE, *FILES)
SWEEP = range(250)


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_a_body_as_it_should_be_is_read(room: Room) -> None:
    first = room.samples[0]
    room.parse(first if isinstance(first, bytes) else json.dumps(first).encode())
    for sample in room.samples:
        raw = sample if isinstance(sample, bytes) else json.dumps(sample).encode()
        assert list(complaints(room, raw)) == []


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_damage_is_read_within_bounds_or_is_the_rooms_error_of_one_line(room: Room) -> None:
    for number in SWEEP:
        mutator = Mutator(random.Random(f"{room}/{number}"), BODIES)
        body = mutator.body(mutator.chance.choice(room.samples))
        assert list(complaints(room, body)) == [], (number, body[:200])


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ROOMS), st.randoms(use_true_random=False))
def test_whatever_a_body_is_made_of_no_room_falls_over(room: Room, chance) -> None:
    body = Mutator(chance, BODIES).body(chance.choice(room.samples))
    assert list(complaints(room, body)) == []


@pytest.mark.parametrize("room", ROOMS, ids=str)
@given(st.binary(max_size=60))
@settings(max_examples=40)
def test_any_bytes_at_all_are_read_or_refused(room: Room, body: bytes) -> None:
    assert list(complaints(room, body)) == []
