"""Where voxels lie: grids of images compared, described and turned into indices; mm, LPS."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def box_of(image: sitk.Image) -> np.ndarray:
    """Return the lowest and highest place of an image's voxel centres, (2, 3), mm."""
    ends = [(0, n - 1) for n in image.GetSize()]
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1).T
    return extent([image.TransformIndexToPhysicalPoint(c) for c in corners.tolist()])


def extent(points: list | np.ndarray) -> np.ndarray:
    """Return the lowest and highest of points (n, 3) along each axis, (2, 3)."""
    return np.array([np.min(points, axis=0), np.max(points, axis=0)])


def axes(ct: sitk.Image) -> np.ndarray:
    """Return the CT's directions, one per row: x, y, z."""
    return np.array(ct.GetDirection()).reshape(3, 3).T


def to_index(ct: sitk.Image, points: np.ndarray) -> np.ndarray:
    """Return continuous voxel indices (…, x y z) of points (…, 3) in mm."""
    return (points - np.array(ct.GetOrigin())) @ axes(ct).T / np.array(ct.GetSpacing())


def mask_on(grid: sitk.Image, mask: np.ndarray) -> sitk.Image:
    """Return a mask (z, y, x) as an image (uint8) on a grid."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(grid)
    return image


def describe_grid(image: sitk.Image) -> str:
    """Return size, spacing and origin in words, (x, y, z), mm."""
    size = "×".join(map(str, image.GetSize()))
    spacing = "×".join(f"{s:.3g}" for s in image.GetSpacing())
    origin = ", ".join(f"{o:.1f}" for o in image.GetOrigin())
    return f"{size} voxels of {spacing} mm from ({origin})"


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
