"""Patients of the built-in cohort who must be excluded, each for another reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.study.files import whole_file


def faulty_rows(folder: Path, table: pd.DataFrame, faults: int) -> pd.DataFrame:
    """Return rows of patients who must be excluded, each for another reason, in turn."""
    rows = table.iloc[np.arange(faults) % len(table)].copy()
    rows["patient"] = [f"F{i:03d}" for i in range(1, faults + 1)]
    kinds = (_too_young, _late_biopsy, _no_cea, _no_ct, _no_mask, _empty_mask, _broken_ct)
    changed = [kinds[i % len(kinds)](folder, row) for i, (_, row) in enumerate(rows.iterrows())]
    return pd.DataFrame(changed, columns=table.columns).astype(
        table.dtypes.to_dict(), errors="ignore"
    )


def _too_young(folder: Path, row: pd.Series) -> pd.Series:
    return _copied(folder, row, age=16)


def _late_biopsy(folder: Path, row: pd.Series) -> pd.Series:
    return _copied(folder, row, interval_days=30)


def _no_cea(folder: Path, row: pd.Series) -> pd.Series:
    return _copied(folder, row, cea="")


def _no_ct(folder: Path, row: pd.Series) -> pd.Series:
    return row.copy().replace({row.ct: f"scans/{row.patient}_ct.nii.gz", row.mask_2: ""})


def _no_mask(folder: Path, row: pd.Series) -> pd.Series:
    return row.copy().replace({row["mask"]: f"scans/{row.patient}_mask.nii.gz", row.mask_2: ""})


def _copied(folder: Path, row: pd.Series, **change: object) -> pd.Series:
    """Give the row scans of its own: the images of another patient with one voxel changed."""
    new = row.copy()
    for column in ("ct", "mask"):
        image = sitk.ReadImage(str(folder / row[column]))
        new[column] = f"scans/{row.patient}_{column}.nii.gz"
        if column == "ct":
            image[0, 0, 0] = int(row.patient[1:])
        with whole_file(folder / new[column]) as part:
            sitk.WriteImage(image, str(part), useCompression=True)
    new["mask_2"] = ""
    for column, value in change.items():
        new[column] = value
    return new


def _empty_mask(folder: Path, row: pd.Series) -> pd.Series:
    new = _copied(folder, row)
    image = sitk.ReadImage(str(folder / new["mask"])) * 0
    with whole_file(folder / new["mask"]) as part:
        sitk.WriteImage(image, str(part), useCompression=True)
    return new


def _broken_ct(folder: Path, row: pd.Series) -> pd.Series:
    new = _copied(folder, row)
    with whole_file(folder / new.ct) as part:
        part.write_bytes((folder / new.ct).read_bytes()[:5000])
    return new
