"""Several rows a patient in cohort.csv, one a lesion: made one, as `images.lesions` reads it."""

from __future__ import annotations

import os
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from radiogenomics.images import boxes, lesions
from radiogenomics.study import design
from radiogenomics.study.settings import NETWORK, Lesions, Settings

LESION = "lesion"  # the column that names a patient's lesions
OWN = (LESION, "mask", "mask_label", "mask_2", *boxes.COLUMNS)  # in which rows may differ
RULE = "study.toml [lesions] rule"


def inside(path: str) -> bool:
    """Return whether a path cannot leave the study folder, on any system."""
    windows = PureWindowsPath(path)
    return not (windows.drive or windows.root or ".." in windows.parts)


def with_lesions(raw: pd.DataFrame, settings: Settings) -> tuple[pd.DataFrame, list[str]]:
    """Return a table of one row a patient, with column `lesions`, and what is wrong with it.

    Rows of one patient agree in all but the lesion's name, mask and label; what a further row
    leaves empty is as in the first. The index stays that of the table's rows.

    Args:
        raw: the cells of cohort.csv, images' columns among them.
        settings: [lesions] and the label's column.
    """
    rules, named = settings.lesions, raw.get(LESION, pd.Series("", raw.index))
    again = raw.patient.duplicated(keep=False) & (raw.patient != "") & (LESION in raw)
    if not again.any() and rules.in_mask == "one":
        return raw.drop(columns=LESION, errors="ignore"), []
    patients = raw[again].groupby("patient", sort=False)
    faults = _rule_faults(rules, patients.ngroups, NETWORK in design.parts(settings))
    for patient, rows in patients:
        faults += _row_faults(patient, rows, named, settings)
    texts = pd.Series("", raw.index)
    drawn = raw["mask"] != ""
    texts[drawn & ~again] = lesions.of_mask(rules)
    single = raw.drop(columns=LESION, errors="ignore").assign(**{lesions.COLUMN: texts})
    first = ~(again & raw.patient.duplicated())
    for _, rows in patients:
        single.loc[rows.index[0], lesions.COLUMN] = _text(rows, rules)
        if rules.rule != "index" and "mask_2" in raw:  # drawn on one of them
            single.loc[rows.index[0], "mask_2"] = ""
    return single[first], faults


def _text(rows: pd.DataFrame, rules: Lesions) -> str:
    beside, others = PurePosixPath(rows["mask"].iloc[0]).parent, ()
    if rules.rule != "index":
        labels = rows.get("mask_label", pd.Series("", rows.index))
        paths = [os.path.relpath(path, beside).replace(os.sep, "/") for path in rows["mask"]]
        others = tuple(zip(paths, labels, strict=True))[1:]
    return lesions.Lesions(rules.rule, rules.in_mask, len(rows), others).text()


def _rule_faults(rules: Lesions, patients: int, network: bool) -> list[str]:
    if network and rules.rule not in lesions.RULES:
        held = f"{patients} patients have several rows" if patients else "in_mask names several"
        return [
            f"{held}, and {RULE} is {rules.rule!r}, which is of features; the network reads one "
            f"lesion a patient. Expected: {', '.join(lesions.RULES)}, or a study without the "
            "network: parts = ['clinical', 'radiomics']."
        ]
    if rules.in_mask == "components" and rules.rule == "index":
        return [
            f"the parts of a mask have no order, and {RULE} is 'index'. Expected: largest or union."
        ]
    return []


def _row_faults(
    patient: str, rows: pd.DataFrame, named: pd.Series, settings: Settings
) -> list[str]:
    where = f"rows {', '.join(str(i + 2) for i in rows.index)}: patient {patient}"
    faults = [f"{where} has mask {path!r}. Expected: a path inside the study folder."
              for path in rows["mask"] if not inside(path)]  # fmt: skip
    own, label = named[rows.index].str.casefold(), settings.label.column.lower()
    if (own == "").any() or own.duplicated().any():
        faults.append(
            f"{where} has lesions of one name, or of none. Expected: a name or number of each "
            f"(column {LESION}), or one row."
        )
    for column in [c for c in rows if c not in OWN]:
        values = [value for value in dict.fromkeys(rows[column]) if value]
        if len(values) < 2:
            continue
        held = f"{where} has {column} {' and '.join(map(repr, values))}. Expected: one value. "
        faults.append(held + (
            "A study's label is the patient's: keep the lesion that was tested. Scores of lesions "
            "with labels of their own are compared by workbook compare." if column == label
            else "Write it in the first row, or the same in all."
        ))  # fmt: skip
    if settings.lesions.rule != "index" and np.any(rows.filter([*boxes.COLUMNS]) != ""):
        faults.append(f"{where} has lesions that are boxes. Expected: {RULE} = 'index', or masks.")
    return faults
