"""Coverage-guided fuzzing of every room: `make fuzz MINUTES=10`, or one room by name.

    python -m tests.fuzz.targets --minutes 10 [--room frames]

The first byte chooses the room, the rest is the body. New bodies come from the structure-aware
mutator and from libFuzzer's own, and what reaches new code is kept in .fuzz/corpus. It ends at the
first body that a room answers to in another way than it promises, takes over ten seconds for, or
over 2 GB; the body is left in .fuzz/, and becomes a line of `test_found`.
"""

import argparse
import random
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".fuzz"
BODY_MAX = 65_536


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.targets", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--room", help="one room only, by its name")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    try:
        import atheris
    except ModuleNotFoundError:
        print("fuzz: atheris is not installed here; `make fuzz` installs it", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["atlas_daemon"]):
        from tests.fuzz.files import FILES
        from tests.fuzz.mutator import Mutator
        from tests.fuzz.rooms import BODIES, ROOMS, complaints
    rooms = [room for room in (*ROOMS, *FILES) if asked.room in (None, room.name)]
    if not rooms:
        print(f"fuzz: no room is called {asked.room!r}", file=sys.stderr)
        return 2

    def one(data: bytes) -> None:
        if not data:
            return
        room = rooms[data[0] % len(rooms)]
        wrong = list(complaints(room, data[1:]))
        if wrong:
            raise RuntimeError(f"{room}: {wrong[0]}")

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        chance = random.Random(seed)
        which = chance.randrange(len(rooms))
        mutator = Mutator(chance, BODIES)
        match chance.randrange(4):
            case 0:
                made = mutator.body(chance.choice(rooms[which].samples))
                return (bytes((which,)) + made)[:size_max]
            case 1 if len(data) > 1:
                return (data[:1] + mutator.bytes_of(data[1:]))[:size_max]
            case _:
                return atheris.Mutate(data, size_max)

    corpus = FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={int(asked.minutes * 60)}",
        f"-max_len={BODY_MAX}",
        f"-seed={asked.seed}",
        f"-artifact_prefix={FOLDER}/",
        *("-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1"),
    ]
    atheris.Setup(arguments, one, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
