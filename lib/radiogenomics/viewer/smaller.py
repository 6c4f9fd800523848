"""A scene made smaller: cut to the lesion's surroundings, or with larger voxels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from skimage.measure import block_reduce

from radiogenomics.viewer.scene import Scene, voxel_text

MARGINS_MM = (40.0, 30.0, 25.0, 20.0, 15.0)
HU_STEPS = (4, 8)
SPACINGS_MM = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 15.0)


def versions(scene: Scene) -> Iterator[tuple[Scene, int, str]]:
    """Yield the scene, then ever smaller versions: scene, step of HU, what was taken away."""
    fine, coarse = HU_STEPS
    yield scene, fine, ""
    near, note = scene, ""
    for margin in MARGINS_MM:
        part = cut(near, margin)
        if part.hu.size < near.hu.size:
            near, note = part, f"Cut to the lesion and {margin:g} mm around it. "
            yield near, fine, note
    yield near, coarse, note
    for spacing in SPACINGS_MM:
        larger = with_larger_voxels(near, spacing)
        if larger.hu.size < near.hu.size:
            yield larger, coarse, f"{note}Averaged to voxels of {voxel_text(larger)}. "


def cut(scene: Scene, margin_mm: float) -> Scene:
    """Return the part of a scene that holds the outlines and `margin_mm` around them."""
    marked = scene.lesion if scene.second is None else scene.lesion | scene.second
    voxels = np.argwhere(marked)
    pad = np.ceil(margin_mm / np.array(scene.spacing_mm)).astype(int)
    low = np.maximum(voxels.min(axis=0) - pad, 0)
    part = tuple(slice(a, b + 1) for a, b in zip(low, voxels.max(axis=0) + pad, strict=True))
    arrays = {name: array[part] for name, array in scene.arrays().items()}
    origin = scene.origin() + low * scene.spacing_mm
    return dataclasses.replace(scene, **arrays, origin_mm=tuple(origin))


def with_larger_voxels(scene: Scene, spacing_mm: float) -> Scene:
    """Return the scene with blocks of voxels averaged to about `spacing_mm`; masks by majority."""
    times = np.maximum(np.round(spacing_mm / np.array(scene.spacing_mm)), 1).astype(int)
    masks = ("lesion", "second")
    arrays = {
        name: (majority if name in masks else blocks)(array, times)
        for name, array in scene.arrays().items()
    }
    spacing = times * scene.spacing_mm
    origin = scene.origin() + (spacing - scene.spacing_mm) / 2
    return dataclasses.replace(scene, **arrays, spacing_mm=tuple(spacing), origin_mm=tuple(origin))


def blocks(array: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean of every block of `times` (z, y, x) voxels, the edge continued."""
    fill = [(0, -n % k) for n, k in zip(array.shape, times, strict=True)]
    full = np.pad(array.astype(float), fill, mode="edge")
    return block_reduce(full, tuple(times), np.mean)


def majority(mask: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the blocks (z, y, x) that a mask fills by half, or those that hold most of it."""
    share = blocks(mask, times)
    return share >= min(0.5, share.max())
