"""PyRadiomics' eight image types where the lesion is: of the rest only what a filter reaches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pywt
import SimpleITK as sitk
from scipy.ndimage import find_objects

from radiogenomics.images.grids import crop
from radiogenomics.images.splines import along
from radiogenomics.radiomics.gaussian import recursive_gaussian

WAVELET, REACH = "coif1", 8  # voxels that the wavelet needs around the lesion, and more
AXES = (2, 1, 0)  # x, y, z of an array: the order in which ITK and PyRadiomics filter
NEAR_EDGE = 1e-7  # grey values: a voxel so near to a bin's edge is left to ITK's own rounding

Box = tuple[slice, slice, slice]


def box_of(inside: np.ndarray) -> Box:
    """Return the lesion's box in an array (z, y, x)."""
    return find_objects(inside.astype(np.uint8))[0]


def filtered(
    ct: sitk.Image, inside: np.ndarray, sigmas: tuple[float, ...], bin_width: float
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the image types' names and the values of the lesion's voxels, in PyRadiomics' order.

    Args:
        ct: float32, of one spacing along all axes.
        inside: bool (z, y, x), the lesion on the CT's grid.
        sigmas: of the Laplacian of Gaussian, mm.
        bin_width: of the grey levels.
    """
    image, box = sitk.GetArrayViewFromImage(ct), box_of(inside)
    lesion = inside[box]
    own, bands = image[box][lesion], wavelet(image, box)
    yield "original", own
    for name in (*sorted(bands, reverse=True)[1:], "LLL"):
        yield f"wavelet-{name}", bands[name][lesion]
    x, most = own.astype(float), float(np.abs(image).max())
    yield "square", (1 / np.sqrt(most) * x) ** 2
    yield "squareroot", np.sign(x) * np.sqrt(np.abs(x) * most)
    yield "logarithm", np.sign(x) * np.log(np.abs(x) + 1) * (most / np.log(most + 1))
    yield "exponential", np.exp(np.log(most) / most * x)
    yield "gradient", gradient(ct, box)[lesion]
    wide = image.astype(float)
    for sigma in sigmas:
        values = laplacian(wide, ct.GetSpacing()[0], box, sigma)[lesion]
        parts = values / bin_width
        if (np.abs(parts - np.round(parts)) * bin_width < NEAR_EDGE).any():
            values = _itk_laplacian(ct, sigma)[box][lesion]
        yield f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D", values


def wavelet(image: np.ndarray, box: Box) -> dict[str, np.ndarray]:
    """Return the eight bands of a stationary wavelet transform in a box; names in order x, y, z.

    Near an edge of the image the whole axis is transformed, periodic as PyRadiomics has it.
    """
    near, inner = [], []
    for span, size in zip(box, image.shape, strict=True):
        low, high = span.start - REACH, span.stop + REACH
        high += (high - low) % 2
        if low < 0 or high > size:
            low, high = 0, size
        near.append(slice(low, high))
        inner.append(slice(span.start - low, span.stop - low))
    data = image[tuple(near)]
    bands = {"": np.pad(data, [(0, n % 2) for n in data.shape], "wrap")}
    for axis in AXES:
        cut = tuple(inner[axis] if a == axis else slice(None) for a in range(3))
        halves = {n: pywt.swt(part, WAVELET, level=1, axis=axis)[0] for n, part in bands.items()}
        bands = {n + kind: half[cut] for n, both in halves.items()
                 for kind, half in zip("LH", both, strict=True)}  # fmt: skip
    return bands


def gradient(ct: sitk.Image, box: Box) -> np.ndarray:
    """Return ITK's magnitude of the gradient in a box."""
    low, end = (np.array([getattr(span, name) for span in box]) for name in ("start", "stop"))
    found = sitk.GetArrayFromImage(sitk.GradientMagnitude(crop(ct, low[::-1] - 1, end[::-1])))
    first = np.minimum(low, 1)
    return found[tuple(slice(a, a + n) for a, n in zip(first, end - low, strict=True))]


def laplacian(image: np.ndarray, spacing: float, box: Box, sigma: float) -> np.ndarray:
    """Return ITK's Laplacian of Gaussian, normalised across scale, in a box.

    Stage by stage in ITK's order, each rounded to float32 as its images are; after a stage only
    the box is kept along its axis.

    Args:
        image: float64 (z, y, x) of float32 values.
        spacing: of its voxels, mm.
        box: where it is wanted.
        sigma: mm.
    """
    total = np.float32(0)
    for axis in AXES:
        out = image
        for stage in (axis, *(a for a in AXES if a != axis)):
            order = 2 if stage == axis else 0
            matrix = recursive_gaussian(image.shape[stage], spacing, sigma, order)[box[stage]]
            out = along(matrix, out, stage).astype(np.float32).astype(float)
        total = (total + out * (1 / spacing**2)).astype(np.float32)
    return total


def _itk_laplacian(ct: sitk.Image, sigma: float) -> np.ndarray:
    made = sitk.LaplacianRecursiveGaussianImageFilter()
    made.SetNormalizeAcrossScale(True)
    made.SetSigma(sigma)
    return sitk.GetArrayFromImage(made.Execute(ct))
