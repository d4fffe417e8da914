"""Whole runs of 20 orders through the daemon's own bus, journal and latch, on a clock of its own.

All of twenty lines is bought in one run and sold in the next. Who submits is given; every other
question is answered at once, from a little book kept here.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.bus import Bus
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import (
    Account,
    AccountMode,
    Approved,
    Asset,
    BrokerOrderId,
    Pick,
    Position,
    Quote,
    Regime,
    Side,
    Symbol,
)
from atlas_daemon.edges.latch import LatchFile
from bench.seed import ACCOUNT, CASH, open_journal
from bench.words import PRICE, symbol_of

LINES = 20
OPENS_AT = datetime(2026, 2, 2, 14, 45, tzinfo=UTC)
SIGNAL_DAY = date(2026, 1, 30)
TICKS_MAX = 90
_PRICE = Decimal(PRICE)


class Desk:
    """One account, one bus; `submit` sends an approved order, or None: it is taken at once."""

    def __init__(self, folder: Path, submit: Callable[[Approved], None] | None = None) -> None:
        self.at = OPENS_AT
        self.journal = open_journal(folder / "journal.db")
        self.latch = LatchFile(folder / "HALTED")
        self.cash, self.held = CASH, dict[Symbol, Decimal]()
        self.submits = 0
        self._submit = submit
        self._unfilled: list[Approved] = []
        self._is_selling = True
        self.bus = Bus(
            journal=self.journal,
            latch=self.latch,
            clock=self,
            policy=Policy(grace=timedelta(0)),
            run_effect=self._begin,
        )
        self.bus.hear(
            e.DaemonStarted("bench", ACCOUNT, AccountMode.LOCAL, "PA3BENCH", "", is_latched=False)
        )
        self.bus.hear(e.StreamReported("listening"))

    def now(self) -> datetime:
        """The moment of this world."""
        return self.at

    async def sleep(self, delay_s: float) -> None:
        """Nothing here sleeps."""
        raise AssertionError("nothing here sleeps")

    def ask_run(self) -> None:
        """Ask for the next run: all is bought, or all is sold."""
        self._is_selling = not self._is_selling
        # Another configuration: what was computed for the run before is asked for anew.
        self.bus.hear(e.PolicyChanged("selling" if self._is_selling else "buying"))
        self.bus.hear(e.RebalanceRequested("bench", force=True))

    def tick(self) -> None:
        """Let a second pass, and fill what was sent in the one before."""
        self.at += timedelta(seconds=1)
        filled, self._unfilled = self._unfilled, []
        for approved in filled:
            self._fill(approved)
        self.bus.hear(e.Ticked())

    def drain(self) -> None:
        """Take what is in the inbox, and what comes of it."""
        while self.bus._inbox:
            self.bus.take(self.bus._inbox.popleft())

    def run(self) -> None:
        """Take a whole run to its end. Raises RuntimeError where it does not come to one."""
        self.ask_run()
        self.drain()
        for _ in range(TICKS_MAX):
            self.tick()
            self.drain()
            if self.is_done():
                return
        raise RuntimeError(f"no end of the run within {TICKS_MAX} s: {self.bus.state.run}")

    def is_done(self) -> bool:
        """True where the run that was asked for has come to its end."""
        return self.bus.state.run is None and len(self.held) == (0 if self._is_selling else LINES)

    @property
    def is_flat(self) -> bool:
        """True where all is sold."""
        return self._is_selling

    def sent(self, approved: Approved) -> None:
        """Remember an order that left: it fills with the next tick."""
        self.submits += 1
        self._unfilled.append(approved)

    # The world's answers.

    def _begin(self, effect: fx.Effect) -> None:
        hear = self.bus.hear
        match effect:
            case fx.SubmitOrder(approved=approved):
                self.sent(approved)
                if self._submit is not None:
                    self._submit(approved)
                else:
                    hear(self._word(approved))
            case fx.ComputeSignals():
                hear(self._signals())
            case fx.FetchFigures(asked_at=asked_at):
                hear(e.QuotesReported(asked_at, tuple(map(self._quote, effect.quotes))))
                assets = tuple(Asset(symbol, True) for symbol in effect.assets)
                hear(e.AssetsReported(effect.assets, assets))
                hear(self._snapshot(asked_at))
            case fx.FetchSessions(first=first, last=last):
                hear(e.SessionsReported(first, last, NYSE.sessions_between(first, last)))
            case fx.FetchClock(asked_at=asked_at):
                hear(e.ClockReported(asked_at, self.at, self.at))
            case fx.FetchActivities(after=after, asked_at=asked_at):
                hear(e.ActivitiesReported(after, asked_at, ()))
            case _:
                pass  # alerts

    def _signals(self) -> e.SignalsReported:
        weight = Decimal(1) / LINES
        names = [Symbol(symbol_of(number)) for number in range(LINES)]
        picks = () if self._is_selling else tuple(Pick(name, weight, _PRICE) for name in names)
        closes = dict.fromkeys((*names, Symbol("SPY")), _PRICE)
        return e.SignalsReported(
            SIGNAL_DAY, picks, closes, Regime.TREND_BULL, SIGNAL_DAY, "bench", LINES
        )

    def _quote(self, symbol: Symbol) -> Quote:
        cent = Decimal("0.01")
        return Quote(symbol, _PRICE - cent, _PRICE + cent, self.at, _PRICE, self.at)

    def _snapshot(self, asked_at: datetime) -> e.SnapshotReported:
        equity = self.cash + sum(self.held.values()) * _PRICE
        account = Account("PA3BENCH", "ACTIVE", equity, self.cash, self.cash, equity)
        positions = tuple(Position(s, q, _PRICE, q, _PRICE) for s, q in self.held.items())
        return e.SnapshotReported(asked_at, account, positions, ())

    def _word(self, approved: Approved) -> e.OrderReported:
        draft = approved.draft
        return e.OrderReported(
            draft.order_id,
            BrokerOrderId(f"b-{draft.order_id}"),
            draft.symbol,
            draft.side,
            draft.qty,
            "new",
            Decimal(0),
            None,
            "submit",
        )

    def _fill(self, approved: Approved) -> None:
        draft = approved.draft
        self.cash -= draft.side.sign * draft.qty * _PRICE
        if draft.side is Side.BUY:
            self.held[draft.symbol] = draft.qty
        else:
            del self.held[draft.symbol]
        order = self.bus.state.orders[draft.order_id]
        assert order.broker_order_id is not None
        self.bus.hear(
            e.OrderFilled(
                draft.order_id,
                order.broker_order_id,
                draft.symbol,
                draft.side,
                draft.qty,
                f"x-{draft.order_id}",
                draft.qty,
                _PRICE,
                draft.qty,
                _PRICE,
                "filled",
            )
        )
