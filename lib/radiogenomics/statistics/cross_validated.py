"""Repeated cross-validation: the mean AUC within folds, its interval, differences of two models.

Estimand: the mean AUC of models that this procedure makes of n(1 - 1/K) patients, in patients of
the same kind. Scores of different folds are of different models and are never compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from radiogenomics.statistics.discrimination import checked, interval_of, pairs_won

FEWEST = 20  # patients of the rarer label from which an interval is given


class Estimate(NamedTuple):
    """A value with its interval (NaN where there is none) and the interval's name."""

    value: float
    ci_low: float
    ci_high: float
    ci_method: str


def placements(labels: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return each patient's placement value within its fold (n,): a share of pairs.

    Of a patient with label 1 it is the share of patients of the same fold with label 0 who score
    lower, of one with label 0 the share with label 1 who score higher; ties count a half.

    Args:
        labels: 0 or 1 (n,); every fold has both.
        scores: out-of-fold (n,).
        fold: (n,).

    Raises:
        EvaluationError: labels or scores that `checked` refuses, in any fold.

    >>> placements(np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.3, 0.5]), np.array([1, 1, 2, 2]))
    array([1., 1., 0., 0.])
    """
    placed = np.empty(len(labels))
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        positive, own = checked(np.asarray(labels)[rows], np.atleast_2d(np.asarray(scores)[rows]))
        won, lost = pairs_won(positive, own)
        placed[rows[positive]] = won[0] / (~positive).sum()
        placed[rows[~positive]] = lost[0] / positive.sum()
    return placed


def mean_auc(labels: np.ndarray, placed: np.ndarray, fold: np.ndarray) -> float:
    """Return the mean of the AUCs within folds, over repeats.

    Args:
        labels: 0 or 1 (n,).
        placed: `placements` of each repeat (repeat, n).
        fold: of each repeat (repeat, n).

    >>> labels, fold = np.array([1, 0, 1, 0]), np.array([[1, 1, 2, 2]])
    >>> mean_auc(labels, np.array([[1.0, 1.0, 0.0, 0.0]]), fold)
    0.5
    """
    positive = np.asarray(labels) == 1
    within = [
        own[positive & (number == numbers)].mean()
        for own, numbers in zip(placed, fold, strict=True)
        for number in np.unique(numbers)
    ]
    return float(np.mean(within))


def cross_validated_auc(
    labels: np.ndarray, scores: np.ndarray, fold: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Return the mean AUC within folds with its interval.

    DeLong's variance of the placement values, each averaged over the repeats, on the logit scale
    with Welch's degrees of freedom (LeDell, Petersen & van der Laan 2015 for one repeat). It holds
    the patients' variation and not that of the training patients drawn (docs/methods.md has its
    coverage). None under `FEWEST` patients of the rarer label.

    Args:
        labels: 0 or 1 (n,).
        scores: out-of-fold scores of each repeat (repeat, n).
        fold: of each repeat (repeat, n).
        confidence: level.

    Raises:
        EvaluationError: as `placements`.

    >>> labels = np.tile([0, 1], 20)
    >>> scores = np.arange(40.0)[None] + 3 * labels
    >>> found = cross_validated_auc(labels, scores, np.repeat([[1, 2]], 20, axis=1))
    >>> round(found.value, 3), found.ci_method
    (0.68, 'placements-logit-t')
    """
    placed = _placed(labels, scores, fold)
    value, (ones, zeros) = mean_auc(labels, placed, fold), _sides(labels, placed)
    if min(len(ones), len(zeros)) < FEWEST:
        return Estimate(value, np.nan, np.nan, "none")
    parts = [side.var(ddof=1) / len(side) for side in (ones, zeros)]
    found = interval_of(value, *parts, len(ones), len(zeros), confidence)
    return Estimate(*found[:3], found[3].replace("delong", "placements"))


def cross_validated_difference(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, fold: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Return the difference of two models' mean AUCs within the same folds, with its interval.

    DeLong's variance of the differences of placement values, each averaged over the repeats; t
    with Welch's degrees of freedom. No p: folds share training patients.

    Args:
        labels: 0 or 1 (n,).
        a: out-of-fold scores of one model (repeat, n).
        b: of the other, of the same folds.
        fold: (repeat, n).
        confidence: level.

    >>> labels, fold = np.tile([0, 1], 20), np.repeat([[1, 2]], 20, axis=1)
    >>> scores = np.arange(40.0)[None]
    >>> cross_validated_difference(labels, scores, scores, fold).value
    0.0
    """
    gaps = _placed(labels, a, fold) - _placed(labels, b, fold)
    value, (ones, zeros) = mean_auc(labels, gaps, fold), _sides(labels, gaps)
    parts = np.array([side.var(ddof=1) / len(side) for side in (ones, zeros)])
    if min(len(ones), len(zeros)) < FEWEST or not parts.sum() > 0:
        return Estimate(value, np.nan, np.nan, "none")
    freedom = parts.sum() ** 2 / (parts**2 / (len(ones) - 1, len(zeros) - 1)).sum()
    reach = stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(parts.sum())
    return Estimate(value, float(value - reach), float(value + reach), "placements-t")


def _placed(labels: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> np.ndarray:
    return np.array([placements(labels, *one) for one in zip(scores, fold, strict=True)])


def _sides(labels: np.ndarray, placed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of patients with label 1 and with label 0, averaged over the repeats."""
    averaged, positive = placed.mean(axis=0), np.asarray(labels) == 1
    return averaged[positive], averaged[~positive]
