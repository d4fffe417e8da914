"""`python -m tests.simulation.mutants WORDS [--seed N]`: hunt the mutants whose name has WORDS."""

import argparse
from functools import partial

from tests.simulation.mutants import PLANTED, SEEDS_MAX, hunt, prove, table
from tests.simulation.mutants.hunting import first
from tests.simulation.sweep import told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("words", nargs="?", default="", help="a part of the bug's name")
    parser.add_argument("--seed", type=int, help="run this seed and tell its story")
    parser.add_argument("--seeds-max", type=int, default=SEEDS_MAX)
    asked = parser.parse_args()
    lives = 0
    if not asked.words:
        return table(partial(print, flush=True), asked.seeds_max)
    for name, bug in PLANTED.items():
        if asked.words not in name:
            continue
        if bug.proof is not None:
            says = prove(name)
            lives += not says
            print(f"{name}: {says or 'LIVES'}", flush=True)
            continue
        seeds = None if asked.seed is None else [asked.seed]
        result, spent_s = hunt(name, asked.seeds_max, seeds)
        lives += result is None
        if result is None:
            print(f"{name}: LIVES ({spent_s:.1f} s)", flush=True)
        elif asked.seed is not None:
            print(told(result))
        else:
            by = first(result)
            print(f"{name}: seed {result.seed} ({spent_s:.1f} s): {by[:110]}", flush=True)
    return lives


if __name__ == "__main__":
    raise SystemExit(main())
