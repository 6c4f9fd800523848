"""AUCs of several lesions a patient, whose scores are not independent (Obuchowski 1997)."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from radiogenomics.statistics.discrimination import checked


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
    parts = [_placements(row[ones], row[zeros]) for row in scores]
    aucs = np.array([above.mean() for above, _ in parts])
    many = code.max() + 1
    up, down = (
        np.array([
            np.bincount(code[side], part[i] - auc, minlength=many)
            for part, auc in zip(parts, aucs, strict=True)
        ])
        for i, side in enumerate((ones, zeros))
    )  # fmt: skip
    m, n = len(ones), len(zeros)
    patients = [len(np.unique(code[side])) for side in (ones, zeros)]
    if min(patients) < 2:
        return aucs, np.full((len(aucs),) * 2, np.nan)
    (of_ones, of_zeros), both = (k / (k - 1) for k in patients), many / (many - 1) * up @ down.T
    covariance = of_ones * up @ up.T / m**2 + of_zeros * down @ down.T / n**2
    return aucs, covariance + (both + both.T) / (m * n)


def _placements(ones: np.ndarray, zeros: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each positive the share of negatives below it, of each negative that above."""
    return _below(zeros, ones), 1 - _below(ones, zeros)


def _below(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    sides = (np.searchsorted(ordered, at, side) for side in ("left", "right"))
    return sum(sides) / (2 * len(values))


def clustered_interval(
    auc: float, variance: float, freedom: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an AUC's interval on the logit scale with Student's t; NaN without a variance.

    `freedom`: patients of the label that fewer have, less one.

    >>> np.round(clustered_interval(0.8, 0.0025, 29), 3).tolist()
    [0.679, 0.883]
    """
    if not (variance > 0 and freedom > 0):
        return float("nan"), float("nan")
    reach = stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(variance) / (auc * (1 - auc))
    low, high = expit(logit(auc) + np.array([-reach, reach]))
    return float(low), float(high)
