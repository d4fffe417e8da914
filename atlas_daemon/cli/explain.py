"""`atlasd explain`: why something was done, and what was not done and why. From the journal."""

import json
from typing import Annotated

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    fail,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.cli.reading import entries_of


@plain_errors
def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="ORDER|SYMBOL|SLOT|RUN",
            help="An order's id (ours, the broker's, or the beginning of one), a symbol, a slot "
            "(2026-02), or a run's id.",
            show_default=False,
        ),
    ],
    is_whole: Annotated[
        bool, typer.Option("--all", help="Every entry; of a symbol every run, not only the latest.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell from the journal what happened and why: event, rule, numbers, decision.

    What was not done is told first. Each step has its entry's number and its cause's: 45<-43.
    Nothing is asked of the daemon, which may run or not.
    """
    from atlas_daemon.historian import History, document, find, tell
    from atlas_daemon.journal import JournalError

    settings = settings_for(config)
    policy = settings.policy()
    history = History.of(entries_of(settings))
    if history.fault and not history.entries:
        raise JournalError(history.fault)
    told = tell(history, find(history, what, policy), policy, is_whole=is_whole)
    if as_json:
        typer.echo(json.dumps(document(told), indent=2))
    else:
        from atlas_daemon.cli.explain_view import print_story

        print_story(told, label_of(settings))
    if told.fault:
        raise fail(JournalError(f"told without what follows: {told.fault}"))
