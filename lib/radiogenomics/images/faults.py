"""Faults that every format of image files shares, in one wording."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from radiogenomics.study.errors import ImageFault

NO_READER = "sitk::ERROR: Unable to determine ImageIO reader for"


def unreadable(path: Path, fault: Exception) -> ImageFault:
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


def check_spacing(path: Path, spacing: list[float]) -> None:
    """Refuse voxels of size 0 or below, or of none (read as 1, or without their sign)."""
    if not len(spacing) or not np.isfinite(spacing).all() or min(spacing) <= 0:
        values = ", ".join(f"{v:g}" for v in spacing)
        raise ImageFault(
            f"{path.name}: voxel spacing ({values}) mm in the header. Expected: above 0. Export it "
            "again; a negative spacing may mean a flipped axis."
        )
