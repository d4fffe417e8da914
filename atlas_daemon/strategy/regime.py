"""The regime of each session by the jump model: refits, mapping to four names, confirmation.

A track grows by sessions and is never rewritten: what was said of a session stands, whatever comes
later. Pure: closes in, labels out; whether bars can be trusted and where a track is kept is not
here. The mapping, its thresholds and both windows: ATLAS, and what was measured since.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import msgspec
import numpy as np

from atlas_daemon.core.brain import RegimeModel
from atlas_daemon.core.values import ALLOCATION, Regime

from .jump_model import (
    FIT_PENALTY,
    NO_AVERAGES,
    RISK_FREE_DAILY,
    WARM_UP_ROWS,
    Averages,
    Fit,
    Floats,
    ModelError,
    excess_returns,
    fit_model,
    judge_dp,
    judge_greedy,
)

CRASH_DOWNSIDE_Z = 2.5
"""A bear session with a downside deviation above this ..."""
CRASH_SORTINO_Z = -0.9
"""... and a Sortino below this is a crash."""
BULL_SORTINO_Z = 0.0
"""A bull session with a Sortino above this is a bull market, else neutral."""
REFIT_SESSIONS = 126
"""Between refits where the window expands."""
RETURN_SLACK = 1e-4
"""A kept return may differ from the one of today's bars by so much: feeds round to cents."""


class Verdict(msgspec.Struct, frozen=True):
    """What was said of a session at its close."""

    is_bear: bool
    margin: float
    """By how much the state was cheaper than the other, in units of the loss."""
    downside_z: float
    sortino_z: float
    regime: Regime
    by_vix: bool = False
    """CRASH for the VIX, whatever the state."""


class Row(msgspec.Struct, frozen=True):
    """One session: its excess return, its features, and what was said of it."""

    day: date
    excess: float
    downside: float
    sortino_20: float
    sortino_60: float
    verdict: Verdict | None = None
    """None before the first fit."""


class Refit(msgspec.Struct, frozen=True):
    """A fit and the session from which it judges; its rows end with that session."""

    day: date
    fit: Fit


class Track(msgspec.Struct, frozen=True):
    """All that the model knows after its last session; enough to judge the next one."""

    averages: Averages
    rows: tuple[Row, ...] = ()
    refits: tuple[Refit, ...] = ()
    first_day: date | None = None
    """Session of the first close."""

    @property
    def last_day(self) -> date | None:
        """The last session judged or warmed up on."""
        return self.rows[-1].day if self.rows else None

    def until(self, day: date) -> "Track":
        """Return the track as it stood after `day`. Such a one is looked at, not grown."""
        count = bisect_right(self.rows, day, key=lambda row: row.day)
        if count == len(self.rows):
            return self
        refits = tuple(refit for refit in self.refits if refit.day <= day)
        return Track(NO_AVERAGES, self.rows[:count], refits, self.first_day)


EMPTY = Track(NO_AVERAGES)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sessions in a row of one regime."""

    regime: Regime
    first: date
    last: date
    sessions: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The regime as of one session's close, and what it rests on."""

    day: date
    raw: Regime
    confirmed: Regime
    raw_since: date
    raw_sessions: int
    """Sessions in a row up to `day` with this raw label."""
    confirmed_since: date
    confirmed_sessions: int
    row: Row
    verdict: Verdict
    rank: float
    """Part of the earlier sessions in the same state whose margin was smaller."""
    refit: Refit
    window_sessions: int
    """Sessions that the features were compared with."""

    @property
    def regime(self) -> Regime:
        """The one of both labels that allows less: what a rebalance may deploy."""
        return min(self.confirmed, self.raw, key=lambda regime: ALLOCATION[regime])


def grow(
    track: Track,
    days: Sequence[date],
    closes: Sequence[float],
    model: RegimeModel,
    vix_spikes: Mapping[date, bool] | None = None,
) -> Track:
    """Return the track with the sessions after its last one judged, in their order.

    `days` ascend, one total-return close each; where the track is not empty its last session is
    among them. `vix_spikes`: sessions on which the VIX says CRASH. Raises ModelError.
    """
    if track.last_day is None:
        track = EMPTY  # what only warmed up begins again: its days are told anew
    at = 0 if track.last_day is None else days.index(track.last_day) + 1
    if at == len(days):
        return track
    rows = list(track.rows)
    averages = track.averages
    for day, excess in zip(
        days[max(at, 1) :], excess_returns(closes[max(at - 1, 0) :]), strict=True
    ):
        averages = averages.after(excess)
        features = averages.features()
        if features is not None:
            rows.append(Row(day, excess, *features))
    judge = _Judge(rows, list(track.refits), model)
    for index in range(len(track.rows), len(rows)):
        spiked = vix_spikes is not None and vix_spikes.get(rows[index].day, False)
        judge.judge(index, spiked=spiked)
    return Track(averages, tuple(judge.rows), tuple(judge.refits), track.first_day or days[0])


def changed_since(track: Track, days: Sequence[date], closes: Sequence[float]) -> tuple[date, ...]:
    """Return the kept sessions whose return today's bars tell otherwise."""
    told = dict(zip(days[1:], excess_returns(closes), strict=True))
    kept = ((row.day, row.excess) for row in track.rows if row.day in told)
    return tuple(day for day, excess in kept if abs(told[day] - excess) > RETURN_SLACK)


def read_track(track: Track, day: date, model: RegimeModel) -> Reading:
    """Return the regime as of `day`, the track's last session. Raises ModelError without one."""
    row = track.rows[-1] if track.rows else None
    if row is None or row.day != day or row.verdict is None:
        since = f" since {track.first_day}" if track.first_day else ""
        refits = "in January or July" if model.window is not None else "then"
        raise ModelError(
            f"too few sessions: {len(track.rows)} of {model.lookback} with features{since} "
            f"({WARM_UP_ROWS} more warm up), and the first fit is made {refits}"
        )
    raws = raw_labels(track)
    raw, confirmed = stretches(raws)[-1], confirmed_stretches(raws, model.confirm_sessions)[-1]
    alike = [
        each.verdict.margin
        for each in track.rows[:-1]
        if each.verdict is not None and each.verdict.is_bear == row.verdict.is_bear
    ]
    smaller = sum(margin < row.verdict.margin for margin in alike)
    held = len(track.rows)
    return Reading(
        day=day,
        raw=raw.regime,
        confirmed=confirmed.regime,
        raw_since=raw.first,
        raw_sessions=raw.sessions,
        confirmed_since=confirmed.first,
        confirmed_sessions=confirmed.sessions,
        row=row,
        verdict=row.verdict,
        rank=smaller / len(alike) if alike else 0.0,
        refit=track.refits[-1],
        window_sessions=held if model.window is None else min(held, model.window),
    )


def raw_labels(track: Track) -> list[tuple[date, Regime]]:
    """Return each judged session with its label."""
    return [(row.day, row.verdict.regime) for row in track.rows if row.verdict is not None]


def confirmed_labels(
    labels: Sequence[tuple[date, Regime]], sessions: int
) -> list[tuple[date, Regime]]:
    """Return each session with the regime that had last stood for `sessions` in a row.

    The first label of all counts as confirmed: there is nothing that it could be held against.
    """
    confirmed: list[tuple[date, Regime]] = []
    count, last = 0, None
    for day, regime in labels:
        count = count + 1 if regime is last else 1
        last = regime
        stands = regime if count >= sessions or not confirmed else confirmed[-1][1]
        confirmed.append((day, stands))
    return confirmed


def stretches(labels: Sequence[tuple[date, Regime]]) -> list[Stretch]:
    """Return the labels as stretches of the same regime, oldest first."""
    found = []
    for regime, group in groupby(labels, key=lambda each: each[1]):
        days = [day for day, _ in group]
        found.append(Stretch(regime, days[0], days[-1], len(days)))
    return found


def growth(track: Track) -> dict[date, float]:
    """Return what 1 at the track's beginning has become by each session, dividends reinvested."""
    index, grown = 1.0, {}
    for row in track.rows:
        index *= 1 + row.excess + RISK_FREE_DAILY
        grown[row.day] = index
    return grown


def confirmed_stretches(labels: Sequence[tuple[date, Regime]], sessions: int) -> list[Stretch]:
    """Return the confirmed regimes as stretches, oldest first."""
    return stretches(confirmed_labels(labels, sessions))


def regime_for(is_bear: bool, downside_z: float, sortino_z: float) -> Regime:
    """Return the regime of a session by its state and how unusual it is."""
    if is_bear:
        crashes = downside_z > CRASH_DOWNSIDE_Z and sortino_z < CRASH_SORTINO_Z
        return Regime.CRASH if crashes else Regime.TREND_BEAR
    return Regime.TREND_BULL if sortino_z > BULL_SORTINO_Z else Regime.TREND_NEUTRAL


class _Judge:
    """Judges sessions one after the other; each sees its own past only."""

    def __init__(self, rows: list[Row], refits: list[Refit], model: RegimeModel) -> None:
        self.rows = rows
        self.refits = refits
        self._model = model
        self._penalty = float(model.penalty)
        self._columns: Floats = np.array(
            [
                [row.downside for row in rows],
                [row.sortino_20 for row in rows],
                [row.sortino_60 for row in rows],
            ]
        )
        self._leanings: list[float] | None = None
        """Of every row under the fit in force; None = not computed yet."""

    def judge(self, index: int, *, spiked: bool) -> None:
        """Say what there is to say of the row at `index`, where there is a fit."""
        if self._refit_is_due(index):
            first = index + 1 - self._model.lookback
            fit = fit_model(self._columns[:, first : index + 1], FIT_PENALTY)
            self.refits.append(Refit(self.rows[index].day, fit))
            self._leanings = None
        if not self.refits:
            return
        if self._leanings is None:
            self._leanings = self.refits[-1].fit.leanings(self._columns).tolist()
        if self._model.mode == "dp":
            trailing = self._leanings[max(0, index + 1 - self._model.lookback) : index + 1]
            is_bear, margin = judge_dp(trailing, self._penalty)
        else:
            before = self.rows[index - 1].verdict if index else None
            was_bear = None if before is None else before.is_bear
            is_bear, margin = judge_greedy(self._leanings[index], was_bear, self._penalty)
        downside_z, sortino_z = self._z(0, index), self._z(1, index)
        regime = Regime.CRASH if spiked else regime_for(is_bear, downside_z, sortino_z)
        verdict = Verdict(is_bear, margin, downside_z, sortino_z, regime, spiked)
        self.rows[index] = msgspec.structs.replace(self.rows[index], verdict=verdict)

    def _refit_is_due(self, index: int) -> bool:
        if index + 1 < self._model.lookback:
            return False
        if self._model.window is not None:  # the first session of January and July
            return index > 0 and _half(self.rows[index].day) != _half(self.rows[index - 1].day)
        return (index + 1 - self._model.lookback) % REFIT_SESSIONS == 0

    def _z(self, column: int, index: int) -> float:
        window = self._model.window
        first = 0 if window is None else max(0, index + 1 - window)
        values = self._columns[column, first : index + 1]
        mean = values.sum() / len(values)
        away = values - mean
        deviation = np.sqrt((away * away).sum() / (len(values) - 1))
        if not deviation > 0:
            raise ModelError(f"its features do not vary up to {self.rows[index].day}")
        return float(away[-1] / deviation)


def _half(day: date) -> tuple[int, bool]:
    return day.year, day.month > 6
