"""The story of a run on a terminal, told from the entries as they are committed.

It shows what the journal says and adds nothing; where there is no terminal it prints plain lines.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from atlas_daemon.config import Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.values import ZERO, Side

TOLD_GATES = frozenset({"buying_power", "cash_only", "total_allocation", "regime_compliance"})
"""Gates whose figures are shown also where they pass."""


class Host(Protocol):
    """What the story asks of the daemon."""

    settings: Settings
    url: str

    @property
    def state(self) -> State:
        """The state now."""
        ...

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        ...


ENDS = " (it ends with the demo; --keep stays up)"


class Story:
    """Hears entries, and tells them in order."""

    def __init__(self, console: Console | None = None, *, stays: bool = True) -> None:
        self._console = console or Console(highlight=False)
        self._entries: asyncio.Queue[e.Entry] = asyncio.Queue()
        self._sides: dict[str, tuple[Side, str, Decimal]] = {}
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._host: Host | None = None
        self._broker_url = ""
        self._has_signals, self._stays = False, stays

    def hear(self, entries: Sequence[e.Entry]) -> None:
        """Take in the entries of a turn."""
        for entry in entries:
            self._entries.put_nowait(entry)

    def title(self, settings: Settings) -> None:
        """Say what is shown, before anything runs."""
        what = (
            f"{label_of(settings)}: one rebalance, end to end, on the local broker.\n"
            f"Universe {settings.strategy.universe}, top {settings.strategy.top_n}, "
            f"regime {settings.regime.source.removeprefix('fixed:')} (given), "
            f"bars from {settings.data.source}. No real money moves."
        )
        self._console.print(Panel(what, title="atlas_daemon", expand=False))

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)

    async def tell(self, host: Host, broker_url: str) -> None:
        """Tell until the run is finished."""
        self._host, self._broker_url = host, broker_url
        with self._console.status("Reconciling, waiting for the slot ...") as waiting:
            finished = None
            while finished is None:
                entry = await self._entries.get()
                if isinstance(entry.event, e.RunPlanned):
                    waiting.stop()
                finished = self._tell(entry)
        self._ending(finished)

    def _tell(self, entry: e.Entry) -> e.RunFinished | None:
        event = entry.event
        match event:
            case e.DaemonStarted():  # heard once the page listens
                self._console.print(self._addresses())
            case e.BookAdopted():
                self._console.print(self._account())
            case e.ModeChanged(mode=mode, reason=reason):
                self._say(entry, f"mode {mode}: {reason}")
            case e.RunStarted(run_id=run_id, order_day=day, signal_day=signal_day):
                text = f"run {run_id} is due: order session {day}, signals of {signal_day}"
                self._say(entry, text)
            case e.SignalsReported() if not self._has_signals:  # later ones are the day's refresh
                self._has_signals = True
                names = " ".join(pick.symbol for pick in event.picks) or "none: all cash"
                self._say(entry, f"signals: {len(event.picks)} of {event.candidates}: {names}")
                for note in event.notes:
                    self._say(entry, f"  note: {note}")
            case e.RunPlanned():
                self._plan(event)
            case e.GatesAnswered(answers=answers):
                self._gates(answers)
            case e.PhaseStarted():
                self._phase(entry, event)
            case e.OrderApproved(approved=approved):
                draft = approved.draft
                self._sides[draft.order_id] = (draft.side, draft.symbol, draft.qty)
                self._bar(draft.order_id)
            case e.FillBooked():
                self._fill(entry, event)
            case e.OrderTrimmed() | e.OrderRefused() | e.LineDropped():
                self._say(entry, _words(event))
            case e.AlertRaised(level="critical", key="signals", text=text):
                self._close_progress()
                raise AtlasError(text)  # asked again for days; a demo is over here
            case e.AlertRaised(level=level, text=text) if level != "info":
                self._say(entry, f"{level}: {text}")
            case e.RunFinished():
                self._close_progress()
                return event
            case _:
                pass
        return None

    def _say(self, entry: e.Entry, text: str) -> None:
        console = self._progress.console if self._progress is not None else self._console
        stamp = entry.at.astimezone(NEW_YORK).strftime("%H:%M:%S")
        console.print(f"[dim]{stamp}[/dim] {text}")

    # Account, plan, gates, cash.

    def _addresses(self) -> str:
        assert self._host is not None
        return f"Broker at {self._broker_url}; dashboard at {self._host.url}"

    def _account(self) -> Table:
        assert self._host is not None
        state = self._host.state
        snapshot = state.figures.snapshot
        assert snapshot is not None
        account = snapshot.account
        table = Table(title=f"Account {account.number} before", title_justify="left")
        for name in ("Symbol", "Shares", "Price", "Value", "% of equity"):
            table.add_column(name, justify="left" if name == "Symbol" else "right")
        for position in snapshot.positions:
            share = position.value / account.equity if account.equity else ZERO
            price = position.price if position.price is not None else position.avg_entry_price
            table.add_row(
                position.symbol,
                f"{position.qty:f}",
                f"{price:,.2f}",
                f"{position.value:,.2f}",
                f"{share:.1%}",
            )
        table.add_section()
        cash_share = account.cash / account.equity if account.equity else ZERO
        table.add_row("cash", "", "", f"{account.cash:,.2f}", f"{cash_share:.1%}")
        table.add_row("equity", "", "", f"{account.equity:,.2f}", "100.0%")
        return table

    def _plan(self, plan: e.RunPlanned) -> None:
        title = (
            f"Plan of {plan.run_id}, round {plan.round}: {plan.regime} "
            f"({plan.allocation:.0%} of {plan.equity:,.2f})"
        )
        table = Table(title=title, title_justify="left", caption=f"digest {plan.digest[:16]}")
        for name in ("Symbol", "Current", "Target", "Order", "Price", "Value", "Weight", "Note"):
            table.add_column(name, justify="left" if name in ("Symbol", "Note") else "right")
        for line in plan.lines:
            change = line.target_qty - line.current_qty
            price = line.price
            order = f"[green]buy {change:f}[/green]" if change > 0 else ""
            if change < 0:
                order = f"[red]sell {-change:f}[/red]"
            value = f"{line.target_qty * price:,.2f}" if price is not None else "?"
            weight = line.target_qty * price / plan.equity if price and plan.equity else ZERO
            table.add_row(
                line.symbol,
                f"{line.current_qty:f}",
                f"{line.target_qty:f}",
                order,
                f"{price:,.2f}" if price is not None else "?",
                value,
                f"{weight:.1%}",
                line.note,
            )
        self._console.print(table)
        self._console.print(_cash(plan))
        for note in plan.notes:
            self._console.print(f"note: {note}")

    def _gates(self, answers: Sequence[e.GateAnswer]) -> None:
        rules = len({answer.rule for answer in answers})
        bad = [answer for answer in answers if not answer.ok]
        verdict = "all passed" if not bad else "[red]REFUSED[/red]"
        self._console.print(f"Gates: {rules} rules, {len(answers)} answers, {verdict}")
        for answer in bad or [answer for answer in answers if answer.rule in TOLD_GATES]:
            self._console.print(f"  {answer.text}")

    # Orders and fills.

    def _phase(self, entry: e.Entry, event: e.PhaseStarted) -> None:
        self._close_progress()
        if event.phase in ("selling", "buying"):
            self._progress = Progress(
                TextColumn("  {task.description:<16}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                console=self._console,
                transient=not self._console.is_terminal,
            )
            self._progress.start()
        self._say(entry, f"[bold]{event.phase}[/bold], round {event.round}")

    def _bar(self, order_id: str) -> None:
        side, symbol, qty = self._sides[order_id]
        if self._progress is not None:
            text = f"{side} {symbol}"
            self._bars[order_id] = self._progress.add_task(text, total=float(qty))

    def _fill(self, entry: e.Entry, event: e.FillBooked) -> None:
        wanted = self._sides.get(event.order_id, (event.side, event.symbol, event.filled_qty))[2]
        word = "filled" if event.is_complete else f"partly ({event.filled_qty:f} of {wanted:f})"
        text = f"{event.side} {event.qty:f} {event.symbol} at {event.price:,.2f}: {word}"
        self._say(entry, text)
        if self._progress is not None and event.order_id in self._bars:
            self._progress.update(self._bars[event.order_id], completed=float(event.filled_qty))

    def _close_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    # The end.

    def _ending(self, event: e.RunFinished) -> None:
        assert self._host is not None
        report = event.report
        if report is not None:
            self._console.print(_achieved(report))
            self._console.print(_summary(event, report))
        settings = self._host.settings
        day = self._host.state.now.astimezone(NEW_YORK).date()
        self._console.print(f"Logs: {settings.log_dir}/execution_{day}.log, trades_{day}.csv")
        self._console.print(f"Dashboard: {self._host.url}{'' if self._stays else ENDS}")


def label_of(settings: Settings) -> str:
    """Return the account's name with its world."""
    return f"[{settings.account.mode.upper()}] {settings.account.name}".replace("[", "\\[")


def _value(line: e.PlanLine) -> Decimal:
    return (line.target_qty - line.current_qty) * (line.price or ZERO)


def _cash(plan: e.RunPlanned) -> str:
    bought = sum((_value(line) for line in plan.lines if _value(line) > 0), ZERO)
    sold = -sum((_value(line) for line in plan.lines if _value(line) < 0), ZERO)
    left = plan.cash + sold - bought
    return f"Cash: {plan.cash:,.2f} + sells {sold:,.2f} - buys {bought:,.2f} = {left:,.2f}"


def _words(event: e.OrderTrimmed | e.OrderRefused | e.LineDropped) -> str:
    match event:
        case e.OrderTrimmed():
            return (
                f"{event.symbol} cut from {event.wanted_qty:f} to {event.qty:f}: {event.rule}, "
                f"{event.actual} against {event.limit}"
            )
        case e.OrderRefused():
            return f"{event.draft.symbol} refused: {event.detail}"
        case e.LineDropped():
            return f"{event.symbol} dropped: {event.rule}: {event.detail}"


def _achieved(report: e.RunReport) -> Table:
    table = Table(title="Reconciliation: target and actual", title_justify="left")
    for name in ("Symbol", "Target", "Actual", "Target %", "Actual %", "Note"):
        table.add_column(name, justify="left" if name in ("Symbol", "Note") else "right")
    for line in report.lines:
        table.add_row(
            line.symbol,
            f"{line.target_qty:f}",
            f"{line.actual_qty:f}",
            f"{line.target_weight:.2%}",
            f"{line.actual_weight:.2%}",
            line.note,
        )
    return table


def _summary(event: e.RunFinished, report: e.RunReport) -> Table:
    table = Table(title=f"Summary of {event.run_id}: {event.outcome}", title_justify="left")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    for name, value in (
        ("total_orders", str(report.total_orders)),
        ("filled_orders", str(report.filled_orders)),
        ("rejected_orders", str(report.rejected_orders)),
        ("total_slippage", f"{report.total_slippage:,.4f} $/share"),
        ("slippage_cost", f"{report.slippage_cost:,.2f} $"),
        ("final_equity", f"{report.final_equity:,.2f} $"),
        ("regime", report.regime),
        ("allocation_pct", f"{report.allocation_pct:.0%}"),
        ("achieved_pct", f"{report.achieved_pct:.1%}"),
        ("discrepancies", "; ".join(report.discrepancies) or "none"),
    ):
        table.add_row(name, value)
    return table
