"""Decision curves: the net benefit of acting on a score (Vickers & Elkin 2006)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from radiogenomics.statistics.discrimination import EvaluationError, checked, probabilities
from radiogenomics.statistics.resampling import Drawn, benefit_interval

REFERENCES = ("all", "none")  # of the decision curve: no model may have these names

THRESHOLDS = np.arange(1, 100) / 100


def decision_curve(
    labels: np.ndarray, scores: pd.DataFrame | Mapping[str, np.ndarray],
    thresholds: np.ndarray = THRESHOLDS,
    confidence: float = 0.95, drawn: Drawn | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return net benefit (Vickers & Elkin 2006) of each model (column), of `all` and of `none`.

    net benefit = TP / n - FP / n × pt / (1 - pt), with score >= pt. Intervals by bootstrap over
    all patients where one is given (`drawn`); `none`, which is always 0, has none.

    Returns:
        model, threshold, net_benefit, ci_low, ci_high, ci_method, resamples, n, events.

    Raises:
        EvaluationError: bad labels or scores, thresholds outside [0, 1).
    """
    tables = []
    thresholds = np.sort(np.asarray(thresholds, float))
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise EvaluationError(f"thresholds are {thresholds}. Expected: from 0 to below 1.")
    positive, _ = checked(labels, np.zeros(len(labels)))
    odds = thresholds / (1 - thresholds)
    columns = {"all": np.full(len(positive), np.inf), "none": np.full(len(positive), -np.inf)}
    for name in scores:
        _, values = checked(labels, scores[name])
        columns[name] = probabilities(values, "decision curves")
    for name, values in columns.items():
        benefit = _net_benefit(positive, values, thresholds, odds)
        table = pd.DataFrame({"model": name, "threshold": thresholds, "net_benefit": benefit})
        table = table.assign(ci_low=np.nan, ci_high=np.nan, ci_method="none", resamples=0)
        if drawn is not None and name != "none":
            low, high = benefit_interval(positive, values, drawn.free, thresholds, confidence)
            table = table.assign(ci_low=low, ci_high=high, ci_method="bootstrap")
            table = table.assign(resamples=len(drawn.free))
        tables.append(table.assign(n=len(positive), events=int(positive.sum())))
    return pd.concat(tables, ignore_index=True)


def _net_benefit(
    positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, odds: np.ndarray
) -> np.ndarray:
    n = len(positive)
    tp, fp = (_at_or_above(scores[side], thresholds) for side in (positive, ~positive))
    return tp / n - fp / n * odds


def _at_or_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return how many scores are >= each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def best_ranges(curve: pd.DataFrame, low: float = 0, high: float = 1) -> pd.DataFrame:
    """Return which model has the highest net benefit where: model, from, to, thresholds.

    Args:
        curve: `decision_curve`'s.
        low: the declared range's lower end.
        high: its upper end.

    `all` and `none` win ties, then the model that stands first: a model is best only where it
    gives more than treating everybody, nobody, or an earlier model.
    """
    rows = curve[curve.threshold.between(low, high)]
    names = sorted(rows.model.unique(), key=lambda m: m not in REFERENCES)
    wide = rows.pivot(index="threshold", columns="model", values="net_benefit")[names].round(12)
    best = wide.idxmax(axis=1)
    run = (best != best.shift()).cumsum().rename("run")
    parts = best.rename("model").reset_index().groupby(run.to_numpy())
    found = [(g.model.iloc[0], g.threshold.min(), g.threshold.max(), len(g)) for _, g in parts]
    return pd.DataFrame(found, columns=["model", "from", "to", "thresholds"])
