"""Masks that are image files, and any mask brought onto its CT's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiogenomics.images import nrrd
from radiogenomics.images.dicom.drawings import chosen
from radiogenomics.images.formats import notes_of, read_file
from radiogenomics.images.grids import axes, box, box_of, describe_grid, mask_on, nearest, same_grid
from radiogenomics.study.errors import ImageFault

NEARLY_WHOLE = 1e-4  # what a mask's scaled values may miss whole numbers by


def file_mask(path: Path, label: str) -> tuple[sitk.Image, str, list[str]]:
    """Return the lesion in a mask that is an image file, what the file holds, and what to note."""
    notes = [f"mask: {note}" for note in notes_of(path)]
    segments = nrrd.segments(path) if path.suffix.lower() == ".nrrd" else {}
    if segments:
        numbered = dict(enumerate(segments, start=1))
        numbers = chosen(numbered, label, "segment", path.name)
        mask = nrrd.segment_mask(path, [numbered[n] for n in numbers])
        if not sitk.GetArrayViewFromImage(mask).any():
            raise ImageFault(f"{path.name}: segment {label} is empty. Expected: the lesion.")
        return mask, ", ".join(map(str, numbered)), notes
    labels = _whole(read_file(path))
    return (
        _labelled(labels, label, path.name), _labels(labels),
        notes + ([] if label else _other_labels(labels)),
    )  # fmt: skip


def _whole(mask: sitk.Image) -> sitk.Image:
    """Return a mask whose values miss whole numbers by rounding alone with whole ones.

    A scaled NIfTI may hold 1 as 255 × 0.003921569.
    """
    values = sitk.GetArrayViewFromImage(mask)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        return mask
    near = np.abs(values - np.round(values)).max() <= NEARLY_WHOLE
    return sitk.Cast(sitk.Round(mask), sitk.sitkInt32) if near else mask


def _labels(mask: sitk.Image) -> str:
    """Return the values of a mask's file in words, the background left out."""
    values = [f"{v:g}" for v in np.unique(sitk.GetArrayViewFromImage(mask)) if v]
    return ", ".join(values[:6]) + ", …" * (len(values) > 6)


def _other_labels(mask: sitk.Image) -> list[str]:
    """Return a note where label 1 was taken because none was named, and others are there."""
    values = np.unique(sitk.GetArrayViewFromImage(mask))
    others = [f"{v:g}" for v in values if v not in (0, 1)]
    return [f"label 1 used, not {', '.join(others[:6])}; name one in mask_label"] * bool(others)


def _labelled(mask: sitk.Image, label: str, name: str) -> sitk.Image:
    """Return the voxels of one label, or of several joined by +, as 1."""
    values = sitk.GetArrayViewFromImage(mask)
    present = np.unique(values)
    try:
        wanted = [float(part) for part in (label or "1").split("+")]
    except ValueError:
        wanted = [float("nan")]
    whole = (present == np.round(present)).all()
    if whole and all(value in present and value for value in wanted):
        return mask_on(mask, np.isin(values, wanted))
    values = ", ".join(f"{v:g}" for v in present[:6]) + (", …" if len(present) > 6 else "")
    lesions = present[present != 0]
    remedy = "Draw the lesion, or set mask_label in cohort.csv."
    if not whole:
        remedy = "Fractions are not labels: choose a threshold and save the lesion as 0 and 1."
    elif len(lesions) == 1:
        remedy = f"If that is the lesion, set mask_label = {int(lesions[0])} in cohort.csv."
    elif not len(lesions):
        remedy = "The mask is empty: draw the lesion."
    raise ImageFault(
        f"{name} holds the labels {values}. Expected: {label or 1}, the lesion. {remedy}"
    )


def places(mask: sitk.Image) -> np.ndarray:
    """Return the corners (8, 3) of a lesion's box, mm."""
    low, high = box(mask)
    ends = np.array([low, high]).T.astype(float)
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1).T
    return np.array([mask.TransformContinuousIndexToPhysicalPoint(c.tolist()) for c in corners])


def on_the_cts_grid(ct: sitk.Image, mask: sitk.Image, name: str) -> tuple[sitk.Image, list[str]]:
    """Return a mask on the CT's grid, both in canonical form, and a note on how it came there.

    A mask of the CT's size and spacing that lies less than a voxel away is on the same grid:
    writers differ in whether a position is a voxel's centre or its corner.
    """
    if same_grid(ct, mask):
        return mask_on(ct, sitk.GetArrayViewFromImage(mask)), []
    away = np.array(mask.GetOrigin()) - np.array(ct.GetOrigin())
    beside = sitk.Image(mask)
    beside.SetOrigin(ct.GetOrigin())
    if same_grid(ct, beside) and (np.abs(axes(ct) @ away) < ct.GetSpacing()).all():
        note = f"mask lies {np.linalg.norm(away):.2f} mm beside the CT's grid: taken as on it"
        return mask_on(ct, sitk.GetArrayViewFromImage(mask)), [note]
    return _taken_over(ct, mask, name), ["mask copied from another grid"]


def _taken_over(ct: sitk.Image, mask: sitk.Image, name: str) -> sitk.Image:
    _refuse_swapped(ct, mask, name)
    corners = np.array(box(mask))
    points = np.array(np.meshgrid(*corners.T)).reshape(3, -1).T
    index = np.array(
        [
            ct.TransformPhysicalPointToContinuousIndex(
                mask.TransformContinuousIndexToPhysicalPoint(p.astype(float).tolist())
            )
            for p in points
        ]
    )
    outside = (index < -0.5).any() or (index > np.array(ct.GetSize()) - 0.5).any()
    parallel = np.allclose(ct.GetDirection(), mask.GetDirection(), atol=1e-4)
    if parallel:
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
