"""The slice viewer: CT, lesion outline and an overlay in three planes, live and in mailed HTML."""

from __future__ import annotations

import os
from collections.abc import Callable

import anywidget
import traitlets
from IPython.display import display

from radiogenomics.study.progress import HEADLESS
from radiogenomics.viewer.packed import description, pack
from radiogenomics.viewer.page import LUNG, OUTLINE, SCRIPT, STYLE, static_html
from radiogenomics.viewer.scene import Scene, caption_of, origin_of, scene_of_images
from radiogenomics.viewer.smaller import blocks, majority

__all__ = [
    "LUNG", "OUTLINE", "Scene", "SliceViewer", "blocks", "majority", "origin_of",
    "scene_of_images", "show", "static_html",
]  # fmt: skip


def show(scene: Scene, turn: Callable[[int], None] | None = None) -> None:
    """Display the live viewer; in a run without a front end (papermill) its static twin.

    Where `turn` is given, the keys n and p of the live viewer call it with 1 and -1.
    """
    if os.environ.get(HEADLESS):
        display({"text/html": static_html(scene), "text/plain": caption_of(scene)}, raw=True)
    else:
        display(SliceViewer(scene, turn))


class SliceViewer(anywidget.AnyWidget):
    """The live twin: the whole scene, HU in steps of 1."""

    _esm = SCRIPT + "\nexport default { render };\n"
    _css = STYLE
    scene = traitlets.Dict().tag(sync=True)
    packed = traitlets.Bytes().tag(sync=True)
    turns = traitlets.Bool().tag(sync=True)

    def __init__(self, scene: Scene, turn: Callable[[int], None] | None = None) -> None:
        described = description(scene, 1, caption_of(scene))
        super().__init__(scene=described, packed=pack(scene, 1, effort=1), turns=turn is not None)
        if turn is not None:
            self.on_msg(lambda _, asked, __: turn(asked["step"]))
