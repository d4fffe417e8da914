"""The emergency stop, seen from outside: at once, kept, and taken off by a person only."""

import signal

import pytest

from atlas_daemon.core import events as e
from tests.e2e.processes import DUE, Broker, Daemon, a_broker, a_place, sent_twice, until

pytestmark = pytest.mark.e2e


def _is_halted(daemon: Daemon) -> dict:
    status = daemon.wait_for(
        "complete stop", lambda seen: seen["halt"] is not None and seen["halt"]["is_complete"]
    )
    assert status["daemon"]["mode"] == "halted"
    return status


def _is_past_due(daemon: Daemon, broker: Broker) -> None:
    """Let the slot fall due for a daemon that was there before it."""
    broker.go_to(DUE)
    daemon.wait_for("a later minute", lambda status: status["at"] > "2026-02-02T14:35:04")


def _trading(broker: Broker, kind: str) -> None:
    broker.ask("POST", "/_admin/events", {"kind": kind, "symbol": "INTC"})


def test_s162_a_stop_in_mid_run_pulls_every_order_and_holds_until_resumed() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        _trading(broker, "halt")  # one sell rests
        broker.go_to(DUE)
        until("first fill on record", lambda: place.events(e.FillBooked))
        assert broker.open_orders() == 1
        daemon.send(signal.SIGUSR1)
        status = _is_halted(daemon)
        assert status["halt"]["is_durable"]
        assert place.latch.exists()
        assert broker.open_orders() == 0
        code, body = daemon.page("/readyz")
        assert (code, body["ready"]) == (503, False)
        sent = len(broker.orders())

        daemon.send(signal.SIGUSR1)  # s165: once more changes nothing
        daemon.send(signal.SIGTERM)
        assert daemon.ends() == 0
        again = place.daemon()
        _is_halted(again)
        assert len(broker.orders()) == sent
        assert again.page("/readyz")[0] == 503

        _trading(broker, "resume")
        refused = place.run("resume", "--account", "ANOTHER")
        assert refused.returncode == 2
        assert place.latch.exists()
        resumed = place.run("resume", "--account", "PROOF")
        assert resumed.returncode == 0, resumed.stderr
        assert not place.latch.exists()
        status = again.is_done()
        assert status["last_run"]["outcome"] == "done"
        last = place.events(e.RunPlanned)[-1]
        wanted = {line.symbol: int(line.target_qty) for line in last.lines if line.target_qty}
        held = broker.positions()
        assert set(held) == set(wanted)
        assert all(abs(wanted[symbol] - held[symbol]) <= 1 for symbol in wanted)
        assert sent_twice(broker.orders()) == []


def test_s175_a_stop_while_starting_up_is_kept_and_nothing_is_traded() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        until("the signal being held back", lambda: daemon.blocks(signal.SIGUSR1))
        daemon.send(signal.SIGUSR1)
        _is_halted(daemon)
        assert place.latch.exists()
        _is_past_due(daemon, broker)
        assert broker.orders() == []
        kinds = [type(entry.event) for entry in place.entries()]
        assert e.RunStarted not in kinds
        daemon.send(signal.SIGTERM)
        assert daemon.ends() == 0
        assert place.latch.read_text().count("\n") == 1


def test_a_latch_file_found_at_the_start_halts_whatever_is_in_it() -> None:
    with a_broker() as broker, a_place() as place:
        place.write(broker.url)
        place.state.mkdir()
        place.latch.touch()
        daemon = place.daemon()
        status = _is_halted(daemon)
        assert status["halt"]["by"] == "latch file"
        _is_past_due(daemon, broker)
        assert daemon.page("/readyz")[0] == 503
        assert broker.orders() == []
