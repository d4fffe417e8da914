"""The local broker's scenarios at the command line: which there are, and which is meant."""

import json as text_of
import sys
from typing import TYPE_CHECKING

from atlas_daemon.core.errors import UsageError

if TYPE_CHECKING:
    from atlas_daemon.paper.faults.scenario import Scenario

BY_CHANCE = "bad-weather"
"""What a seed of faults alone means."""
WIDTH_PIPED = 120


def scenario_of(name: str, fault_seed: int | None) -> "Scenario | None":
    """Return the scenario of `--scenario`, packaged or a file. Raises UsageError."""
    from atlas_daemon.paper.faults.scenario import ScenarioError, load

    if not name and fault_seed is None:
        return None
    try:
        return load(name or BY_CHANCE)
    except ScenarioError as error:
        raise UsageError(str(error)) from error


def print_scenarios(*, as_json: bool) -> None:
    """Print the packaged scenarios, for people or as JSON."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from atlas_daemon.paper.faults.scenario import load, names

    scenarios = [load(name) for name in names()]
    if as_json:
        sys.stdout.write(text_of.dumps([_document(one) for one in scenarios], indent=2) + "\n")
        return
    console = Console(
        width=None if sys.stdout.isatty() else WIDTH_PIPED, highlight=False, markup=False
    )
    table = Table("scenario", "what happens", "ends", box=box.SIMPLE_HEAD, show_edge=False)
    table.columns[0].no_wrap = True
    for one in scenarios:
        table.add_row(one.name, one.title, one.expect.outcome)
    console.print(table)
    console.print("Run one: atlasd paper --scenario NAME, or a file of your own: NAME.toml")


def _document(one: "Scenario") -> dict[str, object]:
    return {
        "name": one.name,
        "title": one.title,
        "story": one.story,
        "steps": [{"when": step.when, "what": step.what} for step in one.steps],
        "expect": {
            "outcome": one.expect.outcome,
            "alerts": list(one.expect.alerts),
            "books": one.expect.books,
        },
    }
