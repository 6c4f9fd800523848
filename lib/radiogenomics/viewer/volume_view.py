"""The lesion and its map in 3D, in a live JupyterLab: NiiVue, and itkwidgets where it works."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from ipyniivue import NiiVue, SliceType
from IPython.display import Markdown, display

from radiogenomics.study.files import shipped
from radiogenomics.study.progress import HEADLESS
from radiogenomics.viewer.viewer import Scene

LUNG_HU = (-1000.0, 200.0)
FAINT = 0.2  # of the overlay's range above 0: below it nothing is drawn
GUIDE = shipped("docs/three_d.md")
ITK = f"itkwidgets loads its viewer from the network; if none appears, see {GUIDE}."
LIVE_ONLY = "3D needs a live JupyterLab: run this cell there. The slices above hold the same data."


def show_volume(scene: Scene) -> None:
    """Display CT, lesion and map as NiiVue renders them; one sentence where no front end is.

    Nothing is asked of the network: the widget carries its own code.
    """
    if os.environ.get(HEADLESS):
        display(Markdown(LIVE_ONLY))
        return
    widget = NiiVue(height=420, back_color=(0, 0, 0, 1))
    widget.load_volumes(_volumes(scene))
    widget.set_slice_type(SliceType.RENDER)
    display(widget)


def _volumes(scene: Scene) -> list[dict]:
    """Return the scene's arrays as NIfTI, which is what NiiVue reads, and how each is drawn.

    As bytes: a page that is loaded anew asks the widget for them once more.
    """
    low, high = LUNG_HU
    lowest, highest = scene.overlay_range
    faint = max(lowest, 0.0) + FAINT * (highest - max(lowest, 0.0))
    looks = {
        "hu": {"colormap": "gray", "cal_min": low, "cal_max": high, "opacity": 1.0},
        "lesion": {"colormap": "blue", "opacity": 0.5, "cal_min": 0.0, "cal_max": 1.0},
        "overlay": {"colormap": "inferno", "opacity": 0.6, "cal_min": faint, "cal_max": highest},
    }
    arrays = {name: array for name, array in scene.arrays().items() if name in looks}
    return [{"name": f"{n}.nii.gz", "data": _nifti(scene, a), **looks[n]}
            for n, a in arrays.items()]  # fmt: skip


def _nifti(scene: Scene, array: np.ndarray) -> bytes:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing([float(v) for v in scene.spacing_mm[::-1]])
    image.SetOrigin([float(v) for v in scene.origin()[::-1]])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array.nii.gz"
        sitk.WriteImage(image, str(path))
        return path.read_bytes()


def show_itk(image: sitk.Image) -> None:
    """Display an image with itkwidgets (extra `itk`); one sentence where that does not work.

    itkwidgets 1.0 loads its viewer from the network, so nothing of this is in a report
    (docs/three_d.md).
    """
    try:
        from itkwidgets import view

        display(Markdown(ITK), view(image))
    except Exception as fault:  # noqa: BLE001 - a viewer that fails must not stop a notebook
        reason = f"{type(fault).__name__}: {str(fault)[:120]}"
        display(Markdown(f"itkwidgets does not work here ({reason}); see {GUIDE}."))
