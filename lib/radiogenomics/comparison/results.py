"""Notebook 05's tables: functions of predictions.csv (paper, Statistics)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from radiogenomics.comparison.evidence import (
    cutoffs,
    every_set,
    labelled,
    over_cohorts,
    probabilities,
    rules_of,
)
from radiogenomics.comparison.plan import Judged
from radiogenomics.models.predictions import by_cohort, score_table, select
from radiogenomics.statistics import calibration, decision, discrimination, roc
from radiogenomics.statistics.measures import metrics_table
from radiogenomics.statistics.paired import brier_difference
from radiogenomics.statistics.resampling import Drawn
from radiogenomics.statistics.subgroups import groups, subgroup_table
from radiogenomics.study import tables
from radiogenomics.study.contract import IN_SAMPLE, kind_of
from radiogenomics.study.study import Study

Drawings = dict[tuple[str, str], Drawn | None]  # by cohort and kind of scores
Curves = dict[tuple[str, str], dict[str, pd.DataFrame]]  # by cohort and kind of scores, and model


def long(curves: Curves) -> pd.DataFrame:
    """Return roc.csv: the corners of the curves of every cohort, kind of scores and model."""
    rows = [
        roc.corners(curve).assign(model=model, cohort=cohort, scores=kind, ci_method="bootstrap")
        for (cohort, kind), by in curves.items()
        for model, curve in by.items()
    ]
    return pd.concat(rows, ignore_index=True)


def metrics(
    study: Study, scores: pd.DataFrame, chosen: pd.DataFrame, drawings: Drawings
) -> pd.DataFrame:
    """Return metrics.csv: every model and kind of scores, every measure with its intervals.

    Pooled out-of-fold measures get no interval: the folds' scores are of different models.
    """
    confidence = study.settings.evaluation.confidence
    bounded = probabilities(scores)

    def table_of(
        cohort: str, kind: str, model: str, pair: tuple[np.ndarray, np.ndarray]
    ) -> pd.DataFrame:
        drawing = drawings[cohort, kind] if kind != "out_of_fold" else None
        rules = rules_of(chosen, model)
        table = metrics_table(*pair, rules, confidence, drawing, model in bounded)
        if kind == "out_of_fold":
            table = _without_intervals(table)
        return table.assign(model=model, cohort=cohort, scores=kind)

    jobs = [
        (cohort, kind, *item) for cohort, kind, pairs in every_set(scores) for item in pairs.items()
    ]
    with ThreadPoolExecutor() as pool:
        table = pd.concat(pool.map(table_of, *zip(*jobs, strict=True)), ignore_index=True)
    return table.reindex(columns=list(tables.METRICS.columns))


def _without_intervals(table: pd.DataFrame) -> pd.DataFrame:
    once = table.drop_duplicates(["threshold_rule", "metric"])
    return once.assign(ci_low=np.nan, ci_high=np.nan, ci_method="none")


def confusion_matrices(scores: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return confusion.csv: model, cohort, scores, rule, threshold, tp, fp, fn, tn."""
    rows = []
    for cohort, kind, pairs in every_set(scores):
        for model, pair in pairs.items():
            for rule, threshold in rules_of(chosen, model).items():
                where = {"model": model, "cohort": cohort, "scores": kind}
                at = {"threshold_rule": rule, "threshold": threshold}
                rows.append(where | at | discrimination.confusion(*pair, threshold))
    return tables.CONFUSION.frame(rows)


def roc_curves(study: Study, scores: pd.DataFrame, drawings: Drawings) -> Curves:
    """Return the ROC points of every cohort and model with their bootstrap band."""
    confidence, curves = study.settings.evaluation.confidence, {}
    with ThreadPoolExecutor() as pool:
        for cohort, kind, pairs in every_set(scores):
            drawing = drawings[cohort, kind]
            if kind != "out_of_fold" and drawing is not None:
                bands = pool.map(
                    lambda pair, d=drawing: roc.roc_band(*pair, d, confidence), pairs.values()
                )
                curves[cohort, kind] = dict(zip(pairs, bands, strict=True))
    return curves


def calibration_curves(
    study: Study, scores: pd.DataFrame, recalibrated: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return calibration.csv: curves of every test cohort, smooth and by groups.

    As the models give them (recalibrated: False), or, where given, of `recalibrations`' scores.
    """
    if recalibrated is None:
        used = scores[scores.model.isin(probabilities(scores))]
        return over_cohorts(
            tables.CALIBRATION, used,
            lambda _, part: _curves(study, labelled(part, "external"), False),
        )  # fmt: skip
    return over_cohorts(
        tables.CALIBRATION, recalibrated, lambda _, part: _curves(study, _pairs(part), True)
    )


def _pairs(rows: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    by = rows.groupby("model", sort=False)
    return {m: (part.label.to_numpy(int), part.score.to_numpy()) for m, part in by}


def _curves(
    study: Study, pairs: dict[str, tuple[np.ndarray, np.ndarray]], recalibrated: bool
) -> pd.DataFrame:
    confidence, curves = study.settings.evaluation.confidence, []
    for model, pair in pairs.items():
        smooth = calibration.smooth_curve(*pair, confidence)
        grouped = calibration.grouped_curve(*pair, confidence=confidence)
        size = {"n": len(pair[0]), "events": int(pair[0].sum())}
        curves += [
            smooth.assign(model=model, curve="smooth", ci_method="wald", **size),
            grouped.assign(model=model, curve="groups", ci_method="wilson"),
        ]
    if not curves:
        return tables.CALIBRATION.frame()
    table = pd.concat(curves, ignore_index=True).assign(recalibrated=recalibrated)
    return table.reindex(columns=list(tables.CALIBRATION.columns))


def recalibrations(study: Study, scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return recalibration.csv and recalibrated.csv: what a logistic recalibration changes.

    Fitted on each model's out-of-fold training scores alone. The first table has each test
    cohort's calibration before and after, one row a measure (model, intercept, slope,
    recalibrated, metric, value, ci_low, ci_high, ci_method, n, events; `reason` where none can be
    fitted); the second the scores as they were and recalibrated (patient, label, model, score,
    before).
    """
    used = scores[scores.model.isin(probabilities(scores))]
    both = {name: _recalibrated(study, part) for name, part in by_cohort(used).items()}
    written = (tables.RECALIBRATION, tables.RECALIBRATED)
    return tuple(
        over_cohorts(table, used, lambda name, _, i=i: both[name][i])
        for i, table in enumerate(written)
    )


def _recalibrated(study: Study, used: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    inside, outside = labelled(used, "out_of_fold"), labelled(used, "external")
    patients, rows, after = score_table(used, "external").index, [], []
    for model in [m for m in outside if m in inside]:
        try:
            intercept, slope = calibration.recalibration(*inside[model])
        except discrimination.EvaluationError as fault:
            rows.append(pd.DataFrame({"model": [model], "reason": str(fault)}))
            continue
        labels, before = outside[model]
        new = calibration.recalibrated(before, intercept, slope)
        for done, values in ((False, before), (True, new)):
            measures = calibration.calibration(labels, values, study.settings.evaluation.confidence)
            fit = {"model": model, "intercept": intercept, "slope": slope, "recalibrated": done}
            fit["ci_method"] = np.where(measures.ci_low.notna(), "wald", "none")
            rows.append(measures.assign(**fit, n=len(labels), events=int(labels.sum())))
        level = study.settings.evaluation.confidence
        change = brier_difference(labels, new, before, level)._asdict()
        row = fit | change | {"metric": "brier_change", "n": len(labels)}
        rows.append(pd.DataFrame([row | {"events": int(labels.sum())}]))
        columns = {"patient": patients, "label": labels, "model": model, "score": new}
        after.append(pd.DataFrame(columns | {"before": before}))
    if not rows:
        return tables.RECALIBRATION.frame(), tables.RECALIBRATED.frame()
    table = pd.concat(rows, ignore_index=True).reindex(columns=list(tables.RECALIBRATION.columns))
    return table, pd.concat(after) if after else tables.RECALIBRATED.frame()


def decision_curves(study: Study, scores: pd.DataFrame, drawings: Drawings) -> pd.DataFrame:
    """Return decision_curve.csv: of every test cohort, and in-sample."""
    curves = []
    for cohort, kind, pairs in every_set(scores[scores.model.isin(probabilities(scores))]):
        if pairs and kind != "out_of_fold":
            labels = next(iter(pairs.values()))[0]
            values = {model: score for model, (_, score) in pairs.items()}
            confidence = study.settings.evaluation.confidence
            table = decision.decision_curve(
                labels, values, confidence=confidence, drawn=drawings[cohort, kind]
            )
            curves.append(table.assign(cohort=cohort, scores=kind))
    if not curves:
        return tables.DECISION_CURVE.frame()
    return pd.concat(curves, ignore_index=True)[list(tables.DECISION_CURVE.columns)]


def clear_benefit(
    study: Study, scores: pd.DataFrame, judged: Judged, drawings: Drawings
) -> pd.DataFrame:
    """Return decision_best.csv: where the primary model is of more benefit, beyond chance.

    One row a test cohort and range of thresholds; a row of 0 thresholds where there is none.
    """
    used = scores[scores.model.isin(probabilities(scores))]
    return over_cohorts(
        tables.DECISION_BEST, used,
        lambda name, part: _clear(study, part, judged, drawings[name, kind_of(name)]),
    )  # fmt: skip


def _clear(study: Study, scores: pd.DataFrame, judged: Judged, drawn: Drawn | None) -> pd.DataFrame:
    pairs = labelled(scores, "external")
    if judged.primary not in pairs or drawn is None:
        return tables.DECISION_BEST.frame()
    low, high = study.settings.plan.decision_range
    asked = decision.THRESHOLDS[(low <= decision.THRESHOLDS) & (high >= decision.THRESHOLDS)]
    against = {judged.reference: pairs[judged.reference][1]} if judged.reference in pairs else {}
    level = study.settings.evaluation.confidence
    found = decision.clear_thresholds(*pairs[judged.primary], against, asked, drawn, level)
    ranges = decision.runs(found, asked) or [(np.nan, np.nan, 0)]
    named = judged.primary, "", judged.reference if against else ""
    return tables.DECISION_BEST.frame([(*named, *part, len(asked)) for part in ranges])


def delong_tests(scores: pd.DataFrame) -> pd.DataFrame:
    """Return delong.csv: every pair of models in each test cohort, Holm over its pairs.

    The in-sample stack, which is shown to explain the paper's, is not compared.
    """
    return over_cohorts(
        tables.DELONG, scores, lambda name, part: _delong(part).assign(scores=kind_of(name))
    )


def _delong(scores: pd.DataFrame) -> pd.DataFrame:
    pairs = labelled(scores, "external")
    labels = next(iter(pairs.values()))[0]
    candidates = [model for model in pairs if model != IN_SAMPLE or len(pairs) == 1]
    wide = pd.DataFrame({model: pairs[model][1] for model in candidates})
    return discrimination.delong_table(labels, wide)


def fold_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return folds.csv: the out-of-fold AUC of each model by fold, and pooled over the folds."""
    rows = []
    for (model, fold), part in select(scores, "out_of_fold").groupby(["model", "fold"], sort=False):
        rows.append((model, str(fold), _auc(part), len(part), int(part.label.sum())))
    for model, part in select(scores, "out_of_fold").groupby("model", sort=False):
        rows.append((model, "pooled", _auc(part), len(part), int(part.label.sum())))
    return tables.FOLDS.frame(rows)


def _auc(rows: pd.DataFrame) -> float:
    if rows.label.nunique() < 2:
        return float("nan")
    return float(discrimination.delong(rows.label.to_numpy(int), rows.score.to_numpy(float))[0][0])


def optimism(scores: pd.DataFrame, by_fold: pd.DataFrame) -> pd.DataFrame:
    """Return training AUCs: in-sample, out-of-fold pooled and by fold; external.

    Without out-of-fold scores, as the in-sample stack is, a model has none of theirs. External is
    the first test cohort.
    """
    scores = next(iter(by_cohort(scores).values()))
    external, inside = labelled(scores, "external"), labelled(scores, "in_sample")
    rows = []
    for model in external:
        part = by_fold[by_fold.model == model]
        folds, pooled = part[part.fold != "pooled"].auc, part[part.fold == "pooled"].auc
        row = {
            "model": model,
            "out-of-fold, pooled": pooled.max(),
            "out-of-fold, mean of folds": folds.mean(),
            "range of folds": f"{folds.min():.3f}-{folds.max():.3f}" if len(folds) else "none",
        }
        for name, pairs in (("in-sample", inside), ("external", external)):
            row[name] = discrimination.delong(*pairs[model])[0][0] if model in pairs else np.nan
        rows.append(row)
    return pd.DataFrame(rows).set_index("model").round(3) if rows else pd.DataFrame()


def subgroups(
    study: Study, scores: pd.DataFrame, chosen: pd.DataFrame, patients: pd.DataFrame
) -> pd.DataFrame:
    """Return subgroups.csv: every model in every group of each test cohort's patients."""
    bounded = probabilities(scores)
    return over_cohorts(
        tables.SUBGROUPS, scores, lambda _, part: _groups(study, part, chosen, patients, bounded)
    )


def _groups(
    study: Study, scores: pd.DataFrame, chosen: pd.DataFrame, patients: pd.DataFrame,
    bounded: list[str],
) -> pd.DataFrame:  # fmt: skip
    wide = score_table(scores, "external")
    labels = next(iter(labelled(scores, "external").values()))[0]
    by = groups(patients.reindex(wide.index), study.settings.plan.subgroups)
    ranked = set(wide) - set(bounded)
    at = cutoffs(study, chosen)
    return subgroup_table(labels, wide, by, study.settings.evaluation.confidence, ranked, at)
