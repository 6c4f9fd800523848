"""Lesions drawn in DICOM, SEG or RTSTRUCT: found, checked, and what they were drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from radiogenomics.images.dicom.series import find_series
from radiogenomics.images.grids import describe_grid
from radiogenomics.study.errors import ImageFault

DRAWINGS = ("SEG", "RTSTRUCT")
ENDLESS = 0xFFFFFFFF  # DICOM's length of what ends with a delimiter
BETWEEN = 0.1  # slices: from here on a contour counts as drawn between two slices


def read_drawing(path: Path) -> pydicom.Dataset | None:
    """Return the SEG or RTSTRUCT in a file or folder; None where there is no DICOM drawing.

    Raises:
        ImageFault: a folder with several, a DICOM file of another kind, one that is cut off.
    """
    if path.is_dir():
        files = [f for s in find_series(path) if _drawn(s.first) for f in s.files]
        if len(files) != 1:
            raise ImageFault(
                f"{path.name} holds {len(files)} SEG or RTSTRUCT files. Expected: one, the lesion. "
                "Name the file in cohort.csv."
            )
        path = files[0]
    with path.open("rb") as stream:
        start = stream.read(132)
    if start[128:] != b"DICM" and path.suffix.lower() != ".dcm":
        return None
    try:
        drawing = pydicom.dcmread(path, force=start[128:] != b"DICM")
    except Exception as fault:  # noqa: BLE001 - pydicom raises many kinds on a cut-off file
        raise ImageFault(
            f"{path.name} is not a complete DICOM file ({fault}). Copy it again."
        ) from None
    if not _drawn(drawing):
        raise ImageFault(
            f"{path.name} is DICOM {drawing.get('Modality', '?')}. Expected of a mask: SEG, "
            "RTSTRUCT, or an image file. Export the outline."
        )
    _check_whole(drawing, path.name)
    return drawing


def _drawn(header: pydicom.Dataset) -> bool:
    return header.get("Modality") in DRAWINGS


def _check_whole(drawing: pydicom.Dataset, name: str) -> None:
    """Refuse a drawing that lacks a part: pydicom reads a file that is cut off, without a word."""
    parts = {
        "SEG": ("SegmentSequence", "PerFrameFunctionalGroupsSequence", "PixelData"),
        "RTSTRUCT": ("StructureSetROISequence", "ROIContourSequence"),
    }[drawing.Modality]
    absent = [part for part in parts if part not in drawing]
    raw = [drawing.get_item(tag) for tag in drawing.keys()]  # noqa: SIM118 - no values yet
    short = any(len(e.value or b"") < e.length < ENDLESS for e in raw if e.is_raw)
    if absent or short:
        fault = f"has no {', '.join(absent)}" if absent else "ends too early"
        raise ImageFault(
            f"{name} {fault}: it is cut off or not a {drawing.Modality}. Expected: a whole file. "
            "Copy or export it again."
        )


def referenced_series(drawing: pydicom.Dataset) -> tuple[str, ...]:
    """Return the uids of the series that a SEG or RTSTRUCT refers to; none where it names none."""
    uids = [str(s.get("SeriesInstanceUID", "")) for s in _references(drawing)]
    return tuple(uid for uid in uids if uid)


def frame_of(drawing: pydicom.Dataset) -> str:
    """Return the frame of reference of a SEG's or RTSTRUCT's coordinates, empty if not given."""
    frames = drawing.get("ReferencedFrameOfReferenceSequence") or [pydicom.Dataset()]
    frame = frames[0].get("FrameOfReferenceUID") or drawing.get("FrameOfReferenceUID")
    return str(frame or "")


def points_of(drawing: pydicom.Dataset) -> np.ndarray:
    """Return places (n, 3) of a drawing in mm: points of its contours, corners of its frames."""
    try:
        if drawing.Modality == "RTSTRUCT":
            contours = [c for roi in drawing.ROIContourSequence
                        for c in roi.get("ContourSequence", [])]  # fmt: skip
            values = [np.array(c.ContourData, float).reshape(-1, 3) for c in contours]
        else:
            values = [np.array([group.PlanePositionSequence[0].ImagePositionPatient], float)
                      for group in drawing.PerFrameFunctionalGroupsSequence]  # fmt: skip
        return np.concatenate(values)
    except (AttributeError, ValueError, TypeError):  # the reader of the drawing says what is wrong
        return np.empty((0, 3))


def _references(drawing: pydicom.Dataset) -> list[pydicom.Dataset]:
    if drawing.Modality == "SEG":
        return list(drawing.get("ReferencedSeriesSequence", []))
    frames = drawing.get("ReferencedFrameOfReferenceSequence", [])
    studies = [s for f in frames for s in f.get("RTReferencedStudySequence", [])]
    return [s for study in studies for s in study.get("RTReferencedSeriesSequence", [])]


def names(drawing: pydicom.Dataset) -> str:
    """Return the segments or ROIs of a drawing in words: numbers alone, a name may be anybody's."""
    held = numbers(drawing)
    return f"{drawing.Modality} {', '.join(map(str, held[:6]))}" + ", …" * (len(held) > 6)


def numbers(drawing: pydicom.Dataset) -> list[int]:
    """Return the numbers of a drawing's segments or ROIs."""
    if drawing.Modality == "SEG":
        return [int(s.SegmentNumber) for s in drawing.SegmentSequence if int(s.SegmentNumber)]
    return [int(r.ROINumber) for r in drawing.StructureSetROISequence]


def chosen(names: dict[int, str], label: str, kind: str, name: str) -> list[int]:
    """Return the numbers of the wanted segments or ROIs: one, or several joined by + .

    Raises:
        ImageFault: none of this number or name, or several; says what is there.
    """
    if not label and len(names) == 1:
        return list(names)
    matches = _matching(names, label)
    if len(matches) != 1 and "+" in label:
        parts = [_matching(names, part.strip()) for part in label.split("+")]
        if all(len(part) == 1 for part in parts):
            return sorted({part[0] for part in parts})
    if len(matches) == 1:
        return matches
    contents = ", ".join(f"{number} {title!r}" for number, title in names.items()) or "nothing"
    wanted = f"{kind} {label!r}" if label else f"one {kind}, or its number or name"
    wanted = f"one {kind} {label!r}, or its number" if len(matches) > 1 else wanted
    raise ImageFault(
        f"{name} holds {contents}. Expected: {wanted}. Set mask_label in cohort.csv to one of "
        "them, or to several joined by +."
    )


def _matching(names: dict[int, str], label: str) -> list[int]:
    by_number = [n for n in names if label == str(n)]
    return by_number or [n for n, title in names.items() if label.lower() == title.lower() != ""]


def outside_ct(name: str, drawn: str, ct: sitk.Image) -> ImageFault:
    """Return the fault of an outline that leaves the CT; `drawn` says where it lies."""
    return ImageFault(
        f"{name} does not lie inside the CT: {drawn}; CT {describe_grid(ct)}. Expected: drawn on "
        "this CT. Export both from one series."
    )
