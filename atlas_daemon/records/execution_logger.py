"""The execution logger: the audit trail in four destinations. It decides no wording of events.

Console (INFO and above), `execution_{date}.log` (all), `errors_{date}.log` (ERROR and above) and
`trades_{date}.csv`. Nothing here raises into the caller: a destination that cannot be written is
named once per outage on the console, and taken up again when it can.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from .day_files import KEEP_DAYS, DayFiles
from .lines import Redactor, day_of, line, number, one_line, stamp
from .structured import structlog
from .trades_csv import Row, header, text_of

Number = Decimal | float
NAME = "ExecutionLogger"
WEIGHTS: Mapping[str, int] = logging.getLevelNamesMapping()
PENDING_ROWS_MAX = 10_000
MINOR_QTY = Decimal(1)
"""A difference of up to one share is a minor one (the handbook's tolerance)."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Outage:
    why: str
    lost: int = 0


class _Line(NamedTuple):
    at: datetime
    text: str


class ExecutionLogger:
    """Lines and trade rows of one account.

    `account_label` opens each new file; `clock` gives aware moments and alone says when a day
    ends; `console` is a stream, True for standard error, or False; `secrets` appear nowhere.
    """

    def __init__(
        self,
        log_dir: str | Path = "logs/",
        *,
        account_label: str = "[PAPER] LARGE",
        clock: Callable[[], datetime] = _now,
        console: bool | TextIO = True,
        secrets: Sequence[str] = (),
    ) -> None:
        self.account_label = account_label
        self._files = DayFiles(Path(log_dir))
        self._clock = clock
        self._console = console
        self._redact = Redactor(secrets)
        self._outages: dict[str, _Outage] = {}
        self._pending: list[tuple[date, str]] = []
        self._unswapped: dict[date, str] = {}
        self._submitted: dict[str, tuple[str, str]] = {}
        self._day: date | None = None
        self._gathered: dict[tuple[str, date], list[_Line]] | None = None
        """Lines that wait for the end of `together`, by the file that they belong to."""
        self._handler: logging.Handler | None = None
        self._structlog: Any = structlog.wrap_logger(
            self,
            processors=[
                structlog.processors.add_log_level,
                _with_trace,
                self._deliver,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        ).bind()

    # The handbook's methods. Each writes a line, and the order events a trade row.

    def log_order_submission(
        self, symbol: str, qty: Number, side: str, order_type: str, order_id: str
    ) -> None:
        """Record an order that went to the broker. `qty` in shares."""
        self._submitted[order_id] = (symbol, order_type)
        text = f"Submitted {order_type} order: {side.upper()} {number(qty)} {symbol}"
        self.log("info", NAME, f"{text}, id {order_id}")
        self._own_row(order_id, side.upper(), "submitted", qty=qty)

    def log_order_fill(
        self, order_id: str, fill_price: Number, fill_qty: Number, commission: Number
    ) -> None:
        """Record an execution: dollars per share, shares, dollars."""
        symbol = self._submitted.get(order_id, ("", ""))[0]
        text = f"Filled order {order_id}: {number(fill_qty)} {symbol} @ {number(fill_price)}"
        self.log("info", NAME, f"{text}, commission {number(commission)}")
        self._own_row(
            order_id,
            "FILL",
            "filled",
            qty=fill_qty,
            price=number(fill_price),
            fill_price=number(fill_price),
            fill_qty=number(fill_qty),
            commission=number(commission),
        )

    def log_order_rejection(self, order_id: str, reason: str) -> None:
        """Record a no to an order, and why."""
        self.log("error", NAME, f"Rejected order {order_id}: {reason}")
        self._own_row(order_id, "REJECT", "rejected", error=reason)

    def log_position_update(self, symbol: str, action: str, qty: Number, price: Number) -> None:
        """Record a position that was opened, closed or adjusted by `qty` shares at `price`."""
        text = f"Position {action}: {number(qty)} {symbol} @ {number(price)}"
        self.log("info", NAME, text)

    def log_error(
        self, component: str, error_msg: str, exc_info: BaseException | None = None
    ) -> None:
        """Record what prevented something; the traceback goes to the files only."""
        self.log("error", component, error_msg, exc_info=exc_info)

    def log_reconciliation(
        self,
        target_positions: Mapping[str, Number],
        actual_positions: Mapping[str, Number],
        discrepancies: Sequence[str],
    ) -> None:
        """Record target against actual shares.

        INFO where they agree, WARNING where each differs by at most a share, else ERROR.
        """
        symbols = {*target_positions, *actual_positions}
        off = [
            abs(_exact(target_positions.get(s, 0)) - _exact(actual_positions.get(s, 0)))
            for s in sorted(symbols)
        ]
        if not discrepancies and not any(off):
            self.log("info", NAME, f"Reconciled: {len(symbols)} positions as targeted")
            return
        is_minor = all(gap <= MINOR_QTY for gap in off)
        told = "; ".join(discrepancies) or "quantities differ"
        self.log("warning" if is_minor else "error", NAME, f"Reconciliation: {told}")

    # Lines.

    def log(
        self,
        level: str,
        component: str,
        text: str,
        *,
        exc_info: BaseException | None = None,
        **fields: object,
    ) -> None:
        """Write a line: `level` is debug, info, warning, error or critical; fields follow it."""
        known = {} if exc_info is None else {"exc_info": exc_info}
        getattr(self._structlog, level)(text, component=component, **known, **fields)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Put what is written meanwhile into each file at once, at the end, trade rows first."""
        self._gathered = {}
        try:
            yield
        finally:
            gathered, self._gathered = self._gathered, None
            self._flush_trades()
            for (kind, day), lines in gathered.items():
                self._write(kind, day, lines)

    def component(self, name: str) -> Any:
        """Return a structlog logger whose lines carry the component's name."""
        return self._structlog.bind(component=name)

    def capture(self, *names: str) -> None:
        """Take in the standard library's loggers: the named ones whole, others from WARNING."""
        self.release()
        self._handler = _Capture(self)
        logging.getLogger().addHandler(self._handler)
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG)

    def release(self) -> None:
        """Take in the standard library's loggers no longer."""
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler = None

    # Trade rows.

    def write_trades(self, day: date, rows: Iterable[Row]) -> None:
        """Append rows to a New York day's trades file; kept and tried again where that fails."""
        told = [self._csv(row) for row in rows]
        if day in self._unswapped:  # the whole file is still to be put in place
            self._unswapped[day] += "".join(told)
        else:
            self._pending.extend((day, text) for text in told)
        del self._pending[:-PENDING_ROWS_MAX]
        if self._gathered is None:
            self._flush_trades()

    def swap_trades(self, day: date, rows: Iterable[Row]) -> None:
        """Put a day's trades file in place whole, from all of its rows."""
        self._pending = [(other, text) for other, text in self._pending if other != day]
        self._swap_csv(day, header() + "".join(self._csv(row) for row in rows))

    def keeps(self, day: date) -> bool:
        """True for a day whose files are not archived yet."""
        return day >= day_of(self._clock()) - timedelta(days=KEEP_DAYS)

    @property
    def today(self) -> date:
        """The New York date by the given clock."""
        return day_of(self._clock())

    @property
    def outages(self) -> Mapping[str, str]:
        """Which kinds of file cannot be written now, and why."""
        return {kind: outage.why for kind, outage in self._outages.items()}

    def _own_row(
        self, order_id: str, action: str, status: str, qty: Number | None = None, **cells: str
    ) -> None:
        at = self._clock()
        symbol, order_type = self._submitted.get(order_id, ("", ""))
        row = Row(
            timestamp=stamp(at),
            symbol=symbol,
            action=action,
            qty=number(qty),
            order_type=order_type,
            order_id=order_id,
            status=status,
            **cells,
        )
        self.write_trades(day_of(at), [row])

    def _flush_trades(self) -> None:
        for day, text in list(self._unswapped.items()):
            self._swap_csv(day, text)
        while self._pending:
            day = self._pending[0][0]
            text = "".join(text for other, text in self._pending if other == day)
            name = f"trades_{day}.csv"
            if not self._try("trades", name, partial(self._append_csv, name, text)):
                return
            self._pending = [(other, text) for other, text in self._pending if other != day]

    def _append_csv(self, name: str, text: str) -> None:
        self._files.append(name, text, opening=header)

    def _swap_csv(self, day: date, text: str) -> None:
        name = f"trades_{day}.csv"
        if self._try("trades", name, lambda: self._files.swap(name, text)):
            self._unswapped.pop(day, None)
        else:
            self._unswapped[day] = text

    def _csv(self, row: Row) -> str:
        # By cell and before it is quoted: a secret with a quote in it is spelled otherwise after.
        return text_of([Row(**{name: self._redact(text) for name, text in _cells(row)})])

    # What structlog hands over.

    def _deliver(
        self, logger: object, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.ProcessorReturnValue:
        at = self._clock()
        level = event.pop("level")
        component = str(event.pop("component", NAME))
        short, trace = event.pop("exception", ("", ""))
        text = str(event.pop("event"))
        text += "".join(f" {name}={value}" for name, value in event.items())
        told = self._redact(line(at, level, component, self._redact(text + short)))
        whole = told + one_line(self._redact(trace))
        weight = WEIGHTS[level.upper()]
        if weight >= logging.INFO:
            self._say(told)
        today = day_of(at)
        if self._day != today:
            self._day = today
            self._try("archive", "archive/", lambda: self._files.archive(today))
        self._put("execution", today, at, whole)
        if weight >= logging.ERROR:
            self._put("errors", today, at, whole)
        if self._gathered is None:
            self._flush_trades()
        raise structlog.DropEvent

    def _put(self, kind: str, day: date, at: datetime, text: str) -> None:
        if self._gathered is None:
            self._write(kind, day, [_Line(at, text)])
        else:
            self._gathered.setdefault((kind, day), []).append(_Line(at, text))

    def _write(self, kind: str, day: date, lines: Sequence[_Line]) -> None:
        name = f"{kind}_{day}.log"
        text = "".join(f"{each.text}\n" for each in lines)

        def opening() -> str:
            title = f"{self.account_label}, {kind} of {day}, New York time"
            return f"{line(lines[0].at, 'info', NAME, title)}\n"

        self._try(kind, name, partial(self._files.append, name, text, opening=opening), len(lines))

    def _try(self, kind: str, name: str, write: Callable[[], object], count: int = 1) -> bool:
        outage = self._outages.get(kind)
        try:
            write()
        except OSError as error:
            path = self._files.folder / name
            if outage is None:
                outage = self._outages[kind] = _Outage(error.strerror or str(error))
                text = f"cannot write {path}: {outage.why}"
                self._say(self._redact(line(self._clock(), "critical", NAME, text)), is_last=True)
            outage.lost += count
            return False
        if outage is not None:
            del self._outages[kind]
            path = self._files.folder / name
            kept = "and nothing is lost" if kind in ("trades", "archive") else "lines lost"
            text = f"writing {path} again: {outage.lost} tries failed, {kept}"
            told = self._redact(line(self._clock(), "warning", NAME, text))
            self._say(told)
            if kind not in ("trades", "archive"):
                with suppress(OSError):
                    self._files.append(name, f"{told}\n")
        return True

    def _say(self, text: str, *, is_last: bool = False) -> None:
        """Write to the console; `is_last` goes to standard error even where there is none."""
        stream = sys.stderr if self._console is True else self._console
        if stream is False:
            if not is_last:
                return
            stream = sys.stderr
        # A console that is gone, or cannot spell a letter, must not stop an execution.
        with suppress(OSError, ValueError):
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()


def _with_trace(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put an exception in short, for all, and its trace, for the files, in its place."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        trace = "".join(traceback.format_exception(error)).rstrip()
        event["exception"] = (f" ({type(error).__name__}: {error})", f"\n{trace}")
    elif error and (current := sys.exc_info()[1]) is not None:
        return _with_trace(logger, method, {**event, "exc_info": current})
    return event


def _cells(row: Row) -> Iterable[tuple[str, str]]:
    return ((name, getattr(row, name)) for name in Row.__slots__)


def _exact(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


class _Capture(logging.Handler):
    """Hands the standard library's records to the logger."""

    def __init__(self, logger: ExecutionLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = f"{record.msg} {record.args}"
        self._logger.log(
            _level(record.levelno),
            record.name,
            text,
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


def _level(weight: int) -> str:
    for level in ("critical", "error", "warning", "info"):
        if weight >= WEIGHTS[level.upper()]:
            return level
    return "debug"
