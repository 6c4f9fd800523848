"""Decision curves: the net benefit of acting on a score (Vickers & Elkin 2006)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from radiogenomics.statistics.discrimination import EvaluationError, checked, probabilities
from radiogenomics.statistics.resampling import Drawn, resampled, tails

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

    >>> curve = decision_curve([0, 0, 1, 1], {"CNN": [0.1, 0.6, 0.4, 0.9]}, thresholds=[0.25])
    >>> curve.set_index("model").net_benefit.round(4).to_dict()
    {'all': 0.3333, 'none': 0.0, 'CNN': 0.4167}
    """
    tables = []
    thresholds = np.sort(np.asarray(thresholds, float))
    if not ((thresholds >= 0) & (thresholds < 1)).all():
        raise EvaluationError(f"thresholds are {thresholds}. Expected: from 0 to below 1.")
    positive, _ = checked(labels, np.zeros(len(labels)))
    columns = {"all": np.full(len(positive), np.inf), "none": np.full(len(positive), -np.inf)}
    for name in scores:
        _, values = checked(labels, scores[name])
        columns[name] = probabilities(values, "decision curves")
    for name, values in columns.items():
        once = np.ones((1, len(positive)))
        benefit = net_benefit(positive, values, thresholds, once)[0]
        table = pd.DataFrame({"model": name, "threshold": thresholds, "net_benefit": benefit})
        table = table.assign(ci_low=np.nan, ci_high=np.nan, ci_method="none", resamples=0)
        if drawn is not None and name != "none":
            low, high = _benefit_interval(positive, values, thresholds, drawn, confidence)
            table = table.assign(ci_low=low, ci_high=high, ci_method="bootstrap")
            table = table.assign(resamples=len(drawn.free))
        tables.append(table.assign(n=len(positive), events=int(positive.sum())))
    return pd.concat(tables, ignore_index=True)


def net_benefit(
    positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the net benefit per patient (resample, threshold) of acting on a score >= threshold.

    Args:
        positive: bool (patient,).
        scores: (patient,).
        thresholds: probabilities from which one acts, 0 to below 1.
        weights: of the patients, (resample, patient); 1 for the sample itself.

    >>> net_benefit(np.array([True, False]), np.array([0.9, 0.6]), np.array([0.5]), np.ones((1, 2)))
    array([[0.]])
    """
    odds = thresholds / (1 - thresholds)
    called = scores[:, np.newaxis] >= thresholds
    gain = called * np.where(positive[:, np.newaxis], 1.0, -odds) / len(scores)
    return weights @ gain


def _benefit_interval(
    positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, drawn: Drawn,
    confidence: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the interval of the net benefit at each threshold, resampled over all patients.

    With the prevalence held still it would be too narrow by the prevalence's whole uncertainty.
    """

    def benefit(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"": net_benefit(positive, scores, thresholds, weights.astype(float))}

    low, high = np.percentile(resampled(benefit, drawn.free)[""], tails(confidence), axis=0)
    return low, high


def best_ranges(curve: pd.DataFrame, low: float = 0, high: float = 1) -> pd.DataFrame:
    """Return which model has the highest net benefit where: model, from, to, thresholds.

    Args:
        curve: `decision_curve`'s.
        low: the declared range's lower end.
        high: its upper end.

    `all` and `none` win ties, then the model that comes first: a model is best only where it
    gives more than treating everybody, nobody, or an earlier model.

    >>> curve = decision_curve([0, 0, 1, 1], {"CNN": [0.1, 0.6, 0.4, 0.9]}, thresholds=[0.25, 0.5])
    >>> best_ranges(curve)[["model", "thresholds"]].values.tolist()
    [['CNN', 1], ['all', 1]]
    """
    rows = curve[curve.threshold.between(low, high)]
    names = sorted(rows.model.unique(), key=lambda m: m not in REFERENCES)
    wide = rows.pivot(index="threshold", columns="model", values="net_benefit")[names].round(12)
    best = wide.idxmax(axis=1)
    run = (best != best.shift()).cumsum().rename("run")
    parts = best.rename("model").reset_index().groupby(run.to_numpy())
    ranges = [(g.model.iloc[0], g.threshold.min(), g.threshold.max(), len(g)) for _, g in parts]
    return pd.DataFrame(ranges, columns=["model", "from", "to", "thresholds"])
