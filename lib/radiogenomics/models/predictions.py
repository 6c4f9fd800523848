"""predictions.csv: every model's score of every patient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from radiogenomics.study import contract
from radiogenomics.study.contract import COLUMNS, MODELS
from radiogenomics.study.files import whole_file
from radiogenomics.study.study import Study


def trainings(table: pd.DataFrame) -> str:
    """Return cnn_trainings.csv's red sentence on trainings that learned nothing, else ""."""
    idle = table.training[~table.learned].tolist()
    if not idle:
        return ""
    return (
        f"{len(idle)} of {len(table)} trainings of the CNN learned nothing ({', '.join(idle)}): "
        "the validation loss is that of a coin, or the scores hardly differ. What rests on "
        "out-of-fold scores (thresholds, the combined model, recalibration) suffers with it."
    )


def score_rows(
    patients: pd.DataFrame, model: str, score: np.ndarray, fold: np.ndarray | None = None
) -> pd.DataFrame:
    """Return rows of predictions.csv, labels empty until notebook 05 joins them."""
    rows = patients[["patient", "cohort"]].assign(label=pd.NA, model=model, score=score)
    return rows.assign(fold=pd.array(fold, "Int64") if fold is not None else pd.NA)[COLUMNS]


def save_scores(study: Study, rows: pd.DataFrame) -> None:
    """Put these models' scores into predictions.csv in place of their earlier ones."""
    if study.predictions_csv.exists():
        kept = read_scores(study)
        rows = pd.concat([kept[~kept.model.isin(rows.model.unique())], rows])
    write_scores(study, rows)


def write_scores(study: Study, rows: pd.DataFrame) -> None:
    """Write predictions.csv whole."""
    rows = rows.astype({"label": "Int64", "fold": "Int64"})
    if study.settings.synthetic:
        rows["synthetic"] = True
    with whole_file(study.predictions_csv) as part:
        rows.to_csv(part, index=False)


def read_scores(study: Study) -> pd.DataFrame:
    """Read predictions.csv.

    Raises:
        StudyError: no model has been fitted yet.
    """
    if not study.predictions_csv.exists():
        raise study.not_yet("predictions.csv", contract.SELECTION)
    kinds = {"patient": str, "label": "Int64", "fold": "Int64"}
    return pd.read_csv(study.predictions_csv, dtype=kinds)


def select(scores: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of one kind: `external`, `in_sample` or `out_of_fold`."""
    if kind == "external":
        return scores[scores.cohort == "test"]
    train = scores[scores.cohort == "train"]
    return train[train.fold.isna()] if kind == "in_sample" else train[train.fold.notna()]


def score_table(scores: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return one column a model, one row a patient."""
    found = scores.model.unique().tolist()
    order = [m for m in MODELS if m in found] + [m for m in found if m not in MODELS]
    table = select(scores, kind).pivot(index="patient", columns="model", values="score")
    return table[[m for m in order if m in table]]


def training_scores(
    patients: pd.DataFrame, model: str, in_sample: np.ndarray, out_of_fold: np.ndarray,
    fold: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    """Return rows of predictions.csv of training patients: in-sample and out-of-fold."""
    whole = score_rows(patients, model, in_sample)
    return pd.concat([whole, score_rows(patients, model, out_of_fold, fold)], ignore_index=True)
