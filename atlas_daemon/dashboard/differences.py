"""Which sections of the page would look different: two looks at what is true, compared.

A state shares with the one before it whatever did not change, so looks are compared by identity,
and cost next to nothing. Naming a section too often is harmless, too seldom is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from atlas_daemon.core.sessions import NYSE, CalendarRangeError
from atlas_daemon.core.state import State

from .chronicle import Chronicle

SHOWN_BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "account": ("header",),
        "mode": ("header", "warnings", "account", "run"),
        "halt": ("header", "warnings", "run"),
        "stream": ("header", "account"),
        "matched": ("header", "account"),
        "failures": ("header", "warnings"),
        "fault": ("header", "warnings"),
        "snapshot": ("header", "account", "positions", "performance"),
        "quotes": ("performance",),
        "book": ("positions", "run", "account"),
        "disputes": ("header", "warnings", "positions"),
        "orders": ("orders", "run", "warnings"),
        "run": ("header", "run", "orders", "outlook"),
        "last_run": ("performance", "rebalances", "outlook", "run"),
        "slots": ("outlook", "chart"),
        "regime": ("account", "outlook", "chart", "run"),
        "jobs": ("outlook",),
        "examined": ("outlook", "warnings"),
        "marks": ("performance", "chart"),
        "alerts": ("alerts", "warnings"),
        "deliveries": ("warnings", "alerts"),
        "market": ("header", "account", "outlook"),
        "policy": ("header", "account", "outlook", "performance", "ramp"),
        "ramp": ("ramp", "header", "warnings"),
        "equity": ("chart",),
        "steps": ("run",),
        "ends": ("rebalances",),
        "tail": ("tail",),
    }
)
"""What is looked at, and the sections that show it."""


_PLAIN = (str, int, date, list)


@dataclass(frozen=True, slots=True)
class Look:
    """What was true at one moment."""

    seq: int
    seen: Mapping[str, tuple[object, ...]]


def look_at(
    state: State,
    chronicle: Chronicle,
    now: datetime,
    *,
    policy: object,
    fault: str,
    deliveries: object,
) -> Look:
    """Return what is true now; `deliveries` is anything that differs where they do."""
    figures = state.figures
    seen: dict[str, tuple[object, ...]] = {
        "account": (state.account_name, state.account_mode, state.account_number),
        "mode": (state.mode, state.mode_reason, figures.is_shutting_down, figures.started_at),
        "halt": (state.halt, state.suspension),
        "stream": (figures.stream, figures.stream_at, figures.stream_detail),
        "matched": (figures.matched_at,),
        "failures": (figures.failures,),
        "fault": (fault,),
        "snapshot": (figures.snapshot,),
        "quotes": (figures.quotes,),
        "book": (state.book,),
        "disputes": (
            *(state.frozen, state.cash_dispute, state.activities, state.foreign),
            *(state.calendar_dispute, figures.clock_dispute, figures.rival, state.crashes),
        ),
        "orders": (state.orders, figures.looked_up, figures.not_found),
        "run": (state.run,),
        "last_run": (state.last_run,),
        "slots": (state.slots,),
        "regime": (state.regime, state.outlook),
        "jobs": (state.jobs,),
        "examined": (state.examined,),
        "marks": (state.marks,),
        "alerts": (state.alerts,),
        "deliveries": (deliveries,),
        "market": (_is_market_open(now), now.date()),
        "policy": (policy,),
        "ramp": (state.ramp, state.evidence, figures.certificate),
        "equity": (chronicle.equity_version,),
        "steps": (chronicle.rebalances_version,),
        "ends": (chronicle.ends_version,),
        "tail": (state.seq,),
    }
    return Look(state.seq, seen)


def differing(before: Look, now: Look) -> frozenset[str]:
    """Return the names of the sections that show anything which differs."""
    return frozenset(
        section
        for what, parts in now.seen.items()
        if _differs(before.seen[what], parts)
        for section in SHOWN_BY[what]
    )


def _differs(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Compare plain values as they are, records and tables by identity: a look inside is dear."""
    return any(
        one is not other and not (isinstance(other, _PLAIN) and one == other)
        for one, other in zip(before, now, strict=True)
    )


def _is_market_open(now: datetime) -> Any:
    try:
        return NYSE.session_at(now) is not None
    except CalendarRangeError:
        return None
