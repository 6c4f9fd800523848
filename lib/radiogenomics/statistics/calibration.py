"""Calibration: do predicted probabilities come true? (Van Calster et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import expit, logit

from radiogenomics.statistics.discrimination import EvaluationError, checked, probabilities, wilson
from radiogenomics.statistics.saturation import unsaturated

CLIP = 1e-12  # scores nearer to 0 or 1, but not at them, are taken as this before a logit
LARGE = 4000  # patients from which one Newton step from the whole sample's estimate is enough
METRICS = (
    "calibration_slope", "calibration_intercept", "calibration_in_the_large", "o_over_e", "brier",
    "brier_scaled",
)  # fmt: skip
KNOTS = {3: (0.1, 0.5, 0.9), 5: (0.05, 0.275, 0.5, 0.725, 0.95)}  # Harrell 2015, quantiles
MANY_EVENTS = 100  # of the rarer label, from which the smooth curve has five knots
STEPS = 100  # of Newton's method at most
REACH = np.geomspace(5, 1, 30)  # of the steps from the whole sample; shorter ones end a to and fro
SETTLED = 1e-14  # Newton's decrement, squared, below which a step is the last
ROUNDING = 1e-9  # of a deviance
SEPARATED = 1e-6  # deviance below which the labels are separated
Step = Callable[[np.ndarray, np.ndarray], np.ndarray]  # estimates, weights: the next change


class Logistic(NamedTuple):
    """A logistic model's coefficients, their covariance and its deviance; NaN if not settled."""

    coefficients: np.ndarray
    covariance: np.ndarray
    deviance: float


def logistic(labels: np.ndarray, design: np.ndarray) -> Logistic:
    """Fit an unpenalised logistic model to labels (patient,) on a design (patient, column).

    By Newton's method; a step that does not lower the deviance is halved. Where the labels are
    separated, wholly or in a group, the deviance goes to its limit and coefficients grow.

    >>> fit = logistic(np.array([0, 1, 0, 1]), np.column_stack([np.ones(4), [0.0, 1, 2, 3]]))
    >>> fit.coefficients.round(3), round(fit.deviance, 3)
    (array([-1.362,  0.908]), 4.695)
    """
    sign = np.where(labels, -1.0, 1.0)

    def deviance(coefficients: np.ndarray) -> float:
        return float(2 * np.logaddexp(0, sign * (design @ coefficients)).sum())

    beta = np.zeros(design.shape[1])
    lowest = deviance(beta)
    for _ in range(STEPS):
        p = expit(design @ beta)
        information = design.T @ (design * (p * (1 - p))[:, np.newaxis])
        gradient = design.T @ (labels - p)
        step = np.linalg.lstsq(information, gradient)[0]
        while (now := deviance(beta + step)) > lowest + ROUNDING:
            step = step / 2
        beta, lowest = beta + step, now
        if gradient @ step < SETTLED:
            return Logistic(beta, np.linalg.pinv(information), lowest)
    return Logistic(beta * np.nan, information * np.nan, float("nan"))


def divided(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where whole is 0.

    >>> divided(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def measures(positive: np.ndarray, p: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the calibration of probabilities, each measure (resample,); `METRICS` in order.

    Slope and intercept are of one logistic model on the score's logit (`unsaturated`),
    calibration-in-the-large that of a model with slope 1 (Van Calster 2019). Slope and intercept
    are NaN where the scores separate the labels or are constant (no maximum exists), and where a
    label has one patient.

    Args:
        positive: bool (patient,).
        p: probabilities (patient,).
        weights: of the patients, (resample, patient); 1 for the sample itself.

    >>> found = measures(np.array([True, False]), np.array([0.9, 0.1]), np.ones((1, 2)))
    >>> found["brier"].round(3), found["o_over_e"].round(3)
    (array([0.01]), array([1.]))
    """
    return measuring(positive, p)(weights)


def measuring(positive: np.ndarray, p: np.ndarray) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return `measures` as a function of weights; the whole sample, its start, is fitted once.

    >>> measuring(np.array([True, False]), np.array([0.9, 0.1]))(np.ones((1, 2)))["brier"].round(3)
    array([0.01])
    """
    x, squares = _logit(p), (p - positive) ** 2
    line, shift = intercept_and_slope(positive, x), in_the_large(positive, x)

    def weighted(weights: np.ndarray) -> dict[str, np.ndarray]:
        n, events, expected = weights.sum(axis=1), weights @ positive.astype(float), weights @ p
        brier = weights @ squares / n
        intercept, slope = line(weights)
        return {
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "calibration_in_the_large": shift(weights),
            "o_over_e": divided(events, np.where(expected < CLIP, 0, expected)),
            "brier": brier,
            "brier_scaled": 1 - divided(brier, events / n * (1 - events / n)),
        }

    return weighted


def calibration(labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> pd.DataFrame:
    """Return `measures` of the sample with their intervals: metric, value, ci_low, ci_high.

    Wald intervals of slope and intercepts; O/E's on the log scale (Debray 2017); Brier scores have
    none.

    Raises:
        EvaluationError: labels or scores that `checked` refuses, scores outside [0, 1].

    >>> calibration([0, 1, 0, 1], [0.2, 0.6, 0.7, 0.9]).round(2).value.tolist()
    [1.43, -0.83, -0.55, 0.83, 0.18, 0.3]
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    values = measures(positive, p, np.ones((1, len(p))))
    table = pd.DataFrame({"metric": METRICS, "value": [values[name][0] for name in METRICS]})
    z = stats.norm.ppf(0.5 + confidence / 2)
    spread = z * _standard_errors(positive, p, values["calibration_in_the_large"][0])
    low, high = (table.value + sign * spread for sign in (-1, 1))
    ratio = values["o_over_e"][0]
    reach = np.exp(z * np.sqrt((1 - positive.mean()) / positive.sum()))
    is_ratio = table.metric == "o_over_e"
    return table.assign(ci_low=low.mask(is_ratio, ratio / reach),
                        ci_high=high.mask(is_ratio, ratio * reach))  # fmt: skip


def _standard_errors(positive: np.ndarray, p: np.ndarray, large: float) -> np.ndarray:
    """Return the standard errors of slope, intercept and calibration-in-the-large, then NaN."""
    x = _logit(p)
    fit = logistic(positive, np.column_stack([np.ones(len(x)), x]))
    intercept, slope = np.sqrt(np.diag(fit.covariance))
    shifted = expit(x + large)
    return np.array([slope, intercept, 1 / np.sqrt((shifted * (1 - shifted)).sum()), *[np.nan] * 3])


def _logit(p: np.ndarray) -> np.ndarray:
    return logit(np.clip(unsaturated(p), CLIP, 1 - CLIP))


def _has_maximum(positive: np.ndarray, x: np.ndarray) -> bool:
    """Return whether a logistic model on one predictor has a maximum.

    It has none exactly if the labels' ranges of x do not overlap, or only touch (Albert & Anderson
    1984).
    """
    ones, zeros = x[positive], x[~positive]
    return bool(zeros.max() > ones.min() and ones.max() > zeros.min())


def intercept_and_slope(positive: np.ndarray, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return, of weights, intercept and slope (2, resample) on x; NaN where there is no maximum.

    >>> labels, x = np.array([False, True, False, True]), np.array([0.0, 1, 2, 3])
    >>> intercept_and_slope(labels, x)(np.ones((1, 4))).round(3).ravel()
    array([-1.362,  0.908])
    """
    if _rarer(positive) < 2 or not _has_maximum(positive, x):
        return lambda weights: np.full((2, len(weights)), np.nan)
    middle, width = x.mean(), x.std()
    z = (x - middle) / width  # of nearly equal scores x has a huge slope, z has not
    powers = np.stack([np.ones(len(z)), z, z**2], axis=1)

    def step(coefficients: np.ndarray, weights: np.ndarray) -> np.ndarray:
        fitted = expit(coefficients[0][:, np.newaxis] + coefficients[1][:, np.newaxis] * z)
        a, b, c = _sums(weights, fitted * (1 - fitted), powers).T
        g, h = _sums(weights, positive - fitted, powers[:, :2]).T
        return np.stack([c * g - b * h, a * h - b * g]) / (a * c - b**2)

    start = logistic(positive, powers[:, :2]).coefficients

    def line(weights: np.ndarray) -> np.ndarray:
        intercept, slope = _newton(step, start, weights, _rarer(positive))
        return np.stack([intercept - slope * middle / width, slope / width])

    return line


def in_the_large(positive: np.ndarray, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return, of weights, the intercept (resample,) of a logistic model with offset x (patient,).

    >>> in_the_large(np.array([False, True, True]), np.zeros(3))(np.ones((1, 3))).round(4)
    array([0.6931])
    """
    far = [-x.max() - 50, -x.min() + 50]
    start = optimize.brentq(lambda a: expit(x + a).sum() - positive.sum(), *far)

    def step(coefficients: np.ndarray, weights: np.ndarray) -> np.ndarray:
        fitted, each = expit(x + coefficients[0][:, np.newaxis]), np.ones((len(x), 1))
        score, information = positive - fitted, fitted * (1 - fitted)
        return (_sums(weights, score, each) / _sums(weights, information, each)).T

    return lambda weights: _newton(step, np.array([start]), weights, _rarer(positive))[0]


def _sums(weights: np.ndarray, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return weighted sums (resample, column) of values (resample or 1, patient) × columns."""
    return weights @ (values.T * columns) if len(values) == 1 else (weights * values) @ columns


def _rarer(positive: np.ndarray) -> int:
    return int(min(positive.sum(), (~positive).sum()))


def _newton(step: Step, start: np.ndarray, weights: np.ndarray, rarer: int) -> np.ndarray:
    """Return the estimates (parameter, resample), by Newton's method from the whole sample's.

    The whole sample keeps its estimate. Where many patients have the rarer label one step is
    taken: what is left is of the order of 1 / their number.
    """
    whole = start[:, np.newaxis]
    if (weights == 1).all():
        return np.repeat(whole, len(weights), axis=1)
    with np.errstate(all="ignore"):
        if rarer > LARGE // 2:
            return whole + step(whole, weights)
        return _settled(step, np.repeat(whole, len(weights), axis=1), weights)


def _settled(step: Step, coefficients: np.ndarray, weights: np.ndarray) -> np.ndarray:
    for reach in REACH:
        change = step(coefficients, weights)
        coefficients = coefficients + np.clip(change, -reach, reach)
        if not (np.abs(change) > 1e-7).any():
            break
    return np.where(np.abs(change) < 1e-5, coefficients, np.nan)


def grouped_curve(
    labels: np.ndarray, scores: np.ndarray, groups: int | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Return predicted and observed share by quantile groups, with Wilson intervals, n, events.

    Without `groups` there are 2 to 8, of about 16 patients at least.
    Equal scores stay together (groups are right-closed between quantiles), so few distinct
    scores make fewer groups.

    Raises:
        EvaluationError: labels or scores that `checked` refuses, scores outside [0, 1].

    >>> curve = grouped_curve([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], groups=2)
    >>> curve[["predicted", "observed"]].round(2).values.tolist()
    [[0.15, 0.0], [0.8, 1.0]]
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

    >>> labels = np.array([0, 1, 0, 1, 0, 1] * 5)
    >>> scores = np.tile([0.2, 0.3, 0.4, 0.5, 0.6, 0.8], 5)
    >>> smooth_curve(labels, scores).iloc[[0, -1]].round(2).values.tolist()
    [[0.2, 0.3, 0.07, 0.7], [0.8, 0.85, 0.36, 0.98]]
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    p = unsaturated(p)
    x = _logit(p)
    rarer = min(positive.sum(), (~positive).sum())
    knots = np.quantile(x, KNOTS[5 if rarer >= MANY_EVENTS else 3])
    names = ["predicted", "observed", "ci_low", "ci_high"]
    if len(np.unique(knots)) < len(knots):
        return pd.DataFrame(columns=names, dtype=float)
    at = np.linspace(p.min(), p.max(), 101)
    fit = logistic(positive, _spline(x, knots))
    if not fit.deviance > SEPARATED:
        return pd.DataFrame(columns=names, dtype=float)
    drawn = _spline(_logit(at), knots)
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

    >>> np.round(recalibration([0, 1, 0, 1], [0.2, 0.6, 0.7, 0.9]), 2).tolist()
    [-0.83, 1.43]
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "recalibration")
    coefficients = intercept_and_slope(positive, _logit(p))(np.ones((1, len(p))))
    intercept, slope = coefficients[:, 0].tolist()
    if not np.isfinite(slope):
        raise EvaluationError("the training scores are constant or separate the labels.")
    if slope <= 0:
        raise EvaluationError(
            f"the training scores do not rise with the label (slope {slope:.2f}): recalibration "
            "would reverse their ranking."
        )
    return intercept, slope


def recalibrated(scores: np.ndarray, intercept: float, slope: float) -> np.ndarray:
    """Return the scores after logistic recalibration.

    >>> recalibrated(np.array([0.2, 0.8]), intercept=0.0, slope=0.5).round(3)
    array([0.333, 0.667])
    """
    return expit(intercept + slope * _logit(scores))
