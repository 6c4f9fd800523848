"""Where voxels lie: one form of every image, grids compared and described; mm, LPS.

One patient gives one answer whatever file the images came in. So every image is brought to one
form (`canonical`), and is resampled to points that depend on the patient alone (`lattice`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radiogenomics.study.errors import ImageFault

POSITION, SPACING, COSINES = 10**3, 10**5, 10**6  # parts of a mm, of a mm, of 1 that are kept
TIE = 0.555  # of a part, from which it is rounded up: no usual number of a header lies there
MATRIX, SAME_MM = 1024, 1e-6  # a pixel is so many parts of a field of view, to this
NEAR = 1e-6  # voxels: so near to the middle between two voxels is in the middle


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an image lie: size, spacing and origin (x, y, z), and the axes."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    def resampled(self, image: sitk.Image) -> sitk.Image:
        """Return an image on this grid by linear interpolation, 0 outside of it."""
        return sitk.Resample(
            image, self.size, sitk.Transform(), sitk.sitkLinear, self.origin, self.spacing,
            self.direction, 0.0,
        )  # fmt: skip


def grid_of(image: sitk.Image) -> Grid:
    """Return the grid of an image."""
    return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def lps(image: sitk.Image) -> sitk.Image:
    """Return an image with its axes in LPS order: x to the left, y to the back, z to the head."""
    return sitk.DICOMOrient(image, "LPS")


def canonical(image: sitk.Image) -> sitk.Image:
    """Return an image with its axes in LPS order and its geometry rounded.

    The same voxels come as DICOM (decimal text), as dcm2niix writes them (y reversed, float32),
    with their axes permuted, or cropped. Direction cosines are rounded to 0.000001 and made
    orthonormal again, the spacing is rounded to 0.00001 mm (a field of view of whole mm over 1024
    pixels is kept), and the position of the voxels, from the nearest multiples of the spacing, to
    0.001 mm.
    """
    out = lps(image)
    left, _, right = np.linalg.svd(_rounded(out.GetDirection(), COSINES).reshape(3, 3))
    directions, spacing = left @ right, np.array([_spacing(s) for s in out.GetSpacing()])
    along = directions.T @ np.array(out.GetOrigin())
    whole = np.round(along / spacing) * spacing
    out.SetDirection(directions.ravel().tolist())
    out.SetSpacing(spacing.tolist())
    out.SetOrigin((directions @ (whole + _rounded(along - whole, POSITION))).tolist())
    return out


def _spacing(mm: float) -> float:
    usual = np.round(mm * MATRIX) / MATRIX
    return float(usual if abs(mm - usual) < SAME_MM else _rounded(mm, SPACING))


def _rounded(values: float | tuple[float, ...], parts: int) -> np.ndarray:
    """Return values in whole parts of 1; many a usual number lies at a half, so ties do not."""
    return (np.floor(np.array(values) * parts + 1 - TIE) + 0.0) / parts


def lattice(
    ct: sitk.Image, low: np.ndarray, high: np.ndarray, spacing_mm: float | tuple[float, ...],
    pad_mm: float = 0.0,
) -> sitk.Image:  # fmt: skip
    """Return an empty grid of points that every file of a patient shares, around a box of voxels.

    Along each of the CT's axes d the points p lie where d · p is a whole multiple of the spacing:
    neither where the file begins nor how the lesion was outlined moves them.

    Args:
        ct: in canonical form.
        low: first voxel (x, y, z) of the box.
        high: last voxel.
        spacing_mm: of the points along all three axes, or one an axis.
        pad_mm: how far the grid reaches beyond the box, inside the CT.
    """
    size, spacing, spacing_mm = map(np.array, (ct.GetSize(), ct.GetSpacing(), spacing_mm))
    first = axes(ct) @ np.array(ct.GetOrigin())
    ends = [(low - 0.5) * spacing - pad_mm, (high + 0.5) * spacing + pad_mm]
    ends = [first + np.maximum(ends[0], -0.5 * spacing),
            first + np.minimum(ends[1], (size - 0.5) * spacing)]  # fmt: skip
    start = np.ceil(ends[0] / spacing_mm - NEAR)
    end = np.maximum(np.floor(ends[1] / spacing_mm + NEAR), start)
    grid = sitk.Image([int(n) for n in end - start + 1], sitk.sitkUInt8)
    grid.SetSpacing(np.broadcast_to(spacing_mm, 3).tolist())
    grid.SetDirection(ct.GetDirection())
    grid.SetOrigin((axes(ct).T @ (start * spacing_mm)).tolist())
    return grid


def nearest(mask: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Return a mask on a grid with the same axes: of each point the voxel that it is nearest to.

    A point half-way between two voxels takes the lower index.
    """
    away = axes(mask) @ (np.array(grid.GetOrigin()) - np.array(mask.GetOrigin()))
    voxels = sitk.GetArrayViewFromImage(mask)
    taken, inside = [], []
    for axis in range(3):
        at = away[axis] + np.arange(grid.GetSize()[axis]) * grid.GetSpacing()[axis]
        index = np.ceil(at / mask.GetSpacing()[axis] - 0.5 - NEAR).astype(int)
        inside.append((index >= 0) & (index < mask.GetSize()[axis]))
        taken.append(np.clip(index, 0, mask.GetSize()[axis] - 1))
    x, y, z = inside
    drawn = voxels[np.ix_(*taken[::-1])] * (z[:, np.newaxis, np.newaxis] & y[:, np.newaxis] & x)
    return mask_on(grid, drawn)


def box_of(image: sitk.Image) -> np.ndarray:
    """Return the lowest and highest place of an image's voxel centres, (2, 3), mm."""
    return extent(places(image, np.zeros(3), np.array(image.GetSize()) - 1))


def corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the eight corners (8, 3) of a box from its lowest and its highest (3,)."""
    return np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T


def places(image: sitk.Image, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return where the corners (8, 3) of a box of voxels (x, y, z) lie, mm."""
    ends = corners(low, high) * np.array(image.GetSpacing())
    return np.array(image.GetOrigin()) + ends @ axes(image)


def box(mask: sitk.Image) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the first and last voxel (x, y, z) that a mask holds, None where it holds none."""
    values, ends = sitk.GetArrayViewFromImage(mask), []
    for axis in range(3):
        others = tuple(a for a in range(values.ndim) if a != axis)
        held = np.flatnonzero(values.any(axis=others))
        if not len(held):
            return None
        ends.insert(0, (held[0], held[-1]))
        values = values[(slice(None),) * axis + (slice(held[0], held[-1] + 1),)]
    low, high = np.array(ends).T
    return low, high


def bounds(mask: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last voxel (x, y, z) of the lesion's box.

    Raises:
        StudyError: the mask is empty.
    """
    found = box(mask)
    if found is None:
        raise ImageFault("the lesion has no voxel left. Expected: a mask of at least one voxel.")
    return found


def crop(image: sitk.Image, low: np.ndarray, high: np.ndarray) -> sitk.Image:
    """Return the part of an image from voxel `low` to `high` (x, y, z), both included."""
    low = np.maximum(low, 0)
    high = np.minimum(high, np.array(image.GetSize()) - 1)
    return sitk.RegionOfInterest(image, (high - low + 1).tolist(), low.tolist())


def voxels_of(mask: sitk.Image) -> np.ndarray:
    """Return the voxels (n, 3) that a mask holds, z, y, x."""
    ends = box(mask)
    if ends is None:
        return np.empty((0, 3), int)
    low, high = (end[::-1] for end in ends)
    part = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
    return np.argwhere(sitk.GetArrayViewFromImage(mask)[part]) + low


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
    return same_but_moved(a, b, tolerance_mm) and np.allclose(
        a.GetOrigin(), b.GetOrigin(), atol=tolerance_mm
    )


def same_but_moved(a: sitk.Image, b: sitk.Image, tolerance_mm: float = 1e-2) -> bool:
    """Return whether two images have the same size, spacing and axes, wherever they lie."""
    per_voxel = tolerance_mm / max(a.GetSize())
    return (
        a.GetSize() == b.GetSize()
        and np.allclose(a.GetSpacing(), b.GetSpacing(), atol=per_voxel)
        and np.allclose(a.GetDirection(), b.GetDirection(), atol=1e-4)
    )
