"""What a column may serve as: not the label by another name, nor what is no trait of a patient."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from radiogenomics.study.contract import TRAIN
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study

OWN_COLUMNS = ("fault", "unread", "ct", "mask", "mask_2", "mask_label", "box", "lesions", "patient",
               "ct_series", "ct_acquisition", "ct_kernels", "cohort", "label")  # fmt: skip
OF_FILES = ("_hash", "_stamp")  # endings of columns that say which files were read
ENOUGH = 10  # training patients of each label: so many do not agree with another column by chance
ALIKE = 5  # patients a value, on average: a column of fewer is not one of categories


def role_faults(study: Study, table: pd.DataFrame) -> list[str]:
    """Return a fault for each column that study.toml names for what it cannot serve as.

    Args:
        study: names predictors, required columns and subgroups.
        table: `read_cohort`'s columns, `cohort` and `label` among them.
    """
    settings, faults, named_wrongly = study.settings, [], set()
    usable = [c for c in table if c not in (*OWN_COLUMNS, settings.label.column.lower())]
    given = type(settings.plan)().subgroups  # names of some that most cohorts do not have
    uses = {
        "[clinical] predictors": settings.clinical.predictors,
        "[eligibility] required": settings.eligibility.required,
        "[plan] subgroups": [c for c in settings.plan.subgroups if c not in given],
    }
    for where, named in uses.items():
        wrong = [c for c in named if c not in usable]
        named_wrongly |= set(wrong)
        if wrong:
            faults.append(
                f"study.toml {where} names {', '.join(wrong)}. Expected: columns of cohort.csv "
                "that describe a patient, not the label, the name, a path or the cohort: "
                f"{', '.join(usable)}. Remove it there, or add the column."
            )
    for column in set(recoded(settings, table)) - named_wrongly:
        faults.append(
            f"column {column}, which study.toml names, is the label in other words in all training "
            "patients. Expected: what was known before the label. Remove it from study.toml."
        )
    return faults


def _named(settings: Settings) -> list[str]:
    named = dict.fromkeys((*settings.clinical.predictors, *settings.plan.subgroups))
    return [column for column in named if column not in OWN_COLUMNS]


def recoded(settings: Settings, table: pd.DataFrame) -> list[str]:
    """Return predictors and subgroups that stand one to one for the label in training patients."""
    train = _training(table)
    if train.label.value_counts().reindex([0, 1], fill_value=0).min() < ENOUGH:
        return []
    named = [c for c in _named(settings) if c in train]
    pairs = {c: train[[c, "label"]].dropna().drop_duplicates() for c in named}
    return [c for c, pair in pairs.items() if (pair.nunique() == 2).all() and len(pair) == 2]


def separating(settings: Settings, table: pd.DataFrame) -> list[str]:
    """Return predictors that separate the labels of the training patients without an error."""
    train = _training(table)
    named = [c for c in _named(settings) if c in settings.clinical.predictors and c in train]
    return [c for c in named if separates(train, c)]


def separates(train: pd.DataFrame, column: str) -> bool:
    """Return whether a column tells every label: numbers by a threshold, categories each by one.

    Args:
        train: labelled training patients.
        column: numbers, or words of which each stands for several patients.
    """
    known = train[[column, "label"]].dropna()
    if known.label.nunique() < 2:
        return False
    numbers = pd.to_numeric(known[column], errors="coerce")
    if numbers.notna().all() and roc_auc_score(known.label, numbers) in (0, 1):
        return True
    few = known[column].nunique() <= len(known) / ALIKE
    return bool(few and (known.groupby(column).label.nunique() == 1).all())


def sealed(settings: Settings, table: pd.DataFrame) -> pd.DataFrame:
    """Return the patients without the test patients' labels, and without what tells them.

    That is the label, the column that it was read from, and every column, not named in study.toml,
    that separates the labels of the training patients.
    """
    test, train = table.cohort != TRAIN, _training(table)
    kept = {*OWN_COLUMNS, "hospital", *settings.eligibility.required, *_named(settings)}
    others = [c for c in table if c not in kept and not c.endswith(OF_FILES)]
    telling = [c for c in others if separates(train, c)]
    source = settings.label.column.lower()
    columns = {c for c in ("label", source, *telling) if c in table}
    return table.assign(**{c: _blank(table[c], test) for c in columns})


def _blank(values: pd.Series, where: pd.Series) -> pd.Series:
    whole = values.dtype.kind in "iu" if isinstance(values.dtype, np.dtype) else False
    return (values.astype("Int64") if whole else values).mask(where)


def _training(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.cohort == TRAIN) & table.label.notna()]
