"""The columns of patients whose scores `workbook compare` reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radiogenomics.cohort.dates import DATES
from radiogenomics.cohort.reading import EVER, canonical
from radiogenomics.comparison.other_faults import some
from radiogenomics.comparison.other_scores import read_table
from radiogenomics.study.cells import numbered
from radiogenomics.study.errors import TableFault
from radiogenomics.study.settings import Codes

USED = (  # columns that serve otherwise than as subgroups
    "patient", "label", "cohort", "smoking", "volume_mm3", "kernel", "ct", "mask", "mask_2",
    "mask_label", "interval_days", "cea", *DATES,
)  # fmt: skip
MEASURED = ("age", "thickness_mm", "volume_mm3")  # columns of numbers


def read_patients(path: Path | None, scores: pd.DataFrame) -> pd.DataFrame:
    """Read the columns of the scored patients (cohort.csv's form; images are not needed).

    Returns:
        One row a scored patient, index patient; cohort and label are the scores'. Without a
        table there are no other columns.

    Raises:
        TableFault: a patient that is missing or appears twice, a label or cohort that disagrees,
            a word among numbers.
    """
    scored = scores.drop_duplicates("patient").set_index("patient")[["cohort", "label"]]
    scored = scored.astype({"label": int}).rename_axis(None)
    if path is None:
        return scored.assign(patient=scored.index)
    raw = canonical(read_table(path, ("patient",)), Codes())
    twice = raw.patient[raw.patient.duplicated()].unique().tolist()
    gone = scored.index.difference(raw.patient, sort=False).tolist()
    for names, what in ((twice, "appear twice in"), (gone, "are missing in")):
        if names:
            raise TableFault(
                f"{len(names)} patients {what} {path.name}: {some(names)}. Expected: one row for "
                "each patient of the scores."
            )
    table = raw.set_index("patient", drop=False).loc[scored.index].rename_axis(None)
    _refuse_other_labels(table, scored, path)
    _refuse_other_cohorts(table, scored, path)
    table = table.replace("", pd.NA)
    _refuse_words(table, path)
    table = table.apply(numbered).assign(patient=scored.index)
    if "smoking" in table and "smoking_history" not in table:
        table["smoking_history"] = table.smoking.map(EVER).fillna(table.smoking)
    return table.assign(cohort=scored.cohort, label=scored.label)


def _refuse_other_labels(table: pd.DataFrame, scored: pd.DataFrame, path: Path) -> None:
    if "label" not in table:
        return
    given = pd.to_numeric(table.label, errors="coerce")
    other = table.index[given.notna() & (given != scored.label)].tolist()
    if other:
        raise TableFault(
            f"{path.name}: the labels of {len(other)} patients are not those of the scores: "
            f"{some(other)}. Expected: the same label in both tables."
        )


def _refuse_other_cohorts(table: pd.DataFrame, scored: pd.DataFrame, path: Path) -> None:
    if "cohort" not in table:
        return
    differs = table.cohort.str.casefold() != scored.cohort.str.casefold()
    other = table.index[(table.cohort != "") & differs].tolist()
    if other:
        raise TableFault(
            f"{path.name}: {len(other)} patients are of another cohort than the scores': "
            f"{some(other)}; the first is {table.cohort[other[0]]} here, "
            f"{scored.cohort[other[0]]} there. Expected: the same. Scores without a column cohort "
            "count as test: add it, or leave training patients out."
        )


def _refuse_words(table: pd.DataFrame, path: Path) -> None:
    """Stop where a measured column holds numbers and words; one of words alone makes groups."""
    for name in [name for name in MEASURED if name in table]:
        numbers = pd.to_numeric(table[name], errors="coerce")
        words = table.index[numbers.isna() & table[name].notna()].tolist()
        if words and numbers.notna().any():
            raise TableFault(
                f"{path.name}: {name} of {len(words)} patients is not a number: {some(words)}; "
                "the "
                f"first is {table[name][words[0]]!r}. Expected: a number, or empty."
            )
