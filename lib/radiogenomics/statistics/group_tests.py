"""Tests between two groups of patients, and their standardised difference (paper, Table 1)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

MEANS = ("age",)  # numbers whose means are compared; of all others the ranks
TABLES = 99_999  # random tables behind Fisher's test of more than 2 × 2 counts


def standardised_difference(a: pd.Series, b: pd.Series) -> float:
    """Return the standardised mean difference of two groups; categories by Yang & Dalton 2012.

    NaN where a group has no value.

    >>> round(standardised_difference(pd.Series([1.0, 2, 3]), pd.Series([2.0, 3, 4])), 3)
    1.0
    """
    a, b = a.dropna(), b.dropna()
    if a.empty or b.empty:
        return float("nan")
    if pd.api.types.is_numeric_dtype(a):
        return float((b.mean() - a.mean()) / np.sqrt((a.var() + b.var()) / 2))
    levels = sorted(set(a) | set(b))[1:]
    pa, pb = (np.array([(g == v).mean() for v in levels]) for g in (a, b))
    spread = [np.diag(p) - np.outer(p, p) for p in (pa, pb)]
    gap = pb - pa
    return float(np.sqrt(gap @ np.linalg.pinv((spread[0] + spread[1]) / 2) @ gap))


def categorical_test(counts: np.ndarray, seed: int) -> tuple[str, float]:
    """Return test and p of a (level, group) table: Pearson chi-square without correction.

    Fisher's exact test where an expected count is below 5 (`seed`: of its random tables).

    >>> sexes = np.array([[227, 118], [108, 207]])  # the paper's Table 1
    >>> test, p = categorical_test(sexes, seed=0)
    >>> test, p < 0.001
    ('chi-square', True)
    """
    counts = counts[counts.sum(axis=1) > 0]
    if counts.shape[0] < 2 or (counts.sum(axis=0) == 0).any():
        return "", float("nan")
    expected = stats.contingency.expected_freq(counts)
    if (expected < 5).any():
        return fisher(counts, seed)
    return "chi-square", float(stats.chi2_contingency(counts, correction=False).pvalue)


def fisher(counts: np.ndarray, seed: int) -> tuple[str, float]:
    """Return test and p of Fisher's exact test on (level, group) counts.

    Of a table larger than 2 × 2 the p value is simulated, over `TABLES` random tables with the
    same margins (Freeman & Halton 1951).

    >>> test, p = fisher(np.array([[3, 1], [1, 3]]), seed=0)
    >>> test, round(p, 4)
    ('Fisher', 0.4857)
    """
    if counts.shape == (2, 2):
        return "Fisher", float(stats.fisher_exact(counts).pvalue)
    drawn = stats.MonteCarloMethod(n_resamples=TABLES, rng=np.random.default_rng(seed))
    p = stats.fisher_exact(counts, method=drawn).pvalue  # of few patients an array of one
    return "Fisher, simulated", float(np.squeeze(p))


def continuous_test(a: pd.Series, b: pd.Series) -> tuple[str, float]:
    """Return test and p of two groups of a number: Welch's t of `MEANS`, else Mann-Whitney's U.

    Declared beforehand: a test that is chosen by the data's skewness does not keep its level.

    >>> young, old = pd.Series([1.0, 2, 3, 4], name="age"), pd.Series([3.0, 4, 5, 6], name="age")
    >>> test, p = continuous_test(young, old)
    >>> test, round(p, 4)
    ('t', 0.071)
    """
    a, b = a.dropna(), b.dropna()
    if min(len(a), len(b)) < 2:
        return "", float("nan")
    if a.name in MEANS:
        return "t", float(stats.ttest_ind(a, b, equal_var=False).pvalue)
    return "Mann-Whitney", float(stats.mannwhitneyu(a, b).pvalue)
