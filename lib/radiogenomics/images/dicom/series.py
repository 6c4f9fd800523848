"""DICOM CT series: found in a folder, freed of what is no slice, and read."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from radiogenomics.images.dicom import multiframe
from radiogenomics.images.dicom.headers import read_header
from radiogenomics.images.formats import content_hash
from radiogenomics.study.files import files_below

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # of one frame; of several it goes on with a dot
CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", *multiframe.CLASSES)  # CT Image, Enhanced, Legacy


@dataclass(frozen=True)
class Series:
    """One series: its uid, and files with their headers (from the feet up, once checked).

    `notes` says what was left out of it; `acquisition` is the AcquisitionNumber of one of several
    scans in one series, else empty.
    """

    uid: str
    files: tuple[Path, ...]
    headers: tuple[pydicom.Dataset, ...]
    notes: tuple[str, ...] = ()
    acquisition: str = ""

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
        scan = f", acquisition {self.acquisition}" if self.acquisition else ""
        return f"series {number}{scan}: {len(self.files)} × {self.thickness_mm:g} mm, {kernel}"

    def kept(self, rows: list[int], *notes: str, acquisition: str = "") -> Series:
        """Return the series with these of its files alone."""
        return replace(
            self, files=tuple(self.files[i] for i in rows), notes=(*self.notes, *notes),
            headers=tuple(self.headers[i] for i in rows),
            acquisition=acquisition or self.acquisition,
        )  # fmt: skip


def kernel_of(header: pydicom.Dataset) -> str:
    """Return the reconstruction kernel that a header names, else an empty string."""
    kernel = header.get("ConvolutionKernel", "")
    return kernel if isinstance(kernel, str) else "/".join(kernel)


def acquired(header: pydicom.Dataset) -> str:
    """Return the AcquisitionNumber, else an empty string."""
    return str(header.get("AcquisitionNumber", "") or "")


def find_series(folder: Path) -> list[Series]:
    """Return every series of images in a folder and below it; other files are passed over.

    Hidden files are, too, such as macOS' `._` beside each copied slice. Frames of a multi-frame CT
    are its slices.
    """
    by_uid: dict[str, list[tuple[Path, pydicom.Dataset]]] = defaultdict(list)
    for path in sorted(p for p in files_below(folder) if p.name[0] != "."):
        header = None if path.name == "DICOMDIR" else read_header(path)
        if header is None:
            continue
        uid = str(header.get("SeriesInstanceUID", ""))
        by_uid[uid] += [(path, part) for part in multiframe.slices(path, header)]
    return _joined([Series(u, *zip(*pairs, strict=True)) for u, pairs in sorted(by_uid.items())])


def _joined(every: list[Series]) -> list[Series]:
    """Join series of one slice each that are one scan: some writers give every slice a UID."""
    alike: dict[tuple, list[Series]] = defaultdict(list)
    tags = ("Modality", "StudyInstanceUID", "SeriesNumber", "FrameOfReferenceUID", "Rows",
            "Columns", "ImageOrientationPatient", "AcquisitionNumber", "ImageType")  # fmt: skip
    for series in every:
        single = len(series.files) == 1 and "ImagePositionPatient" in series.first
        alike[tuple(str(series.first.get(t)) for t in tags) if single else (series.uid,)].append(
            series
        )
    return [
        group[0] if len(group) == 1 else Series(
            group[0].uid, tuple(s.files[0] for s in group), tuple(s.first for s in group),
            ("every slice has a SeriesInstanceUID of its own: read as one series",),
        )
        for group in alike.values()
    ]  # fmt: skip


def normal_of(header: pydicom.Dataset) -> np.ndarray:
    """Return the normal (3,) of a slice, from its ImageOrientationPatient."""
    across, down = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    return np.cross(across, down)


def scans_of(series: Series) -> list[Series]:
    """Return the CT scans of a series, without what is no slice of them; none of another kind.

    Left out are localizers, pictures of a dose report, and equal copies of a slice. Where slices
    lie at the same places and differ in AcquisitionNumber they are several scans.
    """
    slices = [i for i, h in enumerate(series.headers) if _is_ct(h) and not _localizer(h)]
    gone = [h for h in series.headers if not _is_ct(h) or _localizer(h)]
    note = f"left out of the series: files that are no slices ({len(gone)})"
    if captures := sum(map(_is_capture, gone)):
        note += f", of them secondary captures ({captures}): a name may stand in the picture"
    series = series.kept(slices, *[note] * bool(gone))
    if not slices:
        return []
    single = _without_copies(series)
    numbers = sorted({acquired(h) for h in single.headers})
    if len(numbers) < 2 or len(set(map(position_of, single.headers))) == len(single.headers):
        return [single]
    parts = [[i for i, h in enumerate(single.headers) if acquired(h) == n] for n in numbers]
    return [single.kept(rows, acquisition=number)
            for number, rows in zip(numbers, parts, strict=True)]  # fmt: skip


def _is_ct(header: pydicom.Dataset) -> bool:
    sop = str(header.get("SOPClassUID", ""))
    kind = str(header.get("Modality", "") or "")
    of_kind = (kind == "CT" or (not kind and bool(sop))) and (not sop or sop in CT_CLASSES)
    return of_kind and (sop in CT_CLASSES or int(header.get("SamplesPerPixel") or 1) == 1)


def position_of(header: pydicom.Dataset) -> tuple[str, ...]:
    """Return ImagePositionPatient as it is written, empty where there is none."""
    return tuple(str(value) for value in header.get("ImagePositionPatient") or ())


def _without_copies(series: Series) -> Series:
    """Leave out equal copies of a slice, as of an export that was made twice."""
    places = [position_of(h) for h in series.headers]
    times, seen, rows = Counter(places), set(), []
    for i, place in enumerate(places):
        key = (place, content_hash(series.files[i])) if times[place] > 1 and place else (i,)
        if key not in seen:
            rows.append(i)
        seen.add(key)
    gone = len(places) - len(rows)
    return series.kept(rows, *[f"left out of the series: copies of slices ({gone})"] * bool(gone))


def kind_of(header: pydicom.Dataset) -> str:
    """Return what a file is, in words."""
    kind = str(header.get("Modality", "") or "?")
    if _localizer(header):
        return f"{kind} localizer"
    if _is_capture(header):
        return f"{kind} secondary capture"
    return kind if _is_ct(header) or kind != "CT" else "CT that is no CT image"


def _is_capture(header: pydicom.Dataset) -> bool:
    sop = str(header.get("SOPClassUID", ""))
    return sop == CAPTURE or sop.startswith(f"{CAPTURE}.")


def _localizer(header: pydicom.Dataset) -> bool:
    return "LOCALIZER" in [str(part).upper() for part in header.get("ImageType") or []]


def read_series(series: Series) -> sitk.Image:
    """Return the voxels of a checked series in HU (rescale applied), its grid from the headers."""
    if hasattr(series.first, "frame_index"):
        image = sitk.GetImageFromArray(multiframe.voxels(series.files[0], series.headers))
    else:
        image = _read_files(series)
    ends = np.array([h.ImagePositionPatient for h in (series.headers[0], series.headers[-1])])
    way = np.diff(ends.astype(float), axis=0)[0]
    down, across = (float(v) for v in series.first.PixelSpacing)
    image.SetSpacing([across, down, float(np.linalg.norm(way)) / (len(series.files) - 1)])
    image.SetOrigin(ends[0].astype(float).tolist())
    x, y = np.array(series.first.ImageOrientationPatient, float).reshape(2, 3)
    image.SetDirection(np.stack([x, y, np.cross(x, y)], axis=1).ravel().tolist())
    return image


def _read_files(series: Series) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in series.files])
    if len({(h.get("RescaleSlope"), h.get("RescaleIntercept")) for h in series.headers}) > 1:
        reader.SetOutputPixelType(sitk.sitkFloat32)  # else that of the first slice, and HU wrap
    return reader.Execute()
