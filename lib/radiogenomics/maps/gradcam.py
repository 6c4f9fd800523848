"""3D Grad-CAM: where in the lesion a score comes from (paper, Grad-CAM; Selvaraju 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.images.volumes import resized_grid
from radiogenomics.models.devices import keras, tf
from radiogenomics.models.network import members
from radiogenomics.study.errors import UsageError
from radiogenomics.study.settings import Settings

USUAL = {"paper": "conv3d_3"}  # layers of the library's networks, where none is named
BATCH = 8  # volumes that pass the network at once
FLAT = 1e-6  # of its highest value: a map that varies less is constant


def map_layers(model: keras.Model) -> list[str]:
    """Return the names of layers of which a map can be made, input to output.

    Their output is a grid of several voxels (z, y, x); what only repeats another's output coarser,
    a pool, or on another scale, a batch norm, is none.
    """
    kinds = keras.layers
    skipped = (kinds.InputLayer, kinds.MaxPooling3D, kinds.AveragePooling3D)
    skipped += (kinds.BatchNormalization,)
    return [
        layer.name for layer in members(model)[0].layers
        if not isinstance(layer, skipped) and len(layer.output.shape) == 5
        and np.prod(layer.output.shape[1:4]) > 1
    ]  # fmt: skip


def chosen_layer(model: keras.Model, settings: Settings) -> str:
    """Return the layer of `[gradcam] layer`; where that is empty, the last that has a map.

    Of the library's networks it is `USUAL`; "" where the network has no such layer.

    Raises:
        UsageError: the network has no layer of this name.
    """
    layers, named = map_layers(model), settings.gradcam.layer
    if named and layers and named not in layers:
        raise UsageError(f"layer = {named!r}. Expected: one of {', '.join(layers)}.")
    last = layers[-1] if layers else ""
    return (named or USUAL.get(settings.cnn.network, last)) if layers else ""


def class_map(model: keras.Model, volume: np.ndarray, layer: str, label: int) -> np.ndarray:
    """Return the Grad-CAM map of one volume (z, y, x, 1), as `class_maps` does of many."""
    return class_maps(model, volume[np.newaxis], layer, label)[0]


def class_maps(model: keras.Model, volumes: np.ndarray, layer: str, label: int) -> np.ndarray:
    """Return Grad-CAM maps, float32 (patient, z, y, x) on the layer's grid, not scaled.

    The gradient is that of the class's logit, not of its softmax, which flattens out where the
    network is certain. A map that is zero everywhere stays zero. Of an average of networks the
    map is the mean of theirs: its logit is the mean of their logits.

    Args:
        model: a network, or an average of networks of the same layers.
        volumes: (patient, z, y, x, 1), from 0 to 1.
        layer: one of `map_layers`; "": no map, one voxel of NaN each.
        label: 1 for mutant, 0 for wild-type.

    Raises:
        StudyError: the network has no such layer, or the label is not 0 or 1.
    """
    if not layer:
        return np.full((len(volumes), 1, 1, 1), np.nan, np.float32)
    if layer not in (layers := map_layers(model)):
        raise UsageError(f"layer = {layer!r}. Expected: one of {', '.join(layers)}.")
    if label not in (0, 1):
        raise UsageError(f"label = {label!r}. Expected: 1 (mutant) or 0 (wild-type).")
    return np.mean([_one(part, volumes, layer, label) for part in members(model)], axis=0)


def _one(model: keras.Model, volumes: np.ndarray, layer: str, label: int) -> np.ndarray:
    both = with_logits(model, layer)
    starts = range(0, len(volumes), BATCH)
    return np.concatenate([_maps(both, volumes[i : i + BATCH], label) for i in starts])


def _maps(both: keras.Model, volumes: np.ndarray, label: int) -> np.ndarray:
    """Return the maps of a batch; in inference one volume's logit knows nothing of the others."""
    batch = tf.convert_to_tensor(volumes)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(batch)
        activation, outputs = both(batch, training=False)
        class_logits = tf.reduce_sum(outputs[:, label])
    gradient = tape.gradient(class_logits, activation, unconnected_gradients="zero")
    weights = tf.reduce_mean(gradient, axis=(1, 2, 3))
    return tf.nn.relu(tf.einsum("bzyxc,bc->bzyx", activation, weights)).numpy()


def with_logits(model: keras.Model, layer: str) -> keras.Model:
    """Return the network with two outputs: a layer's, and what the softmax gets (batch, class).

    Its max-pools share the gradient between equal voxels (`SharedMaxPooling3D`).
    """

    def copied(own: keras.Layer) -> keras.Layer:
        if own is model.layers[-1]:
            return type(own).from_config(own.get_config() | {"activation": "linear"})
        if isinstance(own, keras.layers.MaxPooling3D) and _apart(own):
            return SharedMaxPooling3D(own.pool_size, name=own.name)
        return type(own).from_config(own.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return keras.Model(copy.input, [copy.get_layer(layer).output, copy.output])


def _apart(pool: keras.layers.MaxPooling3D) -> bool:
    """Return whether a pool's windows neither overlap nor reach beyond the edge."""
    return pool.pool_size == pool.strides and pool.padding == "valid"


class SharedMaxPooling3D(keras.layers.Layer):
    """Max-pool without overlap, equal voxels of a window sharing its gradient.

    TensorFlow's own pooling on a CPU gives each of equal voxels the whole gradient. After a
    ReLU most windows are 8 zeros: their say in a channel's weight would be eightfold.
    """

    def __init__(self, size: tuple[int, int, int], **more: Any) -> None:
        super().__init__(**more)
        self.size = size

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Return (batch, z, y, x, channel) after the pool."""
        return (
            shape[0],
            *(n // side for n, side in zip(shape[1:4], self.size, strict=True)),
            shape[4],
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the highest value of each window."""
        return _pooled(x, self.size)


def _pooled(x: tf.Tensor, size: tuple[int, int, int]) -> tf.Tensor:
    grid = [n // side for n, side in zip(x.shape[1:4], size, strict=True)]
    z, y, x_ = (n * side for n, side in zip(grid, size, strict=True))
    split = [m for pair in zip(grid, size, strict=True) for m in pair]
    windows = tf.reshape(x[:, :z, :y, :x_], [-1, *split, x.shape[-1]])
    windows = tf.transpose(windows, [0, 1, 3, 5, 7, 2, 4, 6])
    return tf.reduce_max(tf.reshape(windows, [-1, *grid, x.shape[-1], np.prod(size)]), axis=-1)


def _logits(head: keras.layers.Dense, last: tf.Tensor) -> tf.Tensor:
    return tf.matmul(last, head.kernel) + head.bias


def logits(model: keras.Model, volumes: np.ndarray) -> np.ndarray:
    """Return what the softmax gets, (patient, class), for volumes (patient, z, y, x, 1)."""
    return np.mean([_own_logits(part, volumes) for part in members(model)], axis=0)


def _own_logits(model: keras.Model, volumes: np.ndarray) -> np.ndarray:
    head = model.layers[-1]
    inner = keras.Model(model.input, head.input)
    starts = range(0, len(volumes), BATCH)
    lasts = (inner(volumes[i : i + BATCH], training=False) for i in starts)
    return np.concatenate([_logits(head, last).numpy() for last in lasts])


def kind(heat: np.ndarray) -> str:
    """Return `none`, `zero`, `constant` or `map`: only the last says where anything is."""
    top = float(heat.max())
    if np.isnan(top):
        return "none"
    if top <= 0:
        return "zero"
    return "map" if top - float(heat.min()) > FLAT * top else "constant"


def on_box(heat: np.ndarray, box: sitk.Image) -> sitk.Image:
    """Return a map (z, y, x) on the grid of the lesion's box (1 mm), by linear interpolation.

    Each of the layer's voxels covers its share of the box: the box was stretched to the
    network's input as a whole.
    """
    image = sitk.GetImageFromArray(heat.astype(np.float32))
    image.CopyInformation(resized_grid(box, heat.shape))
    return _resampled(image, box)


def on_input(heat: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return a map (z, y, x) on the grid of the network's input of `shape`, as on the box."""
    grid = sitk.Image([int(n) for n in shape[::-1]], sitk.sitkFloat32)
    return sitk.GetArrayFromImage(on_box(heat, grid))


def _resampled(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    linear = sitk.ResampleImageFilter()
    linear.SetReferenceImage(grid)
    linear.SetInterpolator(sitk.sitkLinear)
    linear.UseNearestNeighborExtrapolatorOn()
    return linear.Execute(image)


def scaled(heat: np.ndarray) -> np.ndarray:
    """Return a map from 0 to 1; one that is zero everywhere stays zero."""
    top = float(heat.max())
    return heat / top if top > 0 else heat


def inside_share(heat: np.ndarray, lesion: np.ndarray) -> float:
    """Return the share of the map's sum that lies in the lesion, NaN for a map of zeros."""
    total = float(heat.sum())
    return float(heat[lesion > 0].sum()) / total if total > 0 else float("nan")


def shown_patients(scores: pd.DataFrame, threshold: float, n: int) -> pd.DataFrame:
    """Choose test patients by rule: of each outcome in turn, the score nearest the threshold.

    The outcomes are true and false positive, false and true negative; an outcome that no
    patient has is left out; a second round takes the most certain of each.

    Args:
        scores: patient, label, score of the test cohort.
        threshold: score >= threshold counts as mutant.
        n: patients at most.

    Returns:
        patient, label, score, outcome, rule.
    """
    called = scores.score >= threshold
    outcome = np.select(
        [called & (scores.label == 1), called & (scores.label == 0), scores.label == 1],
        ["true positive", "false positive", "false negative"],
        "true negative",
    )
    table = scores.assign(outcome=outcome, distance=(scores.score - threshold).abs())
    table = table.sort_values(["distance", "patient"])
    near = table.drop_duplicates("outcome").assign(rule="nearest the threshold")
    far = table.drop_duplicates("outcome", keep="last").assign(rule="most certain")
    chosen = pd.concat([near.sort_values("outcome"), far.sort_values("outcome")])
    columns = ["patient", "label", "score", "outcome", "rule"]
    return chosen.drop_duplicates("patient")[columns].head(n).reset_index(drop=True)


def spread_patients(scores: pd.DataFrame, n: int) -> list[str]:
    """Choose n test patients whose scores lie evenly by rank, lowest and highest included."""
    ordered = scores.sort_values(["score", "patient"]).patient.tolist()
    places = np.linspace(0, len(ordered) - 1, min(n, len(ordered)))
    return [ordered[int(round(place))] for place in places]
