"""Our solver against the one of the paper's author (the package jumpmodels): same model, same fit.

It brings scikit-learn and matplotlib, so the product never needs it.
"""

from datetime import date

import numpy as np
import pytest

from atlas_daemon.strategy.jump_model import best_path, fit_model, judge_dp
from tests.strategy.markets import a_market, real_market, real_markets
from tests.strategy.test_jump_model import rows_of

jumpmodels = pytest.importorskip(
    "jumpmodels.jump", reason="the package jumpmodels (an oracle for tests) is not installed"
)


def oracle(fit, rows, penalty):
    """Theirs, fitted to the same scaled rows; and the order of its states, bull first."""
    model = jumpmodels.JumpModel(n_components=2, jump_penalty=penalty, random_state=0)
    model.fit(fit.scaled(rows).T)
    order = np.argsort(-model.centers_[:, 1])
    return model, order


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fit_is_at_least_as_good_as_theirs_and_the_same(seed):
    rows = rows_of(a_market(361, seed=seed)[1])
    fit = fit_model(rows)
    model, order = oracle(fit, rows, 15.0)
    assert fit.objective <= model.val_ + 1e-9
    assert np.array([fit.bull, fit.bear]) == pytest.approx(model.centers_[order], abs=1e-9)
    path = best_path(fit.leanings(rows).tolist(), 15.0)
    assert path == (np.asarray(model.labels_) == order[1]).tolist()


@real_markets
def test_the_fit_that_judged_march_2020_is_theirs():
    _, closes = real_market("SPY", date(2014, 1, 1), date(2020, 1, 2))
    rows = rows_of(closes)[:, -1000:]
    fit = fit_model(rows)
    model, order = oracle(fit, rows, 15.0)
    assert fit.objective == pytest.approx(model.val_, abs=1e-9)
    assert np.array([fit.bull, fit.bear]) == pytest.approx(model.centers_[order], abs=1e-9)


@pytest.mark.parametrize("penalty", [1.5, 50.0])
def test_dp_judges_each_day_as_their_online_prediction(penalty):
    rows = rows_of(a_market(361, seed=4)[1])
    fit = fit_model(rows[:, :200])
    model, _ = oracle(fit, rows[:, :200], penalty)
    model.centers_ = np.array([fit.bull, fit.bear])
    told = np.asarray(model.predict_online(fit.scaled(rows).T))
    leanings = fit.leanings(rows).tolist()
    ours = [judge_dp(leanings[: at + 1], penalty)[0] for at in range(len(leanings))]
    assert ours == (told == 1).tolist()
