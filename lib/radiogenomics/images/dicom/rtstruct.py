"""A lesion of a DICOM RTSTRUCT as a mask on the CT's grid; arrays are (z, y, x).

No kept library reads RTSTRUCT with its holes onto a given grid (rt-utils: last release 2023).
"""

from __future__ import annotations

import numpy as np
import pydicom
import SimpleITK as sitk
from skimage.draw import polygon
from skimage.measure import points_in_poly

from radiogenomics.images.dicom.drawings import BETWEEN, chosen, outside_ct
from radiogenomics.images.grids import mask_on, to_index
from radiogenomics.study.errors import ImageFault

CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
INSIDE = 0.95  # of a contour's points, from which it lies inside another
BEYOND = 5  # voxels that a contour may reach beyond the CT
TOGETHER = 0.05  # slices: contours of an outline and its hole lie at most so far apart
FINE = 4  # decimals of a voxel that count in a contour: the noise of float32 does not


def roi_mask(
    drawing: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Fill an RTSTRUCT's contours: a voxel is inside where its centre is.

    A contour inside another is a hole, contours that cross are united; one between two slices goes
    to the nearer one, one that reaches a few voxels beyond the CT is cut off there. Returned are
    the mask (uint8, 0 or 1) and what to note.

    Args:
        drawing: what `drawings.read_drawing` returned.
        label: number or name of the ROI; empty: the only one.
        ct: gives the grid.
        name: of the file, for messages.

    Raises:
        ImageFault: no such ROI, nothing drawn, contours off the CT or its slices.
    """
    titles = {int(r.ROINumber): str(r.get("ROIName", "")) for r in drawing.StructureSetROISequence}
    numbers = chosen(titles, label, "ROI", name)
    mask, notes = np.zeros(ct.GetSize()[::-1], bool), []
    for number in numbers:
        drawn = [
            contour
            for roi in drawing.get("ROIContourSequence", [])
            if roi.ReferencedROINumber == number
            for contour in roi.get("ContourSequence", [])
        ]
        said = f"ROI {number} {titles[number]!r}"
        index = _indices(_filled(drawn, said, name), ct, name)
        notes += _check_planar(index, ct, name)
        notes += _fill(mask, index, any(c.get("ContourGeometricType") == XOR for c in drawn))
        open_ = sum(c.get("ContourGeometricType") == "OPEN_PLANAR" for c in drawn)
        notes += [f"{open_} open contours left out: they enclose nothing"] if open_ else []
        if not mask.any():
            raise ImageFault(
                f"{name}: the {len(index)} contours of {said} enclose no voxel's centre. Expected: "
                "a lesion of voxels. Draw it on this CT."
            )
    return mask_on(ct, mask), notes


def _filled(drawn: list[pydicom.Dataset], said: str, name: str) -> list[pydicom.Dataset]:
    """Return the contours that enclose something: closed, of three points at least."""
    filled = [
        c
        for c in drawn
        if c.get("ContourGeometricType", CLOSED) in (CLOSED, XOR)
        and len(c.get("ContourData") or []) > 6
    ]
    if not filled:
        raise ImageFault(
            f"{name}: {said} has {len(drawn)} contours, none of them "
            "closed. Expected: the lesion's outlines. Draw them."
        )
    return filled


def _indices(contours: list[pydicom.Dataset], ct: sitk.Image, name: str) -> list[np.ndarray]:
    """Return contours (n, 3) in voxel indices x, y, z."""
    if any(len(c.ContourData) % 3 for c in contours):
        raise ImageFault(
            f"{name}: a contour does not have x, y, z for each point. Export it again."
        )
    return [to_index(ct, np.array(c.ContourData, float).reshape(-1, 3)) for c in contours]


def _fill(mask: np.ndarray, index: list[np.ndarray], even_odd: bool) -> list[str]:
    """Fill contours into a mask (z, y, x); return notes on how they lie."""
    by_height, crossing = _by_height(index), 0
    for height, group in by_height.items():
        nearest = int(np.floor(height + 0.5))  # halves all go upwards
        if nearest == len(mask) and height <= len(mask) - 0.5:
            nearest -= 1
        if not 0 <= nearest < len(mask):
            continue
        area, crossed = _area(group, mask.shape[1:], even_odd)
        mask[nearest] |= area
        crossing += crossed
    between = [h for h in by_height if abs(h - round(h)) > BETWEEN]
    said = f"{len(between)} of {len(by_height)} contour heights lie between slices"
    return [said] * bool(between) + [f"contours cross at {crossing} heights: united"] * bool(
        crossing
    )


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


def _area(
    contours: list[np.ndarray], shape: tuple[int, int], even_odd: bool
) -> tuple[np.ndarray, bool]:
    """Return what contours of one height enclose (y, x), and whether any two cross.

    One that lies wholly inside another is a hole in it, one inside a hole an island; two that
    cross are one area. `even_odd`: CLOSEDPLANAR_XOR says that every overlap is a hole.
    """
    points = [np.round(c[:, [1, 0]], FINE) for c in contours]  # an edge on voxel centres stays
    fills = [_polygon(corners, shape) for corners in points]
    if even_odd or len(points) == 1:
        return np.logical_xor.reduce(fills), False
    inside = np.array([[points_in_poly(a, b).mean() for b in points] for a in points])
    sizes = np.array([_enclosed(corners) for corners in points])
    holds = (inside >= INSIDE) & (sizes[np.newaxis] > sizes[:, np.newaxis])  # [a, b]: a in b
    crossed = (inside > 1 - INSIDE) & (inside < INSIDE) & ~np.eye(len(points), dtype=bool)
    depth = holds.sum(axis=1)
    area = np.zeros(shape, bool)
    for i in np.argsort(depth, kind="stable"):
        area = area & ~fills[i] if depth[i] % 2 else area | fills[i]
    return area, bool(crossed.any())


def _polygon(corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    area = np.zeros(shape, bool)
    area[polygon(*corners.T, shape)] = True
    return area


def _enclosed(corners: np.ndarray) -> float:
    """Return the area of a polygon (n, 2), by the shoelace formula."""
    x, y = corners.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _check_planar(index: list[np.ndarray], ct: sitk.Image, name: str) -> list[str]:
    """Refuse contours that do not lie in slices or leave the CT; a note where few voxels do."""
    leaning = sum(np.ptp(contour[:, 2]) > 0.5 for contour in index)
    if leaning:
        raise ImageFault(
            f"{name}: {leaning} of {len(index)} contours are not parallel to the slices. Expected: "
            "outlines in the CT's slices. Export outlines drawn on axial slices."
        )
    every = np.concatenate(index)
    size = np.array(ct.GetSize())
    outside = int(((every < -0.5) | (every > size - 0.5)).any(axis=1).sum())
    beyond = np.maximum(-0.5 - every.min(axis=0), every.max(axis=0) - (size - 0.5))
    if outside and (beyond <= BEYOND).all() and beyond[2] <= 1:
        away = float((beyond * ct.GetSpacing()).max())
        return [f"contours reach {away:.1f} mm beyond the CT: cut off there"]
    if outside:
        low, high = (
            ", ".join(f"{v:.1f}" for v in ct.TransformContinuousIndexToPhysicalPoint(end.tolist()))
            for end in (every.min(axis=0), every.max(axis=0))
        )
        drawn = f"{outside} of {len(every)} contour points, which span ({low}) to ({high}) mm"
        raise outside_ct(name, drawn, ct)
    return []
