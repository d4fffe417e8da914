"""`atlasd report`: what trading cost and what the account made, from the journal alone."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    day_of_option,
    fail,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.cli.reading import NoStateError, entries_of
from atlas_daemon.core.errors import AtlasError, UsageError


@plain_errors
def report(
    run: Annotated[
        str | None, typer.Option("--run", help="Only this run, with all of its orders.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="Runs and marks from this day (YYYY-MM-DD).")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="And until this day.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots that needs nothing else.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write one row an order; - is standard output.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell what trading cost, order by order, and what the account made since.

    Read from the journal; the daemon may run or not, and is asked nothing. docs/report.md says
    what each figure means.
    """
    from atlas_daemon.analysis.document import Past, Promised, Wanted, document_of
    from atlas_daemon.journal import JournalError

    days = _day("--from", first), _day("--to", last)
    _refuse_contradictions(run, *days)
    is_printed_csv = csv is not None and str(csv) == "-"
    if is_printed_csv and as_json:
        raise UsageError("--csv - and --json: only one of them can be the output")
    settings = settings_for(config)
    past = Past(entries_of(settings), Wanted(run, *days))
    fault = past.ledger.fault
    if past.ledger.last_at is None:
        if fault:
            raise JournalError(fault)
        raise NoStateError(f"the journal {settings.journal_path} has no entry yet")
    promised = Promised(
        settings.report.expected_cagr,
        settings.report.expected_sharpe,
        settings.report.expected_max_drawdown,
    )
    label = label_of(settings)
    document = {"account": label, **document_of(past, promised)}
    if html is not None:
        from atlas_daemon.analysis.page import page_of

        _write(html, page_of(document))
    if csv is not None:
        from atlas_daemon.analysis.sheet import sheet_of

        if is_printed_csv:
            typer.echo(sheet_of(document), nl=False)
        else:
            _write(csv, sheet_of(document))
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    elif not is_printed_csv:
        from atlas_daemon.cli.report_view import print_report

        print_report(document)
    if fault:
        raise fail(JournalError(f"told without what follows: {fault}"))


def _day(option: str, told: str | None) -> date | None:
    return None if told is None else day_of_option(option, told)


def _refuse_contradictions(run: str | None, first: date | None, last: date | None) -> None:
    if run is not None and not run.strip():
        raise UsageError("--run: say which run")
    if run is not None and (first or last):
        raise UsageError("--run and --from or --to: a run has its own days; give one or the other")
    if first and last and first > last:
        raise UsageError(f"--from {first} is after --to {last}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AtlasError(f"{path}: cannot be written: {error.strerror}") from error
