"""The checks of the maps: truth in the lesion, random maps, resets, moves, occlusion, words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics import explanation, gradcam, map_figures, sanity
from radiogenomics.cohort import included
from radiogenomics.cohort.sources import phantom_scans
from radiogenomics.images.volumes import load_volumes
from radiogenomics.models import network as cnn
from radiogenomics.models.network import keras
from radiogenomics.study.files import StudyError, read_json
from radiogenomics.study.progress import HEADLESS
from radiogenomics.study.settings import CNN, Settings
from radiogenomics.study.study import Study

GRID = (8, 16, 16)


@pytest.fixture(scope="module")
def network():
    return cnn.build((32, 32, 32), CNN(), seed=1)


def heat_of(seed=0, shape=GRID):
    return np.random.default_rng(seed).random(shape).astype(np.float32) ** 4


def place_of(planted_rows):
    lesion = np.zeros(GRID, bool)
    lesion[2:6, 4:12, 4:12] = True
    planted = np.zeros(GRID, bool)
    planted[2:6, planted_rows, 4:12] = True
    return sanity.Place("P1", 1, sitk.Image(GRID[::-1], sitk.sitkFloat32), lesion, planted)


def test_planted_part_is_the_painted_one(finished):
    """The part found again from truth.json holds the CT's dark voxels, the rest its bright ones."""
    patients = included.load_patients(finished)
    known = read_json(finished.folder / "truth.json")["soft_part_y_mm"]
    test = patients[patients.cohort == "test"].assign(label=0)
    assert len(test) == 4 and set(test.patient) <= set(known)
    for place in sanity.places(finished, test):
        hu = sitk.GetArrayFromImage(place.box)
        soft, solid = (
            np.median(hu[part]) for part in (place.planted, place.lesion & ~place.planted)
        )
        assert soft == pytest.approx(phantom_scans.SOFT_HU, abs=150) and solid > soft + 200
        assert 0.3 < place.planted.sum() / place.lesion.sum() < 0.75


def test_random_maps_hold_the_maps_own_values_elsewhere():
    heat = heat_of()
    drawn = sanity.random_maps(heat, 3, np.random.default_rng(1))
    assert drawn.shape == (3, *GRID)
    assert all(np.array_equal(np.sort(one, axis=None), np.sort(heat, axis=None)) for one in drawn)
    assert abs(np.corrcoef(drawn[0].ravel(), heat.ravel())[0, 1]) < 0.2
    neighbours = np.corrcoef(drawn[0][:, :, 1:].ravel(), drawn[0][:, :, :-1].ravel())[0, 1]
    assert neighbours > 0.3


def test_a_map_in_the_planted_part_is_found_there():
    place, heat = place_of(slice(4, 8)), np.zeros(GRID, np.float32)
    heat[3:5, 5:7, 6:10] = heat_of(2)[3:5, 5:7, 6:10] + 0.1
    away, zero = np.roll(heat, 4, axis=1), np.zeros(GRID)
    table = sanity.located(np.stack([heat, away, zero, zero + 1]), [place] * 4, 0)
    hits = table.loc[:1, ["inside_lesion", "peak_in_lesion", "planted", "peak_planted"]]
    assert np.allclose(hits.astype(float), [[1, 1, 1, 1], [1, 1, 0, 0]])
    assert (table.planted_share_of_lesion == 0.5).all()
    assert 0 <= table.inside_random[0] < 0.4
    assert table.zero_map.tolist() == [False, False, True, False]
    assert table.constant_map.tolist() == [False, False, False, True]
    assert table.loc[2:, ["inside_lesion", "planted", "inside_random"]].isna().all(axis=None)
    checks = sanity.located_checks(table).set_index("check")
    assert (
        checks.value["energy in the planted part"] == pytest.approx(0.5)
        and checks.n["zero maps"] == 4
    )
    assert "1 of 4 maps are zero everywhere and 1 constant" in sanity.told_place(
        checks.reset_index()
    )


def test_without_a_known_truth_the_planted_part_is_left_out():
    place = sanity.Place("P1", 0, place_of(slice(4, 8)).box, place_of(slice(4, 8)).lesion, None)
    table = sanity.located(heat_of()[np.newaxis], [place], 0)
    assert table.planted.isna().all() and table.inside_lesion.notna().all()
    checks = sanity.located_checks(table)
    told = sanity.told_planted(checks, table)
    assert "not known here" in told and sanity.told_called(checks) == ""


def test_maps_of_nothing_are_not_called_an_unknown_truth():
    table = sanity.located(np.zeros((1, *GRID)), [place_of(slice(4, 8))], 0)
    assert "No map has anything" in sanity.told_planted(sanity.located_checks(table), table)
    resets = sanity.chance(["P1"], np.zeros((1, *GRID)), 0)
    stage = resets.assign(comparison=sanity.RESET + "conv3d_4")
    study = Study(Path("data"), Path("reports"), Settings())
    figure, _ = map_figures.cascade(study, pd.concat([resets, stage]), "conv3d_3")
    assert not figure.layout.shapes


def test_similarity_of_a_map_with_itself_its_opposite_and_nothing():
    heat = heat_of()
    same = sanity.similarity(heat, 3 * heat)
    assert same["ssim"] == pytest.approx(1) and same["spearman"] == pytest.approx(1)
    assert sanity.similarity(heat, heat.max() - heat)["spearman"] == pytest.approx(-1, abs=1e-4)
    assert all(np.isnan(v) for v in sanity.similarity(heat, np.zeros(GRID)).values())
    assert sanity.similarity(heat_of(1, (4, 8, 8)), heat_of(1, (4, 8, 8)))["ssim"] == 1
    tiny = sanity.similarity(heat_of(1, (2, 4, 4)), heat_of(2, (2, 4, 4)))
    assert np.isnan(tiny["ssim"]) and -1 <= tiny["spearman"] <= 1


def _same_kernel(first, second):
    return np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_resets_go_from_output_to_input_and_leave_the_network_alone(network):
    before = [w.copy() for w in network.get_weights()]
    names, untouched = [], []
    for name, mixed in sanity.reset_networks(network, 7):
        names.append(name)
        pairs = zip(network.layers, mixed.layers, strict=True)
        left = [a.name for a, b in pairs if a.weights and _same_kernel(a, b)]
        untouched.append(left)
    convs = [f"conv3d_{n}" for n in (4, 3, 2, 1)]
    assert names == ["probability", "dense", *convs]
    kernels = [[n for n in left if not n.startswith("norm")] for left in untouched]
    assert kernels[0] == [*convs[::-1], "dense"] and kernels[2] == convs[:0:-1] and not kernels[-1]
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert not sanity.same_weights(network, mixed)


def test_move_and_back():
    array = heat_of()
    moved = sanity.shifted(array, 1, 1)
    assert np.array_equal(moved[:, 1:], array[:, :-1]) and not moved[:, 0].any()
    back = sanity.shifted(moved, 1, -1)
    assert np.array_equal(back[:, :-1], array[:, :-1]) and not back[:, -1].any()


def test_checks_of_a_network(network):
    volumes = np.random.default_rng(0).random((2, 32, 32, 32, 1)).astype(np.float32)
    maps, names = gradcam.class_maps(network, volumes, "conv3d_2", 1), ["a", "b"]
    same = (names, volumes, maps, "conv3d_2", 1)
    tables = [
        sanity.chance(names, maps, 0),
        sanity.of_reset_networks(network, *same, 3),
        sanity.of_shifts(network, *same),
        sanity.of_networks({"fold 1": network}, *same),
    ]
    table = pd.concat(tables, ignore_index=True)
    copy = table[table.comparison == "fold 1"]
    assert np.allclose(copy[["ssim", "spearman"]], 1)
    means = sanity.similarity_checks(table).set_index("check")
    assert means.value["input moved along z: ssim"] > means.value["another patient: ssim"]
    assert "Spearman" in sanity.told_reset(table) and "**1.00**" in sanity.told_stability(copy)


def test_occlusion_finds_what_a_linear_network_needs():
    """Logit = sum of w * x: hiding a cube behind the mean drops it by sum of w * (x - mean)."""
    inputs = keras.Input((8, 8, 8, 1))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs))
    model, rng = keras.Model(inputs, outputs), np.random.default_rng(0)
    weights = rng.normal(size=(512, 2)).astype(np.float32)
    model.layers[-1].set_weights([weights, np.zeros(2, np.float32)])
    volume = rng.random((8, 8, 8, 1)).astype(np.float32)
    volume[:4] = 0
    drop, share = sanity.occlusion(model, volume, 0, (4, 4, 4))
    effect = weights[:, 0].reshape(8, 8, 8) * (volume[..., 0] - volume[volume > 0].mean())
    expected = effect.reshape(2, 4, 2, 4, 2, 4).sum(axis=(1, 3, 5))
    assert np.allclose(drop[1], expected[1], atol=1e-4) and not drop[0].any()
    assert not share[0].any() and np.allclose(share[1], 1)


def test_network_of_permuted_labels_is_another_one_and_kept(finished):
    network = cnn.load(finished.models / "cnn.keras")
    found = sanity.fold_networks(finished, network)
    assert set(found) == {"fold 1", "fold 2"}
    assert not sanity.same_weights(found["fold 1"], network)
    assert sanity.fold_networks(finished, cnn.build((32, 64, 64), CNN(), 99)) == {}
    permuted, accuracy = sanity.network_of_permuted_labels(finished)
    assert not sanity.same_weights(permuted, network)
    again, known = sanity.network_of_permuted_labels(finished)
    assert sanity.same_weights(again, permuted) and known == accuracy


def test_networks_of_other_seeds_are_kept_and_differ(finished):
    network = cnn.load(finished.models / "cnn.keras")
    found = sanity.networks_of_seeds(finished)
    assert set(found) == {"seed 105", "seed 106"}
    assert not any(sanity.same_weights(one, network) for one in found.values())
    again = sanity.networks_of_seeds(finished)
    assert all(sanity.same_weights(again[name], one) for name, one in found.items())


def test_notebook_writes_the_checks(finished):
    checks = finished.table("gradcam_checks.csv")
    assert {"check", "value", "reference", "n", "p", "layer", "synthetic"} <= set(checks)
    assert {"energy in the planted part", "occlusion: spearman", "fold 1: ssim"} <= set(
        checks.check
    )
    old = "patient label inside_lesion lesion_share_of_box zero_map score"
    assert set(old.split()) <= set(finished.table("gradcam.csv"))


def test_explorer_shows_what_hiding_does(finished, monkeypatch):
    """As a report does: one patient, the logit's drop in the place of Grad-CAM."""
    patients = included.load_patients(finished)
    one = patients[patients.cohort == "test"].iloc[0]
    network, shown = cnn.load(finished.models / "cnn.keras"), []
    monkeypatch.setenv(HEADLESS, "1")
    monkeypatch.setattr(explanation.viewer, "show", shown.append)
    asked = (finished, patients, network, one.patient, "conv3d_3", 1)
    explanation.explore(*asked, explanation.HIDING)
    scene = shown[0]
    volume = load_volumes(finished, patients[patients.patient == one.patient])[0]
    drop, _ = sanity.occlusion(network, volume, 1)
    low, high = scene.overlay_range
    assert low == -high and high == np.abs(scene.overlay).max() <= np.abs(drop).max() + 1e-6
    low, high = (f(np.argwhere(scene.lesion), axis=0) for f in (np.min, np.max))
    around = np.ones(scene.lesion.shape, bool)
    around[tuple(slice(a - 1, b + 2) for a, b in zip(low, high, strict=True))] = False
    assert scene.overlay.any() and not scene.overlay[around].any()
    assert one.patient in scene.title and scene.synthetic
    numbered = patients.assign(patient=patients.patient.replace(one.patient, "101"))
    explanation.explore(finished, numbered, network, 101, "conv3d_3", 1, explanation.HIDING)
    assert shown[1].title.startswith("101:")
    with pytest.raises(StudyError, match="kind = 'heat' is no map"):
        explanation.explore(*asked, "heat")
