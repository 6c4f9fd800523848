"""The ROC curve: its points, its band, the thresholds chosen on it (paper, Statistics).

Labels are 0 or 1, (patient,); scores rise with the probability of 1, (patient,).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from radiogenomics.statistics.discrimination import ascending, checked, running
from radiogenomics.statistics.resampling import Drawn, blocks, tails

MANY = 4000  # distinct scores above which a band is made of fewer points
POINTS = 1000  # of them, at least


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the observed score with the largest sensitivity + specificity - 1 (Youden 1950).

    Of several the lowest, which has the highest sensitivity.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> youden_threshold([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9])
    0.7
    """
    points = roc_points(labels, scores)
    index = points.tpr - points.fpr
    highest = np.isclose(index, index.max(), rtol=0, atol=1e-12)
    best = points[highest & np.isfinite(points.threshold)]
    return float(best.threshold.min())


def sensitivity_threshold(labels: np.ndarray, scores: np.ndarray, sensitivity: float) -> float:
    """Return the highest observed score at which at least this share of the positives is found.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> sensitivity_threshold([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], sensitivity=1.0)
    0.4
    """
    points = roc_points(labels, scores)
    enough = points[(points.tpr >= sensitivity - 1e-12) & np.isfinite(points.threshold)]
    return float(enough.threshold.max())


def roc_points(labels: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Return the ROC curve: fpr, tpr, threshold, from (0, 0) to (1, 1).

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> roc_points([0, 1, 1], [0.4, 0.4, 0.9]).values.tolist()
    [[0.0, 0.0, inf], [0.0, 0.5, 0.9], [1.0, 1.0, 0.4]]
    """
    positive, scores = checked(labels, scores)
    fpr, tpr, threshold = roc_curve(positive, scores, drop_intermediate=False)
    return pd.DataFrame({"fpr": fpr, "tpr": tpr, "threshold": threshold})


def corners(points: pd.DataFrame) -> pd.DataFrame:
    """Return the ROC points at which the curve turns, and both ends: the curve stays the same.

    >>> points = roc_points([0, 1, 1, 1], [0.1, 0.5, 0.7, 0.9])
    >>> len(points), len(corners(points))
    (5, 3)
    """
    right, up = (np.diff(points[rate]) > 0 for rate in ("fpr", "tpr"))
    straight = (right[1:] == right[:-1]) & (up[1:] == up[:-1]) & (right[1:] != up[1:])
    return points[np.concatenate([[True], ~straight, [True]])]


def roc_band(
    labels: np.ndarray, scores: np.ndarray, drawn: Drawn, confidence: float = 0.95
) -> pd.DataFrame:
    """Return `roc_points` with tpr_low, tpr_high: the pointwise band of a stratified bootstrap.

    The band is made at 101 values of fpr and interpolated to the curve's; drawn is
    `resampling.draw`'s.

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> from radiogenomics.statistics.resampling import draw
    >>> labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    >>> roc_band(labels, scores, draw(labels == 1, 100, seed=0)).iloc[2].round(2).to_dict()
    {'fpr': 0.5, 'tpr': 0.5, 'threshold': 0.6, 'tpr_low': 0.0, 'tpr_high': 1.0}
    """
    positive, scores = checked(labels, scores)
    grid = np.linspace(0, 1, 101)
    points = roc_points(labels, scores)
    edges = _tpr_band(positive, scores, drawn.stratified, grid, confidence)
    low, high = (np.interp(points.fpr, grid, edge) for edge in edges)
    return points.assign(tpr_low=low, tpr_high=high)


def _tpr_band(
    positive: np.ndarray, scores: np.ndarray, counts: np.ndarray, fpr: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pointwise interval of the true positive rate at each false positive rate."""
    cuts = np.unique(-scores)
    if len(cuts) > MANY:
        cuts = np.append(cuts[: -1 : len(cuts) // POINTS], cuts[-1])
    sides = [ascending(side, -scores) for side in (~positive, positive)]
    ends = [np.searchsorted(-scores[side], cuts, side="right") for side in sides]
    tpr = []
    for rows in blocks(*counts.shape):
        rates = []
        for side, end in zip(sides, ends, strict=True):
            rates.append(running(counts[rows][:, side])[:, np.append(0, end)] / len(side))
        tpr += [np.interp(fpr, x, y) for x, y in zip(*rates, strict=True)]
    low, high = np.percentile(tpr, tails(confidence), axis=0)
    return low, high
