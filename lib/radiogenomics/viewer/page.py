"""The slice viewer as a piece of HTML, with a picture where scripts do not run."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from radiogenomics.study.errors import StudyError
from radiogenomics.viewer.packed import description, pack
from radiogenomics.viewer.scene import Scene, caption_of, size_text, start_of
from radiogenomics.viewer.smaller import MARGINS_MM, cut, versions, with_larger_voxels

LIMIT = 320_000  # bytes of the static twin: eight, their figure and the rest make 5 MB
STILL_PIXELS = 160  # of the still picture's longer side
LUNG = (1500.0, -600.0)  # window width and level, HU
OUTLINE = (0, 213, 255)
HERE = Path(__file__).parent
SCRIPTS = ("planes.js", "drawing.js", "viewer.js")  # joined: the page holds one script, no imports
SCRIPT = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
STYLE = (HERE / "viewer.css").read_text(encoding="utf-8")
STILL = (
    "A picture only: the viewer's script did not run. In JupyterLab, trust this notebook (command "
    "palette: Trust Notebook) to move through the slices."
)


def static_html(scene: Scene) -> str:
    """Return the viewer as a piece of HTML that needs no kernel, no server and no network.

    Where the case is too large it is cut to the lesion's surroundings, then stored in coarser
    steps of HU, then with larger voxels, and the caption says so.

    Raises:
        StudyError: it cannot be kept below 320 kB.
    """
    still = _still(scene)
    room = LIMIT - len(_page(still, "").encode())
    for smaller, step, note in versions(scene):
        if smaller.hu.size > 8 * LIMIT:  # less than a bit a voxel: no need to try
            continue
        packed = base64.b64encode(pack(smaller, step)).decode()
        caption = f"{caption_of(scene)}{note}HU in steps of {step}."
        content = json.dumps(description(smaller, step, caption) | {"packed": packed})
        content = content.replace("<", "\\u003c")
        if len(content) <= room:
            return _page(still, content)
    raise StudyError(
        f"{scene.title}: a lesion of {size_text(scene)} does not fit into {LIMIT // 1000} kB of "
        "HTML. Open it in JupyterLab, where the viewer has no limit."
    )


def _page(still: str, content: str) -> str:
    return (
        f'<style>{STYLE}</style><div class="slice-viewer">{still}'
        f'<script type="application/json">{content}</script></div>'
        f"<script>(() => {{\n{SCRIPT}\nstartStatic();\n}})();</script>"
    )


def _still(scene: Scene) -> str:
    """Return the picture that is seen where scripts do not run: the axial slice at the lesion."""
    near = cut(scene, MARGINS_MM[-1])
    extent = np.array(near.hu.shape[1:]) * near.spacing_mm[1:]
    near = with_larger_voxels(near, extent.max() / STILL_PIXELS)
    z = start_of(near)[0]
    width, level = LUNG
    grey = np.clip((near.hu[z] - level + width / 2) / width * 255, 0, 255)
    picture = np.repeat(grey[..., np.newaxis], 3, axis=2).astype(np.uint8)
    inside = near.lesion[z] > 0
    picture[inside & ~ndimage.binary_erosion(inside)] = OUTLINE
    high, wide = (int(4 * n * s) for n, s in zip(inside.shape, near.spacing_mm[1:], strict=True))
    text = html.escape(f"{scene.title}. {caption_of(scene)}")
    data = base64.b64encode(_png(picture)).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{wide}" height="{high}" '
        f'alt="Axial CT slice with the lesion outlined. {text}">'
        f"<figcaption>{text}{STILL}</figcaption></figure>"
    )


def _png(picture: np.ndarray) -> bytes:
    """Return an RGB picture, uint8 (row, column, 3), as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()
