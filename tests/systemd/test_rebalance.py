"""A whole rebalance of a demo account by the unit itself, child process and all."""

import pytest

from tests.e2e.processes import DUE, SLOT, a_broker, sent_twice
from tests.systemd.machine import UNIT, Machine

pytestmark = pytest.mark.e2e

UNIVERSE = ["AAPL", "MSFT", "NVDA", "ORCL", "CSCO", "IBM", "INTC"]


def test_the_demo_account_is_rebalanced_under_the_unit(machine: Machine) -> None:
    hasty = "--speed", "10"  # so that the first look at the account takes no five seconds
    with machine.lab.network(), a_broker(*hasty, at="2026-02-02T09:00:00") as broker:
        machine.at_broker(broker.url, strategy__universe=UNIVERSE, strategy__top_n=4)
        machine.start()
        machine.lab.until(UNIT, lambda p: p["StatusText"].startswith("waiting for 2026-02-02"))
        broker.speed(1)
        broker.go_to(DUE)
        machine.lab.until(UNIT, lambda p: p["StatusText"].startswith(f"run {SLOT}"))
        machine.lab.until(UNIT, lambda p: p["StatusText"].startswith("waiting for 2026-08-03"))
        last = machine.status()["last_run"]
        assert (last["id"], last["outcome"]) == (SLOT, "done")
        held, orders = broker.positions(), broker.orders()
    assert len(held) == 4
    assert {order["status"] for order in orders} == {"filled"}
    assert sent_twice(orders) == []
    rows = machine.lab.path("/var/log/private/atlas/trades_2026-02-02.csv").read_text()
    assert rows.count(",FILL,") >= len(orders)
    assert machine.lab.show(UNIT, "NRestarts")["NRestarts"] == "0"
