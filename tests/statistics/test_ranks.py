"""The permutation test of ranks against every permutation, R's exact test, and its own level."""

from itertools import combinations

import numpy as np
import pytest
from radiogenomics.statistics import discrimination, ranks
from scipy import stats
from sklearn.metrics import roc_auc_score


@pytest.mark.parametrize("n", [6, 9, 12])
def test_p_is_the_share_of_all_permutations_ties_included(n):
    rng = np.random.default_rng(n)
    labels, scores = rng.permutation(np.arange(n) % 3 > 0), rng.integers(0, 5, n)
    seen = abs(roc_auc_score(labels, scores) - 0.5)
    away = []
    for ones in combinations(range(n), int(labels.sum())):
        other = np.isin(np.arange(n), ones)
        away.append(abs(roc_auc_score(other, scores) - 0.5))
    assert ranks.rank_test(labels, scores) == pytest.approx(np.mean(np.array(away) >= seen - 1e-12))


def test_p_of_pairs_and_triples_of_ties_is_counted_by_hand():
    rng = np.random.default_rng(0)
    for ones in (2, 3, 4, 5):
        ways = np.array([np.isin(np.arange(8), some) for some in combinations(range(8), ones)])
        for _ in range(15):
            scores = rng.integers(0, 5, 8)
            order = np.sign(scores[:, None] - scores)  # pairs won less those lost
            away = np.abs(np.einsum("wi,ij,wj->w", ways, order, ~ways))
            for k in rng.integers(0, len(ways), 3):
                found = ranks.rank_test(ways[k], scores)
                assert found == pytest.approx((away >= away[k]).mean())


@pytest.mark.parametrize("sizes", [(3, 3), (12, 13), (66, 84)])
def test_without_ties_p_is_wilcoxons_exact_one(sizes):
    rng = np.random.default_rng(1)
    labels = np.repeat([True, False], sizes)
    scores = rng.normal(size=len(labels)) + 0.3 * labels
    theirs = stats.mannwhitneyu(scores[labels], scores[~labels], method="exact").pvalue
    assert ranks.rank_test(labels, scores) == pytest.approx(theirs, rel=1e-9)


def test_many_patients_have_the_normal_approximation():
    rng = np.random.default_rng(2)
    labels, scores = rng.random(400) < 0.4, rng.integers(0, 9, 400)
    near = ranks.rank_test(labels[: ranks.EXACT], scores[: ranks.EXACT])
    sides = scores[: ranks.EXACT][labels[: ranks.EXACT]], scores[: ranks.EXACT][~labels[:150]]
    rough = stats.mannwhitneyu(*sides, use_continuity=False, method="asymptotic").pvalue
    assert near == pytest.approx(rough, abs=0.01)
    assert 0 < ranks.rank_test(labels, scores) <= 1 == ranks.rank_test(labels, np.zeros(400))


def test_no_p_exceeds_one():
    """Every permutation is as far from 0.5: the sum of their chances is 1 and a rounding error."""
    labels = np.array([False, False, True, False, True, True])
    assert ranks.rank_test(labels, np.array([5, 2, 5, 3, 4, 1])) == 1


def test_intervals_hold_the_true_auc_in_small_cohorts():
    """12 v 13 and an AUC of 0.865: plain DeLong held it in 87.6%."""
    rng = np.random.default_rng(4)
    labels, true = np.repeat([1, 0], (12, 13)), 0.865
    shift = np.sqrt(2) * stats.norm.ppf(true)
    held = {"quoted": 0, "plain": 0}
    for _ in range(1500):
        scores = rng.normal(size=25) + shift * labels
        _, low, high, _ = discrimination.auc_interval(labels, scores)
        held["quoted"] += low <= true <= high
        auc, variance = discrimination.delong(labels, scores)
        _, low, high = discrimination.delong_interval(auc.item(), variance.item())
        held["plain"] += low <= true <= high
    assert held["plain"] / 1500 < 0.90 < 0.94 <= held["quoted"] / 1500 <= 0.99
