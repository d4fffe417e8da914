"""`atlasd promote`: the checklists from paper to live, and the certificate at their end.

Two configurations are at work, as a person has them: `--config` names the live one, `--paper` the
paper one. Evidence is read from the paper account's journal and put on record there; the
certificate is written into the live account's state folder.
"""

import json
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.config import Settings
from atlas_daemon.config.digests import sections_digest
from atlas_daemon.core.errors import ConfigError, RefusedError, UsageError
from atlas_daemon.core.events import EvidenceReported
from atlas_daemon.core.values import AccountMode

promote = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Check what live trading needs, and write the certificate that lets it buy.",
)

PaperOption = Annotated[
    Path | None,
    typer.Option("--paper", metavar="PATH", help="The paper account's atlas.toml."),
]
AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="The live account's name, instead of typing it when asked."),
]
TEXT_MAX = 300


class What(StrEnum):
    """What a person approves."""

    RISK_LIMITS = "risk-limits"
    LIVE = "live"


@promote.callback()
@plain_errors
def checked(
    context: typer.Context,
    paper: PaperOption = None,
    check: Annotated[bool, typer.Option("--check", help="Show only; write nothing.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Run every line of the checklists; write the certificate where none is in the way.

    Exit 0 where all is in order, 3 where something is missing, 78 where a configuration is wrong.
    """
    context.obj = {"paper": paper, "config": config}
    if context.invoked_subcommand is not None:
        return
    live, on_paper = _both(paper, config)
    from atlas_daemon.cli import promote_facts, promote_view
    from atlas_daemon.promoter.checklist import checklist, in_the_way

    facts, keys = promote_facts.gather(live, on_paper)
    parts = checklist(facts)
    missing = in_the_way(parts)
    document, path = None, None
    if keys is not None and not missing and not check:
        document, path = _issue(live, keys.secret, facts, parts)
    if as_json:
        told = _document(live, facts, parts, document, path)
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        promote_view.show(label_of(live), parts)
        for line in promote_view.missing_lines(parts):
            typer.echo(f"{label_of(live)}  missing: {line}")
        if document is not None:
            typer.echo(f"{label_of(live)}  {promote_view.written_line(document, path)}")
        elif not missing:
            typer.echo(f"{label_of(live)}  nothing is missing; not written (--check)")
    if missing:
        raise typer.Exit(RefusedError.exit_code)


def _issue(live: Settings, secret: str, facts: Any, parts: Any) -> tuple[dict[str, Any], Path]:
    """Write the certificate, and see that it counts. Raises AtlasError."""
    from atlas_daemon.edges.folders import make_folder
    from atlas_daemon.promoter.certificate import (
        bearer_of,
        certificate_path,
        document_of,
        read_certificate,
        sealed,
        write_certificate,
    )
    from atlas_daemon.promoter.checklist import kept

    bearer = bearer_of(live, secret, facts.code)
    valid = timedelta(days=live.promote.valid_days)
    document = document_of(bearer, facts.now, valid, kept(facts, parts))
    path = certificate_path(live)
    make_folder(live.state_dir)
    write_certificate(path, sealed(document, bearer))
    word = read_certificate(path, live, secret, facts.now, facts.code)
    if word.problem:
        raise RefusedError(f"certificate: {word.problem}")
    return document, path


def _document(
    live: Settings, facts: Any, parts: Any, document: dict[str, Any] | None, path: Path | None
) -> dict[str, Any]:
    from atlas_daemon.promoter.checklist import in_the_way, rows_of

    return {
        "label": label_of(live),
        "at": facts.now.isoformat(timespec="seconds"),
        "version": facts.version,
        "code_digest": facts.code,
        "sections_digest": facts.sections,
        "paper": {"name": facts.paper.account.name, "number": facts.paper_number},
        "journal": {"seq": facts.head.seq, "hash": facts.head.hash},
        "checks": list(rows_of(parts)),
        "missing": [check.name for check in in_the_way(parts)],
        "certificate": None
        if document is None
        else {
            "id": document["certificate_id"],
            "expires_at": document["expires_at"],
            "path": str(path),
        },
    }


@promote.command("explain-gap")
@plain_errors
def explain_gap(
    context: typer.Context,
    day: Annotated[str, typer.Argument(metavar="DAY", help="YYYY-MM-DD, or two with ..")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Why there is no mark of equity.")],
    paper: PaperOption = None,
    config: ConfigOption = None,
) -> None:
    """Put on record why the paper account has no mark of equity on a day, or on several."""
    from atlas_daemon.cli import promote_facts
    from atlas_daemon.promoter.gaps import days_of_gap, named_gap

    name, said = named_gap(day), _line(text)
    given = context.obj or {}
    on_paper = _paper_of(paper or given.get("paper") or config or given.get("config"))
    _, _, evidence = promote_facts.read_evidence(on_paper, sections_digest(on_paper))
    now = promote_facts.SOURCES.now()
    if not set(days_of_gap(name)) & set(evidence.gaps(now)):
        raise UsageError(f"{day}: no session of it lacks its mark of equity in what counts")
    _record(on_paper, "gap", name, said)
    typer.echo(f"{label_of(on_paper)}  gap {name} explained, on record: {said}")


@promote.command()
@plain_errors
def approve(
    context: typer.Context,
    what: Annotated[What, typer.Argument(help="risk-limits or live.")],
    paper: PaperOption = None,
    account: AccountOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what is approved, ask for the live account's name, and put the approval on record."""
    from atlas_daemon.cli.desk import confirmed_account, who
    from atlas_daemon.promoter import approvals

    given = context.obj or {}
    live, on_paper = _both(paper or given.get("paper"), config or given.get("config"))
    limits = [f"{name} = {value}" for name, value in approvals.limits_of(live)]
    for line in (*limits, *(approvals.RISKS if what is What.LIVE else ())):
        typer.echo(f"{label_of(live)}  {line}")
    confirmed_account(live, account, f"approve {what}")
    text = f"{label_of(live)} {live.account.number}, by {who()}{approvals.approved(what, live)}"
    name = approvals.approval_name(what, live)
    _record(on_paper, "approval", name, text, sections_digest(live))
    typer.echo(
        f"{label_of(live)}  {what} approved, on record in the journal of {on_paper.state_dir}"
    )


def _record(paper: Settings, kind: str, name: str, text: str, sections: str = "") -> None:
    from atlas_daemon.cli import promote_facts
    from atlas_daemon.cli.evidence import record_evidence

    code = promote_facts.SOURCES.code()
    event = EvidenceReported(
        kind=kind,
        name=name,
        is_good=True,
        text=text,
        code_digest=code,
        config_digest=sections or sections_digest(paper),
    )
    record_evidence(paper, event)


def _both(paper: Path | None, config: Path | None) -> tuple[Settings, Settings]:
    """Return the live and the paper settings. Raises UsageError, ConfigError."""
    if paper is None:
        raise UsageError("--paper PATH is needed: the paper account's atlas.toml")
    live = settings_for(config)
    if live.mode is not AccountMode.LIVE:
        raise ConfigError(
            f'account.mode = "{live.account.mode}" ({live.origin("account.mode")}): promote takes '
            "the live configuration by --config, the paper one by --paper"
        )
    return live, _paper_of(paper)


def _paper_of(path: Path | None) -> Settings:
    settings = settings_for(path)
    if settings.mode is not AccountMode.PAPER:
        raise ConfigError(
            f'account.mode = "{settings.account.mode}" ({settings.origin("account.mode")}): '
            "evidence is a paper account's (--paper PATH)"
        )
    return settings


def _line(text: str) -> str:
    said = " ".join(text.split())
    if not said or len(said) > TEXT_MAX:
        raise UsageError(f"TEXT: one line of up to {TEXT_MAX} characters")
    return said
