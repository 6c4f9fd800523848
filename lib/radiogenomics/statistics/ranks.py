"""Is an AUC other than 0.5? The exact permutation test of ranks, ties included."""

from __future__ import annotations

import numpy as np
from scipy import stats

EXACT = 150  # patients up to which every way of giving out the labels is counted


def rank_test(positive: np.ndarray, scores: np.ndarray) -> float:
    """Return the two-sided p of an AUC of 0.5, the labels being permuted.

    The share of permutations whose AUC is at least as far from 0.5 as the one found: Wilcoxon's
    test on mid-ranks, counted exactly up to 150 patients, by its normal approximation (ties
    corrected, without continuity correction) beyond. Scores that are all equal have p = 1.

    Args:
        positive: bool (patient,), both values.
        scores: (patient,).

    >>> rank_test(np.array([False, False, False, True, True, True]), np.arange(6.0))
    0.1
    """
    if len(scores) > EXACT:
        sides = scores[positive], scores[~positive]
        if np.ptp(scores) == 0:
            return 1.0
        return float(stats.mannwhitneyu(*sides, use_continuity=False, method="asymptotic").pvalue)
    fewer = positive if 2 * positive.sum() <= len(positive) else ~positive
    ranks = np.round(2 * stats.rankdata(scores)).astype(int)  # whole numbers, ties as well
    chance = rank_sum_chances(ranks, int(fewer.sum()))
    middle = fewer.sum() * ranks.sum() / len(ranks)
    away = np.abs(np.arange(len(chance)) - middle)
    return float(min(chance[away >= abs(ranks[fewer].sum() - middle) - 1e-9].sum(), 1.0))


def rank_sum_chances(ranks: np.ndarray, chosen: int) -> np.ndarray:
    """Return the chance of each sum (0, 1, ...) of so many whole ranks drawn without replacement.

    >>> rank_sum_chances(np.array([1, 2, 3]), 2).round(3).tolist()
    [0.0, 0.0, 0.0, 0.333, 0.333, 0.333]
    """
    largest = int(np.sort(ranks)[-chosen:].sum())
    ways = np.zeros((chosen + 1, largest + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : largest + 1 - rank]
    return ways[chosen] / ways[chosen].sum()
