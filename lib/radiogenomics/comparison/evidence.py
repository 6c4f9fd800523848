"""What notebook 05 judges: labelled scores, thresholds, patients (paper, Statistics)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.included import read_included
from radiogenomics.comparison import other_patients, other_scores
from radiogenomics.comparison.plan import Judged, judged
from radiogenomics.images.inspection import ACQUISITION
from radiogenomics.models.predictions import (
    by_cohort,
    read_scores,
    score_table,
    select,
    write_scores,
)
from radiogenomics.statistics import roc
from radiogenomics.statistics.resampling import Drawn, affordable, draw
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import Table
from radiogenomics.study.files import read_json
from radiogenomics.study.study import Study

HALF = 0.5
DECLARED = "declared"  # the rule of the plan's cut-offs
RANKED_ONLY = "scores outside 0-1 are not probabilities: they are used for AUC only"


def evidence(
    study: Study, predictions: list[str] | None = None, columns: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Open the test labels: return labelled scores, the patients' columns and how often before.

    Args:
        study: whose predictions.csv is taken and gets its labels.
        predictions: instead, tables of scores made elsewhere (`other_scores.read_scores`).
        columns: its patients' columns, if there are any.

    Raises:
        StudyError: scores or columns that are incomplete or disagree.
    """
    if predictions is None:
        scores, before = seal.join(study, read_scores(study), contract.COMPARISON.name)
        patients = patient_columns(study, read_included(study))
    else:
        taken = study.settings.label.positive, study.settings.lesions.rule
        tables = map(Path, predictions)
        scores = other_scores.read_scores(*tables, positive=taken[0], rule=taken[1])
        patients = other_patients.read_patients(Path(columns) if columns else None, scores)
        before = seal.evaluated(study, contract.COMPARISON.name, scores)
    write_scores(study, scores)
    return scores, patients, before


Pairs = dict[str, tuple[np.ndarray, np.ndarray]]  # labels and scores by model


def labelled(scores: pd.DataFrame, kind: str) -> Pairs:
    """Return labels and scores of each model, patients in one order."""
    rows = select(scores, kind)
    if rows.empty:
        return {}
    table = score_table(scores, kind)
    label = rows[rows.model == rows.model.iloc[0]].set_index("patient").label
    labels = label.loc[table.index].to_numpy(int)
    return {model: (labels, table[model].to_numpy(float)) for model in table}


def every_set(scores: pd.DataFrame) -> Iterator[tuple[str, str, Pairs]]:
    """Yield cohort, kind and labelled scores: of each test cohort, and of the two training ones."""
    for cohort, part in by_cohort(scores).items():
        yield cohort, contract.kind_of(cohort), labelled(part, "external")
    for kind in contract.KINDS[1:]:
        yield contract.TRAIN, kind, labelled(scores, kind)


def over_cohorts(
    table: Table, scores: pd.DataFrame, rows_of: Callable[[str, pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Return a table: the rows of each test cohort, one below the other, with column `cohort`."""
    parts = [rows_of(name, part).assign(cohort=name) for name, part in by_cohort(scores).items()]
    held = [part for part in parts if len(part)]
    return table.frame(pd.concat(held, ignore_index=True) if held else ())


def probabilities(scores: pd.DataFrame) -> list[str]:
    """Return the models whose scores all lie in [0, 1]."""
    spans = scores.groupby("model", sort=False).score.agg(["min", "max"])
    return spans.index[(spans["min"] >= 0) & (spans["max"] <= 1)].tolist()


def ranked_only(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the models refused for calibration and decision curves: model, span, reason."""
    spans = scores.groupby("model", sort=False).score.agg(["min", "max"]).reset_index()
    refused = spans[~spans.model.isin(probabilities(scores))]
    return refused.assign(reason=RANKED_ONLY)


def attainable(study: Study) -> dict | None:
    """Return the attainable AUCs of a built-in cohort, None for real patients."""
    path = study.folder / "truth.json"
    return read_json(path)["attainable_auc"] if path.exists() else None


def limits(truth: dict | None) -> dict[str, float]:
    """Return the AUCs attainable in these test patients, by the data used."""
    keys = {"images": "image", "images and clinical data": "joint"}
    return {name: truth[key]["test_patients"] for name, key in keys.items()} if truth else {}


def thresholds(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return thresholds.csv: model, scores they were chosen on, rule, threshold.

    `declared` is [plan]'s cut-off, `half` the paper's 0.5; `youden` and `sensitivity_NN` are
    chosen on out-of-fold training scores (in-sample ones where a model has no others; none
    without training patients).
    """
    rows = []
    inside = {kind: labelled(scores, kind) for kind in ("out_of_fold", "in_sample")}
    wanted = study.settings.evaluation.fixed_sensitivity
    bounded, declared = probabilities(scores), study.settings.plan.cutoffs
    for model in score_table(scores, "external"):
        if model in declared:
            rows.append((model, "none", DECLARED, declared[model]))
        kind = next((k for k, by in inside.items() if model in by), "none")
        if model in bounded:
            rows.append((model, kind, "half", HALF))
        if kind == "none":
            continue
        rows.append((model, kind, "youden", roc.youden_threshold(*inside[kind][model])))
        if wanted:
            threshold = roc.sensitivity_threshold(*inside[kind][model], wanted)
            rows.append((model, kind, f"sensitivity_{100 * wanted:.3g}", threshold))
    return tables.THRESHOLDS.frame(rows)


def rules_of(chosen: pd.DataFrame, model: str) -> dict[str, float]:
    """Return a model's thresholds by rule."""
    rows = chosen[chosen.model == model]
    return dict(zip(rows.rule, rows.threshold, strict=True))


def cutoffs(study: Study, chosen: pd.DataFrame) -> dict[str, float]:
    """Return each model's cut-off: 0.5, of other scores than probabilities Youden's.

    Args:
        study: its plan may declare others.
        chosen: thresholds.csv.
    """
    usual = chosen[chosen.rule.isin(["half", "youden"])].drop_duplicates("model")
    declared = study.settings.plan.cutoffs
    named = {model: declared[model] for model in chosen.model.unique() if model in declared}
    return dict(zip(usual.model, usual.threshold, strict=True)) | named


def drawings(study: Study, scores: pd.DataFrame) -> dict[tuple[str, str], Drawn | None]:
    """Draw the bootstrap's patients of every cohort and kind of scores, the same for every model.

    Large cohorts are drawn less often (`affordable`).
    """
    return {(cohort, kind): _drawn(study, pairs) for cohort, kind, pairs in every_set(scores)}


def _drawn(study: Study, pairs: Pairs) -> Drawn | None:
    if not pairs:
        return None
    labels = next(iter(pairs.values()))[0].astype(bool)
    resamples = affordable(study.settings.evaluation.bootstrap, len(labels))
    return draw(labels, resamples, study.settings.seed)


def judged_models(study: Study, scores: pd.DataFrame) -> Judged:
    """Return the primary and the reference model, by the study's plan, among those with scores."""
    return judged(study.settings.plan, scores.model.unique())


def patient_columns(study: Study, patients: pd.DataFrame) -> pd.DataFrame:
    """Return the patients' columns with the lesion's volume and how its CT was acquired.

    Scanner, kernel and slice thickness are those of acquisition.csv where it is there; the
    distance of slices replaces a thickness that is not given.
    """
    table = patients.set_index("patient", drop=False).rename_axis(None)
    if study.has(tables.MASKS):
        table["volume_mm3"] = study.table(tables.MASKS).set_index("patient").volume_mm3
    if study.has(tables.ACQUISITION):
        acquisition = study.table(tables.ACQUISITION).set_index("patient").reindex(table.index)
        for column in [c for c in ACQUISITION if c in acquisition]:
            table[column] = acquisition[column]
        thickness = table.get("thickness_mm", pd.Series(np.nan, table.index))
        table["thickness_mm"] = thickness.fillna(acquisition.slice_mm)
    return table


def side_by_side(scores: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the test patients' labels (patient,) and their scores, a column per model."""
    pairs = labelled(scores, "external")
    wide = pd.DataFrame({model: values for model, (_, values) in pairs.items()})
    return next(iter(pairs.values()))[0], wide
