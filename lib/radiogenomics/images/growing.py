"""A lesion grown from a point in it, and what speaks for a leak; a person has to look.

The border is half way between the HU around the point and those of lung, as for any edge that a
scanner blurs. What is thinner than twice the opening is cut off, then the part that holds the
point gets back its rim: that parts a lesion from vessels and from the chest wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label
from skimage.measure import marching_cubes, mesh_surface_area

from radiogenomics.images.grids import mask_on, to_index
from radiogenomics.study.errors import ImageFault

LUNG_HU, ABOVE_LUNG = -850.0, 100.0
SMOOTH_MM = 1.0  # SD of the Gaussian against noise
CORE_MM = 3.0  # around the point: its HU are the lesion's
OPENINGS_MM = (2.0, 1.0, 3.0, 0.0, 4.0, 5.0)  # in this order: 3 mm parts most, small ones need less
REACH_MM = 50.0  # no lesion is looked for farther from the point
LEAST_SPHERICITY, LARGEST_MM3 = 0.45, 150_000.0
LEAST_VOXELS = 8
TOUCHING = 0.01  # share of the outline that lies where the search ended


@dataclass(frozen=True)
class Grown:
    """A grown lesion.

    Attributes:
        mask: 1 in the lesion: an image on the CT's grid (uint8), or its part (z, y, x) around it.
        opening_mm, border_hu: with which it was made.
        volume_mm3, sphericity: of its shape.
        touching: share of its surface that lies where the search ended.
        doubts: what speaks for a leak or a miss, in words; none: nothing was seen.
    """

    mask: sitk.Image | np.ndarray
    opening_mm: float
    border_hu: float
    volume_mm3: float
    sphericity: float
    touching: float
    doubts: tuple[str, ...] = ()


def grow(
    ct: sitk.Image, point_mm: tuple[float, float, float], opening_mm: float | None = None,
    border_hu: float | None = None, box: sitk.Image | None = None,
) -> Grown:  # fmt: skip
    """Return the lesion that holds a point of a CT.

    Args:
        ct: HU, in canonical form.
        point_mm: (x, y, z), LPS.
        opening_mm: what is thinner than twice this is cut off; None: the first of `OPENINGS_MM`
            without a doubt, else the one with the fewest.
        border_hu: what is denser is tissue; None: half way between point and lung, which leaves
            ground glass around a solid part outside (about -700 takes it in).
        box: a mask on the CT's grid; nothing outside it is taken.

    Raises:
        ImageFault: the point lies outside the CT, or in air or lung; no opening leaves anything.
    """
    hu, spacing, start, part = _around(ct, point_mm)
    away = _distance_from(hu.shape, start, spacing)
    core = float(np.median(hu[away <= max(CORE_MM, spacing.max())]))
    if core < LUNG_HU + ABOVE_LUNG:
        raise ImageFault(
            f"the point ({', '.join(f'{v:.1f}' for v in point_mm)}) mm lies in air or lung "
            f"({core:.0f} HU). Expected: a point in the lesion."
        )
    inside = away <= REACH_MM
    if box is not None:
        inside &= sitk.GetArrayViewFromImage(box)[part] > 0
    border = (core + LUNG_HU) / 2 if border_hu is None else border_hu
    tissue = (gaussian_filter(hu, SMOOTH_MM / spacing) >= border) & inside
    depth = distance_transform_edt(tissue, sampling=spacing)
    best = None
    for opening in OPENINGS_MM if opening_mm is None else (opening_mm,):
        grown = _opened(depth, inside, start, spacing, opening, border)
        if grown and (best is None or len(grown.doubts) < len(best.doubts)):
            best = grown
        if best and not best.doubts:
            break
    if best is None:
        raise ImageFault(
            f"of what is denser than {border:.0f} HU nothing is left after an opening of "
            f"{opening:g} mm. Expected: a lesion thicker than twice the opening. Give a smaller "
            "opening, or another border."
        )
    whole = np.zeros(ct.GetSize()[::-1], np.uint8)
    whole[part] = best.mask
    return replace(best, mask=mask_on(ct, whole))


def _around(
    ct: sitk.Image, point_mm: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...], tuple[slice, ...]]:
    """Return HU (z, y, x) within reach of a point, spacing, its index in them, and their place."""
    at = np.round(to_index(ct, np.array([point_mm]))[0]).astype(int)
    size = np.array(ct.GetSize())
    if (at < 0).any() or (at >= size).any():
        raise ImageFault(
            f"the point ({', '.join(f'{v:.1f}' for v in point_mm)}) mm lies outside the CT. "
            "Expected: a point in the lesion, in mm (LPS)."
        )
    reach = np.ceil(REACH_MM / np.array(ct.GetSpacing())).astype(int)
    low, high = np.maximum(at - reach, 0)[::-1], np.minimum(at + reach + 1, size)[::-1]
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    hu = sitk.GetArrayViewFromImage(ct)[part]
    return hu, np.array(ct.GetSpacing())[::-1], tuple(at[::-1] - low), part


def _distance_from(shape: tuple[int, ...], start: tuple[int, ...], spacing: np.ndarray):
    axes = [(np.arange(n) - a) * mm for n, a, mm in zip(shape, start, spacing, strict=True)]
    return np.sqrt(sum(np.square(axis) for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))


def _opened(
    depth: np.ndarray, inside: np.ndarray, start: tuple[int, ...], spacing: np.ndarray,
    opening: float, border: float,
) -> Grown | None:  # fmt: skip
    """Return the part of the tissue that holds the point after an opening by a ball, in mm.

    None: the opening leaves nothing.
    """
    parts, many = label(depth > opening)
    if not many:
        return None
    lesion = parts == _nearest_part(parts, start, spacing)
    if opening:
        reach = opening + spacing.min()  # the voxels' own size is in both distances
        lesion = (distance_transform_edt(~lesion, sampling=spacing) <= reach) & (depth > 0)
    lesion = _filled(lesion)
    volume, surface, touching = _shape(lesion, inside, spacing)
    ball = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3)
    sphericity = float(min(ball / surface, 1)) if surface else 0.0
    doubts = _doubts(lesion, start, volume, sphericity, touching)
    return Grown(lesion, opening, border, volume, sphericity, touching, tuple(doubts))


def _nearest_part(parts: np.ndarray, start: tuple[int, ...], spacing: np.ndarray) -> int:
    """Return the part that holds the point, else the one that lies nearest to it."""
    if parts[start]:
        return int(parts[start])
    away = _distance_from(parts.shape, start, spacing)
    return int(parts[np.unravel_index(np.where(parts > 0, away, np.inf).argmin(), parts.shape)])


def _filled(lesion: np.ndarray) -> np.ndarray:
    """Return a lesion with the holes of its slices filled: vessels' air, a cavity."""
    return np.stack([binary_fill_holes(plane) for plane in lesion])


def _shape(
    lesion: np.ndarray, inside: np.ndarray, spacing: np.ndarray
) -> tuple[float, float, float]:
    """Return volume (mm³), surface (mm²), and the share of it where the search ended."""
    volume = float(lesion.sum() * spacing.prod())
    if lesion.sum() < LEAST_VOXELS:
        return volume, 0.0, 0.0
    padded = np.pad(lesion, 1)
    points, faces, *_ = marching_cubes(padded.astype(np.float32), 0.5, spacing=tuple(spacing))
    rim = lesion & (distance_transform_edt(np.pad(lesion, 1))[1:-1, 1:-1, 1:-1] <= 1)
    ended = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1, 1:-1] <= 1
    return volume, float(mesh_surface_area(points, faces)), float((rim & ended).sum() / rim.sum())


def _doubts(
    lesion: np.ndarray, start: tuple[int, ...], volume: float, sphericity: float, touching: float
) -> Iterator[str]:
    if not lesion[start]:
        yield "the point is not in it"
    if lesion.sum() < LEAST_VOXELS:
        yield f"{lesion.sum()} voxels"
    if volume > LARGEST_MM3:
        yield f"{volume / 1000:.0f} mL: more than a lesion?"
    if lesion.sum() >= LEAST_VOXELS and sphericity < LEAST_SPHERICITY:
        yield f"sphericity {sphericity:.2f}: vessels or wall in it?"
    if touching > TOUCHING:
        yield f"{touching:.0%} of its surface lies where the search ended: it leaks"
