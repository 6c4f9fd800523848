"""Read a patient's CT and lesion mask onto one grid (paper, Images)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import SimpleITK as sitk

from radiogenomics.images.dicom import drawings, rtstruct, seg
from radiogenomics.images.dicom.acquisition import acquisition
from radiogenomics.images.dicom.series import Series, choose_ct, read_series
from radiogenomics.images.dicom.slices import in_order
from radiogenomics.images.formats import not_finite, read_file, unreadable
from radiogenomics.images.grids import box_of, describe_grid, same_grid
from radiogenomics.study.errors import ImageFault, MissingFile

NEARLY_WHOLE = 1e-4  # what a mask's scaled values may miss whole numbers by


@dataclass(frozen=True)
class Scan:
    """A patient's images on one grid, with their acquisition and remarks.

    `ct` is in HU, in its file's pixel type; `mask` is uint8, 1 in the lesion; `labels` says what
    the mask's file holds. `acquisition` (of a DICOM series) holds nothing that identifies a
    patient; `patient_id` is for comparison alone and never written.
    """

    ct: sitk.Image
    mask: sitk.Image
    notes: tuple[str, ...] = ()
    acquisition: dict[str, float | str] = field(default_factory=dict)
    patient_id: str = ""
    labels: str = ""


def read_ct(path: Path | str) -> tuple[sitk.Image, dict[str, float | str]]:
    """Read a CT without a mask: the image (HU) and, of a DICOM series, its acquisition.

    A NIfTI, NRRD or MetaImage file, or the CT series in a DICOM folder.

    Raises:
        ImageFault: the file is missing, cannot be read, or is not a 3D image of numbers.
    """
    path = _there(path)
    if not path.is_dir():
        return read_file(path), {}
    series = in_order(choose_ct(path)[0], path.name)
    return _read_series(series, path), acquisition(series)


def _there(path: Path | str) -> Path:
    path = Path(path)
    if not path.exists():
        raise MissingFile(f"{path.name} is not there. Expected: an image file or a DICOM folder.")
    return path


def _read_series(series: Series, folder: Path) -> sitk.Image:
    try:
        return read_series(series)
    except RuntimeError as fault:
        raise unreadable(folder, fault) from None


def read_scan(ct_path: Path | str, mask_path: Path | str, label: str | int = "") -> Scan:
    """Read a CT and the lesion that was drawn on it.

    A mask on another grid is taken over by nearest neighbour only when the CT's grid holds
    every voxel of the lesion. Of several CT series in a folder the one is taken that the rules
    of `dicom.series` name.

    Args:
        ct_path: image file or DICOM folder.
        mask_path: image file, DICOM SEG or RTSTRUCT (a file or a folder that holds one).
        label: the lesion's value, or number or name of its segment or ROI; empty: 1 in a file,
            the only segment or ROI of a drawing.

    Raises:
        ImageFault: unreadable, empty or misplaced files, voxels that are not finite.
    """
    ct_path, mask_path = _there(ct_path), _there(mask_path)
    drawing = drawings.read_drawing(mask_path)
    labels = None if drawing else _whole(read_file(mask_path))
    mask = None if drawing else _labelled(labels, str(label), mask_path.name)
    notes, about, patient_id = [], {}, ""
    if labels and not str(label):
        notes += _other_labels(labels)
    if ct_path.is_dir():
        referenced = drawings.referenced_series(drawing) if drawing else ()
        frame = drawings.shared_frame(drawing) if drawing else ""
        series, others = choose_ct(ct_path, referenced, mask, frame)
        if drawing and not referenced:
            _refuse_frame(drawing, series, mask_path.name)
        if referenced and series.uid not in referenced:
            notes.append("drawn on another modality in the CT's frame of reference")
        series = in_order(series, ct_path.name)
        ct = _read_series(series, ct_path)
        about, patient_id = acquisition(series), str(series.first.get("PatientID", ""))
        if drawing:
            notes += _other_patient(drawing, patient_id, bool(referenced), mask_path.name)
        if others:
            choice = f"{series.describe()} used, not {', '.join(s.describe() for s in others)}"
            exams = {s.first.get("StudyInstanceUID") for s in (series, *others)}
            notes.append(f"{choice}; of {len(exams)} examinations" if len(exams) > 1 else choice)
    else:
        ct = read_file(ct_path)
    _check_ct(ct, ct_path.name)
    if drawing:
        mask, further = _drawn(drawing, str(label), ct, mask_path.name)
        notes += further
    if not same_grid(ct, mask):
        if not np.allclose(np.abs(_turn(ct, mask)), _turn(ct, mask), atol=1e-3):
            notes.append("mask's axes are opposite to the CT's: check the side")
        mask = _taken_over(ct, mask, mask_path.name)
        notes.append("mask copied from another grid")
    held = drawings.names(drawing) if drawing else _labels(labels)
    return Scan(ct, mask, tuple(notes), about, patient_id, held)


def _drawn(
    drawing: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Return the lesion (uint8, 0 or 1), on the CT's grid or a SEG's own, and what to note."""
    read = seg.segment_mask if drawing.Modality == "SEG" else rtstruct.roi_mask
    return read(drawing, label, ct, name)


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


def _other_patient(
    drawing: pydicom.Dataset, patient_id: str, referenced: bool, name: str
) -> list[str]:
    """Return a note where a drawing carries another PatientID than the CT that it refers to.

    Raises:
        ImageFault: another PatientID, and no series that the drawing refers to: nothing says
            that they belong together.
    """
    own = str(drawing.get("PatientID", ""))
    if own in ("", patient_id) or not patient_id:
        return []
    if not referenced:
        raise ImageFault(
            f"{name} has another PatientID than the CT and names no series it was drawn on. "
            "Expected: the outline of this patient. Check whose it is, and export it with its "
            "reference."
        )
    return ["the outline has another PatientID than the CT it refers to"]


def read_pair(patient: pd.Series | Mapping[str, Any]) -> tuple[sitk.Image, sitk.Image]:
    """Return a patient's CT (HU) and mask (uint8, 0 or 1) on the CT's grid.

    Args:
        patient: a row with `ct`, `mask` and `mask_label`.

    Raises:
        ImageFault: as `read_scan`.
    """
    scan = read_scan(patient["ct"], patient["mask"], patient["mask_label"])
    return scan.ct, scan.mask


def _other_labels(mask: sitk.Image) -> list[str]:
    """Return a note where label 1 was taken because none was named, and others are there."""
    values = np.unique(sitk.GetArrayViewFromImage(mask))
    others = [f"{v:g}" for v in values if v not in (0, 1)]
    return [f"label 1 used, not {', '.join(others[:6])}; name one in mask_label"] * bool(others)


def _labelled(mask: sitk.Image, label: str, name: str) -> sitk.Image:
    """Return the voxels of one label as 1."""
    present = np.unique(sitk.GetArrayViewFromImage(mask))
    try:
        wanted = float(label or 1)
    except ValueError:
        wanted = float("nan")
    whole = (present == np.round(present)).all()
    if wanted in present and wanted and whole:
        return sitk.Cast(sitk.Equal(mask, wanted), sitk.sitkUInt8)
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


def _check_ct(ct: sitk.Image, name: str) -> None:
    if min(ct.GetSize()) < 2:
        raise ImageFault(
            f"{name} is one slice. Expected: a volume; of DICOM, name the folder with all slices."
        )
    values = sitk.GetArrayViewFromImage(ct)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise not_finite(name, int((~np.isfinite(values)).sum()))


def _turn(ct: sitk.Image, mask: sitk.Image) -> np.ndarray:
    """Return the rotation (3, 3) from the CT's axes to the mask's."""
    first, second = (np.array(image.GetDirection()).reshape(3, 3) for image in (ct, mask))
    return first.T @ second


def _refuse_frame(drawing: pydicom.Dataset, series: Series, name: str) -> None:
    """Refuse a drawing that names no series, and whose coordinates are another scan's."""
    own, theirs = drawings.frame_of(drawing), str(series.first.get("FrameOfReferenceUID", ""))
    if own and theirs and own != theirs:
        raise ImageFault(
            f"{name} was drawn in another frame of reference than the CT's, and names no series. "
            "Expected: an outline on this CT. Export both from one examination."
        )


def _taken_over(ct: sitk.Image, mask: sitk.Image, name: str) -> sitk.Image:
    _refuse_swapped(ct, mask, name)
    voxels = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    corners = np.array([voxels.min(axis=0), voxels.max(axis=0)])
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
