"""NRRD files: what their readers pass over, and the segments of 3D Slicer's .seg.nrrd."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO

import nrrd
import numpy as np
import SimpleITK as sitk

from radiogenomics.images.nifti import TO_MM
from radiogenomics.study.errors import ImageFault

VECTOR = re.compile(r"\([^)]*\)")
UNITS = {"um": TO_MM["micron"], "micron": TO_MM["micron"], "microns": TO_MM["micron"],
         "m": TO_MM["meter"], "meter": TO_MM["meter"], "cm": 10.0}  # fmt: skip
TO_LPS = {"left-posterior-superior": (1, 1, 1), "right-anterior-superior": (-1, -1, 1),
          "left-anterior-superior": (1, -1, 1)}  # fmt: skip
SHORT = {"lps": "left-posterior-superior", "ras": "right-anterior-superior",
         "las": "left-anterior-superior"}  # fmt: skip


def header(path: Path) -> dict[str, Any]:
    """Return the header of a NRRD file.

    Raises:
        RuntimeError: pynrrd cannot read it.
    """
    with path.open("rb") as stream:
        return _header(stream)


def _header(stream: BinaryIO) -> dict[str, Any]:
    """Read a header up to the first voxel; blanks inside a vector, as some write, are left out."""
    lines = []
    while (line := stream.readline()).strip():
        lines.append(VECTOR.sub(lambda v: v[0].replace(" ", ""), line.decode("latin-1").rstrip()))
    try:
        return nrrd.read_header(lines)
    except (nrrd.NRRDError, ValueError, KeyError, StopIteration) as fault:
        raise RuntimeError(str(fault)) from None


def _voxels(path: Path) -> np.ndarray:
    """Return the voxels of a file, axes in the order of its header."""
    with path.open("rb") as stream:
        try:
            return nrrd.read_data(_header(stream), stream, str(path))
        except (nrrd.NRRDError, ValueError, KeyError, OSError, EOFError) as fault:
            raise RuntimeError(str(fault)) from None


def spacing(read: dict[str, Any]) -> list[float]:
    """Return the sizes of a voxel that a header gives, as it gives them; [] where it gives none."""
    if "space directions" in read:
        vectors = np.array([v for v in read["space directions"] if v is not None], float)
        vectors = vectors[~np.isnan(vectors).all(axis=1)] if layered(read) else vectors
        return np.linalg.norm(vectors, axis=1).tolist()
    return [float(v) for v in read.get("spacings", [])]


def layered(read: dict[str, Any]) -> bool:
    """Return whether a header is of several layers of segments."""
    return int(read.get("dimension", 3)) == 4 and "Segment0_ID" in read


def _scale(read: dict[str, Any]) -> float:
    units = {str(u).strip('"').lower() for u in read.get("space units", [])} - {"", "mm", "nan"}
    return UNITS.get(units.pop(), 1.0) if len(units) == 1 else 1.0


def read(path: Path) -> sitk.Image:
    """Return the image of a NRRD file, in mm whatever the unit of its header."""
    held = header(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:  # ITK does not read blanks in a vector
        return _image(path, _voxels(path), held)
    scale = _scale(held)
    image.SetSpacing([s * scale for s in image.GetSpacing()])
    image.SetOrigin([o * scale for o in image.GetOrigin()])
    return image


def notes(path: Path) -> list[str]:
    """Return what a reader should know of a header."""
    scale = _scale(header(path))
    return [f"its header counts in units of {scale:g} mm, read as mm"] if scale != 1 else []


def segments(path: Path) -> dict[str, tuple[int, int]]:
    """Return the layer and value of every segment of a .seg.nrrd by name; none of another file."""
    held = header(path)
    found, number = {}, 0
    while f"Segment{number}_ID" in held:
        key = f"Segment{number}_"
        name = str(held.get(f"{key}Name", held[f"{key}ID"]))
        found[name] = (int(held.get(f"{key}Layer", 0)), int(held.get(f"{key}LabelValue", 1)))
        number += 1
    return found


def segment_mask(path: Path, parts: list[tuple[int, int]]) -> sitk.Image:
    """Return the union of segments (layer, value) as a mask (uint8) on the file's grid.

    Raises:
        ImageFault: a space that is not of a patient.
    """
    values, held = _voxels(path), header(path)
    layers = values if layered(held) else values[np.newaxis]
    mask = np.logical_or.reduce([layers[layer] == value for layer, value in parts])
    return _image(path, mask.astype(np.uint8), held)


def _image(path: Path, values: np.ndarray, held: dict[str, Any]) -> sitk.Image:
    """Return voxels (x, y, z) on the grid of a header, mm, LPS."""
    space = str(held.get("space", "")).lower()
    signs = TO_LPS.get(SHORT.get(space, space))
    if signs is None:
        raise ImageFault(
            f"{path.name}: its space is {space or 'not given'!r}. Expected: "
            f"{', '.join(TO_LPS)}. Save it again with 3D Slicer."
        )
    vectors = np.array(held["space directions"], float)
    vectors = vectors[~np.isnan(vectors).any(axis=1)]
    sizes = np.linalg.norm(vectors, axis=1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    image.SetSpacing((sizes * _scale(held)).tolist())
    image.SetDirection((np.diag(signs) @ (vectors / sizes[:, np.newaxis]).T).ravel().tolist())
    image.SetOrigin((np.array(signs) * held["space origin"] * _scale(held)).tolist())
    return image
