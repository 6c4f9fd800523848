"""What a lesion and a CT look like, in a row of a table, and what a reader should look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy.ndimage import distance_transform_edt

from radiogenomics.images.grids import Grid, bounds, voxels_of
from radiogenomics.images.scans import Scan

AIR_HU, LUNG_HU = -900.0, -500.0  # a lesion's voxels below: air; around it below: lung or air
ROOM_HU = -950.0  # below: air outside the body, not lung
SPLINE_NEEDS = 10  # voxels: beyond them a cubic B-spline's weights are below 1e-5
NO_LUNG, MOST_AIR = 0.01, 0.5  # shares: less lung around a lesion, more air in it, is remarked
NEAR_MM, COARSE_MM = 30.0, 3.0  # how far around the lesion lung is looked for, and how closely
NAMED = 5  # patients in a line that tells of many


def mask_row(scan: Scan, margin_mm: float) -> dict[str, float | int | str | bool]:
    """Return one row of `masks.csv`: what the lesion is, lengths mm, volume mm³, values HU.

    `flags` says what a reader should look at; none of it excludes a patient.

    Args:
        scan: CT and mask in canonical form.
        margin_mm: what the features need of the CT around the lesion.
    """
    ct, mask = scan.ct, scan.mask
    inside = voxels_of(mask)
    hu = sitk.GetArrayViewFromImage(ct)[tuple(inside.T)]
    drawn = np.unique(inside[:, 0])
    row = {
        "labels": scan.labels,
        "voxels": len(inside),
        "volume_mm3": round(len(inside) * float(np.prod(mask.GetSpacing())), 1),
        "components": int(sitk.GetArrayFromImage(sitk.ConnectedComponent(mask, True)).max()),
        "slices": len(drawn),
        "empty_slices_between": int(drawn[-1] - drawn[0] + 1 - len(drawn)),
        "touches_border": bool(
            (inside == 0).any() or (inside == np.array(mask.GetSize()[::-1]) - 1).any()
        ),
        "mean_hu": round(float(hu.mean()), 1),
        "min_hu": float(hu.min()),
        "max_hu": float(hu.max()),
        "air_share": round(float((hu < AIR_HU).mean()), 3),
        "lung_near": round(_lung_near(ct, inside), 3),
    }
    notes = [*scan.notes, *_near_the_edge(scan, margin_mm)]
    flags = _flags(row, ct, scan.acquisition)
    return row | {"flags": "; ".join(flags), "notes": "; ".join(notes)}


def _near_the_edge(scan: Scan, margin_mm: float) -> list[str]:
    """Return a note where values around the lesion depend on where the CT's file was cropped."""
    low, high = bounds(scan.mask)
    spacing, size = np.array(scan.ct.GetSpacing()), np.array(scan.ct.GetSize())
    room = np.minimum(low, size - 1 - high) * spacing
    if (room >= margin_mm + SPLINE_NEEDS * spacing).all():
        return []
    return [f"the CT ends {room.min():.0f} mm from the lesion: features that look "
            f"{margin_mm:g} mm around it depend on where it was cropped"]  # fmt: skip


def _lung_near(ct: sitk.Image, lesion: np.ndarray) -> float:
    """Return the share of lung in the shell of 30 mm around the lesion, looked at every 3 mm.

    Args:
        ct: HU.
        lesion: indices of its voxels (n, 3) in z, y, x.
    """
    spacing = np.array(ct.GetSpacing())[::-1]
    every = np.maximum(COARSE_MM // spacing, 1).astype(int)
    hu = sitk.GetArrayViewFromImage(ct)[tuple(slice(n // 2, None, n) for n in every)]
    inside = np.zeros(-(-np.array(ct.GetSize()[::-1]) // every), bool)
    inside[tuple((lesion // every).T)] = True
    reach = np.ceil(NEAR_MM / (spacing * every)).astype(int)
    low, high = lesion.min(axis=0) // every - reach, lesion.max(axis=0) // every + reach + 1
    near = tuple(slice(a, b) for a, b in zip(np.maximum(low, 0), high, strict=True))
    inside, hu = inside[near], hu[near]
    away = distance_transform_edt(~inside[tuple(map(slice, hu.shape))], sampling=spacing * every)
    shell = hu[(away > 0) & (away <= NEAR_MM)]
    return float(((shell < LUNG_HU) & (shell >= ROOM_HU)).mean()) if len(shell) else 0.0


def _flags(row: dict, ct: sitk.Image, header: dict[str, float | str]) -> list[str]:
    lowest = float(sitk.GetArrayViewFromImage(ct).min())
    elsewhere, text = header.get("body_part") == "another", header.get("burned_in") == "yes"
    flags = {
        "one slice only": row["slices"] == 1,
        f"{row['components']} parts": row["components"] > 1,
        f"{row['empty_slices_between']} slices without outline in between": row[
            "empty_slices_between"
        ],
        "touches the border of the CT": row["touches_border"],
        f"{row['air_share']:.0%} of the lesion is air": row["air_share"] > MOST_AIR,
        "no lung within 30 mm: outside the chest?": row["lung_near"] < NO_LUNG,
        "its header names another part of the body than the chest": elsewhere,
        "its header tells of text in the picture: look for a name": text,
        f"lowest value of the CT is {lowest:g}: is it in HU?": lowest > LUNG_HU,
    }
    return [text for text, applies in flags.items() if applies]


def acquisition_row(
    ct: sitk.Image, header: dict[str, float | str], grid: Grid
) -> dict[str, float | int | str]:
    """Return one row of `acquisition.csv`: the file's grid (mm), and its header's acquisition."""
    x, y, z = grid.spacing
    values = sitk.GetArrayViewFromImage(ct)
    return {
        "size": "×".join(map(str, grid.size)),
        "pixel_x_mm": round(x, 4),
        "pixel_y_mm": round(y, 4),
        "slice_mm": round(z, 4),
        "orientation": sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
            grid.direction
        ),
        "ct_min": float(values.min()),
        "ct_max": float(values.max()),
        **header,
    }


def worth_a_look(masks: pd.DataFrame) -> list[str]:
    """Return a line for each flagged patient, and one for what was noted of several alike.

    Notes that differ in their numbers only are one line, with the first of them.

    Args:
        masks: `inspect_cohort`'s.
    """
    if not len(masks):
        return []
    lines = [f"{row.patient}: look at it: {row.flags}" for row in masks.itertuples() if row.flags]
    notes = masks[["patient"]].assign(note=masks.notes.str.split("; ")).explode("note")
    notes = notes[notes.note != ""]
    for _, same in notes.groupby(notes.note.str.replace(r"[\d.]+", "#", regex=True), sort=False):
        names = same.patient.tolist()
        who = ", ".join(names[:NAMED]) + ", …" * (len(names) > NAMED)
        if len(names) > 1:
            who = f"{len(names)} patients ({who})"
        lines.append(f"{who}: noted: {same.note.iloc[0]}")
    return lines
