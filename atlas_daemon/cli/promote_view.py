"""How the checklists are shown: every line with its figure and limit, then what is missing."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from atlas_daemon.promoter.check import Status
from atlas_daemon.promoter.checklist import Part, in_the_way

WIDTH_PIPED = 140
STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.WAIVED: "yellow",
    Status.STATED: "dim",
}


def show(label: str, parts: Sequence[Part]) -> None:
    """Print the lists as tables."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else WIDTH_PIPED
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print(Text(f"{label}  promote: from paper to live", style="bold"))
    for part in parts:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title=part.title)
        table.add_column("Line", ratio=3)
        table.add_column("", no_wrap=True)
        table.add_column("Measured", ratio=4)
        table.add_column("Limit", ratio=3)
        for check in part.checks:
            status = Text(check.status.value, style=STYLES[check.status])
            measured = Text(check.measured)
            measured.append(f"\n({check.source})", style="dim")
            table.add_row(Text(check.line), status, measured, Text(check.limit))
        console.print(table)


def missing_lines(parts: Sequence[Part]) -> list[str]:
    """Return one line for each check that is in the way: what is missing, what to do next."""
    return [
        f"{check.name}: {check.measured}" + (f" -> {check.advice}" if check.advice else "")
        for check in in_the_way(parts)
    ]


def written_line(certificate: Mapping[str, Any], path: object) -> str:
    """Return what is said of a certificate that was written."""
    return (
        f"certificate {certificate['certificate_id']} written to {path}; it counts until "
        f"{certificate['expires_at'][:10]}, for the code and the sections it names. A running "
        "live daemon takes it by itself"
    )
