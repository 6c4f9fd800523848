"""Checks of the Grad-CAM maps: whether they show the lesion, the planted truth, the network.

Maps are (z, y, x) on a layer's grid, volumes (patient, z, y, x, 1) from 0 to 1, lengths mm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

from radiogenomics import gradcam
from radiogenomics.cohort import included
from radiogenomics.images.scans import read_pair
from radiogenomics.images.volumes import lesion_box, load_volumes, volume_keys
from radiogenomics.models import network as cnn
from radiogenomics.models.network import keras
from radiogenomics.study.files import read_json
from radiogenomics.study.settings import CNN
from radiogenomics.study.study import Study
from radiogenomics.study.words import say_p

RANDOM = 20  # random maps that a map is held against
SMOOTH = 1.0  # of a random map, in voxels of the layer
CHECKED = 6  # patients of the expensive checks; all with checks = "full"
CUBE = (8, 16, 16)  # voxels (z, y, x) of the network's input that are hidden at once
CLEAR = 0.05  # p below which a difference from chance is called one
ALIKE = 0.5  # Spearman from which maps after a reset count as still the same
FINE_CUBE = (4, 8, 8)  # with checks = "full"
SEEDS = 2  # further trainings on the same patients with checks = "full"
OTHER_SEED = 100  # how far their seeds lie from the study's, and so from its folds'
RESET = "weights drawn anew to "
AXES = ("z", "y", "x")
MEASURES = ("ssim", "spearman")


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
    known = read_json(path).get("soft_part_y_mm", {}) if path.exists() else {}
    found = []
    for _, row in patients.iterrows():
        ct, mask = read_pair(row.ct, row["mask"], row.mask_label)
        box, lesion = lesion_box(ct, mask, study.settings.preprocessing)
        inside = sitk.GetArrayFromImage(lesion) > 0
        part = None
        if row.patient in known:
            part = planted_part(box, inside, known[row.patient], ct.GetSpacing()[1])
        found.append(Place(row.patient, int(row.label), box, inside, part))
        progress(len(found), len(patients))
    return found


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
    """Return n maps (n, z, y, x) with the very values of `heat`, at smooth random places.

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
    found = pd.Series(np.nan, ("inside", "peak", "planted", "peak_planted"))
    drawn = pd.DataFrame([found])
    if state == "map":
        found = pd.Series(_hits(heat, place))
        drawn = pd.DataFrame([_hits(one, place) for one in random_maps(heat, RANDOM, rng)])
    chance = drawn.mean()
    return {
        "inside_lesion": found.inside,
        "inside_random": chance.inside,
        "lesion_share_of_box": shares["lesion_share_of_box"],
        "peak_in_lesion": found.peak,
        "peak_random": chance.peak,
        "planted": found.planted,
        "planted_random": chance.planted,
        "planted_share_of_lesion": shares.get("planted_share_of_lesion", np.nan),
        "peak_planted": found.peak_planted,
        "peak_planted_random": chance.peak_planted,
    }


def _hits(heat: np.ndarray, place: Place) -> dict[str, float]:
    placed = sitk.GetArrayFromImage(gradcam.on_box(heat, place.box))
    within = np.where(place.lesion, placed, 0)
    known = place.planted is not None and within.any()
    return {
        "inside": gradcam.inside_share(placed, place.lesion),
        "peak": float(place.lesion.flat[placed.argmax()]),
        "planted": gradcam.inside_share(within, place.planted) if known else np.nan,
        "peak_planted": float(place.planted.flat[within.argmax()]) if known else np.nan,
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
    for check, found, chance in LOCATED:
        pairs = table[[found, chance]].dropna().astype(float)
        p = paired_p(pairs[found] - pairs[chance]) if check.startswith("energy") else np.nan
        rows.append((check, pairs[found].mean(), pairs[chance].mean(), len(pairs), p))
    for name in ("zero", "constant"):
        rows.append((f"{name} maps", table[f"{name}_map"].sum(), 0, len(table), np.nan))
    return pd.DataFrame(rows, columns=["check", "value", "reference", "n", "p"])


def paired_p(difference: pd.Series) -> float:
    """Return Wilcoxon's signed-rank p of differences, NaN where none differs from 0."""
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else float("nan")


def similarity(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return how alike two maps of one grid are: ssim (Wang 2004) and spearman.

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
    """Return one row a patient: patient, comparison, ssim, spearman, other (kind of its map)."""
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


def reset_networks(network: keras.Model, seed: int) -> Iterator[tuple[str, keras.Model]]:
    """Yield the network with ever more layers drawn anew, from the output to the input.

    Adebayo 2018, cascading randomisation. The network given stays as it is. Yields the name
    of the layer reset last and the network; a batch norm, with its moving statistics, goes
    together with the convolution before it.
    """
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(network)
    mixed = keras.models.clone_model(network)
    mixed.set_weights(network.get_weights())
    for layer in reversed([layer for layer in network.layers if layer.weights]):
        mixed.get_layer(layer.name).set_weights(fresh.get_layer(layer.name).get_weights())
        if not isinstance(layer, keras.layers.BatchNormalization):
            yield layer.name, mixed


def of_reset_networks(
    network: keras.Model, patients: list[str], volumes: np.ndarray, maps: np.ndarray, layer: str,
    label: int, seed: int, progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Compare maps with those after each step of `reset_networks`."""
    steps, tables = len(gradcam.conv_layers(network)) + 2, []
    for name, mixed in reset_networks(network, seed):
        others = gradcam.class_maps(mixed, volumes, layer, label)
        tables.append(compared(RESET + name, patients, maps, others))
        progress(len(tables), steps)
    return pd.concat(tables, ignore_index=True)


def shifted(array: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Return the array moved by `step` voxels along `axis`, 0 where nothing moved in."""
    out = np.zeros_like(array)
    n = array.shape[axis]
    to = slice(max(step, 0), n + min(step, 0))
    source = slice(max(-step, 0), n + min(-step, 0))
    index = [slice(None)] * array.ndim
    out[(*index[:axis], to)] = array[(*index[:axis], source)]
    return out


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
    study's caches, beside a final network with the same weights; none where those are gone.
    """
    for path in sorted(study.derived.glob("cnn/*/final/best.keras")):
        if same_weights(cnn.load(path), network):
            folds = sorted(path.parents[1].glob("fold_*/best.keras"))
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
    settings = study.settings.cnn
    total, networks = SEEDS * settings.epochs, {}
    for k in range(SEEDS):
        seed = study.settings.seed + OTHER_SEED + k
        folder = _folder(study, train, labels, settings, seed)
        networks[f"seed {seed}"] = cnn.train(
            volumes, labels, settings, seed, folder,
            lambda done, _, k=k: progress(k * settings.epochs + done, total),
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
    settings = replace(study.settings.cnn, patience=study.settings.cnn.epochs)
    seed, volumes = study.settings.seed, load_volumes(study, train)
    labels = np.random.default_rng([seed, 6]).permutation(train.label.to_numpy())
    folder = _folder(study, train, labels, settings, seed)
    cnn.train(volumes, labels, settings, seed, folder, progress)
    network = cnn.load(folder / "last.keras")
    called = cnn.score(network, volumes, settings.batch) >= 0.5
    return network, float(np.mean(called == labels))


def _folder(
    study: Study, train: pd.DataFrame, labels: np.ndarray, settings: CNN, seed: int
) -> Path:
    """Return where a training of this module is kept."""
    key = ["sanity", volume_keys(study, train), labels.tolist()]
    return cnn.training_folder(study.derived, key, settings, seed)


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


def occlusion(
    network: keras.Model, volume: np.ndarray, label: int, cube: tuple[int, int, int] = CUBE
) -> tuple[np.ndarray, np.ndarray]:
    """Hide one cube of the input after the other behind the mean of what is not 0 (Zeiler 2014).

    Args:
        network: the paper's network.
        volume: (z, y, x, 1), from 0 to 1, 0 outside the lesion (of `background = "lesion"`).
        label: whose logit.
        cube: its sides (z, y, x) in voxels; they divide the input's.

    Returns:
        How far the logit drops, and the share of the cube that is not 0, both on the grid of
        cubes (z, y, x). Only what is not 0 is hidden, so that the lesion keeps its shape.
    """
    inside = volume > 0
    grid = [n // side for n, side in zip(volume.shape[:3], cube, strict=True)]
    share = _cube_means(inside[..., 0], cube)
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


def _cube_means(array: np.ndarray, cube: tuple[int, int, int]) -> np.ndarray:
    """Return the mean of every cube (z, y, x) of an array (z, y, x)."""
    split = [m for n, side in zip(array.shape, cube, strict=True) for m in (n // side, side)]
    return array.reshape(split).mean(axis=(1, 3, 5))


def of_occlusion(
    network: keras.Model, where: list[Place], volumes: np.ndarray, maps: np.ndarray, label: int,
    cube: tuple[int, int, int], seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Return how each map agrees with hiding parts of the input.

    Columns: patient, spearman (of the map's mean in each cube and the logit's drop, over cubes
    that hold some lesion), spearman_random (the same of random maps), cubes, planted (share of
    the drops' positive part within the lesion that lies in its planted part),
    planted_share_of_lesion.
    """
    rows = []
    for number, (place, volume, heat) in enumerate(zip(where, volumes, maps, strict=True)):
        drop, share = occlusion(network, volume, label, cube)
        rng = np.random.default_rng([seed, number])
        drawn = random_maps(heat, RANDOM, rng)
        found = _hits(np.maximum(drop, 0), place)
        rows.append(
            {
                "patient": place.patient,
                "spearman": _agreement(heat, drop, share, volume, cube),
                "spearman_random": np.mean(
                    [_agreement(one, drop, share, volume, cube) for one in drawn]
                ),
                "cubes": int((share > 0).sum()),
                "planted": found["planted"],
                "planted_share_of_lesion": _hits(np.ones_like(drop), place)["planted"],
            }
        )
        progress(number + 1, len(where))
    return pd.DataFrame(rows)


def _agreement(
    heat: np.ndarray, drop: np.ndarray, share: np.ndarray, volume: np.ndarray,
    cube: tuple[int, int, int],
) -> float:  # fmt: skip
    """Return Spearman's correlation over cubes with lesion, NaN where one side is constant."""
    held = share > 0
    map_ = _cube_means(gradcam.on_input(heat, volume.shape[:3]), cube)[held]
    if gradcam.kind(heat) != "map" or len(map_) < 3 or not np.ptp(map_) or not np.ptp(drop[held]):
        return float("nan")
    return float(stats.spearmanr(map_, drop[held]).statistic)


def similarity_checks(table: pd.DataFrame) -> pd.DataFrame:
    """Return each comparison's means: check, value, reference (random map), n, p.

    n counts the patients of whom both maps are neither zero nor constant; p is Wilcoxon's over
    these patients' differences from the random map.
    """
    random = table[table.comparison == "random map"].set_index("patient")
    rows = []
    for name, found in table[table.comparison != "random map"].groupby("comparison", sort=False):
        for measure in MEASURES:
            pairs = pd.DataFrame({"a": found.set_index("patient")[measure], "b": random[measure]})
            pairs = pairs.dropna()
            p = paired_p(pairs.a - pairs.b)
            rows.append((f"{name}: {measure}", pairs.a.mean(), pairs.b.mean(), len(pairs), p))
    return pd.DataFrame(rows, columns=["check", "value", "reference", "n", "p"])


def occlusion_checks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of `of_occlusion`'s table: check, value, reference, n, p (Wilcoxon)."""
    rows = []
    for check, found, chance_ in (
        ("occlusion: spearman", "spearman", "spearman_random"),
        ("occlusion: drops in the planted part", "planted", "planted_share_of_lesion"),
    ):
        pairs = table[[found, chance_]].dropna()
        p = paired_p(pairs[found] - pairs[chance_])
        rows.append((check, pairs[found].mean(), pairs[chance_].mean(), len(pairs), p))
    return pd.DataFrame(rows, columns=["check", "value", "reference", "n", "p"])


def told_called(checks: pd.DataFrame) -> str:
    """Return what `located_checks` says of the maps of the called class, in words."""
    part = checks.set_index("check").loc["energy in the planted part"]
    if not part.n:
        return ""
    return (
        f"The map of the class that the network calls has {part.value:.0%} of its share within "
        f"the lesion in the planted part (random: {part.reference:.0%}, {say_p(part.p)})."
    )


def told_place(checks: pd.DataFrame) -> str:
    """Return what `located_checks` says, in words."""
    by = checks.set_index("check")
    lesion, peak = by.loc["energy in the lesion"], by.loc["pointing game, lesion"]
    empty = f"{by.value['zero maps']:.0f} of {by.n['zero maps']:.0f} maps are zero everywhere and "
    empty += f"{by.value['constant maps']:.0f} constant."
    if not lesion.n:
        return f"{empty} No map is left that could be placed."
    return (
        f"**{lesion.value:.0%}** of a map lies in the lesion; of a random map of its volume "
        f"{lesion.reference:.0%} ({say_p(lesion.p)}). The highest value lies in it in "
        f"{peak.value:.0%} of {peak.n:.0f} patients; by chance in {peak.reference:.0%}. {empty}"
    )


def told_planted(checks: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return what `located_checks` of `located`'s table says of the planted part, in words."""
    if table.planted_share_of_lesion.isna().all():
        return "Where the truth lies in the lesion is not known here; the built-in cohort knows it."
    by = checks.set_index("check")
    part, peak = by.loc["energy in the planted part"], by.loc["pointing game, planted part"]
    if not part.n:
        return "No map has anything within its lesion that could be held against the planted part."
    how = f"not told apart from chance by {part.n:.0f} patients"
    if part.p < CLEAR:
        how = "more than chance" if part.value > part.reference else "**less** than chance"
    return (
        f"Of the map within the lesion, **{part.value:.0%}** lies in the planted part, of a random "
        f"one {part.reference:.0%} ({say_p(part.p)}): {how}. The highest value lies in it in "
        f"{peak.value:.0%} of {peak.n:.0f} patients; by chance in {peak.reference:.0%}."
    )


def told_reset(table: pd.DataFrame) -> str:
    """Return what the last reset of the weights left of the maps, in words."""
    stages = table[table.comparison.str.startswith(RESET)]
    last = stages[stages.comparison == stages.comparison.iloc[-1]]
    random = table[table.comparison == "random map"]
    zero = f"{(last.other == 'zero').sum()} of {len(last)} maps are then zero everywhere"
    if last.spearman.isna().all():
        means = stages.groupby("comparison", sort=False).spearman.mean().dropna()
        before = ""
        if len(means):
            name = means.index[-1].removeprefix(RESET).strip()
            before = f" Down to {name}, the last stage with maps, Spearman is {means.iloc[-1]:.2f}."
        return f"With all weights drawn anew {zero}; none is left to compare.{before}"
    kept = last.spearman.mean() >= ALIKE
    verdict = "hardly depend on what was learned" if kept else "depend on what was learned"
    return (
        f"With all weights drawn anew a map is as like the trained one as SSIM "
        f"{last.ssim.mean():.2f}, Spearman {last.spearman.mean():.2f} say (a random map: "
        f"{random.ssim.mean():.2f}, {random.spearman.mean():.2f}); {zero}. The maps **{verdict}** "
        f"(Spearman {'from' if kept else 'below'} {ALIKE})."
    )


def told_stability(table: pd.DataFrame) -> str:
    """Return how alike maps are after small moves and of other trainings, in words."""
    kinds = (
        ("input moved", "After a move of the input by one voxel"),
        ("fold", "Of networks trained with other seeds on parts of the patients"),
        ("seed", "Of networks trained on the same patients with other seeds"),
        ("permuted labels", "Of a network that was trained on permuted labels"),
        ("another patient", "Between two patients"),
    )
    texts = []
    for start, words in kinds:
        rows = table[table.comparison.str.startswith(start)]
        good = rows.dropna(subset=["spearman"])
        if len(good):
            text = f"{words} maps are alike with Spearman **{good.spearman.mean():.2f}**, SSIM "
            gone = f"; {len(rows) - len(good)} of {len(rows)} could not be compared"
            texts.append(f"{text}{good.ssim.mean():.2f}{gone if len(rows) > len(good) else ''}.")
        elif start == "fold":
            texts.append("The folds' networks give no map to compare, or are not in the caches.")
    return " ".join(texts)


def told_occlusion(checks: pd.DataFrame) -> str:
    """Return what `occlusion_checks` says, in words."""
    rank, part = (row for _, row in checks.iterrows())
    if not rank.n:
        return "No map is left that could be held against occlusion."
    text = (
        f"A map's height in a cube and the logit's drop when the cube is hidden correlate with "
        f"Spearman **{rank.value:.2f}** over {rank.n:.0f} patients (random maps: "
        f"{rank.reference:.2f}, {say_p(rank.p)})."
    )
    if part.n:
        text += (
            f" Of the drops within the lesion {part.value:.0%} lie in the planted part, which is "
            f"{part.reference:.0%} of it ({say_p(part.p)})."
        )
    return text
