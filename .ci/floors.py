"""The floors of coverage, read from coverage's own JSON report. Exit 1 where one is not reached."""

import json
import sys
from pathlib import Path

FLOORS = (
    # what, files whose path begins with one of these, figure, least percent
    ("core, branches", ("atlas_daemon/core/",), "branches", 95),
    ("package, lines and branches", ("atlas_daemon/",), "both", 90),
    ("the client", ("atlas_daemon/edges/alpaca/client.py",), "both", 90),
    ("the validator", ("atlas_daemon/core/validator.py", "atlas_daemon/core/gates.py",
                       "atlas_daemon/core/order_validator.py", "atlas_daemon/core/rules.py"),
     "both", 95),
    ("the log", ("atlas_daemon/records/",), "both", 85),
    ("the rebalance path", ("atlas_daemon/core/planner.py", "atlas_daemon/core/plan.py",
                            "atlas_daemon/core/drafts.py", "atlas_daemon/core/runs.py"),
     "both", 80),
)  # fmt: skip


def percent(files: dict, begins: tuple[str, ...], figure: str) -> float:
    """Return the percentage over all files whose path begins so; 0 where there is none."""
    found = [each["summary"] for path, each in files.items() if path.startswith(begins)]
    whole = sum(each["num_branches"] for each in found)
    covered = sum(each["covered_branches"] for each in found)
    if figure == "both":
        whole += sum(each["num_statements"] for each in found)
        covered += sum(each["covered_lines"] for each in found)
    return 100 * covered / whole if whole else 0.0


def main() -> int:
    """Print each floor with what was reached; return the exit code."""
    files = json.loads(Path(sys.argv[1]).read_text())["files"]
    short = False
    for what, begins, figure, least in FLOORS:
        reached = percent(files, begins, figure)
        short |= reached < least
        word = "" if reached >= least else "  <- below its floor"
        sys.stdout.write(f"coverage: {what}: {reached:.1f} % (at least {least} %){word}\n")
    if short:
        thin = sorted(files.items(), key=lambda each: each[1]["summary"]["percent_covered"])
        for path, each in thin[:12]:
            sys.stdout.write(
                f"coverage: thinnest: {path} {each['summary']['percent_covered']:.1f} %\n"
            )
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
