"""What follows when a unit has failed for good: word of it, and no order left open."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.processes import Broker, until
from tests.systemd.machine import UNIT, Machine

pytestmark = pytest.mark.e2e

ALERT = "atlas-alert@atlas.service"


@contextmanager
def a_webhook() -> Iterator[tuple[str, list[Any]]]:
    """An address, and what was posted to it."""
    posted: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", posted
        server.shutdown()


def _rests(broker: Broker) -> None:
    """Leave an order open that nothing fills."""
    order = {"symbol": "MSFT", "qty": "1", "side": "buy", "type": "limit", "limit_price": "1"}
    broker.ask("POST", "/v2/orders", order | {"time_in_force": "day"})
    assert broker.open_orders() == 1


def test_a_daemon_that_keeps_dying_is_told_of_and_its_orders_are_cancelled(
    machine: Machine, broker: Broker
) -> None:
    with machine.lab.network(), a_webhook() as (url, posted):
        machine.at_broker(broker.url, foreign__orders="wait")
        # An address that nobody else may read: in no file that others can.
        environment = machine.lab.path("/etc/atlas/environment")
        environment.write_text(f"ATLAS_NOTIFY__WEBHOOK_URL={url}\n")
        environment.chmod(0o600)
        machine.drop_in(StartLimitBurst="1", RestartSec="100ms")
        machine.start()
        _rests(broker)
        machine.kill("SIGKILL")
        machine.lab.until(UNIT, lambda p: p["ActiveState"] == "failed")
        machine.lab.until(ALERT, lambda p: p["ActiveState"] == "inactive" and p["Result"] != "")
        until("the cancel", lambda: broker.open_orders() == 0, 15)
        machine.lab.until(
            ALERT, lambda p: p["ExecMainExitTimestamp"] != "", "ExecMainExitTimestamp"
        )
    assert [word for word in map(str, posted) if "atlas has failed (signal" in word]
    assert "no order is open" in machine.lab.said(ALERT)
    assert not machine.lab.path("/var/lib/private/atlas/HALTED").exists(), "no latch, no suspension"


def test_a_wrong_configuration_is_told_of_and_no_order_is_touched(
    machine: Machine, broker: Broker
) -> None:
    with machine.lab.network(), a_webhook() as (url, posted):
        machine.at_broker(broker.url, notify__webhook_url=url)
        _rests(broker)
        machine.lab.path("/var/lib/atlas").mkdir()  # somebody's folder, where the state should be
        machine.lab.path("/var/lib/atlas/journal.db").write_text("no journal")
        assert machine.start(check=False) == 1
        machine.lab.until(
            ALERT, lambda p: p["ExecMainExitTimestamp"] != "", "ExecMainExitTimestamp"
        )
        machine.lab.until(ALERT, lambda p: p["ActiveState"] == "inactive")
        assert broker.open_orders() == 1
        broker.ask("DELETE", "/v2/orders")
    assert [word for word in map(str, posted) if "atlas has failed (exit-code 78)" in word]
