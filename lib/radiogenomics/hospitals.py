"""Leave one hospital out: how well do the models travel, where there are three or more?"""

from __future__ import annotations

import pandas as pd

from radiogenomics import models, signature
from radiogenomics.evaluation import auc_interval
from radiogenomics.features import load_features
from radiogenomics.study import Study

FEWEST = 3  # hospitals


def leave_one_out(study: Study, patients: pd.DataFrame) -> pd.DataFrame:
    """Return each hospital's AUC by models that were fitted on all the others.

    Clinical, LR, SVM and Bayes, selection included; the CNN is not trained again. A hospital
    with one label only has no AUC.

    Args:
        study: settings and seed.
        patients: with hospital and label.

    Returns:
        hospital, model, n, events, auc, ci_low, ci_high; no rows with fewer than three
        hospitals, or where the study has no features.
    """
    names = ["hospital", "model", "n", "events", "auc", "ci_low", "ci_high"]
    known = "hospital" in patients and (study.tables / "features.parquet").exists()
    if not known or patients.hospital.nunique() < FEWEST:
        return pd.DataFrame(columns=names)
    hospitals, features = patients.hospital.unique(), load_features(study)
    rows = []
    for hospital in hospitals:
        held = patients.hospital == hospital
        scores = _scores(study, patients[~held], patients[held], features)
        labels = patients.label[held].to_numpy(int)
        for model, score in scores.items():
            found = [float("nan")] * 3
            if 0 < labels.sum() < len(labels):
                found = auc_interval(labels, score, study.settings.evaluation.confidence)
            rows.append((hospital, model, len(labels), int(labels.sum()), *found))
    return pd.DataFrame(rows, columns=names)


def _scores(study: Study, rest: pd.DataFrame, held: pd.DataFrame, features: pd.DataFrame) -> dict:
    seed, labels = study.settings.seed, rest.label.to_numpy(int)
    selector = signature.signature_pipeline(study.settings.radiomics, seed)
    inside = selector.fit_transform(features.loc[rest.patient], labels)
    outside = selector.transform(features.loc[held.patient])
    scores = {
        name: models.probability(model.fit(inside, labels), outside)
        for name, model in models.radiomics_models(seed).items()
    }
    predictors = study.settings.clinical.predictors
    known, new = (models.clinical_columns(part, predictors) for part in (rest, held))
    fitted = models.clinical_model().fit(known, labels)
    return {"Clinical": models.probability(fitted, new)} | scores
