"""ITK's third-order B-spline on a grid with the image's axes: one axis after the other."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from radiogenomics.images.grids import axes


def spline(image: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """Return an image on a grid with the same axes, float64 (z, y, x).

    As `sitk.Resample` with `sitkBSpline3` gives it, of which each axis' matrix is taken. Points
    outside the image get its lowest value.
    """
    away = axes(image) @ (np.array(grid.GetOrigin()) - np.array(image.GetOrigin()))
    out = sitk.GetArrayFromImage(image).astype(float)
    lowest, outside = out.min(), []
    for axis in (2, 1, 0):
        n = 2 - axis  # ITK counts from x
        line = image.GetSize()[n], image.GetSpacing()[n]
        matrix = _weights(*line, away[n], grid.GetSize()[n], grid.GetSpacing()[n])
        beyond = np.isnan(matrix[:, 0])
        out = along(np.where(beyond[:, np.newaxis], 0, matrix), out, axis)
        outside.append(beyond)
    x, y, z = outside
    out[z[:, np.newaxis, np.newaxis] | y[:, np.newaxis] | x] = lowest
    return out


def _weights(size: int, spacing: float, first: float, points: int, step: float) -> np.ndarray:
    """Return what each voxel of a line gives to each point, (point, voxel); NaN beyond its ends.

    Args:
        size: voxels of the line.
        spacing: of these, mm.
        first: where the first point lies, from the first voxel, mm.
        points: how many there are.
        step: between them, mm.
    """
    voxels = sitk.GetImageFromArray(np.eye(size))  # a line for each voxel that is 1
    voxels.SetSpacing((spacing, 1.0))
    found = sitk.Resample(
        voxels, (points, size), sitk.Transform(2, sitk.sitkIdentity), sitk.sitkBSpline3,
        (first, 0.0), (step, 1.0), voxels.GetDirection(), np.nan, sitk.sitkFloat64,
    )  # fmt: skip
    return sitk.GetArrayFromImage(found).T


def along(matrix: np.ndarray, image: np.ndarray, axis: int) -> np.ndarray:
    """Return an image (z, y, x) of which each line along an axis is multiplied by a matrix."""
    if axis == 2:
        return image @ matrix.T
    return np.matmul(matrix, image) if axis == 1 else np.tensordot(matrix, image, 1)
