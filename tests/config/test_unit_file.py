"""The service unit against the words the daemon and its configuration use."""

import shutil
import subprocess

import pytest

from atlas_daemon.config.credentials import variables
from atlas_daemon.config.definitions import KEYS
from atlas_daemon.core.errors import AccountBusyError, ConfigError


def directives(root):
    given = {}
    for line in (root / "atlas.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            given.setdefault(name, []).append(value)
    return given


def test_ends_that_no_restart_heals_are_not_restarted(root):
    codes = directives(root)["RestartPreventExitStatus"][0].split()
    assert {int(code) for code in codes} == {AccountBusyError.exit_code, ConfigError.exit_code}


def test_the_unit_hands_over_the_default_account_s_credentials(root):
    names = {value.partition(":")[0] for value in directives(root)["LoadCredential"]}
    assert names == {name.lower() for name in variables(KEYS["account.name"].default)}


def test_the_emergency_stop_s_signal_is_blocked_until_it_can_be_handled(root):
    given = directives(root)
    assert given["ExecStart"][0].startswith("/usr/bin/env --block-signal=SIGUSR1 /")
    assert (given["Type"], given["NotifyAccess"]) == (["notify"], ["main"])


def test_systemd_finds_nothing_to_say_about_the_unit(root):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    done = subprocess.run(
        [program, "verify", "--man=no", str(root / "atlas.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    # An unknown directive is only a warning with exit 0: silence about our unit is the proof.
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if "atlas" in line] == []
    assert done.returncode == 0, said
