"""The outline editor: a list of patients, one slice at a time, a click that grows, a brush."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
import SimpleITK as sitk
import traitlets
from IPython.display import display

from radiogenomics.cohort import outlines
from radiogenomics.images.grids import mask_on
from radiogenomics.images.growing import grow
from radiogenomics.images.masks import on_the_cts_grid
from radiogenomics.images.outlined import CORRECTED
from radiogenomics.study.errors import StudyError
from radiogenomics.study.study import Study, load_study
from radiogenomics.study.words import say

WINDOW_HU = (-1350.0, 150.0)  # lung
HERE = Path(__file__).parent
WIDE = {"description_width": "initial"}
MODES = ("Grow", "Add", "Erase")
UNDONE = 20  # steps that can be undone


class SliceEditor(anywidget.AnyWidget):
    """One slice with its outline; clicks and brush strokes come back as messages.

    Asked for slice z (`see`), it is sent grey values and mask, uint8 (row, column). A click in
    mode Grow is `point` (z, y, x); a stroke is the changed mask of the slice (`slice`).
    """

    _esm = (HERE / "outlining.js").read_text(encoding="utf-8")
    mode = traitlets.Int(0).tag(sync=True)  # of `MODES`
    radius = traitlets.Int(3).tag(sync=True)
    shape = traitlets.List([1, 1, 1]).tag(sync=True)
    aspect = traitlets.Float(1.0).tag(sync=True)
    place = traitlets.Int(0).tag(sync=True)


class OutlineEditor:
    """What the editor does: open a patient, grow, correct, undo, save.

    Attributes:
        ct: the open patient's, canonical.
        mask: bool (z, y, x) on its grid.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.ct, self.about, self.before = study, None, {}, []
        self.mask = np.zeros((1, 1, 1), bool)
        self.slice = SliceEditor()
        self.slice.on_msg(lambda _, asked, buffers: self.answer(asked, buffers))
        self.rows = {r["patient"]: r for r in
                     outlines.patients_without_mask(study).to_dict("records")}  # fmt: skip
        self.patient = widgets.Select(description="Patient", rows=8)
        self.mode = widgets.ToggleButtons(options=MODES)
        self.radius = widgets.IntSlider(3, 1, 20, description="Brush")
        self.opening = widgets.FloatText(2.0, step=0.5, description="Opening (mm)", style=WIDE)
        self.border = widgets.Text(
            "", description="Border (HU)", placeholder="half way to lung", style=WIDE
        )
        self.by = widgets.Text("", description="Drawn by", placeholder="initials")
        self.undo, self.save = (widgets.Button(description=n) for n in ("Undo", "Save"))
        self.said = widgets.HTML()
        self._listed()
        self.patient.observe(lambda change: self.open(change["new"]), "value")
        widgets.jslink((self.mode, "index"), (self.slice, "mode"))  # at once, not by the kernel
        widgets.jslink((self.radius, "value"), (self.slice, "radius"))
        self.undo.on_click(lambda _: self.back())
        self.save.on_click(lambda _: self.keep())

    def panel(self) -> widgets.Widget:
        """Return the editor as a widget."""
        tools = [self.patient, self.mode, self.radius, self.opening, self.border, self.by]
        side = widgets.VBox([*tools, widgets.HBox([self.undo, self.save]), self.said])
        return widgets.HBox([side, self.slice])

    def _listed(self) -> None:
        states, value = dict(outlines.states(self.study)), self.patient.value
        self.patient.options = [(f"{name}: {state}", name) for name, state in states.items()]
        self.patient.value = value

    def open(self, patient: str | None) -> None:
        """Read a patient's CT, and the outline that is kept; show the slice that has most of it."""
        if patient is None:
            return
        self.said.value = "reading"
        try:
            self.ct = outlines.read_of(self.rows[patient])
        except StudyError as fault:
            self.said.value = str(fault)
            return
        image, self.about = outlines.kept(self.study, patient)
        self.mask, self.before = np.zeros(self.ct.GetSize()[::-1], bool), []
        if image is not None:
            drawn, _ = on_the_cts_grid(self.ct, image, "the outline")
            self.mask = sitk.GetArrayFromImage(drawn) > 0
        x, y, _ = self.ct.GetSpacing()
        with self.slice.hold_sync():
            self.slice.shape, self.slice.aspect = list(self.mask.shape), y / x
            middle = self.mask.shape[0] // 2
            most = int(self.mask.sum(axis=(1, 2)).argmax())
            self.slice.place = most if self.mask.any() else middle
        self.said.value = "; ".join(self.about.get("doubts", []))
        self.show()

    def answer(self, asked: dict[str, Any], buffers: list) -> None:
        """Do what the slice asks for: show one, grow from a point, take a stroke."""
        if self.ct is None:
            return
        if asked["kind"] == "see":
            self.slice.place = int(np.clip(asked["z"], 0, len(self.mask) - 1))
            self.show()
        elif asked["kind"] == "point":
            self.grow(asked["z"], asked["y"], asked["x"])
        elif asked["kind"] == "slice":
            self._remember()
            drawn = np.frombuffer(buffers[0], np.uint8).reshape(self.mask.shape[1:])
            self.mask[asked["z"]] = drawn > 0
            self.about = self.about | {"how": CORRECTED, "corrected": True}

    def grow(self, z: int, y: int, x: int) -> None:
        """Grow the lesion from a voxel."""
        point = self.ct.TransformIndexToPhysicalPoint([int(x), int(y), int(z)])
        try:
            border = float(self.border.value) if self.border.value.strip() else None
            grown = grow(self.ct, point, self.opening.value, border)
        except (StudyError, ValueError) as fault:
            self.said.value = str(fault)
            return
        self._remember()
        self.mask = sitk.GetArrayFromImage(grown.mask) > 0
        self.about = outlines.told(grown) | {"point_mm": list(point)}
        facts = {"volume": grown.volume_mm3, "opening": grown.opening_mm}
        facts |= {"border": round(grown.border_hu), "doubts": grown.doubts}
        self.said.value = say("viewer", "grown", **facts)
        self.show()

    def _remember(self) -> None:
        self.before = [*self.before[-UNDONE + 1 :], (self.mask.copy(), self.about)]

    def back(self) -> None:
        """Take the last step back."""
        if self.before:
            self.mask, self.about = self.before.pop()
            self.show()

    def keep(self) -> None:
        """Save the outline: somebody has looked at it."""
        if not self.mask.any():
            self.said.value = "nothing is outlined"
            return
        corrected = bool(self.about.get("corrected"))
        about = self.about | {"how": CORRECTED, "by": self.by.value, "corrected": corrected}
        outlines.keep(self.study, self.patient.value, mask_on(self.ct, self.mask), about)
        voxels = int(self.mask.sum())
        self.said.value = say("viewer", "saved", voxels=voxels, corrected=corrected)
        self._listed()

    def show(self) -> None:
        """Send the slice that is looked at."""
        z, (low, high) = self.slice.place, WINDOW_HU
        hu = sitk.GetArrayViewFromImage(self.ct)[z]
        grey = np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        drawn = self.mask[z].astype(np.uint8)
        self.slice.send({"kind": "slice", "z": z}, [grey.tobytes(), drawn.tobytes()])


def edit(folder: str | Path) -> None:
    """Display the outline editor of a study.

    Raises:
        StudyError: as `load_study` and `read_cohort`.
    """
    display(OutlineEditor(load_study(folder)).panel())
