"""Where maps lie: in the lesion, in the part that was painted."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.cohort import included
from radiogenomics.cohort.sources import phantom_scans
from radiogenomics.maps import figures, location, similarity
from radiogenomics.study.files import read_json
from radiogenomics.study.words import say

GRID = (8, 16, 16)


def heat_of(seed=0, shape=GRID):
    return np.random.default_rng(seed).random(shape).astype(np.float32) ** 4


def place_of(planted_rows):
    lesion = np.zeros(GRID, bool)
    lesion[2:6, 4:12, 4:12] = True
    planted = np.zeros(GRID, bool)
    planted[2:6, planted_rows, 4:12] = True
    return location.Place("P1", 1, sitk.Image(GRID[::-1], sitk.sitkFloat32), lesion, planted)


def told_of(table):
    checks = location.located_checks(table)
    return say("maps", "place", **location.reading(checks, checks, table), layer="conv3d_3")


def test_planted_part_is_the_painted_one(finished):
    """The part found again from truth.json holds the CT's dark voxels, the rest its bright ones."""
    patients = included.load_patients(finished)
    known = read_json(finished.folder / "truth.json")["soft_part_y_mm"]
    test = patients[patients.cohort == "test"].assign(label=0)
    assert len(test) == 4 and set(test.patient) <= set(known)
    for place in location.places(finished, test):
        hu = sitk.GetArrayFromImage(place.box)
        soft, solid = (
            np.median(hu[part]) for part in (place.planted, place.lesion & ~place.planted)
        )
        assert soft == pytest.approx(phantom_scans.SOFT_HU, abs=150) and solid > soft + 200
        assert 0.3 < place.planted.sum() / place.lesion.sum() < 0.75


def test_random_maps_hold_the_maps_own_values_elsewhere():
    heat = heat_of()
    drawn = location.random_maps(heat, 3, np.random.default_rng(1))
    assert drawn.shape == (3, *GRID)
    assert all(np.array_equal(np.sort(one, axis=None), np.sort(heat, axis=None)) for one in drawn)
    assert abs(np.corrcoef(drawn[0].ravel(), heat.ravel())[0, 1]) < 0.2
    neighbours = np.corrcoef(drawn[0][:, :, 1:].ravel(), drawn[0][:, :, :-1].ravel())[0, 1]
    assert neighbours > 0.3


def test_a_map_in_the_planted_part_is_found_there():
    place, heat = place_of(slice(4, 8)), np.zeros(GRID, np.float32)
    heat[3:5, 5:7, 6:10] = heat_of(2)[3:5, 5:7, 6:10] + 0.1
    away, zero = np.roll(heat, 4, axis=1), np.zeros(GRID)
    table = location.located(np.stack([heat, away, zero, zero + 1]), [place] * 4, 0)
    hits = table.loc[:1, ["inside_lesion", "peak_in_lesion", "planted", "peak_planted"]]
    assert np.allclose(hits.astype(float), [[1, 1, 1, 1], [1, 1, 0, 0]])
    assert (table.planted_share_of_lesion == 0.5).all()
    assert 0 <= table.inside_random[0] < 0.4
    assert table.zero_map.tolist() == [False, False, True, False]
    assert table.constant_map.tolist() == [False, False, False, True]
    assert table.loc[2:, ["inside_lesion", "planted", "inside_random"]].isna().all(axis=None)
    checks = location.located_checks(table).set_index("check")
    assert (
        checks.value["energy in the planted part"] == pytest.approx(0.5)
        and checks.n["zero maps"] == 4
    )
    assert "1 of 4 maps are zero everywhere and 1 constant" in told_of(table)


def test_without_a_known_truth_the_planted_part_is_left_out():
    place = location.Place("P1", 0, place_of(slice(4, 8)).box, place_of(slice(4, 8)).lesion, None)
    table = location.located(heat_of()[np.newaxis], [place], 0)
    assert table.planted.isna().all() and table.inside_lesion.notna().all()
    assert "not known here" in told_of(table) and "predicts" not in told_of(table)


def test_maps_of_nothing_are_not_called_an_unknown_truth():
    table = location.located(np.zeros((1, *GRID)), [place_of(slice(4, 8))], 0)
    assert "No map has anything" in told_of(table)
    resets = similarity.chance(["P1"], np.zeros((1, *GRID)), 0)
    stage = resets.assign(comparison=similarity.RESET + "conv3d_4")
    figure = figures.cascade(pd.concat([resets, stage]), "conv3d_3")
    assert not figure.layout.shapes
