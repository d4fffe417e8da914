"""`python -m bench [daemon] [plan] [core]`: measure, and print one table with a row a figure."""

import platform
import sys

from rich.console import Console
from rich.table import Table

from bench import core, daemon, plan
from bench.figure import Figure, interpreter_s

PARTS = {"daemon": daemon.figures, "plan": plan.figures, "core": core.figures}


def main(names: list[str]) -> int:
    """Measure the parts named, or all; return the exit code."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.stderr.write(f"bench: {unknown[0]}: must be one of {', '.join(PARTS)}\n")
        return 2
    console = Console()
    unit_s = interpreter_s()
    console.print(
        f"Python {platform.python_version()}, {platform.machine()}; "
        f"unit: an interpreter that imports aiohttp, {unit_s:.2f} s here"
    )
    table = Table("figure", "measured", "in units", "how", title="atlas_daemon")
    table.columns[1].justify = table.columns[2].justify = "right"
    has_failed = False
    for name in names or PARTS:
        try:
            with console.status(f"measuring: {name}"):
                for figure in PARTS[name]():
                    table.add_row(*_cells(figure, unit_s))
        except RuntimeError as error:  # one part's failure takes no figure from the others
            has_failed = True
            table.add_row(name, "failed", "", str(error))
    console.print(table)
    return int(has_failed)


def _cells(figure: Figure, unit_s: float) -> tuple[str, str, str, str]:
    units = "" if figure.seconds is None else f"{figure.seconds / unit_s:.2f}"
    return figure.what, figure.shown(), units if figure.is_start else "", figure.how


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
