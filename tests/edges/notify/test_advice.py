"""Every alert that the code can raise has its row: meaning, what happens by itself, what to do."""

import ast
import re

import pytest

from atlas_daemon.edges.notify.advice import ADVICE, LEVELS, advice_of, severity_of, table
from atlas_daemon.edges.notify.notice import Severity
from tests.house.source import PACKAGE, ROOT

CALLS = {"AlertRaised": 1, "alert_once": 2}
"""What raises an alert, and which of its arguments is the key."""
OTHERS = {"started", "crash", "daily"}
"""Told without an alert of the core's: `news` and the daily line."""


def literals(node: ast.AST) -> set[str]:
    return {
        n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }


def named_in(text: str) -> dict[str, str]:
    """Return the texts that a source gives names in capitals."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            (target,), value = node.targets, node.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=True))
            for name, text_of in pairs:
                if isinstance(text_of, ast.Constant) and isinstance(text_of.value, str):
                    found[ast.unparse(name)] = text_of.value
    return {name: text_of for name, text_of in found.items() if name.isupper()}


NAMED: dict[str, str] = {}
for _path in (PACKAGE / "core").glob("*.py"):
    NAMED |= named_in(_path.read_text("utf-8"))


def keys_in(text: str) -> set[str]:
    """Return every key that an alert of this source may have; '?' for one that cannot be read."""
    tree, found = ast.parse(text), set()
    rows = {
        node.elts[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple)
        and len(node.elts) > 2
        and all(isinstance(x, ast.Constant) for x in node.elts[:2])
        and node.elts[0].value in LEVELS
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        if name not in CALLS or len(node.args) <= CALLS[name]:
            continue
        key = node.args[CALLS[name]]
        if isinstance(key, ast.Constant | ast.IfExp):
            found |= literals(key) - (literals(key.test) if isinstance(key, ast.IfExp) else set())
        elif isinstance(key, ast.Name) and key.id in NAMED:
            found.add(NAMED[key.id])
        elif isinstance(key, ast.Name) and rows:
            found |= rows
        elif ast.unparse(key) == "event.what":  # words by what failed: `{...}.get(event.what)`
            found |= {
                word
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and ast.unparse(node).endswith(".get(event.what)")
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Dict)
                for each in node.func.value.keys
                for word in literals(each)
            }
        elif isinstance(key, ast.Attribute) and key.attr == "key":
            continue  # passes on what somebody else raised
        elif not (isinstance(key, ast.Name) and name == "AlertRaised" and "def alert_once" in text):
            found.add(f"? {ast.unparse(node)}")
    return found


RAISED = set().union(
    *(keys_in(path.read_text("utf-8")) for path in (PACKAGE / "core").rglob("*.py"))
)


def test_every_key_that_the_core_can_raise_has_its_row_and_no_row_is_left_over() -> None:
    assert len(RAISED) > 20
    assert ADVICE.keys() == RAISED | OTHERS


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ('yield e.AlertRaised("info", "planted", text)', {"planted"}),
        ('yield from alert_once(state, "error", "planted", why)', {"planted"}),
        ('yield AlertRaised(level, "a" if level == "info" else "b", t)', {"a", "b"}),
        (
            'for level, key, t in (("info", "p", 1), ("error", "q", 2)):\n'
            "    AlertRaised(level, key, t)",
            {"p", "q"},
        ),
        ('AlertRaised("warning", EXPIRY, text)', {"certificate_expiry"}),
        ('AlertRaised("info", made(), t)', {"? AlertRaised('info', made(), t)"}),
    ],
)
def test_a_planted_key_is_seen(source: str, keys: set[str]) -> None:
    assert keys_in(source) == keys


def test_the_paper_has_the_table() -> None:
    paper = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    assert "\n".join(table()) in paper, "python -W ignore -m atlas_daemon.edges.notify.advice"


@pytest.mark.parametrize("key", ADVICE)
def test_a_row_is_whole_and_names_commands_that_there_are(key: str) -> None:
    advice = ADVICE[key]
    assert advice.meaning.endswith(".")
    assert advice.by_itself and advice.to_do
    assert not (advice.by_itself + advice.to_do).endswith(".")
    register = (PACKAGE / "cli" / "commands.py").read_text("utf-8")
    commands = set(re.findall(r"(\w+)", " ".join(re.findall(r"import (.+)", register))))
    named = set(re.findall(r"\batlasd ([a-z]+)", advice.by_itself + advice.to_do))
    assert named - commands == set()


def test_an_unknown_key_and_an_unknown_level_are_told_all_the_same() -> None:
    assert severity_of("info", "planted") is Severity.INFO
    assert severity_of("loud", "planted") is Severity.CRITICAL
    assert advice_of("planted").to_do == "atlasd status"


def test_a_refused_rebalance_wakes_somebody_and_a_cap_that_works_does_not() -> None:
    assert severity_of("error", "gate") is Severity.CRITICAL
    assert severity_of("warning", "gate") is None
    assert severity_of("info", "gate") is None
    assert severity_of("error", "cash") is Severity.WARNING
