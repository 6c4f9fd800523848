"""Bootstrap of every measure (Efron), by how often each patient was drawn.

Ranks and shares are resampled within each label (stratified). Calibration and net benefit depend
on how many events there are, which a stratified drawing would hold still; they are resampled over
all patients (`SCHEMES` names both).
Counts are (resample, patient): one drawing serves every model, so that models stay paired.
Labels are bool, (patient,); scores float, (patient,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

BLOCK = 2_000_000  # counts worked on at once: bounds the memory
CLIP = 1e-12  # scores nearer to 0 or 1 are taken as this where a logit is needed
LARGE = 4000  # patients from which one Newton step from the whole sample's estimate is enough
FEWER = 500  # resamples of a sample larger than that
POINTS = 1000  # of a large sample's curves behind such a band, at least
HUGE = 1e300  # stands for infinity between percentiles
SCHEMES = {"stratified": "within labels", "free": "over all patients"}
OF_PREVALENCE = ("accuracy", "ppv", "npv")  # measures that it is part of, beside calibration
UNDEFINED = 0.05  # share of resamples without a value above which there is no interval
Values = dict[tuple[str, str], np.ndarray]
Step = Callable[[np.ndarray, np.ndarray], np.ndarray]  # estimates, weights: the next change


class Drawn(NamedTuple):
    """How often each patient was drawn, (resample, patient)."""

    stratified: np.ndarray
    free: np.ndarray


def draw(positive: np.ndarray, resamples: int, seed: int) -> Drawn:
    """Draw patients with replacement: within each label, and over all patients."""
    rng = np.random.default_rng(seed)
    sides = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    everybody = [np.arange(len(positive))]
    return Drawn(*(_counts(len(positive), groups, resamples, rng) for groups in (sides, everybody)))


def _counts(
    patients: int, groups: list[np.ndarray], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    counts = np.zeros((resamples, patients), np.uint8)
    for group in groups:
        for rows in _blocks(resamples, len(group)):
            k = rows.stop - rows.start
            drawn = rng.integers(0, len(group), (k, len(group)))
            drawn += len(group) * np.arange(k)[:, np.newaxis]
            many = np.bincount(drawn.ravel(), minlength=k * len(group))
            counts[rows, group] = many.reshape(k, len(group))
    return counts


def _blocks(resamples: int, patients: int) -> Iterator[slice]:
    size = max(1, BLOCK // patients)
    for start in range(0, resamples, size):
        yield slice(start, min(start + size, resamples))


def _weights(counts: np.ndarray) -> Iterator[np.ndarray]:
    for rows in _blocks(*counts.shape):
        yield counts[rows].astype(float)


def tails(confidence: float) -> list[float]:
    """Return the percentiles that bound a central interval."""
    return [50 * (1 - confidence), 50 * (1 + confidence)]


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of (resample,); NaN where over 5% have no value.

    Infinite values (a likelihood ratio without false positives) count as larger than all others.
    """
    known = values[~np.isnan(values)]
    if len(known) < (1 - UNDEFINED) * len(values):
        return float("nan"), float("nan")
    largest = known.max(initial=-np.inf, where=np.isfinite(known))
    edges = np.percentile(np.minimum(known, HUGE), tails(confidence))
    low, high = np.where(edges > largest, np.inf, edges)
    return float(low), float(high)


def intervals(
    positive: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float], drawn: Drawn,
    confidence: float, bounded: bool = True,
) -> dict[tuple[str, str], tuple[float, float]]:  # fmt: skip
    """Return the percentile interval of every measure by (threshold rule, metric).

    Measures that the prevalence is part of are resampled over all patients: with it held still,
    their intervals would be too narrow. Calibration only where scores are probabilities
    (`bounded`).
    """
    counts = drawn.stratified
    ranked = [auc(positive, scores, counts[rows]) for rows in _blocks(*counts.shape)]
    values = {("", "auc"): np.concatenate(ranked)}
    if thresholds:
        values |= _joined([_called(positive, scores, thresholds, w) for w in _weights(counts)])
        free = _joined([_called(positive, scores, thresholds, w) for w in _weights(drawn.free)])
        values |= {key: value for key, value in free.items() if key[1] in OF_PREVALENCE}
    if bounded:
        values |= _joined([_calibration(positive, scores, w) for w in _weights(drawn.free)])
    return {key: percentile_interval(value, confidence) for key, value in values.items()}


def _joined(blocks: list[Values]) -> Values:
    return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


def _called(
    positive: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float], weights: np.ndarray
) -> Values:
    values: Values = {}
    for rule, threshold in thresholds.items():
        called = scores >= threshold
        parts = (called & positive, called & ~positive, ~called & positive, ~called & ~positive)
        counts = (weights @ np.stack(parts, axis=1).astype(float)).T
        values |= {(rule, m): v for m, v in _at_threshold(*counts).items()}
    return values


def _at_threshold(
    tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray
) -> dict[str, np.ndarray]:
    sensitivity, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": _share(tp + tn, tp + fp + fn + tn),
        "ppv": _share(tp, tp + fp),
        "npv": _share(tn, tn + fn),
        "lr_plus": _ratio(sensitivity, 1 - specificity),
        "lr_minus": _ratio(1 - sensitivity, specificity),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, infinite where only whole is 0, NaN where both are."""
    return np.where((whole == 0) & (part > 0), np.inf, _share(part, whole))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def auc(positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the AUC (resample,) of counted patients: pairs in the right order, ties a half."""
    ones, zeros = _ascending(positive, scores), _ascending(~positive, scores)
    left, right = (np.searchsorted(scores[zeros], scores[ones], s) for s in ("left", "right"))
    lower = _running(counts[:, zeros])
    beaten = lower[:, left] if (left == right).all() else (lower[:, left] + lower[:, right]) / 2
    times = counts[:, ones].astype(float)
    return np.einsum("ij,ij->i", times, beaten) / (times.sum(axis=1) * lower[:, -1])


def _ascending(side: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the patients of one side from the lowest score up."""
    patients = np.flatnonzero(side)
    return patients[np.argsort(scores[patients])]


def _running(counts: np.ndarray) -> np.ndarray:
    """Return (resample, patient + 1): how many stand before each patient, and in all."""
    sums = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return sums


def _calibration(positive: np.ndarray, p: np.ndarray, weights: np.ndarray) -> Values:
    n, events = weights.sum(axis=1), weights @ positive.astype(float)
    brier = weights @ (p - positive) ** 2 / n
    x = logit(np.clip(p, CLIP, 1 - CLIP))
    intercept, slope = _logistic(positive, x, weights)
    values = {
        "brier": brier,
        "brier_scaled": 1 - _share(brier, events / n * (1 - events / n)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "calibration_in_the_large": _in_the_large(positive, x, weights),
        "o_over_e": _share(events, weights @ p),
    }
    return {("", metric): value for metric, value in values.items()}


def _in_the_large(positive: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the intercept (resample,) of a logistic model with offset x."""

    def step(found: np.ndarray, weights: np.ndarray) -> np.ndarray:
        p = expit(x + found[0][:, np.newaxis])
        one = np.ones((len(x), 1))
        return (_sums(weights, positive - p, one) / _sums(weights, p * (1 - p), one)).T

    return _newton(step, np.zeros((1, 1)), weights, _rarer(positive))[0]


def _logistic(positive: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return intercept and slope (2, resample) on x, NaN where there is no maximum."""
    if np.ptp(x) == 0:
        return np.full((2, len(weights)), np.nan)
    powers = np.stack([np.ones(len(x)), x, x**2], axis=1)

    def step(found: np.ndarray, weights: np.ndarray) -> np.ndarray:
        p = expit(found[0][:, np.newaxis] + found[1][:, np.newaxis] * x)
        a, b, c = _sums(weights, p * (1 - p), powers).T
        g, h = _sums(weights, positive - p, powers[:, :2]).T
        return np.stack([c * g - b * h, a * h - b * g]) / (a * c - b**2)

    return _newton(step, np.zeros((2, 1)), weights, _rarer(positive))


def _sums(weights: np.ndarray, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return weighted sums (resample, column) of values (resample or 1, patient) × columns."""
    return weights @ (values.T * columns) if len(values) == 1 else (weights * values) @ columns


def _rarer(positive: np.ndarray) -> int:
    return int(min(positive.sum(), (~positive).sum()))


def _newton(step: Step, start: np.ndarray, weights: np.ndarray, rarer: int) -> np.ndarray:
    """Return the estimates (parameter, resample), by Newton's method from the whole sample's.

    Where many patients have the rarer label one step is taken: what is left is of the order of
    1 / their number.
    """
    patients = weights.shape[1]
    with np.errstate(all="ignore"):
        whole = _settled(step, start, np.ones((1, patients)))
        if rarer > LARGE // 2:
            return whole + step(whole, weights)
        return _settled(step, np.repeat(whole, len(weights), axis=1), weights)


def _settled(step: Step, found: np.ndarray, weights: np.ndarray) -> np.ndarray:
    for _ in range(30):
        change = step(found, weights)
        found = found + np.clip(change, -5, 5)
        if np.nanmax(np.abs(change), initial=0) < 1e-7:
            break
    return np.where(np.abs(change) < 1e-5, found, np.nan)


def tpr_band(
    positive: np.ndarray, scores: np.ndarray, counts: np.ndarray, fpr: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pointwise interval of the true positive rate at each false positive rate."""
    cuts = np.unique(-scores)
    if len(cuts) > LARGE:
        cuts = np.append(cuts[: -1 : len(cuts) // POINTS], cuts[-1])
    sides = [_ascending(side, -scores) for side in (~positive, positive)]
    ends = [np.searchsorted(-scores[side], cuts, side="right") for side in sides]
    tpr = []
    for rows in _blocks(*counts.shape):
        rates = []
        for side, end in zip(sides, ends, strict=True):
            rates.append(_running(counts[rows][:, side])[:, np.append(0, end)] / len(side))
        tpr += [np.interp(fpr, x, y) for x, y in zip(*rates, strict=True)]
    low, high = np.percentile(tpr, tails(confidence), axis=0)
    return low, high


def benefit_interval(
    positive: np.ndarray, scores: np.ndarray, counts: np.ndarray, thresholds: np.ndarray,
    confidence: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the interval of the net benefit at each threshold (threshold,).

    Counts are those over all patients: with the prevalence held still, the interval would be
    too narrow by the whole uncertainty of the prevalence.
    """
    odds = thresholds / (1 - thresholds)
    called = scores[:, np.newaxis] >= thresholds
    gain = called * np.where(positive[:, np.newaxis], 1.0, -odds) / len(scores)
    benefit = np.concatenate([weights @ gain for weights in _weights(counts)])
    low, high = np.percentile(benefit, tails(confidence), axis=0)
    return low, high
