"""Several accounts on one machine, each by an instance of atlas@.service."""

import pytest

from tests.e2e.processes import Broker
from tests.systemd.machine import Machine

pytestmark = pytest.mark.e2e


def test_two_accounts_run_side_by_side_and_a_stop_of_one_is_none_of_the_other(
    machine: Machine, broker: Broker
) -> None:
    for name in ("one", "two"):
        machine.at_broker(broker.url, f"/etc/atlas-{name}", account__name=name.upper())
        machine.start(f"atlas@{name}.service")
    assert machine.process("atlas@one.service") != machine.process("atlas@two.service")
    machine.kill("SIGUSR1", "atlas@one.service")
    machine.lab.until(
        "atlas@one.service", lambda p: p["StatusText"].startswith("halted; local ONE")
    )
    shown = machine.lab.show("atlas@two.service", "StatusText")
    assert "local TWO" in shown["StatusText"] and "halted" not in shown["StatusText"]
    states = {name: machine.lab.path(f"/var/lib/private/atlas-{name}") for name in ("one", "two")}
    assert {name: (state / "HALTED").exists() for name, state in states.items()} == {
        "one": True,
        "two": False,
    }
    assert all((state / "journal.db").exists() for state in states.values())
    assert machine.status("/etc/atlas-two")["account"]["name"] == "TWO"
