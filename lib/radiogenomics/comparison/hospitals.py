"""Leave one hospital out: how well do the models travel, where there are three or more?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.eligibility import HOSPITALS
from radiogenomics.comparison import refitted
from radiogenomics.statistics.calibration import calibration
from radiogenomics.statistics.discrimination import auc_interval, delong
from radiogenomics.statistics.pooling import pooled_auc
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import PLATT_FOLDS
from radiogenomics.study.study import Study

POOLED, ONE_LABEL = "pooled", "one label only"


def leave_one_out(
    study: Study, patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Return each hospital's AUC and calibration by models that were fitted on all the others.

    The AUCs are pooled over hospitals (`pooled_auc`). Clinical and those on the signature,
    selection included; the CNN, which is trained once more for each hospital, with
    `checks = "full"` alone. `reason` says why a hospital has no AUC: one label only, or too few
    patients of a label in the others.

    Args:
        study: settings and seed.
        patients: with hospital and label.
        progress: called with (done, total) after each hospital.

    Returns:
        hospitals.csv; no rows with fewer than three hospitals, or where the study has no features.
    """
    possible = "hospital" in patients and study.has(tables.FEATURES)
    if not possible or patients.hospital.nunique() < HOSPITALS:
        return tables.HOSPITALS.frame()
    seal.record(study, contract.COMPARISON.name, "leave out hospitals")
    # PyRadiomics, of no use to `compare`
    from radiogenomics.radiomics.features import load_features

    hospitals, features = patients.hospital.unique(), load_features(study)
    full, rows = study.settings.evaluation.checks == "full", []
    models = (*refitted.models(study), *(("CNN",) if full else ()))
    for done, hospital in enumerate(hospitals, start=1):
        held = patients.hospital == hospital
        labels = patients.label[held].to_numpy(int)
        reason = _reason(patients.label[~held], labels)
        sides = patients[~held], patients[held]
        scores = {} if reason else refitted.scores(study, *sides, features)
        if full and not reason:
            scores["CNN"] = refitted.network_scores(study, "hospitals", *sides)
        rows += _rows(study, hospital, models, labels, scores, reason)
        progress(done, len(hospitals))
    return _with_pooled(study, rows)


def of_scores(study: Study, patients: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return hospitals.csv of scores by models that were fitted without the patient's hospital.

    Args:
        study: level of the intervals.
        patients: with hospital and label.
        scores: (patient, model), indexed by patient.
    """
    rows = []
    for hospital, part in patients.groupby("hospital"):
        labels, own = part.label.to_numpy(int), scores.loc[part.patient]
        reason = "" if 0 < labels.sum() < len(labels) else ONE_LABEL
        judged = {} if reason else {model: own[model].to_numpy() for model in own}
        rows += _rows(study, hospital, tuple(scores), labels, judged, reason)
    return _with_pooled(study, rows)


def _rows(
    study: Study, hospital: str, models: tuple[str, ...], labels: np.ndarray,
    scores: dict[str, np.ndarray], reason: str,
) -> list[dict]:  # fmt: skip
    row = {"hospital": hospital, "n": len(labels), "reason": reason}
    row |= {"events": int(labels.sum()), "ci_method": "none"}
    level = study.settings.evaluation.confidence
    judged = {model: _judged(labels, score, level) for model, score in scores.items()}
    return [row | {"model": model} | judged.get(model, {}) for model in models]


def _with_pooled(study: Study, rows: list[dict]) -> pd.DataFrame:
    found = pd.DataFrame(rows)
    pooled = _pooled(found, study.settings.evaluation.confidence)
    return tables.HOSPITALS.frame(pd.concat([found, pooled]).to_dict("records"))


def _judged(labels: np.ndarray, score: np.ndarray, confidence: float) -> dict:
    """Return a model's measures in one hospital; `variance` is the AUC's."""
    auc = auc_interval(labels, score, confidence)
    row = dict(zip(("auc", "ci_low", "ci_high", "ci_method"), auc, strict=True))
    row["variance"] = float(delong(labels, score)[1].squeeze())
    measures = calibration(labels, score, confidence).set_index("metric")
    for name in ("o_over_e", "calibration_slope"):
        value, low, high = measures.loc[name, ["value", "ci_low", "ci_high"]]
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row


def _pooled(found: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return a row a model whose AUC three hospitals or more have."""
    rows = []
    by = found.groupby("model", sort=False) if "variance" in found else ()
    for model, part in by:
        counted = part[part.variance > 0]
        over = pooled_auc(counted.auc, counted.variance, confidence)
        if over is not None:
            row = {"hospital": POOLED, "model": model, "ci_method": "hartung-knapp", "reason": ""}
            row |= {"n": counted.n.sum(), "events": counted.events.sum(), "auc": over.value}
            rows.append(over._asdict() | row)
    return pd.DataFrame(rows)


def _reason(others: pd.Series, labels: np.ndarray) -> str:
    """Return why nothing can be said about a hospital with these labels, or ""."""
    if not 0 < labels.sum() < len(labels):
        return ONE_LABEL
    rarer = min(int((others == label).sum()) for label in (0, 1))
    few = f"{rarer} patients of a label in the other hospitals, {PLATT_FOLDS} are needed"
    return few if rarer < PLATT_FOLDS else ""
