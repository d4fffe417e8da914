"""The control plane over a real socket, with the real core behind it."""

import asyncio
import json
import os
import socket
import stat
from dataclasses import replace

import pytest

from atlas_daemon.cli.reading import entries_of
from atlas_daemon.control import ControlError, ControlServer, NoDaemonError, ask, follow
from atlas_daemon.control.messages import LINE_MAX
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AccountBusyError, ConfigError
from atlas_daemon.core.values import Regime
from atlas_daemon.journal import JournalFullError

from .desk import SIGNAL_DAY, Desk, DeskThread, settings_in


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path)


@pytest.fixture
def path(settings):
    return settings.control_socket_path


def raw(path, data: bytes) -> bytes:
    """Send bytes as they are, and return all that comes until the other side closes."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        found = b""
        while piece := sock.recv(65_536):
            found += piece
        return found


def test_the_socket_is_private(settings, path):
    with DeskThread(settings):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_status_and_ping_come_from_the_running_state(settings, path):
    with DeskThread(settings):
        assert ask(path, "status")["daemon"]["mode"] == "trading"
        assert ask(path, "ping")["account"] == "LARGE"
        assert ask(path, "orders") == []
        assert ask(path, "trades", date="2025-11-18") == []


def test_stop_is_answered_when_no_order_is_left(settings, path):
    with DeskThread(settings):
        done = ask(path, "stop", by="ann", reason="a\ntest")
        again = ask(path, "stop", by="bob", reason="me too")

    assert done == {
        "was_halted": False,
        "by": "ann",
        "reason": "a test",
        "is_complete": True,
        "is_durable": True,
        "open_orders": 0,
        "unconfirmed": 0,
    }
    assert (again["was_halted"], again["by"]) == (True, "ann")
    assert settings.latch_path.exists()


def test_a_stop_that_nobody_confirms_says_that_it_is_not_complete(settings, path):
    with DeskThread(settings, is_mute=True):
        done = ask(path, "stop", by="ann", reason="test", wait_s=1)

    assert not done["is_complete"]


def test_a_stop_that_cannot_be_written_holds_and_is_not_durable(settings, path, monkeypatch):
    with DeskThread(settings) as running:

        def full(entries):
            raise JournalFullError("disk full")

        monkeypatch.setattr(running.desk.journal, "append", full)
        done = ask(path, "stop", by="ann", reason="test", wait_s=1)

        assert running.desk.state.is_halted
    assert not done["is_durable"]


def test_resume_needs_the_accounts_name_and_takes_the_latch_off(settings, path):
    with DeskThread(settings):
        ask(path, "stop", by="ann", reason="test")
        with pytest.raises(ControlError, match="it holds LARGE") as wrong:
            ask(path, "resume", by="ann", account="SMALL")
        assert wrong.value.exit_code == 2
        assert settings.latch_path.exists()

        ask(path, "resume", by="ann", account="large")

        assert not settings.latch_path.exists()


def test_resume_of_what_is_not_halted_is_refused(settings, path):
    with DeskThread(settings), pytest.raises(ControlError, match="not halted") as no:
        ask(path, "resume", by="ann", account="LARGE")
    assert no.value.exit_code == 3


def test_a_rebalance_that_is_not_due_is_refused_with_its_rule(settings, path):
    with DeskThread(settings), pytest.raises(ControlError, match="2026-02-02") as no:
        ask(path, "rebalance", by="ann")
    assert (no.value.rule, no.value.exit_code) == ("due", 3)


def test_a_rebalance_while_halted_exits_with_4(settings, path):
    with DeskThread(settings):
        ask(path, "stop", by="ann", reason="test")
        with pytest.raises(ControlError, match="halted by ann") as no:
            ask(path, "rebalance", by="ann", force=True)
    assert no.value.exit_code == 4


def test_a_forced_rebalance_is_watched_to_its_end(settings, path):
    small = {"held": (), "cash": "50", "equity": "50", "regime": Regime.TREND_BULL}
    with DeskThread(settings, beats=20, **small):
        begun = ask(path, "rebalance", by="ann", force=True)
        entries = list(follow(path, begun["run"], begun["seq"] - 1, timeout_s=20))

    assert begun["run"] == "force-20251118-1"
    assert isinstance(entries[0].event, e.RunStarted)
    assert entries[-1].event.outcome == "done"
    assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})


def test_adopt_takes_over_one_symbol_or_all(settings, path):
    with DeskThread(settings):
        assert ask(path, "adopt", by="ann", symbol="aapl") == {"positions": {"AAPL": "8"}}
        everything = {"AAPL": "8", "MSFT": "4", "NVDA": "15"}
        assert ask(path, "adopt", by="ann", all=True) == {"positions": everything}
        with pytest.raises(ControlError, match="held by nobody"):
            ask(path, "adopt", by="ann", symbol="ZZZ")
        with pytest.raises(ControlError, match="a symbol or all"):
            ask(path, "adopt", by="ann", symbol="AAPL", all=True)


def test_a_persons_word_on_the_regime_is_heard_as_of_the_last_session(settings, path):
    with DeskThread(settings) as running:
        told = ask(path, "regime", by="ann", regime="trend_bear")
        seen = running.desk.state.regime
    assert told == {"regime": "TREND_BEAR", "as_of": "2025-11-17", "run": None}
    assert (seen.regime, seen.as_of) == (Regime.TREND_BEAR, SIGNAL_DAY)
    assert seen.source == "set by ann"


def test_a_regime_that_nobody_knows_changes_nothing(settings, path):
    with DeskThread(settings) as running:
        before = running.desk.state.regime
        with pytest.raises(ControlError, match="the regime DOOM is none of TREND_BULL") as denied:
            ask(path, "regime", by="ann", regime="doom")
        assert running.desk.state.regime == before
    assert denied.value.exit_code == 2


def test_a_crash_that_a_person_calls_goes_to_cash_at_once(settings, path):
    with DeskThread(settings, beats=20, regime=Regime.TREND_BULL):
        told = ask(path, "regime", by="ann", regime="CRASH")
    assert told["run"] == "crash-20251118"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"{", "not a request"),
        (b"\xff\xfe", "not a request"),
        (b"[1]", "not a request"),
        (b'{"do": 7}', "not a request"),
        (b"[" * 50_000, "not a request"),
        (b'{"do": "sell everything"}', "no such request"),
        (b'{"do": "stop", "by": [1]}', "by: a text"),
        (b'{"do": "rebalance", "force": "yes"}', "force: true or false"),
        (b'{"do": "stop", "wait_s": 9999999}', "wait_s: a whole number"),
        (b'{"do": "watch", "after": -1}', "after: a whole number"),
        (b'{"do": "trades", "date": "yesterday"}', "YYYY-MM-DD"),
        (b"x" * (LINE_MAX + 10), "at most 65536 bytes"),
    ],
)
def test_a_bad_request_is_answered_and_the_daemon_lives(settings, path, line, error):
    with DeskThread(settings):
        answer = json.loads(raw(path, line + b"\n"))
        assert error in answer["error"]
        assert (answer["ok"], answer["exit"]) == (False, 2)
        assert ask(path, "ping")


def test_half_a_request_is_closed_without_a_word(settings, path):
    with DeskThread(settings):
        assert raw(path, b'{"do": "stop"') == b""
        assert ask(path, "status")["halt"] is None


def test_half_of_a_surrogate_pair_in_a_reason_does_no_harm(settings, path):
    with DeskThread(settings):
        line = b'{"do": "stop", "by": "ann", "reason": "\\ud800"}\n'
        assert json.loads(raw(path, line))["result"]["reason"] == "?"


@pytest.mark.asyncio
async def test_a_client_that_never_reads_is_let_go_and_others_are_served(settings, path):
    desk = Desk(settings).open()
    server = ControlServer(desk, path, write_s=0.05)
    await server.start()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)
        await loop.sock_connect(deaf, str(path))
        await loop.sock_sendall(deaf, b'{"do": "status"}\n' * 3000)

        assert (await asyncio.to_thread(ask, path, "ping"))["account"] == "LARGE"
        done, waiting = await asyncio.wait(set(server._clients), timeout=10)

        assert done
        assert not waiting
    await server.stop()
    desk.journal.close()


@pytest.mark.asyncio
async def test_a_silent_client_is_let_go(settings, path):
    desk = Desk(settings).open()
    server = ControlServer(desk, path, idle_s=0.05)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(path))

    assert await reader.read() == b""

    writer.close()
    await server.stop()
    desk.journal.close()


@pytest.mark.asyncio
async def test_another_user_is_refused(settings, path):
    desk = Desk(settings).open()
    server = ControlServer(desk, path, uids=frozenset({-1}))
    await server.start()

    with pytest.raises(ControlError, match=f"user {os.geteuid()} may not control"):
        await asyncio.to_thread(ask, path, "ping")

    await server.stop()
    desk.journal.close()


@pytest.mark.asyncio
async def test_a_watcher_that_falls_behind_is_told_so(settings, path, monkeypatch):
    monkeypatch.setattr("atlas_daemon.control.requests.WAITING_MAX", 0)
    desk = Desk(settings).open()
    server = ControlServer(desk, path)
    await server.start()

    async def watched():
        return await asyncio.to_thread(lambda: list(follow(path, "no-run", desk.journal.head()[0])))

    begun, subscribe = asyncio.Event(), desk.subscribe

    def subscribed(subscriber):
        begun.set()
        return subscribe(subscriber)

    monkeypatch.setattr(desk, "subscribe", subscribed)
    watching = asyncio.create_task(watched())
    await begun.wait()
    desk.take(e.ResumeRequested("ann"))
    with pytest.raises(ControlError, match="watch again"):
        await watching

    await server.stop()
    desk.journal.close()


@pytest.mark.asyncio
async def test_a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not(settings, path):
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    desk = Desk(settings).open()
    first, second = ControlServer(desk, path), ControlServer(desk, path)

    await first.start()
    with pytest.raises(AccountBusyError, match="another daemon answers"):
        await second.start()
    await second.stop()

    assert path.exists()  # it was never the second one's to remove
    await first.stop()
    desk.journal.close()


@pytest.mark.asyncio
async def test_a_file_in_the_sockets_place_is_left_alone(settings, path):
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    desk = Desk(settings).open()

    with pytest.raises(ConfigError, match="something else is in its place"):
        await ControlServer(desk, path).start()

    assert path.read_text() == "precious"
    desk.journal.close()


def test_no_daemon_is_said_in_one_line(path):
    with pytest.raises(NoDaemonError, match="no daemon runs"):
        ask(path, "ping")


def test_a_daemon_that_hangs_is_not_waited_for_for_ever(path):
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        with pytest.raises(ControlError, match="did not answer within") as silent:
            ask(path, "ping", timeout_s=0.05)
    assert not isinstance(silent.value, NoDaemonError)


def test_a_live_account_is_named_to_force_a_rebalance(settings, path):
    with DeskThread(settings) as running:
        live = replace(settings, account=replace(settings.account, mode="live"))
        running.desk.settings = live
        with pytest.raises(ControlError, match="it holds LARGE"):
            ask(path, "rebalance", by="ann", force=True)
        assert running.desk.state.run is None


# Going live.

DIGEST = "ab" * 32
WORD = {"kind": "drill", "name": "kill9", "is_good": True, "text": "killed 9 times",
        "code_digest": DIGEST, "config_digest": DIGEST}  # fmt: skip


@pytest.fixture
def live(tmp_path):
    return settings_in(
        tmp_path,
        account__mode="live",
        account__number="PA1",
        regime__source="file:regime.json",
    )


def test_evidence_is_on_record_when_it_is_answered(settings, path):
    with DeskThread(settings) as running:
        seq = ask(path, "record", **WORD)["seq"]
        assert running.desk.state.evidence["drill", "kill9"].word == e.EvidenceReported(**WORD)
    (entry,) = [x for x in entries_of(settings) if x.seq == seq]
    assert entry.event == e.EvidenceReported(**WORD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "profit"}, "kind 'profit' is none of drill"),
        ({"name": None}, "name ''"),
        ({"text": 7}, "text: a text was expected"),
        ({"is_good": "yes"}, "is_good: true or false"),
        ({"code_digest": "abc"}, "code_digest 'abc'"),
    ],
)
def test_what_is_no_evidence_is_refused_and_nothing_is_written(settings, path, change, said):
    with DeskThread(settings) as running:
        before = running.desk.journal_head()
        with pytest.raises(ControlError, match=said) as no:
            ask(path, "record", **(WORD | change))
        assert running.desk.journal_head() == before
    assert no.value.exit_code == 2


def test_the_scale_is_lowered_at_once_and_raised_by_nobody_too_early(live):
    path = live.control_socket_path
    with DeskThread(live) as running:
        lowered = ask(path, "scale", by="ann", account="large", scale="0.1")
        assert lowered == {"was": "0.25", "scale": "0.1"}
        with pytest.raises(ControlError, match="nothing was bought live yet") as no:
            ask(path, "scale", by="ann", account="LARGE", scale="0.2")
        assert (no.value.rule, no.value.exit_code) == ("clean_days", 3)
        assert ask(path, "status")["ramp"]["scale"] == "0.1"
        with pytest.raises(ControlError, match="it holds LARGE"):
            ask(path, "scale", by="ann", scale="0.05")
        assert running.desk.state.ramp.scale is not None


@pytest.mark.parametrize("scale", ["0", "2", "half", "NaN", 0.5, None, "1e-999999999"])
def test_what_is_no_scale_is_a_bad_request(live, scale):
    with DeskThread(live), pytest.raises(ControlError, match="scale: a text such as") as no:
        ask(live.control_socket_path, "scale", account="LARGE", scale=scale)
    assert no.value.exit_code == 2


def test_outside_live_there_is_no_scale(settings, path):
    with DeskThread(settings), pytest.raises(ControlError, match="scale is of live mode") as no:
        ask(path, "scale", by="ann", scale="0.1")
    assert (no.value.rule, no.value.exit_code) == ("mode", 3)


def test_a_first_trade_has_a_run_of_its_own(settings, path):
    small = {"held": (), "cash": "500", "equity": "500", "regime": Regime.TREND_BULL}
    with DeskThread(settings, beats=20, **small):
        begun = ask(path, "rebalance", by="ann", first_trade=True)
        entries = list(follow(path, begun["run"], begun["seq"] - 1, timeout_s=20))
    assert begun["run"] == "first-20251118-1"
    (plan,) = [x.event for x in entries if isinstance(x.event, e.RunPlanned)]
    assert "AAPL: costs 100.50: no whole share for 75.00 dollars" in plan.notes


def test_a_live_first_trade_asks_for_the_account_and_then_for_the_certificate(live):
    path = live.control_socket_path
    with DeskThread(live):
        with pytest.raises(ControlError, match="it holds LARGE"):
            ask(path, "rebalance", by="ann", first_trade=True)
        with pytest.raises(ControlError, match="certificate: it was not read yet") as no:
            ask(path, "rebalance", by="ann", first_trade=True, account="LARGE")
    assert (no.value.rule, no.value.exit_code) == ("certificate", 3)


def test_a_first_trade_is_no_forced_rebalance(settings, path):
    with DeskThread(settings), pytest.raises(ControlError, match="two kinds of run"):
        ask(path, "rebalance", by="ann", first_trade=True, force=True)
