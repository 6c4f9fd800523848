"""Where outlines made in the workbook are kept, and how a row of cohort.csv comes to have one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radiogenomics.study.files import read_json

FOLDER = "outlines"  # in the study folder
AUTOMATIC, CORRECTED = "automatic", "semi-automatic"  # as column segmentation says


def file_of(patient: str) -> str:
    """Return the path of a patient's outline in the study folder."""
    return f"{FOLDER}/{patient}.nii.gz"


def with_outlines(raw: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return a table's cells with the outlines kept in place of masks that it does not name.

    Column `segmentation` says of these how they were made; without their record, automatic.
    """
    if "mask" not in raw or not (folder / FOLDER).is_dir():
        return raw
    there = [
        mask == "" and patient != "" and (folder / file_of(patient)).is_file()
        for patient, mask in zip(raw.patient, raw["mask"], strict=True)
    ]
    if not any(there):
        return raw
    made = raw.get("segmentation", pd.Series("", raw.index)).copy()
    named = raw["mask"].copy()
    for row in raw.index[there]:
        patient = raw.patient[row]
        named[row], made[row] = file_of(patient), _how(folder / FOLDER / f"{patient}.json")
    return raw.assign(mask=named, segmentation=made)


def _how(record: Path) -> str:
    if not record.is_file():
        return AUTOMATIC
    found = read_json(record)
    how = found.get("how") if isinstance(found, dict) else ""
    return how if how in (AUTOMATIC, CORRECTED, "manual") else AUTOMATIC
