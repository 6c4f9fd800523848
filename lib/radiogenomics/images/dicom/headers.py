"""DICOM headers: which files are DICOM, and what is read of them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.datadict import keyword_for_tag

from radiogenomics.study.errors import ImageFault
from radiogenomics.study.files import files_below

HEADER = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "ImageType",
    "PatientID", "FrameOfReferenceUID", "StudyInstanceUID", "InstanceNumber",
    "AcquisitionNumber", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "RescaleSlope", "RescaleIntercept",
    "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "Exposure",
    "XRayTubeCurrent", "ExposureTime", "ContrastBolusAgent",
    "SeriesDescription", "BodyPartExamined", "BurnedInAnnotation",
]  # fmt: skip
# pydicom tells of every odd value: what matters of it, our own checks say
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom(\..*)?$")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
DIRECTORY = "1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR
NAMED_DICOM = (".dcm", ".dicom", ".ima")


def read_header(path: Path) -> pydicom.Dataset | None:
    """Read a file's header without its pixels; None when it is no DICOM file.

    Raises:
        ImageFault: a file that is named like DICOM but is none, or is cut off.
    """
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER, force=True)
        if "SOPClassUID" in header or "Modality" in header:
            return _readable(path, header)
    except ImageFault:
        raise
    except Exception:  # noqa: BLE001 - pydicom raises many kinds on what is no DICOM
        pass
    if path.suffix.lower() in NAMED_DICOM or _begun(path):
        raise ImageFault(
            f"{path.name} looks like DICOM by its name or first bytes but is not, or is cut off. "
            "Expected: a slice of the CT. Export it again, or remove the file."
        )
    return None


def _begun(path: Path) -> bool:
    """Return whether a file without a suffix is empty, or begins as a DICOM slice does."""
    with path.open("rb") as stream:
        start = stream.read(1024)
    directory = DIRECTORY.encode() in start
    return not path.suffix and (not start or (start[128:132] == b"DICM" and not directory))


def _readable(path: Path, header: pydicom.Dataset) -> pydicom.Dataset:
    for tag in header.keys():  # noqa: SIM118 - items of a Dataset are its values
        try:
            element = header[tag]
            if element.VR in ("DS", "IS") and element.value is not None:
                np.asarray(element.value, float)
        except Exception:  # noqa: BLE001 - pydicom raises many kinds on a damaged element
            raise ImageFault(
                f"{path.name}: {keyword_for_tag(tag)} in its header cannot be read. Expected: a "
                "value as DICOM writes it. Export the original series."
            ) from None
    return header


def first_of(path: Path) -> Path:
    """Return the first file of a folder of DICOM, or the file itself."""
    if path.is_file():
        return path
    return min((p for p in files_below(path) if p.name[0] != "."), default=path)


def patient_id(path: Path) -> str:
    """Return the PatientID of a DICOM file, or of a folder's first; "" where there is none."""
    files = [path] if path.is_file() else files_below(path)
    for file in files:
        try:
            header = read_header(file)
        except ImageFault:
            continue
        if header is not None and header.get("PatientID"):
            return str(header.PatientID).strip()
    return ""
