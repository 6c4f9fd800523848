"""Results that are kept under a digest of what they follow from, so that none is made twice.

A damaged entry is noticed, and made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from radiogenomics.study.contract import Notebook
from radiogenomics.study.errors import ModelMismatch
from radiogenomics.study.files import SEAL, digest, read_json, sound, whole_file, write_json


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


def require_sound(path: Path, notebook: Notebook) -> None:
    """Refuse a model that is not as it was written.

    Raises:
        ModelMismatch: names the file and the notebook that writes it.
    """
    if not sound(path):
        raise ModelMismatch(
            f"{path.name} is not as it was written: it is damaged, was changed, or has no "
            f"{path.name}{SEAL} beside it. Expected: the file of a run. Run: {notebook.run_from}"
        )


def keep_array(path: Path, array: np.ndarray) -> None:
    """Write an array (.npy) with a digest beside it, by which damage is noticed."""
    with whole_file(path, sealed=True) as part, part.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def kept_array(path: Path) -> np.ndarray | None:
    """Return a kept array; None where there is none, or it is damaged, which is printed."""
    if sound(path):
        return np.load(path, allow_pickle=False)
    if path.exists():
        print(f"{path.parent.name}/{path.name} is damaged and is made again")
    return None


def once(path: Path, make: Callable[[], Any]) -> Any:
    """Return a cache's entry, which is made where there is none."""
    value = kept(path)
    if value is None:
        value = make()
        keep(path, value)
    return value
