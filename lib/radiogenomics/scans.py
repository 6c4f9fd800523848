"""Read a patient's CT and lesion mask onto one grid (paper, Images)."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

import numpy as np
import pydicom
import SimpleITK as sitk

from radiogenomics import dicom, outlines
from radiogenomics.outlines import describe_grid
from radiogenomics.study.files import TEXT_HEADERS, StudyError, voxel_file

ZIP = b"PK\x03\x04"
NIFTI_FLOATS = {16: "f4", 64: "f8"}  # codes of the header: types that can hold a NaN
NO_READER = "sitk::ERROR: Unable to determine ImageIO reader for"
CHUNK = 1 << 24  # bytes, a multiple of a voxel's
NEARLY_WHOLE = 1e-4  # what a mask's scaled values may miss whole numbers by
APART = (".hdr", ".img", ".hdr.gz", ".img.gz", ".vtk", ".gipl", ".gipl.gz")  # voxels elsewhere


@dataclass(frozen=True)
class Scan:
    """A patient's images on one grid, and what is known of them.

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
        StudyError: the file is missing, cannot be read, or is not a 3D image of numbers.
    """
    path = _there(path)
    if not path.is_dir():
        return _read_file(path), {}
    series = dicom.in_order(dicom.choose_ct(path)[0], path.name)
    return _read_series(series, path), dicom.acquisition(series)


def _there(path: Path | str) -> Path:
    path = Path(path)
    if not path.exists():
        raise StudyError(f"{path.name} is not there. Expected: an image file or a DICOM folder.")
    return path


def _read_series(series: dicom.Series, folder: Path) -> sitk.Image:
    try:
        return dicom.read_series(series)
    except RuntimeError as fault:
        raise _unreadable(folder, fault) from None


def _unreadable(path: Path, fault: Exception) -> StudyError:
    lines = [line for line in str(fault).strip().splitlines() if not line.startswith("Reason:")]
    reason = lines[-1].replace(str(path.parent), "…").replace(NO_READER, "no image format fits")
    reason = re.sub(r"\(0x[0-9a-f]+\)", "", reason)  # an address in memory, another one each time
    return StudyError(
        f"{path.name} cannot be read as an image ({reason}). Export or copy it again."
    )


def _read_file(path: Path) -> sitk.Image:
    if path.name.lower().endswith(APART):
        raise StudyError(
            f"{path.name} is of a format (Analyze, NIfTI in two files, VTK, GIPL) that tells not "
            "enough of its voxels. Expected: NIfTI in one file, NRRD, MetaImage or DICOM. Convert "
            "it to .nii.gz."
        )
    _check_bytes(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as fault:
        raise _unreadable(path, fault) from None
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        found = f"{image.GetDimension()}D, {image.GetNumberOfComponentsPerPixel()} values a voxel"
        raise StudyError(f"{path.name} is {found}. Expected: one 3D volume.")
    return image


def _check_bytes(path: Path) -> None:
    """Refuse what the readers would mend in silence.

    A NIfTI or .gz file that is cut off (filled up with zeros), NIfTI voxels that are no numbers
    (read as 0), spacings that are 0 or negative (read as 1, or without their sign).
    """
    with path.open("rb") as stream:
        start = stream.read(4096)
    if start.startswith(ZIP):
        raise StudyError(f"{path.name} is a zip archive. Expected: an image. Unpack it first.")
    if path.name.lower().endswith(TEXT_HEADERS):
        _check_text_header(path, start)
        _check_voxel_file(path)
    if path.name.lower().endswith((".nii", ".nii.gz", ".gz")):
        _check_stream(path)


def _check_text_header(path: Path, start: bytes) -> None:
    """Check the spacing of a MetaImage (`=`) or NRRD (`:`), there also as lengths of vectors."""
    for line in start.split(b"\n\n")[0].decode("latin-1").splitlines():
        name, _, value = line.replace("=", ":", 1).partition(":")
        if name.strip() in ("ElementSpacing", "spacings"):
            _check_spacing(path, [_number(v) for v in value.split()])
        elif name.strip() == "space directions":
            vectors = [[_number(v) for v in part.strip("()").split(",")] for part in value.split()]
            _check_spacing(path, [float(np.linalg.norm(v)) for v in vectors])


def _check_voxel_file(path: Path) -> None:
    """Refuse a header whose voxels lie in no one file beside it: they could be anybody's."""
    named = voxel_file(path)
    if named and (PureWindowsPath(named).name != named or "%" in named or named.upper() == "LIST"):
        raise StudyError(
            f"{path.name} names {PureWindowsPath(named).name!r}, in another folder or in several "
            "files, for its voxels. Expected: one file beside it. Write it as .mha or .nrrd."
        )
    if named and not (path.parent / named).is_file():
        raise StudyError(
            f"{path.name} names {named!r} for its voxels, which is not there. Expected: that file "
            "beside it. Copy both."
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check_spacing(path: Path, spacing: list[float]) -> None:
    if not len(spacing) or not np.isfinite(spacing).all() or min(spacing) <= 0:
        told = ", ".join(f"{v:g}" for v in spacing)
        raise StudyError(
            f"{path.name}: voxel spacing ({told}) mm in the header. Expected: above 0. Export it "
            "again; a negative spacing may stand for a flipped axis."
        )


def _check_stream(path: Path) -> None:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    bad = 0
    try:
        with opened(path, "rb") as stream:
            missing, kind = (
                _nifti_voxels(path, stream) if ".nii" in path.name.lower() else (0, None)
            )
            while block := stream.read(CHUNK):
                missing -= len(block)
                bad += _no_numbers(block, kind) if kind else 0
        if missing > 0:
            raise EOFError(f"{missing} bytes of the voxels are missing")
    except (OSError, EOFError, zlib.error) as fault:
        raise StudyError(
            f"{path.name} cannot be read: it is damaged or cut off ({fault}). Copy it again."
        ) from None
    if bad:
        raise _not_finite(path.name, bad)


def _nifti_voxels(path: Path, stream: BinaryIO) -> tuple[int, np.dtype | None]:
    """Read the header up to the first voxel.

    Returns:
        The bytes of the voxels, and their type where it can hold a NaN.
    """
    header = stream.read(348)
    if len(header) < 348:
        raise EOFError("no whole header")
    order = "<" if header[:4] == struct.pack("<i", 348) else ">"
    length, axes, *size = struct.unpack(f"{order}i36x8h", header[:56])
    code, bits = struct.unpack(f"{order}2h", header[70:74])
    offset = struct.unpack(f"{order}f", header[108:112])[0]
    if length != 348 or not 1 <= axes <= 7 or not 0 <= offset < CHUNK:
        raise StudyError(
            f"{path.name} is no NIfTI-1 file, whatever its name says. Expected: an image. Export "
            "it again."
        )
    _check_spacing(path, struct.unpack(f"{order}8f", header[76:108])[1 : 1 + axes][:3])
    stream.read(max(int(offset) - 348, 0))
    kind = np.dtype(order + NIFTI_FLOATS[code]) if code in NIFTI_FLOATS else None
    return int(np.prod(np.maximum(size[:axes], 1), dtype=np.int64)) * bits // 8, kind


def _no_numbers(block: bytes, kind: np.dtype) -> int:
    values = np.frombuffer(block, kind, len(block) // kind.itemsize)
    return int((~np.isfinite(values)).sum())


def _not_finite(name: str, bad: int) -> StudyError:
    return StudyError(
        f"{name}: {bad} voxels are not finite numbers. Expected: a number in each. Export again."
    )


def read_scan(ct_path: Path | str, mask_path: Path | str, label: str | int = "") -> Scan:
    """Read a CT and the lesion that was drawn on it.

    A mask on another grid is taken over by nearest neighbour only when the CT's grid holds
    every voxel of the lesion. Of several CT series in a folder the one is taken that the rules
    of `dicom` name.

    Args:
        ct_path: image file or DICOM folder.
        mask_path: image file, DICOM SEG or RTSTRUCT (a file or a folder that holds one).
        label: the lesion's value, or number or name of its segment or ROI; empty: 1 in a file,
            the only segment or ROI of a drawing.

    Raises:
        StudyError: unreadable, empty or misplaced files, voxels that are not finite.
    """
    ct_path, mask_path = _there(ct_path), _there(mask_path)
    drawing = outlines.read_drawing(mask_path)
    labels = None if drawing else _whole(_read_file(mask_path))
    mask = None if drawing else _labelled(labels, str(label), mask_path.name)
    notes, about, patient_id = [], {}, ""
    if labels and not str(label):
        notes += _other_labels(labels)
    if ct_path.is_dir():
        referenced = outlines.referenced_series(drawing) if drawing else ()
        frame = outlines.shared_frame(drawing) if drawing else ""
        series, others = dicom.choose_ct(ct_path, referenced, mask, frame)
        if drawing and not referenced:
            _refuse_frame(drawing, series, mask_path.name)
        if referenced and series.uid not in referenced:
            notes.append("drawn on another modality in the CT's frame of reference")
        series = dicom.in_order(series, ct_path.name)
        ct = _read_series(series, ct_path)
        about, patient_id = dicom.acquisition(series), str(series.first.get("PatientID", ""))
        if drawing:
            notes += _other_patient(drawing, patient_id, bool(referenced), mask_path.name)
        if others:
            told = f"{series.describe()} taken, not {', '.join(s.describe() for s in others)}"
            exams = {s.first.get("StudyInstanceUID") for s in (series, *others)}
            notes.append(f"{told}; of {len(exams)} examinations" if len(exams) > 1 else told)
    else:
        ct = _read_file(ct_path)
    _check_ct(ct, ct_path.name)
    if drawing:
        mask, told = outlines.lesion_mask(drawing, str(label), ct, mask_path.name)
        notes += told
    if not same_grid(ct, mask):
        if not np.allclose(np.abs(_turn(ct, mask)), _turn(ct, mask), atol=1e-3):
            notes.append("mask's axes run against the CT's: look at the side")
        mask = _taken_over(ct, mask, mask_path.name)
        notes.append("mask taken over from another grid")
    held = outlines.names(drawing) if drawing else _labels(labels)
    return Scan(ct, mask, tuple(notes), about, patient_id, held)


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
    found = [f"{v:g}" for v in np.unique(sitk.GetArrayViewFromImage(mask)) if v]
    return ", ".join(found[:6]) + ", …" * (len(found) > 6)


def _other_patient(
    drawing: pydicom.Dataset, patient_id: str, referenced: bool, name: str
) -> list[str]:
    """Return a note where a drawing carries another PatientID than the CT that it refers to.

    Raises:
        StudyError: another PatientID, and no series that the drawing refers to: nothing says
            that they belong together.
    """
    own = str(drawing.get("PatientID", ""))
    if own in ("", patient_id) or not patient_id:
        return []
    if not referenced:
        raise StudyError(
            f"{name} carries another PatientID than the CT and names no series it was drawn on. "
            "Expected: the outline of this patient. Look whose it is, and export it with its "
            "reference."
        )
    return ["the outline carries another PatientID than the CT it refers to"]


def read_pair(
    ct_path: Path | str, mask_path: Path | str, label: str | int = ""
) -> tuple[sitk.Image, sitk.Image]:
    """Return `read_scan`'s CT (HU) and mask (uint8, 0 or 1) on the CT's grid.

    Raises:
        StudyError: as `read_scan`.
    """
    scan = read_scan(ct_path, mask_path, label)
    return scan.ct, scan.mask


def _other_labels(mask: sitk.Image) -> list[str]:
    """Return a note where label 1 was taken because none was named, and others are there."""
    found = np.unique(sitk.GetArrayViewFromImage(mask))
    others = [f"{v:g}" for v in found if v not in (0, 1)]
    return [f"label 1 taken, not {', '.join(others[:6])}; name one in mask_label"] * bool(others)


def _labelled(mask: sitk.Image, label: str, name: str) -> sitk.Image:
    """Return the voxels of one label as 1."""
    found = np.unique(sitk.GetArrayViewFromImage(mask))
    try:
        wanted = float(label or 1)
    except ValueError:
        wanted = float("nan")
    whole = (found == np.round(found)).all()
    if wanted in found and wanted and whole:
        return sitk.Cast(sitk.Equal(mask, wanted), sitk.sitkUInt8)
    values = ", ".join(f"{v:g}" for v in found[:6]) + (", …" if len(found) > 6 else "")
    lesions = found[found != 0]
    remedy = "Draw the lesion, or set mask_label in cohort.csv."
    if not whole:
        remedy = "Fractions are no labels: choose a threshold and save the lesion as 0 and 1."
    elif len(lesions) == 1:
        remedy = f"If that is the lesion, set mask_label = {int(lesions[0])} in cohort.csv."
    elif not len(lesions):
        remedy = "The mask is empty: draw the lesion."
    raise StudyError(
        f"{name} holds the labels {values}. Expected: {label or 1}, the lesion. {remedy}"
    )


def _check_ct(ct: sitk.Image, name: str) -> None:
    if min(ct.GetSize()) < 2:
        raise StudyError(
            f"{name} is one slice. Expected: a volume; of DICOM, name the folder with all slices."
        )
    values = sitk.GetArrayViewFromImage(ct)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _not_finite(name, int((~np.isfinite(values)).sum()))


def same_grid(a: sitk.Image, b: sitk.Image, tolerance_mm: float = 1e-2) -> bool:
    """Return whether two images have the same size, spacing, origin and axes."""
    return a.GetSize() == b.GetSize() and all(
        np.allclose(getattr(a, name)(), getattr(b, name)(), atol=tolerance)
        for name, tolerance in (
            ("GetSpacing", tolerance_mm / max(a.GetSize())),
            ("GetOrigin", tolerance_mm),
            ("GetDirection", 1e-4),
        )
    )


def _turn(ct: sitk.Image, mask: sitk.Image) -> np.ndarray:
    """Return the rotation (3, 3) from the CT's axes to the mask's."""
    first, second = (np.array(image.GetDirection()).reshape(3, 3) for image in (ct, mask))
    return first.T @ second


def _refuse_frame(drawing: pydicom.Dataset, series: dicom.Series, name: str) -> None:
    """Refuse a drawing that names no series, and whose coordinates are another scan's."""
    own, theirs = outlines.frame_of(drawing), str(series.first.get("FrameOfReferenceUID", ""))
    if own and theirs and own != theirs:
        raise StudyError(
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
        raise StudyError(
            f"{name} does not lie inside the CT: mask {describe_grid(mask)}; CT "
            f"{describe_grid(ct)}. Draw the lesion on this CT, or export both from one series."
        )
    _refuse_lost_header(ct, mask, name)
    return moved


def _refuse_lost_header(ct: sitk.Image, mask: sitk.Image, name: str) -> None:
    """Refuse a mask of the CT's size that says it lies elsewhere, as without its header."""
    away = np.abs(dicom.box_of(ct) - dicom.box_of(mask)).max()
    if ct.GetSize() == mask.GetSize() and away > max(ct.GetSpacing()):
        raise StudyError(
            f"{name} has the CT's size and another place: mask {describe_grid(mask)}; CT "
            f"{describe_grid(ct)}. Expected: one grid. Save the mask with the CT's header."
        )


def _refuse_swapped(ct: sitk.Image, mask: sitk.Image, name: str) -> None:
    """Refuse a mask whose size is the CT's in another order while its axes are the CT's."""
    sizes = ct.GetSize(), mask.GetSize()
    same_axes = np.allclose(ct.GetDirection(), mask.GetDirection(), atol=1e-4)
    if sizes[0] != sizes[1] and sorted(sizes[0]) == sorted(sizes[1]) and same_axes:
        raise StudyError(
            f"{name} has its axes swapped: mask {describe_grid(mask)}; CT {describe_grid(ct)}. "
            "Expected: the CT's order. Save the mask with the CT's header (x, y, z)."
        )
