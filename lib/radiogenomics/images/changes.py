"""A CT or its outline, changed on purpose: controls that take information away, and small errors.

Arrays are (z, y, x), lengths mm, values HU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage.restoration import estimate_sigma

from radiogenomics.images.grids import bounds, crop

SURROUNDINGS_MM = 30.0  # what counts as outside the lesion: around its box, that far
ROUNDING = 1e-6  # of the radius: a neighbour just one pixel away counts as within it
REGIONS = ("inside", "outside", "everywhere")  # the lesion


@dataclass(frozen=True)
class Change:
    """A change of a patient's images; its name and numbers belong to what is kept of it.

    Attributes:
        name: as tables and figures call it.
        what: `shuffled` or `redrawn` voxels, a `filled` lesion, an `outline` drawn closer or
            wider, one that is `moved`, `noise`.
        where: of shuffled and redrawn voxels, one of `REGIONS`.
        by: HU that fill the lesion; mm by which the outline grows.
        seed: of what is random.
    """

    name: str
    what: str
    where: str = ""
    by: float = 0.0
    seed: int = 0

    def of(self, ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
        """Return CT and mask after the change; of a changed CT the lesion's surroundings alone."""
        return _WAYS[self.what](self, ct, mask)


def shuffled(where: str, seed: int) -> Change:
    """Return the change that puts a region's voxels in random order: its histogram stays.

    As the negative controls of READII (github.com/bhklab/readii) do.
    """
    return Change(f"voxels shuffled {where}", "shuffled", where, seed=seed)


def redrawn(where: str, seed: int) -> Change:
    """Return the change that draws a region's voxels evenly between its lowest and highest HU."""
    return Change(f"voxels redrawn {where}", "redrawn", where, seed=seed)


def filled(hu: float) -> Change:
    """Return the change that leaves of the lesion nothing but its outline, filled with one HU."""
    return Change("outline alone", "filled", by=hu)


def small_errors(seed: int) -> tuple[Change, ...]:
    """Return what no reader would call an error: outline ± 1 mm, moved by a voxel, more noise."""
    return (
        Change("outline 1 mm smaller", "outline", by=-1.0),
        Change("outline 1 mm larger", "outline", by=1.0),
        Change("outline moved by one pixel", "moved"),
        Change("noise added", "noise", seed=seed),
    )


def regrown(mask: sitk.Image, mm: float) -> sitk.Image:
    """Return the mask, on its grid, without (mm < 0) or with what lies within |mm| of its edge.

    Erosion and dilation with a ball around voxel centres, whose radius is at least one pixel of
    the slice: larger pixels would not notice it. Slices farther apart than that stay as they are.
    """
    radius = max(abs(mm), *mask.GetSpacing()[:2])
    low, high = bounds(mask)
    reach = np.ceil(radius / np.array(mask.GetSpacing())).astype(int) + 1
    near = crop(sitk.Cast(mask > 0, sitk.sitkUInt8), low - reach, high + reach)
    inside, sampling = sitk.GetArrayFromImage(near) > 0, near.GetSpacing()[::-1]
    if mm < 0:
        padded = ndimage.distance_transform_edt(np.pad(inside, 1), sampling)
        drawn = padded[1:-1, 1:-1, 1:-1] > radius * (1 + ROUNDING)
    else:
        drawn = ndimage.distance_transform_edt(~inside, sampling) <= radius * (1 + ROUNDING)
    out = sitk.GetImageFromArray(drawn.astype(np.uint8))
    out.CopyInformation(near)
    return sitk.Resample(out, mask, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def surroundings(ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Return CT (float32) and mask of the lesion's box and `SURROUNDINGS_MM` on each side."""
    low, high = bounds(mask)
    reach = np.ceil(SURROUNDINGS_MM / np.array(ct.GetSpacing())).astype(int)
    near, lesion = (crop(image, low - reach, high + reach) for image in (ct, mask))
    return sitk.Cast(near, sitk.sitkFloat32), lesion


def put_back(whole: sitk.Image, part: sitk.Image) -> sitk.Image:
    """Return the whole image with a changed part of it in its place."""
    at = whole.TransformPhysicalPointToIndex(part.GetOrigin())
    stored = sitk.Round(part) if whole.GetPixelID() == sitk.sitkInt16 else part
    return sitk.Paste(whole, sitk.Cast(stored, whole.GetPixelID()), part.GetSize(), (0, 0, 0), at)


def noise_hu(ct: sitk.Image) -> float:
    """Return the SD (HU) of a CT's noise: of its slices' finest wavelet coefficients, by MAD.

    As Zwanenburg et al. 2019 (doi 10.1038/s41598-018-36938-4) take it to perturb images.
    """
    slices = sitk.GetArrayFromImage(ct)
    return float(estimate_sigma(slices, channel_axis=0, average_sigmas=True))


def _in_region(change: Change, inside: np.ndarray) -> np.ndarray:
    return {"inside": inside, "outside": ~inside, "everywhere": np.ones_like(inside)}[change.where]


def _voxels(
    new: Callable[[np.random.Generator, np.ndarray], np.ndarray],
) -> Callable[[Change, sitk.Image, sitk.Image], tuple[sitk.Image, sitk.Image]]:
    """Return a change of a region's HU (voxel,) by a random generator."""

    def changed(change: Change, ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
        near, lesion = surroundings(ct, mask)
        hu = sitk.GetArrayFromImage(near)
        region = _in_region(change, sitk.GetArrayViewFromImage(lesion) > 0)
        rng = np.random.default_rng([change.seed, int(region.sum())])
        hu[region] = new(rng, hu[region])
        return _like(hu, near), lesion

    return changed


def _like(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    out = sitk.GetImageFromArray(array.astype(np.float32))
    out.CopyInformation(image)
    return out


def _drawn_evenly(rng: np.random.Generator, hu: np.ndarray) -> np.ndarray:
    return np.round(rng.uniform(hu.min(), hu.max(), hu.shape)) if hu.size else hu


def _filled(change: Change, ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    near, lesion = surroundings(ct, mask)
    hu = sitk.GetArrayFromImage(near)
    hu[sitk.GetArrayViewFromImage(lesion) > 0] = change.by
    return _like(hu, near), lesion


def _outlined(change: Change, ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    return ct, regrown(mask, change.by)


def _moved(_: Change, ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Move the outline by one pixel along x; what would leave the CT is cut off."""
    moved = sitk.Image(mask)
    moved.SetOrigin(mask.TransformIndexToPhysicalPoint((1, 0, 0)))
    return ct, sitk.Resample(moved, mask, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def _noisy(change: Change, ct: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    near, lesion = surroundings(ct, mask)
    hu = sitk.GetArrayFromImage(near)
    rng = np.random.default_rng([change.seed, hu.size])
    return _like(hu + rng.normal(0, noise_hu(near), hu.shape), near), lesion


_WAYS = {
    "shuffled": _voxels(lambda rng, hu: rng.permutation(hu)),
    "redrawn": _voxels(_drawn_evenly),
    "filled": _filled,
    "outline": _outlined,
    "moved": _moved,
    "noise": _noisy,
}
