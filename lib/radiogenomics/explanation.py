"""Grad-CAM of a patient: from the files to a map on the CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics import gradcam
from radiogenomics.cnn import keras
from radiogenomics.scans import read_pair
from radiogenomics.study import Study
from radiogenomics.volumes import lesion_box, load_volumes

AROUND_MM = 10.0


@dataclass(frozen=True)
class Case:
    """What is drawn of a patient: arrays (z, y, x) on an isotropic LPS grid around the lesion."""

    hu: np.ndarray
    lesion: np.ndarray
    heat: np.ndarray  # 0 to 1
    on_ct: sitk.Image  # the map on the CT's own grid, not scaled


def explain(study: Study, patient: pd.Series, network: keras.Model, layer: str) -> Case:
    """Return the map of the mutant logit of one patient of the cohort."""
    ct, mask = read_pair(patient.ct, patient["mask"], patient.mask_label)
    volume = load_volumes(study, pd.DataFrame([patient]))[0]
    return explain_images(study, ct, mask, volume, network, layer)


def explain_images(
    study: Study, ct: sitk.Image, mask: sitk.Image, volume: np.ndarray, network: keras.Model,
    layer: str,
) -> Case:  # fmt: skip
    """Return the map of the mutant logit for images and their network input (z, y, x, 1)."""
    heat = gradcam.class_map(network, volume, layer, 1)
    box, _ = lesion_box(ct, mask, study.settings.preprocessing)
    near, lesion, placed = _surroundings(ct, mask, gradcam.on_box(heat, box))
    return Case(near, lesion, gradcam.scaled(placed), gradcam.on_ct(heat, box, ct))


def _surroundings(
    ct: sitk.Image, mask: sitk.Image, heat: sitk.Image
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Resample CT, mask and map to the box's grid with 10 mm around it."""
    pad = int(round(AROUND_MM / heat.GetSpacing()[0]))
    grid = sitk.ConstantPad(heat, [pad] * 3, [pad] * 3, 0.0)
    lowest = float(sitk.GetArrayViewFromImage(ct).min())
    ct, mask = sitk.DICOMOrient(ct, "LPS"), sitk.DICOMOrient(mask, "LPS")
    hu = sitk.Resample(ct, grid, sitk.Transform(), sitk.sitkLinear, lowest)
    lesion = sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return tuple(sitk.GetArrayFromImage(image) for image in (hu, lesion, grid))


def shares(study: Study, patients: pd.DataFrame, network: keras.Model, layer: str) -> pd.DataFrame:
    """Return per patient the share of the map inside the lesion, and of the box that is lesion."""
    rows = []
    for _, patient in patients.iterrows():
        ct, mask = read_pair(patient.ct, patient["mask"], patient.mask_label)
        volume = load_volumes(study, pd.DataFrame([patient]))[0]
        box, lesion = lesion_box(ct, mask, study.settings.preprocessing)
        heat = gradcam.class_map(network, volume, layer, 1)
        placed = sitk.GetArrayFromImage(gradcam.on_box(heat, box))
        inside = sitk.GetArrayViewFromImage(lesion)
        rows.append(
            {
                "patient": patient.patient,
                "label": patient.label,
                "inside_lesion": gradcam.inside_share(placed, inside),
                "lesion_share_of_box": float(inside.mean()),
                "zero_map": bool(heat.max() == 0),
            }
        )
    return pd.DataFrame(rows)
