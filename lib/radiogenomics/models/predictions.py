"""predictions.csv: every model's score of every patient."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from radiogenomics.study import contract, design
from radiogenomics.study.cells import read_written, write_cells
from radiogenomics.study.contract import COLUMNS, MODELS, TRAIN
from radiogenomics.study.study import Study

Scored = tuple[pd.DataFrame, np.ndarray]  # patients and their scores


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


def drop_others(study: Study, names: Collection[str]) -> None:
    """Take the scores of models that are not of the study, any more, out of predictions.csv."""
    if study.predictions_csv.exists():
        kept = read_scores(study)
        if not kept.model.isin(names).all():
            write_scores(study, kept[kept.model.isin(names)])


def write_scores(study: Study, rows: pd.DataFrame) -> None:
    """Write predictions.csv whole."""
    rows = rows.astype({"label": "Int64", "fold": "Int64"})
    if study.settings.synthetic:
        rows["synthetic"] = True
    write_cells(study.predictions_csv, rows)


def read_scores(study: Study) -> pd.DataFrame:
    """Read predictions.csv, without models of parts that the study does not have (any more).

    Raises:
        StudyError: no model has been fitted yet.
    """
    if not study.predictions_csv.exists():
        raise study.not_yet("predictions.csv", contract.SELECTION)
    kinds = {"patient": str, "label": "Int64", "fold": "Int64"}
    scores = read_written(study.predictions_csv, COLUMNS, dtype=kinds)
    gone = {model.name for model in MODELS} - design.models(study.settings)
    return scores[~scores.model.isin(gone)]


def select(scores: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of one kind: `external` (of test patients), `in_sample`, `out_of_fold`."""
    if kind == "external":
        return scores[scores.cohort != TRAIN]
    train = scores[scores.cohort == TRAIN]
    return train[train.fold.isna()] if kind == "in_sample" else train[train.fold.notna()]


def by_cohort(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each test cohort and of training, by name: external cohorts first."""
    names = [str(name) for name in scores.cohort.unique() if name != TRAIN]
    ordered = sorted(names, key=lambda name: contract.kind_of(name) == "internal")
    return {name: scores[scores.cohort.isin([TRAIN, name])] for name in ordered}


def score_table(scores: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return one column per model, one row per patient."""
    names = scores.model.unique().tolist()
    own = [model.name for model in MODELS]
    order = [m for m in own if m in names] + [m for m in names if m not in own]
    table = select(scores, kind).pivot(index="patient", columns="model", values="score")
    return table[[m for m in order if m in table]]


def save(
    study: Study, model: str, train: Scored, test: Scored, oof: np.ndarray, fold: np.ndarray
) -> None:
    """Put a model's scores into predictions.csv in place of its earlier ones.

    Args:
        study: whose predictions.csv it is.
        model: its name.
        train: the training patients and their in-sample scores.
        test: the test patients and their scores.
        oof: the training patients' out-of-fold scores.
        fold: of each training patient.
    """
    outside = score_rows(train[0], model, oof, fold)
    rows = [score_rows(*_named(train, model)), outside, score_rows(*_named(test, model))]
    save_scores(study, pd.concat(rows, ignore_index=True))


def _named(side: Scored, model: str) -> tuple[pd.DataFrame, str, np.ndarray]:
    return side[0], model, side[1]
