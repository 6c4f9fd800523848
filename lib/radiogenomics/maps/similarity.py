"""Similarity of two maps: after new weights, small shifts, other trainings (Adebayo 2018).

Maps are (z, y, x) on a layer's grid, volumes (patient, z, y, x, 1) from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

from radiogenomics.cohort import included
from radiogenomics.images.volumes import load_volumes, volume_keys
from radiogenomics.maps import gradcam
from radiogenomics.maps.location import paired_p, random_maps, with_holm
from radiogenomics.models import cnn_training
from radiogenomics.models import network as cnn
from radiogenomics.models.cross_fitting import FINAL, FINISHED, folder_to_train
from radiogenomics.models.devices import keras
from radiogenomics.study.files import sound
from radiogenomics.study.settings import CNN
from radiogenomics.study.study import Study

CHECKED = 6  # patients of the expensive checks; all with checks = "full"
ALIKE = 0.5  # Spearman from which maps after a reset count as still the same
SEEDS = 2  # further trainings on the same patients with checks = "full"
OTHER_SEED = 100  # how far their seeds lie from the study's, and so from its folds'
COMPARISONS = {  # by how a comparison's name begins, in words
    "input moved": "After a shift of the input by one voxel",
    "fold": "Of networks trained with other seeds on parts of the patients",
    "seed": "Of networks trained on the same patients with other seeds",
    "permuted labels": "Of a network trained on permuted labels",
    "another patient": "Between two patients",
}
RESET = "weights re-initialised down to "
AXES = ("z", "y", "x")
MEASURES = ("ssim", "spearman")


def similarity(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return the similarity of two maps on one grid: ssim (Wang 2004) and spearman.

    Both are scaled to 1 at their highest; NaN if one of them is zero or constant. SSIM's window
    is 7 voxels, or the odd number up to the grid's shortest side; below 3 there is none.
    """
    if not gradcam.kind(first) == gradcam.kind(second) == "map":
        return dict.fromkeys(MEASURES, float("nan"))
    window, ssim = min(7, (min(first.shape) - 1) // 2 * 2 + 1), float("nan")
    a, b = gradcam.scaled(first), gradcam.scaled(second)
    if window >= 3:
        ssim = structural_similarity(a, b, data_range=1.0, win_size=window)
    return {"ssim": float(ssim), "spearman": float(stats.spearmanr(a, b, axis=None).statistic)}


def compared(
    comparison: str, patients: list[str], maps: Iterable[np.ndarray], others: Iterable[np.ndarray]
) -> pd.DataFrame:
    """Return one row per patient: patient, comparison, ssim, spearman, other (kind of its map)."""
    rows = [
        {"patient": p, "comparison": comparison, **similarity(a, b), "other": gradcam.kind(b)}
        for p, a, b in zip(patients, maps, others, strict=True)
    ]
    return pd.DataFrame(rows)


def chance(patients: list[str], maps: np.ndarray, seed: int) -> pd.DataFrame:
    """Compare each map with a random one of its volume, and with the next patient's map."""
    drawn = [
        random_maps(heat, 1, np.random.default_rng([seed, number]))[0]
        for number, heat in enumerate(maps)
    ]
    tables = [compared("random map", patients, maps, np.stack(drawn))]
    if len(maps) > 1:
        tables.append(compared("another patient", patients, maps, np.roll(maps, 1, axis=0)))
    return pd.concat(tables, ignore_index=True)


def _draw_kernels(network: keras.Model, seed: int) -> None:
    """Draw kernels anew: a clone's initializers have the seeds of the network it was made from."""
    drawn = Random(seed)
    for layer in (one for part in cnn.members(network) for one in part.layers):
        if hasattr(layer, "kernel"):
            kind = layer.kernel_initializer
            own = type(kind).from_config(kind.get_config() | {"seed": drawn.randint(1, 10**9)})
            layer.kernel.assign(own(layer.kernel.shape))


def reset_networks(network: keras.Model, seed: int) -> Iterator[tuple[str, keras.Model]]:
    """Yield the network with more and more layers re-initialised, from the output to the input.

    Adebayo 2018, cascading randomisation. The network given stays as it is. Yields the name
    of the layer reset last and the network; a batch norm, with its moving statistics, goes
    together with the convolution before it.
    """
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(network)
    _draw_kernels(fresh, seed)
    mixed = keras.models.clone_model(network)
    mixed.set_weights(network.get_weights())
    pairs = list(zip(cnn.members(mixed), cnn.members(fresh), strict=True))
    stages = _stages(pairs[0][0])
    for layer in reversed([layer for layer in pairs[0][0].layers if layer.weights]):
        for old, new in pairs:
            old.get_layer(layer.name).set_weights(new.get_layer(layer.name).get_weights())
        if layer.name in stages:
            yield layer.name, mixed


def _stages(network: keras.Model) -> list[str]:
    """Return the layers that are reset one after the other, each with the batch norm behind it."""
    norm = keras.layers.BatchNormalization
    return [x.name for x in network.layers if x.weights and not isinstance(x, norm)]


def of_reset_networks(
    network: keras.Model, patients: list[str], volumes: np.ndarray, maps: np.ndarray, layer: str,
    label: int, seed: int, progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Compare maps with those after each step of `reset_networks`."""
    steps, tables = len(_stages(cnn.members(network)[0])), []
    for name, mixed in reset_networks(network, seed):
        others = gradcam.class_maps(mixed, volumes, layer, label)
        tables.append(compared(RESET + name, patients, maps, others))
        progress(len(tables), steps)
    return pd.concat(tables, ignore_index=True)


def shifted(array: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Return the array moved by `step` voxels along `axis`, 0 where nothing moved in."""
    return ndimage.shift(array, step * np.eye(array.ndim)[axis], order=0)


def of_shifts(
    network: keras.Model, patients: list[str], volumes: np.ndarray, maps: np.ndarray, layer: str,
    label: int,
) -> pd.DataFrame:  # fmt: skip
    """Compare maps with those of the input moved by one voxel, moved back.

    One move along each axis; compared on the input's grid without its outer voxels.
    """
    inner, tables = (slice(1, -1),) * 3, []
    before = [_on_input(heat, volumes)[inner] for heat in maps]
    for axis, name in enumerate(AXES):
        moved = gradcam.class_maps(network, shifted(volumes, axis + 1, 1), layer, label)
        back = [shifted(_on_input(heat, volumes), axis, -1)[inner] for heat in moved]
        tables.append(compared(f"input moved along {name}", patients, before, back))
    return pd.concat(tables, ignore_index=True)


def _on_input(heat: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    return gradcam.on_input(heat, volumes.shape[1:4])


def fold_networks(study: Study, network: keras.Model) -> dict[str, keras.Model]:
    """Return the networks that notebook 04 trained beside this one, by name (`fold 1`, ...).

    Each left out one fold of the training patients and had a seed of its own. They are in the
    study's caches, beside a final network with the same weights; empty if those are deleted.
    """
    for path in sorted(study.derived.glob(f"cnn/*/{FINAL}/{FINISHED}")):
        if sound(path) and same_weights(cnn.load(path), network):
            folds = filter(sound, sorted(path.parents[1].glob(f"fold_*/{FINISHED}")))
            return {p.parent.name.replace("_", " "): cnn.load(p) for p in folds}
    return {}


def same_weights(first: keras.Model, second: keras.Model) -> bool:
    """Return whether two networks have the same weights to the last bit."""
    a, b = first.get_weights(), second.get_weights()
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def networks_of_seeds(
    study: Study, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, keras.Model]:
    """Train the network on the same patients with other seeds, by name (`seed 2025`, ...)."""
    train, _ = included.split(included.load_patients(study))
    volumes, labels = load_volumes(study, train), train.label.to_numpy()
    settings = cnn.recipe_of(study)
    each, networks = settings.epochs * settings.networks, {}
    for k in range(SEEDS):
        seed = study.settings.seed + OTHER_SEED + k
        folder = _folder(study, train, labels, settings, seed)
        networks[f"seed {seed}"] = cnn_training.train(
            volumes, labels, settings, seed, folder,
            lambda done, _, k=k: progress(k * each + done, SEEDS * each),
        ).model  # fmt: skip
    return networks


def network_of_permuted_labels(
    study: Study, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[keras.Model, float]:
    """Train the network on permuted labels until it has fitted them (Adebayo 2018).

    Same volumes and seed as the final network's; every epoch is trained and the last one kept,
    as the validation part would keep a network that has learned nothing.

    Returns:
        The network, and its accuracy on the labels that it was trained with.
    """
    train, _ = included.split(included.load_patients(study))
    settings = replace(cnn.recipe_of(study), patience=study.settings.cnn.epochs)
    seed, volumes = study.settings.seed, load_volumes(study, train)
    labels = np.random.default_rng([seed, 6]).permutation(train.label.to_numpy())
    folder = _folder(study, train, labels, settings, seed)
    done = cnn_training.train(volumes, labels, settings, seed, folder, progress)
    last = [cnn_training.last_saved(one.folder) for one in done.kept]
    network = cnn.average([cnn.in_float32(cnn.load(path)) for path in last])
    called = cnn.score(network, volumes, settings.batch) >= 0.5
    return network, float(np.mean(called == labels))


def _folder(
    study: Study, train: pd.DataFrame, labels: np.ndarray, settings: CNN, seed: int
) -> Path:
    """Return where a training of this module is kept."""
    key = ["sanity", volume_keys(study, train), labels.tolist()]
    return folder_to_train(study.derived, key, settings, seed)


def of_networks(
    networks: dict[str, keras.Model], patients: list[str], volumes: np.ndarray, maps: np.ndarray,
    layer: str, label: int,
) -> pd.DataFrame:  # fmt: skip
    """Compare maps with other networks' maps of the same patients; the name is the comparison."""
    tables = [
        compared(name, patients, maps, gradcam.class_maps(network, volumes, layer, label))
        for name, network in networks.items()
    ]
    columns = ["patient", "comparison", *MEASURES, "other"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def similarity_checks(table: pd.DataFrame) -> pd.DataFrame:
    """Return each comparison's means: check, value, reference (random map), n, p.

    n counts the patients of whom both maps are neither zero nor constant; p is Wilcoxon's over
    these patients' differences from the random map.
    """
    random = table[table.comparison == "random map"].set_index("patient")
    rows = []
    for name, part in table[table.comparison != "random map"].groupby("comparison", sort=False):
        for measure in MEASURES:
            pairs = pd.DataFrame({"a": part.set_index("patient")[measure], "b": random[measure]})
            pairs = pairs.dropna()
            p = paired_p(pairs.a - pairs.b)
            rows.append((f"{name}: {measure}", pairs.a.mean(), pairs.b.mean(), len(pairs), p))
    return with_holm(rows)


def last_reset(table: pd.DataFrame, chance: pd.DataFrame) -> dict[str, Any]:
    """Return what the last reset of the weights left of the maps.

    Args:
        table: `of_reset_networks`'.
        chance: `chance`'s, with random maps.

    Returns:
        last (mean ssim and spearman; None where all maps are empty), alike (spearman from
        `ALIKE`), chance, zero and maps (their number), before and before_spearman (the last stage
        that had maps).
    """
    last = table[table.comparison == table.comparison.iloc[-1]]
    means = table.groupby("comparison", sort=False).spearman.mean().dropna()
    random = chance[chance.comparison == "random map"][list(MEASURES)].mean()
    defined = last.spearman.notna().any()
    return {
        "last": last[list(MEASURES)].mean() if defined else None,
        "alike": bool(last.spearman.mean() >= ALIKE),
        "limit": ALIKE,
        "chance": random,
        "zero": int((last.other == "zero").sum()),
        "maps": len(last),
        "before": means.index[-1].removeprefix(RESET) if len(means) else None,
        "before_spearman": means.iloc[-1] if len(means) else None,
    }


def likeness(table: pd.DataFrame) -> list[tuple[str, float, float, int, int]]:
    """Return the similarity of maps by kind of comparison: words, spearman, ssim, lost, n."""
    rows = []
    for start, words in COMPARISONS.items():
        part = table[table.comparison.str.startswith(start)]
        good = part.dropna(subset="spearman")
        if len(good):
            lost = len(part) - len(good)
            rows.append((words, good.spearman.mean(), good.ssim.mean(), lost, len(part)))
    return rows
