"""Signals that find no daemon: as it starts, as it ends, or because it cannot start at all."""

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.processes import Daemon, Place, a_broker, a_place, until

pytestmark = pytest.mark.e2e

LATCH = "by SIGUSR1: signal (local-PROOF"


def _holds_again(daemon: Daemon) -> bool:
    """True where the handlers are gone: what comes is held back until the process ends."""
    return daemon.blocks(signal.SIGUSR1) and daemon.blocks(signal.SIGTERM)


@pytest.mark.parametrize("late", [(signal.SIGUSR1,), (signal.SIGTERM, signal.SIGINT)])
def test_a_signal_after_the_handlers_have_gone_neither_kills_nor_gets_lost(
    late: tuple[signal.Signals, ...],
) -> None:
    with a_place() as place:
        daemon = place.write().daemon()  # its own broker is ended after it: some 100 ms
        until("the daemon", daemon.status)
        daemon.send(signal.SIGTERM)
        until("the signals being held back", partial(_holds_again, daemon))
        for number in late:
            daemon.send(number)
        assert daemon.ends() == 0
        assert place.latch.exists() is (signal.SIGUSR1 in late)
        if place.latch.exists():
            assert LATCH in place.latch.read_text()
            assert f"the latch {place.latch} is on" in daemon.said()


def test_a_stop_and_an_end_while_starting_leave_the_latch_and_end_well() -> None:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        until("the signals being held back", partial(_holds_again, daemon))
        daemon.send(signal.SIGUSR1)
        daemon.send(signal.SIGTERM)
        assert daemon.ends() == 0
        assert LATCH in place.latch.read_text()
        assert broker.orders() == []


def test_an_end_while_a_silent_broker_is_asked_for_the_time_comes_at_once() -> None:
    with a_broker() as broker, a_place() as place:
        broker.fault(kind="hang", method="GET", path="/v2/clock", count=None)
        daemon = place.write(broker.url).daemon()
        until("the account's lock", (place.state / "lock").exists)
        daemon.send(signal.SIGUSR1)
        daemon.send(signal.SIGINT)
        assert daemon.ends(5) == 0
        assert place.latch.exists()


def _started_wrongly(place: Place, wrong: str, code: int) -> Daemon:
    place.config.write_text(place.config.read_text() + wrong)
    daemon = place.daemon()
    until("the signal being held back", partial(daemon.blocks, signal.SIGUSR1))
    daemon.send(signal.SIGUSR1)
    assert daemon.ends() == code
    return daemon


def test_a_stop_of_a_daemon_that_cannot_start_is_kept_or_said_to_be_lost() -> None:
    with a_place() as place:
        place.write("http://127.0.0.1:9")
        daemon = _started_wrongly(place, 'no.such = "key"\n', 78)
        assert "SIGUSR1 found no daemon to take it; without a configuration" in daemon.said()
        assert not place.state.exists()

        place.write("http://127.0.0.1:9", paths__log_dir=f'"{Path("/proc/no")}"')
        _started_wrongly(place, "", 78)
        assert LATCH in place.latch.read_text()
