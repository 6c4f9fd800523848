"""Results that are kept under a digest of what they follow from, so that none is made twice.

A damaged entry is noticed, and made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from radiogenomics.study.files import digest, read_json, write_json


def digest_of(arrays: Iterable[np.ndarray]) -> str:
    """Return a SHA-256 of arrays' values, their shapes and types."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape} {array.dtype}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def keep(path: Path, value: Any) -> None:
    """Write a cache's entry, JSON-able, with a digest by which damage is noticed."""
    write_json(path, {"value": value, "digest": digest(value)})


def kept(path: Path) -> Any:
    """Return a cache's entry; None where there is none, or it is damaged."""
    try:
        entry = read_json(path)
        return entry["value"] if entry["digest"] == digest(entry["value"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def once(path: Path, make: Callable[[], Any]) -> Any:
    """Return a cache's entry, which is made where there is none."""
    value = kept(path)
    if value is None:
        value = make()
        keep(path, value)
    return value
