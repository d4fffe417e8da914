"""`atlasd rebalance`: a run through the daemon, watched to its end; --dry-run shows the plan."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from atlas_daemon.cli.desk import AccountOption, confirmed_account, who
from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings
from atlas_daemon.control import NoDaemonError, ask, follow
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import (
    AtlasError,
    HaltedError,
    RefusedError,
    UsageError,
)
from atlas_daemon.core.events import Entry
from atlas_daemon.core.spelling import dollars, percent
from atlas_daemon.core.values import AccountMode, OrderId
from atlas_daemon.journal.codec import encode
from atlas_daemon.records.lines import line as log_line
from atlas_daemon.records.lines import one_line
from atlas_daemon.records.trades_csv import OrderSeen, seen
from atlas_daemon.records.words import words


@plain_errors
def rebalance(
    force: Annotated[
        bool, typer.Option("--force", help="Run now, whether a slot is due or not.")
    ] = False,
    first_trade: Annotated[
        bool,
        typer.Option("--first-trade", help="Buy for 100 dollars of each of the 3 best picks only."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the plan; nothing is sent.")
    ] = False,
    on: Annotated[
        str | None, typer.Option("--date", help="With --dry-run: plan for this day (YYYY-MM-DD).")
    ] = None,
    universe: Annotated[
        str | None, typer.Option("--universe", help="With --dry-run: another universe.")
    ] = None,
    top_n: Annotated[
        int | None, typer.Option("--top-n", help="With --dry-run: how many lines at most.")
    ] = None,
    regime: Annotated[
        str | None, typer.Option("--regime", help="With --dry-run: take this regime.")
    ] = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Rebalance through the running daemon, or here where none runs, and show the progress.

    Exit 0 done, 1 degraded, 3 refused by a gate, 4 halted.
    """
    if first_trade and (force or dry_run):
        raise UsageError("--first-trade goes with neither --force nor --dry-run")
    if dry_run:
        from atlas_daemon.cli.plan import plan

        plan(on, universe, top_n, regime, None, None, as_json, config)
        return
    planned = {"--date": on, "--universe": universe, "--top-n": top_n, "--regime": regime}
    for option, value in planned.items():
        if value is not None:
            raise UsageError(f"{option} goes with --dry-run: a rebalance trades today, as set up")
    settings = settings_for(config)
    asked: dict[str, Any] = {"by": who(), "force": force, "first_trade": first_trade}
    if (force or first_trade) and settings.mode is AccountMode.LIVE:
        what = "make the first trade" if first_trade else "force a rebalance"
        asked["account"] = confirmed_account(settings, account, what)
    progress = Progress(is_quiet=as_json)
    try:
        begun = ask(settings.control_socket_path, "rebalance", **asked)
    except NoDaemonError:
        progress.say(f"{label_of(settings)}  no daemon runs: rebalancing here until it is done")
        ended = _here(settings, e.RebalanceRequested(who(), force, first_trade), progress)
    else:
        progress.say(f"{label_of(settings)}  run {begun['run']} has begun")
        after = begun["seq"] - 1
        ended = progress.tell(follow(settings.control_socket_path, begun["run"], after))
    _conclude(settings, ended, progress, as_json)


class Progress:
    """Tells entries as lines of the log while they come."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._orders: dict[OrderId, OrderSeen] = {}
        self.is_halted = False

    def say(self, text: str) -> None:
        """Print a line, unless only the end is wanted."""
        if not self._is_quiet:
            typer.echo(one_line(text))

    def hear(self, entries: Sequence[Entry]) -> None:
        """Tell the entries of a turn."""
        for entry in entries:
            if isinstance(entry.event, e.TradingHalted):
                self.is_halted = True
            order = seen(self._orders, entry)
            known = None if order is None else self._orders.get(order.draft.order_id)
            said = words(entry.event, known)
            if order is not None:
                self._orders[order.draft.order_id] = order
            if said is not None and said.level != "debug":
                self.say(log_line(entry.at, said.level, said.component, said.text))
            if isinstance(entry.event, e.RunPlanned):
                for note in entry.event.notes:
                    self.say(f"  {note}")

    def tell(self, entries: Iterable[Entry]) -> e.RunFinished:
        """Tell entries until the last one, which ends the run."""
        last: e.Event | None = None
        for entry in entries:
            self.hear((entry,))
            last = entry.event
        if not isinstance(last, e.RunFinished):
            raise AtlasError("the daemon's words ended before the run did")
        return last


def _here(settings: Settings, wanted: e.RebalanceRequested, progress: Progress) -> e.RunFinished:
    from atlas_daemon.cli.foreground import run_until_done
    from atlas_daemon.late_stop import late_stops_latched

    with late_stops_latched() as late:
        late.settings = settings
        return asyncio.run(run_until_done(settings, wanted, hear=progress.hear))


def _conclude(settings: Settings, ended: e.RunFinished, progress: Progress, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(json.loads(encode(ended)[1]), indent=2))
    else:
        progress.say(f"{label_of(settings)}  {_summary(ended)}")
    if ended.outcome == "done":
        return
    if ended.outcome == "refused":
        raise typer.Exit(RefusedError.exit_code)
    if ended.outcome != "aborted":
        raise typer.Exit(1)
    if progress.is_halted or ended.reason.startswith(("stopped by", "halted")):
        raise typer.Exit(HaltedError.exit_code)
    raise typer.Exit(1)


def _summary(ended: e.RunFinished) -> str:
    report = ended.report
    said = f"run {ended.run_id} {ended.outcome}"
    if report is not None:
        said += (
            f": {report.total_orders} orders ({report.filled_orders} filled, "
            f"{report.rejected_orders} rejected), {percent(report.achieved_pct)} deployed, "
            f"equity {dollars(report.final_equity)}"
        )
    return f"{said}: {ended.reason}" if ended.reason else said
