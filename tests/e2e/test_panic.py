"""`atlasd panic`, for the day when the daemon, its configuration or its disk is what is broken."""

import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from atlas_daemon.core import events as e
from tests.e2e.processes import DUE, Broker, Place, a_broker, a_place, until

pytestmark = pytest.mark.e2e

REST = {"symbol": "IBM", "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day"}


@pytest.fixture
def place() -> Iterator[Place]:
    with a_place() as made:
        yield made


def _rest_two(broker: Broker) -> None:
    for limit in ("1.01", "1.02"):
        broker.ask("POST", "/v2/orders", REST | {"limit_price": limit})
    assert broker.open_orders() == 2


def _is_suspended(broker: Broker) -> bool:
    return broker.ask("GET", "/v2/account")["trade_suspended_by_user"]


def test_a_wedged_daemon_is_stopped_by_the_second_rope(place: Place) -> None:
    with a_broker() as broker:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        broker.ask("POST", "/_admin/events", {"kind": "halt", "symbol": "INTC"})  # one sell rests
        broker.go_to(DUE)
        until("first fill on record", lambda: place.events(e.FillBooked))
        assert broker.open_orders() == 1
        daemon.send(signal.SIGSTOP)
        done = place.run("panic")
        assert done.returncode == 0, done.stderr
        assert f"latch {place.latch} is on" in done.stdout
        assert "round 1: cancel asked for 1" in done.stdout
        assert done.stdout.endswith("no order is open\n")
        assert broker.open_orders() == 0
        assert not _is_suspended(broker)
        assert "local-PROOF" in place.latch.read_text()

        daemon.send(signal.SIGCONT)
        sent = len(broker.orders())
        status = daemon.wait_for("halt by the file", lambda seen: seen["halt"] is not None)
        assert status["halt"]["by"] == "latch file"
        daemon.wait_for("complete halt", lambda seen: seen["halt"]["is_complete"])
        assert len(broker.orders()) == sent


def test_it_needs_no_configuration_and_where_no_latch_can_be_the_broker_holds_the_stop(
    place: Place,
) -> None:
    with a_broker() as broker:
        place.write(broker.url, risk__max_positon_pct="0.2")
        place.state.write_text("a file where the folder should be")
        _rest_two(broker)
        lost = place.run("panic")
        assert lost.returncode == 2
        assert "risk.max_positon_pct" in lost.stderr
        assert "--name NAME" in lost.stderr
        done = place.run(
            *("panic", "--name", "PROOF", "--mode", "local", "--trading-url", broker.url),
            *("--state-dir", str(place.state)),
        )
        assert done.returncode == 0, done.stderr
        assert "the latch cannot be written" in done.stderr
        assert "suspend_trade is set" in done.stdout
        assert broker.open_orders() == 0
        assert _is_suspended(broker)


def test_on_a_full_disk_it_cancels_and_suspends(place: Place) -> None:
    with a_broker() as broker:
        place.write(broker.url)
        _rest_two(broker)
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *place.command("panic")],
            cwd=place.folder,
            env=place.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "the latch cannot be written" in done.stderr
        assert "2 open" in done.stdout or "cancel asked for 2" in done.stdout
        assert broker.open_orders() == 0
        assert _is_suspended(broker)


def test_cancel_only_leaves_latch_and_account_alone(place: Place) -> None:
    with a_broker() as broker:
        place.write(broker.url)
        _rest_two(broker)
        done = place.run("panic", "--cancel-only")
        assert done.returncode == 0, done.stderr
        assert broker.open_orders() == 0
        assert not place.latch.exists()
        assert not _is_suspended(broker)


def test_it_goes_on_while_the_broker_answers_badly(place: Place) -> None:
    with a_broker() as broker:
        place.write(broker.url)
        _rest_two(broker)
        broker.fault(kind="http_500_html", count=2, method="DELETE", path="/v2/orders")
        done = place.run("panic", "--suspend", patience_s=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the cancel was not taken" in done.stdout
        assert broker.open_orders() == 0
        assert _is_suspended(broker)


def test_a_broker_that_does_not_answer_is_no_success(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = place.write(url).run("panic", "--patience", "1", patience_s=60)
    assert done.returncode == 1
    assert "nobody can say how many orders are open" in done.stderr
    assert place.latch.exists()
