"""Score a new patient with the saved models."""

from __future__ import annotations

from collections.abc import Mapping
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
from radiogenomics.models import classical, classifiers, network, predictions
from radiogenomics.radiomics.features import extract
from radiogenomics.study import design
from radiogenomics.study.errors import ModelMismatch, UsageError
from radiogenomics.study.files import SHIPPED, whole_file, write_json
from radiogenomics.study.settings import CLINICAL, NETWORK, RADIOMICS
from radiogenomics.study.study import Study

EXAMPLE = SHIPPED / "data" / "example_patient"


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


def predict(
    study: Study, scan: Scan | None, person: Mapping[str, str | float]
) -> tuple[dict[str, float], np.ndarray | None]:
    """Return the probability of label 1 by each of the study's models, and the network's input.

    The input is (z, y, x, 1), None without a network.

    Args:
        study: whose models are used, with the settings that they were fitted with (`as_fitted`).
        scan: CT and mask on one grid; None for a study without images.
        person: the clinical predictors as in cohort.csv; without all of them, or where one is
            empty, the clinical model has no score.

    Raises:
        StudyError: a model is missing, the lesion vanishes at the study's spacing, a clinical
            value that the model does not know.
    """
    parts, scores, volume = design.parts(study.settings), {}, None
    if RADIOMICS in parts:
        names = classical.load_signature(study)
        row = extract(scan.ct, scan.mask, study.settings.radiomics)[names].to_frame().T
        for name in (model.name for model in classifiers.on_signature(study.settings)):
            model = classical.load_model(study, name)
            scores[name] = float(classical.probability(model, row)[0])
    if NETWORK in parts:
        volume = preprocess(scan.ct, scan.mask, study.settings.preprocessing)[..., np.newaxis]
        trained = network.load_network(study)
        scores["CNN"] = float(network.score(trained, volume[np.newaxis])[0])
    if design.stacked(study.settings):
        both = classical.stack_inputs(np.array([scores["CNN"]]), np.array([scores["SVM"]]))
        scores["Com"] = float(classical.probability(classical.load_model(study, "Com"), both)[0])
    known = all(str(person.get(p, "")) for p in study.settings.clinical.predictors)
    if CLINICAL in parts and known:
        scores["Clinical"] = clinical_score(study, person)
    return scores, volume


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


def place_among_training(study: Study, scores: dict[str, float]) -> pd.DataFrame:
    """Return each score and the share of training patients (out-of-fold) who score lower."""
    training = predictions.select(predictions.read_scores(study), "out_of_fold")
    rows = [
        (name, score, float((training.score[training.model == name] < score).mean()))
        for name, score in scores.items()
    ]
    return pd.DataFrame(rows, columns=["model", "probability", "training_patients_below"])


def reading(study: Study, table: pd.DataFrame) -> dict[str, Any]:
    """Return which models extrapolate, which predictors are missing, which model has no score."""
    below = table.training_patients_below
    missing = CLINICAL in design.parts(study.settings) and "Clinical" not in set(table.model)
    return {
        "synthetic": study.settings.synthetic,
        "beyond": table.model[(below == 0) | (below == 1)].tolist(),
        "asked": list(study.settings.clinical.predictors) if missing else [],
        "model": elsewhere(study),
    }


def elsewhere(study: Study) -> str:
    """Return the model whose features are made elsewhere, "" where the study has none."""
    return study.settings.features.model_name if study.settings.features.table else ""


def save_map(out: Path, heat: sitk.Image | None) -> None:
    """Write gradcam.nii.gz, the map on the CT's grid, to `out`, where there is a map."""
    path = out / "gradcam.nii.gz"
    if heat is None:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as part:
        sitk.WriteImage(heat, str(part), useCompression=True)


def grid_of(scan: Scan) -> dict[str, Any]:
    """Return the CT's grid and how it was acquired, as acquisition.csv has them."""
    return acquisition_row(scan.ct, scan.acquisition, scan.file_grid)


def save(study: Study, out: Path, table: pd.DataFrame, scan: Scan | None) -> None:
    """Write prediction.json to `out`; without images it says nothing of a CT."""
    content = {
        "label": study.settings.label.name,
        "models_from_synthetic_data": study.settings.synthetic,
        "for_research_only": True,
        "probability": dict(zip(table.model, table.probability, strict=True)),
        "training_patients_below": dict(
            zip(table.model, table.training_patients_below, strict=True)
        ),
        "no_score": [name for name in [elsewhere(study)] if name],
        "fitted_with": study.fitted_with(),
        "ct": grid_of(scan) if scan else None,
    }
    write_json(out / "prediction.json", content)
