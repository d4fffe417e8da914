"""The statistical jump model of two states: features, fit, and the state of the newest session.

Shu, Yu, Mulvey (2024), doi 10.1057/s41260-024-00376-x; Nystrup et al. (2020). The path of states
s_t minimises the sum of |x_t - theta(s_t)|^2 / 2 plus a penalty for each switch. Pure: numbers in,
numbers out; no dates, no files, no chance (starts are quantiles), so the same closes give the same
bits. What the states mean for the market is not said here.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from atlas_daemon.core.brain import SignalsError

Floats = npt.NDArray[np.float64]

RISK_FREE_DAILY = 1.03 ** (1 / 252) - 1
"""3 % a year: what a day's return has to exceed."""
WARM_UP_ROWS = 60
"""Returns before the first features: the longest half-life."""
FIT_PENALTY = 15.0
"""Penalty per switch while fitting; judging a new day has its own."""
STARTS = (*((column, q) for q in (0.5, 0.25, 0.75) for column in (0, 1, 2)), (1, 0.9))
"""Ten first guesses of the states: rows on either side of a quantile of one feature."""
ROUNDS_MAX = 300
SPREAD_MIN = 1e-9
"""A feature whose standard deviation is below this part of its size does not vary."""

_DECAY_10, _DECAY_20, _DECAY_60 = (1 - 0.5 ** (1 / half_life) for half_life in (10, 20, 60))


class ModelError(SignalsError):
    """The model cannot be computed from these numbers."""


class Averages(msgspec.Struct, frozen=True):
    """Where the exponentially weighted means of the features stand after some returns."""

    count: int
    """Returns taken in."""
    loss_10: float
    """Mean of min(r, 0)^2, half-life 10 sessions."""
    loss_20: float
    loss_60: float
    gain_20: float
    """Mean of r, half-life 20 sessions."""
    gain_60: float

    def after(self, excess: float) -> "Averages":
        """Return the means with one more excess return; the first one sets them."""
        loss = min(excess, 0.0) ** 2
        if self.count == 0:
            return Averages(1, loss, loss, loss, excess, excess)
        return Averages(
            self.count + 1,
            self.loss_10 + _DECAY_10 * (loss - self.loss_10),
            self.loss_20 + _DECAY_20 * (loss - self.loss_20),
            self.loss_60 + _DECAY_60 * (loss - self.loss_60),
            self.gain_20 + _DECAY_20 * (excess - self.gain_20),
            self.gain_60 + _DECAY_60 * (excess - self.gain_60),
        )

    def features(self) -> tuple[float, float, float] | None:
        """Return downside deviation (10), Sortino (20), Sortino (60); None while warming up.

        Raises ModelError where there was no loss yet: nothing to divide by.
        """
        if self.count < WARM_UP_ROWS:
            return None
        downs = [math.sqrt(loss) for loss in (self.loss_10, self.loss_20, self.loss_60)]
        if not min(downs) > 0:
            raise ModelError(f"not one loss in its first {self.count} sessions")
        return downs[0], self.gain_20 / downs[1], self.gain_60 / downs[2]


NO_AVERAGES = Averages(0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Fit(msgspec.Struct, frozen=True):
    """The model as fitted to some rows; three numbers each, one a feature."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    bull: tuple[float, float, float]
    """Centroid of the state with the higher Sortino (20), in standard deviations from the mean."""
    bear: tuple[float, float, float]
    objective: float
    """Loss and penalties of the fitted path."""

    def leanings(self, rows: Floats) -> Floats:
        """Return for each column of `rows` its loss as bull minus its loss as bear."""
        bull, bear = (
            _losses(self.scaled(rows), np.array(centre)) for centre in (self.bull, self.bear)
        )
        return bull - bear

    def scaled(self, rows: Floats) -> Floats:
        """Return rows (3, n) in standard deviations from the mean."""
        scaled: Floats = (rows - np.array(self.mean)[:, None]) / np.array(self.deviation)[:, None]
        return scaled


def excess_returns(closes: Sequence[float]) -> list[float]:
    """Return each close's simple return over the one before, less the risk-free rate."""
    return [later / earlier - 1 - RISK_FREE_DAILY for earlier, later in pairwise(closes)]


def fit_model(rows: Floats, penalty: float = FIT_PENALTY) -> Fit:
    """Fit the model to rows of features (3, n) by coordinate descent from ten starts.

    Of paths with equal objectives the first start's stands. Raises ModelError where a feature does
    not vary, or where no start ends with both states in use.
    """
    mean, deviation = rows.mean(axis=1), rows.std(axis=1, ddof=1)
    if not (deviation > SPREAD_MIN * np.abs(mean)).all():
        raise ModelError("a feature does not vary")
    scaled = (rows - mean[:, None]) / deviation[:, None]
    best: tuple[float, Floats, Floats] | None = None
    seen: set[bytes] = set()
    for column, quantile in STARTS:
        is_bear = scaled[column] > np.quantile(scaled[column], quantile)
        found = _descend(scaled, is_bear, penalty, seen)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    if best is None:
        raise ModelError("no two states can be told apart")
    objective, *centres = best
    bull, bear = sorted(centres, key=lambda centre: -float(centre[1]))
    return Fit(_three(mean), _three(deviation), _three(bull), _three(bear), objective)


def best_path(leanings: Sequence[float], penalty: float) -> list[bool]:
    """Return the cheapest path of states, True = bear, by dynamic programming.

    With two states the value function is one number: how much dearer ending in bull is than in
    bear. A step limits it to the penalty, above which switching is cheaper, and adds the leaning.
    """
    values = _values(leanings, penalty)
    is_bear = values[-1] > 0
    path = [is_bear]
    for value in reversed(values[:-1]):
        is_bear = value > -penalty if is_bear else value > penalty
        path.append(is_bear)
    return path[::-1]


def judge_dp(leanings: Sequence[float], penalty: float) -> tuple[bool, float]:
    """Return the last state (True = bear) of the best path, and by how much it is cheaper."""
    value = _values(leanings, penalty)[-1]
    return value > 0, abs(value)


def judge_greedy(leaning: float, was_bear: bool | None, penalty: float) -> tuple[bool, float]:
    """Return the newest state by its own losses, the penalty added to leaving the last one.

    And by how much it is cheaper. It never adds up evidence: a penalty above every day's leaning
    never switches.
    """
    held = 0.0 if was_bear is None else penalty if was_bear else -penalty
    return leaning + held > 0, abs(leaning + held)


def _values(leanings: Sequence[float], penalty: float) -> list[float]:
    # The innermost loop of all: comparisons cost half of what min and max do.
    value, values = 0.0, []
    for leaning in leanings:
        if value > penalty:
            value = penalty
        elif value < -penalty:
            value = -penalty
        value += leaning
        values.append(value)
    return values


def _descend(
    scaled: Floats, is_bear: npt.NDArray[np.bool_], penalty: float, seen: set[bytes]
) -> tuple[float, Floats, Floats] | None:
    """Improve states and centroids in turn until nothing changes.

    None where one state dies out, or where a start before has been here: it ends the same way.
    """
    for _ in range(ROUNDS_MAX):
        word = is_bear.tobytes()
        if word in seen or is_bear.all() or not is_bear.any():
            return None
        seen.add(word)
        centres = [scaled[:, mask].mean(axis=1) for mask in (~is_bear, is_bear)]
        losses = [_losses(scaled, centre) for centre in centres]
        path = np.array(best_path((losses[0] - losses[1]).tolist(), penalty))
        if (path == is_bear).all():
            switches = int((path[1:] != path[:-1]).sum())
            objective = float(np.where(path, losses[1], losses[0]).sum()) + penalty * switches
            return objective, centres[0], centres[1]
        is_bear = path
    raise ModelError(f"the fit did not settle in {ROUNDS_MAX} rounds")


def _losses(scaled: Floats, centre: Floats) -> Floats:
    away = scaled - centre[:, None]
    # Column by column: the order of a sum is the same for one row as for a thousand.
    losses: Floats = 0.5 * (away[0] * away[0] + away[1] * away[1] + away[2] * away[2])
    return losses


def _three(numbers: Floats) -> tuple[float, float, float]:
    first, second, third = numbers.tolist()
    return first, second, third
