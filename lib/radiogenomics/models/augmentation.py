"""Random changes of a batch in training: flips, shifts, rotations, intensity, noise."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy import ndimage

SHIFT = 1 / 16  # of each side, at most
TURN = 15.0  # degrees about z, at most, on the input's grid
FACTOR = 0.1  # HU are multiplied by 1 - this to 1 + this: water stays water
OFFSET_HU = 30.0  # and then raised or lowered, at most
NOISE = 0.02  # standard deviation, of the range 0 to 1: 28 HU of the paper's window


def augmented(
    batch: np.ndarray, kinds: Collection[str], rng: np.random.Generator,
    window_hu: tuple[float, float] | None = None,
) -> np.ndarray:  # fmt: skip
    """Return the batch, float32 (patient, z, y, x, 1), changed at random in the kinds asked for.

    A flip goes from head to foot or from left to right, never from front to back. Shifts and
    rotations interpolate linearly and repeat the outermost voxels; values stay in 0 to 1.
    Intensity needs the window: the HU that are 0 and 1.
    """
    if "flips" in kinds:
        batch = _flipped(batch, rng)
    if {"shifts", "rotations"} & set(kinds):
        batch = np.stack([_moved(volume, kinds, rng) for volume in batch])
    if "intensity" in kinds:
        batch = _rescaled(batch, rng, window_hu)
    if "noise" in kinds:
        noisy = batch + rng.normal(0, NOISE, batch.shape)
        batch = np.clip(noisy, 0, 1).astype(np.float32)
    return batch


def _flipped(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    flips = rng.random((len(batch), 2)) < 0.5
    out = [v[::-1] if z else v for v, (z, _) in zip(batch, flips, strict=True)]
    return np.stack([v[:, :, ::-1] if x else v for v, (_, x) in zip(out, flips, strict=True)])


def _rescaled(
    batch: np.ndarray, rng: np.random.Generator, window_hu: tuple[float, float]
) -> np.ndarray:
    """Multiply each patient's HU by a factor and add an offset; what is 0 stays as it is.

    0 is the low end of the window, and what was set to it outside the lesion.
    """
    low, high = window_hu
    shape = (len(batch), 1, 1, 1, 1)
    factor, offset = rng.uniform(1 - FACTOR, 1 + FACTOR, shape), rng.uniform(-1, 1, shape)
    hu = factor * (low + batch * (high - low)) + OFFSET_HU * offset
    changed = np.clip((hu - low) / (high - low), 0, 1)
    return np.where(batch > 0, changed, batch).astype(np.float32)


def _moved(volume: np.ndarray, kinds: Collection[str], rng: np.random.Generator) -> np.ndarray:
    """Turn a volume (z, y, x, 1) about its centre and shift it, in one interpolation."""
    shape = np.array(volume.shape[:3])
    turn = np.radians(rng.uniform(-TURN, TURN)) if "rotations" in kinds else 0.0
    shift = rng.uniform(-SHIFT, SHIFT, 3) * shape if "shifts" in kinds else np.zeros(3)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    centre = (shape - 1) / 2
    offset = centre - matrix @ (centre + shift)
    moved = ndimage.affine_transform(volume[..., 0], matrix, offset, order=1, mode="nearest")
    return moved[..., np.newaxis]
