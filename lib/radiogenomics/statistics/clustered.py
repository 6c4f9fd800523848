"""AUCs of several lesions a patient, whose scores are not independent (Obuchowski 1997)."""

from __future__ import annotations

import numpy as np
from scipy import stats

from radiogenomics.statistics.discrimination import checked, delong_interval, pairs_won


def clustered_delong(
    labels: np.ndarray, scores: np.ndarray, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCs (model,) and their covariance (model, model) of lesions within patients.

    Obuchowski, Biometrics 1997;53:567. With one lesion a patient it is DeLong's. With one patient
    of a label there is no variance (NaN).

    Args:
        labels: 0 or 1 (lesion,).
        scores: (model, lesion).
        clusters: whose patient each lesion is, (lesion,).

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> aucs, _ = clustered_delong([0, 1, 1, 0], np.array([[0.1, 0.8, 0.3, 0.4]]), list("aabb"))
    >>> aucs
    array([0.75])
    """
    positive, scores = checked(labels, scores)
    code = np.unique(clusters, return_inverse=True)[1]
    ones, zeros = np.flatnonzero(positive), np.flatnonzero(~positive)
    m, n, many = len(ones), len(zeros), code.max() + 1
    won, lost = pairs_won(positive, scores)
    aucs = won.sum(axis=1) / (m * n)
    up, down = (
        np.array([
            np.bincount(code[side], own - auc, minlength=many)
            for own, auc in zip(placed, aucs, strict=True)
        ])
        for placed, side in ((won / n, ones), (lost / m, zeros))
    )  # fmt: skip
    patients = [len(np.unique(code[side])) for side in (ones, zeros)]
    if min(patients) < 2:
        return aucs, np.full((len(aucs),) * 2, np.nan)
    (of_ones, of_zeros), both = (k / (k - 1) for k in patients), many / (many - 1) * up @ down.T
    covariance = of_ones * up @ up.T / m**2 + of_zeros * down @ down.T / n**2
    return aucs, covariance + (both + both.T) / (m * n)


def clustered_interval(
    auc: float, variance: float, freedom: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an AUC's interval on the logit scale with Student's t; NaN without a variance.

    `freedom`: patients of the label that fewer have, less one.

    >>> np.round(clustered_interval(0.8, 0.0025, 29), 3).tolist()
    [0.679, 0.883]
    """
    times = float(stats.t.ppf(0.5 + confidence / 2, freedom))
    return delong_interval(auc, variance, on_logit=True, times=times)[1:]
