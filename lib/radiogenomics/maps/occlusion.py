"""Does hiding parts of the input agree with the map? (Zeiler 2014)

Maps are (z, y, x) on a layer's grid, volumes (patient, z, y, x, 1) from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from skimage.measure import block_reduce

from radiogenomics.maps import gradcam
from radiogenomics.maps.location import RANDOM, Place, hits, paired_p, random_maps, with_holm
from radiogenomics.models.devices import keras
from radiogenomics.study import tables
from radiogenomics.study.files import digest
from radiogenomics.study.kept import digest_of, once

CUBE = (8, 16, 16)  # voxels (z, y, x) of the network's input that are hidden at once
FINE_CUBE = (4, 8, 8)  # with checks = "full"


def occlusion(
    network: keras.Model, volume: np.ndarray, label: int, cube: tuple[int, int, int] = CUBE
) -> tuple[np.ndarray, np.ndarray]:
    """Hide one cube of the input after the other behind the mean of what is not 0 (Zeiler 2014).

    Args:
        network: the study's network.
        volume: (z, y, x, 1), from 0 to 1, 0 outside the lesion (of `background = "lesion"`).
        label: whose logit.
        cube: its sides (z, y, x) in voxels; they divide the input's.

    Returns:
        How far the logit drops, and the share of the cube that is not 0, both on the grid of
        cubes (z, y, x). Only what is not 0 is hidden, so that the lesion keeps its shape.
    """
    inside = volume > 0
    grid = [n // side for n, side in zip(volume.shape[:3], cube, strict=True)]
    share = block_reduce(inside[..., 0], cube, np.mean)
    drop = np.zeros(grid)
    cells = np.argwhere(share > 0)
    if len(cells):
        hidden = np.stack([_hidden(volume, inside, cell, cube) for cell in cells])
        whole = gradcam.logits(network, volume[np.newaxis])[0, label]
        drop[tuple(cells.T)] = whole - gradcam.logits(network, hidden)[:, label]
    return drop, share


def _hidden(
    volume: np.ndarray, inside: np.ndarray, cell: np.ndarray, cube: tuple[int, int, int]
) -> np.ndarray:
    part = tuple(slice(i * side, (i + 1) * side) for i, side in zip(cell, cube, strict=True))
    out = volume.copy()
    out[part][inside[part]] = volume[inside].mean()
    return out


def of_occlusion(
    network: keras.Model, where: list[Place], volumes: np.ndarray, maps: np.ndarray, label: int,
    cube: tuple[int, int, int], seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None, folder: Path | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return how each map agrees with hiding parts of the input; drops are kept in `folder`.

    Columns: patient, spearman (of the map's mean in each cube and the logit's drop, over cubes
    that hold some lesion), spearman_random (the same of random maps), cubes, planted (share of
    the drops' positive part within the lesion that lies in its planted part),
    planted_share_of_lesion.
    """
    rows, weights = [], digest_of(network.get_weights())
    for number, (place, volume, heat) in enumerate(zip(where, volumes, maps, strict=True)):
        key = digest(digest_of([volume]), weights, label, cube, keras.__version__)
        drop, share = _kept(folder and folder / f"{key}.json", network, volume, label, cube)
        rng = np.random.default_rng([seed, number])
        drawn = random_maps(heat, RANDOM, rng)
        hit = hits(np.maximum(drop, 0), place)
        rows.append(
            {
                "patient": place.patient,
                "spearman": _agreement(heat, drop, share, volume, cube),
                "spearman_random": np.mean(
                    [_agreement(sample, drop, share, volume, cube) for sample in drawn]
                ),
                "cubes": int((share > 0).sum()),
                "planted": hit["planted"],
                "planted_share_of_lesion": hits(np.ones_like(drop), place)["planted"],
            }
        )
        progress(number + 1, len(where))
    return tables.GRADCAM_OCCLUSION.frame(rows)


def _kept(
    path: Path | None, network: keras.Model, volume: np.ndarray, label: int,
    cube: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return `occlusion`, from where it is kept."""
    if path is None:
        return occlusion(network, volume, label, cube)
    drop, share = once(
        path, lambda: [part.tolist() for part in occlusion(network, volume, label, cube)]
    )
    return np.array(drop), np.array(share)


def _agreement(
    heat: np.ndarray, drop: np.ndarray, share: np.ndarray, volume: np.ndarray,
    cube: tuple[int, int, int],
) -> float:  # fmt: skip
    """Return Spearman's correlation over cubes with lesion, NaN where one side is constant."""
    held = share > 0
    map_ = block_reduce(gradcam.on_input(heat, volume.shape[:3]), cube, np.mean)[held]
    if gradcam.kind(heat) != "map" or len(map_) < 3 or not np.ptp(map_) or not np.ptp(drop[held]):
        return float("nan")
    return float(stats.spearmanr(map_, drop[held]).statistic)


def occlusion_checks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of `of_occlusion`'s table: check, value, reference, n, p (Wilcoxon)."""
    rows = []
    for check, measure, chance_ in (
        ("occlusion: spearman", "spearman", "spearman_random"),
        ("occlusion: drops in the planted part", "planted", "planted_share_of_lesion"),
    ):
        pairs = table[[measure, chance_]].dropna()
        p = paired_p(pairs[measure] - pairs[chance_])
        rows.append((check, pairs[measure].mean(), pairs[chance_].mean(), len(pairs), p))
    return with_holm(rows)


def reading(checks: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the two rows of `occlusion_checks`: rank and part."""
    rank, part = (row for _, row in checks.iterrows())
    return {"rank": rank, "part": part}
