"""Lesions drawn in DICOM, SEG or RTSTRUCT, as masks on the CT's grid; arrays are (z, y, x).

SEG frames are read from their own geometry: the early writers of public collections leave out a
frame's segment or what it was drawn on, on which highdicom 0.28 stops (its issue 344). No kept
library reads RTSTRUCT with its holes onto a given grid (rt-utils: last release 2023).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom import uid
from skimage.draw import polygon

from radiogenomics.images.dicom import find_series
from radiogenomics.study.errors import ImageFault

DRAWINGS = ("SEG", "RTSTRUCT")
FILLED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
ON_GRID = 0.05  # voxels: how far a SEG frame may lie off the CT's grid and still be on it
ENDLESS = 0xFFFFFFFF  # DICOM's length of what ends with a delimiter
TOGETHER = 0.05  # slices: contours of an outline and its hole lie at most so far apart
FINE = 6  # decimals of a voxel that count in a contour: float noise does not
BETWEEN = 0.1  # slices: from here on a contour counts as drawn between two slices


def read_drawing(path: Path) -> pydicom.Dataset | None:
    """Return the SEG or RTSTRUCT in a file or folder; None where there is no DICOM drawing.

    Raises:
        ImageFault: a folder with several, a DICOM file of another kind, one that is cut off.
    """
    if path.is_dir():
        files = [f for s in find_series(path) if _drawn(s.first) for f in s.files]
        if len(files) != 1:
            raise ImageFault(
                f"{path.name} holds {len(files)} SEG or RTSTRUCT files. Expected: one, the lesion. "
                "Name the file in cohort.csv."
            )
        path = files[0]
    with path.open("rb") as stream:
        start = stream.read(132)
    if start[128:] != b"DICM" and path.suffix.lower() != ".dcm":
        return None
    try:
        drawing = pydicom.dcmread(path)
    except Exception as fault:  # noqa: BLE001 - pydicom raises many kinds on a cut-off file
        raise ImageFault(
            f"{path.name} is not a complete DICOM file ({fault}). Copy it again."
        ) from None
    if not _drawn(drawing):
        raise ImageFault(
            f"{path.name} is DICOM {drawing.get('Modality', '?')}. Expected of a mask: SEG, "
            "RTSTRUCT, or an image file. Export the outline."
        )
    _check_whole(drawing, path.name)
    return drawing


def _drawn(header: pydicom.Dataset) -> bool:
    return header.get("Modality") in DRAWINGS


def _check_whole(drawing: pydicom.Dataset, name: str) -> None:
    """Refuse a drawing that lacks a part: pydicom reads a file that is cut off, without a word."""
    parts = {
        "SEG": ("SegmentSequence", "PerFrameFunctionalGroupsSequence", "PixelData"),
        "RTSTRUCT": ("StructureSetROISequence", "ROIContourSequence"),
    }[drawing.Modality]
    absent = [part for part in parts if part not in drawing]
    raw = [drawing.get_item(tag) for tag in drawing.keys()]  # noqa: SIM118 - no values yet
    short = any(len(e.value or b"") < e.length < ENDLESS for e in raw if e.is_raw)
    if absent or short:
        fault = f"has no {', '.join(absent)}" if absent else "ends too early"
        raise ImageFault(
            f"{name} {fault}: it is cut off or not a {drawing.Modality}. Expected: a whole file. "
            "Copy "
            "or export it again."
        )


def referenced_series(drawing: pydicom.Dataset) -> tuple[str, ...]:
    """Return the uids of the series that a SEG or RTSTRUCT refers to; none where it names none."""
    uids = [str(s.get("SeriesInstanceUID", "")) for s in _references(drawing)]
    return tuple(uid for uid in uids if uid)


def frame_of(drawing: pydicom.Dataset) -> str:
    """Return the frame of reference of a SEG's or RTSTRUCT's coordinates, empty if not given."""
    frames = drawing.get("ReferencedFrameOfReferenceSequence") or [pydicom.Dataset()]
    frame = frames[0].get("FrameOfReferenceUID") or drawing.get("FrameOfReferenceUID")
    return str(frame or "")


def shared_frame(drawing: pydicom.Dataset) -> str:
    """Return the frame of reference of a SEG that was drawn on another modality, else empty.

    A tumour outlined on the PET of a PET/CT is at the same place on the CT.
    """
    series = _references(drawing)
    images = series[0].get("ReferencedInstanceSequence", []) if series else []
    kinds = {str(i.get("ReferencedSOPClassUID", "")) for i in images} - {""}
    on_ct = not kinds or any(uid.CTImageStorage in kind for kind in kinds)
    return "" if on_ct else str(drawing.get("FrameOfReferenceUID", ""))


def _references(drawing: pydicom.Dataset) -> list[pydicom.Dataset]:
    if drawing.Modality == "SEG":
        return list(drawing.get("ReferencedSeriesSequence", []))
    frames = drawing.get("ReferencedFrameOfReferenceSequence", [])
    studies = [s for f in frames for s in f.get("RTReferencedStudySequence", [])]
    return [s for study in studies for s in study.get("RTReferencedSeriesSequence", [])]


def lesion_mask(
    drawing: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Return the lesion (uint8, 0 or 1), on the CT's grid or a SEG's own, and what to note.

    Args:
        drawing: SEG or RTSTRUCT.
        label: number or name of the segment or ROI; empty: the only one.
        ct: gives the grid.
        name: of the file, for messages.

    Raises:
        ImageFault: no such segment or ROI, nothing drawn, contours off the CT's slices.
    """
    read = _segment if drawing.Modality == "SEG" else _contours
    return read(drawing, label, ct, name)


def names(drawing: pydicom.Dataset) -> str:
    """Return the segments or ROIs of a drawing in words: numbers alone, a name may be anybody's."""
    if drawing.Modality == "SEG":
        numbers = [int(s.SegmentNumber) for s in drawing.SegmentSequence]
    else:
        numbers = [int(r.ROINumber) for r in drawing.StructureSetROISequence]
    return f"{drawing.Modality} {', '.join(map(str, numbers[:6]))}" + ", …" * (len(numbers) > 6)


def _chosen(names: dict[int, str], label: str, kind: str, name: str) -> int:
    """Return the number of the wanted segment or ROI."""
    if not label and len(names) == 1:
        return next(iter(names))
    matches = [n for n in names if label == str(n)]
    matches = matches or [
        n for n, title in names.items() if label and label.lower() == title.lower()
    ]
    if len(matches) == 1:
        return matches[0]
    contents = ", ".join(f"{number} {title!r}" for number, title in names.items()) or "nothing"
    wanted = f"{kind} {label!r}" if label else f"one {kind}, or its number or name"
    wanted = f"one {kind} {label!r}, or its number" if len(matches) > 1 else wanted
    raise ImageFault(
        f"{name} holds {contents}. Expected: {wanted}. Set mask_label in cohort.csv to one of them."
    )


def _segment(
    seg: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    names = {int(s.SegmentNumber): str(s.get("SegmentLabel", "")) for s in seg.SegmentSequence}
    names.pop(0, None)  # the background of a LABELMAP
    number = _chosen(names, label, "segment", name)
    pixels = _pixels(seg, number, name)
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
            f"which. Expected: segment {number}. Export that segment alone."
        )
    wanted = [i for i, segment in enumerate(of) if segment in (number, None)]
    frames = [i for i in wanted if pixels[i].any()]
    if not frames:
        raise ImageFault(f"{name}: segment {number} is empty. Expected: the lesion. Draw it.")
    planes = [_plane(seg, groups[i], name) for i in frames]
    index = np.array([_to_index(ct, origin) for origin, _, _ in planes])
    if _on_grid(ct, planes, index):
        return _pasted(ct, pixels[frames], np.round(index).astype(int), name), []
    return _stacked(pixels[frames], planes, seg, name), ["SEG drawn on another grid"]


def _pixels(seg: pydicom.Dataset, number: int, name: str) -> np.ndarray:
    """Return the frames (frame, y, x) as booleans; fractional ones from one half up."""
    try:
        pixels = seg.pixel_array
    except Exception as fault:  # noqa: BLE001 - pydicom and its decoders raise many kinds
        raise ImageFault(f"{name}: its frames cannot be read ({fault}). Copy it again.") from None
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    if seg.get("SegmentationType") == "LABELMAP":
        return pixels == number
    if seg.get("SegmentationType") == "FRACTIONAL":
        return pixels >= 0.5 * float(seg.get("MaximumFractionalValue", 255))
    return pixels > 0


def _segment_of(seg: pydicom.Dataset, group: pydicom.Dataset) -> int | None:
    """Return the segment of a frame; None where the writer left it out (one segment only)."""
    for place in (group, *seg.get("SharedFunctionalGroupsSequence", [])):
        sequence = place.get("SegmentIdentificationSequence")
        if sequence and "ReferencedSegmentNumber" in sequence[0]:
            return int(sequence[0].ReferencedSegmentNumber)
    return None


def _plane(
    seg: pydicom.Dataset, group: pydicom.Dataset, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a frame's origin (mm), its two directions (2, 3) and its spacing (across, down)."""
    places = (group, *seg.get("SharedFunctionalGroupsSequence", []))

    def look(sequence: str, tag: str) -> np.ndarray:
        for place in places:
            if place.get(sequence) and place[sequence][0].get(tag):
                return np.array(place[sequence][0].get(tag), float)
        raise ImageFault(f"{name}: a frame has no {tag}. Expected: its position. Export it again.")

    origin = look("PlanePositionSequence", "ImagePositionPatient")
    ways = look("PlaneOrientationSequence", "ImageOrientationPatient").reshape(2, 3)
    return origin, ways, look("PixelMeasuresSequence", "PixelSpacing")[::-1]


def _axes(ct: sitk.Image) -> np.ndarray:
    """Return the CT's directions, one per row: x, y, z."""
    return np.array(ct.GetDirection()).reshape(3, 3).T


def _to_index(ct: sitk.Image, points: np.ndarray) -> np.ndarray:
    """Return continuous voxel indices (…, x y z) of points (…, 3) in mm."""
    return (points - np.array(ct.GetOrigin())) @ _axes(ct).T / np.array(ct.GetSpacing())


def _on_grid(ct: sitk.Image, planes: list, index: np.ndarray) -> bool:
    same = all(
        np.allclose(ways, _axes(ct)[:2], atol=1e-3)
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
            raise _outside(name, f"SEG frame of {frame.shape[1]}×{frame.shape[0]} pixels at voxel "
                           f"({x0}, {y0}, {z})", ct)  # fmt: skip
        mask[at[2], at[1], at[0]] = True
    return _as_image(mask, ct)


def _as_image(mask: np.ndarray, grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(grid)
    return image


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
    mask = np.zeros((place.max() + 1, *pixels.shape[1:]), np.uint8)
    for frame, z in zip(pixels, place, strict=True):
        mask[z] |= frame
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing([*spacing.tolist(), step])
    image.SetOrigin(planes[int(height.argmin())][0].tolist())
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


def _contours(
    drawing: pydicom.Dataset, label: str, ct: sitk.Image, name: str
) -> tuple[sitk.Image, list[str]]:
    """Fill an RTSTRUCT's contours: a voxel is inside where its centre is.

    Contours at one height are taken even-odd, so that one inside another is a hole; a contour
    between two slices goes to the nearer one.
    """
    titles = {int(r.ROINumber): str(r.get("ROIName", "")) for r in drawing.StructureSetROISequence}
    number = _chosen(titles, label, "ROI", name)
    rois = [r for r in drawing.get("ROIContourSequence", []) if r.ReferencedROINumber == number]
    drawn = [c for roi in rois for c in roi.get("ContourSequence", [])]
    filled = [
        c
        for c in drawn
        if c.get("ContourGeometricType", FILLED[0]) in FILLED
        and len(c.get("ContourData") or []) > 6
    ]  # two points enclose nothing
    if not filled:
        raise ImageFault(
            f"{name}: ROI {number} {titles[number]!r} has {len(drawn)} contours, none of them "
            "closed. Expected: the lesion's outlines. Draw them."
        )
    if any(len(c.ContourData) % 3 for c in filled):
        raise ImageFault(
            f"{name}: a contour does not have x, y, z for each point. Export it again."
        )
    points = [np.array(c.ContourData, float).reshape(-1, 3) for c in filled]
    index = [_to_index(ct, p) for p in points]
    _check_planar(index, ct, name)
    by_height = _by_height(index)
    mask = np.zeros(ct.GetSize()[::-1], bool)
    for height, group in by_height.items():
        nearest = min(int(np.floor(height + 0.5)), len(mask) - 1)  # halves all go upwards
        mask[nearest] |= _even_odd(group, mask.shape[1:])
    if not mask.any():
        raise ImageFault(
            f"{name}: the {len(filled)} contours of ROI {number} {titles[number]!r} enclose no "
            "voxel's centre. Expected: a lesion of voxels. Draw it on this CT."
        )
    between = [h for h in by_height if abs(h - round(h)) > BETWEEN]
    notes = [f"{len(between)} of {len(by_height)} contour heights lie between slices"]
    notes = notes if between else []
    open_ = sum(c.get("ContourGeometricType") == "OPEN_PLANAR" for c in drawn)
    notes += [f"{open_} open contours left out: they enclose nothing"] if open_ else []
    return _as_image(mask, ct), notes


def _by_height(index: list[np.ndarray]) -> dict[float, list[np.ndarray]]:
    """Return the contours by their height in slices; those of nearly one height belong together.

    A contour that is stored twice counts once.
    """
    once = {np.round(contour, FINE).tobytes(): contour for contour in index}
    groups: dict[float, list[np.ndarray]] = {}
    for contour in sorted(once.values(), key=lambda points: points[:, 2].mean()):
        height = float(contour[:, 2].mean())
        last = next(reversed(groups), -np.inf)
        groups.setdefault(last if height - last < TOGETHER else height, []).append(contour)
    return groups


def _even_odd(contours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    area = np.zeros(shape, bool)
    for contour in contours:
        down, across = np.round(contour[:, [1, 0]], FINE).T  # an edge on voxel centres stays there
        area[polygon(down, across, shape)] ^= True
    return area


def _check_planar(index: list[np.ndarray], ct: sitk.Image, name: str) -> None:
    leaning = sum(np.ptp(contour[:, 2]) > 0.5 for contour in index)
    if leaning:
        raise ImageFault(
            f"{name}: {leaning} of {len(index)} contours are not parallel to the slices. Expected: "
            "outlines "
            "in the CT's slices. Export outlines drawn on axial slices."
        )
    every = np.concatenate(index)
    size = np.array(ct.GetSize())
    outside = int(((every < -0.5) | (every > size - 0.5)).any(axis=1).sum())
    if outside:
        low, high = (
            ", ".join(f"{v:.1f}" for v in ct.TransformContinuousIndexToPhysicalPoint(end.tolist()))
            for end in (every.min(axis=0), every.max(axis=0))
        )
        drawn = f"{outside} of {len(every)} contour points, which span ({low}) to ({high}) mm"
        raise _outside(name, drawn, ct)


def _outside(name: str, drawn: str, ct: sitk.Image) -> ImageFault:
    return ImageFault(
        f"{name} does not lie inside the CT: {drawn}; CT {describe_grid(ct)}. Expected: drawn on "
        "this CT. Export both from one series."
    )


def describe_grid(image: sitk.Image) -> str:
    """Return size, spacing and origin in words, (x, y, z), mm."""
    size = "×".join(map(str, image.GetSize()))
    spacing = "×".join(f"{s:.3g}" for s in image.GetSpacing())
    origin = ", ".join(f"{o:.1f}" for o in image.GetOrigin())
    return f"{size} voxels of {spacing} mm from ({origin})"
