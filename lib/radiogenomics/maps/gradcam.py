"""3D Grad-CAM: where in the lesion a score comes from (paper, Grad-CAM; Selvaraju 2017)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.images.volumes import resized_grid
from radiogenomics.models.devices import keras, tf
from radiogenomics.models.network import members
from radiogenomics.study.errors import UsageError

BATCH = 8  # volumes that pass the network at once
FLAT = 1e-6  # of its highest value: a map that varies less is constant


def conv_layers(model: keras.Model) -> list[str]:
    """Return the names of the convolutional layers, input to output."""
    layers = members(model)[0].layers
    return [layer.name for layer in layers if isinstance(layer, keras.layers.Conv3D)]


def class_map(model: keras.Model, volume: np.ndarray, layer: str, label: int) -> np.ndarray:
    """Return the Grad-CAM map of one volume (z, y, x, 1), as `class_maps` does of many."""
    return class_maps(model, volume[np.newaxis], layer, label)[0]


def class_maps(model: keras.Model, volumes: np.ndarray, layer: str, label: int) -> np.ndarray:
    """Return Grad-CAM maps, float32 (patient, z, y, x) on the layer's grid, not scaled.

    The gradient is that of the class's logit, not of its softmax, which flattens out where the
    network is certain. A map that is zero everywhere stays zero. Of an average of networks the
    map is the mean of theirs: its logit is the mean of their logits.

    Args:
        model: a chain of layers, or an average of such networks.
        volumes: (patient, z, y, x, 1), from 0 to 1.
        layer: a convolutional layer's name.
        label: 1 for mutant, 0 for wild-type.

    Raises:
        StudyError: the network has no such convolutional layer, or the label is not 0 or 1.
    """
    if layer not in conv_layers(model):
        raise UsageError(f"layer = {layer!r}. Expected: one of {', '.join(conv_layers(model))}.")
    if label not in (0, 1):
        raise UsageError(f"label = {label!r}. Expected: 1 (mutant) or 0 (wild-type).")
    return np.mean([_one(part, volumes, layer, label) for part in members(model)], axis=0)


def _one(model: keras.Model, volumes: np.ndarray, layer: str, label: int) -> np.ndarray:
    below = keras.Model(model.input, model.get_layer(layer).output)
    starts = range(0, len(volumes), BATCH)
    batches = (below(volumes[i : i + BATCH], training=False) for i in starts)
    return np.concatenate([_maps(model, layer, activation, label) for activation in batches])


def _maps(model: keras.Model, layer: str, activation: tf.Tensor, label: int) -> np.ndarray:
    """Return the maps of a batch; in inference one volume's logit knows nothing of the others."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(activation)
        class_logits = tf.reduce_sum(logits_above(model, layer, activation)[:, label])
    gradient = tape.gradient(class_logits, activation)
    weights = tf.reduce_mean(gradient, axis=(1, 2, 3))
    return tf.nn.relu(tf.einsum("bzyxc,bc->bzyx", activation, weights)).numpy()


def logits_above(model: keras.Model, layer: str, x: tf.Tensor) -> tf.Tensor:
    """Return the logits (batch, class) from a layer's output; the network is a chain of layers."""
    names = [operation.name for operation in model.layers]
    for operation in model.layers[names.index(layer) + 1 : -1]:
        pools = isinstance(operation, keras.layers.MaxPooling3D)
        x = _pooled(x, operation.pool_size) if pools else operation(x, training=False)
    return _logits(model.layers[-1], x)


def _pooled(x: tf.Tensor, size: tuple[int, int, int]) -> tf.Tensor:
    """Max-pool (batch, z, y, x, channel) without overlap, equal voxels sharing the gradient.

    TensorFlow's own pooling on a CPU gives each of equal voxels the whole gradient. After a
    ReLU most windows are 8 zeros: their say in a channel's weight would be eightfold.
    """
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
    """Return `zero`, `constant` or `map`: only the last says where anything is."""
    top = float(heat.max())
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
