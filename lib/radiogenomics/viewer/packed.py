"""A scene packed for the browser: the arrays as one stream of bytes, the rest as JSON."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from radiogenomics.viewer.scene import Scene, start_of

STORED_HU = (-4096, 28_671)  # 15 bits: neighbours' difference fits into 16 with its sign
LEVELS = 100  # of the overlay


def pack(scene: Scene, step: int, effort: int = 9) -> bytes:
    """Return the arrays as one zlib stream: HU in steps of `step`, overlay, masks.

    The overlay in hundredths of its range.
    HU and overlay: codes (z, y, x) less their prediction, all low bytes, then all high bytes.
    Masks: a bit a voxel.
    """
    hu = np.clip(scene.hu, *STORED_HU)
    parts = [_predicted(np.round((hu - _lowest(scene)) / step))]
    if scene.overlay is not None:
        low, high = scene.overlay_range
        parts.append(_predicted(np.round((scene.overlay - low) / (high - low) * LEVELS)))
    masks = [scene.lesion] if scene.second is None else [scene.lesion, scene.second]
    parts += [np.packbits(mask.astype(bool)).tobytes() for mask in masks]
    return zlib.compress(b"".join(parts), effort)


def _lowest(scene: Scene) -> int:
    return int(np.floor(max(scene.hu.min(), STORED_HU[0])))


def _predicted(codes: np.ndarray) -> bytes:
    """Return each code's distance from the mean of its left and upper neighbour, zigzag, split."""
    codes = codes.astype(np.int32)
    left, upper = np.zeros_like(codes), np.zeros_like(codes)
    left[:, :, 1:], upper[:, 1:] = codes[:, :, :-1], codes[:, :-1]
    left[:, 1:, 0], upper[:, 0] = upper[:, 1:, 0], left[:, 0]
    rest = codes - ((left + upper) >> 1)
    folded = np.where(rest < 0, -2 * rest - 1, 2 * rest).astype(np.uint32)
    return (folded & 255).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()


def description(scene: Scene, step: int, caption: str) -> dict[str, Any]:
    """Return what the script needs beside the arrays, lengths in mm."""
    overlay = {
        "name": scene.overlay_name,
        "unit": scene.overlay_unit,
        "range": [float(end) for end in scene.overlay_range],
    }
    return {
        "title": scene.title,
        "caption": caption,
        "shape": scene.hu.shape,
        "spacing": [float(s) for s in scene.spacing_mm],
        "origin": scene.origin().tolist(),
        "low": _lowest(scene),
        "step": step,
        "start": start_of(scene),
        "overlay": overlay if scene.overlay is not None else None,
        "outlines": scene.outline_names[: 1 if scene.second is None else 2],
        "synthetic": scene.synthetic,
    }
