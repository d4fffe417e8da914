"""The regimes of the past as a PNG. matplotlib is an extra: nothing else here needs it."""

import importlib
import importlib.util
from collections.abc import Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from atlas_daemon.core.errors import AtlasError, UsageError
from atlas_daemon.core.values import Regime

COLOURS = {
    Regime.TREND_BULL: "#2e7d32",
    Regime.TREND_NEUTRAL: "#f9a825",
    Regime.TREND_BEAR: "#c62828",
    Regime.CRASH: "#4a148c",
}
INCHES = (13.0, 6.0)
DOTS_PER_INCH = 120
TICKS = [
    step * 10**power for power in range(5) for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
]


def refuse_undrawable(path: Path) -> None:
    """Raise UsageError for another ending than .png, or where matplotlib is missing."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"--png: {path} must end in .png")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            '--png needs matplotlib: pip install "atlas-daemon[plot]" '
            "(the plot in the terminal does not)"
        )


def draw(path: Path, document: Mapping[str, Any]) -> None:
    """Draw a history (see `cli.regime`) into `path`: the market's path over bands of regimes.

    Raises AtlasError where the file cannot be written.
    """
    figure_module = importlib.import_module("matplotlib.figure")
    # A figure of its own, without pyplot: no display, no window, no global state.
    figure = figure_module.Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    sessions = document["sessions"]
    days = [date.fromisoformat(each["day"]) for each in sessions]
    start = sessions[0]["index"]
    levels = [each["index"] / start * 100 for each in sessions]
    named = set()
    for label, group in groupby(range(len(days)), key=lambda at: sessions[at]["regime"]):
        rows = list(group)
        last = days[min(rows[-1] + 1, len(days) - 1)]
        name = None if label in named else label
        named.add(label)
        colour = COLOURS[Regime(label)]
        axes.axvspan(days[rows[0]], last, color=colour, alpha=0.3, linewidth=0, label=name)
    axes.plot(days, levels, color="black", linewidth=1.0)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_yticks([tick for tick in TICKS if min(levels) <= tick <= max(levels)])
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.set_xlim(days[0], days[-1])
    axes.grid(visible=True, alpha=0.3)
    axes.set_title(
        f"SPY with dividends ({days[0]} = 100) and the {document['kind']} regime, to {days[-1]}"
    )
    handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    shown = [label for label in Regime if label in handles]
    axes.legend([handles[label] for label in shown], shown, loc="upper left", ncols=len(shown))
    try:
        # Without the program's name and version: the same bars give the same file.
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise AtlasError(f"{path}: cannot be written: {error.strerror}") from error
