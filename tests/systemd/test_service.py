"""The unit on a real systemd: ready, stopped, reloaded, and in a room of its own."""

import re
import stat

import pytest

from tests.e2e.processes import Broker
from tests.systemd.lab import Lab
from tests.systemd.machine import KEY_ID, SECRET, UNIT, Machine

pytestmark = pytest.mark.e2e


def test_it_is_ready_without_a_broker_and_has_its_keys_from_systemd(machine: Machine) -> None:
    machine.configure()  # paper, and the lab has no way out
    machine.start()  # waits for READY
    shown = machine.lab.show(UNIT, "ActiveState", "StatusText")
    assert shown["ActiveState"] == "active"
    assert re.match(r"(starting|reduce_only); paper LARGE; not reconciled; ", shown["StatusText"])
    # Without keys it would have ended with 78. They are nowhere but in systemd's own folder.
    said = machine.lab.said(UNIT)
    environ = machine.lab.path(f"/proc/{machine.process()}/environ").read_bytes()
    for secret in (KEY_ID, SECRET):
        assert secret not in said
        assert secret.encode() not in environ
    machine.lab.systemctl("stop", UNIT)
    shown = machine.lab.show(UNIT, "ActiveState", "Result", "NRestarts")
    assert shown == {"ActiveState": "inactive", "Result": "success", "NRestarts": "0"}
    _has_fields(machine.lab)


def _has_fields(lab: Lab) -> None:
    """Its log can be asked for by more than its text."""
    started = lab.entries(_SYSTEMD_UNIT=UNIT, ATLAS_COMPONENT="Daemon")[0]
    assert started["MESSAGE"].startswith("Daemon: Started ")
    assert started["PRIORITY"] == "6"
    assert started["ATLAS_ACCOUNT"] == "[PAPER] LARGE"
    assert started["SYSLOG_IDENTIFIER"] == "atlasd"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", started["ATLAS_AT"])
    warned = lab.entries(ATLAS_COMPONENT="AlpacaTradingClient", PRIORITY="4")
    assert warned, "no answer from a broker that cannot be reached"


def test_it_has_a_user_and_folders_of_its_own_and_can_write_nowhere_else(
    machine: Machine,
) -> None:
    machine.configure()
    machine.start()
    lab, process = machine.lab, machine.process()
    user = lab.path(f"/proc/{process}").stat().st_uid
    assert 61184 <= user <= 65519, "a dynamic user"
    for folder in ("/var/lib/private/atlas", "/var/log/private/atlas", "/run/atlas"):
        status = lab.path(folder).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, user)
    inside = ("nsenter", "--target", process, "--mount", f"--setuid={user}", f"--setgid={user}")
    for folder, may in {
        "/var/lib/atlas": True,
        "/var/log/atlas": True,
        "/etc/atlas": False,
        "/opt/atlas": False,
        "/var/tmp": True,  # its own
        "/usr": False,
    }.items():
        done = lab.run(*inside, "touch", f"{folder}/x", check=False)
        assert (done.returncode == 0) is may, (folder, done.stderr)
    assert lab.run(*inside, "ls", "/root", check=False).returncode != 0
    status = dict(
        line.split(":\t", 1)
        for line in lab.path(f"/proc/{process}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0


def test_an_emergency_stop_latches_and_outlives_a_restart(machine: Machine, broker: Broker) -> None:
    machine.at_broker(broker.url)
    machine.start()
    machine.kill("SIGUSR1")
    shown = machine.lab.until(UNIT, lambda p: p["StatusText"].startswith("halted"))
    assert "local LARGE" in shown["StatusText"]
    assert machine.lab.path("/var/lib/private/atlas/HALTED").read_text().count("SIGUSR1") == 1
    machine.lab.systemctl("restart", UNIT)
    machine.lab.until(UNIT, lambda p: p["StatusText"].startswith("halted"))
    assert machine.lab.show(UNIT, "NRestarts")["NRestarts"] == "0"
    machine.atlasd("resume", "--account", "LARGE")  # root's shell finds the daemon's socket
    machine.lab.until(UNIT, lambda p: not p["StatusText"].startswith("halted"))


def test_a_stop_sent_as_systemd_starts_it_holds_whether_it_killed_or_was_held_back(
    machine: Machine, broker: Broker
) -> None:
    machine.at_broker(broker.url)
    machine.drop_in(RestartSec="100ms")
    machine.lab.systemctl("start", "--no-block", UNIT)
    machine.lab.until(UNIT, lambda p: p["MainPID"] != "0", "MainPID")
    machine.kill("SIGUSR1")  # mostly before there is a program: systemd still builds its room
    machine.lab.until(UNIT, lambda p: p["StatusText"].startswith("halted"))
    assert "SIGUSR1" in machine.lab.path("/var/lib/private/atlas/HALTED").read_text()


def test_a_reload_is_over_when_systemctl_returns_and_a_bad_one_changes_nothing(
    machine: Machine, broker: Broker
) -> None:
    machine.at_broker(broker.url, rebalance__rounds=3)
    machine.start()
    process = machine.process()
    machine.at_broker(broker.url, rebalance__rounds=2)
    machine.lab.systemctl("reload", UNIT)
    assert "rebalance.rounds" in machine.lab.said(UNIT)
    machine.at_broker(broker.url, rebalance__rounds=99)
    done = machine.lab.systemctl("reload", UNIT, check=False)
    assert done.returncode == 1
    assert "rebalance.rounds = 99" in machine.lab.said(UNIT)
    assert machine.process() == process
    assert machine.lab.show(UNIT, "ActiveState")["ActiveState"] == "active"


def test_a_wrong_configuration_ends_with_78_and_is_not_tried_again(machine: Machine) -> None:
    machine.configure(account__mode="papers")
    machine.drop_in(OnFailure="")
    assert machine.start(check=False) == 1
    names = ("ActiveState", "ExecMainStatus", "NRestarts")
    shown = machine.lab.until(UNIT, lambda p: p["ActiveState"] == "failed", *names)
    assert (shown["ExecMainStatus"], shown["NRestarts"]) == ("78", "0")
    assert 'account.mode = "papers"' in machine.lab.said(UNIT)


def test_a_second_instance_ends_with_5_and_is_not_tried_again(machine: Machine) -> None:
    machine.configure()
    machine.start()
    process = machine.process()
    # The same account under another unit: as somebody who copied it would have it.
    second = "atlas-second.service"
    text = machine.lab.path(f"/etc/systemd/system/{UNIT}").read_text()
    machine.lab.path(f"/run/systemd/system/{second}").write_text(
        re.sub("OnFailure=.*", "", text).replace("[Service]", "[Service]\nUser=atlas")
    )
    machine.lab.systemctl("daemon-reload")
    assert machine.start(second, check=False) == 1
    names = ("ActiveState", "ExecMainStatus", "NRestarts")
    shown = machine.lab.until(second, lambda p: p["ActiveState"] == "failed", *names)
    assert (shown["ExecMainStatus"], shown["NRestarts"]) == ("5", "0")
    assert "another instance holds" in machine.lab.said(second)
    assert machine.process() == process


def test_a_wedged_loop_is_killed_with_its_stack_on_record_and_started_anew(
    machine: Machine, broker: Broker
) -> None:
    machine.at_broker(broker.url)
    machine.drop_in(WatchdogSec="1500ms", RestartSec="100ms")
    machine.start()
    first = machine.process()
    machine.kill("SIGSTOP")  # not a turn from here on, and no word
    shown = machine.lab.until(UNIT, lambda p: p["NRestarts"] == "1" and p["SubState"] == "running")
    assert shown["Result"] == "success", "of the present start"
    assert machine.process() not in (0, first)
    said = machine.lab.said(UNIT)
    assert "Watchdog timeout" in said
    assert "Fatal Python error: Aborted" in said
    assert "Current thread" in said and "atlas_daemon" in said.partition("Current thread")[2]
    assert said.count("Daemon: Started ") == 2
