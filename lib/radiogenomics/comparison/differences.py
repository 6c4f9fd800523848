"""Models in pairs, in each test cohort: differences.csv; and predictive values elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.comparison.evidence import Pairs, cutoffs, labelled, over_cohorts, probabilities
from radiogenomics.comparison.plan import Judged
from radiogenomics.comparison.results import Drawings
from radiogenomics.statistics import paired
from radiogenomics.statistics.decision import net_benefit
from radiogenomics.statistics.discrimination import holm
from radiogenomics.statistics.measures import AT_THRESHOLD, counts
from radiogenomics.statistics.paired import Difference
from radiogenomics.statistics.resampling import Drawn, percentile_interval, resampled
from radiogenomics.study import tables
from radiogenomics.study.contract import IN_SAMPLE, kind_of
from radiogenomics.study.settings import Plan
from radiogenomics.study.study import Study

BENEFIT = "net_benefit_at_"
Row = tuple[str, str, str, Difference]  # models, measure


def differences(
    study: Study, scores: pd.DataFrame, chosen: pd.DataFrame, judged: Judged, drawings: Drawings
) -> pd.DataFrame:
    """Return differences.csv: each pair of models in each test cohort.

    The declared comparison, of the primary with the reference model in the plan's measure, keeps
    its p; all others are corrected over the pairs of a cohort and measure (Holm).

    Args:
        study: its plan has cut-offs, margin and measure.
        scores: predictions.csv with labels.
        chosen: thresholds.csv.
        judged: the primary and the reference model.
        drawings: the bootstrap's patients.
    """
    bounded, at = probabilities(scores), cutoffs(study, chosen)

    def rows_of(cohort: str, part: pd.DataFrame) -> pd.DataFrame:
        pairs = {m: pair for m, pair in labelled(part, "external").items() if m != IN_SAMPLE}
        first = [m for m in (judged.primary, judged.reference) if m in pairs]
        pairs = {m: pairs[m] for m in dict.fromkeys([*first, *pairs])}
        level = study.settings.evaluation.confidence
        drawn = drawings[cohort, kind_of(cohort)]
        rows = list(_of_pairs(pairs, study.settings.plan, at, bounded, drawn, level))
        return _tested(rows, study.settings.plan, judged)

    return over_cohorts(tables.DIFFERENCES, scores, rows_of)


def _of_pairs(
    pairs: Pairs, plan: Plan, at: dict[str, float], bounded: list[str], drawn: Drawn | None,
    level: float,
) -> Iterator[Row]:  # fmt: skip
    for a, b in combinations(pairs, 2):
        (labels, own), (_, other) = pairs[a], pairs[b]
        yield a, b, "auc", paired.auc_difference(labels, own, other, level)
        if plan.margin:
            for one, two, x, y in ((a, b, own, other), (b, a, other, own)):
                worse = paired.auc_difference(labels, x, y, level, plan.margin)
                yield one, two, "auc_noninferiority", worse
        if a in at and b in at:
            yield from _hits(a, b, labels, own >= at[a], other >= at[b], level)
        if a in bounded and b in bounded:
            yield a, b, "brier", paired.brier_difference(labels, own, other, level)
            for t in sorted({at[m] for m in (a, b) if 0 < at.get(m, 0) < 1}):
                gap = _benefit(labels, own, other, t, drawn, level)
                yield a, b, f"{BENEFIT}{t:g}", gap


def _hits(
    a: str, b: str, labels: np.ndarray, own: np.ndarray, other: np.ndarray, level: float
) -> Iterator[Row]:
    """Yield the differences of sensitivity and specificity, with both p values of McNemar."""
    for measure, value in (("sensitivity", 1), ("specificity", 0)):
        side = labels == value
        right = (called[side] == (value == 1) for called in (own, other))
        gap, mid = paired.proportion_difference(*right, level)
        yield a, b, measure, gap
        yield a, b, f"{measure}_mid_p", gap._replace(p=mid)


def _benefit(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, t: float, drawn: Drawn | None, level: float
) -> Difference:
    """Return the difference in net benefit at a threshold, with the bootstrap's interval."""
    positive, at = labels == 1, np.array([t])

    def gap(weights: np.ndarray) -> dict[str, np.ndarray]:
        one, two = (net_benefit(positive, x, at, weights.astype(float))[:, 0] for x in (a, b))
        return {"": one - two}

    value = float(gap(np.ones((1, len(labels))))[""][0])
    if drawn is None:
        return Difference(value, np.nan, np.nan, "none", np.nan)
    low, high = percentile_interval(resampled(gap, drawn.free)[""], level)
    return Difference(value, low, high, "bootstrap", np.nan)


def _tested(rows: list[Row], plan: Plan, judged: Judged) -> pd.DataFrame:
    """Return the rows with corrected p values and the mark of the plan's comparison."""
    table = pd.DataFrame(
        [(a, b, measure, *gap) for a, b, measure, gap in rows],
        columns=["model_a", "model_b", "measure", *Difference._fields],
    )
    if table.empty:
        return table
    planned = table.measure.str.removesuffix("_mid_p") == plan.measure
    planned |= table.measure.str.startswith(BENEFIT) & (plan.measure == "net_benefit")
    pair = (table.model_a == judged.primary) & (table.model_b == judged.reference)
    table["primary"] = pair & planned
    free = table.primary & judged.declared
    table["p_holm"] = table.p.where(free)
    for _, part in table[~free].groupby("measure"):
        table.loc[part.index, "p_holm"] = holm(part.p.to_numpy(float))
    return table


def at_prevalence(
    study: Study, scores: pd.DataFrame, chosen: pd.DataFrame, drawings: Drawings
) -> pd.DataFrame:
    """Return at_prevalence.csv: predictive values and net benefit at the declared prevalence.

    By Bayes' rule from sensitivity and specificity in the cohort (Altman & Bland 1994), resampled
    within labels; the scores are not recalibrated to that prevalence.
    """
    share, level = study.settings.plan.prevalence, study.settings.evaluation.confidence
    if not share:
        return tables.AT_PREVALENCE.frame()
    at, bounded = cutoffs(study, chosen), probabilities(scores)

    def rows_of(cohort: str, part: pd.DataFrame) -> pd.DataFrame:
        drawn, rows = drawings[cohort, kind_of(cohort)], []
        for model, pair in labelled(part, "external").items():
            if model in at:
                for row in _elsewhere(*pair, at[model], share, drawn, level):
                    if row["metric"] != "net_benefit" or model in bounded:
                        rows.append({"model": model} | row)
        return pd.DataFrame(rows)

    return over_cohorts(tables.AT_PREVALENCE, scores, rows_of)


def _elsewhere(
    labels: np.ndarray, scores: np.ndarray, t: float, share: float, drawn: Drawn | None,
    level: float,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield the measures at a cut-off and prevalence, with the bootstrap's intervals."""

    def told(weights: np.ndarray) -> dict[str, np.ndarray]:
        return _at_share(labels == 1, scores, t, share, weights.astype(float))

    again = resampled(told, drawn.stratified) if drawn is not None else {}
    for metric, value in told(np.ones((1, len(labels)))).items():
        low, high = percentile_interval(again[metric], level) if again else (np.nan, np.nan)
        method = "none" if np.isnan(low) else "bootstrap"
        row = {"threshold": t, "prevalence": share, "metric": metric, "value": float(value[0])}
        yield row | {"ci_low": low, "ci_high": high, "ci_method": method}


def _at_share(
    positive: np.ndarray, scores: np.ndarray, t: float, share: float, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return ppv, npv and net benefit (resample,) where a share of patients has the label."""
    found = counts(positive, scores, t, weights)
    hits, quiet = (AT_THRESHOLD[name](found).value() for name in ("sensitivity", "specificity"))
    right, wrong = share * hits, (1 - share) * (1 - quiet)
    missed, spared = share * (1 - hits), (1 - share) * quiet
    with np.errstate(invalid="ignore", divide="ignore"):
        told = {"ppv": right / (right + wrong), "npv": spared / (spared + missed)}
    return told | ({"net_benefit": right - wrong * t / (1 - t)} if 0 < t < 1 else {})
