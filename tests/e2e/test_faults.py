"""The broker misbehaves during a run: it still ends where it should, and nothing is sent twice."""

import signal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import OrderStatus
from tests.e2e.processes import DUE, TARGETS, Broker, Place, a_broker, a_place, sent_twice, until

pytestmark = pytest.mark.e2e


def _is_reached(broker: Broker, place: Place) -> None:
    (plan,) = place.events(e.RunPlanned)
    wanted = {line.symbol: int(line.target_qty) for line in plan.lines if line.target_qty}
    held = broker.positions()
    assert set(held) == set(wanted) == set(TARGETS)
    assert all(abs(wanted[symbol] - held[symbol]) <= 1 for symbol in wanted)
    assert sent_twice(broker.orders()) == []


def test_orders_whose_answers_are_lost_are_found_by_id_and_not_sent_again() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        for kind in ("accept_then_504", "accept_then_reset", "accept_then_html"):
            broker.fault(kind=kind, method="POST", path="/v2/orders", count=1)
        broker.go_to(DUE)
        assert daemon.is_done()["last_run"]["outcome"] == "done"
        _is_reached(broker, place)
        submitted = place.events(e.OrderSubmitted)
        assert {event.sends for event in submitted} == {1}
        assert len(place.events(e.SubmitUnconfirmed)) == 3
        assert len(broker.orders()) == len(submitted)


def test_a_stream_that_is_cut_and_then_mute_leaves_polling_to_finish_the_run() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        broker.fault(kind="lost_events", count=None)  # not a word of any order is sent
        broker.go_to(DUE)
        until("first order", lambda: broker.account()["orders"])
        broker.fault(kind="stream_drop")
        broker.speed(10)
        assert daemon.is_done()["last_run"]["outcome"] == "done"
        _is_reached(broker, place)


def test_a_shutdown_waits_for_the_answer_under_way_and_records_it() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        broker.fault(kind="delay", seconds=2, method="POST", path="/v2/orders", count=2)
        broker.go_to(DUE)
        until("two orders on record", lambda: len(place.events(e.OrderSubmitted)) == 2)
        daemon.send(signal.SIGTERM)
        assert daemon.ends() == 0
        assert "Traceback" not in daemon.said()
        sent = {event.order_id for event in place.events(e.OrderSubmitted)}
        steps = place.events(e.OrderStepped)
        answered = {
            step.order_id for step in steps if step.broker_order_id or step.status == "withheld"
        }
        assert sent == answered
        at_broker = {order["client_order_id"] for order in broker.orders()}
        assert at_broker == {step.order_id for step in steps if step.broker_order_id}
        assert OrderStatus.UNKNOWN not in {step.status for step in steps}

        broker.heal()
        assert place.daemon().is_done()["last_run"]["outcome"] == "done"
        _is_reached(broker, place)
