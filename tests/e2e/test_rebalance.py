"""Two processes, `atlasd paper` and `atlasd run`: a rebalance reaches its targets, once."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from atlas_daemon.core import events as e
from atlas_daemon.journal import Journal
from tests.e2e.processes import (
    DUE,
    SLOT,
    TARGETS,
    Broker,
    Daemon,
    Place,
    a_broker,
    a_place,
    page_of,
    sent_twice,
    until,
)

pytestmark = pytest.mark.e2e


@dataclass
class Desk:
    """A broker, a place, and the daemon that has just finished its run there."""

    broker: Broker
    place: Place
    daemon: Daemon
    status: dict[str, Any]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with a_broker() as broker, a_place() as place:
        daemon = place.write(broker.url).daemon()
        daemon.is_trading()
        broker.go_to(DUE)
        yield Desk(broker, place, daemon, daemon.is_done())


def test_the_brokers_positions_are_the_plans_targets_within_a_share(desk: Desk) -> None:
    assert desk.status["last_run"]["outcome"] == "done"
    (plan,) = desk.place.events(e.RunPlanned)
    wanted = {line.symbol: int(line.target_qty) for line in plan.lines}
    held = desk.broker.positions()
    assert set(held) == set(TARGETS)
    assert all(abs(wanted[symbol] - held.get(symbol, 0)) <= 1 for symbol in wanted)


def test_no_order_is_sent_twice_and_none_is_left_open(desk: Desk) -> None:
    orders = desk.broker.orders()
    assert sent_twice(orders) == []
    assert {order["status"] for order in orders} == {"filled"}
    assert all(order["client_order_id"].startswith(f"atlas-{SLOT}-r1-") for order in orders)
    assert {event.sends for event in desk.place.events(e.OrderSubmitted)} == {1}


def test_every_sell_is_filled_before_the_first_buy_is_sent(desk: Desk) -> None:
    orders = desk.broker.orders()
    sold_at = max(order["filled_at"] for order in orders if order["side"] == "sell")
    bought_at = min(order["submitted_at"] for order in orders if order["side"] == "buy")
    assert sold_at < bought_at


def test_the_trades_file_is_read_by_pandas_and_has_every_fill(desk: Desk) -> None:
    (path,) = desk.place.logs.glob("trades_*.csv")
    assert path.name == "trades_2026-02-02.csv"
    rows = pd.read_csv(path)
    assert list(rows.columns[:9]) == [
        *("timestamp", "symbol", "action", "qty", "price"),
        *("order_type", "order_id", "status", "error"),
    ]
    filled = rows[rows["fill_qty"].notna()].groupby("client_order_id")["fill_qty"].sum()
    wanted = {order["client_order_id"]: float(order["qty"]) for order in desk.broker.orders()}
    assert filled.to_dict() == wanted


def test_the_journals_chain_is_whole(desk: Desk) -> None:
    with Journal.open_readonly(desk.place.state / "journal.db") as journal:
        verdict = journal.verify()
    assert verdict.is_intact
    assert verdict.entries == desk.status["daemon"]["journal"]["seq"]


def test_the_page_says_that_the_daemon_may_trade(desk: Desk) -> None:
    ready = {"ready": True, "reason": "", "reasons": []}
    assert page_of(desk.daemon, "/readyz") == (200, ready)
    code, status = page_of(desk.daemon, "/api/status")
    assert code == 200
    assert status["last_run"]["outcome"] == "done"


def test_s180_a_second_instance_ends_with_five_and_one_line(desk: Desk) -> None:
    done = desk.place.run("run")
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert f"process {desk.daemon.process.pid}" in done.stderr


def test_s016_sigterm_ends_with_zero_and_the_next_start_sends_nothing(desk: Desk) -> None:
    place, broker = desk.place, desk.broker
    orders, held = broker.orders(), broker.positions()
    desk.daemon.send(signal.SIGTERM)
    assert desk.daemon.ends() == 0
    assert "Traceback" not in desk.daemon.said()

    def kinds() -> list[str]:
        return [type(entry.event).__name__ for entry in place.entries()]

    before = len(kinds())
    again = place.daemon()
    again.is_trading()
    broker.speed(60)  # minutes pass: whatever thinks that something is due has its chance
    seen = again.status()
    assert seen is not None
    until("two looks more", lambda: _is_later(again, seen["daemon"]["reconciled_at"], 2))
    again.send(signal.SIGTERM)
    assert again.ends() == 0
    assert (broker.orders(), broker.positions()) == (orders, held)
    assert [event.run_id for event in place.events(e.RunStarted)] == [SLOT]
    assert not {"RunStarted", "RunPlanned", "OrderSubmitted", "BookAdopted"} & {*kinds()[before:]}


def _is_later(daemon: Daemon, than: str, looks: int) -> bool:
    status = daemon.status()
    if status is None or status["daemon"]["reconciled_at"] in (than, None):
        return False
    return looks <= 1 or _is_later(daemon, than, looks - 1)


def test_the_same_is_told_as_json_by_the_status_command(desk: Desk) -> None:
    """The last one here: by now no daemon runs, and the journal alone is asked."""
    done = desk.place.run("status", "--json")
    if done.returncode == 0:
        assert json.loads(done.stdout)["last_run"]["outcome"] == "done"
    else:
        assert done.stderr.count("\n") == 1
