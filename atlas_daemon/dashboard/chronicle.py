"""What happened, as far as the page shows it: a watcher of committed entries, bounded in memory.

Filled at the start while somebody else reads the journal, and kept up turn by turn. Its views are
plain and ready for JSON; what nobody knows is None. It decides nothing and asks nothing.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.plain import moment
from atlas_daemon.core.values import OrderId
from atlas_daemon.records.trades_csv import OrderSeen
from atlas_daemon.records.words import words

from .curve import Curve
from .rebalances import Rebalances

TAIL_MAX = 50
TEXT_MAX = 400

View = dict[str, Any]


class Chronicle:
    """The past of one account. `version` grows with everything that changes a view."""

    def __init__(self) -> None:
        self._curve = Curve()
        self._rebalances = Rebalances()
        self._tail: deque[View] = deque(maxlen=TAIL_MAX)

    @property
    def equity_version(self) -> int:
        """Grows with everything that changes `equity()`."""
        return self._curve.version + self._rebalances.ends_version

    @property
    def ends_version(self) -> int:
        """Grows with everything that changes a rebalance that has ended."""
        return self._rebalances.ends_version

    @property
    def rebalances_version(self) -> int:
        """Grows with everything that changes `rebalances()`."""
        return self._rebalances.version

    def rebuilding(self, entries: Iterable[e.Entry]) -> Iterator[e.Entry]:
        """Take in the whole journal while somebody else reads it: yield each entry taken in."""
        latest: deque[tuple[e.Entry, OrderSeen | None]] = deque(maxlen=TAIL_MAX)
        for entry in entries:
            if type(entry.event) is not e.Ticked:
                latest.append((entry, self._known(entry.event)))
            self._take(entry)
            yield entry
        self._tail.extend(_told(entry, known) for entry, known in latest)

    def on_turn(self, entries: Sequence[e.Entry]) -> None:
        """Take in the entries of a committed turn."""
        for entry in entries:
            if type(entry.event) is not e.Ticked:
                self._tail.append(_told(entry, self._known(entry.event)))
            self._take(entry)

    def equity(
        self, benchmark: str = "SPY", since: date | None = None, until: date | None = None
    ) -> View:
        """Return the marks of equity by day, regimes and slots, from `since` to `until`."""
        points = [point for some in self.points(since, until) for point in some]
        return self.equity_frame(benchmark, since, until) | {"points": points}

    def chart(self, benchmark: str) -> View:
        """Return `equity` as a chart needs it: of older years the ends of weeks and months."""
        return self.equity_frame(benchmark) | {"points": self._curve.sparse()}

    def points(self, since: date | None = None, until: date | None = None) -> Iterator[list[View]]:
        """Yield the marks of equity a few at a time: ten years take some milliseconds."""
        return self._curve.points(since, until)

    def equity_frame(
        self, benchmark: str, since: date | None = None, until: date | None = None
    ) -> View:
        """Return all of `equity` but the points."""
        return {
            "benchmark": benchmark,
            "flows": self._curve.flows(since, until),
            "regimes": self._curve.regimes(since, until),
            "slots": self._rebalances.slots(since, until),
        }

    def rebalances(self, most: int | None = None) -> list[View]:
        """Return the runs that are kept, newest first; of them the latest `most`."""
        return self._rebalances.runs(most)

    def rebalance_names(self, since: date | None = None, until: date | None = None) -> list[str]:
        """Return the names of the runs that are kept, newest first, by their order day."""
        return self._rebalances.names(since, until)

    def rebalance(self, run_id: str) -> View | None:
        """Return one run; None where none of this name is kept."""
        return self._rebalances.run(run_id)

    def order(self, order_id: str) -> View | None:
        """Return one order with its steps; None where none of this id is kept."""
        return self._rebalances.order(order_id)

    def tail(self) -> list[View]:
        """Return the latest entries as one-line texts, newest first."""
        return list(reversed(self._tail))

    def _take(self, entry: e.Entry) -> None:
        self._rebalances.take(entry)
        event, curve = entry.event, self._curve
        match event:
            case e.EquityMarked():
                curve.mark(event, entry.at)
            case e.ActivityBooked():
                curve.moved(event, new_york_day(entry.at))
            case e.ActivitiesNoted():
                curve.is_read_from(new_york_day(event.asked_at))
            case e.CashUnexplained():
                curve.is_unexplained(new_york_day(entry.at))
            case e.RegimeReported():
                until = None if event.signal_day is None else new_york_day(entry.at)
                curve.regime(event.confirmed or event.regime, event.as_of, until=until)
            case e.SignalsReported():
                until = new_york_day(entry.at)
                acted_on = event.regime_confirmed or event.regime
                curve.regime(acted_on, event.regime_as_of, until=until)

    def _known(self, event: e.Event) -> OrderSeen | None:
        order_id = getattr(event, "order_id", None)
        return None if order_id is None else self._rebalances.known(OrderId(order_id))


def _told(entry: e.Entry, known: OrderSeen | None) -> View:
    event = entry.event
    line = words(event, known)
    text = str(event) if line is None else line.text
    return {
        "seq": entry.seq,
        "at": moment(entry.at),
        "kind": type(event).__name__,
        "level": "debug" if line is None else line.level,
        "text": text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}...",
    }
