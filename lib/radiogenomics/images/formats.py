"""Image files: NIfTI, NRRD, MetaImage; faults that their readers repair silently are refused.

`FORMATS` is the list of formats; a new one is an entry there (`register`).
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
import zlib
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import NamedTuple, TypeVar

import SimpleITK as sitk

from radiogenomics.images import nifti, nrrd
from radiogenomics.images.faults import (
    LARGEST,
    check_size,
    check_spacing,
    cut_off,
    read_out,
    unreadable,
)
from radiogenomics.study.errors import ImageFault, MissingFile
from radiogenomics.study.files import files_below

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what matters of it, our checks say
T = TypeVar("T")
ZIP = b"PK\x03\x04"
VOXEL_FILE = re.compile(r"^(?:ElementDataFile\s*=|data ?file:)(.*)$", re.M | re.I)
APART = (".hdr", ".img", ".hdr.gz", ".img.gz", ".vtk", ".gipl", ".gipl.gz")  # voxels elsewhere


class Format(NamedTuple):
    """A format of image files: how their names end, and how one is read.

    `check` refuses faults that the reader repairs silently; `further` names the files that hold the
    voxels of a header, which are hashed with it; `notes` says what a header leaves open.
    """

    endings: tuple[str, ...]
    check: Callable[[Path], None]
    read: Callable[[Path], sitk.Image]
    further: Callable[[Path], list[Path]] = lambda path: []
    notes: Callable[[Path], list[str]] = lambda path: []


FORMATS: list[Format] = []


def register(new: Format) -> None:
    """Add a format of image files; one that is added later goes before those of earlier ones."""
    FORMATS.insert(0, new)


def format_of(path: Path) -> Format | None:
    """Return the format that a file's name shows; None for another ending."""
    name = path.name.lower()
    return next((f for f in FORMATS if name.endswith(f.endings)), None)


def endings() -> tuple[str, ...]:
    """Return how the names of image files end."""
    return tuple(ending for kind in FORMATS for ending in kind.endings)


def content_hash(path: Path) -> str:
    """Return the SHA-256 of an image's files (`image_files`).

    A file that has not changed since is not read again by the same process.
    """
    files = image_files(path)
    return _hash_of(tuple((p, p.stat().st_mtime_ns, p.stat().st_size) for p in files))


@functools.cache
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    sha = hashlib.sha256()
    for path, _, _ in files:
        with path.open("rb") as stream:
            sha.update(hashlib.file_digest(stream, "sha256").digest())
    return sha.hexdigest()


def image_files(path: Path) -> list[Path]:
    """Return the files that hold an image: all of a DICOM folder in name order, or one file.

    The header of a MetaImage or NRRD comes with the file of voxels that it names.
    """
    if path.is_dir():
        return files_below(path)
    kind = format_of(path)
    return [path, *(kind.further(path) if kind else [])]


def read_file(path: Path) -> sitk.Image:
    """Return the 3D image in one file, its values as the file has them.

    Raises:
        ImageFault: a format that does not describe its voxels, a damaged file, not one volume.
    """
    image = read_with(path, lambda kind: kind.read(path))
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        shape = f"{image.GetDimension()}D, {image.GetNumberOfComponentsPerPixel()} values per voxel"
        raise ImageFault(f"{path.name} is {shape}. Expected: one 3D volume.")
    return image


def read_with(path: Path, read: Callable[[Format], T]) -> T:
    """Return what `read` makes of a file whose format has been checked.

    Raises:
        ImageFault: a format that does not describe its voxels, a damaged file.
    """
    if path.name.lower().endswith(APART):
        raise ImageFault(
            f"{path.name} is of a format (Analyze, NIfTI in two files, VTK, GIPL) that does not "
            "describe its voxels completely. Expected: NIfTI in one file, NRRD, MetaImage or "
            "DICOM. Convert it to .nii.gz."
        )
    kind = format_of(path) or Format((), _check_stream, sitk.ReadImage)
    try:
        _refuse_archive(path)
        kind.check(path)
        return read(kind)
    except RuntimeError as fault:
        raise unreadable(path, fault) from None


def notes_of(path: Path) -> list[str]:
    """Return what a reader of an image file should know of its header."""
    kind = format_of(path)
    return kind.notes(path) if kind else []


def _refuse_archive(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(4) == ZIP:
            raise ImageFault(f"{path.name} is a zip archive. Expected: an image. Unpack it first.")


def _check_metaimage(path: Path) -> None:
    """Refuse a spacing of 0 or below (read as 1, or without its sign), and voxels elsewhere."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    for line in start.split(b"\n\n")[0].decode("latin-1").splitlines():
        name, _, value = line.replace("=", ":", 1).partition(":")
        if name.strip() == "ElementSpacing":
            check_spacing(path, [_number(v) for v in value.split()])
        if name.strip() == "DimSize":
            check_size(path, [int(v) for v in value.split() if v.isdigit()])
    _check_voxel_file(path)


def _check_nrrd(path: Path) -> None:
    """Refuse the same of a NRRD file."""
    held = nrrd.header(path)
    check_spacing(path, nrrd.spacing(held))
    check_size(path, held.get("sizes", []))
    _check_voxel_file(path)


def _voxel_file(path: Path) -> str:
    """Return the file that a MetaImage or NRRD header names for its voxels, "" where it has them.

    Raises:
        OSError: the header cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4096).split(b"\n\n")[0].decode("latin-1")
    named = VOXEL_FILE.search(head)
    return "" if not named or named[1].strip().upper() == "LOCAL" else named[1].strip()


def _voxels_beside(path: Path) -> list[Path]:
    voxels = _voxel_file(path)
    return [path.parent / voxels] if voxels else []


def _check_voxel_file(path: Path) -> None:
    """Refuse a header whose voxels are not in one file beside it: they could be anybody's."""
    named = _voxel_file(path)
    if named and (PureWindowsPath(named).name != named or "%" in named or named.upper() == "LIST"):
        raise ImageFault(
            f"{path.name} names {PureWindowsPath(named).name!r}, in another folder or in several "
            "files, for its voxels. Expected: one file beside it. Write it as .mha or .nrrd."
        )
    if named and not (path.parent / named).is_file():
        raise MissingFile(
            f"{path.name} names {named!r} for its voxels, which is not there. Expected: that file "
            "beside it. Copy both."
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check_stream(path: Path) -> None:
    """Refuse a .gz file that is cut off: some readers fill it with zeros."""
    if path.suffix.lower() != ".gz":
        return
    try:
        with gzip.open(path, "rb") as stream:
            read_out(path, stream, most=8 * LARGEST)
    except (OSError, EOFError, zlib.error) as fault:
        raise cut_off(path, fault) from None


register(Format((".mhd", ".mha"), _check_metaimage, sitk.ReadImage, _voxels_beside))
register(Format((".nrrd", ".nhdr"), _check_nrrd, nrrd.read, _voxels_beside, nrrd.notes))
register(Format((".nii", ".nii.gz"), lambda path: None, nifti.read, notes=nifti.notes))
