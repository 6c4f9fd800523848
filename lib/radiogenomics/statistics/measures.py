"""Every measure of one model's scores, with intervals (paper, Statistics; Table 2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from radiogenomics.statistics.calibration import METRICS as CALIBRATION
from radiogenomics.statistics.calibration import calibration
from radiogenomics.statistics.discrimination import auc_interval, checked, confusion, wilson
from radiogenomics.statistics.resampling import OF_PREVALENCE, SCHEMES, Drawn, intervals


def metrics_table(
    labels: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float],
    confidence: float = 0.95, drawn: Drawn | None = None, bounded: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Return every metric of one model: threshold_rule, metric, value, ci_low, ci_high, ...

    One row a method of interval (`ci_method`), with n and events; bootstrap's where `drawn`
    (`resampling.draw`) is given, with the number of `resamples` and how patients were drawn
    (`resampling`: within labels, or over all patients for what the prevalence is part of:
    accuracy, PPV, NPV, calibration). Likelihood ratios have the
    log method's interval (Simel 1991); one without false positives (or true negatives) is
    infinite, 0 / 0 is NaN. Scores outside [0, 1] are ranked only, and all of a model that has
    such scores elsewhere (not `bounded`).

    Raises:
        EvaluationError: labels or scores that `checked` refuses.
    """
    positive, scores = checked(labels, scores)
    auc, *plain = auc_interval(labels, scores, confidence)
    rows = [("", "auc", auc, *plain, "delong")]
    rows.append(("", "auc", *auc_interval(labels, scores, confidence, True), "delong-logit"))
    for rule, threshold in thresholds.items():
        rows += _at_threshold(confusion(labels, scores, threshold), rule, confidence)
    bounded = bounded and scores.min() >= 0 and scores.max() <= 1
    if bounded:
        for row in calibration(labels, scores, confidence).itertuples(index=False):
            rows.append(("", *row, "wald" if np.isfinite(row.ci_low) else "none"))
    names = ["threshold_rule", "metric", "value", "ci_low", "ci_high", "ci_method"]
    table = pd.DataFrame(rows, columns=names)
    if drawn is not None:
        found = intervals(positive, scores, thresholds, drawn, confidence, bounded)
        value = table.drop_duplicates(["threshold_rule", "metric"])
        value = value.set_index(["threshold_rule", "metric"]).value
        extra = [(*key, value[key], *ci, "bootstrap") for key, ci in found.items()]
        extra = pd.DataFrame(extra, columns=names).assign(resamples=len(drawn.free))
        free = extra.metric.isin([*CALIBRATION, *OF_PREVALENCE])
        extra["resampling"] = np.where(free, SCHEMES["free"], SCHEMES["stratified"])
        table = table[~((table.ci_method == "none") & table.metric.str.startswith("brier"))]
        extra.loc[extra.value.isna(), ["ci_low", "ci_high"]] = np.nan  # of what is not defined
        table = pd.concat([table, extra], ignore_index=True)
    return table.assign(n=len(positive), events=int(positive.sum()))


def _at_threshold(counts: dict[str, int], rule: str, confidence: float) -> list[tuple]:
    tp, fp, fn, tn = (counts[k] for k in ("tp", "fp", "fn", "tn"))
    shares = _shares(tp, fp, fn, tn)
    rows = [(rule, m, *wilson(k, n, confidence), "wilson") for m, (k, n) in shares.items()]
    rows.append((rule, "lr_plus", *_ratio(tp, tp + fn, fp, fp + tn, confidence), "wald"))
    rows.append((rule, "lr_minus", *_ratio(fn, tp + fn, tn, fp + tn, confidence), "wald"))
    return rows


def _shares(tp: int, fp: int, fn: int, tn: int) -> dict[str, tuple[int, int]]:
    """Return numerator and denominator of each proportion."""
    return {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "accuracy": (tp + tn, tp + fp + fn + tn),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }


def _ratio(a: int, m: int, b: int, n: int, confidence: float) -> tuple[float, float, float]:
    """Return (a / m) / (b / n) with the log method's interval; infinite where only b is 0."""
    if b == 0:
        return float("inf" if a else "nan"), float("nan"), float("nan")
    ratio = (a / m) / (b / n)
    if a == 0:
        return ratio, float("nan"), float("nan")
    se = np.sqrt(1 / a - 1 / m + 1 / b - 1 / n)
    z = stats.norm.ppf(0.5 + confidence / 2)
    return ratio, float(ratio * np.exp(-z * se)), float(ratio * np.exp(z * se))
