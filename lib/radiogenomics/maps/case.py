"""Grad-CAM of a patient: from the files to a map on the CT."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import SimpleITK as sitk
from IPython.display import Markdown, display

from radiogenomics.images.scans import read_pair
from radiogenomics.images.volumes import lesion_box, load_volumes
from radiogenomics.maps import gradcam, occlusion
from radiogenomics.models.devices import keras
from radiogenomics.study.errors import UsageError
from radiogenomics.study.progress import HEADLESS
from radiogenomics.study.study import Study
from radiogenomics.viewer import viewer, volume_view
from radiogenomics.viewer.viewer import Scene

AROUND_MM = 10.0
GRADCAM, HIDING = "Grad-CAM", "hiding"  # the explorer's maps
SLICES, VOLUME = "slices", "slices and 3D"  # its views


@dataclass(frozen=True)
class Case:
    """What is drawn of a patient: arrays (z, y, x) on an isotropic LPS grid around the lesion."""

    hu: np.ndarray
    lesion: np.ndarray
    heat: np.ndarray  # 0 to 1
    on_box: sitk.Image  # the map on the lesion's box, 0 to 1
    origin_mm: tuple[float, float, float] | None = None  # first voxel (z, y, x); None: tilted grid


def explain(
    study: Study, patient: pd.Series, network: keras.Model, layer: str, label: int = 1
) -> Case:
    """Return the map of the label's logit (1: mutant) of one patient of the cohort."""
    ct, mask = read_pair(patient)
    volume = load_volumes(study, pd.DataFrame([patient]))[0]
    return explain_images(study, ct, mask, volume, network, layer, label)


def explain_images(
    study: Study, ct: sitk.Image, mask: sitk.Image, volume: np.ndarray, network: keras.Model,
    layer: str, label: int = 1,
) -> Case:  # fmt: skip
    """Return the map of the label's logit for images and their network input (z, y, x, 1)."""
    heat = gradcam.class_map(network, volume, layer, label)
    box, _ = lesion_box(ct, mask, study.settings.preprocessing)
    on_box = _scaled(gradcam.on_box(heat, box))
    images = _surroundings(ct, mask, on_box)
    near, lesion, placed = (sitk.GetArrayFromImage(image) for image in images)
    return Case(near, lesion, placed, on_box, viewer.origin_of(images[0]))


def _scaled(heat: sitk.Image) -> sitk.Image:
    """Return a map whose highest value is 1; one that is zero everywhere stays zero."""
    top = float(sitk.GetArrayViewFromImage(heat).max())
    return heat / top if top > 0 else heat


def peaks_outside(cases: Mapping[str, Case]) -> list[str]:
    """Return the titles, up to their comma, of cases whose map is highest outside the lesion."""
    return [
        title.partition(",")[0] for title, case in cases.items()
        if case.heat.any() and not case.lesion.ravel()[case.heat.argmax()]
    ]  # fmt: skip


def _surroundings(
    ct: sitk.Image, mask: sitk.Image, heat: sitk.Image
) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Resample CT, mask and map to the box's grid with 10 mm around it."""
    pad = int(round(AROUND_MM / heat.GetSpacing()[0]))
    grid = sitk.ConstantPad(heat, [pad] * 3, [pad] * 3, 0.0)
    lowest = float(sitk.GetArrayViewFromImage(ct).min())
    hu = sitk.Resample(ct, grid, sitk.Transform(), sitk.sitkLinear, lowest)
    lesion = sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return hu, lesion, grid


def show_map(
    study: Study, patient: pd.Series, network: keras.Model, layer: str, label: int, title: str
) -> Case:
    """Display the viewer with the map of the label's logit of one patient, and return the case."""
    case = explain(study, patient, network, layer, label)
    viewer.show(_map_scene(study, case, title))
    return case


def _map_scene(study: Study, case: Case, title: str) -> Scene:
    spacing = study.settings.preprocessing.spacing_mm
    return scene_of_case(case, title, study.settings.synthetic, spacing)


def hiding_scene(
    study: Study, patient: pd.Series, network: keras.Model, label: int, title: str
) -> Scene:
    """Return the scene of how far the label's logit drops where a cube of the input is hidden.

    The scale reaches as far to both sides of 0 as the largest change.
    """
    ct, mask = read_pair(patient)
    drop, _ = occlusion.occlusion(network, load_volumes(study, pd.DataFrame([patient]))[0], label)
    box, _ = lesion_box(ct, mask, study.settings.preprocessing)
    images = _surroundings(ct, mask, gradcam.on_box(drop, box))
    near, lesion, placed = (sitk.GetArrayFromImage(image) for image in images)
    reach = float(np.abs(placed).max()) or 1.0
    return Scene(
        near, lesion > 0, title, images[2].GetSpacing()[::-1], viewer.origin_of(images[0]),
        overlay=placed, overlay_name="drop when hidden", overlay_unit="of the logit",
        overlay_range=(-reach, reach), synthetic=study.settings.synthetic,
    )  # fmt: skip


def explore(
    study: Study, patients: pd.DataFrame, network: keras.Model, patient: str | None, layer: str,
    label: int, kind: str = GRADCAM,
) -> None:  # fmt: skip
    """Display any patient's map of any layer and class: in a live notebook, chosen by menus.

    There the map can be seen in 3D too. A run without a front end shows the named patient alone,
    or says how to see one.

    Args:
        study: names of the label, preprocessing, volumes.
        patients: who can be chosen.
        network: the study's network.
        patient: who is shown first; None: the first of the patients.
        layer: one of `gradcam.map_layers`; "": the network has none, and hiding is shown.
        label: 1 for mutant, 0 for wild-type.
        kind: `Grad-CAM`, or `hiding`: how far the logit drops where a cube of the input is
            hidden, which has no layer.

    Raises:
        StudyError: the patient is not among them, or another kind.
    """
    by, headless = patients.set_index("patient", drop=False), os.environ.get(HEADLESS)
    if headless and patient is None:
        display(Markdown("No patient is named here. Run with `-p patient NAME`, or in JupyterLab."))
        return
    patient = str(patient or by.index[0])  # papermill reads 101 as a number
    if patient not in by.index:
        raise UsageError(
            f"patient = {patient!r} is not among the {len(by)} patients of the test cohort. "
            f"Expected: one such as {by.index[0]}."
        )
    if kind not in (GRADCAM, HIDING):
        raise UsageError(f"kind = {kind!r} is not a map. Expected: {GRADCAM!r} or {HIDING!r}.")
    kinds = [GRADCAM, HIDING] if layer else [HIDING]
    kind = kind if kind in kinds else HIDING
    names = {1: study.settings.label.name, 0: study.settings.label.negative_name}

    def turn(step: int) -> None:
        menu = menus["patient"]
        menu.value = by.index[(by.index.get_loc(menu.value) + step) % len(by)]

    def draw(patient: str, layer: str, label: int, kind: str, view: str = SLICES) -> None:
        if kind == HIDING:
            title = f"{patient}: cubes hidden, logit of {names[label]}"
            scene = hiding_scene(study, by.loc[patient], network, label, title)
        else:
            title = f"{patient}: {layer}, logit of {names[label]}"
            case = explain(study, by.loc[patient], network, layer, label)
            scene = _map_scene(study, case, title)
        viewer.show(scene, turn)
        if view == VOLUME:
            volume_view.show_volume(scene)

    if headless:
        draw(patient, layer, label, kind)
        return
    menus = {
        "patient": _menu("patient", by.index.tolist(), patient),
        "layer": _menu("layer", gradcam.map_layers(network) or [layer], layer),
        "label": _menu("class", [(name, value) for value, name in names.items()], label),
        "kind": _menu("map", kinds, kind),
        "view": _menu("view", [SLICES, VOLUME], SLICES),
    }
    busy = ipywidgets.HTML()

    def drawn(**chosen: Any) -> None:
        busy.value = "<i>computing …</i>"
        try:
            draw(**chosen)
        finally:
            busy.value = ""

    view = ipywidgets.interactive_output(drawn, menus)
    display(ipywidgets.HBox([*menus.values(), busy]), view)


def _menu(name: str, options: list, value: str | int) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(options=options, value=value, description=name)


def scene_of_case(case: Case, title: str, synthetic: bool, spacing_mm: float = 1.0) -> Scene:
    """Return the scene of a Grad-CAM case; without a map, CT and outline alone."""
    mapped = gradcam.kind(case.heat) != "none"
    return Scene(
        case.hu, case.lesion > 0, title, (spacing_mm,) * 3, case.origin_mm,
        overlay=np.clip(case.heat, 0, 1) if mapped else None, synthetic=synthetic,
    )  # fmt: skip
