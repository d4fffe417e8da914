"""SIGKILL in the middle of a run: nothing is sent twice, nothing is lost."""

import signal

import pytest

from atlas_daemon.core import events as e
from tests.e2e.processes import DUE, SLOT, a_broker, a_place, sent_twice, until

pytestmark = pytest.mark.e2e


def test_s142_killed_between_two_fills_the_next_process_reaches_the_same_targets() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        broker.ask("POST", "/_admin/events", {"kind": "halt", "symbol": "INTC"})
        broker.go_to(DUE)
        until("first fill on record", lambda: place.events(e.FillBooked))
        assert broker.open_orders() == 1
        daemon.process.kill()
        assert daemon.ends() == -signal.SIGKILL
        assert place.events(e.RunFinished) == []
        broker.ask("POST", "/_admin/events", {"kind": "resume", "symbol": "INTC"})
        until("a fill while nobody listens", lambda: broker.open_orders() == 0)

        again = place.daemon()
        status = again.is_done()
        assert status["last_run"]["outcome"] == "done"
        (plan,) = place.events(e.RunPlanned)
        wanted = {line.symbol: int(line.target_qty) for line in plan.lines if line.target_qty}
        held = broker.positions()
        assert set(held) == set(wanted)
        assert all(abs(wanted[symbol] - held[symbol]) <= 1 for symbol in wanted)
        assert sent_twice(broker.orders()) == []
        assert [event.run_id for event in place.events(e.RunStarted)] == [SLOT]
        assert len(place.events(e.DaemonStarted)) == 2
        assert {event.sends for event in place.events(e.OrderSubmitted)} == {1}
