"""Conformal p values and distances: coverage in simulation, values by counting, scikit-learn's."""

import numpy as np
import pytest
from radiogenomics.statistics import conformal
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA


def by_counting(scores, labels, new):
    """The definition: ranks among the earlier scores of each label."""
    one, zero = scores[labels == 1], scores[labels == 0]
    return {1: (1 + (one <= new).sum()) / (len(one) + 1),
            0: (1 + (zero >= new).sum()) / (len(zero) + 1)}  # fmt: skip


@pytest.mark.parametrize("n", [20, 73, 500])
def test_p_values_are_those_of_counting_but_never_smaller_and_a_step_larger_at_most(n):
    rng = np.random.default_rng(n)
    labels = rng.permutation(np.arange(n) % 2)
    scores = rng.normal(labels, 1)
    grids = {y: conformal.quantiles(scores[labels == y]) for y in (0, 1)}
    sizes = {y: int((labels == y).sum()) for y in (0, 1)}
    for new in [*rng.normal(0.5, 2, 200), scores.min(), scores.max()]:
        exact, found = by_counting(scores, labels, new), None
        found = conformal.label_p_values(grids, sizes, new)
        for y in (0, 1):
            step = max(0.02, 2 / sizes[y])
            assert exact[y] - 1e-12 <= found[y] <= exact[y] + step


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_each_label_is_missed_no_more_often_than_the_error_rate(error):
    """2,000 cohorts of 60, one new patient of each label in each: misses within two errors."""
    rng, missed, runs = np.random.default_rng(7), {0: 0, 1: 0}, 2000
    for _ in range(runs):
        labels = np.arange(60) % 2
        scores = rng.normal(labels, 1)
        grids = {y: conformal.quantiles(scores[labels == y]) for y in (0, 1)}
        for y in (0, 1):
            p = conformal.label_p_values(grids, {0: 30, 1: 30}, rng.normal(y, 1))
            missed[y] += y not in conformal.prediction_set(p, error)
    limit = error + 2 * np.sqrt(error * (1 - error) / runs)
    assert all(0.4 * error < n / runs <= limit for n in missed.values()), missed


def test_shares_below_are_those_of_the_values_to_a_hundredth():
    values = np.random.default_rng(1).random(400)
    grid = conformal.quantiles(values)
    for new in (-1, 0.2, 0.5, 0.77, 2):
        assert conformal.share_below(grid, new) == pytest.approx((values < new).mean(), abs=0.011)


def test_distances_are_scikit_learns_on_the_values_and_on_their_components():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)) + 5
    new = rng.normal(size=(9, 6)) + 5
    scaled = (values - values.mean(0)) / values.std(0)
    other = (new - values.mean(0)) / values.std(0)
    for components in (0, 3):
        inside, outside = scaled, other
        if components:
            pca = PCA(components, svd_solver="full").fit(scaled)
            inside, outside = pca.transform(scaled), pca.transform(other)
        expected = np.sqrt(LedoitWolf().fit(inside).mahalanobis(outside))
        found = conformal.Likeness(values, components).distances(new)
        assert found == pytest.approx(expected, rel=1e-9)


def test_a_value_that_is_the_same_in_all_patients_makes_no_nan():
    values = np.c_[np.random.default_rng(0).normal(size=(40, 2)), np.full(40, 3.0)]
    assert np.isfinite(conformal.Likeness(values).distances(values)).all()


def test_patients_of_the_same_kind_are_told_to_be_unlike_at_the_stated_rate():
    """400 cohorts of 60 in five folds; distances in the final fit are smaller than out of fold."""
    rng, alarms = np.random.default_rng(5), []
    for _ in range(400):
        values, new = rng.normal(size=(60, 5)), rng.normal(size=(20, 5))
        away = conformal.out_of_fold_distances(values, np.arange(60) % 5)
        limit = conformal.conformal_limit(away, 0.05)
        alarms.append((conformal.Likeness(values).distances(new) > limit).mean())
    error = np.std(alarms) / np.sqrt(len(alarms))
    assert 0.025 < np.mean(alarms) <= 0.05 + 2 * error


def test_too_few_values_set_no_limit():
    assert conformal.conformal_limit(np.arange(18.0), 0.05) == float("inf")
    assert conformal.conformal_limit(np.arange(19.0), 0.05) == 18
