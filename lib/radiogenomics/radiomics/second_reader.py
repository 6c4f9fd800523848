"""The second reader: his outlines, their overlap with the first's, and what is measured in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.images import anonymity
from radiogenomics.images.boxes import boxed
from radiogenomics.images.formats import content_hash
from radiogenomics.images.scans import read_pair
from radiogenomics.radiomics.features import extract_cohort
from radiogenomics.study import tables
from radiogenomics.study.study import Study


def with_second(patients: pd.DataFrame) -> pd.DataFrame:
    """Return the patients whom a second reader outlined, his mask in the place of `mask`."""
    if "mask_2" not in patients:
        return patients.iloc[:0]
    both = patients[patients.mask_2.map(_there) & ~boxed(patients)]  # a box is no first reading
    hashes = [content_hash(Path(p)) for p in both.mask_2]
    return both.assign(mask_1=both["mask"], mask=both.mask_2, mask_hash=hashes)


def _there(path: str | float) -> bool:
    return isinstance(path, str) and path != "" and Path(path).exists()


def second_features(
    study: Study, patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return the features of the second reader's masks and the failures, as `extract_cohort`."""
    return extract_cohort(study, with_second(patients), progress)


def agreement(patients: pd.DataFrame) -> pd.DataFrame:
    """Return readers.csv: patient, dice, volume_1_mm3, volume_2_mm3, reason (where unreadable)."""
    rows = []
    for row in with_second(patients).to_dict("records"):
        try:
            first, second = (read_pair(row | {"mask": row[name]})[1] for name in ("mask_1", "mask"))
            rows.append({"patient": row["patient"], **_overlap(first, second), "reason": ""})
        except Exception as fault:  # noqa: BLE001 - one patient's files never stop the batch
            rows.append(
                {
                    "patient": row["patient"],
                    "reason": anonymity.reason(fault, (row["ct"], row["mask"]), row["patient"]),
                }
            )
    return tables.READERS.frame(rows)


def _overlap(first: sitk.Image, second: sitk.Image) -> dict[str, float]:
    inside_1, inside_2 = (sitk.GetArrayViewFromImage(mask) > 0 for mask in (first, second))
    voxel = float(np.prod(first.GetSpacing()))
    return {
        "dice": 2 * float((inside_1 & inside_2).sum()) / float(inside_1.sum() + inside_2.sum()),
        "volume_1_mm3": inside_1.sum() * voxel,
        "volume_2_mm3": inside_2.sum() * voxel,
    }
