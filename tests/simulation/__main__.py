"""`python -m tests.simulation --seed N | --seeds A-B | --every-act A-B | --mutants | --kills N`.

`--tier B` runs `--seed` or `--seeds` through real aiohttp and its bytes; `--tier C` runs
`--seed` or `--kills` with real processes.
"""

import argparse
import sys

from tests.simulation.scenario import run_seed
from tests.simulation.sweep import Job, Tally, kills_of, shrink, told
from tests.simulation.workers import campaign, cores, digests


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="run one seed and tell its story")
    what.add_argument("--seeds", help="run a range of seeds: 0-1000")
    what.add_argument(
        "--every-act", metavar="SEEDS", help="kill at each act of a calm day of these seeds"
    )
    what.add_argument("--mutants", action="store_true", help="plant bugs; each must be caught")
    what.add_argument("--kills", type=int, help="with --tier C: stories until so many kills")
    parser.add_argument("--tier", choices=("A", "B", "C"), default="A", help="B: bytes")
    parser.add_argument("--without", default="", help="faults to take away, separated by commas")
    parser.add_argument("--kill-at", default="", help="acts to kill at, separated by commas")
    parser.add_argument("--stride", type=int, default=1, help="kill at every so-manieth act only")
    parser.add_argument("--workers", type=int, default=cores(), help="processes side by side")
    parser.add_argument("--json", action="store_true", help="print the tally as JSON")
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    parser.add_argument("--digest", action="store_true", help="print only the seed's digest")
    parser.add_argument("--shrink", action="store_true", help="take away faults that do not matter")
    asked = parser.parse_args()
    without = tuple(filter(None, asked.without.split(",")))
    kill_at = tuple(int(text) for text in asked.kill_at.split(",") if text)
    if asked.tier == "C" or asked.kills is not None:
        from tests.simulation.campaign import run_story, soak, story

        if asked.seed is None:
            return soak(asked.kills or 25)
        lived = run_story(asked.seed)
        print(story(lived))
        return 1 if lived.breaches else 0
    if asked.mutants:
        from tests.simulation.mutants import table

        return table(print)
    if asked.every_act is not None:
        jobs = [job for seed in _range(asked.every_act) for job in kills_of(seed, asked.stride)]
        return _tell(campaign(jobs, asked.workers), is_json=asked.json)
    if asked.seeds is not None:
        jobs = [Job(seed, is_calm=asked.calm, tier=asked.tier) for seed in _range(asked.seeds)]
        if asked.digest:
            print("\n".join(digests(jobs)))
            return 0
        return _tell(campaign(jobs, asked.workers), is_json=asked.json)
    result = run_seed(
        asked.seed, without=without, is_calm=asked.calm, kill_at=kill_at, tier=asked.tier
    )
    if asked.digest:
        print(result.digest)
        return 0
    if not result.breaches:
        print(f"seed {result.seed}: {result.outcome}, {result.orders} orders, {result.lives} lives")
        return 0
    if asked.shrink:
        without = tuple(shrink(result, on_try=lambda text: print(text, file=sys.stderr)))
        result = run_seed(
            asked.seed, without=without, is_calm=asked.calm, kill_at=kill_at, tier=asked.tier
        )
    print(told(result))
    return 1


def _range(text: str) -> range:
    """Read `7` or `0-100`, both ends included."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _tell(tally: Tally, *, is_json: bool) -> int:
    """Print a sweep: its figures, and each failure with the command that replays it."""
    if is_json:
        print(tally.to_json())
    else:
        print("\n".join([*tally.lines(), *(f"\n{told(result)}" for result in tally.failed)]))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
