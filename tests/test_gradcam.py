"""Grad-CAM on a network whose answer is known by hand, and its way back to the CT."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics import gradcam
from radiogenomics.cnn import keras
from radiogenomics.study import StudyError


@pytest.fixture(scope="module")
def network():
    """One 1x1x1 convolution with two channels; mutant's logit is their mean times 3 and -1."""
    inputs = keras.Input((4, 6, 8, 1))
    x = keras.layers.Conv3D(2, 1, activation="relu", name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling3D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    model.get_layer("conv").set_weights([np.array([[[[[1.0, -1.0]]]]]), np.array([0.0, 1.0])])
    model.layers[-1].set_weights([np.array([[0.0, 3.0], [2.0, -1.0]]), np.array([0.1, 0.2])])
    return model


def test_map_is_the_hand_computed_one(network):
    volume = np.random.default_rng(0).random((4, 6, 8, 1)).astype(np.float32)
    first, second = volume[..., 0], 1 - volume[..., 0]
    expected = np.maximum(3 * first - second, 0) / (4 * 6 * 8)
    assert np.allclose(gradcam.class_map(network, volume, "conv", 1), expected, atol=1e-6)
    wild = gradcam.class_map(network, volume, "conv", 0)
    assert np.allclose(wild, 2 * second / (4 * 6 * 8), atol=1e-6)


def test_zero_map_is_reported_not_divided(network):
    network_map = gradcam.class_map(network, np.zeros((4, 6, 8, 1), np.float32), "conv", 1)
    assert network_map.max() == 0 and gradcam.scaled(network_map).max() == 0
    assert np.isnan(gradcam.inside_share(network_map, np.ones_like(network_map)))


def test_unknown_layer_is_named(network):
    with pytest.raises(StudyError, match="Expected: one of conv"):
        gradcam.class_map(network, np.zeros((4, 6, 8, 1), np.float32), "dense", 1)


def test_map_returns_to_its_place_on_the_ct():
    ct = sitk.Image([60, 50, 20], sitk.sitkFloat32)
    ct.SetSpacing([0.5, 0.5, 2.0])
    ct.SetOrigin([-7.0, 3.0, 100.0])
    box = sitk.Image([16, 12, 8], sitk.sitkFloat32)
    box.SetOrigin([0.0, 8.0, 110.0])
    heat = np.zeros((4, 6, 8), np.float32)
    heat[2, 3, 5] = 1
    placed = sitk.GetArrayFromImage(gradcam.on_ct(heat, box, ct))
    z, y, x = np.unravel_index(placed.argmax(), placed.shape)
    point = ct.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
    assert np.allclose(point, (0 + 5.5 * 2 - 0.5, 8 + 3.5 * 2 - 0.5, 110 + 2.5 * 2 - 0.5), atol=1.1)
    assert placed[0].max() == 0


def test_patients_are_chosen_by_rule():
    scores = pd.DataFrame(
        {
            "patient": list("abcdef"),
            "label": [1, 1, 0, 0, 1, 0],
            "score": [0.9, 0.6, 0.7, 0.1, 0.2, 0.4],
        }
    )
    chosen = gradcam.shown_patients(scores, 0.5, 6)
    first = dict(zip(chosen.outcome[:4], chosen.patient[:4], strict=True))
    assert first == {
        "true positive": "b",
        "false positive": "c",
        "false negative": "e",
        "true negative": "f",
    }
    assert set(chosen.patient[4:]) == {"a", "d"}
