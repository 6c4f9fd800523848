"""Scans of the built-in cohort: simulated CT around real lesion outlines (LIDC-IDRI).

Arrays are (z, y, x), lengths mm, values HU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, stats
from skimage.draw import polygon as fill_polygon

from radiogenomics.study.files import SHIPPED, whole_file

OUTLINES = SHIPPED / "data" / "lidc_outlines.npz"

SIGNAL_AUC = 0.947  # attainable from the image, in the population: the paper's test AUC
WHOLE_LESION_AUC = 0.65  # the part of it that whole-lesion statistics see
SOFT_FRACTION = 0.45  # of the lesion's volume
SOFT_HU, SOLID_HU, OFFSET_HU = -620.0, 40.0, 30.0
STEEPNESS = 2.0  # of the way from latent to place: most soft parts lie near one end
MARGIN_MM = 40.0
HU_STEP = 4  # far below the noise; keeps a patient's file under 4 MB


@dataclass(frozen=True)
class Scanner:
    """A scanner of the paper with the look that the phantom gives it."""

    name: str
    kernel: str
    pixel_mm: float
    blur_mm: float
    noise_hu: float
    share: dict[str, float]


SLICE_MM = 1.25
SCANNERS = (
    Scanner("Philips iCT 256", "B", 0.74, 0.55, 30.0, {"A": 0.5, "B": 0.2}),
    Scanner("GE Discovery CT750 HD", "STANDARD", 0.80, 0.65, 24.0, {"A": 0.3, "B": 0.3}),
    Scanner("Siemens Somatom Sensation 64", "B41f", 0.70, 0.75, 34.0, {"A": 0.2, "B": 0.5}),
)


def separations() -> tuple[float, float]:
    """Return the class distances (in SD) of the two latents: where, offset."""
    total, offset = (np.sqrt(2) * stats.norm.ppf(auc) for auc in (SIGNAL_AUC, WHOLE_LESION_AUC))
    return float(np.sqrt(total**2 - offset**2)), float(offset)


@cache
def outlines() -> dict[str, np.ndarray]:
    """Return the arrays of the shipped outlines (described in data/README.md)."""
    with np.load(OUTLINES) as data:
        return {name: data[name] for name in data.files}


def outline_mask(lesion: int, reader: int) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Fill one reader's outlines of one lesion, and the slices between them.

    In four of ten lesions every second slice alone is outlined (its distance from the next is
    twice `slice_spacing_mm`).

    Returns:
        Boolean (z, y, x) array centred on the lesion, and its spacing (z, y, x) in mm. The
        outline itself is outside the lesion (LIDC's convention), a hole's outline likewise.
    """
    data = outlines()
    rows = data["polygon"]
    rows = rows[(rows[:, 0] == lesion) & (rows[:, 1] == reader)]
    half = int(np.abs(np.concatenate([_vertices(data, r) for r in rows])).max()) + 2
    deep = int(np.abs(rows[:, 2]).max()) + 1
    mask = np.zeros((2 * deep + 1, 2 * half + 1, 2 * half + 1), bool)
    for row in rows[np.argsort(-rows[:, 3], kind="stable")]:  # outlines first, then holes
        x, y = (_vertices(data, row) + half).T
        area = np.zeros(mask.shape[1:], bool)
        area[fill_polygon(y, x, area.shape)] = True
        area[y, x] = row[3] == 0
        slice_ = mask[row[2] + deep]
        slice_[area] = row[3] == 1
    pixel = float(data["pixel_spacing_mm"][lesion])
    return _filled_between(mask), (float(data["slice_spacing_mm"][lesion]), pixel, pixel)


def _filled_between(mask: np.ndarray) -> np.ndarray:
    """Fill slices of (z, y, x) between outlined ones, by distance maps (Raya & Udupa 1990)."""
    drawn = np.flatnonzero(mask.any(axis=(1, 2)))
    edt = ndimage.distance_transform_edt
    signed = np.stack([edt(plane) - edt(~plane) for plane in mask[drawn]])
    out = mask.copy()
    for first, last, a, b in zip(drawn[:-1], drawn[1:], signed[:-1], signed[1:], strict=True):
        for z in range(first + 1, last):
            share = (z - first) / (last - first)
            out[z] = (1 - share) * a + share * b > 0
    return out


def _vertices(data: dict[str, np.ndarray], row: np.ndarray) -> np.ndarray:
    return data["vertices"][row[4] : row[4] + row[5]].astype(int)


def lesion_on_grid(lesion: int, reader: int, shape: tuple, spacing: tuple) -> np.ndarray:
    """Return a reader's lesion on a scanner's grid (z, y, x), centred, by signed distance."""
    mask, source = outline_mask(lesion, reader)
    inside = ndimage.distance_transform_edt(mask, source)
    signed = inside - ndimage.distance_transform_edt(~mask, source)
    axes = [
        ((np.arange(n) - (n - 1) / 2) * step / old + (m - 1) / 2)
        for n, step, old, m in zip(shape, spacing, source, mask.shape, strict=True)
    ]
    grid = np.meshgrid(*axes, indexing="ij")
    return ndimage.map_coordinates(signed, grid, order=1, mode="nearest") > 0


def _grid(lesion: int, scanner: Scanner) -> tuple[tuple, tuple]:
    """Return shape and spacing (z, y, x) of a box of the lesion and 40 mm on each side."""
    mask, source = outline_mask(lesion, 0)
    voxels = np.argwhere(mask)
    extent = np.abs(voxels - (np.array(mask.shape) - 1) / 2).max(axis=0) * source
    spacing = (SLICE_MM, scanner.pixel_mm, scanner.pixel_mm)
    shape = tuple(
        2 * int(np.ceil((e + MARGIN_MM) / s)) + 1 for e, s in zip(extent, spacing, strict=True)
    )
    return shape, spacing


def soft_part(mask: np.ndarray, where: float) -> np.ndarray:
    """Return the part of the lesion (z, y, x) that is ground-glass.

    A slab of SOFT_FRACTION of the lesion's voxels across y; `where` (the latent) puts it
    between the back (-) and the front (+, anterior). Its size does not depend on the label.
    """
    rows = np.nonzero(mask)[1]
    spread = np.sqrt(1 + (separations()[0] / 2) ** 2)
    start = (1 - SOFT_FRACTION) * stats.norm.cdf(-STEEPNESS * where / spread)
    low, high = np.quantile(rows, [start, start + SOFT_FRACTION])
    slab = np.zeros_like(mask)
    slab[:, int(np.round(low)) : int(np.round(high)) + 1] = True
    return mask & slab


def paint(
    mask: np.ndarray, spacing: tuple, where: float, offset: float, scanner: Scanner,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Return a CT (z, y, x) in HU: lung, vessels, chest wall and the lesion, blurred, noisy."""
    ct = -870 + 60 * _smooth_noise(mask.shape, spacing, 4.0, rng)
    ct[_vessels(mask.shape, spacing, rng)] = 30
    ct[_chest_wall(mask, spacing, rng)] = 45
    ct[mask] = SOLID_HU + OFFSET_HU * offset
    ct[soft_part(mask, where)] += SOFT_HU - SOLID_HU
    if rng.random() < 0.15:
        ct[_cavity(mask, spacing, rng)] = -950
    ct = ndimage.gaussian_filter(ct, scanner.blur_mm / np.array(spacing))
    ct += scanner.noise_hu * _smooth_noise(mask.shape, spacing, 0.5, rng)
    return np.clip(HU_STEP * np.round(ct / HU_STEP), -1024, 3068).astype(np.int16)


def _smooth_noise(shape: tuple, spacing: tuple, mm: float, rng: np.random.Generator) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), mm / np.array(spacing))
    return noise / noise.std()


def _vessels(shape: tuple, spacing: tuple, rng: np.random.Generator) -> np.ndarray:
    """Return straight vessels of 1 to 2.5 mm radius."""
    size = np.array(shape) * spacing
    marks = np.zeros(shape, np.float32)
    for _ in range(14):
        start, way = rng.uniform(0, size), rng.normal(size=3)
        steps = np.arange(-150, 150, 0.6)[:, None] * way / np.linalg.norm(way)
        points = np.floor((start + steps) / spacing).astype(int)
        points = points[np.all((points >= 0) & (points < shape), axis=1)]
        radius = rng.uniform(1.0, 2.5)
        marks[tuple(points.T)] = np.maximum(marks[tuple(points.T)], radius)
    distance, nearest = ndimage.distance_transform_edt(marks == 0, spacing, return_indices=True)
    return distance < marks[tuple(nearest)]


def _chest_wall(mask: np.ndarray, spacing: tuple, rng: np.random.Generator) -> np.ndarray:
    """Return the side of the box beyond a slanted plane that the lesion may touch."""
    way = np.array([0.2 * rng.normal(), 0.5 * rng.normal(), rng.choice([-1.0, 1.0])])
    way /= np.linalg.norm(way)
    ramp = sum(
        np.expand_dims(np.arange(n) * s * w, [a for a in range(3) if a != axis])
        for axis, (n, s, w) in enumerate(zip(mask.shape, spacing, way, strict=True))
    )
    return ramp > ramp[mask].max() + rng.uniform(0, 25)


def _cavity(mask: np.ndarray, spacing: tuple, rng: np.random.Generator) -> np.ndarray:
    """Return a ball of air somewhere in the lesion."""
    voxels = np.argwhere(mask)
    centre = voxels[rng.integers(len(voxels))]
    radius = 0.2 * np.cbrt(len(voxels) * np.prod(spacing))
    near = np.linalg.norm((voxels - centre) * spacing, axis=1) < radius
    ball = np.zeros_like(mask)
    ball[tuple(voxels[near].T)] = True
    return ball


def write_patient(folder: Path, row: dict, seed: int) -> list[float]:
    """Write a patient's scan and masks once; return the soft part's y range in mm (LPS)."""
    scanner, lesion = row["_scanner"], int(row["_lesion"])
    shape, spacing = _grid(lesion, scanner)
    mask = lesion_on_grid(lesion, 0, shape, spacing)
    rng = np.random.default_rng([seed, 3, int(row["patient"][1:])])
    if not (folder / row["ct"]).exists():
        ct = paint(mask, spacing, row["_place"], row["_offset"], scanner, rng)
        if row["mask_2"]:
            second = lesion_on_grid(lesion, 1, shape, spacing)
            _write_image(folder / row["mask_2"], second.astype(np.uint8), spacing)
        _write_image(folder / row["mask"], mask.astype(np.uint8), spacing)
        _write_image(folder / row["ct"], ct, spacing)
    y = np.nonzero(soft_part(mask, row["_place"]).any(axis=(0, 2)))[0]
    middle = (shape[1] - 1) / 2
    return [round(float((edge - middle) * spacing[1]), 2) for edge in (y[0], y[-1])]


def _write_image(path: Path, array: np.ndarray, spacing: tuple) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in spacing[::-1]])
    image.SetOrigin(
        [-(n - 1) / 2 * s for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    )
    with whole_file(path) as part:
        sitk.WriteImage(image, str(part), useCompression=True)
