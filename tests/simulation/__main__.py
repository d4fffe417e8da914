"""`python -m tests.simulation --seed N | --seeds A-B | --every-act N | --mutants`."""

import argparse
import sys
import time

from tests.simulation.scenario import run_seed
from tests.simulation.sweep import Tally, command, shrink, sweep, told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="run one seed and tell its story")
    what.add_argument("--seeds", help="run a range of seeds: 0-1000")
    what.add_argument(
        "--every-act", type=int, metavar="SEED", help="kill at each act of a calm day"
    )
    what.add_argument("--mutants", action="store_true", help="plant bugs; each must be caught")
    parser.add_argument("--without", default="", help="faults to take away, separated by commas")
    parser.add_argument("--kill-at", default="", help="acts to kill at, separated by commas")
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    parser.add_argument("--digest", action="store_true", help="print only the seed's digest")
    parser.add_argument("--shrink", action="store_true", help="take away faults that do not matter")
    asked = parser.parse_args()
    without = tuple(filter(None, asked.without.split(",")))
    kill_at = tuple(int(text) for text in asked.kill_at.split(",") if text)
    if asked.mutants:
        from tests.simulation.mutants import table

        return table(print)
    if asked.every_act is not None:
        return _every_act(asked.every_act)
    if asked.seeds is not None:
        return _sweep(asked.seeds, digest=asked.digest)
    result = run_seed(asked.seed, without=without, is_calm=asked.calm, kill_at=kill_at)
    if asked.digest:
        print(result.digest)
        return 0
    if not result.breaches:
        print(f"seed {result.seed}: {result.outcome}, {result.orders} orders, {result.lives} lives")
        return 0
    if asked.shrink:
        without = tuple(shrink(result, on_try=lambda text: print(text, file=sys.stderr)))
        result = run_seed(asked.seed, without=without)
    print(told(result, without, kill_at))
    return 1


def _sweep(text: str, *, digest: bool) -> int:
    first, _, last = text.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    began_s, done = time.monotonic(), 0

    def progress(result: object) -> None:
        nonlocal done
        done += 1
        if digest:
            print(result.digest)
        elif sys.stderr.isatty():
            share = done / len(seeds)
            left_s = (time.monotonic() - began_s) * (1 / share - 1)
            bar = "#" * int(30 * share)
            print(f"\r[{bar:<30}] {done}/{len(seeds)} {left_s:4.0f} s", end="", file=sys.stderr)

    tally = sweep(seeds, on_result=progress)
    if digest:
        return 0
    print("\n".join(["", *tally.lines()]))
    for result in tally.failed:
        print(f"seed {result.seed}: {result.breaches[0]}\n  replay: {command(result.seed)}")
    return 1 if tally.failed else 0


def _every_act(seed: int) -> int:
    calm = run_seed(seed, is_calm=True)
    tally = Tally()
    for act in range(1, calm.acts + 1):
        result = run_seed(seed, is_calm=True, kill_at=(act,))
        tally.add(result)
        if result.breaches:
            print(told(result, kill_at=(act,)))
    print(f"seed {seed}: killed at each of {calm.acts} acts, {len(tally.failed)} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
