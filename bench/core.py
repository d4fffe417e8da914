"""The core and the journal: a turn, a commit, the fold that a start begins with."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

from atlas_daemon.bus import fold
from atlas_daemon.core import events as e
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.orders import Order, OrderStatus
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.values import (
    AccountMode,
    Approved,
    BrokerOrderId,
    Draft,
    OrderId,
    OrderType,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.journal import Journal
from bench.figure import Figure

BORN_AT = datetime(2026, 2, 2, 14, 35, tzinfo=UTC)
LINES = 20
"""Orders of one run."""
FOLDED = 100_000
COMMITS = 500
TURNS = 2_000


def figures() -> Iterator[Figure]:
    """Measure turns, commits and folds."""
    resting = fold(islice(history(), LINES * 5 + 4), State(now=BORN_AT))
    assert resting.run is None
    yield Figure("a turn at rest", "a tick between runs", _turn_s(resting, e.Ticked()))
    # The last order's fill and its end are still to come.
    working = fold(islice(history(), LINES * 5 + 1), State(now=BORN_AT))
    how = f"a tick within a run, {LINES} orders in state"
    yield Figure("a turn of a run", how, _turn_s(working, e.Ticked()))
    order = next(reversed(working.orders.values()))
    assert order.status is OrderStatus.WORKING
    how = f"one execution of one of {LINES} orders"
    yield Figure("a turn that books a fill", how, _turn_s(working, _fill(order)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        commits = _commits_s(path)
        yield Figure(
            "a commit of six entries, median", "WAL, synchronous=FULL", statistics.median(commits)
        )
        p99_s = statistics.quantiles(commits, n=100)[98]
        yield Figure("a commit of six entries, p99", f"of {COMMITS}", p99_s)
    entries = list(islice(history(), FOLDED))
    begun_s = time.process_time()
    fold(entries, State(now=BORN_AT))
    spent_s = time.process_time() - begun_s
    yield Figure(f"the fold of {FOLDED:,} entries", "in memory, processor time", spent_s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        _write(path, entries)
        begun_s = time.perf_counter()
        with _journal(path) as journal:
            fold(journal.read(), State(now=BORN_AT))
        how = "read from disk, decoded, each hash checked"
        yield Figure(f"recovery over {FOLDED:,} entries", how, _since(begun_s))


def history() -> Iterator[e.Entry]:
    """Runs of LINES orders each, sent, working, filled: entries without an end."""
    seq, at = 0, BORN_AT
    for event in _events():
        seq, at = seq + 1, at + timedelta(seconds=1)
        yield e.Entry(seq, at, seq - 1 or None, event)


def _events() -> Iterator[e.Event]:
    mode = AccountMode.LOCAL
    yield e.DaemonStarted("bench", "BENCH", mode, "", "", is_latched=False)
    number = 0
    while True:
        number += 1
        yield e.RunStarted(
            RunId(f"force-{number}"), "force", None, date(2026, 2, 2), date(2026, 1, 30)
        )
        yield e.PhaseStarted(RunId(f"force-{number}"), "buying", 1)
        for line in range(LINES):
            yield from _order(number, line)
        yield e.RunFinished(RunId(f"force-{number}"), "done", is_final=True, reason="", report=None)


def _order(number: int, line: int) -> Iterator[e.Event]:
    symbol = Symbol(f"S{line:02d}")
    order_id = OrderId(f"atlas-force-{number}-r1-buy-{symbol}-1")
    draft = Draft(
        order_id,
        RunId(f"force-{number}"),
        symbol,
        Side.BUY,
        Decimal(10),
        OrderType.MARKET,
        Decimal("101.25"),
    )
    yield e.OrderApproved(Approved(draft, BORN_AT, BORN_AT + timedelta(seconds=60)))
    yield e.OrderSubmitted(order_id, sends=1)
    broker_id = BrokerOrderId(f"{number}-{line}")
    yield e.OrderStepped(order_id, OrderStatus.WORKING, "new", broker_id)
    qty = Decimal(10)
    yield e.FillBooked(
        order_id, symbol, Side.BUY, qty, Decimal("101.27"), qty, is_complete=True, execution_id="x"
    )
    yield e.OrderStepped(order_id, OrderStatus.FILLED, "filled", broker_id)


def _fill(order: Order) -> e.OrderFilled:
    draft = order.draft
    return e.OrderFilled(
        draft.order_id,
        BrokerOrderId("b"),
        draft.symbol,
        draft.side,
        draft.qty,
        "execution",
        Decimal(4),
        Decimal("101.30"),
        Decimal(4),
        None,
        "partially_filled",
    )


def _turn_s(state: State, event: e.Event) -> float:
    policy, at = Policy(), state.now + timedelta(seconds=1)
    begun_s = time.process_time()  # pure arithmetic: what else runs here must not count
    for _ in range(TURNS):
        take_turn(state, event, at, policy)
    return (time.process_time() - begun_s) / TURNS


def _commits_s(path: Path) -> list[float]:
    entries = history()
    times = []
    with _journal(path) as journal:
        for _ in range(COMMITS):
            turn = tuple(islice(entries, 6))
            begun_s = time.perf_counter()
            journal.append(turn)
            times.append(_since(begun_s))
    return times


def _write(path: Path, entries: list[e.Entry]) -> None:
    with _journal(path) as journal:
        for first in range(0, len(entries), 1000):
            journal.append(entries[first : first + 1000])


def _journal(path: Path) -> Journal:
    return Journal.open(path, account_mode=AccountMode.LOCAL, account_name="BENCH")


def _since(begun_s: float) -> float:
    return time.perf_counter() - begun_s
