"""The exchange's calendar and the clock, ours against the broker's: what differs blocks buying.

Asked at the start, each morning and every quarter of an hour; each minute while they differ.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from . import events as e
from . import jobs
from .asking import alert_once
from .clocks import pace_of, skew_of
from .effects import Effect, FetchClock, FetchSessions
from .moments import new_york_day
from .policy import Policy
from .sessions import NYSE
from .state import State

CALENDAR_DAYS = 14
AGAIN_AFTER = timedelta(minutes=1)
"""What differs, or could not be asked, is asked again so late."""
CLOCK_EVERY = timedelta(minutes=15)
DOUBT_AGAIN_AFTER = timedelta(seconds=10)
"""Nothing begins on a clock that is in doubt, so a question that failed is soon repeated."""
UNASKED_AFTER = timedelta(minutes=15)
"""As long as a dark broker: a moment without an answer is nobody's news."""
CALENDAR_ENDS_DAYS = 180
"""So many days before our table of sessions ends somebody is told: a newer release knows more."""
MILLISECOND = Decimal("0.001")


def on_daemon_started(
    state: State, event: e.DaemonStarted, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Ask for both: nothing begins before the calendars were compared."""
    yield from _ask_sessions(state)
    yield from _ask_clock(state)


def on_ticked(state: State, event: e.Ticked, policy: Policy) -> Iterator[e.Event | Effect]:
    """Ask again where a new morning came, something differs or nothing was answered."""
    if (was := state.figures.set_back_from) is not None:
        yield e.ClockStepped(was)
        back = timedelta(seconds=round((was - state.now).total_seconds()))
        yield e.AlertRaised(
            "error",
            "clock",
            f"our clock was set back by {back}, to {state.now:%Y-%m-%d %H:%M} UTC: all is asked "
            "anew, and nothing begins before the broker's clock agrees (see `timedatectl`)",
        )
        return
    figures, now = state.figures, state.now
    asked_at, fired_at = figures.sessions_asked_at, state.jobs.get(jobs.CALENDAR_CHECK)
    is_agreed = figures.sessions_agreed is not None and not state.calendar_dispute
    is_new_day = asked_at is not None and fired_at is not None and asked_at < fired_at <= now
    is_failed = "sessions" in figures.failures
    is_doubtful = not is_agreed or is_failed
    if asked_at is None or is_new_day or (is_doubtful and _is_past(asked_at, now)):
        yield from _ask_sessions(state)
    asked_at = figures.clock_asked_at
    every = AGAIN_AFTER if figures.clock_dispute is not None else CLOCK_EVERY
    if figures.is_clock_doubted:
        every = policy.answer_wait if "clock" not in figures.failures else DOUBT_AGAIN_AFTER
    if asked_at is None or now - asked_at >= every or asked_at > now:
        yield from _ask_clock(state)


def on_fetch_failed(
    state: State, event: e.FetchFailed, policy: Policy
) -> Iterator[e.Event | Effect]:
    """A broker's clock that cannot be asked for long is told of: no run begins on ours alone."""
    figures = state.figures
    since = figures.clock_doubted_at
    if event.what != "clock" or not figures.is_clock_doubted or since is None:
        return
    if state.now - since >= UNASKED_AFTER:
        text = f"the broker's clock cannot be asked ({event.detail}): no run begins before it is"
        yield from alert_once(state, "error", "clock", text)


def on_job_fired(state: State, event: e.JobFired, policy: Policy) -> Iterator[e.Event | Effect]:
    """Tell in time that our own table of sessions comes to its end."""
    left = (NYSE.last - new_york_day(state.now)).days
    if event.job == jobs.CALENDAR_CHECK and left < CALENDAR_ENDS_DAYS:
        text = f"the session calendar ends on {NYSE.last}: a newer release of atlasd knows more"
        yield from alert_once(state, "error", "calendar", text)


def on_sessions_reported(
    state: State, event: e.SessionsReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Compare the broker's calendar with ours; while they differ nothing is bought."""
    ours = {s.day: s for s in NYSE.sessions_between(event.first, event.last)}
    theirs = {s.day: s for s in event.sessions}
    off = [
        f"{day}: ours {_hours(ours.get(day))}, the broker's {_hours(theirs.get(day))}"
        for day in sorted({*ours, *theirs})
        if ours.get(day) != theirs.get(day)
    ]
    if not off:
        if state.calendar_dispute or state.figures.sessions_agreed is None:
            yield e.CalendarAgreed(event.first, event.last)
    elif "; ".join(off) != state.calendar_dispute:
        yield e.CalendarDisputed("; ".join(off))
        yield e.AlertRaised("critical", "calendar", f"calendars differ: {'; '.join(off)}")


def on_clock_reported(
    state: State, event: e.ClockReported, policy: Policy
) -> Iterator[e.Event | Effect]:
    """Compare the clocks; what differs by much blocks, by little is told."""
    skew, pace, had = skew_of(event), pace_of(event), state.figures.clock_dispute
    if skew is None:
        return
    if abs(skew) <= policy.clock_warn * pace:
        if had is not None:
            yield e.ClockAgreed()
        return
    is_blocking = abs(skew) > policy.clock_max * pace
    if had is not None and had.is_blocking == is_blocking:
        return
    skew_s = Decimal(str(skew.total_seconds())).quantize(MILLISECOND)
    yield e.ClockDisputed(skew_s, is_blocking)
    text = f"the broker's clock is {clocks_apart(skew_s)} ours"
    if is_blocking:
        most_s = policy.clock_max.total_seconds()
        yield e.AlertRaised(
            "error", "clock", f"{text}, limit {most_s:.0f} s: nothing is bought until they agree"
        )
    else:
        yield e.AlertRaised("warning", "clock", text)


def clocks_apart(skew_s: Decimal) -> str:
    """Return `75 s ahead of` or `75 s behind`."""
    return f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'}"


def _ask_sessions(state: State) -> Iterator[e.Event | Effect]:
    today = new_york_day(state.now)
    yield e.SessionsRequested()
    # Beyond the end of ours there is nothing to compare with.
    last = min(today + timedelta(days=CALENDAR_DAYS), max(today, NYSE.last))
    yield FetchSessions(today, last)


def _ask_clock(state: State) -> Iterator[e.Event | Effect]:
    yield e.ClockRequested()
    yield FetchClock(state.now)


def _is_past(asked_at: datetime, now: datetime) -> bool:
    return now - asked_at >= AGAIN_AFTER


def _hours(session: object) -> str:
    opens, closes = getattr(session, "opens_at", None), getattr(session, "closes_at", None)
    return f"{opens:%H:%M}-{closes:%H:%M} UTC" if opens and closes else "closed"
