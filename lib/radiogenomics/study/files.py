"""Files written whole or not at all, content hashes, and the errors a user sees."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PACKED = Path(__file__).parents[1] / "shipped"  # what a wheel carries; a checkout has none
CHECKOUT = None if _PACKED.is_dir() else Path(__file__).parents[3]
SHIPPED = CHECKOUT or _PACKED  # notebooks/, data/ and docs/ lie below it
PART = ".part-"  # how the name of a file begins that is not whole yet
TEXT_HEADERS = (".mhd", ".mha", ".nrrd", ".nhdr")  # MetaImage and NRRD
VOXEL_FILE = re.compile(r"^(?:ElementDataFile\s*=|data ?file:)(.*)$", re.M | re.I)


class StudyError(Exception):
    """A fault in the user's study: says what was found, what was expected and what to do."""


class UsageError(StudyError):
    """A command that asks for what there is not."""


def shipped(name: str) -> str:
    """Return how a message names a shipped file: as it is in a checkout, else with its folder."""
    return name if CHECKOUT else str(SHIPPED / name)


def with_extra(extra: str, command: str) -> str:
    """Return what to type so that `workbook COMMAND` has the packages of an extra."""
    if CHECKOUT:
        return f"uv run --extra {extra} workbook {command}"
    version = importlib.metadata.version("radiogenomics")
    return f"pip install 'radiogenomics-{version}-py3-none-any.whl[{extra}]'"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=PART, suffix="".join(path.suffixes))
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete the parts of files that a killed run left behind."""
    for part in folder.rglob(f"{PART}*"):
        part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def digest(*parts: Any) -> str:
    """Return a short SHA-256 of JSON-able parts: the name of a cache entry."""
    text = json.dumps(parts, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_hash(path: Path) -> str:
    """Return the SHA-256 of an image's files (`image_files`).

    A file that has not changed since is not read again by the same process.
    """
    files = image_files(path)
    return _hash_of(tuple((p, p.stat().st_mtime_ns, p.stat().st_size) for p in files))


def image_files(path: Path) -> list[Path]:
    """Return the files that hold an image: all of a DICOM folder in name order, or one file.

    The header of a MetaImage or NRRD comes with the file of voxels that it names.
    """
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    voxels = voxel_file(path)
    return [path, *([path.parent / voxels] if voxels else [])]


def voxel_file(path: Path) -> str:
    """Return the file that a MetaImage or NRRD header names for its voxels, "" where it has them.

    Raises:
        OSError: the header cannot be read.
    """
    if not path.name.lower().endswith(TEXT_HEADERS):
        return ""
    with path.open("rb") as stream:
        head = stream.read(4096).split(b"\n\n")[0].decode("latin-1")
    named = VOXEL_FILE.search(head)
    return "" if not named or named[1].strip().upper() == "LOCAL" else named[1].strip()


@functools.cache
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    sha = hashlib.sha256()
    for path, _, _ in files:
        with path.open("rb") as stream:
            sha.update(hashlib.file_digest(stream, "sha256").digest())
    return sha.hexdigest()
