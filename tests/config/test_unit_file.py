"""The service units against the words the daemon and its configuration use."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from atlas_daemon.config.credentials import variables
from atlas_daemon.config.definitions import KEYS
from atlas_daemon.core.errors import AccountBusyError, ConfigError

LIVE_MAX, FILTERED_MAX = 11, 10
"""Exposure in tenths: of a unit that may reach any address, and of one with an address filter."""
FILTER = "IPAddressDeny=any\nIPAddressAllow=localhost 192.0.2.0/24\n"
PROGRAMS = ("usr/bin/env", "bin/sh", "opt/atlas/.venv/bin/atlasd")


def unit(root: Path, name: str = "atlas.service") -> str:
    place = root / name if name == "atlas.service" else root / "deploy" / name
    return place.read_text(encoding="utf-8")


def directives(text: str) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            given.setdefault(name, []).append(value)
    return given


def test_ends_that_no_restart_heals_are_not_restarted(root):
    codes = directives(unit(root))["RestartPreventExitStatus"][0].split()
    assert {int(code) for code in codes} == {AccountBusyError.exit_code, ConfigError.exit_code}


def test_and_where_they_end_it_nobody_s_orders_are_cancelled(root):
    _, cancels = directives(unit(root, "atlas-alert@.service"))["ExecStart"]
    codes = re.search(r'in ""\|([0-9|]+)\) exit 0', cancels)
    assert codes is not None
    assert {int(code) for code in codes[1].split("|")} == {5, 78}
    assert "atlasd panic --cancel-only" in cancels


@pytest.mark.parametrize("name", ["atlas.service", "atlas@.service", "atlas-alert@.service"])
def test_a_file_of_the_credentials_folder_becomes_an_account_s_key(root, name):
    # systemd names a folder's files `alpaca_` and the file's own name (systemd.exec(5)).
    (value,) = directives(unit(root, name))["LoadCredential"]
    prefix, _, folder = value.partition(":")
    assert folder.endswith("/credentials")
    for variable in variables(KEYS["account.name"].default):
        assert variable.lower().startswith(f"{prefix}_")


def test_signals_are_held_back_until_they_can_be_handled(root):
    given = directives(unit(root))
    assert given["ExecStart"][0].startswith("/usr/bin/env --block-signal=USR1,TERM,HUP /")
    assert (given["Type"], given["NotifyAccess"]) == (["notify"], ["main"])
    assert "USR1" in given["ExecStopPost"][0] and "atlasd stop" in given["ExecStopPost"][0]


def test_the_unit_for_several_accounts_is_the_same_but_for_its_places(root):
    one, several = (unit(root, name).partition("[Unit]")[2] for name in NAMES)
    told_apart = several.replace("-%i", "").replace("-NAME", "").replace(", account %i", "")
    assert told_apart == one
    assert several.count("-%i") >= 10


NAMES = ("atlas.service", "atlas@.service")


def test_who_tells_of_a_failure_lives_in_the_same_room(root):
    begin = "# A user of its own"
    rooms = {unit(root, name).partition(begin)[2].partition("\n[Install]")[0] for name in NAMES}
    rooms.add(unit(root, "atlas-alert@.service").partition(begin)[2].rstrip("\n") + "\n")
    assert len(rooms) == 1


def _analyze(*words: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    words = (program, *map(str, words))
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_to_say_about_the_units(root, tmp_path):
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    for program in PROGRAMS:
        place = tmp_path / program
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(0o755)
    for name in ("sysinit.target", "basic.target", "network-online.target"):
        (units / name).write_text(f"[Unit]\nDescription={name}\n")
    shutil.copy(root / "atlas.service", units)
    for path in (root / "deploy").glob("*.service"):
        shutil.copy(path, units)
        shutil.copy(path, units / path.name.replace("@", "@x"))
    names = ("atlas.service", "atlas@x.service", "atlas-alert@x.service")
    paths = [units / name for name in names]
    done = _analyze("verify", "--man=no", f"--root={tmp_path}", *paths)
    # An unknown directive is only a warning with exit 0: silence is the proof.
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if "atlas" in line] == []


@pytest.mark.parametrize("name", ["atlas.service", "atlas@.service", "atlas-alert@.service"])
@pytest.mark.parametrize(("filter_", "most"), [("", LIVE_MAX), (FILTER, FILTERED_MAX)])
def test_the_units_leave_hardly_anything_open(root, tmp_path, name, filter_, most):
    path = tmp_path / name
    path.write_text(unit(root, name).replace("[Service]\n", f"[Service]\n{filter_}"))
    done = _analyze("security", "--offline=true", "--no-pager", f"--threshold={most}", path)
    assert done.returncode == 0, done.stdout.splitlines()[-1]
    told = re.search(r"exposure level for .*: ([0-9.]+) ", done.stdout)
    assert told is not None and float(told[1]) * 10 <= most
