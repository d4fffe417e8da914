"""The state file: what is answered is in it, a kill undoes nothing, damage is refused."""

import asyncio
import contextlib
import copy
import json
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from atlas_daemon.paper import store
from atlas_daemon.paper.desk import Desk, NewAccount, PaperConfig
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.refusals import RefusedError
from atlas_daemon.paper.market.calendar import Calendar
from tests.paper.sockets import running
from tests.paper.world import NEXT_CLOSE, NEXT_OPEN, NOON, TableMarket, an_order


class Hand:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def a_config(path: Path | None, **changes: Any) -> PaperConfig:
    values: dict[str, Any] = {
        "market": TableMarket(SPY=("99.90", "100.00"), CHEAP=("9.90", "10.00")),
        "calendar": Calendar(),
        "starts_at": NOON,
        "state_path": path,
        "holdings": {"SPY": (Decimal(5), Decimal(50))},
        "partial_fill_pct": 0.3,
        "monotonic": Hand(),
    }
    return PaperConfig(**(values | changes))


def a_desk(path: Path | None, **changes: Any) -> Desk:
    return Desk(a_config(path, **changes))


def all_of(desk: Desk) -> list[dict[str, object]]:
    """Everything that is known of every account, as values."""
    return [
        {f.name: copy.deepcopy(getattr(account, f.name)) for f in fields(Account)}
        for account in desk.exchange.by_key.values()
    ]


def submit(desk: Desk, account: Account | None = None, **order: object) -> Any:
    account = account or desk.exchange.by_key[desk.key]
    placed = desk.exchange.submit(account, an_order(**order), desk.clock.now())
    desk.touch()
    desk.settle()
    return placed


@contextlib.contextmanager
def killed(desk: Desk):
    """Let go of the file as a kill would: nothing more is written."""
    yield
    assert desk._file is not None
    desk._file.close()


SYMBOLS = st.sampled_from(["SPY", "CHEAP"])
STEPS = st.one_of(
    st.tuples(st.just("buy"), SYMBOLS, st.integers(1, 3), st.sampled_from(["", "8.5", "99.95"])),
    st.tuples(st.just("sell"), SYMBOLS, st.integers(1, 3), st.sampled_from(["", "120"])),
    st.tuples(st.just("trail"), st.just("SPY"), st.integers(1, 2), st.just("")),
    st.tuples(st.just("group"), st.just("SPY"), st.integers(1, 2), st.sampled_from(["103", "150"])),
    st.tuples(st.just("cancel"), SYMBOLS, st.integers(0, 5), st.just("")),
    st.tuples(st.just("replace"), SYMBOLS, st.integers(0, 5), st.just("")),
    st.tuples(st.just("move"), SYMBOLS, st.integers(-3, 3), st.just("")),
    st.tuples(st.just("wait"), SYMBOLS, st.sampled_from([0, 1, 60, 20_000, 70_000]), st.just("")),
    st.tuples(st.just("reset"), SYMBOLS, st.integers(0, 1), st.just("")),
    st.tuples(st.just("suspend"), SYMBOLS, st.integers(0, 1), st.just("")),
)


def live(desk: Desk, step: tuple[str, str, int, str], clock: Hand) -> None:
    what, symbol, number, price = step
    account = desk.exchange.by_key[desk.key]
    market = desk.config.market
    assert isinstance(market, TableMarket)
    with contextlib.suppress(RefusedError):
        match what:
            case "buy" | "sell":
                kind = {"type": "limit", "limit_price": price} if price else {}
                submit(desk, side=what, symbol=symbol, qty=number, time_in_force="gtc", **kind)
            case "trail":
                submit(
                    desk,
                    side="sell",
                    symbol=symbol,
                    qty=number,
                    type="trailing_stop",
                    trail_price=2,
                )
            case "group":
                submit(
                    desk,
                    qty=number,
                    order_class="bracket",
                    take_profit={"limit_price": price},
                    stop_loss={"stop_price": "80"},
                )
            case "cancel" | "replace":
                orders = list(account.open.values())
                if orders:
                    order_id, now = orders[number % len(orders)].id, desk.clock.now()
                    if what == "cancel":
                        desk.exchange.cancel(account, order_id, now)
                    else:
                        desk.exchange.replace(account, order_id, {"limit_price": "8.6"}, now)
            case "move":
                middle = {"SPY": 100, "CHEAP": 10}[symbol] + number
                market.move(symbol, desk.clock.now(), f"{middle - 1}.90", f"{middle}.00")
            case "reset" if number:
                desk.reset_account(desk.key)
            case "suspend":
                account.configuration.suspend_trade = bool(number)
    if what == "wait":
        clock.at += number
    desk.touch()
    desk.settle()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@example(
    steps=[("buy", "SPY", 2, ""), ("wait", "SPY", 60, ""), ("wait", "SPY", 20_000, "")],
    is_swept=False,
)
@given(steps=st.lists(STEPS, max_size=25), is_swept=st.booleans())
def test_a_file_tells_all_that_was_true_when_its_last_line_was_written(
    tmp_path_factory, steps, is_swept
):
    path = tmp_path_factory.mktemp("state") / "paper.state"
    clock = Hand()
    desk = a_desk(path, monotonic=clock)
    with killed(desk):
        for step in steps:
            live(desk, step, clock)
        if is_swept:
            desk.save()
    found = store.open_existing(path)
    assert found is not None
    found[0].close()
    memory = found[1]
    told = [{f.name: getattr(a, f.name) for f in fields(Account)} for a in memory.accounts]
    ours = all_of(desk)
    if not is_swept:  # the water mark of a stop that trails is told once a second
        for accounts in (told, ours):
            for account in accounts:
                account["orders"] = {
                    i: (o.status, o.filled_qty, o.qty) for i, o in account["orders"].items()
                }
    assert told == ours
    assert (memory.order_count, memory.account_count) == (
        desk.exchange.order_count,
        desk.exchange.account_count,
    )


def test_a_file_written_anew_tells_the_same(tmp_path, monkeypatch):
    path = tmp_path / "paper.state"
    clock = Hand()
    desk = a_desk(path, monotonic=clock)
    for number in range(30):
        submit(desk, client_order_id=f"n{number}")
        clock.at += 30
        desk.settle()
    before = all_of(desk)
    desk.close()
    size = path.stat().st_size
    monkeypatch.setattr(store, "OLD_VERSIONS_MAX", 0)
    again = a_desk(path)
    assert all_of(again) == before
    again.close()
    assert path.stat().st_size < 0.7 * size
    last = a_desk(path)
    assert all_of(last) == before
    last.close()


@pytest.mark.parametrize("cut", [1, 5, 50])
def test_a_torn_last_line_is_cut_off_and_the_rest_stands(tmp_path, cut):
    path = tmp_path / "paper.state"
    desk = a_desk(path)
    with killed(desk):
        submit(desk, client_order_id="whole")
        before = all_of(desk)
        submit(desk, client_order_id="torn")
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    again = a_desk(path)
    assert all_of(again) == before
    submit(again, client_order_id="torn")
    again.close()
    last = a_desk(path)
    assert set(last.exchange.by_key[last.key].by_client_id) == {"whole", "torn"}
    last.close()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda raw: raw[:200] + b"\0" + raw[201:], r"damaged in line \d+|first line|not a state"),
        (lambda raw: raw.replace(b"\n", b"\nx\n", 2), "damaged in line 2"),
        (lambda raw: b"", "not a state file"),
        (lambda raw: b"{}", "not a state file"),
        (lambda raw: raw[10:], "damaged in line 1"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_and_left_alone(tmp_path, damage, says):
    path = tmp_path / "paper.state"
    desk = a_desk(path)
    submit(desk)
    desk.close()
    path.write_bytes(damaged := damage(path.read_bytes()))
    with pytest.raises(store.StateFileError, match=says) as caught:
        a_desk(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == damaged


def test_a_file_of_a_later_program_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "paper.state"
    with monkeypatch.context() as later:
        later.setattr(store, "FORMAT", store.FORMAT + 1)
        a_desk(path).close()
    with pytest.raises(store.StateFileError, match=r"format 3, this program reads 2"):
        a_desk(path)


def test_a_file_is_bound_to_its_market_and_seed(tmp_path):
    path = tmp_path / "paper.state"
    a_desk(path, market_name="synthetic").close()
    a_desk(path, market_name="synthetic").close()
    for other in ({"market_name": "replay:bars.csv"}, {"market_name": "synthetic", "seed": 2}):
        with pytest.raises(store.StateFileError, match="kept on market synthetic with seed 1"):
            a_desk(path, **other)


def test_a_kill_amid_writing_a_file_anew_leaves_the_old_one_in_force(tmp_path, monkeypatch):
    path = tmp_path / "paper.state"
    desk = a_desk(path)
    submit(desk, client_order_id="kept")
    desk.clock.set(at=NOON + timedelta(seconds=30))
    desk.settle()
    desk.close()
    (tmp_path / "paper.state.new").write_bytes(path.read_bytes()[:200])
    monkeypatch.setattr(store, "OLD_VERSIONS_MAX", -1)
    again = a_desk(path)
    assert "kept" in again.exchange.by_key[again.key].by_client_id
    again.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["paper.state"]


def test_two_brokers_never_share_a_file(tmp_path):
    path = tmp_path / "paper.state"
    first = a_desk(path)
    with pytest.raises(store.StateFileError, match="another broker is using it"):
        a_desk(path)
    first.close()
    a_desk(path).close()


def test_only_its_owner_reads_a_file_for_it_holds_secrets(tmp_path):
    path = tmp_path / "paper.state"
    a_desk(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_time_goes_on_while_it_is_off(tmp_path):
    path = tmp_path / "paper.state"
    desk = a_desk(path)
    day = submit(desk, type="limit", limit_price="80")
    gtc = submit(desk, type="limit", limit_price="80", time_in_force="gtc")
    cheap = submit(desk, symbol="CHEAP", type="limit", limit_price="9", time_in_force="gtc")
    desk.clock.set(at=NOON + timedelta(seconds=30))
    desk.settle()
    desk.close()
    again = a_desk(path, starts_at=NEXT_CLOSE + timedelta(days=20))
    market = again.config.market
    assert isinstance(market, TableMarket)
    market.move("CHEAP", NEXT_OPEN, "8.00", "8.10")
    account = again.exchange.by_key[again.key]
    assert again.exchange.now == NEXT_CLOSE + timedelta(days=20)
    assert account.orders[day.id].status == "expired"
    assert account.orders[day.id].expired_at == day.expires_at
    assert account.orders[gtc.id].status == "new"
    assert len(account.closing_equity) == 15
    again.close()
    assert cheap.id in account.orders


def test_a_limit_reached_while_it_was_off_has_filled(tmp_path):
    path = tmp_path / "paper.state"
    desk = a_desk(path, partial_fill_pct=0.0)
    order = submit(desk, type="limit", limit_price="80", time_in_force="gtc")
    desk.clock.set(at=NOON + timedelta(seconds=30))
    desk.settle()
    desk.close()
    config = a_config(path, starts_at=NEXT_CLOSE, partial_fill_pct=0.0)
    assert isinstance(config.market, TableMarket)
    config.market.move("SPY", NEXT_OPEN + timedelta(hours=1), "78.90", "79.00")
    again = Desk(config)
    filled = again.exchange.by_key[again.key].orders[order.id]
    assert (filled.status, filled.filled_avg_price) == ("filled", Decimal("79"))
    assert filled.filled_at == NEXT_OPEN + timedelta(hours=1)
    again.close()


def test_a_clock_that_was_ahead_goes_on_where_it_stood(tmp_path):
    path = tmp_path / "paper.state"
    desk = a_desk(path)
    desk.clock.set(at=NEXT_OPEN)
    desk.settle()
    desk.close()
    again = a_desk(path, starts_at=NOON)
    assert again.clock.now() == NEXT_OPEN
    again.close()


def test_more_accounts_are_opened_once_and_kept(tmp_path):
    path = tmp_path / "paper.state"
    more = (NewAccount("PKTWO", "two", Decimal(500)),)
    desk = a_desk(path, accounts=more)
    second = desk.exchange.by_key["PKTWO"]
    submit(desk, second, symbol="CHEAP")
    desk.close()
    again = a_desk(path, accounts=(*more, NewAccount("PKTHREE", "three", Decimal(7))))
    assert list(again.exchange.by_key) == [desk.key, "PKTWO", "PKTHREE"]
    assert len(again.exchange.by_key["PKTWO"].orders) == 1
    assert again.exchange.by_key["PKTWO"].number == second.number
    again.close()
    last = a_desk(path)
    assert last.exchange.by_key["PKTHREE"].cash == 7
    last.close()


@pytest.mark.parametrize("new_keys", [False, True])
def test_a_reset_account_begins_anew_and_stays_so_over_a_restart(tmp_path, new_keys):
    path = tmp_path / "paper.state"
    desk = a_desk(path)
    old = desk.exchange.by_key[desk.key]
    submit(desk)
    new = desk.reset_account(desk.key, Decimal(2500), new_keys=new_keys)
    assert (new.number, new.id) != (old.number, old.id)
    assert (new.key != old.key) is (new.secret != old.secret) is new_keys
    desk.close()
    again = a_desk(path)
    found = again.exchange.by_key[again.key]
    assert (found.key, found.secret, found.number) == (new.key, new.secret, new.number)
    assert (found.cash, found.orders, found.positions) == (2500, {}, {})
    assert len(again.exchange.by_key) == 1
    again.close()


def test_a_disk_that_takes_no_more_ends_the_broker(tmp_path, monkeypatch):
    path = tmp_path / "paper.state"
    desk = a_desk(path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        submit(desk)
        assert desk.has_failed
        with pytest.raises(store.StateFileError, match="No space left"):
            desk.save()
    with pytest.raises(store.StateFileError):
        desk.close()


@pytest.mark.asyncio
async def test_an_order_that_cannot_be_written_down_is_not_answered(tmp_path, monkeypatch):
    path = tmp_path / "paper.state"
    with pytest.raises(store.StateFileError):
        async with running(state_path=path) as client:
            with monkeypatch.context() as disk:
                disk.setattr(os, "write", lambda *_: 3)
                with pytest.raises(OSError):
                    await client.order()
                with pytest.raises(store.StateFileError):
                    await client.broker.wait()


@pytest.mark.asyncio
async def test_what_the_side_door_did_is_in_the_file_when_it_answers(tmp_path):
    path = tmp_path / "paper.state"
    async with running(state_path=path) as client:
        other = {"key": "PKTWO", "secret": "s", "cash": "1000"}
        await client.ask("POST", "/_admin/accounts", json=other)
        money = {"kind": "CSD", "amount": "250", "key": "PKTWO"}
        assert (await client.ask("POST", "/_admin/events", json=money))[0] == 200
        halt = {"kind": "halt", "symbol": "SPY"}
        assert (await client.ask("POST", "/_admin/events", json=halt))[0] == 200
        asked = {"new_keys": True, "cash": "70"}
        status, fresh = await client.ask("POST", "/_admin/accounts/reset", json=asked)
        assert status == 200
        memory = store._memory(path, path.read_bytes())
        told = {account.key: account for account in memory.accounts}
        assert set(told) == {"PKTWO", fresh["key"]}
        assert (told["PKTWO"].cash, told[fresh["key"]].cash) == (1250, 70)
        assert told[fresh["key"]].secret == fresh["secret"]
        assert memory.market.halted == ["SPY"]
        keys = {"APCA-API-KEY-ID": fresh["key"], "APCA-API-SECRET-KEY": fresh["secret"]}
        assert (await client.ask("GET", "/v2/account", headers=keys))[1]["cash"] == "70"
        assert (await client.ask("GET", "/v2/account"))[0] == 401


# A real process, a real kill.

KEYS = {"APCA-API-KEY-ID": "PKLOCAL00000000000000", "APCA-API-SECRET-KEY": "local-secret"}


def ask(url: str, method: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, KEYS, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def a_process(path: Path) -> tuple["subprocess.Popen[bytes]", str]:
    words = ["paper", "--port", "0", "--json", "--state", str(path), "--rate-limit", "0"]
    words += ["--at", "2024-02-01T11:00", "--cash", "1000000"]
    child = subprocess.Popen(
        [sys.executable, "-m", "atlas_daemon", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    return child, json.loads(child.stdout.readline())["url"]


@pytest.mark.e2e
@pytest.mark.asyncio
async def test_what_was_answered_is_there_after_a_kill_9_amid_a_storm_of_orders(tmp_path):
    path = tmp_path / "paper.state"
    answered: dict[str, str] = {}
    child, url = await asyncio.to_thread(a_process, path)

    def send(one: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            for number in range(10_000):
                name = f"{one}-{number}"
                order = an_order(client_order_id=name, time_in_force="gtc")
                answered[name] = ask(url, "POST", "/v2/orders", order)["id"]
                if len(answered) == 60:
                    child.kill()

    await asyncio.gather(*(asyncio.to_thread(send, one) for one in range(4)))
    child.communicate()
    child, url = await asyncio.to_thread(a_process, path)
    try:
        for name, order_id in answered.items():
            found = await asyncio.to_thread(ask, url, "GET", f"/v2/orders/{order_id}")
            assert found["client_order_id"] == name
        account = await asyncio.to_thread(ask, url, "GET", "/v2/account")
        fills = await asyncio.to_thread(all_fills, url)
        paid = sum(Decimal(fill["qty"]) * Decimal(fill["price"]) for fill in fills)
        assert Decimal(account["cash"]) == 1_000_000 - paid
    finally:
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert b"Traceback" not in said


def all_fills(url: str) -> list[Any]:
    fills: list[Any] = []
    while True:
        token = f"?page_token={fills[-1]['id']}" if fills else ""
        page = ask(url, "GET", f"/v2/account/activities/FILL{token}")
        fills += page
        if len(page) < 100:
            return fills
