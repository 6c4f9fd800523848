"""Calibration: do predicted probabilities come true? (Van Calster et al. 2019)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import expit, logit

from radiogenomics.statistics.discrimination import EvaluationError, checked, probabilities, wilson
from radiogenomics.statistics.resampling import CLIP

METRICS = (
    "calibration_slope", "calibration_intercept", "calibration_in_the_large", "o_over_e", "brier",
    "brier_scaled",
)  # fmt: skip
KNOTS = {3: (0.1, 0.5, 0.9), 5: (0.05, 0.275, 0.5, 0.725, 0.95)}  # Harrell 2015, quantiles
MANY_EVENTS = 100  # of the rarer label, from which the smooth curve has five knots
STEPS = 100  # of Newton's method at most
SETTLED = 1e-14  # Newton's decrement, squared, below which a step is the last
ROUNDING = 1e-9  # of a deviance
SEPARATED = 1e-6  # deviance below which the labels are separated


class Logistic(NamedTuple):
    """A logistic model's coefficients, their covariance and its deviance; NaN if not settled."""

    coefficients: np.ndarray
    covariance: np.ndarray
    deviance: float


def logistic(labels: np.ndarray, design: np.ndarray) -> Logistic:
    """Fit an unpenalised logistic model to labels (patient,) on a design (patient, column).

    By Newton's method; a step that does not lower the deviance is halved. Where the labels are
    separated, wholly or in a group, the deviance goes to its limit and coefficients grow.
    """
    sign = np.where(labels, -1.0, 1.0)

    def deviance(coefficients: np.ndarray) -> float:
        return float(2 * np.logaddexp(0, sign * (design @ coefficients)).sum())

    found = np.zeros(design.shape[1])
    lowest = deviance(found)
    for _ in range(STEPS):
        p = expit(design @ found)
        information = design.T @ (design * (p * (1 - p))[:, np.newaxis])
        gradient = design.T @ (labels - p)
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        while (now := deviance(found + step)) > lowest + ROUNDING:
            step = step / 2
        found, lowest = found + step, now
        if gradient @ step < SETTLED:
            return Logistic(found, np.linalg.pinv(information), lowest)
    return Logistic(found * np.nan, information * np.nan, float("nan"))


def calibration(labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> pd.DataFrame:
    """Return slope, intercept, calibration-in-the-large, O/E and Brier scores: metric, value, ci.

    Slope and intercept are of one logistic model on the score's logit (scores nearer to 0 or 1
    than `CLIP` taken as that), calibration-in-the-large that of a model with slope 1 (Van Calster
    2019), with Wald intervals; O/E's is on the log scale (Debray 2017). Slope and intercept are
    NaN where the scores separate the labels or are constant: no maximum exists. All three are
    where a score of 0 or 1 contradicts its label: its logit is infinite.

    Raises:
        EvaluationError: labels or scores that `checked` refuses, scores outside [0, 1].
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    x = logit(np.clip(p, CLIP, 1 - CLIP))
    z = stats.norm.ppf(0.5 + confidence / 2)
    intercept, slope = _logistic(positive, x)
    brier = float(np.mean((p - positive) ** 2))
    large = _in_the_large(positive, x)
    if ((p == 0) & positive | (p == 1) & ~positive).any():
        intercept = slope = large = (np.nan, np.nan)
    rows = [
        _wald(slope, z),
        _wald(intercept, z),
        _wald(large, z),
        _observed_over_expected(positive, p, z),
        (brier, np.nan, np.nan),
        (1 - brier / (positive.mean() * (1 - positive.mean())), np.nan, np.nan),
    ]
    table = pd.DataFrame(rows, columns=["value", "ci_low", "ci_high"])
    return table.assign(metric=METRICS)[["metric", *table.columns]]


def _wald(estimate: tuple[float, float], z: float) -> tuple[float, float, float]:
    value, se = estimate
    return value, value - z * se, value + z * se


def _observed_over_expected(
    positive: np.ndarray, p: np.ndarray, z: float
) -> tuple[float, float, float]:
    if p.sum() < CLIP:
        return float("nan"), float("nan"), float("nan")
    ratio = positive.sum() / p.sum()
    spread = np.exp(z * np.sqrt((1 - positive.mean()) / positive.sum()))
    return float(ratio), float(ratio / spread), float(ratio * spread)


def _in_the_large(positive: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Return (estimate, standard error) of the intercept of a logistic model with offset x."""
    far = [-x.max() - 50, -x.min() + 50]
    found = float(optimize.brentq(lambda a: expit(x + a).sum() - positive.sum(), *far, xtol=1e-13))
    p = expit(x + found)
    return found, float(1 / np.sqrt((p * (1 - p)).sum()))


def _logistic(positive: np.ndarray, x: np.ndarray) -> list[tuple[float, float]]:
    """Return (coefficient, standard error) of intercept and slope, NaN where no maximum exists.

    With one predictor there is none exactly if the labels' ranges of x do not overlap, or only
    touch (Albert & Anderson 1984).
    """
    nothing = [(float("nan"), float("nan"))] * 2
    ones, zeros = x[positive], x[~positive]
    if zeros.max() <= ones.min() or ones.max() <= zeros.min():
        return nothing
    fit = logistic(positive, np.column_stack([np.ones(len(x)), x]))
    errors = np.sqrt(np.diag(fit.covariance))
    return [(float(c), float(s)) for c, s in zip(fit.coefficients, errors, strict=True)]


def grouped_curve(
    labels: np.ndarray, scores: np.ndarray, groups: int | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Return predicted and observed share by quantile groups, with Wilson intervals, n, events.

    Without `groups` there are 2 to 8, of about 16 patients at least.
    Equal scores stay together (groups are right-closed between quantiles), so few distinct
    scores make fewer groups.

    Raises:
        EvaluationError: labels or scores that `checked` refuses, scores outside [0, 1].
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    groups = groups or int(np.clip(len(p) // 16, 2, 8))
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)))
    group = np.searchsorted(edges[1:-1], p, side="left")
    rows = []
    for part in (group == g for g in np.unique(group)):
        n = int(part.sum())
        events = int(positive[part].sum())
        rows.append((float(p[part].mean()), *wilson(events, n, confidence), n, events))
    names = ["predicted", "observed", "ci_low", "ci_high", "n", "events"]
    return pd.DataFrame(rows, columns=names)


def smooth_curve(labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> pd.DataFrame:
    """Return the smooth calibration curve and its pointwise band: predicted, observed, ci.

    A logistic model on a restricted cubic spline of the score's logit (Harrell 2015; three
    knots, five from 100 events of the rarer label), drawn between the lowest and the highest
    score. Empty where the scores separate the labels or have too few values.

    Raises:
        EvaluationError: labels or scores that `checked` refuses, scores outside [0, 1].
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    x = logit(np.clip(p, CLIP, 1 - CLIP))
    rarer = min(positive.sum(), (~positive).sum())
    knots = np.quantile(x, KNOTS[5 if rarer >= MANY_EVENTS else 3])
    names = ["predicted", "observed", "ci_low", "ci_high"]
    if len(np.unique(knots)) < len(knots):
        return pd.DataFrame(columns=names, dtype=float)
    at = np.linspace(p.min(), p.max(), 101)
    fit = logistic(positive, _spline(x, knots))
    if not fit.deviance > SEPARATED:
        return pd.DataFrame(columns=names, dtype=float)
    drawn = _spline(logit(np.clip(at, CLIP, 1 - CLIP)), knots)
    middle = drawn @ fit.coefficients
    spread = np.sqrt(np.einsum("ij,jk,ik->i", drawn, fit.covariance, drawn))
    spread = spread * stats.norm.ppf(0.5 + confidence / 2)
    curve = [at, *(expit(line) for line in (middle, middle - spread, middle + spread))]
    return pd.DataFrame(dict(zip(names, curve, strict=True)))


def _spline(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return intercept, x and the restricted cubic terms (patient, len(knots))."""
    cubes = np.maximum(x[:, np.newaxis] - knots, 0) ** 3
    last, before = knots[-1], knots[-2]
    share = (last - knots[:-2]) / (last - before)
    terms = cubes[:, :-2] - cubes[:, [-2]] * share + cubes[:, [-1]] * (share - 1)
    return np.column_stack([np.ones(len(x)), x, terms / (last - knots[0]) ** 2])


def recalibration(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return intercept and slope of the logistic recalibration (Cox 1958), from training scores.

    Raises:
        EvaluationError: no such model exists (scores constant, or separating the labels), or its
            slope is not positive: it would turn the ranking round.
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "recalibration")
    (intercept, _), (slope, _) = _logistic(positive, logit(np.clip(p, CLIP, 1 - CLIP)))
    if not np.isfinite(slope):
        raise EvaluationError("the training scores are constant or separate the labels.")
    if slope <= 0:
        raise EvaluationError(
            f"the training scores do not rise with the label (slope {slope:.2f}): recalibration "
            "would turn them round."
        )
    return intercept, slope


def recalibrated(scores: np.ndarray, intercept: float, slope: float) -> np.ndarray:
    """Return the scores after logistic recalibration."""
    return expit(intercept + slope * logit(np.clip(scores, CLIP, 1 - CLIP)))
