"""DICOM CT series: found in a folder, chosen by stated rules, and read.

The rules, in this order: the series that a DICOM mask refers to, or that shares the frame of
reference of its PET; the same grid as a mask that is an image file, then its size; original images
before derived ones; the thinnest slices; the most slices; the lowest series number. Localizers
never.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.errors import InvalidDicomError

from radiogenomics.images.grids import box_of, extent
from radiogenomics.study.errors import ImageFault

HEADER = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "ImageType",
    "PatientID", "FrameOfReferenceUID", "StudyInstanceUID", "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Rows", "Columns",
    "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "RescaleSlope", "RescaleIntercept",
    "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "Exposure",
    "XRayTubeCurrent", "ExposureTime", "ContrastBolusAgent",
    "SeriesDescription",
]  # fmt: skip
DIRECTORY = "1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR
NAMED_DICOM = (".dcm", ".dicom", ".ima")
SAME_MM = 0.1  # how far the ends of two grids may lie apart that are one


@dataclass(frozen=True)
class Series:
    """One series: its uid, and files with their headers (from the feet up, once checked)."""

    uid: str
    files: tuple[Path, ...]
    headers: tuple[pydicom.Dataset, ...]

    @property
    def first(self) -> pydicom.Dataset:
        """The header of the first file."""
        return self.headers[0]

    @property
    def thickness_mm(self) -> float:
        """The slice thickness, infinite where the header has none."""
        return float(self.first.get("SliceThickness") or np.inf)

    def describe(self) -> str:
        """Return the series in words, without an identifier."""
        number = self.first.get("SeriesNumber", "?")
        kernel = kernel_of(self.first) or "no kernel"
        return f"series {number}: {len(self.files)} × {self.thickness_mm:g} mm, {kernel}"


def kernel_of(header: pydicom.Dataset) -> str:
    """Return the reconstruction kernel that a header names, else an empty string."""
    kernel = header.get("ConvolutionKernel", "")
    return kernel if isinstance(kernel, str) else "/".join(kernel)


def read_header(path: Path) -> pydicom.Dataset | None:
    """Read a file's header without its pixels; None when it is no DICOM file.

    Raises:
        ImageFault: a file that is named like DICOM but is none, or is cut off.
    """
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER, force=True)
        if "SOPClassUID" in header or "Modality" in header:
            return _readable(path, header)
    except (InvalidDicomError, EOFError, ValueError, AttributeError, NotImplementedError, OSError):
        pass
    if path.suffix.lower() in NAMED_DICOM or _begun(path):
        raise ImageFault(
            f"{path.name} looks like DICOM by its name or first bytes but is not, or is cut off. "
            "Expected: a "
            "slice of the CT. Export it again, or remove the file."
        )
    return None


def _begun(path: Path) -> bool:
    """Return whether a file without a suffix is empty, or begins as a DICOM slice does."""
    with path.open("rb") as stream:
        start = stream.read(1024)
    directory = DIRECTORY.encode() in start
    return not path.suffix and (not start or (start[128:132] == b"DICM" and not directory))


def _readable(path: Path, header: pydicom.Dataset) -> pydicom.Dataset:
    for tag in HEADER:
        try:
            value = header.get(tag)
            if value is not None and header[tag].VR in ("DS", "IS"):
                np.asarray(value, float)
        except (ValueError, TypeError, NotImplementedError):
            raise ImageFault(
                f"{path.name}: {tag} in its header cannot be read. Expected: a value as DICOM "
                "writes it. Export the original series."
            ) from None
    return header


def find_series(folder: Path) -> list[Series]:
    """Return every series of images in a folder and below it; other files are passed over.

    Hidden files are, too, such as macOS' `._` beside each copied slice.
    """
    by_uid: dict[str, list[tuple[Path, pydicom.Dataset]]] = defaultdict(list)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != "."):
        header = None if path.name == "DICOMDIR" else read_header(path)
        if header is not None:
            by_uid[str(header.get("SeriesInstanceUID", ""))].append((path, header))
    return [Series(uid, *zip(*pairs, strict=True)) for uid, pairs in sorted(by_uid.items())]


def choose_ct(
    folder: Path, referenced: tuple[str, ...] = (), mask: sitk.Image | None = None,
    frame: str = "",
) -> tuple[Series, list[Series]]:  # fmt: skip
    """Choose the CT series by the rules of this module; return it and the others.

    Args:
        folder: holds the files, in any depth.
        referenced: the series that a DICOM mask was drawn on.
        mask: one that is an image file: its grid says on which series it was drawn.
        frame: the frame of reference of a mask that was drawn on another modality, such as the
            PET of a PET/CT: a CT that shares it shares its coordinates.

    Raises:
        ImageFault: no CT, scans of several patients, not the series that the mask refers to,
            several examinations and nothing that says on which of them the mask was drawn.
    """
    every = find_series(folder)
    scans = [s for s in every if s.first.get("Modality") == "CT" and not _localizer(s.first)]
    if not scans:
        kinds = ", ".join(sorted({_kind(s.first) for s in every})) or "none"
        raise ImageFault(
            f"{folder.name} holds no CT series; DICOM found: {kinds}. Expected: an axial CT."
        )
    if len({str(h.get("PatientID", "")) for s in scans for h in s.headers}) > 1:
        raise ImageFault(
            f"{folder.name} holds CT of more than one patient. Expected: one. Sort the export."
        )
    fitting = scans
    if referenced:
        shared = [s for s in scans if frame and s.first.get("FrameOfReferenceUID") == frame]
        fitting = [s for s in scans if s.uid in referenced] or shared
    if not fitting:
        raise ImageFault(
            f"{folder.name} holds {len(scans)} CT series, none of them the one that the mask "
            "refers to. Expected: the series it was drawn on. Export that series."
        )
    chosen = min(fitting, key=lambda s: _rank(s, mask))
    exams = {str(s.first.get("StudyInstanceUID", "")) for s in fitting}
    if len(exams) > 1 and mask is not None and not _drawn_on(chosen, mask):
        raise ImageFault(
            f"{folder.name} holds CT of {len(exams)} examinations, and nothing says on which of "
            "them the mask was drawn. Expected: one. Remove the others."
        )
    return chosen, [s for s in scans if s is not chosen]


def _kind(header: pydicom.Dataset) -> str:
    return str(header.get("Modality", "?")) + (" localizer" if _localizer(header) else "")


def _localizer(header: pydicom.Dataset) -> bool:
    return "LOCALIZER" in [str(part).upper() for part in header.get("ImageType", [])]


def _drawn_on(series: Series, mask: sitk.Image) -> bool:
    """Return whether a mask's grid covers the same volume as a series, in any axis order."""
    first = series.first
    try:
        across, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
        apart, beside = (float(s) for s in first.PixelSpacing)
        wide, deep = across * beside * (first.Columns - 1), down * apart * (first.Rows - 1)
        places = np.array([h.ImagePositionPatient for h in series.headers], float)
    except (AttributeError, TypeError, ValueError):  # `slices.in_order` says what is wrong with it
        return False
    own = extent(np.concatenate([places, places + wide, places + deep, places + wide + deep]))
    return len(places) in mask.GetSize() and bool(np.abs(own - box_of(mask)).max() < SAME_MM)


def _rank(series: Series, mask: sitk.Image | None) -> tuple:
    first = series.first
    size = (first.get("Columns"), first.get("Rows"), len(series.files))
    number = first.get("SeriesNumber")
    return (
        mask is not None and not _drawn_on(series, mask),
        mask is not None and size != mask.GetSize(),
        "DERIVED" in [str(part).upper() for part in first.get("ImageType", [])],
        series.thickness_mm,
        -len(series.files),
        int(number) if number is not None else 0,
        series.uid,
    )


def first_of(path: Path) -> Path:
    """Return the first file of a folder of DICOM, or the file itself."""
    if path.is_file():
        return path
    return min((p for p in path.rglob("*") if p.is_file() and p.name[0] != "."), default=path)


def patient_id(path: Path) -> str:
    """Return the PatientID of a DICOM file, or of a folder's first; "" where there is none."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        try:
            header = read_header(file)
        except ImageFault:
            continue
        if header is not None and header.get("PatientID"):
            return str(header.PatientID).strip()
    return ""


def read_series(series: Series) -> sitk.Image:
    """Return the voxels of a checked series in HU (rescale applied), its grid from the headers."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in series.files])
    if len({(h.get("RescaleSlope"), h.get("RescaleIntercept")) for h in series.headers}) > 1:
        reader.SetOutputPixelType(sitk.sitkFloat32)  # else that of the first slice, and HU wrap
    image = reader.Execute()
    ends = np.array([h.ImagePositionPatient for h in (series.headers[0], series.headers[-1])])
    way = np.diff(ends.astype(float), axis=0)[0]
    down, across = (float(v) for v in series.first.PixelSpacing)
    image.SetSpacing([across, down, float(np.linalg.norm(way)) / (len(series.files) - 1)])
    image.SetOrigin(ends[0].astype(float).tolist())
    x, y = np.array(series.first.ImageOrientationPatient, float).reshape(2, 3)
    image.SetDirection(np.stack([x, y, np.cross(x, y)], axis=1).ravel().tolist())
    return image
