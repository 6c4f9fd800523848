"""Does a model read the label equally well in every group of patients? (TRIPOD+AI 23a)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from radiogenomics.statistics.calibration import CLIP, SEPARATED, calibration, logistic
from radiogenomics.statistics.discrimination import auc_interval, delong, holm
from radiogenomics.statistics.measures import AT_THRESHOLD, counts

CODED = ("hospital", "scanner", "kernel", "vendor", "lobe", "stage")  # numbers there are names
FEW = 10  # patients of the rarer label below which a group is flagged and takes part in no test
NOTHING_NEW = 1e-9  # share of a column's variance below which it adds nothing to others
LEVELS = 6  # more distinct numbers than this are grouped
AGES = ((0, 55, "under 55"), (55, 65, "55 to 64"), (65, 200, "65 and over"))
UNKNOWN = "not known"
COLUMNS = [
    "model", "variable", "group", "n", "events", "auc", "ci_low", "ci_high", "ci_method",
    "threshold", "sensitivity", "sensitivity_low", "sensitivity_high",
    "specificity", "specificity_low", "specificity_high",
    "o_over_e", "o_over_e_low", "o_over_e_high", "calibration_in_the_large",
    "calibration_in_the_large_low", "calibration_in_the_large_high", "calibration_ci_method",
    "flag", "p_heterogeneity", "p_interaction",
]  # fmt: skip


def groups(
    patients: pd.DataFrame, names: tuple[str, ...], halved_by: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the named columns as groups of patients (patient, variable); absent ones left out.

    Age in years in three bands; other numbers with over six values are halved at their median,
    but for codes (`CODED`); a variable with one group says nothing and is left out.

    Args:
        patients: with the columns.
        names: of the columns.
        halved_by: patients whose values and median decide that (training patients, where a
            model is fitted on the groups); all where None.

    >>> patients = pd.DataFrame({"sex": ["female", "male"], "age": [61, 50]})
    >>> groups(patients, ("sex", "age")).values.tolist()
    [['female', '55 to 64'], ['male', 'under 55']]
    """
    by = patients if halved_by is None else halved_by
    grouped = {name: _grouped(patients[name], by[name]) for name in names if name in patients}
    return pd.DataFrame({n: g for n, g in grouped.items() if g.nunique() > 1}, index=patients.index)


def _grouped(values: pd.Series, by: pd.Series) -> pd.Series:
    measured = pd.api.types.is_numeric_dtype(values)
    if values.name == "age" and measured:
        bands = [values.between(low, high, inclusive="left") for low, high, _ in AGES]
        banded = np.select(bands, [name for _, _, name in AGES], UNKNOWN)
        return pd.Series(banded, values.index)
    if measured and values.name not in CODED and by.nunique() > LEVELS:
        middle = by.median()
        halves = np.where(values < middle, f"under {middle:g}", f"{middle:g} and over")
        return pd.Series(np.where(values.isna(), UNKNOWN, halves), values.index)
    text = values.map(lambda v: str(int(v)) if isinstance(v, float) and v.is_integer() else str(v))
    return text.where(values.notna(), UNKNOWN)


def subgroup_table(
    labels: np.ndarray, scores: pd.DataFrame, by: pd.DataFrame, confidence: float = 0.95,
    ranked: Iterable[str] = (), cutoffs: Mapping[str, float] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return every model's AUC, calibration and hits in every group, and tests between groups.

    Args:
        labels: 0 or 1 (patient,).
        scores: one column per model, the same patients.
        by: `groups` of the same patients.
        confidence: of the intervals.
        ranked: models used for AUC only: they have scores outside [0, 1] elsewhere.
        cutoffs: of sensitivity and specificity (Wilson's intervals), by model.

    Returns:
        model, variable, group, n, events, auc, ci_low, ci_high, threshold, sensitivity and
        specificity, o_over_e and calibration_in_the_large with their intervals (none in flagged
        groups, where Wald's would exclude the ideal by chance), flag, p_heterogeneity (Cochran's
        Q of the groups' AUCs' logits), p_interaction (Rao's test of score × group in a logistic
        model), and both corrected over a model's variables. Scores outside [0, 1] have no
        calibration.

    >>> by = pd.DataFrame({"sex": ["female"] * 4 + ["male"] * 4})
    >>> scores = pd.DataFrame({"CNN": [0.1, 0.4, 0.35, 0.8, 0.2, 0.6, 0.5, 0.9]})
    >>> table = subgroup_table(np.array([0, 0, 1, 1] * 2), scores, by)
    >>> table[["group", "n", "events", "auc"]].values.tolist()
    [['female', 4, 2, 0.75], ['male', 4, 2, 0.75]]
    """
    rows = []
    factors = {variable: pd.factorize(by[variable]) for variable in by}
    for model in scores:
        values = scores[model].to_numpy(float)
        bounded = model not in ranked and values.min() >= 0 and values.max() <= 1
        for variable, (parts, names) in factors.items():
            results = [
                _group(labels[inside], values[inside], confidence, bounded)
                | _hits(labels[inside], values[inside], (cutoffs or {}).get(model), confidence)
                | {"group": g}
                for g in sorted(names, key=_place)
                for inside in [parts == names.get_loc(g)]
            ]
            tests = {
                "p_heterogeneity": heterogeneity(results),
                "p_interaction": interaction(labels, values, parts),
            }
            rows += [{"model": model, "variable": variable} | row | tests for row in results]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return _holm_by_model(table)


def _hits(
    labels: np.ndarray, scores: np.ndarray, cutoff: float | None, confidence: float
) -> dict[str, float]:
    """Return a group's sensitivity and specificity at a cut-off, where it has one."""
    if cutoff is None:
        return {}
    found = counts(labels == 1, scores, cutoff, np.ones((1, len(labels))))
    row = {"threshold": cutoff}
    for name in ("sensitivity", "specificity"):
        share = AT_THRESHOLD[name](found)
        low, high, _ = share.interval(confidence)
        row |= {name: share.value()[0], f"{name}_low": low, f"{name}_high": high}
    return row


def _group(inside: np.ndarray, values: np.ndarray, confidence: float, bounded: bool) -> dict:
    events = int(inside.sum())
    row = {"n": len(inside), "events": events, "flag": _flag(events, len(inside) - events)}
    if events in (0, len(inside)):
        return row
    row["variance"] = float(delong(inside, values)[1].squeeze())
    auc = auc_interval(inside, values, confidence)
    row |= dict(zip(("auc", "ci_low", "ci_high", "ci_method"), auc, strict=True))
    if bounded:
        table = calibration(inside, values, confidence).set_index("metric")
        row["calibration_ci_method"] = "none" if row["flag"] else "wald"
        for metric in ("o_over_e", "calibration_in_the_large"):
            row[metric] = table.value[metric]
            for side in ("low", "high"):
                of_group = np.nan if row["flag"] else table.loc[metric, f"ci_{side}"]
                row[f"{metric}_{side}"] = of_group
    return row


def _place(group: str) -> tuple:
    """Return a group's place in the table: ages from young to old, all others by name."""
    ages = [name for *_, name in AGES]
    return (ages.index(group) if group in ages else len(ages), group)


def _flag(events: int, others: int) -> str:
    if min(events, others) == 0:
        return "one label only"
    few = [
        f"under {FEW} {name}" for n, name in ((events, "events"), (others, "non-events")) if n < FEW
    ]
    return ", ".join(few)


def heterogeneity(results: list[dict]) -> float:
    """Return p of Cochran's Q (1954): do independent AUCs differ more than their variances allow?

    On the logit scale, on which the AUC of a small group is nearer to normal. Groups that are
    flagged (`FEW`), or without a variance (perfect separation), take no part.

    >>> round(heterogeneity([{"auc": 0.6, "variance": 0.002}, {"auc": 0.8, "variance": 0.002}]), 4)
    0.0035
    """
    rows = [
        (r["auc"], r["variance"]) for r in results if not r.get("flag") and r.get("variance", 0) > 0
    ]
    if len(rows) < 2:
        return float("nan")
    auc, variance = np.array(rows).T
    auc, variance = logit(auc), variance / (auc * (1 - auc)) ** 2
    q = ((auc - np.average(auc, weights=1 / variance)) ** 2 / variance).sum()
    return float(stats.chi2.sf(q, len(rows) - 1))


def interaction(labels: np.ndarray, scores: np.ndarray, parts: np.ndarray) -> float:
    """Return p of Rao's score test of score × group, beside score and group (Rao 1948).

    In a logistic model; it keeps its level in groups of a few dozen patients, where the
    likelihood ratio test rejects too often. Scores enter as logits where they are probabilities.
    Groups that are flagged (`FEW`) take no part; one in which all scores are equal costs no
    degree of freedom. With one group left, with scores that differ in one group alone, or where
    score and group separate the labels, NaN.

    >>> rng = np.random.default_rng(0)
    >>> scores, parts = rng.random(200), np.repeat([0, 1], 100)
    >>> round(interaction((rng.random(200) < scores).astype(int), scores, parts), 3)
    0.282
    """
    part = np.unique(parts, return_inverse=True)[1]
    events, n = np.bincount(part, labels), np.bincount(part)
    kept = np.flatnonzero(np.minimum(events, n - events) >= FEW)
    used = np.isin(part, kept)
    bounded = scores.min() >= 0 and scores.max() <= 1
    x = logit(np.clip(scores, CLIP, 1 - CLIP)) if bounded else scores
    x = x[used]
    if len(kept) < 2 or not x.std() > 0:
        return float("nan")
    z = ((x - x.mean()) / x.std())[:, np.newaxis]
    dummies = (part[used, np.newaxis] == kept[1:]).astype(float)
    return _rao(labels[used], np.hstack([np.ones_like(z), z, dummies]), z * dummies)


def _rao(labels: np.ndarray, design: np.ndarray, added: np.ndarray) -> float:
    """Return p of the score test that columns added to a logistic model's design do nothing."""
    fit = logistic(labels, design)
    if not fit.deviance > SEPARATED:
        return float("nan")
    p = expit(design @ fit.coefficients)
    weight = np.sqrt(p * (1 - p))[:, np.newaxis]
    explained = np.linalg.lstsq(weight * design, weight * added, rcond=None)[0]
    rest = weight * (added - design @ explained)
    spread, axes = np.linalg.eigh(rest.T @ rest)
    new = spread > NOTHING_NEW * ((weight * added) ** 2).sum(axis=0).max()
    if not new.any():
        return float("nan")
    along = axes[:, new].T @ (added.T @ (labels - p))
    return float(stats.chi2.sf((along**2 / spread[new]).sum(), new.sum()))


def _holm_by_model(table: pd.DataFrame) -> pd.DataFrame:
    """Add both tests' p values corrected over a model's variables, p_*_holm."""
    both = ["model", "variable"]
    once = table.drop_duplicates(both)[both].copy()
    for test in ("p_heterogeneity", "p_interaction"):
        by = table.drop_duplicates(both).groupby("model")[test]
        once[f"{test}_holm"] = by.transform(lambda p: holm(p.to_numpy()))
    return table.merge(once, on=both, how="left")
