"""The one inbox and the one writer: nothing leaves before it is on disk, and a stop comes first."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.bus import INBOX_MAX, Bus, Committed, fold
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import BugError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import Figures, State
from atlas_daemon.core.values import (
    Account,
    AccountMode,
    Asset,
    BrokerOrderId,
    Mode,
    OpenOrder,
    Pick,
    Position,
    Quote,
    Regime,
    Symbol,
)
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.journal import Journal, JournalFullError
from atlas_daemon.records import ExecutionLogger, Recorder

D = Decimal
MORNING = datetime(2024, 2, 1, 14, 30, tzinfo=UTC)
"""The open of the slot's session; it falls due five minutes later."""
SYMBOLS = ("AAPL", "MSFT", "NVDA")


class HandClock:
    def __init__(self) -> None:
        self.at = MORNING

    def now(self) -> datetime:
        return self.at

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("the bus never sleeps")


class FullDisk:
    """A journal whose disk is full while it is told so."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.is_full = journal, False

    def append(self, entries: Sequence[e.Entry]):
        if self.is_full:
            raise JournalFullError("no space left on the disk")
        return self.journal.append(entries)

    def probe(self) -> None:
        if self.is_full:
            raise JournalFullError("no space left on the disk")
        self.journal.probe()

    def read(self, after: int = 0) -> Iterator[e.Entry]:
        return self.journal.read(after)


class Desk:
    """A bus with a real journal and a real latch; effects are kept, and answered when told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self.clock, self.latch = HandClock(), LatchFile(folder / "HALTED")
        self.journal = FullDisk(
            Journal.open(self.path, account_mode=AccountMode.LOCAL, account_name="PROOF")
        )
        self.effects: list[fx.Effect] = []
        self.on_effect: Callable[[fx.Effect], None] = lambda effect: None
        self.cash, self.held = D(100_000), {}
        self.resting: list[OpenOrder] = []
        self.bus = self.a_bus()

    def a_bus(self) -> Bus:
        return Bus(
            journal=self.journal,
            latch=self.latch,
            clock=self.clock,
            policy=Policy(),
            run_effect=self._run,
        )

    def _run(self, effect: fx.Effect) -> None:
        self.effects.append(effect)
        self.on_effect(effect)

    @property
    def state(self) -> State:
        return self.bus.state

    def take(self, *events: e.Event) -> None:
        for event in events:
            self.bus.take(event)

    def settle(self) -> None:
        """Take every turn that waits, without a loop."""
        while self.bus._inbox:
            self.bus.take(self.bus._inbox.popleft())

    def on_disk(self) -> list[e.Entry]:
        with Journal.open_readonly(self.path) as journal:
            return list(journal.read())

    def kinds(self) -> list[str]:
        return [type(entry.event).__name__ for entry in self.on_disk()]

    def sent(self) -> list[fx.SubmitOrder]:
        return [effect for effect in self.effects if isinstance(effect, fx.SubmitOrder)]

    def boot(self) -> None:
        self.take(
            e.DaemonStarted("0.1", "PROOF", AccountMode.LOCAL, "PA1", "digest", is_latched=False),
            e.StreamReported("listening"),
        )

    def play_broker(self) -> None:
        """Answer every effect at once from here on; orders fill at 100."""
        self.on_effect = self._answer

    def until(self, is_so: Callable[[], object], ticks: int = 200) -> None:
        for _ in range(ticks):
            self.clock.at += timedelta(seconds=1)
            self.take(e.Ticked())
            self.settle()
            if is_so():
                return
        raise AssertionError(f"not within {ticks} ticks; {self.kinds()[-20:]}")

    def _answer(self, effect: fx.Effect) -> None:
        now, hear = self.clock.now(), self.bus.hear
        match effect:
            case fx.FetchFigures():
                quotes = tuple(Quote(s, D(100), D(100), now, D(100), now) for s in effect.quotes)
                hear(e.QuotesReported(effect.asked_at, quotes))
                assets = tuple(Asset(s, tradable=True) for s in effect.assets)
                hear(e.AssetsReported(effect.assets, assets))
                hear(self.snapshot(effect.asked_at))
            case fx.FetchClock(asked_at=asked_at):
                hear(e.ClockReported(asked_at, now, now))
            case fx.FetchSessions(first=first, last=last):
                hear(e.SessionsReported(first, last, NYSE.sessions_between(first, last)))
            case fx.ComputeSignals(signal_day=day):
                picks = tuple(Pick(Symbol(s), D("0.1"), D(100)) for s in SYMBOLS)
                closes = dict.fromkeys(map(Symbol, SYMBOLS), D(100))
                hear(e.SignalsReported(day, picks, closes, Regime.TREND_BULL, day, "test"))
            case fx.SubmitOrder(approved=approved):
                draft = approved.draft
                self.cash -= draft.side.sign * draft.qty * 100
                self.held[draft.symbol] = draft.qty
                hear(
                    e.OrderFilled(
                        *(draft.order_id, BrokerOrderId(f"b-{draft.symbol}"), draft.symbol),
                        *(draft.side, draft.qty, f"x-{draft.symbol}", draft.qty, D(100)),
                        *(draft.qty, D(100), "filled"),
                    )
                )

    def snapshot(self, asked_at: datetime) -> e.SnapshotReported:
        positions = tuple(Position(s, q, D(100), q, D(100)) for s, q in self.held.items())
        equity = self.cash + sum((p.value for p in positions), D(0))
        account = Account("PA1", "ACTIVE", equity, self.cash, self.cash)
        return e.SnapshotReported(asked_at, account, positions, tuple(self.resting))

    def trade_a_day(self) -> None:
        """From the first start to the slot's run being done."""
        self.play_broker()
        self.boot()
        self.settle()
        self.clock.at = MORNING + timedelta(minutes=4, seconds=50)
        self.until(lambda: self.state.last_run is not None)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.journal.close()


def test_an_effect_begins_when_its_turn_is_on_disk(desk: Desk) -> None:
    seen: list[tuple[str, bool]] = []

    def probe(effect: fx.Effect) -> None:
        on_disk = {type(entry.event) for entry in desk.on_disk()}
        if isinstance(effect, fx.SubmitOrder):
            ids = {
                x.event.order_id for x in desk.on_disk() if isinstance(x.event, e.OrderSubmitted)
            }
            seen.append(("submit", effect.approved.draft.order_id in ids))
        elif isinstance(effect, fx.FetchFigures) and not seen:
            seen.append(("start", e.DaemonStarted in on_disk))
        desk._answer(effect)

    desk.on_effect = probe
    desk.boot()
    desk.settle()
    desk.clock.at = MORNING + timedelta(minutes=4, seconds=50)
    desk.until(lambda: desk.state.last_run is not None)
    assert seen == [("start", True)] + [("submit", True)] * 3


def test_the_latch_is_on_disk_before_any_other_effect_of_the_stop(desk: Desk) -> None:
    seen: list[tuple[fx.Effect, bool]] = []
    desk.on_effect = lambda effect: seen.append((effect, desk.latch.path.exists()))
    desk.boot()
    seen.clear()
    desk.take(e.StopRequested("ann", "drill"))
    assert fx.CancelAllOrders() in [effect for effect, _ in seen]
    assert all(is_latched for _, is_latched in seen)
    assert "TradingHalted" in desk.kinds()


def test_watchers_are_told_in_order_and_after_the_effects(desk: Desk) -> None:
    told: list[object] = []
    desk.on_effect = lambda effect: told.append("effect")
    desk.bus.watch(lambda committed: told.append(committed))
    desk.bus.watch(lambda committed: told.append("second"))
    desk.boot()
    first = next(x for x in told if isinstance(x, Committed))
    assert told.index("effect") < told.index(first) < told.index("second")
    assert isinstance(first.event, e.DaemonStarted)
    assert first.before.seq == 0
    assert first.turn.state.seq == len(first.turn.entries)


@pytest.mark.asyncio
async def test_a_stop_goes_to_the_front_of_the_inbox(desk: Desk) -> None:
    heard: list[e.Event] = []
    desk.boot()
    desk.bus.watch(lambda committed: heard.append(committed.event))
    for _ in range(5):
        desk.bus.hear(e.Ticked())
    assert desk.bus.is_stop_heard is False
    desk.bus.hear(e.StopRequested("ann", "drill"))
    assert desk.bus.is_stop_heard  # the fence is closed before the turn is taken
    await run_until_drained(desk.bus)
    assert heard[0] == e.StopRequested("ann", "drill")
    assert desk.state.halt is not None
    assert desk.bus.is_stop_heard is False


@pytest.mark.asyncio
async def test_a_resume_heard_before_a_stop_does_not_undo_it(desk: Desk) -> None:
    desk.boot()
    desk.take(e.StopRequested("ann", "first"))
    desk.settle()
    desk.bus.hear(e.Ticked())
    desk.bus.hear(e.ResumeRequested("bob"))
    desk.bus.hear(e.StopRequested("ann", "second"))
    await run_until_drained(desk.bus)
    assert desk.state.halt is not None
    assert desk.state.halt.reason == "second"
    assert desk.latch.is_on()


@pytest.mark.asyncio
async def test_a_resume_heard_after_a_stop_is_a_persons_word(desk: Desk) -> None:
    desk.boot()
    desk.bus.hear(e.StopRequested("ann", "drill"))
    desk.bus.hear(e.ResumeRequested("bob"))
    await run_until_drained(desk.bus)
    assert desk.state.halt is None
    assert desk.latch.is_on() is False


def test_s109_an_overflowing_inbox_is_a_bug_and_never_refuses_a_stop(desk: Desk) -> None:
    for _ in range(INBOX_MAX):
        desk.bus.hear(e.Ticked())
    with pytest.raises(BugError, match="events are waiting"):
        desk.bus.hear(e.Ticked())
    desk.bus.hear(e.StopRequested("ann", "drill"))
    assert desk.bus.is_stop_heard


def test_a_turn_of_figures_only_is_not_written(desk: Desk) -> None:
    desk.boot()
    seq, turns = desk.state.seq, desk.bus.turns
    written = len(desk.on_disk())
    desk.take(e.Ticked(), e.QuotesReported(MORNING, ()))
    assert len(desk.on_disk()) == written
    assert desk.state.seq == seq
    assert desk.bus.turns == turns + 2  # they count: the loop turns


def test_s187_on_a_full_disk_no_order_leaves_and_nothing_changes(desk: Desk) -> None:
    def fill_up(effect: fx.Effect) -> None:
        desk.journal.is_full |= isinstance(effect, fx.ComputeSignals)
        desk._answer(effect)

    desk.play_broker()
    desk.boot()
    desk.settle()
    desk.on_effect = fill_up
    desk.clock.at = MORNING + timedelta(minutes=4, seconds=50)
    desk.until(lambda: desk.bus.fault)
    run, seq = desk.state.run, desk.state.seq
    for _ in range(30):
        desk.clock.at += timedelta(seconds=1)
        desk.take(e.Ticked())
        desk.settle()
    assert desk.bus.fault == "no space left on the disk"
    assert desk.sent() == []
    assert (desk.state.run, desk.state.seq, desk.state.orders) == (run, seq, {})
    desk.on_effect = desk._answer
    desk.journal.is_full = False
    desk.until(lambda: desk.state.last_run is not None, ticks=400)
    assert desk.bus.fault == ""
    assert len(desk.sent()) == len(SYMBOLS)


def test_s187_a_disk_that_is_free_again_is_noticed_with_nothing_to_write(desk: Desk) -> None:
    desk.boot()
    desk.settle()
    desk.journal.is_full = True
    desk.take(e.AlertRaised("info", "key", "any turn that is written"))
    desk.take(e.Ticked())
    assert desk.bus.fault == "no space left on the disk"
    desk.journal.is_full = False
    seq = desk.state.seq
    desk.take(e.Ticked())
    assert (desk.bus.fault, desk.state.seq) == ("", seq)


def test_s187_a_stop_that_cannot_be_written_holds_in_memory_and_is_written_later(
    desk: Desk,
) -> None:
    desk.boot()
    written = len(desk.on_disk())
    desk.journal.is_full = True
    desk.effects.clear()
    desk.bus.hear(e.StopRequested("ann", "drill"))
    desk.settle()
    assert desk.state.halt is not None
    assert fx.CancelAllOrders() in desk.effects
    assert desk.latch.is_on()
    assert len(desk.on_disk()) == written
    assert desk.bus.fault
    desk.take(e.StopRequested("bob", "again"))  # a second one, as unwritten as the first
    assert desk.state.halt.by == "ann"
    desk.journal.is_full = False
    desk.take(e.FrameUnread("any turn that is written", ""))
    assert desk.bus.fault == ""
    kinds = desk.kinds()[written:]
    assert kinds.index("StopRequested") < kinds.index("TradingHalted") < kinds.index("FrameUnread")
    assert desk.a_bus().state.halt is not None  # and a new process knows it


def test_a_latch_that_cannot_be_written_is_said_loudly(desk: Desk) -> None:
    desk.boot()
    desk.latch.path = desk.latch.path.parent / "gone" / "HALTED"
    desk.take(e.StopRequested("ann", "drill"))
    desk.settle()
    assert desk.state.halt is not None
    assert desk.state.halt.is_durable is False
    alerts = [effect for effect in desk.effects if isinstance(effect, fx.SendAlert)]
    assert any("NOT DURABLE" in alert.text for alert in alerts)


def test_what_is_read_back_is_what_was_lived_through(desk: Desk) -> None:
    desk.trade_a_day()
    assert desk.state.mode is Mode.TRADING
    assert desk.state.last_run is not None
    assert desk.state.last_run.outcome == "done"
    assert desk.held.keys() == set(SYMBOLS)
    lived, read = desk.state, desk.a_bus().state
    now = max(lived.now, read.now)

    def lasting(state: State) -> State:
        return replace(state, figures=Figures(), now=now)

    assert lasting(read) == lasting(lived)
    assert fold(desk.on_disk(), State(now=MORNING)) == read


@pytest.mark.asyncio
async def test_s097_an_exception_in_a_turn_ends_the_bus(desk: Desk, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("atlas_daemon.bus.take_turn", fail)
    desk.bus.hear(e.Ticked())
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(5):
            await desk.bus.run()
    assert desk.on_disk() == []


@pytest.mark.asyncio
async def test_an_exception_of_a_watcher_ends_the_bus(desk: Desk) -> None:
    def fail(committed: Committed) -> None:
        raise ZeroDivisionError

    desk.bus.watch(fail)
    desk.bus.hear(e.Ticked())
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(5):
            await desk.bus.run()


async def run_until_drained(bus: Bus) -> None:
    task = asyncio.create_task(bus.run())
    async with asyncio.timeout(5):
        await bus.drained()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_state_is_the_same_where_the_records_read_the_journal_as_it_goes_by(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.boot()
    recorder = Recorder(ExecutionLogger(tmp_path / "logs", console=False))
    beside = Bus(
        journal=desk.journal,
        latch=desk.latch,
        clock=desk.clock,
        policy=Policy(),
        run_effect=desk._run,
        entries=recorder.rebuilding(desk.journal.read()),
    )
    assert beside.state == desk.a_bus().state
    assert beside.state.seq == recorder._rebuilt_seq > 0
    desk.journal.journal.close()


@pytest.mark.parametrize("taken", [False, True])
def test_a_stop_that_no_turn_took_is_latched_as_the_process_ends(desk: Desk, taken: bool) -> None:
    desk.boot()
    desk.bus.latch_stop()
    assert not desk.latch.is_on()
    desk.bus.hear(e.StopRequested("SIGUSR1", "signal"))
    if taken:
        desk.settle()
        desk.take(e.ResumeRequested("ann"))
    desk.bus.latch_stop()
    assert desk.latch.is_on() is not taken


def test_a_commit_of_nothing_tells_whether_the_disk_takes_it(desk: Desk) -> None:
    desk.boot()
    full = FullDisk(desk.journal)
    desk.bus._journal = full
    assert desk.bus.commit() == ""
    full.is_full = True
    assert "no space" in desk.bus.commit()
    assert desk.bus.fault == desk.bus.commit()
    full.is_full = False
    assert desk.bus.commit() == desk.bus.fault == ""
