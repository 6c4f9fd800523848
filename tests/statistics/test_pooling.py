"""Pooled AUCs: Paule and Mandel's spread, Hartung and Knapp's interval, coverage."""

import numpy as np
import pytest
from radiogenomics.statistics.pooling import pooled_auc
from scipy import stats
from scipy.special import expit, logit


def test_the_spread_makes_cochrans_q_its_expectation():
    auc, variance = np.array([0.6, 0.75, 0.9, 0.8]), np.array([2, 3, 1, 2]) / 1000
    found = pooled_auc(auc, variance)
    weights = 1 / (variance / (auc * (1 - auc)) ** 2 + found.tau**2)
    mean = np.average(logit(auc), weights=weights)
    assert found.value == pytest.approx(expit(mean))
    assert (weights * (logit(auc) - mean) ** 2).sum() == pytest.approx(3, abs=1e-4)
    error = 1 / np.sqrt(weights.sum())  # at this spread Hartung and Knapp's factor is 1
    reach = stats.t.ppf(0.975, 3) * error
    assert (found.ci_low, found.ci_high) == pytest.approx(expit([mean - reach, mean + reach]))
    reach = stats.t.ppf(0.975, 2) * np.hypot(error, found.tau)
    edges = (found.prediction_low, found.prediction_high)
    assert edges == pytest.approx(expit([mean - reach, mean + reach]))


def test_two_cohorts_or_perfect_separation_are_not_pooled():
    assert pooled_auc([0.7, 0.8], [0.002, 0.002]) is None
    assert pooled_auc([0.7, 0.8, 1.0], [0.002, 0.002, 0.0]) is None
    assert pooled_auc([0.7, 0.8, 0.9, np.nan], [0.002, 0.002, 0.001, np.nan]).cohorts == 3


def test_equal_aucs_give_no_interval_narrower_than_that_of_equal_effects():
    found = pooled_auc([0.75] * 4, [0.002] * 4)
    error = np.sqrt(0.002 / 4) / (0.75 * 0.25)
    assert found.tau == pytest.approx(0, abs=1e-6)
    low = expit(logit(0.75) - stats.t.ppf(0.975, 3) * error)
    assert found.ci_low == pytest.approx(low, abs=1e-4)


@pytest.mark.parametrize(("cohorts", "tau"), [(3, 0.0), (3, 0.4), (6, 0.4)])
def test_intervals_cover(cohorts, tau):
    rng, hit, predicted, draws = np.random.default_rng(3), 0, 0, 400
    for _ in range(draws):
        variance = rng.uniform(0.05, 0.2, cohorts)
        true = logit(0.75) + tau * rng.normal(size=cohorts + 1)
        auc = expit(true[:-1] + np.sqrt(variance) * rng.normal(size=cohorts))
        found = pooled_auc(auc, variance * (auc * (1 - auc)) ** 2)
        hit += found.ci_low <= 0.75 <= found.ci_high
        predicted += found.prediction_low <= expit(true[-1]) <= found.prediction_high
    assert hit / draws > 0.93 and predicted / draws > 0.86  # the latter is known to cover less
