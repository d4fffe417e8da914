"""Every situation of the shared list is proven by a test that carries its number, or set aside
here with a reason.
"""

import re
from collections.abc import Mapping

import pytest

from tests.house.source import ROOT

FACTS = ROOT.parent / "shared" / "facts" / "scenarios.md"

SET_ASIDE: Mapping[str, str] = {
    "040": "an order is never replaced: PATCH is not called",
}
"""Numbers that no test carries, and why."""


def listed() -> dict[str, str]:
    """The numbers of the list, with their lines."""
    if not FACTS.exists():
        pytest.skip(f"the list of situations is not on this machine ({FACTS})")
    lines = FACTS.read_text("utf-8").splitlines()
    found = {m[1]: m[0] for line in lines if (m := re.match(r"- S(\d{3}) .+", line))}
    assert len(found) > 100
    return found


def proven() -> dict[str, list[str]]:
    """The numbers in the names of tests, with the names."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def (test_s\d{3}\w*)", path.read_text("utf-8")):
            prefix = re.match(r"test((?:_s\d{3})+)", name)
            assert prefix is not None
            for number in re.findall(r"\d{3}", prefix[1]):
                found.setdefault(number, []).append(name)
    return found


def test_every_situation_is_proven_by_name_or_set_aside_with_a_reason() -> None:
    lines, named = listed(), proven()
    missing = [line for number, line in lines.items() if number not in {*named, *SET_ASIDE}]
    assert missing == []


def test_nothing_is_proven_and_set_aside() -> None:
    assert set(proven()) & set(SET_ASIDE) == set()


def test_every_number_is_one_of_the_list() -> None:
    assert {*proven(), *SET_ASIDE} - set(listed()) == set()
