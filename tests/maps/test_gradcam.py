"""Grad-CAM against hand computation, finite differences and another package; its way to the CT."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.images.grids import grid_of
from radiogenomics.maps import gradcam
from radiogenomics.maps.case import Case, explain_images, peaks_outside
from radiogenomics.models import network as cnn
from radiogenomics.models.devices import keras
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import CNN, Settings

SHAPE = (16, 16, 16)


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


@pytest.fixture(scope="module")
def papers():
    """The paper's network, batch norm's statistics as after a training."""
    model, rng = cnn.build(SHAPE, CNN(), seed=3), np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            ranges = ((0.5, 2), (-1, 1), (0, 1), (1, 3))
            layer.set_weights([rng.uniform(*ends, layer.gamma.shape[0]) for ends in ranges])
    return model


def volumes_of(n, shape=SHAPE):
    return np.random.default_rng(0).random((n, *shape, 1)).astype(np.float32)


def test_map_is_the_hand_computed_one(network):
    volume = volumes_of(1, (4, 6, 8))[0]
    first, second = volume[..., 0], 1 - volume[..., 0]
    expected = np.maximum(3 * first - second, 0) / (4 * 6 * 8)
    assert np.allclose(gradcam.class_map(network, volume, "conv", 1), expected, atol=1e-6)
    wild = gradcam.class_map(network, volume, "conv", 0)
    assert np.allclose(wild, 2 * second / (4 * 6 * 8), atol=1e-6)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("layer", ["conv3d_1", "conv3d_2", "conv3d_3", "conv3d_4"])
def test_map_of_the_papers_network_equals_finite_differences(papers, layer, label):
    """A channel raised everywhere by h moves the logit by h times the sum of its gradients."""
    volume, h = volumes_of(1), 1e-2
    activation = keras.Model(papers.input, papers.get_layer(layer).output)(volume).numpy()
    above = keras.Model(papers.get_layer(layer).output, papers.layers[-1].input)
    steps = h * np.eye(activation.shape[-1], dtype=np.float32)[:, None, None, None]
    kernel, bias = papers.layers[-1].get_weights()
    up, down = (above(activation + s, training=False) @ kernel + bias for s in (steps, -steps))
    slope = (up - down).numpy()[:, label] / (2 * h)
    weights = slope / np.prod(activation.shape[1:4])
    expected = np.maximum((activation[0] * weights).sum(axis=-1), 0)
    found = gradcam.class_map(papers, volume[0], layer, label)
    assert expected.max() > 0
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99  # the rest is ReLU's kinks


def test_equal_voxels_share_the_gradient_of_a_pooled_window():
    """One convolution, then a pool of windows that are all 0: the channel's weight is 1 / 8."""
    x = inputs = keras.Input((4, 4, 4, 1))
    for layer in (keras.layers.Conv3D(1, 1, name="conv"), keras.layers.MaxPooling3D(2)):
        x = layer(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    model.get_layer("conv").set_weights([np.ones((1, 1, 1, 1, 1)), np.zeros(1)])
    model.layers[-1].set_weights([np.tile([[0.0, 1.0]], (8, 1)), np.zeros(2)])
    volume = np.zeros((4, 4, 4, 1), np.float32)
    volume[0, 0, 0] = 2  # seven of eight windows are ties
    assert gradcam.class_map(model, volume, "conv", 1)[0, 0, 0] == pytest.approx(2 * 8 / 64)


@pytest.mark.parametrize("layer", ["conv_1", "conv_2"])
def test_map_equals_that_of_tf_keras_vis(layer):
    """Tanh, not ReLU: without ties TensorFlow's pooling, which that package uses, is right."""
    other = pytest.importorskip("tf_keras_vis.gradcam", reason="tf-keras-vis is not installed")
    keras.utils.set_random_seed(4)
    x = inputs = keras.Input((*SHAPE, 1))
    for block in (1, 2):
        x = keras.layers.Conv3D(6, 3, activation="tanh", name=f"conv_{block}")(x)
        x = keras.layers.BatchNormalization()(keras.layers.MaxPooling3D(2)(x))
    x = keras.layers.Dense(8, activation="relu")(keras.layers.GlobalAveragePooling3D()(x))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    linear, volumes = keras.models.clone_model(model), volumes_of(2) - 0.5
    linear.layers[-1].activation = keras.activations.linear
    linear.set_weights(model.get_weights())
    cam = other.Gradcam(linear, clone=False)
    for label in (0, 1):
        expected = cam(
            lambda output, label=label: output[:, label], volumes, penultimate_layer=layer,
            seek_penultimate_conv_layer=False, expand_cam=False, normalize_cam=False,
        )  # fmt: skip
        found = gradcam.class_maps(model, volumes, layer, label)
        assert found.max() > 0
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-5 * found.max())


def test_logits_are_what_the_softmax_gets_and_maps_do_not_depend_on_the_batch(papers):
    volumes = volumes_of(10)
    score = cnn.score(papers, volumes)
    found = gradcam.logits(papers, volumes)
    assert np.allclose(1 / (1 + np.exp(found[:, 0] - found[:, 1])), score, atol=1e-6)
    together = gradcam.class_maps(papers, volumes, "conv3d_3", 1)
    alone = gradcam.class_map(papers, volumes[9], "conv3d_3", 1)
    assert together.shape == (10, 4, 4, 4) and np.allclose(together[9], alone, atol=1e-6)
    assert not np.allclose(together, gradcam.class_maps(papers, volumes, "conv3d_3", 0))


def test_zero_map_is_reported_not_divided(network):
    network_map = gradcam.class_map(network, np.zeros((4, 6, 8, 1), np.float32), "conv", 1)
    assert network_map.max() == 0 and gradcam.scaled(network_map).max() == 0
    assert np.isnan(gradcam.inside_share(network_map, np.ones_like(network_map)))
    assert gradcam.kind(network_map) == "zero"
    assert gradcam.kind(network_map + 0.3) == "constant"
    assert gradcam.kind(volumes_of(1)) == "map"


def test_unknown_layer_and_label_are_named(network):
    volume = np.zeros((4, 6, 8, 1), np.float32)
    with pytest.raises(StudyError, match="Expected: one of conv"):
        gradcam.class_map(network, volume, "dense", 1)
    with pytest.raises(StudyError, match=r"label = 2. Expected: 1 \(mutant\)"):
        gradcam.class_map(network, volume, "conv", 2)


def test_map_returns_to_its_place_on_the_ct():
    ct = sitk.Image([60, 50, 20], sitk.sitkFloat32)
    ct.SetSpacing([0.5, 0.5, 2.0])
    ct.SetOrigin([-7.0, 3.0, 100.0])
    box = sitk.Image([16, 12, 8], sitk.sitkFloat32)
    box.SetOrigin([0.0, 8.0, 110.0])
    heat = np.zeros((4, 6, 8), np.float32)
    heat[2, 3, 5] = 1
    placed = sitk.GetArrayFromImage(grid_of(ct).resampled(gradcam.on_box(heat, box)))
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
    assert gradcam.spread_patients(scores, 3) == ["d", "f", "a"]
    assert gradcam.spread_patients(scores, 99) == list("defbca")


def test_a_case_lies_where_the_ct_says(papers):
    """The brightest voxel of a CT stands at the same place (mm, LPS) in the case drawn of it."""
    array = np.full((20, 40, 44), -500, np.float32)
    array[9, 17, 25] = 300
    ct = sitk.GetImageFromArray(array)
    ct.SetSpacing((0.8, 0.8, 1.5))
    ct.SetOrigin((-120.0, 35.0, -900.0))
    drawn = np.zeros(array.shape, np.uint8)
    drawn[5:13, 12:22, 20:30] = 1
    mask = sitk.GetImageFromArray(drawn)
    mask.CopyInformation(ct)
    study = SimpleNamespace(settings=Settings())
    volume = volumes_of(1)[0]
    case = explain_images(study, ct, mask, volume, papers, "conv3d_2")
    brightest = np.array(np.unravel_index(case.hu.argmax(), case.hu.shape))
    place = (np.array(case.origin_mm) + brightest)[::-1]
    assert np.allclose(place, ct.TransformIndexToPhysicalPoint((25, 17, 9)), atol=0.75)
    ct.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    mask.CopyInformation(ct)
    tilted = explain_images(study, ct, mask, volume, papers, "conv3d_2")
    assert tilted.origin_mm is None


def test_peaks_outside_the_lesion_are_named():
    lesion = np.zeros((4, 4, 4), bool)
    lesion[1:3, 1:3, 1:3] = True
    inside, outside = np.zeros(lesion.shape), np.zeros(lesion.shape)
    inside[1, 1, 1] = outside[0, 0, 0] = 1.0
    cases = {
        f"{name}, score 0.5": Case(lesion, lesion, heat, None)
        for name, heat in (("P1", inside), ("P2", outside), ("P3", np.zeros(lesion.shape)))
    }
    assert peaks_outside(cases) == ["P2"]
