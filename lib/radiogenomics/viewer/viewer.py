"""The slice viewer: CT, lesion outline and an overlay in three planes, live and in mailed HTML."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import SimpleITK as sitk
import traitlets
from IPython.display import display
from scipy import ndimage

from radiogenomics.images.volumes import bounds, crop
from radiogenomics.study.errors import StudyError
from radiogenomics.study.progress import HEADLESS

LIMIT = 320_000  # bytes of the static twin: eight, their figure and the rest make 5 MB
MARGINS_MM = (40.0, 30.0, 25.0, 20.0, 15.0)
HU_STEPS = (4, 8)
STORED_HU = (-4096, 28_671)  # 15 bits: neighbours' difference fits into 16 with its sign
SPACINGS_MM = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 15.0)
STILL_PIXELS = 160  # of the still picture's longer side
LEVELS = 100  # of the overlay
LUNG = (1500.0, -600.0)  # window width and level, HU
OUTLINE = (0, 213, 255)
HERE = Path(__file__).parent
SCRIPT = (HERE / "viewer.js").read_text(encoding="utf-8")
STYLE = (HERE / "viewer.css").read_text(encoding="utf-8")
STILL = (
    "A picture only: the viewer's script did not run. In JupyterLab, trust this notebook (command "
    "palette: Trust Notebook) to move through the slices."
)


@dataclass(frozen=True, eq=False)
class Scene:
    """What the viewer shows of a patient: arrays (z, y, x), x to the left, y back, z up (LPS).

    Args:
        hu: CT, HU.
        lesion: mask of at least one voxel.
        title: the heading.
        spacing_mm: of the voxels, (z, y, x).
        origin_mm: the first voxel's place, (z, y, x); None counts from the lesion's centre.
        overlay: a map, such as Grad-CAM, none of it beyond `overlay_range`.
        overlay_name: what it is.
        overlay_unit: its unit.
        overlay_range: the values at the ends of the colour scale. Where 0 lies between them,
            below and above it have colours of their own, and 0 is clear; else the low end is.
        second: another outline of the lesion.
        outline_names: of lesion and second.
        synthetic: whether the pictures carry the mark of simulated patients.

    Raises:
        StudyError: arrays of different shapes, an empty lesion, an overlay beyond its range.
    """

    hu: np.ndarray
    lesion: np.ndarray
    title: str = ""
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin_mm: tuple[float, float, float] | None = None
    overlay: np.ndarray | None = None
    overlay_name: str = "Grad-CAM"
    overlay_unit: str = "of the map's highest value"
    overlay_range: tuple[float, float] = (0.0, 1.0)
    second: np.ndarray | None = None
    outline_names: tuple[str, str] = ("lesion", "second reader")
    synthetic: bool = False

    def __post_init__(self) -> None:
        for name, array in self.arrays().items():
            if array.ndim != 3 or array.shape != self.hu.shape:
                raise StudyError(
                    f"{self.title}: {name} has shape {array.shape}, hu {self.hu.shape}. "
                    "Expected: the same (z, y, x). Resample them to one grid."
                )
        if not self.lesion.any():
            raise StudyError(f"{self.title}: the lesion has no voxel. Expected: at least one.")
        low, high = self.overlay_range
        if self.overlay is not None and not (
            low < high and self.overlay.min() >= low and self.overlay.max() <= high
        ):
            raise StudyError(
                f"{self.title}: {self.overlay_name} runs from {self.overlay.min():g} to "
                f"{self.overlay.max():g}. Expected: {low:g} to {high:g}, its overlay_range. Name "
                "the range it has, and its unit."
            )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that are there, by name."""
        names = ("hu", "lesion", "overlay", "second")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def origin(self) -> np.ndarray:
        """Return the first voxel's place, (z, y, x), mm."""
        if self.origin_mm is not None:
            return np.array(self.origin_mm, float)
        return -np.array(ndimage.center_of_mass(self.lesion)) * self.spacing_mm

    def _repr_html_(self) -> str:
        return static_html(self)


def origin_of(image: sitk.Image) -> tuple[float, float, float] | None:
    """Return the first voxel's place (z, y, x), mm; None on a grid whose axes are not LPS's."""
    upright = np.allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-3)
    return image.GetOrigin()[::-1] if upright else None


def scene_of_images(
    ct: sitk.Image, mask: sitk.Image, title: str, synthetic: bool,
    second: sitk.Image | None = None, around_mm: float = 40.0,
) -> Scene:  # fmt: skip
    """Return the scene of a CT (HU) and masks on its grid, cut to the lesion and `around_mm`.

    Voxels stay as they are. On a tilted grid, whose axes are not those of LPS, places count
    from the lesion's centre along the CT's own axes.
    """
    ct, mask = sitk.DICOMOrient(ct, "LPS"), sitk.DICOMOrient(mask, "LPS")
    low, high = bounds(mask)
    pad = np.ceil(around_mm / np.array(ct.GetSpacing())).astype(int)
    near = crop(ct, low - pad, high + pad)
    masks = [mask] if second is None else [mask, sitk.DICOMOrient(second, "LPS")]
    lesion, *other = (sitk.GetArrayFromImage(crop(one, low - pad, high + pad)) > 0 for one in masks)
    return Scene(
        sitk.GetArrayFromImage(near), lesion, title, near.GetSpacing()[::-1],
        origin_of(near), second=other[0] if other else None,
        synthetic=synthetic,
    )  # fmt: skip


def show(scene: Scene) -> None:
    """Display the live viewer; in a run without a front end (papermill) its static twin."""
    if os.environ.get(HEADLESS):
        display({"text/html": static_html(scene), "text/plain": _caption(scene)}, raw=True)
    else:
        display(SliceViewer(scene))


class SliceViewer(anywidget.AnyWidget):
    """The live twin: the whole scene, HU in steps of 1."""

    _esm = SCRIPT + "\nexport default { render };\n"
    _css = STYLE
    scene = traitlets.Dict().tag(sync=True)
    packed = traitlets.Bytes().tag(sync=True)

    def __init__(self, scene: Scene) -> None:
        described = _described(scene, 1, _caption(scene))
        super().__init__(scene=described, packed=pack(scene, 1, effort=1))


def static_html(scene: Scene) -> str:
    """Return the viewer as a piece of HTML that needs no kernel, no server and no network.

    Where the case is too large it is cut to the lesion's surroundings, then stored in coarser
    steps of HU, then with larger voxels, and the caption says so.

    Raises:
        StudyError: it cannot be kept below 320 kB.
    """
    still = _still(scene)
    room = LIMIT - len(_page(still, "").encode())
    for smaller, step, note in _smaller(scene):
        if smaller.hu.size > 8 * LIMIT:  # less than a bit a voxel: no need to try
            continue
        packed = base64.b64encode(pack(smaller, step)).decode()
        caption = f"{_caption(scene)}{note}HU in steps of {step}."
        content = json.dumps(_described(smaller, step, caption) | {"packed": packed})
        content = content.replace("<", "\\u003c")
        if len(content) <= room:
            return _page(still, content)
    raise StudyError(
        f"{scene.title}: a lesion of {_size_text(scene)} does not fit into {LIMIT // 1000} kB of "
        "HTML. Open it in JupyterLab, where the viewer has no limit."
    )


def _page(still: str, content: str) -> str:
    return (
        f'<style>{STYLE}</style><div class="slice-viewer">{still}'
        f'<script type="application/json">{content}</script></div>'
        f"<script>(() => {{\n{SCRIPT}\nstartStatic();\n}})();</script>"
    )


def _smaller(scene: Scene) -> Iterator[tuple[Scene, int, str]]:
    """Yield the scene, then ever smaller versions: scene, step of HU, what was taken away."""
    fine, coarse = HU_STEPS
    yield scene, fine, ""
    near, note = scene, ""
    for margin in MARGINS_MM:
        cut = _cut(near, margin)
        if cut.hu.size < near.hu.size:
            near, note = cut, f"Cut to the lesion and {margin:g} mm around it. "
            yield near, fine, note
    yield near, coarse, note
    for spacing in SPACINGS_MM:
        larger = _with_larger_voxels(near, spacing)
        if larger.hu.size < near.hu.size:
            yield larger, coarse, f"{note}Averaged to voxels of {_voxel_text(larger)}. "


def _cut(scene: Scene, margin_mm: float) -> Scene:
    """Return the part of a scene that holds the outlines and `margin_mm` around them."""
    marked = scene.lesion if scene.second is None else scene.lesion | scene.second
    voxels = np.argwhere(marked)
    pad = np.ceil(margin_mm / np.array(scene.spacing_mm)).astype(int)
    low = np.maximum(voxels.min(axis=0) - pad, 0)
    part = tuple(slice(a, b + 1) for a, b in zip(low, voxels.max(axis=0) + pad, strict=True))
    arrays = {name: array[part] for name, array in scene.arrays().items()}
    origin = scene.origin() + low * scene.spacing_mm
    return dataclasses.replace(scene, **arrays, origin_mm=tuple(origin))


def _with_larger_voxels(scene: Scene, spacing_mm: float) -> Scene:
    """Return the scene with blocks of voxels averaged to about `spacing_mm`; masks by majority."""
    times = np.maximum(np.round(spacing_mm / np.array(scene.spacing_mm)), 1).astype(int)
    masks = ("lesion", "second")
    arrays = {
        name: (majority if name in masks else blocks)(array, times)
        for name, array in scene.arrays().items()
    }
    spacing = times * scene.spacing_mm
    origin = scene.origin() + (spacing - scene.spacing_mm) / 2
    return dataclasses.replace(scene, **arrays, spacing_mm=tuple(spacing), origin_mm=tuple(origin))


def blocks(array: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean of every block of `times` (z, y, x) voxels, the edge continued."""
    fill = [(0, -n % k) for n, k in zip(array.shape, times, strict=True)]
    full = np.pad(array.astype(float), fill, mode="edge")
    split = [m for n, k in zip(full.shape, times, strict=True) for m in (n // k, k)]
    return full.reshape(split).mean(axis=(1, 3, 5))


def majority(mask: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the blocks (z, y, x) that a mask fills by half, or those that hold most of it."""
    share = blocks(mask, times)
    return share >= min(0.5, share.max())


def pack(scene: Scene, step: int, effort: int = 9) -> bytes:
    """Return the arrays as one zlib stream: HU in steps of `step`, overlay, masks.

    The overlay in hundredths of its range.
    HU and overlay: codes (z, y, x) less their prediction, all low bytes, then all high bytes.
    Masks: a bit a voxel.
    """
    hu = np.clip(scene.hu, *STORED_HU)
    parts = [_predicted(np.round((hu - _lowest(scene)) / step))]
    if scene.overlay is not None:
        low, high = scene.overlay_range
        parts.append(_predicted(np.round((scene.overlay - low) / (high - low) * LEVELS)))
    masks = [scene.lesion] if scene.second is None else [scene.lesion, scene.second]
    parts += [np.packbits(mask.astype(bool)).tobytes() for mask in masks]
    return zlib.compress(b"".join(parts), effort)


def _lowest(scene: Scene) -> int:
    return int(np.floor(max(scene.hu.min(), STORED_HU[0])))


def _predicted(codes: np.ndarray) -> bytes:
    """Return each code's distance from the mean of its left and upper neighbour, zigzag, split."""
    codes = codes.astype(np.int32)
    left, upper = np.zeros_like(codes), np.zeros_like(codes)
    left[:, :, 1:], upper[:, 1:] = codes[:, :, :-1], codes[:, :-1]
    left[:, 1:, 0], upper[:, 0] = upper[:, 1:, 0], left[:, 0]
    rest = codes - ((left + upper) >> 1)
    folded = np.where(rest < 0, -2 * rest - 1, 2 * rest).astype(np.uint32)
    return (folded & 255).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()


def _described(scene: Scene, step: int, caption: str) -> dict[str, Any]:
    """Return what viewer.js needs beside the arrays, lengths in mm."""
    overlay = {
        "name": scene.overlay_name,
        "unit": scene.overlay_unit,
        "range": [float(end) for end in scene.overlay_range],
    }
    return {
        "title": scene.title,
        "caption": caption,
        "shape": scene.hu.shape,
        "spacing": [float(s) for s in scene.spacing_mm],
        "origin": scene.origin().tolist(),
        "low": _lowest(scene),
        "step": step,
        "start": _start(scene),
        "overlay": overlay if scene.overlay is not None else None,
        "outlines": scene.outline_names[: 1 if scene.second is None else 2],
        "synthetic": scene.synthetic,
    }


def _start(scene: Scene) -> list[int]:
    """Return the lesion's voxel (z, y, x) nearest to its centre."""
    voxels = np.argwhere(scene.lesion)
    away = (voxels - voxels.mean(axis=0)) * scene.spacing_mm
    return voxels[(away**2).sum(axis=1).argmin()].tolist()


def _caption(scene: Scene) -> str:
    """Return the picture in words: the text alternative."""
    hu = scene.hu[scene.lesion > 0]
    volume = len(hu) * float(np.prod(scene.spacing_mm)) / 1000
    text = "Simulated patient, not evidence. " if scene.synthetic else ""
    text += f"Lesion of {_size_text(scene)}, {volume:.1f} mL, mean {hu.mean():.0f} HU. "
    if scene.overlay is not None:
        text += _overlay_text(scene)
    zero = "" if scene.origin_mm else ", from the lesion's centre"
    return text + f"Voxels of {_voxel_text(scene)}; places: x, y, z in LPS{zero}. "


def _overlay_text(scene: Scene) -> str:
    name, values = scene.overlay_name, scene.overlay
    if not values.any():
        return f"{name} is zero everywhere. "
    if values.min() < 0:
        return f"{name}: {values.min():.3g} to {values.max():.3g} {scene.overlay_unit}. "
    share = values[scene.lesion > 0].sum() / values.sum()
    return f"{name}: {share:.0%} of its sum lies in the lesion. "


def _voxel_text(scene: Scene) -> str:
    return " × ".join(f"{mm:.3g}" for mm in scene.spacing_mm[::-1]) + " mm"


def _size_text(scene: Scene) -> str:
    voxels = np.argwhere(scene.lesion)
    extent = (np.ptp(voxels, axis=0) + 1) * scene.spacing_mm
    return " × ".join(f"{mm:.0f}" for mm in extent[::-1]) + " mm"


def _still(scene: Scene) -> str:
    """Return the picture that is seen where scripts do not run: the axial slice at the lesion."""
    near = _cut(scene, MARGINS_MM[-1])
    extent = np.array(near.hu.shape[1:]) * near.spacing_mm[1:]
    near = _with_larger_voxels(near, extent.max() / STILL_PIXELS)
    z = _start(near)[0]
    width, level = LUNG
    grey = np.clip((near.hu[z] - level + width / 2) / width * 255, 0, 255)
    picture = np.repeat(grey[..., np.newaxis], 3, axis=2).astype(np.uint8)
    inside = near.lesion[z] > 0
    picture[inside & ~ndimage.binary_erosion(inside)] = OUTLINE
    high, wide = (int(4 * n * s) for n, s in zip(inside.shape, near.spacing_mm[1:], strict=True))
    text = html.escape(f"{scene.title}. {_caption(scene)}")
    data = base64.b64encode(_png(picture)).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{wide}" height="{high}" '
        f'alt="Axial CT slice with the lesion outlined. {text}">'
        f"<figcaption>{text}{STILL}</figcaption></figure>"
    )


def _png(picture: np.ndarray) -> bytes:
    """Return an RGB picture, uint8 (row, column, 3), as PNG (ISO/IEC 15948)."""
    rows, columns, _ = picture.shape
    lines = np.hstack([np.zeros((rows, 1), np.uint8), picture.reshape(rows, -1)])
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
