"""Outlines made in the workbook: kept in the study's folder `outlines`, with who made them and how.

A patient whose mask cohort.csv does not name has the outline that is kept, marked as what it is:
automatic where nobody has looked at it, semi-automatic (corrected by a person) where somebody has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.cohort.reading import read_cohort
from radiogenomics.images import anonymity, boxes
from radiogenomics.images.grids import canonical
from radiogenomics.images.growing import Grown, grow
from radiogenomics.images.masks import on_the_cts_grid
from radiogenomics.images.outlined import AUTOMATIC, FOLDER, file_of
from radiogenomics.images.scans import choice_of, read_ct
from radiogenomics.study.errors import ImageFault
from radiogenomics.study.files import read_json, whole_file, write_json
from radiogenomics.study.study import Study

POINT = ("point_x_mm", "point_y_mm", "point_z_mm")  # columns of cohort.csv: in the lesion, LPS
SMALLEST_BOX = 1.1  # times the box in which a lesion is grown


def patients_without_mask(study: Study) -> pd.DataFrame:
    """Return the rows of cohort.csv whose mask it does not name, with the CT's path.

    Raises:
        TableFault: as `read_cohort`.
    """
    table = read_cohort(study)
    own = str(study.folder / FOLDER)
    return table[(table["mask"] == "") | table["mask"].str.startswith(own)].reset_index(drop=True)


def read_of(row: dict[str, Any]) -> sitk.Image:
    """Return a patient's CT (HU, canonical), of whom there is no mask."""
    return read_ct(row["ct"], choice_of(row))[0]


def keep(study: Study, patient: str, mask: sitk.Image, about: dict[str, Any]) -> Path:
    """Write an outline (NIfTI) and, beside it, who made it and how; return its path."""
    path = study.folder / file_of(patient)
    with whole_file(path) as part:
        sitk.WriteImage(mask, str(part), useCompression=True)
    write_json(path.with_name(f"{patient}.json"), about | {"date": time.strftime("%Y-%m-%d")})
    return path


def kept(study: Study, patient: str) -> tuple[sitk.Image | None, dict[str, Any]]:
    """Return a patient's outline and what is known of it; None and nothing without one."""
    path = study.folder / file_of(patient)
    if not path.exists():
        return None, {}
    beside = path.with_name(f"{patient}.json")
    return canonical(sitk.ReadImage(str(path))), read_json(beside) if beside.exists() else {}


def told(grown: Grown) -> dict[str, Any]:
    """Return what is kept of how a lesion was grown."""
    return {
        "how": AUTOMATIC, "opening_mm": grown.opening_mm, "border_hu": round(grown.border_hu, 1),
        "volume_mm3": round(grown.volume_mm3, 1), "sphericity": round(grown.sphericity, 3),
        "doubts": list(grown.doubts),
    }  # fmt: skip


def grow_cohort(
    study: Study, opening_mm: float | None = None, border_hu: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Grow the lesion of every patient who has a point or a box, and neither mask nor outline.

    Returns:
        patient, volume_mm3, sphericity, opening_mm, doubts (words), reason (why there is none).
    """
    rows, table = [], patients_without_mask(study).to_dict("records")
    waiting = [row for row in table if not (study.folder / file_of(row["patient"])).exists()]
    for done, row in enumerate(waiting, start=1):
        rows.append({"patient": row["patient"], **_grown(study, row, opening_mm, border_hu)})
        progress(done, len(waiting))
    columns = ["patient", "volume_mm3", "sphericity", "opening_mm", "doubts", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _grown(
    study: Study, row: dict[str, Any], opening_mm: float | None, border_hu: float | None
) -> dict[str, Any]:
    try:
        ct = read_of(row)
        point, box = _where(row, ct)
        grown = grow(ct, point, opening_mm, border_hu, box)
    except Exception as fault:  # noqa: BLE001 - one patient's files never stop the batch
        return {"reason": anonymity.reason(fault, (row["ct"],), row["patient"])}
    about = told(grown)
    keep(study, row["patient"], grown.mask, about | {"point_mm": list(point)})
    return {**about, "doubts": "; ".join(grown.doubts), "reason": ""}


def _where(
    row: dict[str, Any], ct: sitk.Image
) -> tuple[tuple[float, float, float], sitk.Image | None]:
    """Return the point that a row gives, or the middle of its box, and the box as a mask."""
    given = [pd.to_numeric(row.get(name), errors="coerce") for name in POINT]
    point = tuple(float(v) for v in given) if all(pd.notna(v) for v in given) else None
    text = row.get("box", "")
    if point is None and not text:
        raise ImageFault(
            f"no point and no box. Expected: {', '.join(POINT)} (mm, LPS) in cohort.csv, or a box."
        )
    if not text:
        return point, None
    box = on_the_cts_grid(ct, _wider(boxes.on_ct(text, ct, ct)), "the box")[0]
    middle = np.argwhere(sitk.GetArrayViewFromImage(box)).mean(axis=0)[::-1]
    centre = ct.TransformContinuousIndexToPhysicalPoint(middle.tolist())
    return point or tuple(centre), box


def _wider(box: sitk.Image) -> sitk.Image:
    """Return a box (a mask of one voxel) a little larger: readers draw it close."""
    box.SetSpacing([s * SMALLEST_BOX for s in box.GetSpacing()])
    return box


def states(study: Study) -> Iterator[tuple[str, str]]:
    """Yield of each patient without a mask of cohort.csv the name, and what there is."""
    for patient in patients_without_mask(study).patient:
        image, about = kept(study, patient)
        how = about.get("how", "of unknown origin") if image is not None else "no outline"
        yield patient, how + (": look" if about.get("doubts") else "")
