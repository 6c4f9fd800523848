"""A lesion of a DICOM RTSTRUCT as a mask on the CT's grid; arrays are (z, y, x).

No kept library reads RTSTRUCT with its holes onto a given grid (rt-utils: last release 2023).
"""

from __future__ import annotations

import numpy as np
import pydicom
import SimpleITK as sitk
from skimage.draw import polygon

from radiogenomics.images.dicom.drawings import BETWEEN, chosen, outside_ct
from radiogenomics.images.grids import mask_on, to_index
from radiogenomics.study.errors import ImageFault

FILLED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
TOGETHER = 0.05  # slices: contours of an outline and its hole lie at most so far apart
FINE = 6  # decimals of a voxel that count in a contour: float noise does not


def roi_mask(
    drawing: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Fill an RTSTRUCT's contours: a voxel is inside where its centre is.

    Contours at one height are taken even-odd, so that one inside another is a hole; a contour
    between two slices goes to the nearer one. Returned are the mask (uint8, 0 or 1) and what to
    note.

    Args:
        drawing: what `drawings.read_drawing` returned.
        label: number or name of the ROI; empty: the only one.
        ct: gives the grid.
        name: of the file, for messages.

    Raises:
        ImageFault: no such ROI, nothing drawn, contours off the CT or its slices.
    """
    titles = {int(r.ROINumber): str(r.get("ROIName", "")) for r in drawing.StructureSetROISequence}
    number = chosen(titles, label, "ROI", name)
    rois = [r for r in drawing.get("ROIContourSequence", []) if r.ReferencedROINumber == number]
    drawn = [c for roi in rois for c in roi.get("ContourSequence", [])]
    filled = [
        c
        for c in drawn
        if c.get("ContourGeometricType", FILLED[0]) in FILLED
        and len(c.get("ContourData") or []) > 6
    ]  # two points enclose nothing
    if not filled:
        raise ImageFault(
            f"{name}: ROI {number} {titles[number]!r} has {len(drawn)} contours, none of them "
            "closed. Expected: the lesion's outlines. Draw them."
        )
    if any(len(c.ContourData) % 3 for c in filled):
        raise ImageFault(
            f"{name}: a contour does not have x, y, z for each point. Export it again."
        )
    points = [np.array(c.ContourData, float).reshape(-1, 3) for c in filled]
    index = [to_index(ct, p) for p in points]
    _check_planar(index, ct, name)
    by_height = _by_height(index)
    mask = np.zeros(ct.GetSize()[::-1], bool)
    for height, group in by_height.items():
        nearest = min(int(np.floor(height + 0.5)), len(mask) - 1)  # halves all go upwards
        mask[nearest] |= _even_odd(group, mask.shape[1:])
    if not mask.any():
        raise ImageFault(
            f"{name}: the {len(filled)} contours of ROI {number} {titles[number]!r} enclose no "
            "voxel's centre. Expected: a lesion of voxels. Draw it on this CT."
        )
    between = [h for h in by_height if abs(h - round(h)) > BETWEEN]
    notes = [f"{len(between)} of {len(by_height)} contour heights lie between slices"]
    notes = notes if between else []
    open_ = sum(c.get("ContourGeometricType") == "OPEN_PLANAR" for c in drawn)
    notes += [f"{open_} open contours left out: they enclose nothing"] if open_ else []
    return mask_on(ct, mask), notes


def _by_height(index: list[np.ndarray]) -> dict[float, list[np.ndarray]]:
    """Return the contours by their height in slices; those of nearly one height belong together.

    A contour that is stored twice counts once.
    """
    once = {np.round(contour, FINE).tobytes(): contour for contour in index}
    groups: dict[float, list[np.ndarray]] = {}
    for contour in sorted(once.values(), key=lambda points: points[:, 2].mean()):
        height = float(contour[:, 2].mean())
        last = next(reversed(groups), -np.inf)
        groups.setdefault(last if height - last < TOGETHER else height, []).append(contour)
    return groups


def _even_odd(contours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    area = np.zeros(shape, bool)
    for contour in contours:
        down, across = np.round(contour[:, [1, 0]], FINE).T  # an edge on voxel centres stays there
        area[polygon(down, across, shape)] ^= True
    return area


def _check_planar(index: list[np.ndarray], ct: sitk.Image, name: str) -> None:
    leaning = sum(np.ptp(contour[:, 2]) > 0.5 for contour in index)
    if leaning:
        raise ImageFault(
            f"{name}: {leaning} of {len(index)} contours are not parallel to the slices. Expected: "
            "outlines "
            "in the CT's slices. Export outlines drawn on axial slices."
        )
    every = np.concatenate(index)
    size = np.array(ct.GetSize())
    outside = int(((every < -0.5) | (every > size - 0.5)).any(axis=1).sum())
    if outside:
        low, high = (
            ", ".join(f"{v:.1f}" for v in ct.TransformContinuousIndexToPhysicalPoint(end.tolist()))
            for end in (every.min(axis=0), every.max(axis=0))
        )
        drawn = f"{outside} of {len(every)} contour points, which span ({low}) to ({high}) mm"
        raise outside_ct(name, drawn, ct)
