"""What makes tables of scores unusable, of `workbook compare`: each says whom it is about."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radiogenomics.study.contract import IN_SAMPLE, TRAIN
from radiogenomics.study.errors import TableFault

TEST = "test"
MOST_COHORTS = 20  # more values are a column of something else


def refuse(table: pd.DataFrame, path: Path) -> None:
    """Stop where scores cannot be compared.

    Args:
        table: of `other_scores.read_scores`.
        path: whose name messages begin with.

    Raises:
        TableFault: names the patients or the model.
    """
    _refuse_crossing(table, path)
    _refuse_disagreement(table, path)
    _refuse_in_sample_alone(table, path)
    _refuse_other_parameters(table, path)
    _refuse_untested(table, path)
    for kind, rows in _kinds(table):
        _refuse_unpaired(rows, kind, path)
        _refuse_one_label(rows, kind, path)


def _refuse_crossing(table: pd.DataFrame, path: Path) -> None:
    if table.cohort.nunique() > MOST_COHORTS:
        raise TableFault(
            f"{path.name}: column cohort holds {table.cohort.nunique()} names. Expected: at most "
            f"{MOST_COHORTS}, train and test cohorts. Correct the column."
        )
    sides = table.groupby("patient").cohort.nunique()
    both = sides.index[sides > 1].tolist()
    if both:
        raise TableFault(
            f"{path.name}: {len(both)} patients are in several cohorts: {some(both)}. "
            "Expected: each patient in one of them. Correct the column cohort."
        )


def _refuse_disagreement(table: pd.DataFrame, path: Path) -> None:
    labels = table.groupby("patient").label.nunique()
    both = labels.index[labels > 1].tolist()
    if both:
        rows = table[table.patient == both[0]].drop_duplicates("label")
        disagreement = ", ".join(f"{r.model} says {r.label}" for r in rows.itertuples())
        raise TableFault(
            f"{path.name}: the labels of {len(both)} patients disagree between models: "
            f"{some(both)} ({disagreement}). Expected: one label per patient."
        )


def _kinds(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    train = table[table.cohort == TRAIN]
    tests = [cohort for cohort in table.cohort.unique() if cohort != TRAIN] or [TEST]
    return [
        *((cohort, table[table.cohort == cohort]) for cohort in tests),
        ("training, in-sample", train[train.fold.isna()]),
        ("training, out-of-fold", train[train.fold.notna()]),
    ]


def _refuse_unpaired(rows: pd.DataFrame, kind: str, path: Path) -> None:
    """Stop where a model has a patient twice, or lacks patients that another model has."""
    everybody = pd.Index(rows.patient.unique())
    for model, part in rows.groupby("model", sort=False):
        twice = part.patient[part.patient.duplicated()].unique().tolist()
        if twice:
            raise TableFault(
                f"{path.name}: model {model} has {len(twice)} patients twice ({kind}): "
                f"{some(twice)}. Expected: one score per patient. Keep one row."
            )
        gone = everybody.difference(part.patient).tolist()
        if gone:
            raise TableFault(
                f"{path.name}: model {model} lacks {len(gone)} of {len(everybody)} patients "
                f"({kind}): {some(gone)}. Expected: every model scores the same patients, or no "
                "paired test is possible. Add these scores or leave the patients out of all models."
            )


def _refuse_untested(table: pd.DataFrame, path: Path) -> None:
    """Stop where a model has no test patient, or its training scores are of two sets of them."""
    for model, rows in table.groupby("model", sort=False):
        inside, outside = (pd.Index(part.patient) for _, part in _kinds(rows)[-2:])
        if not (rows.cohort != TRAIN).any() and (table.cohort != TRAIN).any():
            raise TableFault(
                f"{path.name}: model {model} has no test patient. Expected: the test patients of "
                "the other models. Add these scores, or leave the model out."
            )
        odd = inside.symmetric_difference(outside).tolist()
        if len(inside) and len(outside) and odd:
            raise TableFault(
                f"{path.name}: model {model} has {len(odd)} training patients with only one of an "
                f"in-sample and an out-of-fold score: {some(odd)}. Expected: both of each."
            )


def _refuse_one_label(rows: pd.DataFrame, kind: str, path: Path) -> None:
    """Stop where test patients, or training patients if there are any, are of one label."""
    labels = sorted(rows.label.unique().tolist())
    if len(labels) < 2 and (len(rows) or not kind.startswith("training, ")):
        raise TableFault(
            f"{path.name}: the labels of the patients ({kind}) are {labels}. Expected: both 0 and "
            "1. Scores of one label, or of training patients alone, cannot be evaluated: add "
            "patients, or leave these rows out."
        )


def _refuse_other_parameters(table: pd.DataFrame, path: Path) -> None:
    if "parameters" not in table:
        return
    parameters = table.groupby("model", sort=False).parameters.unique()
    for model, values in parameters[parameters.map(len) > 1].items():
        raise TableFault(
            f"{path.name}: model {model} has the parameters {some(values.tolist())}. Expected: "
            "one number in all rows of a model."
        )


def _refuse_in_sample_alone(table: pd.DataFrame, path: Path) -> None:
    if table.model.eq(IN_SAMPLE).all():
        raise TableFault(
            f"{path.name}: {IN_SAMPLE} is the only model. Expected: another name; this one is the "
            "workbook's in-sample stack, which is shown with other models and never alone. Rename "
            "it."
        )


def some(names: list[str]) -> str:
    """Return the first of some names, for an error."""
    return ", ".join(map(str, names[:5])) + (" and others" if len(names) > 5 else "")
