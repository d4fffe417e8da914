"""`python -m bench [part ...] [--quick]`: measure, and print one table with a row a figure.

`--quick` takes too few samples for a figure: it shows that each part still runs.
"""

import platform
import sys

from rich.console import Console
from rich.table import Table

from bench import (
    against,
    bars,
    core,
    daemon,
    decade,
    growth,
    latency,
    page,
    paper_load,
    plan,
    regime,
    replay,
)
from bench.figure import Figure, interpreter_s

SLOW = {
    "daemon": daemon.figures,
    "plan": plan.figures,
    "regime": regime.figures,
    "bars": bars.figures,
    "core": core.figures,
    "decade": decade.figures,
    "replay": replay.figures,
}
"""Parts that have no quick form."""
PARTS = {
    "orders": against.order_figures,
    "stream": against.stream_figures,
    "stop": latency.stop_figures,
    "fill": latency.fill_figures,
    "growth": growth.figures,
    "page": page.figures,
    "paper": paper_load.figures,
}


def main(words: list[str]) -> int:
    """Measure the parts named, or all; return the exit code."""
    is_quick = "--quick" in words
    names = [word for word in words if word != "--quick"]
    known = [*SLOW, *PARTS]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.stderr.write(f"bench: {unknown[0]}: must be one of {', '.join(known)}\n")
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
    for name in names or known:
        try:
            with console.status(f"measuring: {name}"):
                for figure in SLOW[name]() if name in SLOW else PARTS[name](is_quick):
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
