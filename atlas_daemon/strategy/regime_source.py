"""The regime source `jump_model`: kept labels, the benchmark's bars, the VIX, one reading.

Everything odd is refused in one line that begins with the key; no regime is ever assumed. Where
bars come from is for the caller to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from atlas_daemon.core.brain import BENCHMARK, RegimeModel, SignalsError

from .benchmark import refuse_unfit
from .regime import EMPTY, Reading, Track, changed_since, grow, read_track
from .regime_file import RegimeReading
from .regime_state import owner_of, read_state, write_state
from .vix import read_vix, vix_spikes

HISTORY_FIRST = date(1990, 1, 1)
"""From here on bars are asked for where no labels are kept; sources begin where they begin."""
OVERLAP = timedelta(days=30)
"""How far behind the last kept session bars are read again, to see whether they still agree."""
KEY = "regime.source jump_model"


@dataclass(frozen=True, slots=True)
class Series:
    """Total-return closes of the benchmark, one a session, ascending."""

    days: Sequence[date]
    closes: Sequence[float]
    notes: tuple[str, ...] = ()
    """What a person should know about how they came together."""


Look = Callable[[date], Series]
"""Returns the benchmark's closes from a day up to the signal session."""
Sessions = Callable[[date, date], Sequence[date]]
"""Returns the sessions that the calendar knows between two days, inclusive."""


def read_model(
    model: RegimeModel, source: str, signal_day: date, look: Look, sessions: Sessions
) -> RegimeReading:
    """Return the regime as of `signal_day`. Raises `SignalsError` where it cannot be known."""
    track, notes = model_track(model, source, signal_day, look, sessions)
    told = read_reading(track, signal_day, model)
    says = "the VIX jumped: CRASH" if told.verdict.by_vix else f"the model says {told.raw}"
    said = [f"{says} since {told.raw_since}, confirmed is {told.confirmed}"]
    if model.window is not None and told.window_sessions < model.window:
        said.append(
            f"the model compares {told.window_sessions} of {model.window} sessions: until there "
            "are more, the regime depends on where the bars begin"
        )
    return RegimeReading(told.regime, signal_day, told.raw, told.confirmed, (*notes, *said))


def read_reading(track: Track, signal_day: date, model: RegimeModel) -> Reading:
    """Return the track's last session in full. Raises `SignalsError` where it has no label."""
    try:
        return read_track(track, signal_day, model)
    except SignalsError as error:
        raise SignalsError(f"{KEY}: {BENCHMARK}: {error}", error.kind) from error


def model_track(
    model: RegimeModel, source: str, signal_day: date, look: Look, sessions: Sessions
) -> tuple[Track, tuple[str, ...]]:
    """Return what the model says of each session up to `signal_day`, and notes for a person.

    Kept labels stand as they were given. New ones are kept where the model says so. Raises
    `SignalsError`.
    """
    try:
        return _track(model, source, signal_day, look, sessions)
    except SignalsError as error:
        raise SignalsError(f"{KEY}: {error}", error.kind) from error


def _track(
    model: RegimeModel, source: str, signal_day: date, look: Look, sessions: Sessions
) -> tuple[Track, tuple[str, ...]]:
    owner, path = owner_of(source, model), Path(model.state_path)
    kept, notes = read_state(path, owner) if model.state_path else (EMPTY, ())
    keeps = model.keeps_state and bool(model.state_path)
    if kept.last_day is not None and signal_day <= kept.last_day:
        then = kept.until(signal_day)
        if then.last_day == signal_day:
            return then, notes
        kept, keeps = EMPTY, False  # a day before the first that was kept
    series = look(HISTORY_FIRST if kept.last_day is None else kept.last_day - OVERLAP)
    notes += series.notes
    notes += refuse_unfit(BENCHMARK, series.days, series.closes, signal_day, sessions)
    if kept.last_day is not None:
        notes += _compared(kept, series)
    spikes = None
    if model.vix:
        closes = read_vix(Path(model.vix.removeprefix("file:")).expanduser())
        spikes = vix_spikes(closes, series.days)
    try:
        grown = grow(kept, series.days, series.closes, model, spikes)
    except SignalsError as error:
        raise SignalsError(f"{BENCHMARK}: {error}", error.kind) from error
    if keeps:
        notes += write_state(path, owner, grown)
    return grown, notes


def _compared(kept: Track, series: Series) -> tuple[str, ...]:
    """Say where kept labels rest on other bars than today's; they stand all the same."""
    if kept.last_day not in series.days:
        raise SignalsError(
            f"{BENCHMARK} has no bar on {kept.last_day}, the last session that was judged"
        )
    changed = changed_since(kept, series.days, series.closes)
    if not changed:
        return ()
    return (
        f"the bars of {BENCHMARK} on {', '.join(map(str, changed))} have changed since they were "
        "judged: the labels stay",
    )
