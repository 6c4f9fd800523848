"""The checks of the maps: truth in the lesion, random maps, resets, moves, occlusion, words."""

import numpy as np
import pandas as pd
import pytest
from radiogenomics.cohort import included
from radiogenomics.images.volumes import load_volumes
from radiogenomics.maps import case, gradcam, occlusion, similarity
from radiogenomics.models import network as cnn
from radiogenomics.models.devices import keras
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.progress import HEADLESS
from radiogenomics.study.settings import CNN
from radiogenomics.study.words import say

GRID = (8, 16, 16)


@pytest.fixture(scope="module")
def network():
    return cnn.build((32, 32, 32), CNN(), seed=1)


def heat_of(seed=0, shape=GRID):
    return np.random.default_rng(seed).random(shape).astype(np.float32) ** 4


def test_similarity_of_a_map_with_itself_its_opposite_and_nothing():
    heat = heat_of()
    same = similarity.similarity(heat, 3 * heat)
    assert same["ssim"] == pytest.approx(1) and same["spearman"] == pytest.approx(1)
    assert similarity.similarity(heat, heat.max() - heat)["spearman"] == pytest.approx(-1, abs=1e-4)
    assert all(np.isnan(v) for v in similarity.similarity(heat, np.zeros(GRID)).values())
    assert similarity.similarity(heat_of(1, (4, 8, 8)), heat_of(1, (4, 8, 8)))["ssim"] == 1
    tiny = similarity.similarity(heat_of(1, (2, 4, 4)), heat_of(2, (2, 4, 4)))
    assert np.isnan(tiny["ssim"]) and -1 <= tiny["spearman"] <= 1


def _same_kernel(first, second):
    return np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_resets_go_from_output_to_input_and_leave_the_network_alone(network):
    before = [w.copy() for w in network.get_weights()]
    names, untouched = [], []
    for name, mixed in similarity.reset_networks(network, 7):
        names.append(name)
        pairs = zip(network.layers, mixed.layers, strict=True)
        left = [a.name for a, b in pairs if a.weights and _same_kernel(a, b)]
        untouched.append(left)
    convs = [f"conv3d_{n}" for n in (4, 3, 2, 1)]
    assert names == ["probability", "dense", *convs]
    kernels = [[n for n in left if not n.startswith("norm")] for left in untouched]
    assert kernels[0] == [*convs[::-1], "dense"] and kernels[2] == convs[:0:-1] and not kernels[-1]
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert not similarity.same_weights(network, mixed)


def test_move_and_back():
    array = heat_of()
    moved = similarity.shifted(array, 1, 1)
    assert np.array_equal(moved[:, 1:], array[:, :-1]) and not moved[:, 0].any()
    back = similarity.shifted(moved, 1, -1)
    assert np.array_equal(back[:, :-1], array[:, :-1]) and not back[:, -1].any()


def test_checks_of_a_network(network):
    volumes = np.random.default_rng(0).random((2, 32, 32, 32, 1)).astype(np.float32)
    maps, names = gradcam.class_maps(network, volumes, "conv3d_2", 1), ["a", "b"]
    same = (names, volumes, maps, "conv3d_2", 1)
    tables = [
        similarity.chance(names, maps, 0),
        similarity.of_reset_networks(network, *same, 3),
        similarity.of_shifts(network, *same),
        similarity.of_networks({"fold 1": network}, *same),
    ]
    table = pd.concat(tables, ignore_index=True)
    copy = table[table.comparison == "fold 1"]
    assert np.allclose(copy[["ssim", "spearman"]], 1)
    means = similarity.similarity_checks(table).set_index("check")
    assert means.value["input moved along z: ssim"] > means.value["another patient: ssim"]
    stages = table[table.comparison.str.startswith(similarity.RESET)]
    told = say("maps", "resets", **similarity.last_reset(stages, table), patients=2, layer="x")
    assert "After all weights are re-initialised" in told and "Spearman" in told
    told = say("maps", "stability", rows=similarity.likeness(copy), learned=None)
    grid = copy.assign(ssim=np.nan)  # maps of a voxel or two a side
    small = say("maps", "stability", rows=similarity.likeness(grid), learned=None)
    assert "SSIM not defined" in small and "nan" not in small
    assert "maps agree with Spearman **1.00**" in told


def test_occlusion_finds_what_a_linear_network_needs():
    """Logit = sum of w * x: hiding a cube behind the mean drops it by sum of w * (x - mean)."""
    inputs = keras.Input((8, 8, 8, 1))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs))
    model, rng = keras.Model(inputs, outputs), np.random.default_rng(0)
    weights = rng.normal(size=(512, 2)).astype(np.float32)
    model.layers[-1].set_weights([weights, np.zeros(2, np.float32)])
    volume = rng.random((8, 8, 8, 1)).astype(np.float32)
    volume[:4] = 0
    drop, share = occlusion.occlusion(model, volume, 0, (4, 4, 4))
    effect = weights[:, 0].reshape(8, 8, 8) * (volume[..., 0] - volume[volume > 0].mean())
    expected = effect.reshape(2, 4, 2, 4, 2, 4).sum(axis=(1, 3, 5))
    assert np.allclose(drop[1], expected[1], atol=1e-4) and not drop[0].any()
    assert not share[0].any() and np.allclose(share[1], 1)


def test_network_of_permuted_labels_is_another_one_and_kept(finished):
    network = cnn.load_network(finished)
    found = similarity.fold_networks(finished, network)
    assert set(found) == {"fold 1", "fold 2"}
    assert not similarity.same_weights(found["fold 1"], network)
    assert similarity.fold_networks(finished, cnn.build((32, 64, 64), CNN(), 99)) == {}
    permuted, accuracy = similarity.network_of_permuted_labels(finished)
    assert not similarity.same_weights(permuted, network)
    again, known = similarity.network_of_permuted_labels(finished)
    assert similarity.same_weights(again, permuted) and known == accuracy


def test_networks_of_other_seeds_are_kept_and_differ(finished):
    network = cnn.load_network(finished)
    found = similarity.networks_of_seeds(finished)
    assert set(found) == {"seed 105", "seed 106"}
    assert not any(similarity.same_weights(one, network) for one in found.values())
    again = similarity.networks_of_seeds(finished)
    assert all(similarity.same_weights(again[name], one) for name, one in found.items())


def test_notebook_writes_the_checks(finished):
    checks = finished.table(tables.GRADCAM_CHECKS)
    assert {"check", "value", "reference", "n", "p", "layer", "synthetic"} <= set(checks)
    assert {"energy in the planted part", "occlusion: spearman", "fold 1: ssim"} <= set(
        checks.check
    )
    old = "patient label inside_lesion lesion_share_of_box zero_map score"
    assert set(old.split()) <= set(finished.table(tables.GRADCAM))


def test_what_hiding_does_is_kept(finished):
    kept = list((finished.derived / "occlusion").glob("*.json"))
    assert len(kept) == len(finished.table(tables.GRADCAM_OCCLUSION))


def test_explorer_shows_what_hiding_does(finished, monkeypatch):
    """As a report does: one patient, the logit's drop in the place of Grad-CAM."""
    patients = included.load_patients(finished)
    one = patients[patients.cohort == "test"].iloc[0]
    network, shown = cnn.load_network(finished), []
    monkeypatch.setenv(HEADLESS, "1")
    monkeypatch.setattr(case.viewer, "show", lambda scene, _: shown.append(scene))
    asked = (finished, patients, network, one.patient, "conv3d_3", 1)
    case.explore(*asked, case.HIDING)
    scene = shown[0]
    volume = load_volumes(finished, patients[patients.patient == one.patient])[0]
    drop, _ = occlusion.occlusion(network, volume, 1)
    low, high = scene.overlay_range
    assert low == -high and high == np.abs(scene.overlay).max() <= np.abs(drop).max() + 1e-6
    low, high = (f(np.argwhere(scene.lesion), axis=0) for f in (np.min, np.max))
    around = np.ones(scene.lesion.shape, bool)
    around[tuple(slice(a - 1, b + 2) for a, b in zip(low, high, strict=True))] = False
    assert scene.overlay.any() and not scene.overlay[around].any()
    assert one.patient in scene.title and scene.synthetic
    numbered = patients.assign(patient=patients.patient.replace(one.patient, "101"))
    case.explore(finished, numbered, network, 101, "conv3d_3", 1, case.HIDING)
    assert shown[1].title.startswith("101:")
    with pytest.raises(StudyError, match="kind = 'heat' is not a map"):
        case.explore(*asked, "heat")
