"""Faults that every format of image files shares, in one wording."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from radiogenomics.study.errors import ImageFault

LARGEST = 1_000_000_000  # voxels: 1024 × 1024 of a thousand slices
CHUNK = 1 << 24  # bytes
SPARE = 1 << 26  # bytes behind the voxels
NO_READER = "sitk::ERROR: Unable to determine ImageIO reader for"


def unreadable(path: Path, fault: Exception | str) -> ImageFault:
    """Return the error of a file or folder whose reader failed, without paths."""
    lines = [line for line in str(fault).strip().splitlines() if not line.startswith("Reason:")]
    reason = lines[-1].replace(str(path.parent), "…").replace(NO_READER, "no image format fits")
    reason = re.sub(r"\(0x[0-9a-f]+\)", "", reason)  # an address in memory, another one each time
    return ImageFault(
        f"{path.name} cannot be read as an image ({reason}). Export or copy it again."
    )


def cut_off(path: Path, fault: Exception | str) -> ImageFault:
    """Return the error of a file that ends too early or is damaged."""
    return ImageFault(
        f"{path.name} cannot be read: it is damaged or cut off ({fault}). Copy it again."
    )


def not_finite(name: str, bad: int) -> ImageFault:
    """Return the error of an image in which so many voxels are no finite numbers."""
    return ImageFault(
        f"{name}: {bad} voxels are not finite numbers. Expected: a number in each. Export again."
    )


def check_size(path: Path, shape: Iterable[int]) -> None:
    """Refuse an image that no scanner makes, before memory is asked for it."""
    size = [int(n) for n in shape]
    if math.prod(size) > LARGEST:
        raise ImageFault(
            f"{path.name}: {' × '.join(map(str, size))} voxels in the header. Expected: a CT of at "
            f"most {LARGEST:,} voxels. Crop it to the chest, or export it again."
        )


def read_out(path: Path, stream: BinaryIO, most: int = SPARE) -> None:
    """Read a stream to its end, by which damage shows, and refuse one of more than `most` bytes."""
    left = 0
    while chunk := stream.read(CHUNK):
        left += len(chunk)
        if left > most:
            raise ImageFault(
                f"{path.name} unpacks to more than {most >> 20:,} MB beyond what its header tells "
                "of. Expected: an image. Export it again."
            )


def check_spacing(path: Path, spacing: list[float]) -> None:
    """Refuse voxels of size 0 or below, or of none (read as 1, or without their sign)."""
    if not len(spacing) or not np.isfinite(spacing).all() or min(spacing) <= 0:
        values = ", ".join(f"{v:g}" for v in spacing)
        raise ImageFault(
            f"{path.name}: voxel spacing ({values}) mm in the header. Expected: above 0. Export it "
            "again; a negative spacing may mean a flipped axis."
        )
