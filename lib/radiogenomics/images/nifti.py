"""NIfTI files: read with nibabel by one stated rule on where their voxels lie.

A NIfTI header says twice where the voxels lie, as sform and as qform. Of those that are set (code
above 0) the sform holds, as in nibabel and FSL; where both are set and disagree a note says so.
Where neither is set nothing says which side is left.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import xform_codes
from nibabel.spatialimages import HeaderDataError

from radiogenomics.images.faults import (
    check_size,
    check_spacing,
    cut_off,
    not_finite,
    read_out,
    unreadable,
)
from radiogenomics.images.grids import corners
from radiogenomics.study.errors import ImageFault

IMAGES = {348: nibabel.Nifti1Image, 540: nibabel.Nifti2Image}  # by the length of the header
FARTHEST = 1 << 24  # bytes before the first voxel
TO_MM = {"meter": 1000.0, "micron": 0.001}
LPS = np.diag([-1.0, -1.0, 1.0])  # NIfTI counts to the right and to the front
LEAN = 2e-3  # cosine between two axes, from which they are not at right angles
ROUNDING = 1e-3  # of a voxel's size
APART_MM = 0.1  # between sform and qform, at the corners of the image
NIBABEL = (ImageFileError, HeaderDataError, EOFError, OSError, ValueError)  # what it raises
NO_SIDES = "the header does not say how the image lies (no sform, no qform): sides are not known"


def read(path: Path) -> sitk.Image:
    """Return the 3D image of a NIfTI-1 or NIfTI-2 file, in mm; scaled where its header scales.

    A slope and an intercept that are both no numbers, as some writers leave them, do not scale.

    Raises:
        ImageFault: not one volume of numbers, axes not at right angles, an sform without the
            voxels' size, a scale that is no number.
        RuntimeError: nibabel cannot read it.
    """
    header, content = _content(path)
    _check_scale(path, header)
    try:
        image = IMAGES[header.sizeof_hdr].from_bytes(content)
        directions, spacing, origin = _place(path, image.header)
        values = np.asanyarray(image.dataobj)
    except NIBABEL as fault:
        raise RuntimeError(str(fault)) from None
    several = max(int(np.prod(values.shape[4:])), len(values.dtype.names or ()), 1)
    if values.dtype.kind not in "iuf" or values.ndim < 3 or np.prod(values.shape[3:]) != 1:
        shape = f"{min(values.ndim, 4)}D, {several} values per voxel"
        raise ImageFault(f"{path.name} is {shape}. Expected: one 3D volume.")
    values = values.reshape(values.shape[:3], order="F").T
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise not_finite(path.name, int((~np.isfinite(values)).sum()))
    made = sitk.GetImageFromArray(values.astype(values.dtype.newbyteorder("="), copy=False))
    made.SetSpacing(spacing.tolist())
    made.SetOrigin(origin.tolist())
    made.SetDirection(directions.ravel().tolist())
    return made


def _opened(path: Path) -> BinaryIO:
    return (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb")


def _content(path: Path) -> tuple[nibabel.Nifti1Header, bytes]:
    """Return a file's header, and its bytes up to the last voxel.

    It is unpacked to its end: readers fill one that is cut off with zeros.
    """
    try:
        with _opened(path) as stream:
            start = stream.read(max(IMAGES))
            header = _header(path, start)
            wanted = max(_length(path, header), len(start))
            content = start + stream.read(wanted - len(start))
            read_out(path, stream)
    except (OSError, EOFError, zlib.error) as fault:
        raise cut_off(path, fault) from None
    if missing := max(wanted - len(content), 0):
        raise cut_off(path, f"{missing} bytes of the voxels are missing")
    return header, content


def _length(path: Path, header: nibabel.Nifti1Header) -> int:
    """Return how many bytes a whole file has, once unpacked."""
    shape, offset = header.get_data_shape(), float(header["vox_offset"])
    if not shape or not 0 <= offset < FARTHEST:
        raise _no_nifti(path)
    check_spacing(path, [float(v) for v in header["pixdim"][1:4][: len(shape)]])
    check_size(path, np.maximum(shape, 1))
    voxels = int(np.prod(np.maximum(shape, 1), dtype=np.int64))
    return int(offset) + voxels * header.get_data_dtype().itemsize


def _header(path: Path, start: bytes) -> nibabel.Nifti1Header:
    """Return a header as it stands in the file: nibabel's own opening mends it without a word."""
    if len(start) < 348:
        raise cut_off(path, "no whole header")
    sizes = [int.from_bytes(start[:4], order) for order in ("little", "big")]
    size = next((size for size in sizes if size in IMAGES), None)
    if size is None:
        raise _no_nifti(path)
    try:
        kind = IMAGES[size].header_class
        header = kind(start[:size], "<" if sizes[0] in IMAGES else ">", check=False)
        header.get_data_dtype()
    except (HeaderDataError, ValueError):
        raise _no_nifti(path) from None
    _check_codes(path, header)
    return header


def _check_codes(path: Path, header: nibabel.Nifti1Header) -> None:
    """Refuse a header with a code of place or unit that NIfTI does not have."""
    places = [int(header[name]) for name in ("sform_code", "qform_code")]
    strange = [code for code in places if code not in xform_codes.value_set()]
    with contextlib.suppress(KeyError):
        header.get_xyzt_units()
        if not strange:
            return
    raise unreadable(path, f"codes that NIfTI does not have in its header: {strange or 'units'}")


def _no_nifti(path: Path) -> ImageFault:
    return ImageFault(
        f"{path.name} is not a NIfTI file, despite its name. Expected: an image. Export it again."
    )


def notes(path: Path) -> list[str]:
    """Return what a header leaves open, or says twice."""
    with _opened(path) as stream:
        header = _header(path, stream.read(max(IMAGES)))
    sform, qform = header.get_sform(coded=True), header.get_qform(coded=True)
    if not sform[1] and not qform[1]:
        return [NO_SIDES]
    said = [f"its header counts in {unit}s, read as mm" for unit in (_unit(header),)
            if unit in TO_MM]  # fmt: skip
    if sform[1] and qform[1]:
        ends = corners(np.zeros(3), np.array(header.get_data_shape()[:3]) - 1)
        apart = nibabel.affines.apply_affine(sform[0], ends)
        apart -= nibabel.affines.apply_affine(qform[0], ends)
        away = float(np.linalg.norm(apart, axis=1).max()) * TO_MM.get(_unit(header), 1.0)
        said += [f"sform and qform lie {away:.1f} mm apart: the sform is taken"] * (away > APART_MM)
    return said


def _unit(header: nibabel.Nifti1Header) -> str:
    return header.get_xyzt_units()[0]


def _check_scale(path: Path, header: nibabel.Nifti1Header) -> None:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    unscaled = slope == 0 or (np.isnan(slope) and not np.isfinite(inter))
    if not unscaled and not np.isfinite([slope, inter]).all():
        raise ImageFault(
            f"{path.name}: its values are scaled by scl_slope {slope:g} and scl_inter {inter:g}. "
            "Expected: numbers. Export it again."
        )


def _place(path: Path, header: nibabel.Nifti1Header) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return axes (columns of a 3 × 3 matrix, LPS), spacing and origin (x, y, z), mm."""
    affine = header.get_best_affine()
    columns = affine[:3, :3]
    sizes = np.linalg.norm(columns, axis=0)
    cosines = (columns / sizes).T @ (columns / sizes) - np.eye(3)
    if np.abs(cosines).max() > LEAN:
        angle = np.degrees(np.arcsin(min(np.abs(cosines).max(), 1.0)))
        raise ImageFault(
            f"{path.name}: its axes are sheared by {angle:.1f}°, as of a CT with a tilted gantry. "
            "Expected: axes at right angles. Of dcm2niix's files take the one whose name holds "
            "_Tilt."
        )
    given = np.abs(np.array(header.get_zooms()[:3], float))
    if len(given) == 3 and (np.abs(sizes - given) > ROUNDING * given).any():
        raise ImageFault(
            f"{path.name}: voxels of {_times(given)} mm by its pixdim, of {_times(sizes)} by its "
            "sform or qform. Expected: one size. Write the header again from the original."
        )
    scale = TO_MM.get(_unit(header), 1.0)
    return LPS @ (columns / sizes), sizes * scale, LPS @ affine[:3, 3] * scale


def _times(sizes: np.ndarray) -> str:
    return "×".join(f"{v:.3g}" for v in sizes)
