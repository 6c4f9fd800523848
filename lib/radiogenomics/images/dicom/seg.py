"""A lesion of a DICOM SEG as a mask, on the CT's grid or the SEG's own; arrays are (z, y, x).

Frames are read from their own geometry: the early writers of public collections leave out a frame's
segment or what it was drawn on, on which highdicom 0.28 stops (its issue 344).
"""

from __future__ import annotations

import numpy as np
import pydicom
import SimpleITK as sitk

from radiogenomics.images.dicom.drawings import BETWEEN, chosen, outside_ct
from radiogenomics.images.dicom.multiframe import grouped
from radiogenomics.images.grids import axes, mask_on, to_index
from radiogenomics.study.errors import ImageFault

ON_GRID = 0.05  # voxels: how far a SEG frame may lie off the CT's grid and still be on it


def segment_mask(
    seg: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Return a segment (uint8, 0 or 1), on the CT's grid or the SEG's own, and what to note.

    Args:
        seg: what `drawings.read_drawing` returned.
        label: number or name of the segment; empty: the only one.
        ct: gives the grid.
        name: of the file, for messages.

    Raises:
        ImageFault: no such segment, nothing drawn, frames outside the CT or unevenly spaced.
    """
    names = {int(s.SegmentNumber): str(s.get("SegmentLabel", "")) for s in seg.SegmentSequence}
    names.pop(0, None)  # the background of a LABELMAP
    numbers = chosen(names, label, "segment", name)
    pixels = _pixels(seg, numbers, name)
    groups = seg.PerFrameFunctionalGroupsSequence
    if len(groups) != len(pixels):
        raise ImageFault(
            f"{name} holds {len(pixels)} frames and the positions of {len(groups)}. Expected: one "
            "position per frame. Export it again."
        )
    of = [_segment_of(seg, g) for g in groups]
    if None in of and len(names) > 1 and seg.get("SegmentationType") != "LABELMAP":
        raise ImageFault(
            f"{name} holds {len(names)} segments and does not say which of its frames belong to "
            f"which. Expected: segment {_listed(numbers)}. Export that segment alone."
        )
    wanted = [i for i, segment in enumerate(of) if segment in (*numbers, None)]
    frames = [i for i in wanted if pixels[i].any()]
    if not frames:
        raise ImageFault(
            f"{name}: segment {_listed(numbers)} is empty. Expected: the lesion. Draw it."
        )
    planes = [_plane(seg, groups[i], name) for i in frames]
    index = np.array([to_index(ct, origin) for origin, _, _ in planes])
    if _on_grid(ct, planes, index):
        return _pasted(ct, pixels[frames], np.round(index).astype(int), name), []
    return _stacked(pixels[frames], planes, seg, name), ["SEG drawn on another grid"]


def _listed(numbers: list[int]) -> str:
    return " + ".join(map(str, numbers))


def _pixels(seg: pydicom.Dataset, numbers: list[int], name: str) -> np.ndarray:
    """Return the frames (frame, y, x) as booleans; fractional ones from one half up."""
    try:
        pixels = seg.pixel_array
    except Exception as fault:  # noqa: BLE001 - pydicom and its decoders raise many kinds
        raise ImageFault(f"{name}: its frames cannot be read ({fault}). Copy it again.") from None
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    if seg.get("SegmentationType") == "LABELMAP":
        return np.isin(pixels, numbers)
    if seg.get("SegmentationType") == "FRACTIONAL":
        return pixels >= 0.5 * float(seg.get("MaximumFractionalValue", 255))
    return pixels > 0


def _segment_of(seg: pydicom.Dataset, group: pydicom.Dataset) -> int | None:
    """Return the segment of a frame; None where the writer left it out (one segment only)."""
    places = (group, *seg.get("SharedFunctionalGroupsSequence", []))
    number = grouped(places, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
    return None if number is None else int(number)


def _plane(
    seg: pydicom.Dataset, group: pydicom.Dataset, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a frame's origin (mm), its two directions (2, 3) and its spacing (across, down)."""
    places = (group, *seg.get("SharedFunctionalGroupsSequence", []))

    def look(sequence: str, tag: str) -> np.ndarray:
        value = grouped(places, sequence, tag)
        if value is None:
            raise ImageFault(
                f"{name}: a frame has no {tag}. Expected: its position. Export it again."
            )
        return np.array(value, float)

    origin = look("PlanePositionSequence", "ImagePositionPatient")
    ways = look("PlaneOrientationSequence", "ImageOrientationPatient").reshape(2, 3)
    return origin, ways, look("PixelMeasuresSequence", "PixelSpacing")[::-1]


def _on_grid(ct: sitk.Image, planes: list, index: np.ndarray) -> bool:
    same = all(
        np.allclose(ways, axes(ct)[:2], atol=1e-3)
        and np.allclose(spacing, ct.GetSpacing()[:2], rtol=1e-3)
        for _, ways, spacing in planes
    )
    return same and np.abs(index - np.round(index)).max() < ON_GRID


def _pasted(ct: sitk.Image, pixels: np.ndarray, index: np.ndarray, name: str) -> sitk.Image:
    """Return frames laid into the CT's grid, each at its index (x, y, z)."""
    size = np.array(ct.GetSize())
    mask = np.zeros(size[::-1], bool)
    for frame, (x0, y0, z) in zip(pixels, index, strict=True):
        y, x = np.nonzero(frame)
        at = np.stack([x + x0, y + y0, np.full(len(x), z)])
        if (at < 0).any() or (at >= size[:, np.newaxis]).any():
            size_of = f"{frame.shape[1]}×{frame.shape[0]}"
            at_voxel = f"SEG frame of {size_of} pixels at voxel ({x0}, {y0}, {z})"
            raise outside_ct(name, at_voxel, ct)
        mask[at[2], at[1], at[0]] = True
    return mask_on(ct, mask)


def _stacked(pixels: np.ndarray, planes: list, seg: pydicom.Dataset, name: str) -> sitk.Image:
    """Return the frames as a volume on the SEG's own grid; slices without a frame are empty."""
    _, ways, spacing = planes[0]
    normal = np.cross(*ways)
    height = np.array([origin @ normal for origin, _, _ in planes])
    step = _step(seg, height)
    place = np.round((height - height.min()) / step).astype(int)
    if np.abs((height - height.min()) / step - place).max() > BETWEEN:
        raise ImageFault(
            f"{name}: its frames are not evenly spaced. Expected: the slices of one series."
        )
    first = planes[int(height.argmin())][0]
    beside = [(origin - first) @ ways.T / spacing for origin, _, _ in planes]
    moved = np.round(beside).astype(int)  # frames may begin at pixels of their own, x and y
    low, extra = moved.min(axis=0), np.ptp(moved, axis=0)
    down, across = pixels.shape[1:]
    mask = np.zeros((place.max() + 1, down + extra[1], across + extra[0]), np.uint8)
    for frame, z, (x, y) in zip(pixels, place, moved - low, strict=True):
        mask[z, y : y + down, x : x + across] |= frame
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing([*spacing.tolist(), step])
    image.SetOrigin((first + (low * spacing) @ ways).tolist())
    image.SetDirection(np.stack([*ways, normal], axis=1).ravel().tolist())
    return image


def _step(seg: pydicom.Dataset, height: np.ndarray) -> float:
    """Return the way between slices (mm): as the SEG says, else the smallest gap of its frames."""
    gaps = np.diff(np.unique(np.round(height, 3)))
    smallest = float(gaps.min()) if len(gaps) else np.inf
    for group in (*seg.get("SharedFunctionalGroupsSequence", []),
                  seg.PerFrameFunctionalGroupsSequence[0]):  # fmt: skip
        measures = group.get("PixelMeasuresSequence")
        if measures and measures[0].get("SpacingBetweenSlices"):
            return float(measures[0].SpacingBetweenSlices)
        if measures and measures[0].get("SliceThickness"):  # slices may overlap
            return min(float(measures[0].SliceThickness), smallest)
    return smallest if len(gaps) else 1.0
