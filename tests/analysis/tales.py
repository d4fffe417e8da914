"""A journal written by hand, entry by entry: what a run decided, sent and heard."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.analysis.document import Past, Promised, Wanted, document_of
from atlas_daemon.analysis.ledger import Ledger
from atlas_daemon.analysis.shortfall import shortfall_of
from atlas_daemon.core import events as e
from atlas_daemon.core.values import (
    Activity,
    Approved,
    BrokerOrderId,
    Draft,
    OrderId,
    OrderType,
    Position,
    Regime,
    RunId,
    Side,
    Symbol,
)

START = datetime(2024, 2, 1, 14, 35, tzinfo=UTC)
DAY = date(2024, 2, 1)


def dec(value):
    return None if value is None else Decimal(str(value))


class Tale:
    """Writes entries a second apart; `wait` lets more time pass."""

    def __init__(self, at=START):
        self.at = at
        self.entries = []
        self.run_id = RunId("")
        self._filled = {}
        self._drafts = {}
        self._activities = 0

    def tell(self, event):
        self.at += timedelta(seconds=1)
        self.entries.append(e.Entry(len(self.entries) + 1, self.at, None, event))
        return self

    def wait(self, **delta):
        self.at += timedelta(**delta)
        return self

    def run(self, run_id="2024-02", day=DAY, trigger="slot"):
        self.run_id = RunId(run_id)
        return self.tell(e.RunStarted(self.run_id, trigger, None, day, day))

    def go_on(self, day):
        return self.tell(e.RunContinued(self.run_id, day, day))

    def plan(self, *lines, round_=1, equity="100000"):
        """Each line is (symbol, from, to, price)."""
        told = tuple(
            e.PlanLine(Symbol(s), dec(was), dec(to), Decimal("0.1"), dec(price), None)
            for s, was, to, price in lines
        )
        plan = e.RunPlanned(
            *(self.run_id, round_, Regime.TREND_BULL, Decimal(1), dec(equity), dec(equity)),
            *(dec(equity), dec(equity), told, (), "digest"),
        )
        return self.tell(plan)

    def draft(self, symbol, side, qty, expected, round_=1, attempt=1):
        order_id = OrderId(f"atlas-{self.run_id}-r{round_}-{side}-{symbol}-{attempt}")
        draft = Draft(
            *(order_id, self.run_id, Symbol(symbol), Side(side), dec(qty), OrderType.MARKET),
            expected_price=dec(expected),
            priced_at=self.at,
        )
        self._drafts[order_id] = draft
        self.tell(e.OrderDrafted(draft))
        return draft

    def approve(self, draft, sends=1):
        self._drafts[draft.order_id] = draft
        self.tell(e.OrderApproved(Approved(draft, self.at, self.at + timedelta(minutes=1))))
        return self.tell(e.OrderSubmitted(draft.order_id, sends))

    def order(self, symbol, side, qty, expected, round_=1, attempt=1):
        """Draft, approve and send an order; its id."""
        draft = self.draft(symbol, side, qty, expected, round_, attempt)
        self.approve(draft)
        self.step(draft.order_id, "working", broker_id=f"b-{draft.order_id}")
        return draft.order_id

    def step(self, order_id, status, reason="", broker_id=None):
        number = None if broker_id is None else BrokerOrderId(broker_id)
        return self.tell(e.OrderStepped(order_id, status, status, number, reason))

    def fill(self, order_id, qty, price):
        draft, qty = self._drafts[order_id], dec(qty)
        so_far = self._filled[order_id] = self._filled.get(order_id, Decimal(0)) + qty
        is_complete = so_far >= draft.qty
        self.tell(
            e.FillBooked(
                *(order_id, draft.symbol, draft.side, qty, dec(price), so_far, is_complete),
                execution_id=f"x-{len(self.entries)}",
            )
        )
        return self.step(order_id, "filled") if is_complete else self

    def bought(self, symbol, qty, expected, price, side="buy", **more):
        """An order that fills whole at one price; its id."""
        order_id = self.order(symbol, side, qty, expected, **more)
        self.fill(order_id, qty, price)
        return order_id

    def see(self, symbol, price):
        """A snapshot that decided something: it stands in the journal."""
        position = Position(Symbol(symbol), Decimal(1), dec(price), Decimal(1), dec(price))
        account = e.SnapshotReported(self.at, None, (position,), ())
        return self.tell(account)

    def close(self, day, **closes):
        told = {Symbol(s): dec(p) for s, p in closes.items()}
        return self.tell(e.SignalsReported(day, (), told, Regime.TREND_BULL, day, "test"))

    def finish(self, outcome="done", is_final=True, reason="", lines=()):
        report = e.RunReport(
            *(0, 0, 0, Decimal(0), Decimal(0), Decimal(100_000), Regime.TREND_BULL),
            *(Decimal(1), Decimal("0.5")),
            lines=tuple(lines),
        )
        return self.tell(e.RunFinished(self.run_id, outcome, is_final, reason, report))

    def activity(self, kind, *, net=None, day=None, moves=(), filled=None, **fields):
        self._activities += 1
        told = {
            "symbol": Symbol(""),
            "side": "",
            "qty": None,
            "price": None,
            "net_amount": dec(net),
            "at": None,
            "day": day or DAY,
            **fields,
        }
        activity = Activity(f"a{self._activities}", kind, **told)
        moved = tuple(e.Move(Symbol(symbol), dec(qty)) for symbol, qty in moves)
        booked = e.ActivityBooked(activity, dec(net or 0), Decimal(0), moved, True)
        if filled is not None:
            booked = e.ActivityBooked(
                activity, Decimal(0), Decimal(0), moved, True, order_filled_qty=dec(filled)
            )
        return self.tell(booked)

    def mark(self, day, equity, benchmark=None, cash="0"):
        return self.tell(e.EquityMarked(day, dec(equity), dec(cash), dec(benchmark)))

    @property
    def ledger(self):
        return Ledger.of(self.entries)

    def costs(self, run_id=None):
        """The shortfall of one run, or of all."""
        ledger = self.ledger
        runs = [r for r in ledger.runs.values() if run_id in (None, r.run_id)]
        return shortfall_of(runs, ledger.tape, ledger.last_at)

    def document(self, wanted=Wanted(), promised=Promised()):  # noqa: B008
        return {"account": "[LOCAL] PROOF", **document_of(Past(self.entries, wanted), promised)}
