"""The 17-layer 3D CNN: its layers, its device, its file, its scores (paper, CNN)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from radiogenomics.study import contract, tables
from radiogenomics.study.errors import SettingsFault, StudyError
from radiogenomics.study.files import whole_file, with_extra
from radiogenomics.study.settings import CNN
from radiogenomics.study.study import Study
from radiogenomics.study.values import did_you_mean

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default where AVX-512 is missing


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Mute file descriptor 2: TensorFlow's start-up lines ignore every log level."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


with _quiet():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices("GPU")  # says on the terminal when there is none

FILTERS = (32, 64, 128, 256)
NETWORK = "cnn.keras"  # the study's, among its models
TINY = 1e-30  # of a probability, before its logarithm


def build(shape: tuple[int, int, int], settings: CNN, seed: int) -> keras.Model:
    """Return the network that `[cnn] network` names, untrained (`NETWORKS`).

    Args:
        shape: input (z, y, x).
        settings: the network's name, dropout and batch-norm momentum.
        seed: of the initial weights and the dropout.

    Raises:
        SettingsFault: no network has this name.
    """
    if settings.network not in NETWORKS:
        hint = did_you_mean(settings.network, NETWORKS)
        raise SettingsFault(f"[cnn] network = {settings.network!r}: no such network. {hint}")
    keras.utils.set_random_seed(seed)
    return NETWORKS[settings.network](shape, settings, seed)


def paper_network(shape: tuple[int, int, int], settings: CNN, seed: int) -> keras.Model:
    """Return the paper's network, untrained; arguments as of `build`.

    Four blocks of Conv3D, max-pool and batch norm, global average pooling, dense 512, dropout
    and two outputs: the arrangement whose parameters number 1,297,090 in 17 layers.
    """
    inputs = x = keras.Input((*shape, 1), name="volume")
    for block, filters in enumerate(FILTERS, start=1):
        x = keras.layers.Conv3D(
            filters, 3, padding="same", activation="relu", name=f"conv3d_{block}"
        )(x)
        x = keras.layers.MaxPooling3D(2, name=f"pool_{block}")(x)
        x = keras.layers.BatchNormalization(
            momentum=settings.batch_norm_momentum, name=f"norm_{block}"
        )(x)
    x = keras.layers.GlobalAveragePooling3D(name="average")(x)
    x = keras.layers.Dense(512, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(settings.dropout, seed=seed, name="dropout")(x)
    outputs = keras.layers.Dense(2, activation="softmax", name="probability")(x)
    return keras.Model(inputs, outputs, name="egfr_cnn")


NETWORKS: dict[str, Callable[[tuple[int, int, int], CNN, int], keras.Model]] = {
    "paper": paper_network,  # two outputs, the second of label 1; Grad-CAM takes any Conv3D layer
}


def layers_table(model: keras.Model) -> pd.DataFrame:
    """Return one row per layer: layer, kind, output_shape, parameters, trainable."""
    rows = [
        (
            layer.name,
            type(layer).__name__,
            "×".join(str(n) for n in layer.output.shape[1:]),
            layer.count_params(),
            sum(int(np.prod(w.shape)) for w in layer.trainable_weights),
        )
        for layer in model.layers
    ]
    return tables.CNN_LAYERS.frame(rows)


def device(wanted: str = "auto") -> str:
    """Return the device that training runs on, in words.

    Raises:
        StudyError: `device = "gpu"` and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        raise StudyError(
            "device = 'gpu', but TensorFlow sees no GPU. Expected: an NVIDIA GPU and the GPU build "
            f"({with_extra('gpu', 'run --only 04')}). Or set device = 'auto'."
        )
    if gpus and wanted != "cpu":
        with contextlib.suppress(RuntimeError, ValueError):
            for gpu in gpus:
                tf.config.experimental.set_memory_growth(gpu, True)
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        return f"GPU ({name})"
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")
    return f"CPU ({os.cpu_count()} cores)"


def save(model: keras.Model, path: Path) -> None:
    """Write a network as a .keras file (a zip of JSON and weights, no code)."""
    with whole_file(path) as part:
        model.save(part)


def load(path: Path) -> keras.Model:
    """Read a network that `save` wrote; no code of the file is run."""
    return keras.models.load_model(path, safe_mode=True)


def save_network(study: Study, model: keras.Model) -> None:
    """Keep the study's network among its models."""
    save(model, study.models / NETWORK)


def average(models: list[keras.Model]) -> keras.Model:
    """Return one network whose logits are the mean of these networks' (`members` finds them)."""
    if len(models) == 1:
        return models[0]
    inputs = keras.Input(models[0].input_shape[1:], name="volume")
    logs = []
    for number, model in enumerate(models, start=1):
        model.name = f"network_{number}"
        logs.append(keras.ops.log(keras.ops.maximum(model(inputs), TINY)))
    mean = keras.layers.Average(name="mean")(logs)
    return keras.Model(inputs, keras.layers.Softmax(name="probability")(mean), name="average")


def members(model: keras.Model) -> list[keras.Model]:
    """Return the networks that `average` joined; of any other network itself."""
    return [part for part in model.layers if isinstance(part, keras.Model)] or [model]


def freshen(model: keras.Model, volumes: np.ndarray, batch: int) -> None:
    """Set batch norm's statistics to their mean over one pass through these volumes, in order.

    In training a batch is normalised by its own mean and variance: the moving ones are used
    afterwards alone, and lag behind in the first epochs (Izmailov 2018, section 3.2).

    Args:
        model: in training; its weights stay as they are.
        volumes: of the patients it is fitted to, as they are, (patient, z, y, x, 1).
        batch: patients at once.
    """
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    seen = 0
    for part in np.array_split(volumes, int(np.ceil(len(volumes) / batch))):
        for norm in norms:
            norm.momentum = seen / (seen + len(part))
        model(part, training=True)
        seen += len(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def load_network(study: Study) -> keras.Model:
    """Read the study's network.

    Raises:
        StudyError: there is none; names the notebook to run.
    """
    if not (study.models / NETWORK).exists():
        raise study.not_yet(f"models/{NETWORK}", contract.TRAINING)
    return load(study.models / NETWORK)


def score(model: keras.Model, volumes: np.ndarray, batch: int = 8) -> np.ndarray:
    """Return the probability of mutant (patient,) for volumes (patient, z, y, x, 1)."""
    starts = range(0, len(volumes), batch)
    parts = [model(volumes[i : i + batch], training=False)[:, 1].numpy() for i in starts]
    return np.concatenate(parts).astype(float)
