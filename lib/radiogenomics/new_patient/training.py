"""What is known of the patients whom a study's models were fitted to, for judging a new one.

Kept as one JSON-able dictionary: it goes with the models into a package, without a patient's row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.comparison.plan import judged
from radiogenomics.images.formats import content_hash
from radiogenomics.models import predictions
from radiogenomics.statistics.conformal import (
    Likeness,
    conformal_limit,
    out_of_fold_distances,
    quantiles,
)
from radiogenomics.study import design, tables
from radiogenomics.study.contract import IN_SAMPLE, TRAIN
from radiogenomics.study.errors import ModelMismatch
from radiogenomics.study.files import digest, read_json
from radiogenomics.study.kept import once
from radiogenomics.study.settings import NETWORK, RADIOMICS
from radiogenomics.study.study import Study

PACKAGE = "package.json"  # of a package, what `known` returns of its study
FORMAT = 1
ALARMS = 0.05  # how often a patient of the training hospital is told to be unlike the others
ERROR = 0.1  # how often, of each label, the prediction set may miss it
ENOUGH_DISTANCES, ENOUGH_OF_LABEL = 30, 20  # training patients
COMPONENTS = 10  # of the network's last layer
RANGES = ("volume_mm3", "mean_hu", "lung_near", "air_share")  # columns of masks.csv
MEASURES = (
    "auc", "sensitivity", "specificity", "accuracy", "calibration_in_the_large",
    "calibration_slope", "o_over_e", "brier",
)  # fmt: skip
RULES = ("", "declared", "youden")  # whose rows of metrics.csv are kept


def known(study: Study) -> dict[str, Any]:
    """Return what a new patient is judged by: of a study it is worked out once, and kept.

    Raises:
        StudyError: no model has been fitted; a package that this version cannot read.
    """
    if (study.folder / PACKAGE).is_file():
        held = read_json(study.folder / PACKAGE)
        if not isinstance(held, dict) or held.get("format") != FORMAT:
            raise ModelMismatch(
                f"{PACKAGE} has format {held.get('format') if isinstance(held, dict) else 'none'}. "
                f"Expected: {FORMAT}. Use the version of the workbook that made the package."
            )
        return held
    there = [path for path in (study.predictions_csv, *_tables(study)) if path.exists()]
    asked = study.settings.plan, study.settings.label, study.settings.synthetic
    made_from = digest(FORMAT, study.fitted_with(), *asked, *map(content_hash, there))
    return once(study.derived / "known" / f"{made_from}.json", lambda: gathered(study))


def _tables(study: Study) -> list:
    names = (tables.MASKS, tables.ACQUISITION, tables.METRICS, tables.THRESHOLDS, tables.FEATURES,
             tables.INTERNAL_RESULTS, tables.FLOW, tables.SUBGROUPS)  # fmt: skip
    return [study.path(table) for table in names]


def gathered(study: Study) -> dict[str, Any]:
    """Return models, plan, thresholds, ranges, scores, distances and performance of a study."""
    fitted = study.as_fitted()
    scores = predictions.read_scores(study)
    scores = scores[scores.model != IN_SAMPLE]
    outside = predictions.select(scores, "out_of_fold")
    training = outside.drop_duplicates("patient").set_index("patient")[["label", "fold"]]
    models = list(predictions.score_table(scores, "out_of_fold"))
    plan = judged(study.settings.plan, models)
    return {
        "format": FORMAT,
        "label": study.settings.label.name,
        "synthetic": study.settings.synthetic,
        "models": models,
        "primary": plan.primary,
        "primary_declared": plan.declared,
        "patients": len(training),
        "with_label": {str(y): int((training.label == y).sum()) for y in (0, 1)},
        "thresholds": _thresholds(study),
        "training_scores": _by_model(outside, models),
        "by_label": {str(y): _by_model(outside[outside.label == y], models) for y in (0, 1)},
        "ranges": _ranges(study, training.index),
        "signature": _signature(fitted, training),
        "network": _network(fitted, training),
        "performance": _performance(study),
        "subgroups": _subgroups(study, plan.primary),
        "cohorts": _counts(study),
    }


def _by_model(rows: pd.DataFrame, models: list[str]) -> dict[str, list[float]]:
    by = rows.groupby("model").score
    return {m: quantiles(by.get_group(m)) for m in models if m in by.groups}


def _thresholds(study: Study) -> dict[str, dict[str, float]]:
    if not study.has(tables.THRESHOLDS):
        return {}
    rows = study.table(tables.THRESHOLDS)
    rows = rows[rows.rule.isin(RULES) & (rows.scores == "out_of_fold")]
    return {
        str(m): dict(zip(part.rule, part.threshold.astype(float), strict=True))
        for m, part in rows.groupby("model", sort=False)
    }


def _ranges(study: Study, patients: pd.Index) -> dict[str, Any]:
    """Return lowest and highest value of the training patients, and what their headers say."""
    if not study.has(tables.MASKS):
        return {}
    masks = study.table(tables.MASKS).set_index("patient").reindex(patients)
    taken = study.table(tables.ACQUISITION).set_index("patient").reindex(patients)
    found = {name: _span(masks[name]) for name in RANGES}
    found["thickness_mm"] = _span(thickness(taken))
    for name in ("kernel", "scanner"):
        values = taken[name].dropna() if name in taken else pd.Series(dtype=str)
        found[name] = sorted(values.astype(str).unique())
    return found


def thickness(taken: pd.DataFrame) -> pd.Series:
    """Return each CT's slice thickness, mm: the header's, else the distance of its slices."""
    own = taken.thickness_mm if "thickness_mm" in taken else pd.Series(np.nan, taken.index)
    return pd.to_numeric(own).fillna(taken.slice_mm)


def _span(values: pd.Series) -> list[float]:
    return [float(values.min()), float(values.max())]


def _signature(study: Study, training: pd.DataFrame) -> dict[str, Any]:
    """Return the features that the models read: names, ranges, distances of training patients."""
    if RADIOMICS not in design.parts(study.settings) or not study.has(tables.FEATURES):
        return {}
    from radiogenomics.models.classical import load_signature
    from radiogenomics.radiomics.features import load_features  # PyRadiomics: a second

    values = load_features(study).loc[training.index, load_signature(study)]
    lowest, highest = values.min().tolist(), values.max().tolist()
    found = {"names": list(values.columns), "lowest": lowest, "highest": highest}
    return found | _distances(values.to_numpy(float), training.fold)


def _network(study: Study, training: pd.DataFrame) -> dict[str, Any]:
    """Return distances in the network's last layer; nothing where the volumes are not at hand."""
    if NETWORK not in design.parts(study.settings) or not study.included_csv.exists():
        return {}
    from radiogenomics.cohort.included import load_patients
    from radiogenomics.images.volumes import load_volumes  # TensorFlow
    from radiogenomics.models import network

    patients = load_patients(study)
    patients = patients[patients.cohort == TRAIN].set_index("patient", drop=False)
    volumes = load_volumes(study, patients.loc[training.index].reset_index(drop=True))
    inner = network.last_layer(network.load_network(study), volumes, study.settings.cnn.batch)
    return _distances(inner, training.fold, min(COMPONENTS, inner.shape[1]))


def _distances(values: np.ndarray, fold: pd.Series, components: int = 0) -> dict[str, Any]:
    """Return what `conformal.mahalanobis` needs and the limit; nothing under 30 patients."""
    if len(values) < ENOUGH_DISTANCES:
        return {}
    away = out_of_fold_distances(values, fold.to_numpy(int), components)
    kept = {
        name: value if value is None else np.asarray(value).tolist()
        for name, value in vars(Likeness(values, components)).items()
    }
    return {"distance": kept, "limit": conformal_limit(away, ALARMS)}


def _performance(study: Study) -> list[dict[str, Any]]:
    """Return rows of metrics.csv, or of internal.csv: model, cohort, measure, value, interval."""
    if study.has(tables.METRICS):
        rows = study.table(tables.METRICS)
        rows = rows[rows.scores == "external"]
    elif study.has(tables.INTERNAL_RESULTS):
        rows = study.table(tables.INTERNAL_RESULTS).assign(cohort="cross-validated")
    else:
        return []
    rows = rows.assign(threshold_rule=rows.threshold_rule.fillna(""))
    rows = rows[rows.metric.isin(MEASURES) & rows.threshold_rule.isin(RULES)]
    rows = rows[rows.model != IN_SAMPLE]
    rows = rows.drop_duplicates(["model", "cohort", "threshold_rule", "metric"])
    columns = ["model", "cohort", "threshold_rule", "metric", "value", "ci_low", "ci_high",
               "ci_method", "n", "events"]  # fmt: skip
    return _records(rows[columns])


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def _subgroups(study: Study, model: str) -> list[dict[str, Any]]:
    """Return the primary model's rows of subgroups.csv, without hospitals' names."""
    if not study.has(tables.SUBGROUPS):
        return []
    rows = study.table(tables.SUBGROUPS)
    rows = rows[(rows.model == model) & (rows.variable != "hospital")]
    return _records(
        rows[["cohort", "variable", "group", "n", "events", "auc", "ci_low", "ci_high"]]
    )


def _counts(study: Study) -> list[dict[str, Any]]:
    """Return how many patients and events each cohort has, by flow.csv."""
    if not study.has(tables.FLOW):
        return []
    flow = study.table(tables.FLOW).set_index(["step", "reason"]).n
    sides = [reason for step, reason in flow.index if step == "included"]
    return [
        {"cohort": side, "patients": int(flow["included", side]),
         "events": int(flow.get((f"{side} label", "1"), 0))}
        for side in sides
    ]  # fmt: skip
