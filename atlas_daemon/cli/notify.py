"""`atlasd notify`: whether the ways to people work. It needs no running daemon."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings, refuse_unavailable
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.journal import Journal

notify = typer.Typer(no_args_is_help=True, help="Whether alerts reach you.")

TEST = "a test by hand: alerts arrive"
UNKNOWN_HEAD = "unknown"


class Outcome(NamedTuple):
    """What became of one message on one channel."""

    channel: str
    what: str
    why: str
    """Empty where it was delivered."""


@notify.callback()
def _group() -> None:
    """Keep `test` a command of its own: there may be others."""


@notify.command()
@plain_errors
def test(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Send one message of each severity over every channel, and ping the health check.

    Exit 1 where one did not arrive.
    """
    settings = _configured(config)
    outcomes = asyncio.run(_test(settings))
    _put_on_record(settings, outcomes)
    _tell(settings, outcomes, as_json)


def _configured(config: Path | None) -> Settings:
    settings = settings_for(config)
    refuse_unavailable(settings)
    told = settings.notify
    if not (told.webhook_url or told.apprise_url or told.healthcheck_url):
        raise AtlasError(
            "nobody is told anything: notify.webhook_url, notify.apprise_url and "
            "notify.healthcheck_url are all empty"
        )
    return settings


async def _test(settings: Settings) -> list[Outcome]:
    from atlas_daemon.edges.notify import Delivered, Heartbeat

    said = tuple((level, "test", TEST) for level in ("info", "warning", "critical"))
    outcomes = await _send(settings, said)
    if url := settings.notify.healthcheck_url:
        heart = Heartbeat(url, every_s=60, why_not=lambda: "", now=_now)
        verdict = await heart.ping()
        why = "" if isinstance(verdict, Delivered) else verdict.why
        outcomes.append(Outcome("healthcheck", "ping", why))
    return outcomes


async def _send(settings: Settings, said: Sequence[tuple[str, str, str]]) -> list[Outcome]:
    from atlas_daemon.edges.notify import Delivered, Notice, Severity
    from atlas_daemon.edges.notify.letters import write
    from atlas_daemon.teller import channels_of

    outcomes = []
    head = _head(settings)
    for channel in channels_of(settings, _now):
        for level, about, text in said:
            notice = Notice(0, _now(), Severity(level), about, text)
            letter = write([notice], label=label_of(settings), head=head, limit=channel.limit)
            verdict = await channel.deliver(letter)
            why = "" if isinstance(verdict, Delivered) else verdict.why
            outcomes.append(Outcome(channel.name, level, why))
    return outcomes


def _put_on_record(settings: Settings, outcomes: Sequence[Outcome]) -> None:
    """Keep in the account's journal, where there is one, whether a message reached people."""
    sent = [each for each in outcomes if each.what != "ping"]
    if not sent or not settings.journal_path.exists():
        return
    from atlas_daemon.cli.evidence import record_evidence
    from atlas_daemon.config.digests import code_digest, sections_digest
    from atlas_daemon.core.events import EvidenceReported

    came = sum(not each.why for each in sent)
    channels = ", ".join(dict.fromkeys(each.channel for each in sent))
    event = EvidenceReported(
        kind="alert",
        name="test",
        is_good=came == len(sent),
        text=f"{came} of {len(sent)} test messages delivered ({channels})",
        code_digest=code_digest(),
        config_digest=sections_digest(settings),
    )
    try:
        record_evidence(settings, event)
    except AtlasError as error:  # what was sent was sent
        sys.stderr.write(f"atlasd: the test is not on record: {error}\n")


def _head(settings: Settings) -> str:
    if not settings.journal_path.exists():
        return UNKNOWN_HEAD
    try:
        with Journal.open_readonly(settings.journal_path) as journal:
            seq, digest = journal.head()
    except AtlasError:  # what is to be told may be that the journal is what is broken
        return UNKNOWN_HEAD
    return f"{seq}:{digest}"


def _tell(settings: Settings, outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        shown = [outcome._asdict() for outcome in outcomes]
        sys.stdout.write(json.dumps({"label": label_of(settings), "sent": shown}) + "\n")
    else:
        for channel, what, why in outcomes:
            came = f"failed: {why}" if why else "delivered"
            sys.stdout.write(f"{label_of(settings)} {channel}: {what} {came}\n")
    if any(outcome.why for outcome in outcomes):
        raise typer.Exit(1)


def _now() -> datetime:
    return datetime.now(UTC)
