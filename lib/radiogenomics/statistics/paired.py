"""Two models in the same patients: proportions, AUCs and Brier scores compared in pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from radiogenomics.statistics.discrimination import delong, wilson


class Difference(NamedTuple):
    """A difference with its interval, the interval's method and a p value (NaN: not tested)."""

    value: float
    ci_low: float
    ci_high: float
    ci_method: str
    p: float


def auc_difference(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, confidence: float = 0.95, margin: float = 0.0
) -> Difference:
    """Return the AUC of `a` less that of `b` (DeLong 1988).

    With a margin p is one-sided, of non-inferiority: that `a` is worse by the margin or more.

    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> a, b = np.array([1, 2, 4, 3, 5, 6]), np.array([1, 4, 3, 2, 5, 6])
    >>> round(auc_difference(labels, a, b).value, 3)
    0.111
    """
    return contrast(*delong(labels, np.stack([a, b])), "delong", confidence, margin)


def error_of_difference(covariance: np.ndarray) -> float:
    """Return the standard error of a difference of two estimates with this covariance (2, 2).

    >>> error_of_difference(np.array([[0.5, 0.25], [0.25, 1.0]]))
    1.0
    """
    signs = np.array([1, -1])
    return float(np.sqrt(max(signs @ covariance @ signs, 0)))


def contrast(
    areas: np.ndarray, covariance: np.ndarray, method: str, confidence: float = 0.95,
    margin: float = 0.0,
) -> Difference:  # fmt: skip
    """Return the first of two AUCs less the second, by their covariance (2, 2) and the normal law.

    >>> round(contrast(np.array([0.9, 0.8]), np.diag([0.001, 0.0015]), "delong").p, 4)
    0.0455
    """
    gap, error = float(areas[0] - areas[1]), error_of_difference(covariance)
    if not error > 0:
        return Difference(gap, np.nan, np.nan, "none", np.nan)
    reach = stats.norm.ppf(0.5 + confidence / 2) * error
    z = (gap + margin) / error
    p = stats.norm.sf(z) if margin else 2 * stats.norm.sf(abs(z))
    return Difference(gap, float(gap - reach), float(gap + reach), method, float(p))


def proportion_difference(
    a: np.ndarray, b: np.ndarray, confidence: float = 0.95
) -> tuple[Difference, float]:
    """Return the share of hits of `a` less that of `b`, both bool (patient,), and McNemar's mid-p.

    The difference's p is McNemar's exact one; its interval is Newcombe's for paired proportions
    (1998, method 10; doi 10.1002/(SICI)1097-0258(19981130)17:22<2635). Mid-p: Fagerland 2013.

    >>> a, b = np.array([1, 1, 1, 1, 0], bool), np.array([1, 0, 0, 0, 0], bool)
    >>> found, mid_p = proportion_difference(a, b)
    >>> round(found.value, 2), found.p, mid_p
    (0.6, 0.25, 0.125)
    """
    n = len(a)
    if not n:
        return Difference(np.nan, np.nan, np.nan, "none", np.nan), float("nan")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    exact = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    at = stats.binom.pmf(min(only_a, only_b), only_a + only_b, 0.5)
    mid = exact - (at if only_a != only_b else at / 2)
    low, high = _newcombe(int((a & b).sum()), only_a, only_b, n, confidence)
    gap = (only_a - only_b) / n
    return Difference(gap, low, high, "newcombe-paired", float(exact)), float(mid)


def _newcombe(
    both: int, only_a: int, only_b: int, n: int, confidence: float
) -> tuple[float, float]:
    """Return the interval: Wilson's limits squared and added, with the correlation of the two."""
    neither = n - both - only_a - only_b
    (p, low_p, high_p), (q, low_q, high_q) = (
        wilson(both + one, n, confidence) for one in (only_a, only_b)
    )
    rows = (both + only_a) * (neither + only_b) * (both + only_b) * (neither + only_a)
    excess = both * neither - only_a * only_b
    if excess > 0:
        excess = max(excess - n / 2, 0)
    phi = excess / np.sqrt(rows) if rows else 0.0

    def reach(own: float, other: float) -> float:
        return float(np.sqrt(max(own**2 - 2 * phi * own * other + other**2, 0)))

    return p - q - reach(p - low_p, high_q - q), p - q + reach(high_p - p, q - low_q)


def brier_difference(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Return the Brier score of `a` less that of `b`, with Student's paired interval and p.

    >>> gap = brier_difference(np.array([0, 1]), np.array([0.2, 0.7]), np.array([0.4, 0.6]))
    >>> [round(x, 3) for x in (gap.value, gap.ci_low, gap.ci_high, gap.p)]
    [-0.095, -0.413, 0.223, 0.164]
    """
    gaps = (a - labels) ** 2 - (b - labels) ** 2
    if not np.ptp(gaps) > 0:
        return Difference(float(gaps.mean()), np.nan, np.nan, "none", np.nan)
    test = stats.ttest_1samp(gaps, 0)
    low, high = test.confidence_interval(confidence)
    return Difference(float(gaps.mean()), float(low), float(high), "paired-t", float(test.pvalue))
