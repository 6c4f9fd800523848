"""3D Grad-CAM: where in the lesion a score comes from (paper, Grad-CAM; Selvaraju 2017)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.cnn import keras, tf
from radiogenomics.study import StudyError
from radiogenomics.volumes import resized_grid


def conv_layers(model: keras.Model) -> list[str]:
    """Return the names of the convolutional layers, input to output."""
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv3D)]


def class_map(model: keras.Model, volume: np.ndarray, layer: str, label: int) -> np.ndarray:
    """Return the Grad-CAM map of one volume, float32 (z, y, x) on the layer's grid, not scaled.

    The gradient is that of the class's logit, not of its softmax, which flattens out where the
    network is certain. A map that is zero everywhere stays zero.

    Args:
        model: the paper's network.
        volume: (z, y, x, 1), from 0 to 1.
        layer: a convolutional layer's name.
        label: 1 for mutant, 0 for wild-type.

    Raises:
        StudyError: the network has no such convolutional layer.
    """
    if layer not in conv_layers(model):
        raise StudyError(f"layer = {layer!r}. Expected: one of {', '.join(conv_layers(model))}.")
    head = model.layers[-1]
    inner = keras.Model(model.input, [model.get_layer(layer).output, head.input])
    with tf.GradientTape() as tape:
        activation, last = inner(volume[np.newaxis], training=False)
        class_logit = tf.matmul(last, head.kernel)[0, label] + head.bias[label]
    gradient = tape.gradient(class_logit, activation)
    weights = tf.reduce_mean(gradient, axis=(1, 2, 3))
    return tf.nn.relu(tf.einsum("bzyxc,bc->bzyx", activation, weights))[0].numpy()


def on_box(heat: np.ndarray, box: sitk.Image) -> sitk.Image:
    """Return a map (z, y, x) on the grid of the lesion's box (1 mm), by linear interpolation.

    Each of the layer's voxels covers its share of the box: the box was stretched to the
    network's input as a whole.
    """
    image = sitk.GetImageFromArray(heat.astype(np.float32))
    image.CopyInformation(resized_grid(box, heat.shape))
    return _resampled(image, box)


def on_ct(heat: np.ndarray, box: sitk.Image, ct: sitk.Image) -> sitk.Image:
    """Return a map (z, y, x) on the CT's own grid, 0 outside the lesion's box."""
    inside = sitk.Resample(on_box(heat, box), ct, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.Cast(inside, sitk.sitkFloat32)


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
