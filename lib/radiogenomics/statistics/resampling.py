"""The bootstrap (Efron): how often each patient was drawn, and the intervals that follow.

A drawing is an array of counts, (resample, patient). One drawing serves every model, so that models
stay paired. Measures are functions of labels, scores and such weights (`measures`): their value is
the function at weights of 1, their bootstrap the same function at the counts.

Ranks and shares are resampled within each label (stratified). Calibration and net benefit depend on
how many events there are, which a stratified drawing would hold still; they are resampled over all
patients (`SCHEMES` names both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

BLOCK = 2_000_000  # counts worked on at once: bounds the memory
LARGE = 4000  # patients above which fewer resamples are drawn (`affordable`)
FEWER, FEWEST, COUNTS = 500, 200, 20_000_000  # of these samples, and counts of one drawing
HUGE = 1e300  # stands for infinity between percentiles
UNDEFINED = 0.05  # share of resamples without a value above which there is no interval
SCHEMES = {"stratified": "within labels", "free": "over all patients"}


class Drawn(NamedTuple):
    """How often each patient was drawn, (resample, patient)."""

    stratified: np.ndarray
    free: np.ndarray


def draw(positive: np.ndarray, resamples: int, seed: int) -> Drawn:
    """Draw patients with replacement: within each label, and over all patients.

    >>> draw(np.array([True, True, False]), 2, seed=0).stratified.sum(axis=1)
    array([3, 3], dtype=uint64)
    """
    rng = np.random.default_rng(seed)
    sides = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    everybody = [np.arange(len(positive))]
    return Drawn(*(_counts(len(positive), groups, resamples, rng) for groups in (sides, everybody)))


def affordable(wanted: int, patients: int) -> int:
    """Return how many resamples of so many patients are drawn.

    The interval of a large sample is narrow, so that its ends may be known less well: 500 above
    4,000 patients, and from 40,000 on as many as 20 million counts allow, at least 200.

    >>> [affordable(2000, patients) for patients in (4000, 4001, 50_000, 100_000, 10**6)]
    [2000, 500, 400, 200, 200]
    """
    if patients <= LARGE:
        return wanted
    return min(wanted, FEWER, max(FEWEST, COUNTS // patients))


def _counts(
    patients: int, groups: list[np.ndarray], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    counts = np.zeros((resamples, patients), np.uint8)
    for group in groups:
        for rows in blocks(resamples, len(group)):
            k = rows.stop - rows.start
            drawn = rng.integers(0, len(group), (k, len(group)))
            drawn += len(group) * np.arange(k)[:, np.newaxis]
            many = np.bincount(drawn.ravel(), minlength=k * len(group))
            counts[rows, group] = many.reshape(k, len(group))
    return counts


def blocks(resamples: int, patients: int) -> Iterator[slice]:
    """Yield the resamples that are computed at once, so that memory stays bounded.

    >>> list(blocks(5, patients=1_000_000))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, BLOCK // patients)
    for start in range(0, resamples, size):
        yield slice(start, min(start + size, resamples))


def resampled(measures: Callable[[np.ndarray], dict], counts: np.ndarray) -> dict:
    """Return measures (resample,) of drawn patients, block by block.

    Args:
        measures: a function of weights (resample, patient) that gives arrays (resample,) by name.
        counts: (resample, patient).

    >>> age = np.array([40, 50, 60])
    >>> resampled(lambda drawn: {"mean": drawn @ age / 3}, np.array([[1, 1, 1], [0, 0, 3]]))
    {'mean': array([50., 60.])}
    """
    parts = [measures(counts[rows]) for rows in blocks(*counts.shape)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tails(confidence: float) -> list[float]:
    """Return the percentiles that bound a central interval.

    >>> tails(0.5)
    [25.0, 75.0]
    """
    return [50 * (1 - confidence), 50 * (1 + confidence)]


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of (resample,); NaN where over 5% have no value.

    Infinite values (a likelihood ratio without false positives) count as larger than all others.

    >>> low, high = percentile_interval(np.arange(101.0), 0.9)
    >>> round(low, 6), round(high, 6)
    (5.0, 95.0)
    """
    defined = values[~np.isnan(values)]
    if len(defined) < (1 - UNDEFINED) * len(values):
        return float("nan"), float("nan")
    largest = defined.max(initial=-np.inf, where=np.isfinite(defined))
    edges = np.percentile(np.minimum(defined, HUGE), tails(confidence))
    low, high = np.where(edges > largest, np.inf, edges)
    return float(low), float(high)
