"""The recorder: watches committed turns and tells them to the logger, as lines and as trade rows.

It keeps of the orders only what it needs for wording, folded from the entries themselves, so that
a start can rebuild the trades files from the journal alone. It decides nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.values import OrderId

from .execution_logger import ExecutionLogger
from .lines import Line, day_of
from .positions import Positions
from .trades_csv import TOLD_BY_ROWS, OrderSeen, Row, rows, seen
from .words import slippage_pct, words

REFUSALS_IN_A_ROW = 3
"""So many orders turned down with none taken between need somebody now."""
FAILURES_IN_A_ROW = 3
"""So many questions without an answer mean that the broker cannot be reached."""

_TURNED_DOWN = frozenset({OrderStatus.REFUSED, OrderStatus.REJECTED})
_ANSWERS: Mapping[type[e.Event], tuple[str, ...]] = {
    e.SnapshotReported: ("snapshot", "credentials"),
    e.QuotesReported: ("quotes",),
    e.AssetsReported: ("assets",),
    e.SessionsReported: ("sessions",),
    e.SignalsReported: ("signals",),
    e.OrderReported: ("order",),
    e.OrderNotFound: ("order",),
}
"""What an answer ends the failures of, by the names that FetchFailed gives them."""
_FOLDED = frozenset({e.OrderApproved, e.BookAdopted, *TOLD_BY_ROWS})
"""What orders and positions are folded from; most of a journal is something else."""
_TAKEN = frozenset({OrderStatus.WORKING, OrderStatus.FILLED})


class Recorder:
    """Tells entries to `logger`, each once; warns where a fill slips beyond `slippage_warn_pct`."""

    def __init__(
        self, logger: ExecutionLogger, *, slippage_warn_pct: Decimal = Decimal("0.005")
    ) -> None:
        self._logger = logger
        self.slippage_warn_pct = slippage_warn_pct
        self._orders: dict[OrderId, OrderSeen] = {}
        self._positions = Positions()
        self._rebuilt_seq = 0
        self._refusals = 0
        self._failures: dict[str, int] = {}

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """Take in the whole journal at start, and put the trades files right."""
        for _ in self.rebuilding(entries):
            pass

    def rebuilding(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Do the same while somebody else reads: yield each entry that is taken in.

        At the end the day's file is swapped for one made of its entries, and so is that of an
        earlier day that is kept: a process killed at midnight may have left it short.
        """
        by_day: dict[date, list[Row]] = {}
        for entry in entries:
            if type(entry.event) in TOLD_BY_ROWS:
                day = day_of(entry.at)
                if self._logger.keeps(day) and (found := rows(entry, self._orders)):
                    by_day.setdefault(day, []).extend(found)
            self._fold(entry)
            self._rebuilt_seq = entry.seq
            yield entry
        by_day.setdefault(self._logger.today, [])
        for day, found in sorted(by_day.items()):
            self._logger.swap_trades(day, found)

    def on_turn(self, entries: Sequence[Entry]) -> None:
        """Tell the entries of a committed turn: rows first, they are what is counted on."""
        with self._logger.together():
            for entry in entries:
                if entry.seq <= self._rebuilt_seq:
                    continue
                found = rows(entry, self._orders)
                if found:
                    self._logger.write_trades(day_of(entry.at), found)
                self._tell(entry)
                self._fold(entry)

    def log_head(self, seq: int, digest: str) -> None:
        """Write the journal's head: kept elsewhere, it proves what came before."""
        self._logger.log("info", "Journal", f"head {seq}:{digest}")

    def _fold(self, entry: Entry) -> None:
        if type(entry.event) not in _FOLDED:
            return
        order = seen(self._orders, entry)
        if order is not None:
            self._orders[order.draft.order_id] = order
        self._positions.fold(entry)

    def _tell(self, entry: Entry) -> None:
        event = entry.event
        known = self._orders.get(_order_id(event))
        line = words(event, known)
        match event:
            case e.FetchFailed():
                line = self._failed(event, line)
            case _ if type(event) in _ANSWERS:
                self._answered(*_ANSWERS[type(event)])
        if line is not None:
            self._logger.log(*line)
        match event:
            case e.FillBooked():
                self._tell_fill(event, known)
            case e.OrderStepped() if known is None or known.status != event.status:
                self._count_refusals(event)
            case e.RunFinished(report=e.RunReport() as report) if report.lines:
                self._logger.log_reconciliation(
                    {achieved.symbol: achieved.target_qty for achieved in report.lines},
                    {achieved.symbol: achieved.actual_qty for achieved in report.lines},
                    report.discrepancies,
                )

    def _tell_fill(self, event: e.FillBooked, known: OrderSeen | None) -> None:
        action = self._positions.action(event)
        self._logger.log_position_update(
            event.symbol, action, event.qty * event.side.sign, event.price
        )
        slip = slippage_pct(event, known)
        if slip is not None and slip > self.slippage_warn_pct:
            assert known is not None
            text = (
                f"Slippage {slip:.2%} on {event.order_id}: {event.price:f} "
                f"against {known.draft.expected_price:f} expected"
            )
            self._logger.log("warning", "Tracker", text)

    def _count_refusals(self, event: e.OrderStepped) -> None:
        if event.status in _TAKEN:
            self._refusals = 0
        elif event.status in _TURNED_DOWN:
            self._refusals += 1
            if self._refusals == REFUSALS_IN_A_ROW:
                text = f"{self._refusals} orders in a row were turned down: {event.reason}"
                self._logger.log("critical", "Submitter", text)

    def _failed(self, event: e.FetchFailed, line: Line | None) -> Line | None:
        count = self._failures[event.what] = self._failures.get(event.what, 0) + 1
        if line is None or count == 1:
            return line
        if count == FAILURES_IN_A_ROW and event.what == "snapshot":
            text = f"Cannot connect to the Alpaca API: {event.detail}"
            return line._replace(level="critical", text=text)
        # The same failure every few seconds for hours: once is told, the rest is for the file.
        return line._replace(level="debug")

    def _answered(self, *whats: str) -> None:
        for what in whats:
            count = self._failures.pop(what, 0)
            if count >= FAILURES_IN_A_ROW:
                text = f"Answered again on {what} after {count} failures"
                self._logger.log("info", "AlpacaTradingClient", text)


def _order_id(event: e.Event) -> OrderId:
    match event:
        case e.OrderSubmitted() | e.OrderStepped() | e.FillBooked():
            return event.order_id
        case _:
            return OrderId("")
