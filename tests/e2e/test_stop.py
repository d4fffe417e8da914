"""The emergency stop, seen from outside: at once, kept, and taken off by a person only."""

import random
import signal
import subprocess
import time
from functools import partial

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.drillmaster.tap import Tap
from tests.e2e.processes import (
    DUE,
    Broker,
    Daemon,
    a_broker,
    a_place,
    page_of,
    sent_twice,
    until,
)

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
        code, body = page_of(daemon, "/readyz")
        assert (code, body["ready"]) == (503, False)
        sent = len(broker.orders())

        daemon.send(signal.SIGUSR1)  # s165: once more changes nothing
        daemon.send(signal.SIGTERM)
        assert daemon.ends() == 0
        again = place.daemon()
        _is_halted(again)
        assert len(broker.orders()) == sent
        assert page_of(again, "/readyz")[0] == 503

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
        assert page_of(daemon, "/readyz")[0] == 503
        assert broker.orders() == []


UNIT = ("/usr/bin/env", "--block-signal=USR1,TERM,HUP")
"""How the unit file starts the daemon: held back before there is a Python."""


def _can_block() -> bool:
    try:
        return subprocess.run([*UNIT, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not _can_block(), reason="env(1) knows no --block-signal (coreutils 8.31)")
def test_started_as_the_unit_does_a_stop_at_any_moment_after_exec_is_kept() -> None:
    draw = random.Random("stop after exec")
    with a_broker() as broker:
        for latest_s in (0.0, 0.2, 1.0):  # the first is still within env, before any Python
            with a_place() as place:
                daemon = place.write(broker.url).daemon(*UNIT)
                until("the signal being held back", partial(daemon.blocks, signal.SIGUSR1))
                time.sleep(draw.uniform(0, latest_s))
                daemon.send(signal.SIGUSR1)
                assert _is_halted(daemon)["halt"]["by"] == "SIGUSR1"
                assert place.latch.exists()
        assert broker.orders() == []


def test_started_by_hand_a_stop_before_python_is_up_ends_the_process_and_nothing_is_sent() -> None:
    draw = random.Random("stop by hand")
    with a_broker() as broker:
        for latest_s in (0.0, 0.1):
            with a_place() as place:
                daemon = place.write(broker.url).daemon()
                time.sleep(draw.uniform(0, latest_s))
                daemon.send(signal.SIGUSR1)
                until("an end or a stop", partial(_has_ended_or_stopped, daemon))
                if daemon.process.poll() is None:
                    _is_halted(daemon)
                else:
                    assert daemon.ends() == -signal.SIGUSR1
                    assert not place.state.exists()
        assert broker.orders() == []


def _has_ended_or_stopped(daemon: Daemon) -> bool:
    return daemon.process.poll() is not None or daemon.home.latch.exists()


def test_a_stop_twice_with_the_broker_out_of_reach_survives_a_kill_and_is_carried_out_later() -> (
    None
):
    with a_broker() as broker, a_place() as place:
        tap = Tap(int(broker.url.rpartition(":")[2]), lambda words: True)
        try:
            daemon = place.write(tap.url).daemon()
            daemon.is_trading()
            _trading(broker, "halt")  # one sell rests
            broker.go_to(DUE)
            until("first fill on record", lambda: place.events(e.FillBooked))
            sent = len(broker.orders())
            tap.refuse()
            daemon.send(signal.SIGUSR1)
            daemon.send(signal.SIGUSR1)
            status = daemon.wait_for("halt", lambda seen: seen["halt"])
            assert status["halt"]["is_durable"]
            assert not status["halt"]["is_complete"]
            assert place.latch.exists()
            daemon.process.kill()
            assert daemon.ends() == -signal.SIGKILL
            assert broker.open_orders() == 1

            tap.accept()
            _is_halted(place.daemon())
            assert broker.open_orders() == 0
            assert len(broker.orders()) == sent
            halted = [type(x.event) for x in place.entries()].index(e.TradingHalted)
            later = place.entries()[halted:]
            assert not any(isinstance(x.event, e.OrderSubmitted) for x in later)
        finally:
            tap.close()
