"""The play: session after session on a stage, and what only the broker knows of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from atlas_daemon.core.state import RegimeSeen, State
from atlas_daemon.core.values import ZERO, Regime, Session
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.stage import Stage

from .course import Course

PATIENCE = timedelta(minutes=45)
"""Virtual time that a look may take: three rounds of a run, each with its fill timeout."""

SPLITS, DIVIDEND = ("forward_split", "reverse_split"), "cash_dividend"

Progress = Callable[[date, int, int], None]
"""The session that is over, its number and how many there are."""


@dataclass(slots=True)
class Seen:
    """What the broker knows and no journal has."""

    curve: list[tuple[date, Decimal]] = field(default_factory=list)
    """The account's equity at the close of each session."""
    cash: list[tuple[date, Decimal]] = field(default_factory=list)
    ignored_dividends: Decimal = ZERO
    """Dollars that what was held at the open of the ex-days would have been paid."""
    has_dividends: bool = False
    """The data tells of at least one."""
    restless: list[tuple[date, str]] = field(default_factory=list)
    """Sessions in which the daemon did not come to rest, and its mode's reason."""


async def play(stage: Stage, course: Course, progress: Progress) -> Seen:
    """Live through the course; return what was seen at the broker."""
    seen = Seen()
    await stage.rest(PATIENCE.total_seconds())
    regime = stage.player.state.regime
    for number, session in enumerate(course.sessions, 1):
        held = {symbol: p.qty for symbol, p in account_of(stage).positions.items()}
        state, was = stage.player.state, regime
        regime = state.regime
        for moment in course.moments(session, state.slots, is_on_call=_is_on_call(state, was)):
            await stage.leap(moment)
            if not await stage.rest(PATIENCE.total_seconds()):
                seen.restless.append((session.day, stage.player.state.mode_reason))
        _look(stage, session, held, seen)
        progress(session.day, number, len(course.sessions))
    return seen


def _is_on_call(state: State, was: RegimeSeen | None) -> bool:
    """True where the open may begin something: a run that is parked, another regime, a CRASH."""
    now = state.regime
    if state.run is not None or now is None or was is None:
        return True
    is_new = (now.regime, now.confirmed) != (was.regime, was.confirmed)
    return is_new or Regime.CRASH in (now.regime, now.confirmed)


def _look(stage: Stage, session: Session, held: Mapping[str, Decimal], seen: Seen) -> None:
    """Note the close; `held` was held the evening before."""
    account = account_of(stage)
    day, equity = account.closing_equity[-1]
    assert day == session.day, f"the last close at the broker is {day}, not {session.day}"
    seen.curve.append((day, equity))
    seen.cash.append((day, account.cash))
    actions = stage.broker.desk.exchange.market.actions(day, day)
    seen.has_dividends |= any(action.kind == DIVIDEND for action in actions)
    grown = {a.symbol: a.ratio for a in actions if a.kind in SPLITS and a.ratio}
    for action in actions:
        if action.kind == DIVIDEND and action.symbol in held:
            # A dividend of a split's day is paid on new shares.
            shares = held[action.symbol] * grown.get(action.symbol, Decimal(1))
            seen.ignored_dividends += round(shares * (action.amount or ZERO), 2)


def account_of(stage: Stage) -> Account:
    """Return the one account of the stage's broker."""
    desk = stage.broker.desk
    return desk.exchange.by_key[desk.key]
