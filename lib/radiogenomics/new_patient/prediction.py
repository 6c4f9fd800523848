"""Score a new patient with the saved models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.cohort.reading import EVER
from radiogenomics.images import lesions
from radiogenomics.images.description import acquisition_row
from radiogenomics.images.scans import Scan, read_row, read_scan
from radiogenomics.images.volumes import preprocess
from radiogenomics.models import classical, classifiers, network
from radiogenomics.new_patient import applicability
from radiogenomics.new_patient.applicability import Applicability
from radiogenomics.new_patient.training import ENOUGH_OF_LABEL, ERROR
from radiogenomics.radiomics.extraction import extract_scan
from radiogenomics.statistics.conformal import label_p_values, prediction_set, share_below
from radiogenomics.study import design
from radiogenomics.study.errors import ModelMismatch, UsageError
from radiogenomics.study.files import SHIPPED, whole_file, write_json
from radiogenomics.study.settings import CLINICAL, NETWORK, RADIOMICS
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

EXAMPLE = SHIPPED / "data" / "example_patient"
PREDICTION, MAP_FILE = "prediction.json", "gradcam.nii.gz"  # of a patient's results
USED = ("declared", "youden")  # rules of cut-offs that are read
COLUMNS = [
    "model", "probability", "training_patients_below", "threshold", "rule", "at_or_above",
    "prediction_set",
]  # fmt: skip


def read_images(ct: str, mask: str, mask_label: str = "", box: str = "", several: str = "") -> Scan:
    """Read a new patient's CT and mask or box; the shipped example's where none is named.

    Args:
        ct: image file or DICOM folder.
        mask: image file, DICOM SEG or RTSTRUCT.
        mask_label: the lesion's value, segment or ROI.
        box: in the place of a mask (`images.boxes`).
        several: of several lesions, which is meant (`images.lesions`).

    Raises:
        StudyError: only one of them is named, or they cannot be used.
    """
    if bool(ct) != bool(mask or box):
        named, other = ("ct", "mask") if ct else ("mask", "ct")
        raise UsageError(
            f"{named} is {Path(ct or mask).name}, {other} is not named. Expected: both of one "
            f"patient, or neither for the shipped example. Name {other}."
        )
    if not ct:
        return read_scan(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz", mask_label)
    row = {"ct": ct, "mask": mask, "mask_label": mask_label, "box": "" if mask else box}
    return read_row(row | {lesions.COLUMN: several})


@dataclass(frozen=True)
class Prediction:
    """What the models say of one patient.

    Attributes:
        scores: probability of label 1 by model; empty where the patient is refused.
        applicability: whether the models know patients of this kind.
        volume: the network's input (z, y, x, 1); None without a network, or where refused.
        signature: the features that the models read, by name; None likewise.
    """

    scores: dict[str, float]
    applicability: Applicability
    volume: np.ndarray | None = None
    signature: pd.Series | None = None


def predict(
    study: Study, known: Mapping[str, Any], scan: Scan | None, person: Mapping[str, str | float]
) -> Prediction:
    """Judge a new patient's scan, and ask each of the study's models, unless it is refused.

    Args:
        study: whose models are used, with the settings that they were fitted with (`open_models`).
        known: what is known of the training patients (`training.known`).
        scan: CT and mask on one grid; None for a study without images.
        person: the clinical predictors as in cohort.csv; without all of them, or where one is
            empty, the clinical model has no score.

    Raises:
        StudyError: a model is missing, the lesion vanishes at the study's spacing, a clinical
            value that the model does not know.
    """
    seen, names, scores = applicability.of_scan(known, scan), known["models"], {}
    if seen.refused:
        return Prediction({}, seen)
    parts, row, volume, inner = design.parts(study.settings), None, None, None
    if RADIOMICS in parts:
        row = extract_scan(scan, study.settings.radiomics)[classical.load_signature(study)]
        for name in [m.name for m in classifiers.on_signature(study.settings) if m.name in names]:
            model = classical.load_model(study, name)
            scores[name] = float(classical.probability(model, row.to_frame().T)[0])
    if NETWORK in parts:
        volume = preprocess(scan.ct, scan.mask, study.settings.preprocessing)[..., np.newaxis]
        trained = network.load_network(study)
        scores["CNN"] = float(network.score(trained, volume[np.newaxis])[0])
        if known["network"]:
            inner = network.last_layer(trained, volume[np.newaxis])[0]
    if "Com" in names:
        both = classical.stack_inputs(np.array([scores["CNN"]]), np.array([scores["SVM"]]))
        scores["Com"] = float(classical.probability(classical.load_model(study, "Com"), both)[0])
    complete = all(str(person.get(p, "")) for p in study.settings.clinical.predictors)
    if CLINICAL in parts and complete:
        scores["Clinical"] = clinical_score(study, person)
    seen = applicability.together(seen, applicability.of_values(known, row, inner))
    return Prediction(scores, seen, volume, row)


def clinical_score(study: Study, person: Mapping[str, str | float]) -> float:
    """Return the clinical model's probability for one person's predictors, as in cohort.csv.

    Raises:
        StudyError: the model is missing, or does not know a value.
    """
    model = classical.load_model(study, "Clinical")
    table = pd.DataFrame([dict(person)])
    if "smoking" in table:
        table["smoking_history"] = table.smoking.map(EVER)
    inputs = classical.clinical_columns(table, study.settings.clinical.predictors)
    categories, numbers = classical.clinical_values(model)
    for name in inputs:
        value = person[name]
        if name in numbers:
            inputs[name] = pd.to_numeric(inputs[name], errors="coerce")
            _refuse(name, value, "a number", not np.isfinite(inputs[name].item()))
        else:
            codes = EVER if name == "smoking" else categories[name]
            _refuse(name, value, f"one of {', '.join(map(str, codes))}", value not in codes)
    return float(classical.probability(model, inputs)[0])


def _refuse(name: str, value: str | float, expected: str, wrong: bool) -> None:
    if wrong:
        raise ModelMismatch(
            f"the new patient's {name} is {value!r}. Expected: {expected}, as in the training "
            "cohort. Write it so, or leave the clinical predictors out."
        )


def table(known: Mapping[str, Any], found: Prediction) -> pd.DataFrame:
    """Return a row a model: its probability, place among the training patients, threshold, set.

    Returns:
        model, probability, training_patients_below (share of their out-of-fold scores that are
        lower), threshold and its rule, at_or_above, prediction_set (words; empty where too few
        training patients have a label, or the patient is unlike them).
    """
    rows = []
    for model, score in found.scores.items():
        rule, threshold = threshold_of(known, model)
        row = {"model": model, "probability": score, "threshold": threshold, "rule": rule}
        row["training_patients_below"] = share_below(known["training_scores"][model], score)
        row["at_or_above"] = score >= threshold if rule else None
        labels = labels_of(known, found, model)
        row["prediction_set"] = "" if labels is None else in_words(known, labels)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def threshold_of(known: Mapping[str, Any], model: str) -> tuple[str, float]:
    """Return the rule and the value of a model's cut-off: declared, else Youden's of training."""
    rules = known["thresholds"].get(model, {})
    rule = next((name for name in USED if name in rules), "")
    return rule, rules.get(rule, float("nan"))


def labels_of(known: Mapping[str, Any], found: Prediction, model: str) -> list[int] | None:
    """Return the labels that cannot be ruled out; None where no set can be made."""
    sizes = {y: known["with_label"][str(y)] for y in (0, 1)}
    if min(sizes.values()) < ENOUGH_OF_LABEL or not found.applicability.applicable:
        return None
    grids = {y: known["by_label"][str(y)][model] for y in (0, 1)}
    return prediction_set(label_p_values(grids, sizes, found.scores[model]), ERROR)


def in_words(known: Mapping[str, Any], labels: list[int]) -> str:
    """Return a prediction set as a reader takes it."""
    if len(labels) == 1:
        return known["label"] if labels[0] else f"not {known['label']}"
    return "cannot say" if labels else "neither label fits"


def reading(study: Study, known: Mapping[str, Any], found: Prediction) -> dict[str, Any]:
    """Return the facts of the sentences on a prediction."""
    missing = CLINICAL in design.parts(study.settings) and "Clinical" not in found.scores
    primary = known["primary"]
    rule, threshold = threshold_of(known, primary)
    score = found.scores.get(primary)
    labels = labels_of(known, found, primary) if score is not None else None
    return {
        "synthetic": known["synthetic"],
        "label": known["label"],
        "refused": found.applicability.refused,
        "unlike": found.applicability.unlike,
        "notes": found.applicability.notes,
        "asked": list(study.settings.clinical.predictors) if missing else [],
        "model": elsewhere(study),
        "primary": primary,
        "score": score,
        "rule": rule,
        "threshold": threshold,
        "set": "" if labels is None else in_words(known, labels),
        "labels": labels,
        "error": ERROR,
        "below": None if score is None else share_below(known["training_scores"][primary], score),
        "calibration": calibration(known, primary),
    }


def calibration(known: Mapping[str, Any], model: str) -> list[dict[str, Any]]:
    """Return a model's calibration slope in each cohort that gave one, with its interval."""
    rows = known["performance"]
    return [
        r for r in rows
        if r["model"] == model and r["metric"] == "calibration_slope" and r["value"] is not None
    ]  # fmt: skip


def elsewhere(study: Study) -> str:
    """Return the model whose features are made elsewhere, "" where the study has none."""
    return study.settings.features.model_name if study.settings.features.table else ""


def save_map(out: Path, heat: sitk.Image | None) -> None:
    """Write gradcam.nii.gz, the map on the CT's grid, to `out`, where there is a map."""
    path = out / MAP_FILE
    if heat is None:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as part:
        sitk.WriteImage(heat, str(part), useCompression=True)


def grid_of(scan: Scan) -> dict[str, Any]:
    """Return the CT's grid and how it was acquired, as acquisition.csv has them."""
    return acquisition_row(scan.ct, scan.acquisition, scan.file_grid)


def save(
    study: Study, known: Mapping[str, Any], out: Path, found: Prediction, scan: Scan | None
) -> None:
    """Write prediction.json to `out` (docs/predict.md); without images it says nothing of a CT."""
    rows, names = table(known, found).set_index("model"), list(found.scores)
    content = {
        "label": known["label"],
        "models_from_synthetic_data": known["synthetic"],
        "for_research_only": True,
        "words": say("new_patient", "verdict", **reading(study, known, found)).replace("**", ""),
        "applicable": found.applicability.applicable,
        "refused": bool(found.applicability.refused),
        "reasons": found.applicability.reasons,
        "notes": list(found.applicability.notes),
        "primary": known["primary"],
        "probability": found.scores,
        "training_patients_below": rows.training_patients_below.to_dict(),
        "thresholds": {name: known["thresholds"].get(name, {}) for name in names},
        "at_or_above": {
            name: {rule: found.scores[name] >= t for rule, t in rules.items() if rule in USED}
            for name in names if (rules := known["thresholds"].get(name))
        },
        "prediction_set": {name: labels_of(known, found, name) for name in names},
        "prediction_set_error": ERROR,
        "calibration": {name: calibration(known, name) for name in names},
        "signature": {} if found.signature is None else found.signature.astype(float).to_dict(),
        "no_score": [name for name in [elsewhere(study)] if name],
        "fitted_with": study.fitted_with(),
        "ct": grid_of(scan) if scan else None,
    }  # fmt: skip
    write_json(out / PREDICTION, content)
