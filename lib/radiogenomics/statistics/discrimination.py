"""Discrimination (paper, Statistics): AUC, DeLong, sensitivity; functions of labels and scores.

Labels are 0 or 1, (patient,); scores rise with the probability of 1, (patient,).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from radiogenomics.statistics.ranks import rank_test


class EvaluationError(ValueError):
    """Labels or scores that cannot be evaluated."""


def checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (n,) as bool and scores (..., n) as float.

    Raises:
        EvaluationError: other labels than 0 and 1, one label only, missing scores, no numbers.

    >>> checked([0, 1], [0.2, 0.9])
    (array([False,  True]), array([0.2, 0.9]))
    """
    labels = np.asarray(labels)
    try:
        scores = np.asarray(scores, dtype=float)
    except (TypeError, ValueError) as fault:
        raise EvaluationError(f"scores are not numbers: {fault}.") from None
    values = sorted(set(labels.tolist()), key=str)
    if not set(values) <= {0, 1}:
        raise EvaluationError(f"labels are {values[:5]}. Expected: 0 and 1.")
    if len(values) < 2:
        raise EvaluationError(f"all {len(labels)} labels are {values}. Expected: both 0 and 1.")
    if scores.shape[-1] != len(labels):
        raise EvaluationError(f"{scores.shape[-1]} scores for {len(labels)} labels.")
    if not np.isfinite(scores).all():
        raise EvaluationError(f"{(~np.isfinite(scores)).sum()} scores are not finite numbers.")
    return labels.astype(bool), scores


def probabilities(scores: np.ndarray, what: str) -> np.ndarray:
    """Return the scores if they are probabilities.

    Raises:
        EvaluationError: a score outside [0, 1]; `what` says what cannot be computed then.

    >>> probabilities(np.array([0.2, 0.9]), "calibration")
    array([0.2, 0.9])
    """
    if scores.min() < 0 or scores.max() > 1:
        raise EvaluationError(
            f"scores run from {scores.min():g} to {scores.max():g}. Expected: probabilities, 0 to "
            f"1, for {what}. Use such scores for AUC only."
        )
    return scores


def auc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the AUC (resample,): the weighted share of pairs in the right order, ties a half.

    Args:
        positive: bool (patient,).
        scores: (patient,).
        weights: of the patients, (resample, patient); 1 for the sample itself.

    >>> auc(np.array([True, True, False]), np.array([0.9, 0.4, 0.4]), np.ones((1, 3)))
    array([0.75])
    """
    ones, zeros = ascending(positive, scores), ascending(~positive, scores)
    left, right = (np.searchsorted(scores[zeros], scores[ones], s) for s in ("left", "right"))
    lower = running(weights[:, zeros])
    beaten = lower[:, left] if (left == right).all() else (lower[:, left] + lower[:, right]) / 2
    times = weights[:, ones].astype(float)
    return np.einsum("ij,ij->i", times, beaten) / (times.sum(axis=1) * lower[:, -1])


def ascending(side: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the patients of one side from the lowest score up.

    >>> ascending(np.array([True, False, True]), np.array([0.9, 0.5, 0.2])).tolist()
    [2, 0]
    """
    patients = np.flatnonzero(side)
    return patients[np.argsort(scores[patients])]


def running(weights: np.ndarray) -> np.ndarray:
    """Return (resample, patient + 1): how many precede each patient, and in all.

    >>> running(np.array([[1, 0, 2]])).tolist()
    [[0.0, 1.0, 1.0, 3.0]]
    """
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def delong(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCs (model,) and their covariance (model, model) of paired scores (model, n).

    DeLong, DeLong & Clarke-Pearson 1988 by the mid-ranks of Sun & Xu 2014, n log n. With one
    patient of a label that label's part of the variance cannot be estimated and is NaN.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> aucs, covariance = delong([0, 0, 1, 1], [[0.1, 0.4, 0.35, 0.8]])
    >>> aucs, covariance.round(4)
    (array([0.75]), array([[0.125]]))
    """
    aucs, of_ones, of_zeros = _delong_parts(*checked(labels, np.atleast_2d(scores)))
    return aucs, of_ones + of_zeros


def _delong_parts(
    positive: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return AUCs (model,) and the parts of their covariance from label 1 and from label 0."""
    won, lost = pairs_won(positive, scores)
    m, n = won.shape[1], lost.shape[1]
    return won.sum(axis=1) / (m * n), _covariance(won / n) / m, _covariance(lost / m) / n


def pairs_won(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs each positive (model, m) and each negative (model, n) has in right order.

    Ties count a half, so the counts are exact and equal rankings differ by exactly 0.

    >>> pairs_won(np.array([True, True, False]), np.array([[0.9, 0.4, 0.4]]))
    (array([[1. , 0.5]]), array([[1.5]]))
    """
    sides = [(row[positive], row[~positive]) for row in scores]
    won = [_below(negatives, positives) for positives, negatives in sides]
    lost = [len(p) - _below(p, n) for p, n in sides]
    return np.array(won), np.array(lost)


def _below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many others lie below each value, ties a half."""
    others, order, found = np.sort(others), np.argsort(values), np.empty(len(values))
    asked = values[order]  # in order they are found in half the time
    found[order] = sum(np.searchsorted(others, asked, side) for side in ("left", "right")) / 2
    return found


def _covariance(values: np.ndarray) -> np.ndarray:
    if values.shape[1] < 2:
        return np.full((len(values), len(values)), np.nan)
    return np.atleast_2d(np.cov(values))


def auc_interval(
    labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float, str]:
    """Return AUC, low, high and the method's name (ci_method), as every table quotes it.

    `delong-logit-t`: DeLong's variance on the logit scale with Student's t of Welch and
    Satterthwaite's degrees of freedom. It is the narrowest interval whose coverage reached 94% in
    four of five cells of each kind of scores in a simulation (docs/methods.md). `exact` where every
    pair is in the right order, or none: with m patients of the rarer label an AUC below
    (α / 2)^(1 / m) separates the labels less often than in α / 2. `none` where no variance can be
    estimated: one patient of a label, scores that are all equal.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> auc, low, high, method = auc_interval([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> auc, round(low, 3), round(high, 3), method
    (0.75, 0.001, 1.0, 'delong-logit-t')
    >>> auc_interval([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8])[2:]
    (1.0, 'exact')
    """
    positive, scores = checked(labels, np.atleast_2d(scores))
    auc, of_ones, of_zeros = (float(part.squeeze()) for part in _delong_parts(positive, scores))
    return interval_of(auc, of_ones, of_zeros, positive.sum(), (~positive).sum(), confidence)


def interval_of(
    auc: float, of_ones: float, of_zeros: float, m: int, n: int, confidence: float
) -> tuple[float, float, float, str]:
    """Return `auc_interval`'s answer for an AUC and the two parts of its variance.

    Args:
        auc: of m patients with label 1 and n with label 0.
        of_ones: DeLong's variance from label 1.
        of_zeros: that from label 0.
        m: patients with label 1.
        n: patients with label 0.
        confidence: level.

    >>> interval_of(1.0, 0.0, 0.0, 2, 2, 0.95)[3]
    'exact'
    """
    if auc in (0, 1):
        least = ((1 - confidence) / 2) ** (1 / min(m, n))
        return (1.0, float(least), 1.0, "exact") if auc else (0.0, 0.0, float(1 - least), "exact")
    variance = of_ones + of_zeros
    if not variance > 0:
        return auc, float("nan"), float("nan"), "none"
    freedom = variance**2 / (of_ones**2 / (m - 1) + of_zeros**2 / (n - 1))
    times = stats.t.ppf(0.5 + confidence / 2, freedom)
    return *delong_interval(auc, variance, on_logit=True, times=times), "delong-logit-t"


def delong_interval(
    auc: float, variance: float, confidence: float = 0.95, on_logit: bool = False,
    times: float | None = None,
) -> tuple[float, float, float]:  # fmt: skip
    """Return AUC and DeLong's interval, plain (cut at 0 and 1, as pROC's) or on the logit scale.

    Without variance there is none (NaN). `times` replaces the normal quantile.

    >>> np.round(delong_interval(0.8, 0.0025), 3).tolist()
    [0.8, 0.702, 0.898]
    """
    if not variance > 0:
        return auc, float("nan"), float("nan")
    reach = np.sqrt(variance) * (times or stats.norm.ppf(0.5 + confidence / 2))
    if on_logit:
        low, high = expit(logit(auc) + np.array([-1, 1]) * reach / (auc * (1 - auc)))
    else:
        low, high = np.clip([auc - reach, auc + reach], 0, 1)
    return auc, float(low), float(high)


def delong_test(labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return z and two-sided p of the difference of two paired AUCs.

    Against scores that are all equal, whose AUC is 0.5 whatever the labels, the test is that of
    ranks (`rank_test`) and has no z. Equal AUCs have z = 0, p = 1. What cannot be tested, with one
    patient of a label or where the difference has no variance, is NaN.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> z, p = delong_test([0, 0, 1, 1, 1], [0.1, 0.4, 0.35, 0.8, 0.9], [0.6, 0.2, 0.3, 0.7, 0.1])
    >>> round(z, 3), round(p, 3)
    (0.707, 0.48)
    """
    positive, scores = checked(labels, np.stack([a, b]))
    won, lost = (pairs[0] - pairs[1] for pairs in pairs_won(positive, scores))
    m, n = len(won), len(lost)
    constant = np.ptp(scores, axis=1) == 0
    if constant.sum() == 1:
        return float("nan"), rank_test(positive, scores[~constant][0])
    if won.sum() == 0:
        return 0.0, 1.0
    if min(m, n) < 2 or np.ptp(won) == np.ptp(lost) == 0:
        return float("nan"), float("nan")
    gap = won.sum() / (m * n)
    z = gap / np.sqrt(np.var(won / n, ddof=1) / m + np.var(lost / m, ddof=1) / n)
    return float(z), float(2 * stats.norm.sf(abs(z)))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values adjusted by Holm's step-down method (Holm 1979); NaN stays and counts not.

    >>> holm(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.06,  nan, 0.06])
    """
    # takes a second to import, and not every command tests
    from statsmodels.stats.multitest import multipletests

    p = np.asarray(p, float)
    tested, adjusted = np.isfinite(p), np.full(len(p), np.nan)
    if tested.any():
        adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted


def delong_table(labels: np.ndarray, scores: pd.DataFrame) -> pd.DataFrame:
    """Compare every pair of models (columns) on the same patients (rows, named by the index).

    Raises:
        EvaluationError: a model lacks patients; names both.

    >>> table = delong_table([0, 0, 1, 1], pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 2, 4]}))
    >>> table[["model_a", "model_b", "auc_a", "auc_b"]].values.tolist()
    [['a', 'b', 1.0, 0.75]]
    """
    for name, values in scores.items():
        gone = scores.index[values.isna()].tolist()
        if gone:
            raise EvaluationError(
                f"model {name} lacks the scores of {len(gone)} patients: "
                f"{', '.join(map(str, gone[:5]))}. Expected: paired scores, of the same patients "
                "by every model. Leave these patients out of all models."
            )
    names = list(scores.columns)
    aucs, _ = delong(labels, scores.to_numpy().T)
    auc = dict(zip(names, aucs, strict=True))
    rows = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            z, p = delong_test(labels, scores[a].to_numpy(), scores[b].to_numpy())
            rows.append((a, b, auc[a], auc[b], z, p))
    table = pd.DataFrame(rows, columns=["model_a", "model_b", "auc_a", "auc_b", "z", "p"])
    return table.assign(p_holm=holm(table.p.to_numpy()))


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return k / n and its Wilson interval (Wilson 1927); NaN for n = 0.

    >>> np.round(wilson(8, 10), 3).tolist()
    [0.8, 0.49, 0.943]
    """
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    low, high = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    return k / n, float(low), float(high)


def confusion(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, int]:
    """Return tp, fp, fn, tn; score >= threshold counts as positive.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> confusion([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], 0.5)
    {'tp': 1, 'fp': 1, 'fn': 1, 'tn': 1}
    """
    positive, scores = checked(labels, scores)
    called = scores >= threshold
    return {
        "tp": int((called & positive).sum()),
        "fp": int((called & ~positive).sum()),
        "fn": int((~called & positive).sum()),
        "tn": int((~called & ~positive).sum()),
    }
