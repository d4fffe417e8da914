"""The simulation runs the daemon itself: this is everything it may put in the machine's place."""

import ast
import dataclasses

from atlas_daemon.assembly import World
from tests.house.source import ROOT, sources

SIMULATION = ROOT / "tests" / "simulation"

SEAMS = {
    "clock": "the moment, and sleeping",
    "open_session": "the network",
    "jitter": "the stream's chance",
    "connect": "the disk under the journal",
    "brain": "the child process",
    "doctor": "the child process that examines",
    "reporter": "who sends the daily line",
    "log_keeper": "who archives log files",
    "has_doors": "control socket and dashboard",
    "environ": "the environment: systemd's socket",
    "console": "the screen",
    "tick_s": "how often the metronome beats",
}


def test_the_seams_are_these_and_no_others() -> None:
    assert {field.name for field in dataclasses.fields(World)} == SEAMS.keys()


def test_the_seams_are_looked_at_in_the_composition_root_only() -> None:
    readers = {
        s.name
        for s in sources()
        for node in ast.walk(s.tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in {"world", "self._world"}
        and node.attr in SEAMS
    }
    assert readers == {"app.py", "assembly.py"}


def test_the_simulation_patches_nothing_but_to_plant_bugs() -> None:
    """Scenarios build the daemon as it is; only `mutants` changes it."""
    patching = {"setattr", "patch", "patch.object", "patch.dict", "monkeypatch.setattr"}
    found = {
        path.relative_to(SIMULATION).parts[0]
        for path in SIMULATION.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in patching
        and ast.unparse(node.args[0]) != "self"
    }
    assert found == {"mutants"}


REAL = {"tap.py", "tier_c.py", "blows.py", "campaign.py"}
"""Tier C: processes and time as they are."""


def test_the_simulation_knows_no_clock_no_thread_and_no_chance_without_a_seed() -> None:
    banned = {"datetime.now", "time.time", "time.sleep", "uuid.uuid4", "random.random"}
    found = {
        f"{path.name}: {ast.unparse(node.func)}"
        for path in SIMULATION.glob("*.py")
        if path.name not in REAL
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and (ast.unparse(node.func) in banned or _is_unseeded(node))
    }
    assert found == set()


def _is_unseeded(node: ast.Call) -> bool:
    return ast.unparse(node.func) == "random.Random" and not node.args
