"""The handbook's list "Pre-Live Deployment", its requirements, and what its transition needs."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from atlas_daemon.analysis.performance import within
from atlas_daemon.config import Settings
from atlas_daemon.config.digests import SECTIONS

from .approvals import LIVE, RISK_LIMITS, approval_name, approved
from .check import JOURNAL, Check, count, judged, some, wished
from .checks_paper import CAPITAL_MIN, days_operated
from .evidence import Word
from .facts import Facts

SIX_MONTHS_DAYS = 182
TRADES = 100
WITHIN = 0.30
FRESH = timedelta(days=7)
"""The doctor's word is no older."""
ESTOP, RESTORE = "estop", "restore"
FIRST_SCALE_MAX = Decimal("0.25")


def pre_live(facts: Facts) -> Iterator[Check]:
    """Yield the lines of the list, in its order."""
    yield from _six_months(facts)
    yield _within_backtest(facts)
    yield _drills(facts)
    yield _doctor(facts)
    yield _keys(facts)
    yield _approval(facts, RISK_LIMITS, "risk-limits", "Risk limits reviewed and approved")
    yield _drilled(facts, RESTORE, "Backup procedures documented", "atlasd drill restore")
    yield _drilled(facts, ESTOP, "Emergency stop mechanism tested", "atlasd drill estop")
    yield _alerts(facts)


def requirements(facts: Facts) -> Iterator[Check]:
    """Yield what the handbook requires of live trading, and what a transition stands on."""
    yield _approval(facts, LIVE, "user-approval", "User approval and understanding of risks")
    yield _capital(facts)
    yield _same_sections(facts)
    yield _apart(facts)
    yield _clock(facts)


def _six_months(facts: Facts) -> Iterator[Check]:
    required, days = facts.live.promote.require, days_operated(facts)
    yield wished(
        judged(
            "six-months",
            "6 months paper trading complete",
            days >= SIX_MONTHS_DAYS,
            count(days, "day"),
            f"{SIX_MONTHS_DAYS} days recommended",
            advice=f"let the paper daemon run {SIX_MONTHS_DAYS - days} more days, or take "
            "six_months out of promote.require",
        ),
        required,
        "six_months",
    )
    filled, slots = len(facts.evidence.filled), len(facts.evidence.done("slot"))
    a_year = len(facts.live.rebalance.anchors)
    yield wished(
        judged(
            "trades",
            "100+ trades",
            filled >= TRADES,
            f"{count(filled, 'order')} filled, rehearsals among them; "
            f"{count(slots, 'scheduled rebalance')}",
            f"{TRADES}, which {a_year} rebalances a year do not reach within months: rehearsals "
            "have to count",
            advice="rehearse: atlasd rebalance --force, on paper, or take trades out of "
            "promote.require",
        ),
        required,
        "trades",
    )


def _within_backtest(facts: Facts) -> Check:
    report, found = facts.live.report, facts.performance
    pairs = (
        ("CAGR", found.cagr, report.expected_cagr, "{:.1%}", "cagr"),
        ("Sharpe", found.sharpe, report.expected_sharpe, "{:.2f}", "sharpe"),
    )
    said, is_good = [], True
    for what, value, wanted, shown, name in pairs:
        if wanted is None:
            is_good = False
            said.append(f"{what}: report.expected_{name} is not given")
            continue
        is_near = within(value, float(wanted), WITHIN)
        is_good = is_good and is_near is True
        now = "unknown" if value is None else shown.format(value)
        said.append(f"{what} {now} against {shown.format(wanted)}")
    return wished(
        judged(
            "backtest",
            "Performance validated (within 30% of backtest)",
            is_good,
            "; ".join(said),
            f"each within {WITHIN:.0%} of what [report] expects",
            f"daily equity, {found.days} days; [report] of the live configuration",
            "give report.expected_cagr and report.expected_sharpe, and wait for more sessions",
        ),
        facts.live.promote.require,
        "backtest",
    )


def _drills(facts: Facts) -> Check:
    states = {name: _drill_state(facts, name) for name in facts.drills}
    good = [name for name, state in states.items() if not state]
    bad = [f"{name} {state}" for name, state in states.items() if state]
    return judged(
        "drills",
        "All tests passing (no regressions)",
        bool(facts.drills) and not bad,
        f"{len(good)} of {len(states)} drills good" + (f"; {', '.join(bad)}" if bad else ""),
        f"all drills of code {facts.code[:12]}",
        advice="atlasd drill --all, with the paper configuration",
    )


def _drill_state(facts: Facts, name: str) -> str:
    """Return why a drill does not count; empty where it does."""
    words = [
        word
        for kind in ("drill", "restore")
        if (word := facts.evidence.word(kind, name)) is not None
    ]
    if not words:
        return "not done"
    return _why_not(facts, max(words, key=lambda word: word.at))


def _why_not(facts: Facts, word: Word) -> str:
    if not word.event.is_good:
        return f"failed on {word.at:%Y-%m-%d}"
    if word.event.code_digest != facts.code:
        return f"of other code ({word.at:%Y-%m-%d})"
    if word.event.config_digest != facts.sections:
        return f"of other sections ({word.at:%Y-%m-%d})"
    return ""


def _drilled(facts: Facts, name: str, line: str, command: str) -> Check:
    state = _drill_state(facts, name)
    words = [facts.evidence.word(kind, name) for kind in ("drill", "restore")]
    said = next((f"{w.at:%Y-%m-%d}: {w.event.text}" for w in words if w is not None), "not done")
    return judged(
        name,
        line,
        not state,
        state or said,
        "drilled with the present code",
        advice=f"{command}, with the paper configuration",
    )


def _doctor(facts: Facts) -> Check:
    seen = facts.doctor
    is_fresh = seen is not None and facts.now - seen.at <= FRESH
    measured = "it was not asked"
    if seen is not None:
        found = f"red: {some(seen.reds)}" if seen.reds else "nothing is red"
        measured = f"{found} ({seen.at:%Y-%m-%d %H:%M} UTC)"
    return judged(
        "doctor",
        "Doctor green",
        seen is not None and is_fresh and not seen.reds,
        measured,
        f"nothing red, asked with the present code, at most {FRESH.days} days old",
        seen.source if seen is not None else JOURNAL,
        "atlasd doctor, with the paper configuration, tells what to do",
    )


def _keys(facts: Facts) -> Check:
    account, asked = facts.live.account, facts.live_account
    problem = facts.keys_problem or asked.problem
    if not problem and asked.number != account.number:
        problem = f"the keys open account {asked.number}, account.number says {account.number}"
    if not problem and asked.is_blocked:
        problem = f"account {asked.number} is blocked at the broker"
    return judged(
        "live-keys",
        "Live account credentials configured",
        not problem,
        problem or f"keys (AK...) of {facts.keys_source} open account {account.number}, as pinned",
        "live keys that open the account of account.number",
        facts.live.broker.trading_url,
        f"set ALPACA_{account.name}_KEY and ALPACA_{account.name}_SECRET, and account.number",
    )


def _approval(facts: Facts, what: str, name: str, line: str) -> Check:
    word = facts.evidence.word("approval", approval_name(what, facts.live))
    state = "not on record"
    if word is not None and word.event.is_good:
        state = ""
        if word.event.config_digest != facts.sections:
            state = f"of other sections ({word.at:%Y-%m-%d})"
        elif not word.event.text.endswith(approved(what, facts.live)):
            state = f"of other limits ({word.at:%Y-%m-%d}): {word.event.text}"
    said = f"{word.at:%Y-%m-%d}: {word.event.text}" if word is not None else ""
    return judged(
        name,
        line,
        not state,
        state or said,
        "approved by a person, for this account, these sections and limits",
        advice=f"atlasd promote approve {what}, with the same --config and --paper",
    )


def _alerts(facts: Facts) -> Check:
    good = [
        word
        for (kind, _), word in facts.evidence.words.items()
        if kind == "alert" and word.event.is_good
    ]
    latest = max(good, key=lambda word: word.at, default=None)
    said = f"{latest.at:%Y-%m-%d}: {latest.event.text}" if latest else "none on record"
    live, paper = facts.live.notify, facts.paper.notify
    wanting = ""
    if not has_way_to_people(facts.live):
        wanting = "; the live configuration tells nobody"
    elif (live.webhook_url, live.apprise_url) != (paper.webhook_url, paper.apprise_url):
        wanting = "; the live configuration tells another address than the one that was tried"
    return judged(
        "alerts",
        "Alerts delivered",
        latest is not None and not wanting,
        f"{said}{wanting}",
        "a test notification that arrived, and the same way to people in the live configuration",
        advice="set notify.webhook_url or notify.apprise_url alike in both configurations, then "
        "atlasd notify test, with the paper one",
    )


def has_way_to_people(settings: Settings) -> bool:
    """True where the configuration names somebody to be told."""
    return bool(settings.notify.webhook_url or settings.notify.apprise_url)


def _capital(facts: Facts) -> Check:
    equity, cap = facts.live_account.equity, facts.live.account.capital
    managed = None if equity is None else min(equity, cap) if cap else equity
    measured = f"unknown: {facts.live_account.problem or facts.keys_problem or 'not asked'}"
    if managed is not None and equity is not None:
        capped = f", ${managed:,.2f} managed (account.capital)" if managed < equity else ""
        measured = f"${equity:,.2f} of equity{capped}"
    return judged(
        "capital",
        "Adequate capital for strategy ($10,000+ for 52W momentum)",
        managed is not None and managed >= CAPITAL_MIN,
        measured,
        f"at least ${CAPITAL_MIN:,}",
        "the live account, asked now",
        "pay in, or raise account.capital",
    )


def _same_sections(facts: Facts) -> Check:
    differing = [
        name for name in facts.live.changed(facts.paper) if name.partition(".")[0] in SECTIONS
    ]
    return judged(
        "same-sections",
        "Strategy, regime, risk and rebalance are those of paper",
        not differing,
        f"differ: {some(differing)}" if differing else f"equal ({facts.sections[:12]})",
        "both configurations equal in [strategy], [regime], [risk], [rebalance]",
        f"{facts.live.config_path} and {facts.paper.config_path}",
        "make them equal; a change on paper has to be proven anew",
    )


def _apart(facts: Facts) -> Check:
    live, paper = facts.live, facts.paper
    shared = [
        f"{name} {ours}"
        for name, ours, theirs in (
            ("paths.state_dir", live.state_dir, paper.state_dir),
            ("paths.log_dir", live.log_dir, paper.log_dir),
            ("paths.runtime_dir", live.runtime_dir, paper.runtime_dir),
        )
        if ours == theirs
    ]
    return judged(
        "apart",
        "Paper and live share no folder",
        not shared,
        f"shared: {', '.join(shared)}" if shared else f"{live.state_dir} and {paper.state_dir}",
        "state, logs and sockets of their own",
        "both configurations",
        "give each its own [paths]",
    )


def _clock(facts: Facts) -> Check:
    last = facts.evidence.last_at
    is_behind = last is not None and facts.now < last - timedelta(seconds=60)
    return judged(
        "clock",
        "The clock goes on from the evidence",
        not is_behind,
        f"the journal's last entry is of {last:%Y-%m-%d %H:%M} UTC" if last else "no entry",
        f"not after now, {facts.now:%Y-%m-%d %H:%M} UTC",
        advice="the clock was set back: put it right (timedatectl)",
    )
