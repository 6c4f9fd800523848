"""Masks that are image files, and any mask brought onto its CT's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiogenomics.images import nrrd
from radiogenomics.images.dicom.drawings import chosen, numbers, read_drawing
from radiogenomics.images.formats import notes_of, read_file, read_with
from radiogenomics.images.grids import (
    axes,
    box,
    box_of,
    describe_grid,
    mask_on,
    nearest,
    places,
    same_but_moved,
    same_grid,
    to_index,
)
from radiogenomics.study.errors import ImageFault

NEARLY_WHOLE = 1e-4  # what a mask's scaled values may miss whole numbers by


def file_mask(path: Path, label: str) -> tuple[sitk.Image, str, list[str]]:
    """Return the lesion in a mask that is an image file, what the file holds, and what to note."""
    segments = {}
    if path.suffix.lower() == ".nrrd":
        segments = read_with(path, lambda kind: nrrd.segments(path))
    if segments:
        mask, held = _segment(path, segments, label), ", ".join(map(str, _numbered(segments)))
        return mask, held, _notes(path)
    labels = whole(read_file(path))
    present = np.unique(sitk.GetArrayViewFromImage(labels))
    mask = _labelled(labels, present, label, path.name)
    return mask, _listed(present[present != 0]), _notes(path) + _others(present) * (not label)


def labels_in(path: Path) -> list[str]:
    """Return the labels of a mask, or the numbers of its segments or ROIs, as mask_label has them.

    One that holds none has "", so that reading it says what is wrong.
    """
    if drawing := read_drawing(path):
        return [str(number) for number in numbers(drawing)] or [""]
    if path.suffix.lower() == ".nrrd":
        segments = read_with(path, lambda kind: nrrd.segments(path))
        if segments:
            return [str(number) for number in _numbered(segments)]
    values = np.unique(sitk.GetArrayFromImage(whole(read_file(path))))
    return [f"{value:g}" for value in values if value] or [""]


def _notes(path: Path) -> list[str]:
    return [f"mask: {note}" for note in notes_of(path)]


def _numbered(segments: dict[str, tuple[int, int]]) -> dict[int, str]:
    return dict(enumerate(segments, start=1))


def _segment(path: Path, segments: dict[str, tuple[int, int]], label: str) -> sitk.Image:
    names = _numbered(segments)
    parts = [segments[names[n]] for n in chosen(names, label, "segment", path.name)]
    mask = read_with(path, lambda kind: nrrd.segment_mask(path, parts))
    if not sitk.GetArrayViewFromImage(mask).any():
        raise ImageFault(f"{path.name}: segment {label} is empty. Expected: the lesion.")
    return mask


def _listed(values: np.ndarray) -> str:
    """Return values in words, the first six of them."""
    return ", ".join(f"{v:g}" for v in values[:6]) + ", …" * (len(values) > 6)


def whole(mask: sitk.Image) -> sitk.Image:
    """Return a mask whose values miss whole numbers by rounding alone with whole ones.

    A scaled NIfTI may hold 1 as 255 × 0.003921569.
    """
    values = sitk.GetArrayViewFromImage(mask)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        return mask
    near = np.abs(values - np.round(values)).max() <= NEARLY_WHOLE
    return sitk.Cast(sitk.Round(mask), sitk.sitkInt32) if near else mask


def _others(present: np.ndarray) -> list[str]:
    """Return a note where label 1 was taken because none was named, and others are there."""
    others = [f"{v:g}" for v in present if v not in (0, 1)]
    return [f"label 1 used, not {', '.join(others[:6])}; name one in mask_label"] * bool(others)


def _labelled(mask: sitk.Image, present: np.ndarray, label: str, name: str) -> sitk.Image:
    """Return the voxels of one label, or of several joined by +, of those present, as 1."""
    try:
        wanted = [float(part) for part in (label or "1").split("+")]
    except ValueError:
        wanted = [float("nan")]
    numbers = (present == np.round(present)).all()
    if numbers and all(value in present and value for value in wanted):
        return mask_on(mask, np.isin(sitk.GetArrayViewFromImage(mask), wanted))
    lesions = present[present != 0]
    remedy = "Draw the lesion, or set mask_label in cohort.csv."
    if not numbers:
        remedy = "Fractions are not labels: choose a threshold and save the lesion as 0 and 1."
    elif len(lesions) == 1:
        remedy = f"If that is the lesion, set mask_label = {int(lesions[0])} in cohort.csv."
    elif not len(lesions):
        remedy = "The mask is empty: draw the lesion."
    raise ImageFault(
        f"{name} holds the labels {_listed(present)}. Expected: {label or 1}, the lesion. {remedy}"
    )


def on_the_cts_grid(ct: sitk.Image, mask: sitk.Image, name: str) -> tuple[sitk.Image, list[str]]:
    """Return a mask on the CT's grid, both in canonical form, and a note on how it came there.

    A mask of the CT's size and spacing that lies less than a voxel away is on the same grid:
    writers differ in whether a position is a voxel's centre or its corner.
    """
    away = np.array(mask.GetOrigin()) - np.array(ct.GetOrigin())
    if not same_but_moved(ct, mask) or (np.abs(axes(ct) @ away) >= ct.GetSpacing()).any():
        return _taken_over(ct, mask, name), ["mask copied from another grid"]
    note = f"mask lies {np.linalg.norm(away):.2f} mm beside the CT's grid: taken as on it"
    drawn = mask_on(ct, sitk.GetArrayViewFromImage(mask))
    return drawn, [] if same_grid(ct, mask) else [note]


def _taken_over(ct: sitk.Image, mask: sitk.Image, name: str) -> sitk.Image:
    _refuse_swapped(ct, mask, name)
    index = to_index(ct, places(mask, *box(mask)))
    outside = (index < -0.5).any() or (index > np.array(ct.GetSize()) - 0.5).any()
    if np.allclose(ct.GetDirection(), mask.GetDirection(), atol=1e-4):
        moved = nearest(mask, ct)
    else:
        moved = sitk.Resample(mask, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    if outside or not sitk.GetArrayViewFromImage(moved).any():
        raise ImageFault(
            f"{name} does not lie inside the CT: mask {describe_grid(mask)}; CT "
            f"{describe_grid(ct)}. Draw the lesion on this CT, or export both from one series."
        )
    _refuse_lost_header(ct, mask, name)
    return moved


def _refuse_lost_header(ct: sitk.Image, mask: sitk.Image, name: str) -> None:
    """Refuse a mask of the CT's size that says it lies elsewhere, as without its header."""
    away = np.abs(box_of(ct) - box_of(mask)).max()
    if ct.GetSize() == mask.GetSize() and away > max(ct.GetSpacing()):
        raise ImageFault(
            f"{name} has the CT's size but another position: mask {describe_grid(mask)}; CT "
            f"{describe_grid(ct)}. Expected: one grid. Save the mask with the CT's header."
        )


def _refuse_swapped(ct: sitk.Image, mask: sitk.Image, name: str) -> None:
    """Refuse a mask whose size is the CT's in another order while its axes are the CT's."""
    sizes = ct.GetSize(), mask.GetSize()
    same_axes = np.allclose(ct.GetDirection(), mask.GetDirection(), atol=1e-4)
    if sizes[0] != sizes[1] and sorted(sizes[0]) == sorted(sizes[1]) and same_axes:
        raise ImageFault(
            f"{name} has its axes swapped: mask {describe_grid(mask)}; CT {describe_grid(ct)}. "
            "Expected: the CT's order. Save the mask with the CT's header (x, y, z)."
        )


def refuse_litres(mask: sitk.Image, name: str) -> None:
    """Refuse a lesion above one litre: a wrong label, or a voxel size in another unit."""
    voxels = int(sitk.GetArrayViewFromImage(mask).sum())
    litres = voxels * float(np.prod(mask.GetSpacing())) / 1e6
    if litres > 1:
        raise ImageFault(
            f"{name}: the lesion has {litres:.1f} litres. Expected: under 1. Check the label and "
            "the voxels' size."
        )
