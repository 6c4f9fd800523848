"""Score a new patient with the saved models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics import cnn, models
from radiogenomics.features import extract
from radiogenomics.study import ROOT, Study, whole_file, write_json
from radiogenomics.volumes import preprocess

EXAMPLE = ROOT / "data" / "example_patient"


def predict(
    study: Study, ct: sitk.Image, mask: sitk.Image, sex: str = "", smoking: str = ""
) -> tuple[dict[str, float], np.ndarray]:
    """Return each model's probability of mutant, and the network's input (z, y, x, 1).

    Args:
        study: whose models and settings are used.
        ct: HU.
        mask: 1 in the lesion, on the CT's grid.
        sex: female or male; without it the clinical model has no score.
        smoking: never, former or current; likewise.

    Raises:
        StudyError: a model is missing, the lesion vanishes at the study's spacing.
    """
    volume = preprocess(ct, mask, study.settings.preprocessing)[..., np.newaxis]
    names = models.load_signature(study)
    row = extract(ct, mask, study.settings.radiomics)[names].to_frame().T
    scores = {
        name: float(models.probability(models.load_model(_model(study, name)), row)[0])
        for name in models.RADIOMICS
    }
    network = cnn.load(study.models / "cnn.keras")
    scores["CNN"] = float(cnn.score(network, volume[np.newaxis])[0])
    both = models.stack_inputs(np.array([scores["CNN"]]), np.array([scores["SVM"]]))
    scores["Com"] = float(models.probability(models.load_model(_model(study, "Com")), both)[0])
    given = {"sex": sex, "smoking": smoking}
    if all(given.get(p) for p in study.settings.clinical.predictors):
        table = pd.DataFrame([given | {"smoking_history": _ever(smoking)}])
        inputs = models.clinical_columns(table, study.settings.clinical.predictors)
        model = models.load_model(_model(study, "Clinical"))
        scores["Clinical"] = float(models.probability(model, inputs)[0])
    return scores, volume


def _model(study: Study, name: str) -> Path:
    return study.models / f"{name}.skops"


def _ever(smoking: str) -> str:
    return "never" if smoking == "never" else "ever"


def place_among_training(study: Study, scores: dict[str, float]) -> pd.DataFrame:
    """Return each score and the share of training patients (out-of-fold) who score lower."""
    known = models.select(models.read_scores(study), "out_of_fold")
    rows = [
        (name, score, float((known.score[known.model == name] < score).mean()))
        for name, score in scores.items()
    ]
    return pd.DataFrame(rows, columns=["model", "probability", "training_patients_below"])


def save(study: Study, out: Path, table: pd.DataFrame, heat: sitk.Image, grid: dict) -> None:
    """Write prediction.json and gradcam.nii.gz (the map on the CT's grid) to `out`."""
    with whole_file(out / "gradcam.nii.gz") as part:
        sitk.WriteImage(heat, str(part), useCompression=True)
    content = {
        "label": study.settings.label.name,
        "models_from_synthetic_data": study.settings.synthetic,
        "for_research_only": True,
        "probability": dict(zip(table.model, table.probability, strict=True)),
        "training_patients_below": dict(
            zip(table.model, table.training_patients_below, strict=True)
        ),
        "seed": study.settings.seed,
        "ct": grid,
    }
    write_json(out / "prediction.json", content)
