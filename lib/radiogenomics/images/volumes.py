"""The paper's six image steps: from a CT and a mask to the network's input (paper, Images)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from joblib import delayed

from radiogenomics.images import anonymity, lesions
from radiogenomics.images.changes import Change, regrown
from radiogenomics.images.grids import bounds, crop, lattice, nearest
from radiogenomics.images.scans import read_from, read_pair
from radiogenomics.images.splines import spline
from radiogenomics.study import contract
from radiogenomics.study.errors import ImageFault, MissingFile, SettingsFault
from radiogenomics.study.files import digest
from radiogenomics.study.kept import keep_array, kept_array
from radiogenomics.study.parallel import each
from radiogenomics.study.settings import Preprocessing
from radiogenomics.study.study import Study

SPLINE_REACH = 24  # voxels: beyond them a cubic B-spline's weights are below 1e-13
SMALLEST = 8  # voxels of which features can be computed
HU_DECIMALS = 3  # of resampled HU


def resample(
    ct: sitk.Image, mask: sitk.Image, spacing_mm: float | tuple[float, ...], pad_mm: float = 0.0
) -> tuple[sitk.Image, sitk.Image]:
    """Step 1 and 2: CT by third-order spline, mask by nearest neighbour, around the lesion.

    Both on `grids.lattice`, whose points neither the file nor the outline moves. HU are rounded to
    0.001, so that rounding errors of two ways to one place end here.

    Args:
        ct: in canonical form, HU.
        mask: 1 in the lesion, on the CT's grid.
        spacing_mm: of the new grid, along all axes or one an axis.
        pad_mm: how far it reaches beyond the lesion's voxels, inside the CT.

    Raises:
        StudyError: the lesion has no voxel.
    """
    low, high = bounds(mask)
    grid = lattice(ct, low, high, spacing_mm, pad_mm)
    reach = SPLINE_REACH + np.ceil(pad_mm / np.array(ct.GetSpacing())).astype(int)
    near = sitk.Cast(crop(ct, low - reach, high + reach), sitk.sitkFloat32)
    return on_grid(np.round(spline(near, grid), HU_DECIMALS), grid), nearest(mask, grid)


def require_voxels(lesion: sitk.Image) -> None:
    """Refuse a lesion, resampled for its features, of fewer than 8 voxels.

    Raises:
        ImageFault: says how many there are.
    """
    voxels = int(sitk.GetArrayViewFromImage(lesion).sum())
    if voxels < SMALLEST:
        raise ImageFault(
            f"the lesion has {voxels} voxels at {edges_said(lesion)} mm. Expected: at least "
            f"{SMALLEST}. Check mask and mask_label."
        )


def edges_said(image: sitk.Image) -> str:
    """Return a voxel's edge in words, or its three where they differ."""
    edges = image.GetSpacing()
    return f"{edges[0]:g}" if len(set(edges)) == 1 else "×".join(f"{edge:g}" for edge in edges)


def scale(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Step 5: clip to the window (HU) and scale it to [0, 1]."""
    low, high = window
    return (np.clip(hu, low, high) - low) / (high - low)


def resize(image: sitk.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """Step 6: stretch the whole box to `shape` (z, y, x) by linear interpolation.

    Voxel borders, not centres, are aligned.
    """
    grid = resized_grid(image, shape)
    out = sitk.Resample(
        image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, useNearestNeighborExtrapolator=True
    )
    return sitk.GetArrayFromImage(out)


def resized_grid(image: sitk.Image, shape: tuple[int, int, int]) -> sitk.Image:
    """Return an empty image of `shape` (z, y, x) that covers the same box."""
    size = [int(n) for n in shape[::-1]]
    spacing = np.array(image.GetSpacing()) * image.GetSize() / size
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(image.GetDirection())
    first = 0.5 * (spacing / image.GetSpacing() - 1)
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def lesion_box(
    ct: sitk.Image, mask: sitk.Image, settings: Preprocessing
) -> tuple[sitk.Image, sitk.Image]:
    """Steps 1 to 4: the lesion's box of CT (HU) and mask at 1 mm, in LPS.

    In LPS, to which images are brought when they are read, and (z, y, x) order the paper's
    90-degree rotation is not needed. The box holds the margin, the mask is as it was drawn.

    Raises:
        StudyError: the lesion has no voxel, or none is left at the new spacing.
    """
    fine, lesion = resample(ct, mask, settings.spacing_mm, settings.margin_mm)
    low, high = bounds(with_margin(lesion, settings.margin_mm))
    return crop(fine, low, high), crop(lesion, low, high)


def with_margin(lesion: sitk.Image, margin_mm: float) -> sitk.Image:
    """Return a lesion's mask and what lies within the margin around it; as it is without one."""
    return regrown(lesion, margin_mm) if margin_mm else lesion


def preprocess(ct: sitk.Image, mask: sitk.Image, settings: Preprocessing) -> np.ndarray:
    """Return the network's input, float32 (z, y, x) = `settings.shape`, from 0 to 1.

    `background = "lesion"` sets what lies outside the drawn lesion, and its margin, to
    `outside_hu` (the paper's way, without a margin); `"box"` keeps the tissue in the lesion's box.

    Raises:
        StudyError: nothing of the lesion is left at the new spacing.
    """
    box, lesion = lesion_box(ct, mask, settings)
    hu = sitk.GetArrayFromImage(box)
    if settings.background == "lesion":
        kept = with_margin(lesion, settings.margin_mm)
        hu[sitk.GetArrayViewFromImage(kept) == 0] = settings.outside_hu
    scaled = on_grid(scale(hu, settings.window_hu), box)
    return np.clip(resize(scaled, settings.shape), 0, 1)


def on_grid(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    """Return an array (z, y, x) as a float32 image on an image's grid."""
    made = sitk.GetImageFromArray(array.astype(np.float32))
    made.CopyInformation(image)
    return made


def largest_slice(image: sitk.Image, lesion: sitk.Image) -> np.ndarray:
    """Return the axial slice (y, x) of an image in which the lesion is largest."""
    z = int(sitk.GetArrayViewFromImage(lesion).sum(axis=(1, 2)).argmax())
    return sitk.GetArrayFromImage(image)[z]


def volume_path(study: Study, row: pd.Series, change: Change | None = None) -> Path:
    """Return where a patient's volume is cached: named by content and settings."""
    changed = [change] if change else []
    key = digest(read_from(row), study.settings.preprocessing, sitk.__version__, 4, *changed)
    return study.derived / "volumes" / f"{key}.npy"


def prepare(
    study: Study,
    cohort: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
    change: Change | None = None,
) -> pd.DataFrame:
    """Preprocess every patient once; return the failures: patient, step, reason.

    With a change, images or outlines are changed before.

    Raises:
        SettingsFault: a margin of less than a voxel.
    """
    margin, spacing = (
        study.settings.preprocessing.margin_mm,
        study.settings.preprocessing.spacing_mm,
    )
    if 0 < margin < spacing:
        raise SettingsFault(
            f"[preprocessing] margin_mm = {margin:g} is less than a voxel. Expected: 0, or at "
            f"least spacing_mm, which is {spacing:g}."
        )
    jobs = (delayed(_prepare_one)(study, row, change) for _, row in cohort.iterrows())
    results = each(jobs, study.workers)
    failures = []
    for done, (patient, reason) in enumerate(results, start=1):
        if reason:
            failures.append((patient, "preprocessing", reason))
        progress(done, len(cohort))
    return pd.DataFrame(failures, columns=["patient", "step", "reason"])


def _prepare_one(study: Study, row: pd.Series, change: Change | None) -> tuple[str, str]:
    path = volume_path(study, row, change)
    if kept_array(path) is not None:
        return row.patient, ""
    try:
        pair = read_pair(row)
        pair = change.of(*pair) if change else pair
        volume = preprocess(*pair, study.settings.preprocessing)
    except Exception as fault:  # noqa: BLE001 - one patient's files never stop the batch
        return row.patient, anonymity.reason(fault, (row.ct, *lesions.masks(row)), row.patient)
    keep_array(path, volume)
    return row.patient, ""


def volume_keys(study: Study, patients: pd.DataFrame, change: Change | None = None) -> list[str]:
    """Return what each patient's volume is known by: the digest of its files and settings."""
    return [volume_path(study, row, change).stem for _, row in patients.iterrows()]


def load_volumes(study: Study, cohort: pd.DataFrame, change: Change | None = None) -> np.ndarray:
    """Return the cohort's volumes, float32 (patient, z, y, x, 1), of changed images with a change.

    Raises:
        StudyError: notebook 02 has not prepared these patients with these settings.
    """
    rows = [row for _, row in cohort.iterrows()]
    if not rows:
        return np.empty((0, *study.settings.preprocessing.shape, 1), np.float32)
    missing = [row.patient for row in rows if not volume_path(study, row, change).exists()]
    if missing:
        raise MissingFile(
            f"{len(missing)} of {len(cohort)} volumes are not prepared with these settings, the "
            f"first is {missing[0]}'s. Run: {contract.PREPROCESSING.run_only}"
        )
    return np.stack([_kept_volume(study, row, change) for row in rows])[..., np.newaxis]


def _kept_volume(study: Study, row: pd.Series, change: Change | None) -> np.ndarray:
    """Return a prepared volume; a damaged one is prepared again."""
    path = volume_path(study, row, change)
    volume = kept_array(path)
    if volume is None:
        _, reason = _prepare_one(study, row, change)
        volume = kept_array(path)
        if volume is None:
            raise ImageFault(f"{row.patient}: its volume was damaged, and then: {reason}")
    return volume


def summary(cohort: pd.DataFrame, volumes: np.ndarray) -> pd.DataFrame:
    """Return volumes.csv: what the network's input (patient, z, y, x, 1) holds of each patient."""
    axes = (1, 2, 3, 4)
    shares = {"mean": volumes.mean(axis=axes), "share_zero": (volumes == 0).mean(axis=axes)}
    return cohort[["patient", "cohort"]].assign(**shares)
