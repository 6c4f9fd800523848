"""Where a Grad-CAM map lies: in the lesion, and in the planted part of the built-in cohort.

Maps are (z, y, x) on a layer's grid, lengths mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy import ndimage, stats

from radiogenomics.images.scans import read_pair
from radiogenomics.images.volumes import lesion_box
from radiogenomics.maps import gradcam
from radiogenomics.statistics.discrimination import holm
from radiogenomics.study.files import read_json
from radiogenomics.study.study import Study

RANDOM = 20  # random maps that a map is held against
SMOOTH = 1.0  # of a random map, in voxels of the layer
CLEAR = 0.05  # p below which a difference from chance is called one


@dataclass(frozen=True)
class Place:
    """Where things are in a patient's box: its grid (LPS, 1 mm) and masks (z, y, x) on it."""

    patient: str
    label: int
    box: sitk.Image
    lesion: np.ndarray
    planted: np.ndarray | None  # the built-in cohort's ground-glass part, None where not known


def places(
    study: Study, patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Place]:  # fmt: skip
    """Read each patient's lesion and, in the built-in cohort, the planted part of it."""
    path = study.folder / "truth.json"
    soft_parts = read_json(path).get("soft_part_y_mm", {}) if path.exists() else {}
    where = []
    for _, row in patients.iterrows():
        ct, mask = read_pair(row)
        box, lesion = lesion_box(ct, mask, study.settings.preprocessing)
        inside = sitk.GetArrayFromImage(lesion) > 0
        part = None
        if row.patient in soft_parts:
            part = planted_part(box, inside, soft_parts[row.patient], ct.GetSpacing()[1])
        where.append(Place(row.patient, int(row.label), box, inside, part))
        progress(len(where), len(patients))
    return where


def planted_part(
    box: sitk.Image, lesion: np.ndarray, y_mm: tuple[float, float], pixel_mm: float
) -> np.ndarray:
    """Return the lesion's voxels (z, y, x) between two places across y.

    Args:
        box: the lesion's grid, LPS.
        lesion: mask on it.
        y_mm: centres of the first and last of the CT's rows that were painted.
        pixel_mm: of the CT: half a row more on each side is painted too.
    """
    y = box.GetOrigin()[1] + np.arange(lesion.shape[1]) * box.GetSpacing()[1]
    inside = (y >= y_mm[0] - pixel_mm / 2) & (y <= y_mm[1] + pixel_mm / 2)
    return lesion & inside[np.newaxis, :, np.newaxis]


def random_maps(heat: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n maps (n, z, y, x) with the same values as `heat`, at smooth random places.

    The map's highest value goes to the highest of a smoothed field of noise, and so on down:
    volume and energy at every level are the map's own.
    """
    noise = rng.standard_normal((n, *heat.shape))
    field = ndimage.gaussian_filter(noise, (0, *[SMOOTH] * 3)).reshape(n, -1)
    out = np.empty_like(field, dtype=np.float32)
    np.put_along_axis(out, field.argsort(axis=1), np.sort(heat, axis=None)[np.newaxis], axis=1)
    return out.reshape(noise.shape)


def located(maps: np.ndarray, where: list[Place], seed: int) -> pd.DataFrame:
    """Return where each patient's map lies, and where random maps of its volume would.

    Columns: patient, label, inside_lesion (share of the map's sum), inside_random,
    lesion_share_of_box, peak_in_lesion (whether the highest value is in it), peak_random;
    planted (share of the sum within the lesion that lies in its planted part), planted_random,
    planted_share_of_lesion, peak_planted, peak_planted_random (highest value within the
    lesion); zero_map, constant_map. What a zero or constant map, or a lesion without a known
    part, cannot say is NaN.
    """
    rows = []
    for number, (heat, place) in enumerate(zip(maps, where, strict=True)):
        state = gradcam.kind(heat)
        row = {"patient": place.patient, "label": place.label}
        row |= _located(heat, place, np.random.default_rng([seed, number]), state)
        rows.append(row | {"zero_map": state == "zero", "constant_map": state == "constant"})
    return pd.DataFrame(rows)


def _located(
    heat: np.ndarray, place: Place, rng: np.random.Generator, state: str
) -> dict[str, float]:
    shares = {"lesion_share_of_box": float(place.lesion.mean())}
    if place.planted is not None:
        shares["planted_share_of_lesion"] = float(place.planted.sum() / place.lesion.sum())
    of_map = pd.Series(np.nan, ("inside", "peak", "planted", "peak_planted"))
    drawn = pd.DataFrame([of_map])
    if state == "map":
        of_map = pd.Series(hits(heat, place))
        drawn = pd.DataFrame([hits(sample, place) for sample in random_maps(heat, RANDOM, rng)])
    chance = drawn.mean()
    return {
        "inside_lesion": of_map.inside,
        "inside_random": chance.inside,
        "lesion_share_of_box": shares["lesion_share_of_box"],
        "peak_in_lesion": of_map.peak,
        "peak_random": chance.peak,
        "planted": of_map.planted,
        "planted_random": chance.planted,
        "planted_share_of_lesion": shares.get("planted_share_of_lesion", np.nan),
        "peak_planted": of_map.peak_planted,
        "peak_planted_random": chance.peak_planted,
    }


def hits(heat: np.ndarray, place: Place) -> dict[str, float]:
    """Return which share of a map (z, y, x) lies in lesion and planted part, and where its peak is.

    Keys inside, peak, planted, peak_planted; NaN where the planted part is not known.
    """
    placed = sitk.GetArrayFromImage(gradcam.on_box(heat, place.box))
    within = np.where(place.lesion, placed, 0)
    defined = place.planted is not None and within.any()
    return {
        "inside": gradcam.inside_share(placed, place.lesion),
        "peak": float(place.lesion.flat[placed.argmax()]),
        "planted": gradcam.inside_share(within, place.planted) if defined else np.nan,
        "peak_planted": float(place.planted.flat[within.argmax()]) if defined else np.nan,
    }


LOCATED = (
    ("energy in the lesion", "inside_lesion", "inside_random"),
    ("pointing game, lesion", "peak_in_lesion", "peak_random"),
    ("energy in the planted part", "planted", "planted_random"),
    ("pointing game, planted part", "peak_planted", "peak_planted_random"),
)


def located_checks(table: pd.DataFrame) -> pd.DataFrame:
    """Return means of `located`'s table: check, value, reference (random maps), n, p.

    p is of Wilcoxon's signed-rank test over patients, two-sided, for the two energies.
    """
    rows = []
    for check, share, chance in LOCATED:
        pairs = table[[share, chance]].dropna().astype(float)
        p = paired_p(pairs[share] - pairs[chance]) if check.startswith("energy") else np.nan
        rows.append((check, pairs[share].mean(), pairs[chance].mean(), len(pairs), p))
    for name in ("zero", "constant"):
        rows.append((f"{name} maps", table[f"{name}_map"].sum(), 0, len(table), np.nan))
    return with_holm(rows)


def with_holm(rows: list[tuple]) -> pd.DataFrame:
    """Return checks (check, value, reference, n, p) with p corrected for their number (Holm).

    n patients can give no p below 2 / 2ⁿ: where that is too large after the correction, there is
    no p, for it would be no finding that there is nothing.
    """
    table = pd.DataFrame(rows, columns=["check", "value", "reference", "n", "p"])
    tests = table.p.notna().sum()
    table["p"] = table.p.where(tests * 2.0 ** (1 - table.n) < CLEAR)
    return table.assign(p_holm=holm(table.p.to_numpy(float)))


def paired_p(difference: pd.Series) -> float:
    """Return Wilcoxon's signed-rank p of differences, NaN where none differs from 0."""
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else float("nan")


def reading(checks: pd.DataFrame, of_called: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """Return the rows of `located_checks` that a sentence names.

    Args:
        checks: of the mutant output's maps.
        of_called: of the maps of the class that the network predicts.
        table: `located`'s.
    """
    by = checks.set_index("check")
    return {
        "lesion": by.loc["energy in the lesion"],
        "peak": by.loc["pointing game, lesion"],
        "planted": by.loc["energy in the planted part"],
        "planted_peak": by.loc["pointing game, planted part"],
        "called": of_called.set_index("check").loc["energy in the planted part"],
        "known": table.planted_share_of_lesion.notna().any(),
        "zero": int(table.zero_map.sum()),
        "constant": int(table.constant_map.sum()),
        "maps": len(table),
    }
