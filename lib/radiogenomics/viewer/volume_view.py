"""CT, lesion and map in 3D, in a live JupyterLab: NiiVue with letters, a legend and a hint."""

from __future__ import annotations

import html
import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from ipyniivue import NiiVue, SliceType
from IPython.display import HTML, Markdown, display

from radiogenomics.study.progress import HEADLESS
from radiogenomics.viewer.scene import Scene

LUNG_HU = (-1000.0, 200.0)
FAINT = 0.2  # of the overlay's range above 0: below it nothing is drawn
WHITE, BLACK = (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0)
GREYS = "#000, #fff"
CYAN = "#0ff, #0ff"  # the high end of NiiVue's blue2cyan
RED_TO_YELLOW = "#c00100, #e08000, #ffff00"  # NiiVue's redyell: light on the CT, unlike inferno
LIVE_ONLY = "3D needs a live JupyterLab: run this cell there. The slices above hold the same data."
HINT = (
    "Drag to turn, scroll to zoom. After a click on the picture, key C cuts the CT open: scroll to "
    "move the cut, drag with the right button to turn it; C again for the next cut."
)
LETTERS = (
    "Letters on the cube: the patient's right (R), left (L), front (A, anterior), back (P, "
    "posterior), head (S, superior), feet (I, inferior)."
)


def show_volume(scene: Scene) -> None:
    """Display CT, lesion and map as NiiVue renders them; one sentence where no front end is.

    Nothing is asked of the network: the widget carries its own code.
    """
    if os.environ.get(HEADLESS):
        display(Markdown(LIVE_ONLY))
        return
    widget = NiiVue(height=420, back_color=WHITE, font_color=BLACK, is_orient_cube=True)
    widget.load_volumes(_volumes(scene))
    widget.set_slice_type(SliceType.RENDER)
    display(widget, HTML(_legend(scene)))


def _volumes(scene: Scene) -> list[dict]:
    """Return the scene's arrays as NIfTI, which is what NiiVue reads, and how each is drawn.

    As bytes: a page that is loaded anew asks the widget for them once more.
    """
    low, high = LUNG_HU
    faint, highest = _drawn_range(scene)
    looks = {
        "hu": {"colormap": "gray", "cal_min": low, "cal_max": high, "opacity": 1.0},
        "lesion": {"colormap": "blue2cyan", "opacity": 0.8, "cal_min": 0.0, "cal_max": 1.0},
        "overlay": {"colormap": "redyell", "opacity": 0.3, "cal_min": faint, "cal_max": highest},
    }
    arrays = {name: array for name, array in scene.arrays().items() if name in looks}
    return [{"name": f"{n}.nii.gz", "data": _nifti(scene, a), **looks[n]}
            for n, a in arrays.items()]  # fmt: skip


def _drawn_range(scene: Scene) -> tuple[float, float]:
    """Return the overlay's values at the ends of its colours; lower ones are not drawn."""
    lowest, highest = scene.overlay_range
    zero = max(lowest, 0.0)
    return zero + FAINT * (highest - zero), highest


def _nifti(scene: Scene, array: np.ndarray) -> bytes:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing([float(v) for v in scene.spacing_mm[::-1]])
    image.SetOrigin([float(v) for v in scene.origin()[::-1]])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array.nii.gz"
        sitk.WriteImage(image, str(path))
        return path.read_bytes()


def _legend(scene: Scene) -> str:
    """Return what the colours mean, what the letters mean and how to turn the picture, as HTML."""
    low, high = LUNG_HU
    keys = [_key(GREYS, f"CT, {low:g} to {high:g} HU"), _key(CYAN, scene.outline_names[0])]
    if scene.overlay is not None:
        faint, highest = _drawn_range(scene)
        text = f"{scene.overlay_name}, {faint:.3g} to {highest:.3g} {scene.overlay_unit}"
        keys.append(_key(RED_TO_YELLOW, f"{text} (lower values are not drawn)"))
    mark = "Simulated patient, not evidence. " if scene.synthetic else ""
    return (
        f'<div class="volume-legend" style="line-height:1.6"><div>{"".join(keys)}</div>'
        f"<div>{mark}{HINT}</div><div>{LETTERS}</div></div>"
    )


def _key(colours: str, text: str) -> str:
    swatch = "display:inline-block;width:48px;height:11px;border:1px solid #888;margin-right:6px"
    return (
        f'<span style="margin-right:24px"><i style="{swatch};background:'
        f'linear-gradient(90deg, {colours})"></i>{html.escape(text)}</span>'
    )
