"""Multi-frame CT (Enhanced, and converted from older CT): its frames as slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from radiogenomics.study.errors import ImageFault

CLASSES = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")  # Enhanced, Legacy
PLACES = {  # where the functional groups keep what a slice's header has (PS3.3, C.7.6.16)
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "ImageType": "CTImageFrameTypeSequence",
}


def slices(path: Path, header: pydicom.Dataset) -> list[pydicom.Dataset]:
    """Return the headers of a file's slices: of a multi-frame CT one a frame, else its own.

    Raises:
        ImageFault: frames without their groups.
    """
    if str(header.get("SOPClassUID", "")) not in CLASSES:
        return [header]
    try:
        whole = pydicom.dcmread(path, stop_before_pixels=True)
        shared = whole.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()]
        groups = whole.PerFrameFunctionalGroupsSequence
        return [_slice(header, (group, shared[0]), i) for i, group in enumerate(groups)]
    except Exception as fault:  # noqa: BLE001 - pydicom raises many kinds on a damaged file
        raise ImageFault(
            f"{path.name} is a multi-frame CT whose frames cannot be read ({fault}). Expected: a "
            "position of each frame. Export it again, or one file per slice."
        ) from None


def _slice(header: pydicom.Dataset, places: tuple, index: int) -> pydicom.Dataset:
    made = pydicom.Dataset()
    made.update(header)
    made.file_meta = header.file_meta
    for tag, sequence in PLACES.items():
        value = grouped(places, sequence, "FrameType" if tag == "ImageType" else tag)
        if value is not None:
            setattr(made, tag, value)
    del made.NumberOfFrames
    made.InstanceNumber, made.frame_index = index + 1, index
    return made


def grouped(places: tuple[pydicom.Dataset, ...], sequence: str, tag: str) -> Any:
    """Return a value of the functional groups, the frame's before the shared, None without one."""
    held = (place[sequence][0].get(tag) for place in places if place.get(sequence))
    return next((value for value in held if value is not None), None)


def voxels(path: Path, headers: tuple[pydicom.Dataset, ...]) -> np.ndarray:
    """Return the frames of these slices (z, y, x) in HU, float32."""
    frames = pydicom.dcmread(path).pixel_array
    scales = [(float(h.get("RescaleSlope", 1)), float(h.get("RescaleIntercept", 0)))
              for h in headers]  # fmt: skip
    pairs = zip(headers, scales, strict=True)
    return np.float32([frames[h.frame_index] * slope + inter for h, (slope, inter) in pairs])
