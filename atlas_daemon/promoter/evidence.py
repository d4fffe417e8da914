"""What a paper account's journal proves: read once, from where the present sections are in force.

Lives here: what counts as evidence, and since when. May not live here: limits, and what is to be
done where something is missing.

Evidence is of a configuration: it counts from the entry (a start, or a new configuration) since
which the bound sections are what they are now, without a break. Rehearsals, drills and the doctor
are of a code besides: a later code has to show them anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.events import Entry
from atlas_daemon.core.findings import Finding
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import OrderId, RunId

from .gaps import days_of_gap

MARK_WITHIN = timedelta(hours=1)
"""How long after a close the day's mark of equity may take before the day counts as missed."""
IN_DOUBT = frozenset({OrderStatus.SENDING, OrderStatus.UNKNOWN})


@dataclass(slots=True)
class RunSeen:
    """A run of the paper account."""

    run_id: RunId
    trigger: str
    started_at: datetime
    code: str
    """Of the process that began it; emptied where another went on with it."""
    lines: int = 0
    """Lines of its largest plan."""
    outcome: str = ""
    report: e.RunReport | None = None

    @property
    def is_done(self) -> bool:
        """True where it reached its target, line by line but for what the policy dropped."""
        return self.outcome == "done"

    @property
    def is_whole(self) -> bool:
        """True where it is done, every line is what was planned, and half of them were traded.

        A share more of one line is no rehearsal of a rebalance.
        """
        is_met = self.report is not None and not self.report.discrepancies
        return self.is_done and is_met and self.filled > 0 and 2 * self.filled >= self.lines

    @property
    def filled(self) -> int:
        """Orders of it that filled."""
        return self.report.filled_orders if self.report is not None else 0


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of evidence on record."""

    at: datetime
    event: e.EvidenceReported


@dataclass(frozen=True, slots=True)
class Examined:
    """What the doctor found, by the daemon's own asking."""

    at: datetime
    code: str
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class Evidence:
    """What counts, since `since`; None where nothing does."""

    since: datetime | None = None
    since_seq: int = 0
    started_code: str = ""
    """The code of the process that runs, or ran last."""
    last_at: datetime | None = None
    is_untold: bool = False
    """The last start did not say under which sections it ran: an older version."""
    marks: dict[date, e.EquityMarked] = field(default_factory=dict)
    runs: dict[RunId, RunSeen] = field(default_factory=dict)
    submitted: set[OrderId] = field(default_factory=set)
    approved: int = 0
    refused: int = 0
    filled: set[OrderId] = field(default_factory=set)
    doubtful: set[OrderId] = field(default_factory=set)
    """Orders of which nobody knows now what became."""
    words: dict[tuple[str, str], Word] = field(default_factory=dict)
    examined: Examined | None = None
    failures: list[tuple[datetime, str]] = field(default_factory=list)
    differences: list[tuple[datetime, str]] = field(default_factory=list)
    open_differences: set[str] = field(default_factory=set)
    """Symbols (`cash` for the cash) that differ from the broker's and nothing has explained."""
    strange: list[tuple[datetime, str]] = field(default_factory=list)
    """Orders that nobody explains."""

    def word(self, kind: str, name: str) -> Word | None:
        """Return the latest evidence of a kind under a name."""
        return self.words.get((kind, name))

    def done(self, trigger: str) -> list[RunSeen]:
        """Return the runs of a trigger that reached their target, oldest first."""
        return [run for run in self.runs.values() if run.trigger == trigger and run.is_done]

    def sessions(self, now: datetime) -> tuple[date, ...]:
        """Return the session days that have to have a mark of equity by `now`."""
        if self.since is None:
            return ()
        last = NYSE.last_completed(now - MARK_WITHIN).day
        first = new_york_day(self.since)
        return tuple(
            session.day
            for session in NYSE.sessions_between(first, last)
            if session.closes_at > self.since
        )

    def gaps(self, now: datetime) -> tuple[date, ...]:
        """Return the session days without a mark of equity, explained or not."""
        return tuple(day for day in self.sessions(now) if day not in self.marks)

    def explained(self) -> Mapping[date, str]:
        """Return the days that a person has explained, and how.

        Nobody explains a day before it is over.
        """
        found: dict[date, str] = {}
        for (kind, name), word in self.words.items():
            if kind == "gap" and word.event.is_good:
                over = NYSE.last_completed(word.at).day
                days = [day for day in days_of_gap(name) if day <= over]
                found |= dict.fromkeys(days, word.event.text)
        return found

    @property
    def first_equity(self) -> Decimal | None:
        """The account's equity at the first mark that counts."""
        return self.marks[min(self.marks)].equity if self.marks else None


def evidence_of(entries: Iterable[Entry], sections: str) -> Evidence:
    """Return what the entries of a journal, read whole from its first, prove of `sections`."""
    reader = _Reader(sections)
    for entry in entries:
        reader.take(entry)
    return reader.evidence


class _Reader:
    """One pass over the entries."""

    def __init__(self, sections: str) -> None:
        self._sections = sections
        self.evidence = Evidence()
        self._code = ""

    def take(self, entry: Entry) -> None:
        """Take in the next entry."""
        event = entry.event
        match event:
            case e.DaemonStarted():
                self._code = event.code_digest
                self._follow(entry, event.sections_digest)
                self._other_process()
            case e.PolicyChanged():
                self._follow(entry, event.sections_digest)
        evidence = self.evidence
        evidence.last_at = entry.at
        if evidence.since is None:
            return
        match event:
            case e.EquityMarked():
                evidence.marks[event.day] = event
            case e.EvidenceReported():
                evidence.words[(event.kind, event.name)] = Word(entry.at, event)
            case e.DoctorReported():
                evidence.examined = Examined(entry.at, self._code, event.findings)
            case e.RunStarted() | e.RunPlanned() | e.RunFinished():
                self._on_run(entry.at, event)
            case _:
                self._on_order(event)
                self._on_trouble(entry)

    def _follow(self, entry: Entry, sections: str) -> None:
        """Begin to count, or begin anew, where other sections come into force."""
        evidence = self.evidence
        is_ours = sections == self._sections
        if is_ours and evidence.since is None:
            self.evidence = Evidence(since=entry.at, since_seq=entry.seq)
        elif not is_ours:
            self.evidence = Evidence(is_untold=not sections)
        self.evidence.started_code = self._code

    def _other_process(self) -> None:
        for run in self.evidence.runs.values():
            if not run.outcome and run.code != self._code:
                run.code = ""

    def _on_run(self, at: datetime, event: e.RunStarted | e.RunPlanned | e.RunFinished) -> None:
        runs = self.evidence.runs
        if isinstance(event, e.RunStarted):
            runs[event.run_id] = RunSeen(event.run_id, event.trigger, at, self._code)
            return
        run = runs.get(event.run_id)
        if run is None:  # begun before evidence counts
            return
        if isinstance(event, e.RunPlanned):
            run.lines = max(run.lines, len(event.lines))
        else:
            run.outcome, run.report = event.outcome, event.report

    def _on_order(self, event: e.Event) -> None:
        evidence = self.evidence
        match event:
            case e.OrderApproved():
                evidence.approved += 1
            case e.OrderRefused():
                evidence.refused += 1
            case e.OrderSubmitted():
                evidence.submitted.add(event.order_id)
                evidence.doubtful.add(event.order_id)
            case e.OrderStepped():
                if event.status in IN_DOUBT:
                    evidence.doubtful.add(event.order_id)
                else:
                    evidence.doubtful.discard(event.order_id)
            case e.FillBooked():
                evidence.doubtful.discard(event.order_id)
                if event.is_complete:
                    evidence.filled.add(event.order_id)

    def _on_trouble(self, entry: Entry) -> None:
        evidence, event = self.evidence, entry.event
        match event:
            case e.DriftFound():
                evidence.open_differences.add(event.symbol)
                text = f"{event.symbol}: ours {event.ours:f}, the broker's {event.theirs:f}"
                evidence.differences.append((entry.at, text))
            case e.CashUnexplained():
                evidence.open_differences.add("cash")
                text = f"cash: ours {event.ours:f}, the broker's {event.theirs:f}"
                evidence.differences.append((entry.at, text))
            case e.DriftExplained():
                self._explained(event.symbol)
            case e.CashRestated(is_within_tolerance=True):
                self._explained("cash")
            case e.BookAdopted():
                symbols = {symbol for symbol, _ in event.positions}
                evidence.open_differences -= symbols
                if event.is_whole or event.cash is not None:
                    evidence.open_differences.discard("cash")
            case _:
                if text := _failure(event):
                    evidence.failures.append((entry.at, text))
                elif text := _strange(event):
                    evidence.strange.append((entry.at, text))

    def _explained(self, what: str) -> None:
        """A difference that the broker's own word explains was none: the word came late."""
        evidence = self.evidence
        if what not in evidence.open_differences:
            return
        evidence.open_differences.discard(what)
        told = [
            n for n, (_, text) in enumerate(evidence.differences) if text.startswith(f"{what}: ")
        ]
        del evidence.differences[told[-1]]


def _failure(event: e.Event) -> str:
    """Return what failed of the infrastructure; empty where nothing did."""
    match event:
        case e.DaemonCrashed():
            return "the daemon ended by an exception of its own"
        case e.SlotMissed():
            return f"slot {event.slot} was missed"
        case e.HaltDurabilityChanged(is_held=False):
            return f"a stop could not be kept on the disk ({event.what})"
        case e.ClockDisputed(is_blocking=True):
            return f"the clock differed from the broker's by {event.skew_s} s"
        case e.ClockStepped():
            return "the clock was set back"
        case e.CalendarDisputed():
            return "the calendar differed from the broker's"
    return ""


def _strange(event: e.Event) -> str:
    """Return which order nobody explains; empty where each is explained."""
    match event:
        case e.ForeignOrderFound(carries_our_prefix=True):
            return f"{event.client_order_id}: our prefix, and not in the journal"
        case e.OrderDisputed():
            return f"{event.order_id}: {event.detail}"
        case e.OrderOverfilled():
            return f"{event.order_id}: {event.filled_qty:f} filled of {event.qty:f}"
        case e.ExecutionDisputed():
            return f"{event.order_id}: an execution was told with two figures"
        case e.RivalSuspected():
            return f"another daemon seemed to trade the account: {event.why}"
    return ""
