"""Every measure of one model's scores, defined once, with its intervals (paper, Statistics).

A measure is a function of weights: its value is the function at weights of 1, its bootstrap the
same function at how often each patient was drawn (`resampling`). Of a threshold's counts these are
`AT_THRESHOLD`, of ranks `discrimination.auc`, of probabilities `calibration.measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from radiogenomics.statistics import calibration
from radiogenomics.statistics.discrimination import (
    auc,
    auc_interval,
    checked,
    delong,
    delong_interval,
    wilson,
)
from radiogenomics.statistics.resampling import SCHEMES, Drawn, percentile_interval, resampled

OF_PREVALENCE = ("accuracy", "ppv", "npv")  # measures that depend on prevalence, beside calibration
COLUMNS = ["threshold_rule", "metric", "value", "ci_low", "ci_high", "ci_method"]


class Counts(NamedTuple):
    """True and false positives, false and true negatives, (resample,)."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray


class Share(NamedTuple):
    """A proportion of counts; its interval is Wilson's.

    >>> share = Share(np.array([8]), np.array([10]))
    >>> low, high, method = share.interval(0.95)
    >>> share.value(), round(low, 3), round(high, 3), method
    (array([0.8]), 0.49, 0.943, 'wilson')
    """

    part: np.ndarray
    whole: np.ndarray

    def value(self) -> np.ndarray:
        """Return part / whole (resample,), NaN where whole is 0."""
        return calibration.divided(self.part, self.whole)

    def interval(self, confidence: float) -> tuple[float, float, str]:
        """Return low, high and the method, of one sample."""
        return *wilson(int(self.part[0]), int(self.whole[0]), confidence)[1:], "wilson"


class Ratio(NamedTuple):
    """A ratio of two proportions; its interval is by the log method (Simel 1991).

    >>> ratio = Ratio(Share(np.array([8]), np.array([10])), Share(np.array([2]), np.array([10])))
    >>> low, high, method = ratio.interval(0.95)
    >>> ratio.value(), round(low, 2), round(high, 2), method
    (array([4.]), 1.11, 14.35, 'wald')
    """

    above: Share
    below: Share

    def value(self) -> np.ndarray:
        """Return above / below (resample,): infinite where only below is 0, NaN where both are."""
        above, below = self.above.value(), self.below.value()
        infinite = (below == 0) & (above > 0)
        return np.where(infinite, np.inf, calibration.divided(above, below))

    def interval(self, confidence: float) -> tuple[float, float, str]:
        """Return low, high and the method, of one sample; NaN where a count of it is 0."""
        (a, m), (b, n) = self.above, self.below
        if a[0] == 0 or b[0] == 0:
            return float("nan"), float("nan"), "wald"
        reach = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(1 / a - 1 / m + 1 / b - 1 / n)
        low, high = (self.value() * np.exp(sign * reach) for sign in (-1, 1))
        return float(low[0]), float(high[0]), "wald"


AT_THRESHOLD: dict[str, Callable[[Counts], Share | Ratio]] = {
    "sensitivity": lambda c: Share(c.tp, c.tp + c.fn),
    "specificity": lambda c: Share(c.tn, c.tn + c.fp),
    "accuracy": lambda c: Share(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn),
    "ppv": lambda c: Share(c.tp, c.tp + c.fp),
    "npv": lambda c: Share(c.tn, c.tn + c.fn),
    "lr_plus": lambda c: Ratio(Share(c.tp, c.tp + c.fn), Share(c.fp, c.fp + c.tn)),
    "lr_minus": lambda c: Ratio(Share(c.fn, c.tp + c.fn), Share(c.tn, c.fp + c.tn)),
}
NAMES = ("auc", *AT_THRESHOLD, *calibration.METRICS)


def counts(
    positive: np.ndarray, scores: np.ndarray, threshold: float, weights: np.ndarray
) -> Counts:
    """Return the weighted counts at a threshold; score >= threshold counts as positive.

    >>> labels, scores = np.array([True, True, False]), np.array([0.9, 0.4, 0.4])
    >>> found = counts(labels, scores, 0.5, np.ones((1, 3)))
    >>> AT_THRESHOLD["sensitivity"](found).value(), AT_THRESHOLD["specificity"](found).value()
    (array([0.5]), array([1.]))
    """
    called = scores >= threshold
    parts = (called & positive, called & ~positive, ~called & positive, ~called & ~positive)
    return Counts(*(weights @ np.stack(parts, axis=1).astype(float)).T)


def metrics_table(
    labels: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float],
    confidence: float = 0.95, drawn: Drawn | None = None, bounded: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Return every metric of one model: threshold_rule, metric, value, ci_low, ci_high, ...

    One row per method of interval (`ci_method`), with n and events; bootstrap's where `drawn`
    (`resampling.draw`) is given, with the number of `resamples` and how patients were drawn
    (`resampling`). Scores outside [0, 1] are used for AUC only, and so are
    all scores of a model that has such scores elsewhere (not `bounded`).

    Raises:
        EvaluationError: labels or scores that `checked` refuses.

    >>> table = metrics_table([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], {"half": 0.5})
    >>> table.set_index("metric").value[["sensitivity", "specificity"]].tolist()
    [0.5, 0.5]
    """
    positive, scores = checked(labels, scores)
    bounded = bounded and scores.min() >= 0 and scores.max() <= 1
    table = _closed_form(positive, scores, thresholds, confidence, bounded)
    if drawn is not None:
        more = _bootstrap(positive, scores, thresholds, drawn, confidence, bounded)
        value = table.drop_duplicates(["threshold_rule", "metric"])
        more = more.merge(value[["threshold_rule", "metric", "value"]], how="left")
        undefined = more.value.isna() | (min(positive.sum(), (~positive).sum()) < 2)
        more.loc[undefined, ["ci_low", "ci_high"]] = np.nan
        brier = (table.ci_method == "none") & table.metric.str.startswith("brier")
        table = pd.concat([table[~brier], more], ignore_index=True)
    columns = [*COLUMNS, *table.columns.difference(COLUMNS)]
    return table[columns].assign(n=len(positive), events=int(positive.sum()))


def _closed_form(
    positive: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float], confidence: float,
    bounded: bool,
) -> pd.DataFrame:  # fmt: skip
    """Return the measures at weights of 1 with the intervals that a formula gives."""
    once = np.ones((1, len(positive)))
    rows = [("", "auc", *auc_interval(positive, scores, confidence))]
    area, variance = (float(part.squeeze()) for part in delong(positive, scores))
    for method, on_logit in (("delong", False), ("delong-logit", True)):  # as pROC's
        rows.append(("", "auc", *delong_interval(area, variance, confidence, on_logit), method))
    for rule, threshold in thresholds.items():
        counted = counts(positive, scores, threshold, once)
        for name, measure in AT_THRESHOLD.items():
            of_counts = measure(counted)
            rows.append((rule, name, of_counts.value()[0], *of_counts.interval(confidence)))
    if bounded:
        for row in calibration.calibration(positive, scores, confidence).itertuples(index=False):
            rows.append(("", *row, "wald" if np.isfinite(row.ci_low) else "none"))
    return pd.DataFrame(rows, columns=COLUMNS)


def _bootstrap(
    positive: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float], drawn: Drawn,
    confidence: float, bounded: bool,
) -> pd.DataFrame:  # fmt: skip
    """Return every measure's percentile interval.

    What the prevalence is part of is resampled over all patients: with it held still, intervals
    would be too narrow.
    """

    def at_thresholds(weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        counted = {rule: counts(positive, scores, t, weights) for rule, t in thresholds.items()}
        return {(rule, name): measure(of_rule).value() for rule, of_rule in counted.items()
                for name, measure in AT_THRESHOLD.items()}  # fmt: skip

    def ranked(weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        return {("", "auc"): auc(positive, scores, weights)}

    values = resampled(ranked, drawn.stratified)
    if thresholds:
        values |= resampled(at_thresholds, drawn.stratified)
        free = resampled(at_thresholds, drawn.free)
        values |= {key: free[key] for key in free if key[1] in OF_PREVALENCE}
    if bounded:
        measured = calibration.measuring(positive, scores)
        found = resampled(lambda weights: measured(weights.astype(float)), drawn.free)
        values |= {("", name): of_all for name, of_all in found.items()}
    table = pd.DataFrame(
        [(*key, *percentile_interval(part, confidence)) for key, part in values.items()],
        columns=["threshold_rule", "metric", "ci_low", "ci_high"],
    )
    over_all = table.metric.isin([*calibration.METRICS, *OF_PREVALENCE])
    scheme = np.where(over_all, SCHEMES["free"], SCHEMES["stratified"])
    return table.assign(ci_method="bootstrap", resamples=len(drawn.free), resampling=scheme)
