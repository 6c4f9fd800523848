"""AUCs of several cohorts pooled: random effects on the logit scale (Snell & Debray 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import expit, logit
from statsmodels.stats.meta_analysis import combine_effects

FEWEST = 3  # cohorts


class Pooled(NamedTuple):
    """A mean over cohorts, its interval, where a new cohort's AUC would lie, their spread, k."""

    value: float
    ci_low: float
    ci_high: float
    prediction_low: float
    prediction_high: float
    tau: float
    cohorts: int


def pooled_auc(
    aucs: Sequence[float], variances: Sequence[float], confidence: float = 0.95
) -> Pooled | None:
    """Return the mean AUC of independent cohorts; None of fewer than three that have a variance.

    The spread between cohorts, tau of the logits, by Paule & Mandel 1982. Hartung & Knapp's
    interval with t of k - 1 degrees of freedom, its variance never below that of equal effects
    (Röver 2015); prediction interval with t of k - 2 (Higgins 2009), which covers less than it
    says where cohorts are few (Partlett & Riley 2017).

    Args:
        aucs: of the cohorts.
        variances: DeLong's; NaN or 0 (the scores separate the labels) leaves a cohort out.
        confidence: of both intervals.

    >>> found = pooled_auc([0.7, 0.75, 0.8], [0.002, 0.002, 0.002])
    >>> [round(float(x), 3) for x in found[:5]]
    [0.745, 0.603, 0.849, 0.215, 0.969]
    """
    auc, variance = np.asarray(aucs, float), np.asarray(variances, float)
    used = variance > 0
    auc, variance = auc[used], variance[used]
    if len(auc) < FEWEST:
        return None
    spread = variance / (auc * (1 - auc)) ** 2
    fit = combine_effects(logit(auc), spread, method_re="iterated")
    error = np.sqrt(max(fit.scale_hksj_re, 1) / (1 / (spread + fit.tau2)).sum())
    k, mean = len(auc), fit.mean_effect_re
    reach = stats.t.ppf(0.5 + confidence / 2, k - 1) * error
    further = stats.t.ppf(0.5 + confidence / 2, k - 2) * np.sqrt(fit.tau2 + error**2)
    edges = (mean, mean - reach, mean + reach, mean - further, mean + further)
    return Pooled(*expit(edges).tolist(), float(np.sqrt(fit.tau2)), k)
