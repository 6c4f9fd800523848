"""Read a patient's CT and lesion mask onto one grid (paper, Images)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import SimpleITK as sitk

from radiogenomics.images import boxes, lesions
from radiogenomics.images.dicom import drawings, rtstruct, seg
from radiogenomics.images.dicom.acquisition import acquisition
from radiogenomics.images.dicom.choice import Wanted, choose_ct
from radiogenomics.images.dicom.series import Series, read_series
from radiogenomics.images.dicom.slices import in_order
from radiogenomics.images.faults import not_finite, unreadable
from radiogenomics.images.formats import notes_of, read_file
from radiogenomics.images.grids import Grid, box, canonical, grid_of, lps, places
from radiogenomics.images.masks import file_mask, on_the_cts_grid, refuse_litres
from radiogenomics.study.errors import ImageFault, MissingFile
from radiogenomics.study.files import there

CHOICE = ("ct_series", "ct_acquisition", "ct_kernels")  # columns; the last from study.toml
LOWEST_HU = -1024.0  # of CT: what lies below was not reconstructed
CT_VALUES, CT_VOXELS = 50, 1000  # a CT of more voxels has more different values


@dataclass(frozen=True)
class Scan:
    """A patient's images on one grid, with their acquisition and remarks.

    Both are in the one form that does not depend on the file (`grids.canonical`): `ct` in HU,
    float32, not below -1024; `mask` uint8, 1 in the lesion. `file_grid` is where the CT's voxels
    lie in its file, for what goes back there; `labels` says what the mask's file holds; `files` are
    the slices of a DICOM series, from the feet up. Of several lesions whose features become one
    value by `rule` (`lesions.OF_FEATURES`), `lesions` are their masks, and `mask` is their union.
    `acquisition` (of a DICOM series) holds nothing that identifies a patient; `patient_id` is for
    comparison alone and never written.
    """

    ct: sitk.Image
    mask: sitk.Image
    file_grid: Grid
    notes: tuple[str, ...] = ()
    acquisition: dict[str, float | str] = field(default_factory=dict)
    patient_id: str = ""
    labels: str = ""
    files: tuple[Path, ...] = ()
    lesions: tuple[sitk.Image, ...] = ()
    rule: str = ""


def read_ct(
    path: Path | str, choice: Wanted | None = None
) -> tuple[sitk.Image, dict[str, float | str], Grid]:
    """Read a CT without a mask: as a `Scan` has it, its acquisition, and its file's grid.

    A NIfTI, NRRD or MetaImage file, or the CT series in a DICOM folder that `choice` asks for.

    Raises:
        ImageFault: the file is missing, cannot be read, or is not a 3D image of numbers.
    """
    path = _there(path)
    if not path.is_dir():
        ct, about = read_file(path), {}
    else:
        series = in_order(choose_ct(path, choice or Wanted())[0], path.name)
        ct, about = _read_series(series, path), acquisition(series)
    return _in_hu(ct)[0], about, grid_of(ct)


def _in_hu(ct: sitk.Image) -> tuple[sitk.Image, list[str]]:
    """Return a CT in canonical form, float32, and a note on what lay below the HU of air.

    Scanners fill what they did not reconstruct with values such as -2000 or -3024.
    """
    out = sitk.Cast(canonical(ct), sitk.sitkFloat32)
    values = sitk.GetArrayViewFromImage(out)
    lowest = float(values.min())
    if lowest >= LOWEST_HU:
        return out, []
    share = float((values < LOWEST_HU).mean())
    part = f"{share:.1%}" if share >= 0.001 else "under 0.1%"
    note = f"{part} of the CT lies below {LOWEST_HU:g} HU (to {lowest:g}): taken as that"
    return sitk.Maximum(out, LOWEST_HU), [note]


def _there(path: Path | str) -> Path:
    path = Path(path)
    if not there(path):
        raise MissingFile(f"{path.name} is not there. Expected: an image file or a DICOM folder.")
    return path


def _read_series(series: Series, folder: Path) -> sitk.Image:
    try:
        return read_series(series)
    except RuntimeError as fault:
        raise unreadable(folder, fault) from None


def read_scan(
    ct_path: Path | str, mask_path: Path | str, label: str | int = "",
    choice: Wanted | None = None, lesion_box: str = "",
) -> Scan:  # fmt: skip
    """Read a CT and the lesion that was drawn on it, or the box that was put around it.

    A mask on another grid is taken over by nearest neighbour only when the CT's grid holds
    every voxel of the lesion. Of several CT series in a folder the one is taken that the rules
    of `dicom.choice` name.

    Args:
        ct_path: image file or DICOM folder.
        mask_path: image file, DICOM SEG or RTSTRUCT (a file or a folder that holds one).
        label: the lesion's value, or number or name of its segment or ROI; empty: 1 in a file,
            the only segment or ROI of a drawing.
        choice: which series of a DICOM folder, where cohort.csv or study.toml says so.
        lesion_box: a box in the place of a mask (`boxes`), whose path is not looked at then.

    Raises:
        ImageFault: unreadable, empty or misplaced files, voxels that are not finite.
    """
    ct_path, choice = _there(ct_path), choice or Wanted()
    mask_path = Path("the box") if lesion_box else _there(mask_path)
    drawing = None if lesion_box else drawings.read_drawing(mask_path)
    if lesion_box:
        mask, held, said = boxes.in_mm(lesion_box), boxes.LABEL, [boxes.NOTE]
    else:
        mask, held, said = (None, "", []) if drawing else file_mask(mask_path, str(label))
    mask = mask and canonical(mask)
    notes, about, patient_id, files = list(said), {}, "", ()
    if ct_path.is_dir():
        if lesion_box and mask is None:
            raise ImageFault(
                f"{ct_path.name} is DICOM, and its slices are counted in several ways. Expected: a "
                "box in mm. Write centre and size, box_x_mm and so on, or convert the CT to NIfTI."
            )
        if drawing:
            choice = replace(
                choice, referenced=drawings.referenced_series(drawing),
                frame=drawings.frame_of(drawing), points=drawings.points_of(drawing),
            )  # fmt: skip
        series, others = choose_ct(ct_path, replace(choice, mask=mask))
        if drawing and not choice.referenced:
            _refuse_frame(drawing, series, mask_path.name)
        lesion = choice.points if drawing else places(mask, *box(mask))
        series = in_order(series, ct_path.name, lesion)
        notes += series.notes
        ct, files = _read_series(series, ct_path), series.files
        about, patient_id = acquisition(series), str(series.first.get("PatientID", ""))
        _refuse_unscaled(ct, about, ct_path.name)
        if drawing:
            notes += _other_patient(drawing, patient_id, bool(choice.referenced), mask_path.name)
        if others:
            used = f"{series.describe()} used, not {', '.join(s.describe() for s in others)}"
            exams = {s.first.get("StudyInstanceUID") for s in (series, *others)}
            notes.append(f"{used}; of {len(exams)} examinations" if len(exams) > 1 else used)
    else:
        ct, said = read_file(ct_path), notes_of(ct_path)
        notes += [f"CT: {note}" for note in said]
    _check_ct(ct, ct_path.name)
    in_file, (ct, padded) = ct, _in_hu(ct)
    if drawing:
        mask, further = _drawn(drawing, str(label), in_file, mask_path.name)
        notes += further
    if lesion_box:
        mask = boxes.on_ct(lesion_box, in_file, ct)
    mask, moved = on_the_cts_grid(ct, mask, mask_path.name)
    notes += padded + moved * (not lesion_box)
    refuse_litres(mask, mask_path.name)
    held = drawings.names(drawing) if drawing else held
    return Scan(ct, mask, grid_of(in_file), tuple(notes), about, patient_id, held, files)


def _refuse_unscaled(ct: sitk.Image, about: dict[str, float | str], name: str) -> None:
    """Refuse a series that does not say how its values become HU, and has none below 0."""
    if about["rescale"] == "missing" and sitk.GetArrayViewFromImage(ct).min() >= 0:
        raise ImageFault(
            f"{name}: its headers have no RescaleSlope and RescaleIntercept, and no value is below "
            "0. Expected: HU, where air has -1000. Export the original series."
        )


def _drawn(
    drawing: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Return the lesion (uint8, 0 or 1) in canonical form, and what to note.

    A SEG's frames lie as the CT does in its file; contours are filled in one order of axes.
    """
    if drawing.Modality == "SEG":
        mask, notes = seg.segment_mask(drawing, label, ct, name)
    else:
        mask, notes = rtstruct.roi_mask(drawing, label, lps(ct), name)
    return canonical(mask), notes


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
        patient: a row with `ct`, `mask` and `mask_label`, or `box`; `lesions` where there are
            several.

    Raises:
        ImageFault: as `read_scan`.
    """
    scan = read_row(patient)
    return scan.ct, scan.mask


def read_row(patient: pd.Series | Mapping[str, Any]) -> Scan:
    """Return a patient's images, whom a row of the cohort names."""
    choice, lesion_box = choice_of(patient), patient.get("box", "")
    return lesions.one(
        patient, lambda mask, label: read_scan(patient["ct"], mask, label, choice, lesion_box)
    )


def choice_of(patient: pd.Series | Mapping[str, Any]) -> Wanted:
    """Return which series of a DICOM folder a row of the cohort asks for."""
    series, acquisition, kernels = (str(patient.get(name, "") or "") for name in CHOICE)
    return Wanted(series, acquisition, tuple(filter(None, kernels.split("|"))))


def read_from(patient: pd.Series | Mapping[str, Any]) -> list[str]:
    """Return what decides which voxels a row of the cohort is read from: its part of cache keys."""
    names = ("ct_hash", "mask_hash", "mask_label", *CHOICE)
    return [str(patient.get(name, "")) for name in names]


def _check_ct(ct: sitk.Image, name: str) -> None:
    if min(ct.GetSize()) < 2:
        raise ImageFault(
            f"{name} is one slice. Expected: a volume; of DICOM, name the folder with all slices."
        )
    values = sitk.GetArrayViewFromImage(ct)
    few = values.size > CT_VOXELS and len(np.unique(values[::4, ::4, ::4])) < CT_VALUES
    if few and (n := len(np.unique(values))) < CT_VALUES:
        raise ImageFault(
            f"{name} holds {n} different values, like a mask. Expected: a CT. Name it in column ct "
            "of cohort.csv."
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise not_finite(name, int((~np.isfinite(values)).sum()))


def _refuse_frame(drawing: pydicom.Dataset, series: Series, name: str) -> None:
    """Refuse a drawing that names no series, and whose coordinates are another scan's."""
    own, theirs = drawings.frame_of(drawing), str(series.first.get("FrameOfReferenceUID", ""))
    if own and theirs and own != theirs:
        raise ImageFault(
            f"{name} was drawn in another frame of reference than the CT's, and names no series. "
            "Expected: an outline on this CT. Export both from one examination."
        )
