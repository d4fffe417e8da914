"""What evidence is bound to: the code that trades and the sections it was told."""

from decimal import Decimal
from pathlib import Path

import pytest

import atlas_daemon
from atlas_daemon.config import KEYS, load_settings
from atlas_daemon.config.digests import (
    CODE_FILES,
    CODE_ROOMS,
    SECTIONS,
    code_digest,
    digest_of_code,
    sections_digest,
)
from atlas_daemon.core.errors import ConfigError


@pytest.fixture
def package(tmp_path):
    """A package with a file in each room that counts, and some that do not."""
    for name in (*(f"{room}/deep/one.py" for room in CODE_ROOMS), *CODE_FILES, "cli/x.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return tmp_path


def test_the_rooms_that_count_are_those_a_certificate_names():
    assert {*CODE_ROOMS, "bus.py"} >= {"core", "strategy", "bars", "edges", "bus.py", "journal"}
    installed = Path(atlas_daemon.__file__).parent
    assert all((installed / name).exists() for name in (*CODE_ROOMS, *CODE_FILES))
    assert len(code_digest()) == 64


@pytest.mark.parametrize("name", [*(f"{room}/deep/one.py" for room in CODE_ROOMS), *CODE_FILES])
def test_a_byte_more_in_any_file_that_counts_is_another_code(package, name):
    before = digest_of_code(package)
    with (package / name).open("ab") as file:
        file.write(b"\n")
    assert digest_of_code(package) != before


def test_a_file_more_or_elsewhere_is_another_code(package):
    before = digest_of_code(package)
    extra = package / "core/extra.py"
    extra.write_text("")
    assert digest_of_code(package) != before
    extra.rename(package / "edges/extra.py")
    moved = digest_of_code(package)
    (package / "edges/extra.py").unlink()
    assert digest_of_code(package) == before != moved


def test_bytes_cannot_wander_from_one_file_to_the_next(package):
    one, two = package / "core/a.py", package / "core/b.py"
    one.write_text("")
    two.write_text("x")
    before = digest_of_code(package)
    two.unlink()
    one.write_text("core/b.pyx")
    assert digest_of_code(package) != before


def test_what_does_not_trade_does_not_count(package):
    before = digest_of_code(package)
    (package / "cli/x.py").write_text("another command")
    (package / "core/notes.txt").write_text("no source")
    (package / "core/__pycache__").mkdir()
    (package / "core/__pycache__/one.pyc").write_bytes(b"x")
    assert digest_of_code(package) == before


@pytest.mark.parametrize("name", ["one.cpython-311-x86_64-linux-gnu.so", "one.so", "two.pyc"])
def test_what_python_would_import_besides_the_sources_is_another_code(package, name):
    before = digest_of_code(package)
    (package / "core/deep" / name).write_bytes(b"x")
    assert digest_of_code(package) != before


def test_a_subpackage_behind_a_link_counts(package, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "linked"
    elsewhere.mkdir()
    (elsewhere / "one.py").write_text("a = 1\n")
    (package / "core/linked").symlink_to(elsewhere)
    before = digest_of_code(package)
    (elsewhere / "one.py").write_text("a = 2\n")
    assert digest_of_code(package) != before


def test_how_lines_end_is_no_other_code(package):
    before = digest_of_code(package)
    for ending in (b"\r\n", b"\r"):
        (package / "bus.py").write_bytes(b"# bus.py" + ending)
        assert digest_of_code(package) == before


@pytest.mark.parametrize("name", ["bus.py", "strategy/deep/one.py"])
def test_code_that_is_not_there_has_no_digest(package, name):
    (package / name).unlink()
    with pytest.raises(ConfigError, match=name.partition("/")[0]):
        digest_of_code(package)


OTHER = {
    "strategy.top_n": 9,
    "regime.confirm_sessions": 2,
    "risk.max_position_pct": Decimal("0.14"),
    "rebalance.rounds": 2,
}


def settings(folder, **more):
    return load_settings(None, environ={"HOME": "/home/x"}, cwd=folder, overrides=more)


@pytest.mark.parametrize("name", OTHER)
def test_each_bound_section_changes_the_digest(tmp_path, name):
    before = sections_digest(settings(tmp_path))
    assert sections_digest(settings(tmp_path, **{name: OTHER[name]})) != before
    assert {each.partition(".")[0] for each in OTHER} == set(SECTIONS)


def test_nothing_else_does(tmp_path):
    before = sections_digest(settings(tmp_path))
    other = {"account.name": "B", "notify.daily": True, "promote.days_min": 40}
    assert sections_digest(settings(tmp_path, **other)) == before
    assert not any(key.secret for key in KEYS.values() if key.section in SECTIONS)
