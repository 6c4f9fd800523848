"""Which of a folder's CT series is read, by stated rules.

In this order: what cohort.csv names; the series that a DICOM mask refers to, or that shares its
frame of reference; volumes before single images; axial before other planes; the same grid as a mask
that is an image file, then its size; the kernels that study.toml prefers; original images before
derived ones; the thinnest slices; the most slices; the lowest series number. Localizers never.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from radiogenomics.images.dicom.series import (
    Series,
    acquired,
    find_series,
    kernel_of,
    kind_of,
    normal_of,
    position_of,
    scans_of,
)
from radiogenomics.images.grids import box_of, extent
from radiogenomics.study.errors import ImageFault

SAME_MM = 0.1  # how far the ends of two grids may lie apart that are one
VOLUME = 5  # slices at different places, from which a series is a volume
AXIAL = 0.7  # cosine between a series' normal and the patient's length


@dataclass(frozen=True)
class Wanted:
    """What decides between several series: cohort.csv, study.toml, the outline.

    `series` is a SeriesNumber or a UID, `acquisition` an AcquisitionNumber, `kernels` those of
    study.toml. `referenced` are the series that an outline names, `frame` is its frame of
    reference, `points` (n, 3) are places of it in mm, `mask` is one that is an image file.
    """

    series: str = ""
    acquisition: str = ""
    kernels: tuple[str, ...] = ()
    referenced: tuple[str, ...] = ()
    frame: str = ""
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    mask: sitk.Image | None = None


def choose_ct(folder: Path, wanted: Wanted | None = None) -> tuple[Series, list[Series]]:
    """Choose the CT series by the rules of this module; return it and the others.

    Args:
        folder: holds the files, in any depth.
        wanted: what decides between several.

    Raises:
        ImageFault: no CT, scans of several patients, not the series that is asked for, several
            examinations and nothing that says on which of them the mask was drawn, several
            acquisitions at the same places.
    """
    return choose(find_series(folder), folder.name, wanted or Wanted())


def choose(every: list[Series], name: str, wanted: Wanted) -> tuple[Series, list[Series]]:
    """Choose among the series of a folder of this name; as `choose_ct`."""
    scans = [scan for series in every for scan in scans_of(series)]
    if not scans:
        kinds = ", ".join(sorted({kind_of(s.first) for s in every})) or "none"
        raise ImageFault(f"{name} holds no CT series; DICOM found: {kinds}. Expected: an axial CT.")
    if len({str(h.get("PatientID", "")) for s in scans for h in s.headers}) > 1:
        raise ImageFault(
            f"{name} holds CT of more than one patient. Expected: one. Sort the export."
        )
    fitting, notes = _asked_for(scans, wanted, name)
    chosen = min(fitting, key=lambda s: _rank(s, wanted))
    _refuse_phases(chosen, fitting, name)
    exams = {str(s.first.get("StudyInstanceUID", "")) for s in fitting}
    mask = wanted.mask
    if len(exams) > 1 and mask is not None and not _drawn_on(chosen, mask) and not wanted.series:
        raise ImageFault(
            f"{name} holds CT of {len(exams)} examinations, and nothing says on which of "
            "them the mask was drawn. Expected: one. Remove the others, or name one in cohort.csv, "
            "column ct_series."
        )
    return (
        replace(chosen, notes=(*chosen.notes, *notes)),
        [s for s in scans if s is not chosen and s.uid != chosen.uid],
    )


def _asked_for(scans: list[Series], wanted: Wanted, name: str) -> tuple[list[Series], list[str]]:
    """Return the series among which the rules choose, and a note on how they were found."""
    fitting = scans
    if wanted.series:
        number = wanted.series.removesuffix(".0")
        fitting = [s for s in scans if number in (str(s.first.get("SeriesNumber", "")), s.uid)]
        found = "; ".join(s.describe() for s in scans)
        _expect(fitting, f"{name} holds {found}. Expected: the one that ct_series names")
    if wanted.acquisition:
        number = wanted.acquisition.removesuffix(".0")
        numbers = sorted({acquired(h) for s in fitting for h in s.headers})
        fitting = [s for s in fitting if number == (s.acquisition or acquired(s.first))]
        _expect(fitting, f"{name} holds the acquisitions {', '.join(numbers)}. Expected: the one "
                "that ct_acquisition names")  # fmt: skip
    if wanted.series or not wanted.referenced:
        return fitting, []
    named = [s for s in fitting if {str(h.get("SeriesInstanceUID", "")) for h in s.headers}
             & set(wanted.referenced)]  # fmt: skip
    if named:
        return named, []
    shared = [s for s in fitting if wanted.frame
              and str(s.first.get("FrameOfReferenceUID", "")) == wanted.frame]  # fmt: skip
    if shared:
        note = "the outline names another series or modality in the CT's frame of reference"
        return shared, [note]
    around = [s for s in fitting if _in_the_planes(s, wanted.points)]
    _expect(around, f"{name} holds {len(scans)} CT series, none of them the one that the mask "
            "refers to. Expected: the series it was drawn on")  # fmt: skip
    return around, ["the outline names a series that is not there: it lies in this CT's slices"]


def _expect(fitting: list[Series], fault: str) -> None:
    if not fitting:
        raise ImageFault(f"{fault}. Export that series, or correct cohort.csv.")


def _refuse_phases(chosen: Series, fitting: list[Series], name: str) -> None:
    """Refuse to choose between scans of one series that lie at the same places."""
    phases = [s for s in fitting if s.uid == chosen.uid and s.acquisition]
    if len(phases) > 1:
        held = ", ".join(f"{s.acquisition} ({len(s.files)} slices)" for s in phases)
        raise ImageFault(
            f"{name}: {chosen.first.get('SeriesNumber', '?')} is the number of one series with the "
            f"acquisitions {held} at the same places, as of two phases. Expected: one. Name it in "
            "cohort.csv, column ct_acquisition."
        )


def _places(series: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return positions (slice, 3) and a slice's two edges (mm), None where a header has none."""
    first = series.first
    try:
        across, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
        apart, beside = (float(s) for s in first.PixelSpacing)
        edges = across * beside * (first.Columns - 1), down * apart * (first.Rows - 1)
        places = np.array([h.ImagePositionPatient for h in series.headers], float).reshape(-1, 3)
    except (AttributeError, TypeError, ValueError):  # `slices.in_order` says what is wrong with it
        return None
    return places, *edges


def _drawn_on(series: Series, mask: sitk.Image) -> bool:
    """Return whether a mask's grid covers the same volume as a series, in any axis order."""
    found = _places(series)
    if found is None:
        return False
    places, wide, deep = found
    own = extent(np.concatenate([places, places + wide, places + deep, places + wide + deep]))
    return len(places) in mask.GetSize() and bool(np.abs(own - box_of(mask)).max() < SAME_MM)


def _in_the_planes(series: Series, points: np.ndarray) -> bool:
    """Return whether places of an outline (n, 3) lie in a series' slices, inside their edges."""
    found = _places(series)
    if found is None or not len(points):
        return False
    places, wide, deep = found
    normal = np.cross(wide, deep) / np.linalg.norm(np.cross(wide, deep))
    heights = np.abs((points @ normal)[:, np.newaxis] - places @ normal).min(axis=1)
    away = points - places[0]
    inside = [(away @ edge >= 0) & (away @ edge <= edge @ edge) for edge in (wide, deep)]
    return bool((heights < SAME_MM).all() and np.logical_and(*inside).all())


def _rank(series: Series, wanted: Wanted) -> tuple:
    first, mask = series.first, wanted.mask
    size = (first.get("Columns"), first.get("Rows"), len(series.files))
    number = first.get("SeriesNumber")
    kernel = kernel_of(first).casefold()
    kernels = [k.casefold() for k in wanted.kernels]
    return (
        len(set(map(position_of, series.headers))) < VOLUME,
        not _axial(first),
        mask is not None and not _drawn_on(series, mask),
        mask is not None and size != mask.GetSize(),
        kernels.index(kernel) if kernel in kernels else len(kernels),
        "DERIVED" in [str(part).upper() for part in first.get("ImageType") or []],
        series.thickness_mm,
        -len(series.files),
        int(number) if number is not None else 0,
        series.uid,
    )


def _axial(header: pydicom.Dataset) -> bool:
    try:
        return bool(abs(normal_of(header)[2]) > AXIAL)
    except (AttributeError, TypeError, ValueError):
        return False
