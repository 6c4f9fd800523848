"""What the viewers show of a patient, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from radiogenomics.images.grids import bounds, crop
from radiogenomics.study.errors import StudyError


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
    lesion, *other = (
        sitk.GetArrayFromImage(crop(outline, low - pad, high + pad)) > 0 for outline in masks
    )
    return Scene(
        sitk.GetArrayFromImage(near), lesion, title, near.GetSpacing()[::-1],
        origin_of(near), second=other[0] if other else None,
        synthetic=synthetic,
    )  # fmt: skip


def start_of(scene: Scene) -> list[int]:
    """Return where the viewer opens (z, y, x): the overlay's peak, else the lesion's centre.

    The peak is the overlay's value farthest from 0; without one, or where it is 0 everywhere, the
    lesion's voxel nearest to its centre is taken.
    """
    if scene.overlay is not None and scene.overlay.any():
        return [int(i) for i in np.unravel_index(np.abs(scene.overlay).argmax(), scene.hu.shape)]
    voxels = np.argwhere(scene.lesion)
    away = (voxels - voxels.mean(axis=0)) * scene.spacing_mm
    return voxels[(away**2).sum(axis=1).argmin()].tolist()


def caption_of(scene: Scene) -> str:
    """Return the picture in words: the text alternative."""
    hu = scene.hu[scene.lesion > 0]
    volume = len(hu) * float(np.prod(scene.spacing_mm)) / 1000
    text = "Simulated patient, not evidence. " if scene.synthetic else ""
    text += f"Lesion of {size_text(scene)}, {volume:.1f} mL, mean {hu.mean():.0f} HU. "
    if scene.overlay is not None:
        text += _overlay_text(scene)
    zero = "" if scene.origin_mm else ", from the lesion's centre"
    return text + f"Voxels of {voxel_text(scene)}; places: x, y, z in LPS{zero}. "


def _overlay_text(scene: Scene) -> str:
    name, values = scene.overlay_name, scene.overlay
    if not values.any():
        return f"{name} is zero everywhere. "
    if values.min() < 0:
        return f"{name}: {values.min():.3g} to {values.max():.3g} {scene.overlay_unit}. "
    share = values[scene.lesion > 0].sum() / values.sum()
    return f"{name}: {share:.0%} of its sum lies in the lesion. "


def voxel_text(scene: Scene) -> str:
    """Return the voxels' sides x, y, z in words."""
    return " × ".join(f"{mm:.3g}" for mm in scene.spacing_mm[::-1]) + " mm"


def size_text(scene: Scene) -> str:
    """Return the lesion's extent along x, y, z in words."""
    voxels = np.argwhere(scene.lesion)
    extent = (np.ptp(voxels, axis=0) + 1) * scene.spacing_mm
    return " × ".join(f"{mm:.0f}" for mm in extent[::-1]) + " mm"
