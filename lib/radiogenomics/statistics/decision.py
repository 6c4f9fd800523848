"""Decision curves: the net benefit of acting on a score (Vickers & Elkin 2006)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from radiogenomics.statistics.discrimination import EvaluationError, checked, probabilities
from radiogenomics.statistics.resampling import Drawn, resampled, tails

REFERENCES = ("all", "none")  # of the decision curve: no model may have these names

THRESHOLDS = np.arange(1, 100) / 100
ROUNDING = 1e-12  # of a net benefit: where all are called it is treating all's, but for this


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
    return weights @ _gain(positive, scores, thresholds)


def _benefit_interval(
    positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, drawn: Drawn,
    confidence: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the interval of the net benefit at each threshold, resampled over all patients.

    With the prevalence held still it would be too narrow by the prevalence's whole uncertainty.
    """

    low, high = np.percentile(
        _resampled_benefit(positive, scores, thresholds, drawn), tails(confidence), axis=0
    )
    return low, high


def _resampled_benefit(
    positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, drawn: Drawn
) -> np.ndarray:
    """Return the net benefit (resample, threshold) of drawn patients, counted by kind.

    Patients of one label whose scores reach the same thresholds are of one kind.
    """
    reached = np.searchsorted(thresholds, scores, side="right")
    kind = np.where(positive, reached, reached + len(thresholds) + 1)
    order = np.argsort(kind)
    first = np.flatnonzero(np.diff(kind[order], prepend=-1))
    one = order[first]
    gain = _gain(positive[one], scores[one], thresholds) * (len(one) / len(scores))

    def benefit(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"": np.add.reduceat(weights[:, order], first, axis=1, dtype=np.int64) @ gain}

    return resampled(benefit, drawn.free)[""]


def clear_thresholds(
    labels: np.ndarray, scores: np.ndarray, against: Mapping[str, np.ndarray],
    thresholds: np.ndarray, drawn: Drawn, confidence: float = 0.95,
) -> np.ndarray:  # fmt: skip
    """Return the thresholds at which one model is of more benefit than all else, beyond chance.

    Its differences to treating all, to none and to each other model must all have a lower limit
    above 0 in one simultaneous band over all thresholds: the bootstrap's quantile of the largest
    standardised difference. Looking at many thresholds then costs nothing.

    Args:
        labels: 0 or 1 (patient,).
        scores: of the model that was chosen beforehand, probabilities (patient,).
        against: other models' probabilities.
        thresholds: of the declared range.
        drawn: patients of the bootstrap.
        confidence: of the band.

    Raises:
        EvaluationError: bad labels or scores.

    >>> from radiogenomics.statistics.resampling import draw
    >>> labels = np.repeat([0, 1], 50)
    >>> drawn = draw(labels == 1, 200, seed=1)
    >>> clear_thresholds(labels, 0.1 + 0.8 * labels, {}, np.array([0.2, 0.5]), drawn)
    array([0.2, 0.5])
    """
    positive, every = checked(labels, np.stack([scores, *against.values()]))
    own, *models = probabilities(every, "decision curves")
    others = [*(np.full(len(positive), end) for end in (np.inf, -np.inf)), *models]

    def gaps(benefit: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        mine = benefit(own)
        return np.hstack([mine - benefit(other) for other in others])

    once = np.ones((1, len(positive)))
    found = gaps(lambda model: net_benefit(positive, model, thresholds, once))[0]
    values = gaps(lambda model: _resampled_benefit(positive, model, thresholds, drawn))
    spread = values.std(axis=0)
    varies = spread > ROUNDING
    largest = (np.abs(values - found) / np.where(varies, spread, np.inf)).max(axis=1)
    low = found - np.quantile(largest, confidence) * spread
    clear = (low > 0) & varies
    return thresholds[clear.reshape(len(others), -1).all(axis=0)]


def _gain(positive: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return what each patient adds to the net benefit (patient, threshold)."""
    odds = thresholds / (1 - thresholds)
    called = scores[:, np.newaxis] >= thresholds
    return called * np.where(positive[:, np.newaxis], 1.0, -odds) / len(scores)


def runs(chosen: np.ndarray, thresholds: np.ndarray) -> list[tuple[float, float, int]]:
    """Return (from, to, number) of the unbroken runs of chosen thresholds.

    >>> runs(np.array([0.1, 0.2, 0.4]), np.array([0.1, 0.2, 0.3, 0.4]))
    [(0.1, 0.2, 2), (0.4, 0.4, 1)]
    """
    taken = np.isin(thresholds, chosen)
    run = np.cumsum(np.diff(taken.astype(int), prepend=0) == 1)
    parts = [thresholds[taken & (run == number)] for number in range(1, run.max(initial=0) + 1)]
    return [(float(part[0]), float(part[-1]), len(part)) for part in parts]
