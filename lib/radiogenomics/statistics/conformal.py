"""Which labels a new score goes with, and whether a new patient is like the earlier ones.

Conformal prediction: ranks among earlier values, right where the new one is exchangeable with them
(Vovk, Gammerman & Shafer 2005; by label: Vovk 2013, Mach Learn 92:349).
"""

from __future__ import annotations

import numpy as np
from sklearn.covariance import LedoitWolf

GRID = np.linspace(0, 1, 101)  # of the quantiles that stand for a sample


def quantiles(values: np.ndarray) -> list[float]:
    """Return 101 quantiles of values, the 0th the smallest and the 100th the largest.

    >>> quantiles(np.array([1, 3]))[50]
    2.0
    """
    return np.quantile(np.asarray(values, float), GRID).tolist()


def share_below(grid: list[float], value: float) -> float:
    """Return the share of the values behind `quantiles` that lie below a value.

    >>> share_below(quantiles(np.arange(101.0)), 25.5)
    0.25
    """
    return max(int(np.searchsorted(grid, value, side="left")) - 1, 0) / 100


def label_p_values(by_label: dict[int, list[float]], sizes: dict[int, int], score: float) -> dict:
    """Return the conformal p value of each label, 0 and 1, for a new score.

    Of label 1: how many earlier patients with label 1 score no higher; of label 0: how many score
    no lower. Rounded up to the quantiles' steps, so that p is never too small.

    Args:
        by_label: `quantiles` of the earlier scores of each label.
        sizes: how many they are.
        score: the new patient's.

    >>> grid = quantiles(np.linspace(0.5, 1, 101))
    >>> p = label_p_values({0: quantiles(np.linspace(0, 0.5, 101)), 1: grid}, {0: 101, 1: 101}, 0.9)
    >>> round(p[1], 2), round(p[0], 2)
    (0.8, 0.01)
    """
    steps = {
        1: int(np.searchsorted(by_label[1], score, side="right")),
        0: len(GRID) - int(np.searchsorted(by_label[0], score, side="left")),
    }
    return {y: (1 + _at_most(steps[y], sizes[y])) / (sizes[y] + 1) for y in (0, 1)}


def _at_most(steps: int, n: int) -> int:
    """Return how many of n values at most lie on the side of so many of their 101 quantiles."""
    return n if steps > 100 else -(-(n - 1) * steps // 100)


def prediction_set(p_values: dict[int, float], error: float) -> list[int]:
    """Return the labels that cannot be ruled out at this error rate of each label.

    >>> prediction_set({0: 0.02, 1: 0.6}, 0.1)
    [1]
    """
    return [label for label, p in p_values.items() if p > error]


class Likeness:
    """How far a point lies from earlier ones: Mahalanobis distance, covariance by Ledoit & Wolf.

    Attributes:
        mean, scale: of each value of the earlier ones, (value,).
        axes: principal axes (component, value) of the scaled values; None: the values themselves.
        centre, precision: of the components, (component,) and (component, component).
    """

    def __init__(self, values: np.ndarray, components: int = 0) -> None:
        """Fit it to values (patient, value); with `components`, to so many principal ones."""
        self.mean, spread = values.mean(axis=0), values.std(axis=0)
        self.scale = np.where(spread > 0, spread, 1.0)
        self.axes = None
        scaled = (values - self.mean) / self.scale
        if components:
            self.axes = np.linalg.svd(scaled, full_matrices=False)[2][:components]
            scaled = scaled @ self.axes.T
        fitted = LedoitWolf().fit(scaled)
        self.centre, self.precision = fitted.location_, fitted.precision_

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the distance of each point (patient, value)."""
        return mahalanobis(vars(self), values)


def mahalanobis(fitted: dict, values: np.ndarray) -> np.ndarray:
    """Return distances (patient,) of points (patient, value) by what `Likeness` fitted.

    >>> fitted = {"mean": [1.0], "scale": [2.0], "axes": None, "centre": [0], "precision": [[1]]}
    >>> mahalanobis(fitted, np.array([[5.0]]))
    array([2.])
    """
    scaled = (values - np.asarray(fitted["mean"])) / np.asarray(fitted["scale"])
    if fitted["axes"] is not None:
        scaled = scaled @ np.asarray(fitted["axes"]).T
    away = scaled - np.asarray(fitted["centre"])
    return np.sqrt(np.einsum("ij,jk,ik->i", away, np.asarray(fitted["precision"]), away))


def out_of_fold_distances(values: np.ndarray, fold: np.ndarray, components: int = 0) -> np.ndarray:
    """Return each patient's distance from those of the other folds, (patient,).

    >>> values = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> out_of_fold_distances(values, np.array([1, 1, 2, 2]))
    array([1., 1., 1., 1.])
    """
    away = np.empty(len(values))
    for number in np.unique(fold):
        held = fold == number
        away[held] = Likeness(values[~held], components).distances(values[held])
    return away


def conformal_limit(values: np.ndarray, alarms: float) -> float:
    """Return what a new value exceeds with at most this probability; infinite for too few values.

    >>> conformal_limit(np.arange(1.0, 100.0), 0.05)
    95.0
    """
    rank = int(np.ceil((len(values) + 1) * (1 - alarms)))
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else float("inf")
