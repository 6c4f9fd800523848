"""Read a patient's CT and mask, and audit their geometry."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from joblib import Parallel, delayed

from radiogenomics.study import StudyError


def read_image(path: Path | str) -> sitk.Image:
    """Read a NIfTI, NRRD or MetaImage file, or a folder with one DICOM series.

    Raises:
        StudyError: the file is missing, cannot be read, or is not a 3D image of numbers.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"{path.name} is not there. Expected: an image file or a DICOM folder.")
    try:
        _check_whole(path)
        image = _read_series(path) if path.is_dir() else sitk.ReadImage(str(path))
    except RuntimeError as fault:
        reason = str(fault).strip().splitlines()[-1]
        raise StudyError(
            f"{path.name} cannot be read as an image ({reason}). Export or copy it again."
        ) from None
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        found = f"{image.GetDimension()}D, {image.GetNumberOfComponentsPerPixel()} values a voxel"
        raise StudyError(f"{path.name} is {found}. Expected: one 3D volume.")
    return image


def _check_whole(path: Path) -> None:
    """Refuse a truncated .gz file, whose missing end the reader would fill with zeros."""
    if path.suffix != ".gz":
        return
    try:
        with gzip.open(path) as stream:
            while stream.read(1 << 24):
                pass
    except (OSError, EOFError, zlib.error) as fault:
        raise StudyError(
            f"{path.name} cannot be read: it is damaged or cut off ({fault}). Copy it again."
        ) from None


def _read_series(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    series = reader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise StudyError(
            f"{folder.name} holds {len(series)} DICOM series. Expected: one. Keep the CT alone."
        )
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series[0]))
    _check_slices(folder, reader.GetFileNames())
    return reader.Execute()


def _check_slices(folder: Path, files: tuple[str, ...]) -> None:
    """Refuse a series whose slices are not evenly spaced: a missing slice is never invented."""
    positions = []
    for name in files:
        one = sitk.ImageFileReader()
        one.SetFileName(name)
        one.ReadImageInformation()
        positions.append(one.GetOrigin())
    gaps = np.linalg.norm(np.diff(np.array(positions), axis=0), axis=1)
    if len(gaps) and np.ptp(gaps) > 0.1 * np.median(gaps):
        worst = int(np.argmax(np.abs(gaps - np.median(gaps))))
        raise StudyError(
            f"{folder.name}: slices {worst + 1} and {worst + 2} lie {gaps[worst]:.2f} mm apart, "
            f"the others {np.median(gaps):.2f} mm. Expected: even spacing. Export all slices."
        )


def read_pair(
    ct_path: Path | str, mask_path: Path | str, mask_label: int = 1
) -> tuple[sitk.Image, sitk.Image]:
    """Read a CT (HU, its own pixel type) and its lesion mask (uint8, 0 or 1) on the CT's grid.

    A mask on another grid is taken over by nearest neighbour only when the CT's grid holds
    every voxel of the lesion.

    Raises:
        StudyError: unreadable, empty or misplaced files, voxels that are not finite.
    """
    ct = read_image(ct_path)
    mask = read_image(mask_path)
    _check_numbers(ct, Path(ct_path).name)
    found = np.unique(sitk.GetArrayViewFromImage(mask))
    if mask_label not in found:
        values = ", ".join(f"{v:g}" for v in found[:6])
        raise StudyError(
            f"{Path(mask_path).name} holds the labels {values}. Expected: {mask_label}, the "
            "lesion. Draw the lesion, or set mask_label in cohort.csv."
        )
    mask = sitk.Cast(sitk.Equal(mask, float(mask_label)), sitk.sitkUInt8)
    return ct, mask if same_grid(ct, mask) else _taken_over(ct, mask, Path(mask_path).name)


def _check_numbers(ct: sitk.Image, name: str) -> None:
    values = sitk.GetArrayViewFromImage(ct)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise StudyError(
            f"{name}: {bad} voxels are not finite numbers. Expected: HU. Export again."
        )


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


def _taken_over(ct: sitk.Image, mask: sitk.Image, name: str) -> sitk.Image:
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
    return moved


def describe_grid(image: sitk.Image) -> str:
    """Return size, spacing and origin in words, (x, y, z), mm."""
    size = "×".join(map(str, image.GetSize()))
    spacing = "×".join(f"{s:.3g}" for s in image.GetSpacing())
    origin = ", ".join(f"{o:.1f}" for o in image.GetOrigin())
    return f"{size} voxels of {spacing} mm from ({origin})"


def audit(ct: sitk.Image, mask: sitk.Image) -> dict[str, float | int | str | bool]:
    """Return one row of `masks.csv`: what the pair of images is, lengths mm, volume mm³."""
    parts = sitk.ConnectedComponent(mask)
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask))
    hu = sitk.GetArrayViewFromImage(ct)[sitk.GetArrayViewFromImage(mask) > 0]
    return {
        "voxels": len(inside),
        "volume_mm3": round(len(inside) * float(np.prod(mask.GetSpacing())), 1),
        "components": int(sitk.GetArrayViewFromImage(parts).max()),
        "slices": len(np.unique(inside[:, 0])),
        "touches_border": bool(
            (inside == 0).any() or (inside == np.array(mask.GetSize()[::-1]) - 1).any()
        ),
        "mean_hu": round(float(hu.mean()), 1),
        "min_hu": float(hu.min()),
        "max_hu": float(hu.max()),
    }


def acquisition(ct: sitk.Image) -> dict[str, float | int | str]:
    """Return one row of `acquisition.csv`: the CT's grid, lengths in mm."""
    x, y, z = ct.GetSpacing()
    return {
        "size": "×".join(map(str, ct.GetSize())),
        "pixel_x_mm": round(x, 4),
        "pixel_y_mm": round(y, 4),
        "slice_mm": round(z, 4),
        "orientation": sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
            ct.GetDirection()
        ),
    }


def audit_cohort(
    cohort: pd.DataFrame,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read every patient's images once.

    Returns:
        Masks (one row a patient), acquisition (likewise), and failures (patient, step, reason).
    """
    jobs = (delayed(_audit_one)(row) for row in cohort.to_dict("records"))
    results = Parallel(n_jobs=workers, return_as="generator")(jobs)
    masks, grids, failures = [], [], []
    for done, (patient, pair, reason) in enumerate(results, start=1):
        if reason:
            failures.append((patient, "images", reason))
        else:
            masks.append({"patient": patient, **pair[0]})
            grids.append({"patient": patient, **pair[1]})
        progress(done, len(cohort))
    failures = pd.DataFrame(failures, columns=["patient", "step", "reason"])
    return pd.DataFrame(masks), pd.DataFrame(grids), failures


def _audit_one(row: dict) -> tuple[str, tuple[dict, dict] | None, str]:
    try:
        ct, mask = read_pair(row["ct"], row["mask"], row["mask_label"])
        return row["patient"], (audit(ct, mask), acquisition(ct)), ""
    except (StudyError, RuntimeError) as fault:
        return row["patient"], None, str(fault)


def acquisition_counts(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return how many patients each cohort has of each scanner, kernel and thickness."""
    known = [c for c in columns if c in table]
    long = table.melt(id_vars="cohort", value_vars=known, var_name="what", value_name="value")
    return long.groupby(["what", "value", "cohort"]).size().unstack(fill_value=0).reset_index()
