"""Boxes in the place of outlines, as columns of cohort.csv give them.

Either the centre and the size in mm, in the patient's coordinates as DICOM and ITK have them (LPS),
or two corners in voxels of the CT's file, counted from 0. A box is kept as one text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.images.grids import canonical, corners, describe_grid, to_index
from radiogenomics.study.errors import ImageFault

CENTRE = ("box_x_mm", "box_y_mm", "box_z_mm")
SIZE, SIZES = "box_size_mm", ("box_size_x_mm", "box_size_y_mm", "box_size_z_mm")
CORNERS = ("box_x1", "box_y1", "box_z1", "box_x2", "box_y2", "box_z2")
COLUMNS = (*CENTRE, SIZE, *SIZES, *CORNERS)
LABEL = "box"  # in column labels of masks.csv
NOTE = "a box of cohort.csv, not an outline"
EDGE = 0.501  # voxels beyond the centre of the outermost one where the CT ends


def boxed(table: pd.DataFrame) -> pd.Series:
    """Return of each row of a cohort whether its lesion is a box."""
    return table["box"] != "" if "box" in table else pd.Series(False, table.index)


def counted(masks: pd.DataFrame) -> dict[str, int]:
    """Return how many lesions of masks.csv are boxes, and of how many."""
    return {"boxes": int((masks.labels == LABEL).sum()), "masks": len(masks)}


def with_columns(raw: pd.DataFrame) -> pd.DataFrame:
    """Return a table's cells; one of boxes has all of their columns and a column mask then."""
    if not any(column in raw for column in COLUMNS):
        return raw
    return raw.assign(**{column: "" for column in ("mask", *COLUMNS) if column not in raw})


def with_boxes(raw: pd.DataFrame) -> pd.DataFrame:
    """Return a table's cells with each row's box as text in column box, in place of its columns.

    A row that names a mask has none, nor has one whose box has a fault.
    """
    if SIZE not in raw:
        return raw
    texts = ["" if list(faults(row)) else _text(row) for row in raw.to_dict("records")]
    return raw.drop(columns=list(COLUMNS)).assign(box=texts)


def _given(row: Mapping[str, str]) -> dict[str, str]:
    if row["mask"]:
        return {}
    return {column: row[column] for column in COLUMNS if row[column]}


def _text(row: Mapping[str, str]) -> str:
    """Return a box: its unit and six numbers, centre and sizes or the two corners."""
    given = _given(row)
    if not given:
        return ""
    names = (
        CORNERS if CORNERS[0] in given else (*CENTRE, *((SIZE,) * 3 if SIZE in given else SIZES))
    )
    unit = "voxels" if names is CORNERS else "mm"
    return " ".join([unit, *(repr(float(given[name])) for name in names)])


def faults(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield column and what is expected of each cell of a box that cannot be used.

    Args:
        row: the cells of cohort.csv; a box beside a mask is not looked at.
    """
    given = _given(row)
    if not given:
        return
    kinds = [kind for kind in (CENTRE, CORNERS) if {*kind} & {*given}]
    in_voxels, sizes = kinds == [CORNERS], (SIZE,) if SIZE in given else SIZES
    wanted = CORNERS if in_voxels else (*CENTRE, *sizes)
    lacking = [column for column in wanted if column not in given]
    if lacking:
        yield next(iter(given)), f"{', '.join(lacking)} in this row too"
    for column in [c for c in given if c not in wanted]:
        yield column, f"nothing beside {wanted[-1]}: one box, in mm or in voxels"
    numbers = pd.to_numeric(pd.Series(given), errors="coerce")
    for column, number in numbers.items():
        if not np.isfinite(number):
            yield column, "a number such as 12.5"
        elif column in (SIZE, *SIZES) and number <= 0:
            yield column, "mm above 0"
    for low, high in zip(CORNERS[:3], CORNERS[3:], strict=True):
        if in_voxels and numbers.get(high, np.inf) < numbers.get(low, -np.inf):
            yield high, f"at least {low}, {given[low]}"


def in_mm(box: str) -> sitk.Image | None:
    """Return a box in mm as a mask of one voxel; None of one in voxels, which needs its CT."""
    unit, numbers = _numbers(box)
    if unit != "mm":
        return None
    return _one_voxel(numbers[:3], numbers[3:], np.eye(3).ravel())


def _numbers(box: str) -> tuple[str, np.ndarray]:
    unit, *numbers = box.split()
    return unit, np.array(numbers, float)


def _one_voxel(centre: np.ndarray, size: np.ndarray, direction: np.ndarray) -> sitk.Image:
    image = sitk.Image([1, 1, 1], sitk.sitkUInt8) + 1
    image.SetOrigin(centre.tolist())
    image.SetSpacing(size.tolist())
    image.SetDirection(tuple(direction))
    return image


def on_ct(box: str, in_file: sitk.Image, ct: sitk.Image) -> sitk.Image:
    """Return a box as a mask of one voxel in canonical form; at least a voxel of the CT wide.

    Args:
        box: its text.
        in_file: the CT as its file has it, whose voxels are counted.
        ct: in canonical form.

    Raises:
        ImageFault: a part of the box lies outside the CT.
    """
    unit, numbers = _numbers(box)
    spacing, axes = np.array(in_file.GetSpacing()), np.array(in_file.GetDirection())
    if unit == "voxels":
        low, high = numbers[:3], numbers[3:]
        centre = in_file.TransformContinuousIndexToPhysicalPoint(((low + high) / 2).tolist())
        image = _one_voxel(np.array(centre), (high - low + 1) * spacing, axes)
    else:
        least = np.abs(axes.reshape(3, 3) * spacing).max(axis=1)
        image = _one_voxel(numbers[:3], np.maximum(numbers[3:], least), np.eye(3).ravel())
    _refuse_outside(image, ct)
    return canonical(image)


def _refuse_outside(image: sitk.Image, ct: sitk.Image) -> None:
    ends = corners(np.full(3, -0.5), np.full(3, 0.5))
    places = [image.TransformContinuousIndexToPhysicalPoint(end.tolist()) for end in ends]
    at = to_index(ct, np.array(places))
    if (at < -EDGE).any() or (at > np.array(ct.GetSize()) - 1 + EDGE).any():
        low, high = np.min(places, axis=0), np.max(places, axis=0)
        said = " to ".join("(" + ", ".join(f"{mm:.1f}" for mm in end) + ")" for end in (low, high))
        raise ImageFault(
            f"the box {said} mm (LPS) does not lie inside the CT: {describe_grid(ct)}. Expected: a "
            "box in this CT. Are x and y of LPS, or the voxels counted from 0 in this file?"
        )
