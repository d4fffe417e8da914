"""Each finding, provoked on the local broker over real sockets, or on the account's own folders."""

import resource
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Level
from tests.control.desk import DeskThread
from tests.doctor.ward import SIGNAL_DAY, Strategy, Ward, a_ward
from tests.e2e.one_process import a_scene

OK, WARN, RED = Level.OK, Level.WARN, Level.RED


@pytest.mark.asyncio
async def test_a_sound_account_has_nothing_red(tmp_path):
    async with a_ward(tmp_path, {"notify.webhook_url": ""}) as ward:
        chart = await ward.examined()
    assert {f.check for f in chart.findings if f.level is RED} == set()
    assert {f.check for f in chart.findings if f.level is WARN} == {"alerts", "daemon"}
    assert chart.plan["outcome"] == "done"
    assert [(o["side"], o["symbol"]) for o in chart.plan["orders"]] == [
        ("sell", "CCC"),
        ("buy", "AAA"),
        ("buy", "BBB"),
    ]


Provoke = Callable[[Ward], Awaitable[object] | object]


def _fault(**fault) -> Provoke:
    return lambda ward: ward.fault(**fault)


def _strategy(**changes) -> Provoke:
    def provoke(ward):
        for name, value in changes.items():
            setattr(ward.strategy, name, value)

    return provoke


def _order(**changes) -> Provoke:
    rests = {"symbol": "AAA", "qty": "1", "type": "limit", "limit_price": "50"}
    return lambda ward: ward.broker.order(**(rests | changes))


def _environ(**variables) -> Provoke:
    return lambda ward: ward.environ.update(variables)


def _without_a_secret(ward):
    del ward.environ["ALPACA_PROOF_SECRET"]


def _suspend(ward):
    return ward.broker.ask("PATCH", "/v2/account/configurations", json={"suspend_trade": True})


async def _spend(ward):
    for _ in range(25):
        await ward.broker.get("/v2/account")


def _latch(ward):
    ward.settings.latch_path.write_text("halted\n")


def _open_to_others(ward):
    ward.settings.dotenv_path.write_text("ALPACA_PROOF_KEY=x\n")
    ward.settings.dotenv_path.chmod(0o644)


def _writable(ward):
    ward.settings.state_dir.chmod(0o777)


def _no_folder(ward):
    ward.settings.log_dir.rmdir()


def _file_for_a_folder(ward):
    ward.settings.log_dir.rmdir()
    ward.settings.log_dir.write_text("")


PROVOKED = [
    ("keys the broker does not know", _environ(ALPACA_PROOF_KEY="PKWRONG"), "keys", RED, "refuses"),
    ("half of the keys", _without_a_secret, "keys", RED, "ALPACA_PROOF_SECRET is missing"),
    ("a blocked account", _fault(kind="account_blocked"), "account", RED, "account is blocked"),
    ("blocked trading", _fault(kind="trading_blocked"), "account", RED, "trading is blocked"),
    ("the broker's own latch", _suspend, "suspend_trade", RED, "refuses every order"),
    ("a broker that counts us out", _fault(kind="http_429", count="always"), "budget", RED, "429"),
    ("a missing session", _fault(kind="odd_calendar", day="2024-02-05"), "calendar", RED,
     "2024-02-05: ours 09:30-16:00, the broker's closed"),
    ("another close", _fault(kind="odd_calendar", day="2024-02-05", close="13:00"), "calendar", RED,
     "the broker's 09:30-13:00"),
    ("stale bars", _strategy(why_not="bars end on 2024-01-29"), "bars", RED, "end on 2024-01-29"),
    ("symbols without bars", _strategy(refused=(("NEW", "12 sessions"),)), "bars", WARN,
     "1 could not be: NEW: 12 sessions"),
    ("a regime that is not to be had", _strategy(why_no_regime="regime.json: empty"), "regime", RED,
     "regime.json: empty"),
    ("no regime", _strategy(regime=None), "regime", RED, "gives none"),
    ("a stale regime", _strategy(regime_as_of=SIGNAL_DAY - timedelta(days=1)), "regime", RED,
     "is of 2024-01-30, older than the signal session 2024-01-31"),
    ("a stale regime, planned", _strategy(regime_as_of=SIGNAL_DAY - timedelta(days=1)), "plan", RED,
     "a run would not start"),
    ("an untradable target", _fault(kind="untradable_asset", symbol="AAA"), "tradable", RED,
     "AAA (inactive)"),
    ("an untradable holding", _fault(kind="untradable_asset", symbol="CCC"), "tradable", WARN,
     "CCC (inactive)"),
    ("a foreign order on a target", _order(side="buy"), "orders", RED, "buy 1 AAA"),
    ("an order of another daemon", _order(side="buy", client_order_id="atlas-2024-02-r1-buy-AAA-1"),
     "orders", RED, "no run is under way: buy 1 AAA"),
    ("an order of another daemon, planned",
     _order(side="buy", client_order_id="atlas-2024-02-r1-buy-AAA-1"), "plan", RED,
     "an order with our prefix rests"),
    ("the latch", _latch, "latch", RED, "trading is halted"),
    ("keys that others may read", _open_to_others, "files", RED, "others may read it"),
    ("a state that others may change", _writable, "files", RED, "others may write to it"),
    ("no folder yet", _no_folder, "log_dir", WARN, "first start makes it"),
    ("a file where a folder should be", _file_for_a_folder, "log_dir", RED, "takes no file"),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("provoke", "check", "level", "words"), [p[1:] for p in PROVOKED], ids=[p[0] for p in PROVOKED]
)
async def test_it_is_found(tmp_path, provoke, check, level, words):
    async with a_ward(tmp_path) as ward:
        if (done := provoke(ward)) is not None and not isinstance(done, int):
            await done
        found = (await ward.findings())[check]
    assert (found.level, found.check) == (level, check), found
    assert words in found.text
    assert found.advice or found.check in ("log_dir", "regime", "bars"), found


@pytest.mark.asyncio
async def test_keys_of_another_account_are_found(tmp_path):
    async with a_ward(tmp_path, {"account.number": "PA999"}) as ward:
        found = (await ward.findings())["number"]
    assert found.level is RED
    assert "account.number" in found.text or "PA999" in found.text


@pytest.mark.asyncio
async def test_a_plan_that_a_gate_refuses_is_found(tmp_path):
    async with a_ward(tmp_path, {"risk.max_total_allocation": Decimal("0.15")}) as ward:
        found = (await ward.findings())["plan"]
    assert found.level is RED
    assert "a gate refuses it: total allocation" in found.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("skew_s", "level", "words"),
    [
        (0, (OK, WARN), "agrees"),  # by whether this machine keeps its clock by NTP
        (5, (WARN,), "5.0 s ahead of the broker's"),
        (-60, (RED,), "60.0 s behind the broker's"),
    ],
)
async def test_a_skewed_clock_is_found(tmp_path, skew_s, level, words):
    async with a_ward(tmp_path) as ward:
        ward.in_paper_mode(timedelta(seconds=skew_s))
        found = (await ward.findings())["clock"]
    assert found.level in level
    assert words in found.text


@pytest.mark.asyncio
async def test_a_budget_that_others_spend_is_found_and_left_alone(tmp_path):
    async with a_ward(tmp_path, rate_limit_per_min=40) as ward:
        await _spend(ward)
        found = await ward.findings()
        status, _ = await ward.broker.ask("GET", "/v2/account")
    assert found["budget"].level in (WARN, RED)
    assert "of 40 requests of this minute are left" in found["budget"].text
    assert status == 200  # the daemon still has requests


@pytest.mark.asyncio
async def test_a_broker_that_is_dark_is_one_red_finding(tmp_path):
    async with a_ward(tmp_path) as ward:
        ward.in_paper_mode(timedelta(0))
        await ward.broker.broker.stop()
        ward.whole_s = 1.0
        found = await ward.findings()
        red = {check for check, finding in found.items() if finding.level is RED}
    assert red == {"broker"}
    for check in ("calendar", "orders", "tradable", "plan"):
        assert found[check].level is WARN
        assert found[check].text.startswith("not known")
    assert found["bars"].level is OK  # they come from elsewhere


@contextmanager
def a_full_disk():
    """No file of this process may grow beyond nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.asyncio
async def test_a_full_disk_is_found(tmp_path):
    async with a_ward(tmp_path) as ward:
        with a_full_disk():
            found = await ward.findings()
    for check in ("state_dir", "log_dir"):
        assert found[check].level is RED
        assert "takes no file" in found[check].text
    assert "cannot be written" in found["changes"].text
    assert not list(ward.settings.state_dir.glob(".doctor*"))


# With a daemon's journal, and with the daemon.


@pytest.mark.asyncio
async def test_a_tampered_journal_is_found(tmp_path):
    async with a_ward(tmp_path) as ward:
        with DeskThread(ward.settings):
            pass
        with sqlite3.connect(ward.settings.journal_path) as connection:
            connection.execute("DROP TRIGGER IF EXISTS entries_are_kept")
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute("UPDATE entries SET payload = '{}' WHERE seq = 2")
        connection.close()
        found = await ward.findings()
    assert found["journal"].level is RED
    assert "does not verify" in found["journal"].text
    assert "entry 2" in found["journal"].text


@pytest.mark.asyncio
async def test_a_journal_that_was_cut_is_found_by_the_running_daemons_head(tmp_path):
    async with a_ward(tmp_path) as ward:
        with DeskThread(ward.settings) as running:
            kept = running.desk.journal_head
            running.desk.journal_head = lambda: (kept()[0] + 5, "f" * 64)
            found = await ward.findings()
    assert found["journal"].level is RED
    assert "is missing" in found["journal"].text


@pytest.mark.asyncio
async def test_a_daemon_that_has_run_and_does_not_is_found(tmp_path):
    async with a_ward(tmp_path) as ward:
        with DeskThread(ward.settings):
            pass
        found = await ward.findings()
    assert found["daemon"].level is RED
    assert "does not run" in found["daemon"].text
    assert "mode" not in found


@pytest.mark.asyncio
async def test_a_sound_daemon_is_found_sound(tmp_path):
    async with a_ward(tmp_path) as ward:
        with DeskThread(ward.settings):
            found = await ward.findings()
    for check in ("daemon", "config", "mode", "stream", "latch", "journal"):
        assert found[check].level is OK, found[check]


DAEMONS = [
    ("another configuration", lambda desk: None, "config", WARN, "something else"),
    ("a stop", lambda desk: desk.hear(e.StopRequested("ann", "a test")), "mode", RED, "halted"),
    ("a refused stream", lambda desk: desk.hear(e.StreamReported("refused", "406")), "stream", RED,
     "406"),
    ("a lost stream", lambda desk: desk.hear(e.StreamReported("lost")), "stream", WARN, "polled"),
    ("alerts that do not get out",
     lambda desk: setattr(desk, "deliveries", lambda: [UNDELIVERED]), "alerts", RED, "HTTP 404"),
    ("alerts that get out",
     lambda desk: setattr(desk, "deliveries", lambda: [DELIVERED]), "alerts", OK,
     "webhook delivered on 2024-01-31 19:00"),
]  # fmt: skip
DELIVERED = {
    "channel": "webhook",
    "waiting": 0,
    "waiting_since": None,
    "delivered_at": "2024-02-01T00:00:00+00:00",
    "failed_at": None,
    "why": "",
    "is_durable": True,
}
UNDELIVERED = DELIVERED | {
    "waiting": 3,
    "failed_at": "2024-02-01T01:00:00+00:00",
    "why": "HTTP 404",
}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("provoke", "check", "level", "words"), [d[1:] for d in DAEMONS], ids=[d[0] for d in DAEMONS]
)
async def test_what_is_wrong_with_the_daemon_is_found(tmp_path, provoke, check, level, words):
    async with a_ward(tmp_path, {"notify.webhook_url": "http://127.0.0.1:9/hook"}) as ward:
        with DeskThread(ward.settings) as running:
            running.loop.call_soon_threadsafe(provoke, running.desk)
            if check == "config":
                ward.change(risk__max_position_pct=Decimal("0.1"))
            found = (await ward.findings())[check]
    assert found.level is level, found
    assert words in found.text


@pytest.mark.asyncio
async def test_a_mistake_of_our_own_is_told_and_hides_nothing(tmp_path):
    async with a_ward(tmp_path) as ward:
        ward.strategy.picks = ("NOSUCH",)  # a KeyError in the strategy
        found = await ward.findings()
    assert found["bars"].level is RED
    assert "the doctor itself failed: KeyError" in found["bars"].text
    assert found["orders"].level is OK


@pytest.mark.asyncio
async def test_nothing_but_questions_reaches_the_broker(tmp_path):
    async with a_ward(tmp_path) as ward:
        for method in ("POST", "PATCH", "DELETE"):
            await ward.fault(kind="http_500", method=method, count="always")
        await ward.findings()
        faults = await ward.broker.get("/_admin/faults")
    struck = [one.get("struck", one.get("strikes", 0)) for one in faults["armed"]]
    assert struck == [0, 0, 0], faults


@pytest.mark.asyncio
async def test_it_looks_while_a_rebalance_runs_and_touches_nothing(tmp_path):
    async with a_scene(tmp_path, held={"CCC": 40}) as scene:
        scene.trading("CCC", is_halted=True)  # the run's sell rests
        await scene.until(lambda: scene.has_order("sell-CCC"))
        before = set(scene.account.orders)
        ward = Ward(tmp_path, scene.broker, scene.daemon.settings, Strategy())
        ward.environ.clear()
        looked = await ward.findings()
        assert set(scene.account.orders) == before
        assert scene.daemon.state.run is not None
        scene.trading("CCC", is_halted=False)
        finished = await scene.is_finished()
        scene.nothing_went_wrong()
    assert finished.outcome == "done"
    assert "run 2024-02 is under way" in looked["slot"].text
    assert looked["orders"].level is OK
    assert "nothing is rehearsed beside it" in looked["plan"].text
    assert "rehearsal" not in looked
    assert looked["journal"].level is OK
