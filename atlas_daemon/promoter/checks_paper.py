"""The handbook's list "Paper Trading": what the paper account has shown, and for how long."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from atlas_daemon.core.values import AccountMode

from .check import Check, count, judged, some, told, wished
from .facts import Facts

CAPITAL_MIN = Decimal(10_000)
SHARPE_MIN, CAGR_MIN = 0.8, 0.10
SLIPPAGE_MAX = Decimal("0.005")
MARKS = "daily equity without deposits and withdrawals"
WAIT = "let the paper daemon run: it marks the equity after each close"
CLEAN = timedelta(days=30)
"""How far back failures and differences count; `promote.days_min` where that is longer."""


def paper_trading(facts: Facts) -> Iterator[Check]:
    """Yield the lines of the list, in its order."""
    yield _counted_since(facts)
    yield _account(facts)
    yield _scheduled(facts)
    yield _rehearsed(facts)
    yield _days(facts)
    yield _gaps(facts)
    yield from _performance(facts)
    yield _failures(facts)
    yield _reconciled(facts)
    yield _explained(facts)
    yield _slippage(facts)


def clean_from(facts: Facts) -> datetime:
    """Return the moment from which on nothing may have gone wrong."""
    return facts.now - max(CLEAN, timedelta(days=facts.live.promote.days_min))


def days_operated(facts: Facts) -> int:
    """Return the calendar days of paper operation: from each marked session to the next one.

    What lies beside a gap does not count, explained or not: nobody saw the account then.
    """
    marks = facts.evidence.marks
    return sum(
        (later - day).days
        for day, later in pairwise(facts.evidence.sessions(facts.now))
        if day in marks and later in marks
    )


def _counted_since(facts: Facts) -> Check:
    evidence = facts.evidence
    if evidence.since is not None:
        measured = f"since {evidence.since:%Y-%m-%d %H:%M} UTC, entry {evidence.since_seq}"
    elif evidence.is_untold:
        measured = "nothing: an older version ran, whose entries do not name their sections"
    else:
        measured = "nothing: the paper daemon last ran with other sections"
    return judged(
        "same-strategy",
        "Evidence is of the strategy, regime, risk and rebalance that go live",
        evidence.since is not None,
        measured,
        f"sections {facts.sections[:12]} in force on paper",
        advice="give both configurations the same four sections, and run the paper daemon",
    )


def _account(facts: Facts) -> Check:
    equity = facts.evidence.first_equity
    is_paper = facts.paper.mode is AccountMode.PAPER and bool(facts.paper_number)
    return judged(
        "paper-account",
        "Paper account connected (LARGE account, $10,000)",
        is_paper and equity is not None and equity >= CAPITAL_MIN,
        f"account {facts.paper_number or '(the broker has named none)'}, "
        + (f"${equity:,.2f} at the first mark" if equity is not None else "no equity was marked"),
        f"a paper account of at least ${CAPITAL_MIN:,}",
        advice="reset the paper account at the broker with at least $10,000 and begin anew",
    )


def _scheduled(facts: Facts) -> Check:
    done = [run for run in facts.evidence.done("slot") if run.lines and run.filled]
    return judged(
        "scheduled-rebalance",
        "First real rebalance executed successfully",
        bool(done),
        some(
            f"slot {run.run_id}, {count(run.lines, 'line')}, {count(run.filled, 'order')} filled"
            for run in done
        )
        or "none was done",
        "at least 1 scheduled rebalance done, with orders of it filled",
        advice="keep the paper daemon running over the next slot (atlasd status names its day)",
    )


def _rehearsed(facts: Facts) -> Check:
    runs = facts.evidence.done("force")
    whole = [run for run in runs if run.is_whole]
    ours = [run for run in whole if run.code == facts.code]
    least = facts.live.promote.rehearsals_min
    return judged(
        "rehearsals",
        "Full rebalances rehearsed on paper by the present code",
        len(ours) >= least,
        f"{len(ours)} by this code, {len(whole)} in all"
        + (
            f"; {len(runs) - len(whole)} more traded too little or left lines open"
            * (runs != whole)
        ),
        f"at least {least} forced runs that traded half of their lines and met every target "
        "(promote.rehearsals_min)",
        advice="atlasd rebalance --force, on paper; where nothing is to be traded set another "
        "regime first (atlasd regime set), and back",
    )


def _days(facts: Facts) -> Check:
    least, days = facts.live.promote.days_min, days_operated(facts)
    marks = len(facts.evidence.marks)
    return judged(
        "days",
        "Daily monitoring active (30+ days)",
        days >= least,
        f"{count(days, 'day')}, {count(marks, 'session')} with a mark of equity",
        f"at least {least} days (promote.days_min); 6 months are recommended",
        advice=f"let the paper daemon run {count(max(1, least - days), 'more day')}",
    )


def _gaps(facts: Facts) -> Check:
    evidence = facts.evidence
    explained = evidence.explained()
    gaps = evidence.gaps(facts.now)
    unexplained = [day for day in gaps if day not in explained]
    known = some(f"{day}: {explained[day]}" for day in gaps if day in explained)
    return judged(
        "gaps",
        "No day without a mark of equity that nobody explains",
        not unexplained and bool(evidence.marks),
        (f"unexplained: {some(unexplained)}" if unexplained else _none_of(facts, "unexplained"))
        + (f"; explained: {known}" if known else ""),
        "each session day has its mark, or an explanation on record",
        advice='atlasd promote explain-gap DAY "why", or DAY..DAY for several'
        if unexplained
        else WAIT,
    )


def _performance(facts: Facts) -> Iterator[Check]:
    found, required = facts.performance, facts.live.promote.require
    source = f"{MARKS}, {found.days} days; `atlasd report` shows all"
    for name, line, value, least, shown in (
        ("sharpe", "Sharpe >= 0.8", found.sharpe, SHARPE_MIN, "{:.2f}"),
        ("cagr", "CAGR >= 10%", found.cagr, CAGR_MIN, "{:.1%}"),
    ):
        check = judged(
            name,
            f"Performance within expectations ({line})",
            value is not None and value >= least,
            shown.format(value)
            if value is not None
            else f"unknown: {found.why.get(name, 'too little is on record')}",
            f"at least {shown.format(least)}",
            source,
            "wait for more sessions, or take it out of promote.require",
        )
        yield wished(check, required, name)


def _failures(facts: Facts) -> Check:
    since = clean_from(facts)
    late = [each for each in facts.evidence.failures if each[0] >= since]
    before = len(facts.evidence.failures) - len(late)
    return judged(
        "no-failures",
        "No infrastructure failures or errors",
        not late and facts.evidence.since is not None,
        (told(late) if late else f"none since {since:%Y-%m-%d}") + _earlier(before),
        f"none in the last {(facts.now - since).days} days",
        advice="atlasd explain tells what happened; the days count anew from the last failure",
    )


def _reconciled(facts: Facts) -> Check:
    since, evidence = clean_from(facts), facts.evidence
    late = [each for each in evidence.differences if each[0] >= since]
    still = sorted(evidence.open_differences)
    before = len(evidence.differences) - len(late)
    agreed = count(len(evidence.marks), "session")
    none = _none_of(facts, f"unexplained since {since:%Y-%m-%d}; the books agreed on {agreed}")
    said = told(late) if late else none
    return judged(
        "reconciliation",
        "Reconciliation passes daily (positions match target)",
        not late and not still and bool(evidence.marks),
        said + (f"; still open: {some(still)}" if still else "") + _earlier(before),
        f"none in the last {(facts.now - since).days} days, none open",
        advice="atlasd adopt SYMBOL, where the broker is right; the days count anew"
        if late or still
        else WAIT,
    )


def _explained(facts: Facts) -> Check:
    since, evidence = clean_from(facts), facts.evidence
    late = [each for each in evidence.strange if each[0] >= since]
    doubtful = sorted(evidence.doubtful)
    before = len(evidence.strange) - len(late)
    return judged(
        "orders-explained",
        "No unexplained order",
        not late and not doubtful and evidence.since is not None,
        (told(late) if late else f"none since {since:%Y-%m-%d}")
        + (f"; in doubt now: {some(doubtful)}" if doubtful else "")
        + _earlier(before),
        f"none in the last {(facts.now - since).days} days, none in doubt",
        advice="atlasd explain ORDER tells its story; an order in doubt settles by itself",
    )


def _slippage(facts: Facts) -> Check:
    found = facts.slippage
    measured = f"unknown: {found.why}"
    if found.weighted is not None:
        measured = f"{found.weighted:.3%} of the value of {count(found.orders, 'order')}"
        if found.mean is not None:
            measured += f" ({found.mean:.3%} as a plain mean)"
    return judged(
        "slippage",
        "Slippage analysis acceptable (<0.5% average)",
        found.weighted is not None and found.weighted < SLIPPAGE_MAX,
        measured,
        f"below {SLIPPAGE_MAX:.1%}, a cost counting as positive",
        "fills against expected prices; `atlasd report` shows all",
        "look at atlasd report: a limit order (execution.order_type) or another hour may help"
        if found.weighted is not None
        else "rehearse: atlasd rebalance --force, on paper",
    )


def _none_of(facts: Facts, what: str) -> str:
    return f"none {what}" if facts.evidence.marks else "no session was marked yet"


def _earlier(number: int) -> str:
    return f"; {number} before that" if number else ""
