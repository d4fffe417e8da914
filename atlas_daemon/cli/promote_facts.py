"""What `atlasd promote` finds out: journals read, doctor and live account asked. No judgement.

Whatever asks somebody stands in `SOURCES`, so that a rehearsal of it can answer in their place.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_daemon import __version__
from atlas_daemon.claim import refuse_foreign_folder
from atlas_daemon.cli.onlooker import onlooker
from atlas_daemon.config import Credentials, Settings, load_credentials
from atlas_daemon.config.digests import code_digest, sections_digest
from atlas_daemon.core.errors import AtlasError, ConfigError, RefusedError
from atlas_daemon.core.findings import reds
from atlas_daemon.journal import Journal
from atlas_daemon.promoter.checks_live import FRESH
from atlas_daemon.promoter.evidence import Evidence, evidence_of
from atlas_daemon.promoter.facts import DoctorSeen, Facts, Head, LiveAccount

if TYPE_CHECKING:
    from atlas_daemon.auditor import TradesVerdict

ASK_S = 20.0
"""How long the live broker may take to tell of the account."""
PING_S = 5.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Who is asked."""

    now: Callable[[], datetime]
    code: Callable[[], str]
    ping: Callable[[Settings], Mapping[str, Any]]
    """The running daemon's word on itself; empty where none runs."""
    account: Callable[[Settings, Credentials], LiveAccount]
    doctor: Callable[[Settings, Path | None, datetime], DoctorSeen]
    drills: Callable[[], tuple[str, ...]]


def gather(live: Settings, paper: Settings) -> tuple[Facts, Credentials | None]:
    """Return all that a checklist looks at, and the live keys where there are any.

    Raises RefusedError where the paper journal is broken, ConfigError where it cannot be read.
    """
    keys, keys_problem = _keys_of(live)
    ping = SOURCES.ping(paper)
    head, number, evidence = read_evidence(paper, sections_digest(live), ping)
    trades = _trades_of(paper)
    now, code = SOURCES.now(), SOURCES.code()
    asked = LiveAccount(problem=keys_problem)
    if keys is not None:
        asked = SOURCES.account(live, keys)
    doctor = _doctor_on_record(evidence, code, now)
    if doctor is None:
        doctor = SOURCES.doctor(paper, paper.config_path, now)
    performance, slippage = _figures_of(paper, evidence)
    facts = Facts(
        now=SOURCES.now(),
        version=__version__,
        code=code,
        sections=sections_digest(live),
        live=live,
        paper=paper,
        paper_number=number,
        head=head,
        evidence=evidence,
        performance=performance,
        slippage=slippage,
        trades_fault="" if trades.difference is None else str(trades.difference),
        trades_files=trades.files,
        page_url=str(ping.get("url") or ""),
        doctor=doctor,
        keys_source="" if keys is None else keys.source,
        keys_problem=keys_problem,
        live_account=asked,
        drills=SOURCES.drills(),
    )
    return facts, keys


def read_evidence(
    paper: Settings, sections: str, ping: Mapping[str, Any] | None = None
) -> tuple[Head, str, Evidence]:
    """Return the verified head, the account's number and the evidence of the paper journal.

    Where a daemon runs, the head that it names has to be in the file. Raises RefusedError for a
    journal that is not whole, ConfigError for one that is not there or another account's.
    """
    if not paper.journal_path.exists():
        raise ConfigError(f"no journal in {paper.state_dir}: has the paper daemon ever run?")
    refuse_foreign_folder(paper)
    known = None
    if ping and isinstance(ping.get("seq"), int) and ping.get("hash"):
        known = int(ping["seq"]), str(ping["hash"])
    with Journal.open_readonly(paper.journal_path) as journal:
        verdict = journal.verify(known)
        if not verdict.is_intact:
            raise RefusedError(
                f"journal: {paper.journal_path} is not intact: {verdict.fault}; nothing in it "
                "counts (atlasd audit verify)"
            )
        number = journal.account()[2]
        entries = (entry for entry in journal.read() if entry.seq <= verdict.head_seq)
        evidence = evidence_of(entries, sections)
    return Head(verdict.head_seq, verdict.head_hash, verdict.entries), number, evidence


def _figures_of(paper: Settings, evidence: Evidence) -> tuple[Any, Any]:
    from atlas_daemon.analysis.performance import performance_of_entries
    from atlas_daemon.analysis.shortfall import average_slippage

    if evidence.since is None:
        return performance_of_entries(()), average_slippage(())
    after = evidence.since_seq - 1
    with Journal.open_readonly(paper.journal_path) as journal:
        return (
            performance_of_entries(journal.read(after)),
            average_slippage(journal.read(after)),
        )


def _trades_of(paper: Settings) -> "TradesVerdict":
    from atlas_daemon.cli.audit import compared_trades

    return compared_trades(paper)


def _keys_of(live: Settings) -> tuple[Credentials | None, str]:
    try:
        return load_credentials(live, os.environ), ""
    except ConfigError as error:
        return None, " ".join(str(error).split())


def _doctor_on_record(evidence: Evidence, code: str, now: datetime) -> DoctorSeen | None:
    """Return the doctor's latest word where it is good, fresh and of this code.

    What was found since by another asking takes an older good word away: it is asked anew.
    """
    examined, said = evidence.examined, "evidence in the paper journal"
    words = [(w.at, w.event) for (kind, _), w in evidence.words.items() if kind == "doctor"]
    seen = [(at, x.is_good and x.code_digest == code, said) for at, x in words]
    if examined is not None and examined.findings:
        is_good = examined.code == code and not reds(examined.findings)
        seen.append((examined.at, is_good, "the paper daemon's own doctor, on record"))
    if not seen:
        return None
    at, is_good, source = max(seen)
    is_fresh = timedelta(0) <= now - at <= FRESH
    return DoctorSeen(at, (), source) if is_good and is_fresh else None


# Who is asked.


def _ping(settings: Settings) -> Mapping[str, Any]:
    from atlas_daemon.control import ControlError, ask

    try:
        told: Mapping[str, Any] = ask(settings.control_socket_path, "ping", timeout_s=PING_S)
    except ControlError:
        return {}
    return told


def _examined(settings: Settings, config: Path | None, now: datetime) -> DoctorSeen:
    from atlas_daemon.cli.doctor import look, waiting

    with waiting():
        chart = asyncio.run(look(settings, config, os.environ))
    names = dict.fromkeys(finding.check for finding in reds(chart.findings))
    return DoctorSeen(now, tuple(names), "atlasd doctor, asked now")


def _account(settings: Settings, keys: Credentials) -> LiveAccount:
    """Return what the live broker says of the account. Reads only."""
    try:
        return asyncio.run(_asked_account(settings, keys))
    except TimeoutError:
        return LiveAccount(problem=f"{settings.broker.trading_url} does not answer")
    except AtlasError as error:
        return LiveAccount(problem=" ".join(str(error).split()))


async def _asked_account(settings: Settings, keys: Credentials) -> LiveAccount:
    from atlas_daemon.doctor.asking import said
    from atlas_daemon.doctor.readonly import ThriftyBudget
    from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError

    budget = ThriftyBudget()
    more = {"timeout_s": PING_S, "budget": budget, "sleep": budget.sleep}
    client = onlooker("promote", settings, keys, **more)
    try:
        async with asyncio.timeout(ASK_S):
            found = await client.get_account()
    except OutcomeUnknownError as error:
        return LiveAccount(problem=f"{settings.broker.trading_url}: {said(error)}")
    finally:
        await client.close()
    is_blocked = found.trading_blocked or found.account_blocked
    return LiveAccount(found.number, found.equity, is_blocked)


def _drills() -> tuple[str, ...]:
    from atlas_daemon.drillmaster.master import DRILLS

    return tuple(DRILLS)


SOURCES = Sources(
    now=lambda: datetime.now(UTC),
    code=code_digest,
    ping=_ping,
    account=_account,
    doctor=_examined,
    drills=_drills,
)
