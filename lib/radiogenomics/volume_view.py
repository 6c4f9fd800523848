"""The lesion and its map in 3D, in a live JupyterLab: NiiVue, and itkwidgets where it works."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from ipyniivue import NiiVue, SliceType
from IPython.display import Markdown, display

from radiogenomics.progress import HEADLESS
from radiogenomics.viewer import Scene

LUNG_HU = (-1000.0, 200.0)
LIVE_ONLY = "3D needs a live JupyterLab: run this cell there. The slices above hold the same data."


def show_volume(scene: Scene) -> None:
    """Display CT, lesion and map as NiiVue renders them; one sentence where no front end is.

    Nothing is asked of the network: the widget carries its own code.
    """
    if os.environ.get(HEADLESS):
        display(Markdown(LIVE_ONLY))
        return
    widget = NiiVue(height=420, back_color=(0, 0, 0, 1))
    with tempfile.TemporaryDirectory() as folder:
        widget.load_volumes(_volumes(scene, Path(folder)))
    widget.set_slice_type(SliceType.RENDER)
    display(widget)


def _volumes(scene: Scene, folder: Path) -> list[dict]:
    """Write the scene's arrays as NIfTI, which is what NiiVue reads, and say how each is drawn."""
    low, high = LUNG_HU
    looks = {
        "hu": {"colormap": "gray", "cal_min": low, "cal_max": high, "opacity": 1.0},
        "lesion": {"colormap": "blue", "opacity": 0.5, "cal_min": 0.0, "cal_max": 1.0},
        "overlay": {"colormap": "inferno", "opacity": 0.6, "cal_min": 0.2, "cal_max": 1.0},
    }
    arrays = {name: array for name, array in scene.arrays().items() if name in looks}
    return [{"path": _written(scene, a, folder / f"{n}.nii.gz"), **looks[n]}
            for n, a in arrays.items()]  # fmt: skip


def _written(scene: Scene, array: np.ndarray, path: Path) -> Path:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing([float(v) for v in scene.spacing_mm[::-1]])
    image.SetOrigin([float(v) for v in scene.origin()[::-1]])
    sitk.WriteImage(image, str(path))
    return path


def show_itk(image: sitk.Image) -> None:
    """Display an image with itkwidgets (extra `itk`); one sentence where that does not work.

    itkwidgets 1.0 loads its viewer from the network, so nothing of this is in a report
    (docs/three_d.md).
    """
    try:
        from itkwidgets import view

        display(view(image))
    except Exception as fault:  # noqa: BLE001 - a viewer that fails must not stop a notebook
        reason = f"{type(fault).__name__}: {str(fault)[:120]}"
        display(Markdown(f"itkwidgets does not work here ({reason}); see docs/three_d.md."))
