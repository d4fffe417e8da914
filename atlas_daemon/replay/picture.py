"""The report's curves as a PNG. matplotlib is an extra: nothing else here needs it."""

import importlib
import importlib.util
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from atlas_daemon.core.errors import AtlasError, UsageError

from .page import COLOURS, SERIES, ticks_between
from .report import Document

INCHES = (13.0, 8.0)
DOTS_PER_INCH = 120
MISSING = '--png needs matplotlib: pip install "atlas-daemon[plot]" (the page needs nothing)'


def refuse_undrawable(path: Path) -> None:
    """Raise UsageError for another ending than .png."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"--png: {path} must end in .png")


def is_drawable() -> bool:
    """True where matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(path: Path, document: Document) -> None:
    """Draw the report's curves into `path`. Raises AtlasError where it cannot be written."""
    figure_module = importlib.import_module("matplotlib.figure")
    # A figure of its own, without pyplot: no display, no window, no global state.
    figure = figure_module.Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curve = document["curve"]
    days = [date.fromisoformat(row["day"]) for row in curve]
    _bands(above, curve, days)
    shown = []
    for field, name, colour, width in SERIES:
        figures = document["account"] if field == "equity" else document[field]
        if figures is None:
            continue
        label = (
            f"{name}: {figures['cagr']:+.1%} a year, Sharpe {figures['sharpe'] or 0:.2f}, "
            f"drawdown {figures['max_drawdown']:.0%}"
        )
        values = [row[field] for row in curve]
        shown += values
        above.plot(days, values, color=colour, linewidth=width, label=label)
    above.set_yscale("log")
    above.minorticks_off()
    above.set_yticks(ticks_between(min(shown), max(shown)))
    above.yaxis.set_major_formatter("${x:,.0f}")
    above.grid(visible=True, alpha=0.3)
    above.set_title(
        f"Replay {document['from']} to {document['to']}: top {document['top_n']} of "
        f"{Path(document['universe'].removeprefix('file:')).name}, "
        f"regime {document['regime_source']}",
        loc="left",
    )
    handles = dict(zip(*above.get_legend_handles_labels()[::-1], strict=True))
    bands = [name for name in COLOURS if name in handles]
    lines = [name for name in handles if name not in COLOURS]
    above.legend([handles[name] for name in lines], lines, loc="upper left", framealpha=0.6)
    figure.legend(
        [handles[name] for name in bands], bands, loc="outside upper right", ncols=len(COLOURS)
    )
    falls = [row["drawdown"] for row in curve]
    below.fill_between(days, falls, color="#b71c1c", alpha=0.35, linewidth=0)
    below.plot(days, falls, color="#b71c1c", linewidth=0.8)
    below.yaxis.set_major_formatter(
        importlib.import_module("matplotlib.ticker").PercentFormatter(1)
    )
    below.set_ylabel("fall from the top")
    below.grid(visible=True, alpha=0.3)
    below.set_xlim(days[0], days[-1])
    figure.supxlabel(_small_print(document), fontsize=8, color="#555555")
    try:
        # Without the program's name and version: the same report gives the same file.
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise AtlasError(f"{path}: cannot be written: {error.strerror}") from error


def _bands(axes: Any, curve: Any, days: list[date]) -> None:
    named: set[str] = set()
    for regime, group in groupby(range(len(days)), key=lambda at: curve[at]["regime"]):
        rows = list(group)
        if regime is None:
            continue
        last = days[min(rows[-1] + 1, len(days) - 1)]
        name = None if regime in named else regime
        named.add(regime)
        colour = COLOURS[regime]
        axes.axvspan(days[rows[0]], last, color=colour, alpha=0.18, linewidth=0, label=name)


def _small_print(document: Document) -> str:
    """The first sentence of each statement, on lines of their own."""
    return "\n".join(each.split(". ")[0].rstrip(".") + "." for each in document["bias"][:3])
