"""One patient in two rows, though the files are not the same: by voxels, and by the lesion."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.images.grids import voxels_of
from radiogenomics.images.scans import Scan

QUARTILES = (25, 50, 75)
VOLUME, AXES, HU = 0.05, 0.03, 25.0  # within which two lesions are alike: shares, and HU


class Fingerprint(NamedTuple):
    """What two copies of one patient share."""

    voxels: str  # SHA-256 of the CT's HU in canonical form
    lesion: tuple[float, ...]  # volume (mm³), half-axes (mm), quartiles (HU)


def fingerprint(scan: Scan) -> Fingerprint:
    """Return what tells a patient's scan from all others, whatever file it came in.

    Voxels alone are hashed, not where they lie: an anonymiser may move them.
    """
    hu = sitk.GetArrayViewFromImage(scan.ct)
    sha = hashlib.sha256(str(hu.shape).encode())
    sha.update(np.ascontiguousarray(hu))
    inside = voxels_of(scan.mask)
    spacing = np.array(scan.ct.GetSpacing())[::-1]
    places = inside * spacing
    spread = np.cov(places.T) if len(places) > 1 else np.zeros((3, 3))
    axes = np.sqrt(np.linalg.eigvalsh(spread + np.diag(spacing**2 / 12)))  # a voxel has a size too
    quartiles = np.percentile(hu[tuple(inside.T)], QUARTILES)
    volume = len(inside) * float(np.prod(spacing))
    return Fingerprint(sha.hexdigest(), (volume, *axes.tolist(), *quartiles.tolist()))


def same_voxels(cohort: pd.DataFrame, prints: dict[str, Fingerprint]) -> list[str]:
    """Return one fault for every CT that several patients have.

    Args:
        cohort: patient, cohort.
        prints: by patient.
    """
    sides = cohort.set_index("patient").cohort
    table = pd.Series({patient: made.voxels for patient, made in prints.items()}, dtype=str)
    faults = []
    for _, group in table.groupby(table):
        if len(group) > 1:
            names = ", ".join(f"{patient} ({sides[patient]})" for patient in group.index)
            faults.append(
                f"{names} have the same CT, voxel by voxel, in different files. Expected: one row "
                "per patient, never on both sides of the split. Keep one row."
            )
    return faults


def alike(prints: dict[str, Fingerprint]) -> dict[str, str]:
    """Return by patient a note on others whose lesion has its size, shape and HU.

    A copy that was cropped or resampled has other voxels and the same lesion.
    """
    notes: dict[str, list[str]] = {}
    values = np.array([made.lesion for made in prints.values()])
    names = list(prints)
    limits = np.array([VOLUME, AXES, AXES, AXES])
    for i, one in enumerate(names):
        size = np.abs(np.log(values[i + 1 :, :4] / values[i, :4])) < limits
        density = np.abs(values[i + 1 :, 4:] - values[i, 4:]) < HU
        for j in np.flatnonzero(size.all(axis=1) & density.all(axis=1)) + i + 1:
            if prints[one].voxels != prints[names[j]].voxels:
                notes.setdefault(one, []).append(names[j])
                notes.setdefault(names[j], []).append(one)
    return {
        patient: f"the lesion is like that of {', '.join(others)}: the same patient?"
        for patient, others in notes.items()
    }
