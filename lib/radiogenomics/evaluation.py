"""Performance of scores (paper, Statistics): pure functions of labels and scores.

Labels are 0 or 1, (patient,); scores rise with the probability of 1, (patient,).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import optimize, stats
from scipy.special import expit, logit

THRESHOLDS = np.arange(1, 100) / 100
DRAWS = 4_000_000  # patients drawn at once by a bootstrap: bounds its memory
CLIP = 1e-12  # scores nearer to 0 or 1 are taken as this where a logit is needed
Counts = int | np.ndarray


class EvaluationError(ValueError):
    """Labels or scores that cannot be evaluated."""


def checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (n,) as bool and scores (..., n) as float.

    Raises:
        EvaluationError: other labels than 0 and 1, one label only, missing scores, no numbers.
    """
    labels = np.asarray(labels)
    try:
        scores = np.asarray(scores, dtype=float)
    except (TypeError, ValueError) as fault:
        raise EvaluationError(f"scores are not numbers: {fault}.") from None
    found = sorted(set(labels.tolist()), key=str)
    if not set(found) <= {0, 1}:
        raise EvaluationError(f"labels are {found[:5]}. Expected: 0 and 1.")
    if len(found) < 2:
        raise EvaluationError(f"all {len(labels)} labels are {found}. Expected: both 0 and 1.")
    if scores.shape[-1] != len(labels):
        raise EvaluationError(f"{scores.shape[-1]} scores for {len(labels)} labels.")
    if not np.isfinite(scores).all():
        raise EvaluationError(f"{(~np.isfinite(scores)).sum()} scores are not finite numbers.")
    return labels.astype(bool), scores


def probabilities(scores: np.ndarray, what: str) -> np.ndarray:
    """Return the scores if they are probabilities.

    Raises:
        EvaluationError: a score outside [0, 1]; `what` says what cannot be computed then.
    """
    if scores.min() < 0 or scores.max() > 1:
        raise EvaluationError(
            f"scores run from {scores.min():g} to {scores.max():g}. Expected: probabilities, 0 to "
            f"1, for {what}. Such scores can only be ranked (AUC)."
        )
    return scores


def delong(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCs (model,) and their covariance (model, model) of paired scores (model, n).

    DeLong, DeLong & Clarke-Pearson 1988 by the mid-ranks of Sun & Xu 2014, n log n. With one
    patient of a label that label's part of the variance cannot be estimated and is NaN.
    """
    positive, scores = checked(labels, np.atleast_2d(scores))
    won, lost = _pairs(positive, scores)
    m, n = won.shape[1], lost.shape[1]
    covariance = _covariance(won / n) / m + _covariance(lost / m) / n
    return won.sum(axis=1) / (m * n), covariance


def _pairs(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs each positive (model, m) and each negative (model, n) has in right order.

    Ties count a half, so the counts are exact and equal rankings differ by exactly 0.
    """
    sides = [(row[positive], row[~positive]) for row in scores]
    won = [_below(np.sort(negatives), positives) for positives, negatives in sides]
    lost = [len(p) - _below(np.sort(p), n) for p, n in sides]
    return np.array(won), np.array(lost)


def _below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many of `ordered` lie below each value, ties a half."""
    return sum(np.searchsorted(ordered, values, side) for side in ("left", "right")) / 2


def _covariance(values: np.ndarray) -> np.ndarray:
    if values.shape[1] < 2:
        return np.full((len(values), len(values)), np.nan)
    return np.atleast_2d(np.cov(values))


def auc_interval(
    labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95, on_logit: bool = False
) -> tuple[float, float, float]:
    """Return AUC and its DeLong interval, plain (cut at 0 and 1) or on the logit scale.

    An AUC without variance (perfect separation, constant scores) has itself as its interval.
    """
    aucs, covariance = delong(labels, scores)
    auc, se = float(aucs[0]), float(np.sqrt(covariance[0, 0]))
    z = stats.norm.ppf(0.5 + confidence / 2)
    if se == 0:
        return auc, auc, auc
    if on_logit and 0 < auc < 1:
        low, high = expit(logit(auc) + np.array([-z, z]) * se / (auc * (1 - auc)))
        return auc, float(low), float(high)
    low, high = np.clip([auc - z * se, auc + z * se], 0, 1)
    return auc, float(low), float(high)


def delong_test(labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return z and two-sided p of the difference of two paired AUCs.

    Equal AUCs have z = 0, p = 1; a difference without variance has z = ±inf, p = 0; one that
    cannot be tested, with one patient of a label, has NaN.
    """
    positive, scores = checked(labels, np.stack([a, b]))
    won, lost = (pairs[0] - pairs[1] for pairs in _pairs(positive, scores))
    m, n = len(won), len(lost)
    if won.sum() == 0:
        return 0.0, 1.0
    if min(m, n) < 2:
        return float("nan"), float("nan")
    gap = won.sum() / (m * n)
    se = np.sqrt(np.var(won / n, ddof=1) / m + np.var(lost / m, ddof=1) / n)
    constant = np.ptp(won) == np.ptp(lost) == 0
    z = np.sign(gap) * np.inf if constant else gap / se
    return float(z), float(2 * stats.norm.sf(abs(z)))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values adjusted by Holm's step-down method (Holm 1979); NaN stays and counts not."""
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]
    steps = np.maximum.accumulate(p[order] * (len(order) - np.arange(len(order))))
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def delong_table(labels: np.ndarray, scores: pd.DataFrame) -> pd.DataFrame:
    """Compare every pair of models (columns) on the same patients (rows)."""
    names = list(scores.columns)
    aucs, _ = delong(labels, scores.to_numpy().T)
    auc = dict(zip(names, aucs, strict=True))
    rows = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            z, p = delong_test(labels, scores[a].to_numpy(), scores[b].to_numpy())
            rows.append((a, b, auc[a], auc[b], z, p))
    table = pd.DataFrame(rows, columns=["model_a", "model_b", "auc_a", "auc_b", "z", "p"])
    return table.assign(p_holm=holm(table.p.to_numpy()))


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return k / n and its Wilson interval (Wilson 1927); NaN for n = 0."""
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    low, high = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    return k / n, float(low), float(high)


def confusion(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, int]:
    """Return tp, fp, fn, tn; score >= threshold counts as positive."""
    positive, scores = checked(labels, scores)
    called = scores >= threshold
    return {
        "tp": int((called & positive).sum()),
        "fp": int((called & ~positive).sum()),
        "fn": int((~called & positive).sum()),
        "tn": int((~called & ~positive).sum()),
    }


def youden_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the observed score with the largest sensitivity + specificity - 1.

    Of several the lowest, which has the highest sensitivity.
    """
    points = roc_points(labels, scores)
    index = points.tpr - points.fpr
    best = points[np.isclose(index, index.max(), atol=1e-12) & np.isfinite(points.threshold)]
    return float(best.threshold.min())


def roc_points(labels: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Return the ROC curve: fpr, tpr, threshold, from (0, 0) to (1, 1)."""
    positive, scores = checked(labels, scores)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    tp, fp = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    return pd.DataFrame(
        {
            "fpr": np.append(0, fp / fp[-1]),
            "tpr": np.append(0, tp / tp[-1]),
            "threshold": np.append(np.inf, scores[order][last]),
        }
    )


def roc_band(
    labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95, resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Return `roc_points` with tpr_low, tpr_high: the pointwise band of a stratified bootstrap.

    The band is made at 101 values of fpr and interpolated to the curve's.
    """
    positive, scores = checked(labels, scores)
    grid = np.linspace(0, 1, 101)
    rows = (row for block in _resamples(positive, resamples, seed) for row in block)
    curves = (roc_points(positive[row], scores[row]) for row in rows)
    tpr = [np.interp(grid, c.fpr.to_numpy(), c.tpr.to_numpy()) for c in curves]
    low, high = np.percentile(tpr, _tails(confidence), axis=0)
    points = roc_points(labels, scores)
    edges = {"tpr_low": low, "tpr_high": high}
    return points.assign(**{name: np.interp(points.fpr, grid, e) for name, e in edges.items()})


def _resamples(positive: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Give patient numbers (resample, patient), positives first, drawn within each label."""
    rng = np.random.default_rng(seed)
    sides = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    block = max(1, DRAWS // len(positive))
    for start in range(0, resamples, block):
        n = min(block, resamples - start)
        yield np.concatenate([rng.choice(side, (n, len(side))) for side in sides], axis=1)


def _tails(confidence: float) -> list[float]:
    """Return the percentiles that bound a central interval."""
    return [50 * (1 - confidence), 50 * (1 + confidence)]


def bootstrap(
    labels: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float], confidence: float,
    resamples: int, seed: int,
) -> dict[tuple[str, str], tuple[float, float]]:  # fmt: skip
    """Return percentile intervals of a stratified bootstrap (Efron) by (rule, metric).

    A resample in which a predictive value is 0 / 0 is left out of that value's interval.
    """
    positive, scores = checked(labels, scores)
    blocks = [
        _drawn(scores[rows], int(positive.sum()), thresholds)
        for rows in _resamples(positive, resamples, seed)
    ]
    return {
        key: _percentiles(np.concatenate([block[key] for block in blocks]), confidence)
        for key in blocks[0]
    }


def _percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, _tails(confidence))
    return float(low), float(high)


def _drawn(
    scores: np.ndarray, m: int, thresholds: Mapping[str, float]
) -> dict[tuple[str, str], np.ndarray]:
    """Return the metrics (resample,) of drawn scores (resample, patient), m positives first."""
    n = scores.shape[1] - m
    ranks = stats.rankdata(scores, axis=1)[:, :m]
    values = {("", "auc"): (ranks.sum(axis=1) - m * (m + 1) / 2) / (m * n)}
    if scores.min() >= 0 and scores.max() <= 1:
        brier = np.mean((scores - (np.arange(m + n) < m)) ** 2, axis=1)
        values["", "brier"] = brier
        values["", "brier_scaled"] = 1 - brier / (m * n / (m + n) ** 2)
    for rule, threshold in thresholds.items():
        called = scores >= threshold
        tp, fp = called[:, :m].sum(axis=1), called[:, m:].sum(axis=1)
        shares = _shares(tp, fp, m - tp, n - fp)
        values |= {(rule, metric): _share(*pair) for metric, pair in shares.items()}
    return values


def _share(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return k / n, NaN for 0 / 0."""
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    return np.divide(k, n, out=np.full(k.shape, np.nan), where=n > 0)


def calibration(labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> pd.DataFrame:
    """Return slope, intercept, calibration-in-the-large, O/E and Brier scores: metric, value, ci.

    Slope and intercept are of one logistic model on the score's logit (scores nearer to 0 or 1
    than `CLIP` taken as that), calibration-in-the-large that of a model with slope 1 (Van Calster
    2019), with Wald intervals; O/E's is on the log scale (Debray 2017). Slope and intercept are
    NaN where the scores separate the labels or are constant: no maximum exists.
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    x = logit(np.clip(p, CLIP, 1 - CLIP))
    z = stats.norm.ppf(0.5 + confidence / 2)
    intercept, slope = _logistic(positive, x)
    brier = float(np.mean((p - positive) ** 2))
    rows = [
        ("calibration_slope", *_wald(slope, z)),
        ("calibration_intercept", *_wald(intercept, z)),
        ("calibration_in_the_large", *_wald(_in_the_large(positive, x), z)),
        ("o_over_e", *_observed_over_expected(positive, p, z)),
        ("brier", brier, np.nan, np.nan),
        ("brier_scaled", 1 - brier / (positive.mean() * (1 - positive.mean())), np.nan, np.nan),
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "ci_low", "ci_high"])


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = np.column_stack([np.ones(len(x)), x])
        model = sm.GLM(positive.astype(float), design, family=sm.families.Binomial())
        fit = model.fit(tol=1e-12, maxiter=100)
    pairs = zip(fit.params, fit.bse, strict=True)
    return [(float(c), float(s)) for c, s in pairs] if fit.converged else nothing


def calibration_curve(
    labels: np.ndarray, scores: np.ndarray, groups: int | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Return predicted and observed share by quantile groups, with Wilson intervals.

    Without `groups` there are 2 to 8, of about 16 patients at least.
    Equal scores stay together (groups are right-closed between quantiles), so few distinct
    scores make fewer groups.
    """
    positive, scores = checked(labels, scores)
    p = probabilities(scores, "calibration")
    groups = groups or int(np.clip(len(p) // 16, 2, 8))
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)))
    group = np.searchsorted(edges[1:-1], p, side="left")
    rows = []
    for part in (group == g for g in np.unique(group)):
        n = int(part.sum())
        observed, low, high = wilson(int(positive[part].sum()), n, confidence)
        rows.append((float(p[part].mean()), observed, low, high, n))
    return pd.DataFrame(rows, columns=["predicted", "observed", "ci_low", "ci_high", "n"])


def decision_curve(
    labels: np.ndarray, scores: pd.DataFrame | Mapping[str, np.ndarray],
    thresholds: np.ndarray = THRESHOLDS,
    confidence: float = 0.95, resamples: int = 0, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Return net benefit (Vickers & Elkin 2006) of each model (column), of `all` and of `none`.

    net benefit = TP / n - FP / n × pt / (1 - pt), with score >= pt. Intervals by stratified
    bootstrap where `resamples` is not 0 (that of `all` and `none`, which cannot vary, is NaN).

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
        low = high = np.full(len(thresholds), np.nan)
        if resamples and name not in ("all", "none"):
            rows = _resamples(positive, resamples, seed)
            low, high = _benefit_interval(positive, values, rows, thresholds, odds, confidence)
        tables.append(table.assign(ci_low=low, ci_high=high))
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


def _benefit_interval(
    positive: np.ndarray, scores: np.ndarray, blocks: Iterator[np.ndarray], thresholds: np.ndarray,
    odds: np.ndarray, confidence: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    m = int(positive.sum())
    bins = np.searchsorted(thresholds, scores, side="right")  # thresholds <= score
    benefit = []
    for row in (row for block in blocks for row in block):
        counts = [
            np.bincount(bins[part], minlength=len(thresholds) + 1) for part in (row[:m], row[m:])
        ]
        tp, fp = (c[::-1].cumsum()[::-1][1:] for c in counts)
        benefit.append(tp / len(scores) - fp / len(scores) * odds)
    low, high = np.percentile(benefit, _tails(confidence), axis=0)
    return low, high


def metrics_table(
    labels: np.ndarray, scores: np.ndarray, thresholds: Mapping[str, float],
    confidence: float = 0.95, resamples: int = 2000, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Return every metric of one model: threshold_rule, metric, value, ci_low, ci_high, ...

    One row a method of interval (`ci_method`), with n and events. Likelihood ratios have the
    log method's interval (Simel 1991), undefined ones are NaN. Scores outside [0, 1] are ranked
    only.
    """
    positive, scores = checked(labels, scores)
    auc, *plain = auc_interval(labels, scores, confidence)
    rows = [("", "auc", auc, *plain, "delong")]
    rows.append(("", "auc", *auc_interval(labels, scores, confidence, True), "delong-logit"))
    for rule, threshold in thresholds.items():
        rows += _at_threshold(confusion(labels, scores, threshold), rule, confidence)
    if scores.min() >= 0 and scores.max() <= 1:
        for row in calibration(labels, scores, confidence).itertuples(index=False):
            rows.append(("", *row, "wald" if np.isfinite(row.ci_low) else "none"))
    names = ["threshold_rule", "metric", "value", "ci_low", "ci_high", "ci_method"]
    table = pd.DataFrame(rows, columns=names)
    if resamples:
        drawn = bootstrap(labels, scores, thresholds, confidence, resamples, seed)
        value = table.drop_duplicates(["threshold_rule", "metric"])
        value = value.set_index(["threshold_rule", "metric"]).value
        extra = [(*key, value[key], *ci, "bootstrap") for key, ci in drawn.items()]
        table = table[~((table.ci_method == "none") & table.metric.str.startswith("brier"))]
        table = pd.concat([table, pd.DataFrame(extra, columns=names)], ignore_index=True)
    return table.assign(n=len(positive), events=int(positive.sum()))


def _at_threshold(counts: dict[str, int], rule: str, confidence: float) -> list[tuple]:
    tp, fp, fn, tn = (counts[k] for k in ("tp", "fp", "fn", "tn"))
    shares = _shares(tp, fp, fn, tn)
    rows = [(rule, m, *wilson(k, n, confidence), "wilson") for m, (k, n) in shares.items()]
    rows.append((rule, "lr_plus", *_ratio(tp, tp + fn, fp, fp + tn, confidence), "wald"))
    rows.append((rule, "lr_minus", *_ratio(fn, tp + fn, tn, fp + tn, confidence), "wald"))
    return rows


def _shares(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> dict[str, tuple[Counts, Counts]]:
    """Return numerator and denominator of each proportion, of counts or arrays of counts."""
    return {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "accuracy": (tp + tn, tp + fp + fn + tn),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }


def _ratio(a: int, m: int, b: int, n: int, confidence: float) -> tuple[float, float, float]:
    """Return (a / m) / (b / n) with the log method's interval."""
    if b == 0:
        return float("nan"), float("nan"), float("nan")
    ratio = (a / m) / (b / n)
    if a == 0:
        return ratio, float("nan"), float("nan")
    se = np.sqrt(1 / a - 1 / m + 1 / b - 1 / n)
    z = stats.norm.ppf(0.5 + confidence / 2)
    return ratio, float(ratio * np.exp(-z * se)), float(ratio * np.exp(z * se))
