"""The slices of a CT series, checked one by one and put in order along their normal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID

from radiogenomics.images.dicom.series import Series, normal_of
from radiogenomics.study.errors import ImageFault

AROUND_MM = 16.0  # beside the lesion: what its features see
ROUNDED_MM = 0.051  # positions to a tenth of a mm, as some exports have them
EVEN = 0.1  # of the usual gap: how far one gap between slices may differ
TILT = 0.01  # mm that a slice may be shifted per mm of way along the normal


def in_order(series: Series, name: str, lesion: np.ndarray | None = None) -> Series:
    """Check a series and return it with its slices from first to last along their normal.

    Where gaps differ, the evenly spaced part is returned that holds the lesion and 16 mm beside it.

    Args:
        series: `choose_ct`'s.
        name: of its folder, for messages.
        lesion: places (n, 3) of the lesion, mm.

    Raises:
        ImageFault: a slice is missing, doubled, cut off, unlike the others or has no position;
            uneven spacing; a tilted gantry; a multi-frame file.
    """
    for path, header in zip(series.files, series.headers, strict=True):
        _check_slice(path, header)
    _check_alike(series, name)
    positions = np.array([h.ImagePositionPatient for h in series.headers], float)
    normal = normal_of(series.first)
    order = np.argsort(positions @ normal, kind="stable")
    notes = []
    if lesion is not None and len(lesion) and len(order) > 2:
        part = _even_part(positions[order] @ normal, lesion @ normal)
        if 1 < len(part) < len(order):
            counts = f"{len(part)} of {len(order)}"
            notes = [f"gaps between slices differ: {counts} are read, around the lesion"]
            order = order[part]
    headers = tuple(series.headers[i] for i in order)
    _check_spacing(positions[order], normal, headers, name)
    return series.kept(order.tolist(), *notes)


def _even_part(heights: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Return the slices of one spacing around the lesion, [] where its surroundings are uneven.

    Args:
        heights: of the slices along their normal, rising, mm.
        lesion: of its points.
    """
    gaps = np.diff(heights)
    middle = int(np.clip(np.searchsorted(heights, lesion.mean()) - 1, 0, len(gaps) - 1))
    tolerance = max(EVEN * gaps[middle], 2 * ROUNDED_MM)
    uneven = np.flatnonzero(np.abs(gaps - gaps[middle]) > tolerance)
    below, above = uneven[uneven < middle], uneven[uneven > middle]
    first = int(below.max()) + 1 if len(below) else 0
    last = int(above.min()) if len(above) else len(gaps)
    low = heights[first] <= lesion.min() - AROUND_MM or first == 0
    high = heights[last] >= lesion.max() + AROUND_MM or last == len(gaps)
    return np.arange(first, last + 1) if low and high else np.array([], int)


def _check_slice(path: Path, header: pydicom.Dataset) -> None:
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ImageFault(
            f"{path.name} is a multi-frame file. Expected: one file per slice. Convert it to NIfTI "
            "(for example with dcm2niix) and name that file as the CT."
        )
    needed = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
    absent = [tag for tag in needed if not header.get(tag)]
    if absent:
        raise ImageFault(
            f"{path.name} has no {', '.join(absent)}. Expected: an axial CT slice with its "
            "position. "
            "Export the original series."
        )
    _check_values(path, header)
    syntax = UID(header.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2"))
    whole = header.Rows * header.Columns * header.get("BitsAllocated", 16) // 8
    if not syntax.is_compressed and not syntax.is_deflated and path.stat().st_size < whole:
        raise ImageFault(
            f"{path.name} is cut off: {path.stat().st_size} bytes. Expected: at least {whole} for "
            f"{header.Columns} × {header.Rows} pixels. Copy it again."
        )


def _check_values(path: Path, header: pydicom.Dataset) -> None:
    many = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    wrong = [tag for tag, n in many.items() if np.size(header.get(tag)) != n]
    if wrong or min(header.PixelSpacing) <= 0:
        values = ", ".join(f"{tag} {header.get(tag)}" for tag in wrong or ["PixelSpacing"])
        raise ImageFault(
            f"{path.name} has {values}. Expected: 3 numbers of position, 6 of orientation, 2 of "
            "spacing above 0. Export the original series."
        )
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise ImageFault(
            f"{path.name} has {header.SamplesPerPixel} values per pixel, like a colour image. "
            "Expected: HU. Export the original series, not screenshots."
        )


def _check_alike(series: Series, name: str) -> None:
    for tag in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        values = np.array([h.get(tag) for h in series.headers], float)
        if np.ptp(values, axis=0).max() > 1e-3:
            raise ImageFault(
                f"{name}: slices differ in {tag} ({values.min():g} to {values.max():g}). "
                "Expected: one geometry. Remove the slices that do not belong to the scan."
            )


def _check_spacing(
    positions: np.ndarray, normal: np.ndarray, headers: tuple[pydicom.Dataset, ...], name: str
) -> None:
    if len(positions) < 2:
        raise ImageFault(f"{name} holds one slice. Expected: a volume. Export all slices.")
    ways = np.diff(positions, axis=0)
    gaps = ways @ normal
    if gaps.min() < 1e-3:
        at = int(gaps.argmin())
        raise ImageFault(
            f"{name}: two slices are at the same position ({_instances(headers, at)}). "
            "Expected: one. The series holds two phases or copies: export one."
        )
    usual = np.median(gaps)
    uneven = np.abs(gaps - usual)
    if uneven.max() > max(EVEN * usual, 2 * ROUNDED_MM):
        at = int(uneven.argmax())
        raise ImageFault(
            f"{name}: slices {at + 1} and {at + 2} lie {gaps[at]:.2f} mm apart "
            f"({_instances(headers, at)}), the others {usual:.2f} mm. Expected: even spacing; a "
            "missing slice is never interpolated. Export all slices."
        )
    height = np.concatenate([[0.0], np.cumsum(gaps)])
    off = np.abs(height - np.linspace(0.0, height[-1], len(height)))
    if off.max() > max(EVEN * usual, ROUNDED_MM):
        at = int(off.argmax())
        raise ImageFault(
            f"{name}: slice {at + 1} ({_instances(headers, at, 1)}) lies {off[at]:.2f} mm from its "
            f"position on an even grid: gaps run from {gaps.min():.2f} to {gaps.max():.2f} mm. "
            "Expected: even spacing. Export a reconstruction with one spacing."
        )
    shift = np.linalg.norm(ways - np.outer(gaps, normal), axis=1)
    if (shift > TILT * gaps).any():
        angle = np.degrees(np.arctan2(shift.max(), usual))
        raise ImageFault(
            f"{name}: the gantry is tilted by {angle:.1f}° (slices are shifted along each other). "
            "Expected: slices above each other. Reconstruct without tilt, or convert it with "
            "dcm2niix and name its file with _Tilt in the name, not the other."
        )


def _instances(headers: tuple[pydicom.Dataset, ...], at: int, n: int = 2) -> str:
    numbers = [str(h.get("InstanceNumber", "?")) for h in headers[at : at + n]]
    return f"InstanceNumber {' and '.join(numbers)}"


def gaps_of(series: Series) -> np.ndarray:
    """Return the ways (mm) between neighbouring slices along their normal."""
    positions = np.array([h.ImagePositionPatient for h in series.headers], float)
    return np.diff(positions @ normal_of(series.first))
