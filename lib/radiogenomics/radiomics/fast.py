"""PyRadiomics' features another way round: every image is filtered, binned and read once.

Values are PyRadiomics', which stays the reference (`[radiomics] engine`): the tests hold every
one to it.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from radiomics import cShape

from radiogenomics.radiomics.filters import box_of, filtered
from radiogenomics.radiomics.matrices import Places, places
from radiogenomics.radiomics.textures import EPS, textures

SMALLEST = 4  # voxels along each axis that PyRadiomics' Laplacian of Gaussian needs


def serves(ct: sitk.Image, sigmas: tuple[float, ...]) -> bool:
    """Return whether these images are of the kind that this engine was proven on."""
    spacing, size = ct.GetSpacing(), min(ct.GetSize())
    wide = size >= max(SMALLEST, *(np.ceil(s / min(spacing)) + 1 for s in sigmas), 0)
    return ct.GetPixelID() == sitk.sitkFloat32 and len(set(spacing)) == 1 and bool(wide)


def extract_fast(
    ct: sitk.Image, mask: sitk.Image, bin_width: float, sigmas: tuple[float, ...]
) -> dict[str, float]:
    """Return all 3D features of eight image types, named and ordered as PyRadiomics does.

    Args:
        ct: resampled, of the kind that it `serves`.
        mask: 1 in the lesion, on the CT's grid.
        bin_width: of the grey levels.
        sigmas: of the Laplacian of Gaussian, mm.
    """
    inside = sitk.GetArrayViewFromImage(mask) == 1
    spacing = np.array(ct.GetSpacing()[::-1])
    lesion = places(np.ascontiguousarray(inside[box_of(inside)]))
    found = _named("original_shape", shape(lesion.inside, spacing))
    for name, values in filtered(ct, inside, sigmas, bin_width):
        for kind, measured in _measured(values, lesion, bin_width, spacing.prod()).items():
            found |= _named(f"{name}_{kind}", measured)
    return found


def _named(prefix: str, values: dict[str, float]) -> dict[str, float]:
    """Return values in the order of PyRadiomics' methods, getMeanFeatureValue and so on."""
    return {f"{prefix}_{n}": values[n] for n in sorted(values, key=lambda n: f"{n}FeatureValue")}


def _measured(
    values: np.ndarray, lesion: Places, bin_width: float, volume: float
) -> dict[str, dict[str, float]]:
    """Return one image's features by class; bins begin at multiples of their width."""
    low = values.min() - values.min() % bin_width
    levels = np.digitize(values, np.arange(low, values.max() + 2 * bin_width, bin_width))
    counts = np.bincount(levels)
    first = first_order(values.astype(float), counts[counts > 0] / len(values), volume)
    return {"firstorder": first} | textures(levels, lesion)


def first_order(x: np.ndarray, share: np.ndarray, volume: float) -> dict[str, float]:
    """Return first-order features of voxels (n,), of the shares of levels, and a voxel's mm³."""
    mean, energy = x.mean(), (x**2).sum()
    away = x - mean
    square = away * away
    m2, m3, m4 = square.mean(), (square * away).mean(), (square * square).mean()
    p10, p25, p75, p90 = np.percentile(x, [10, 25, 75, 90])
    middle = x[(x >= p10) & (x <= p90)]
    found = {
        "10Percentile": p10, "90Percentile": p90, "Energy": energy,
        "Entropy": -(share * np.log2(share + EPS)).sum(), "InterquartileRange": p75 - p25,
        "Kurtosis": m4 / m2**2 if m2 else 0.0, "Maximum": x.max(), "Mean": mean,
        "MeanAbsoluteDeviation": np.abs(away).mean(), "Median": np.median(x), "Minimum": x.min(),
        "Range": x.max() - x.min(),
        "RobustMeanAbsoluteDeviation": np.abs(middle - middle.mean()).mean(),
        "RootMeanSquared": np.sqrt(energy / len(x)), "Skewness": m3 / m2**1.5 if m2 else 0.0,
        "TotalEnergy": energy * volume, "Uniformity": (share**2).sum(), "Variance": m2,
    }  # fmt: skip
    return {name: float(value) for name, value in found.items()}


def shape(lesion: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """Return shape features of a lesion, bool (z, y, x) in its box; spacing (z, y, x) in mm."""
    padded = np.pad(lesion, 1)
    area, volume, widest = cShape.calculate_coefficients(padded, spacing)
    at = np.argwhere(padded) * spacing
    at -= at.mean(0)
    least, minor, major = np.linalg.eigvalsh(at.T @ at / len(at)).clip(0)
    return {
        "Elongation": float(np.sqrt(minor / major)), "Flatness": float(np.sqrt(least / major)),
        "LeastAxisLength": float(4 * np.sqrt(least)), "MajorAxisLength": float(4 * np.sqrt(major)),
        "Maximum2DDiameterColumn": widest[1], "Maximum2DDiameterRow": widest[2],
        "Maximum2DDiameterSlice": widest[0], "Maximum3DDiameter": widest[3], "MeshVolume": volume,
        "MinorAxisLength": float(4 * np.sqrt(minor)),
        "Sphericity": (36 * np.pi * volume**2) ** (1 / 3) / area, "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume, "VoxelVolume": float(len(at) * spacing.prod()),
    }  # fmt: skip
