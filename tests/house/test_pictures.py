"""The README's pictures: those that its script makes, all of them there, small, self-contained."""

import importlib.util
import re
import struct
from types import ModuleType

import pytest

from tests.house.source import ROOT

FOLDER = ROOT / "docs" / "pictures"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pictures", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()


def test_the_readme_names_the_pictures_that_the_script_makes_and_they_are_there() -> None:
    named = set(re.findall(r"docs/pictures/([\w.-]+)", (ROOT / "README.md").read_text("utf-8")))
    there = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert named - {"make.py"} == set(SCRIPT.PICTURES)
    assert there - {"make.py"} == set(SCRIPT.PICTURES)


@pytest.mark.parametrize("name", SCRIPT.PICTURES)
def test_a_picture_is_small(name: str) -> None:
    assert 1_000 < (FOLDER / name).stat().st_size <= SCRIPT.BYTES_MAX


@pytest.mark.parametrize("name", SCRIPT.TERMINALS)
def test_a_drawn_terminal_fetches_nothing_and_names_no_machine(name: str) -> None:
    drawn = (FOLDER / name).read_text("utf-8")
    addresses = set(re.findall(r"https?://[\w.:-]+", drawn))
    assert addresses <= {
        "http://www.w3.org",
        "http://127.0.0.1:8787",
        "http://127.0.0.1:8790",
    }
    assert not re.search(r"url\((?!#)|<script|<image|href=|/(tmp|home|root|work)/", drawn)
    assert "[LOCAL]" in drawn


@pytest.mark.parametrize("name", SCRIPT.PAGES)
def test_a_photographed_page_is_as_wide_as_the_script_says(name: str) -> None:
    head = (FOLDER / name).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == SCRIPT.PAGES[name][:2]
