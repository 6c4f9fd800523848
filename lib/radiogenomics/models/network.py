"""The 3D network: its layers, its file, its scores (paper, CNN)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from radiogenomics.models.devices import keras, training_pass
from radiogenomics.models.own_network import Recipe, build_own, require_loadable
from radiogenomics.study import contract, tables
from radiogenomics.study.errors import ModelMismatch, SettingsFault
from radiogenomics.study.files import whole_file
from radiogenomics.study.kept import digest_of, require_sound
from radiogenomics.study.own_code import FORM, own_code, read, with_digest
from radiogenomics.study.settings import CNN
from radiogenomics.study.study import Study
from radiogenomics.study.values import did_you_mean

FILTERS = (32, 64, 128, 256)
NETWORK = "cnn.keras"  # the study's, among its models
TINY = 1e-30  # of a probability, before its logarithm
POLICIES = {  # of `[cnn] precision`: what the layers compute in; weights are float32 in all
    "float32": "float32", "bfloat16": "mixed_bfloat16", "mixed_float16": "mixed_float16",
}  # fmt: skip


def build(shape: tuple[int, int, int], settings: CNN, seed: int) -> keras.Model:
    """Return the network that `[cnn] network` names, untrained (`NETWORKS`, or the study's own).

    Args:
        shape: input (z, y, x).
        settings: the network's name, dropout, batch-norm momentum and precision.
        seed: of the initial weights and the dropout.

    Raises:
        SettingsFault: no network has this name, or the study's own cannot be used.
    """
    own = isinstance(settings, Recipe) and settings.source
    if not own and settings.network not in NETWORKS:
        hint = did_you_mean(settings.network, NETWORKS)
        raise SettingsFault(
            f"[cnn] network = {settings.network!r}: no such network. {hint} Or your own: {FORM}"
        )
    keras.utils.set_random_seed(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[settings.precision])
    try:
        make = build_own if own else NETWORKS[settings.network]
        return make(shape, settings, seed)
    finally:
        keras.config.set_dtype_policy(before)


def recipe_of(study: Study) -> CNN:
    """Return `[cnn]` as a training takes it: with the study's own network, which is checked here.

    Raises:
        StudyError: the network's file is not there, cannot be used, or has changed since the
            models of these settings were fitted.
    """
    settings, code = study.settings.cnn, own_code(study.settings.cnn.network)
    more: dict = {}
    if "intensity" in settings.augmentation:
        more["window_hu"] = study.settings.preprocessing.window_hu
    if code is None:
        return Recipe(**vars(settings), **more) if more else settings
    text = read(code, study.folder)
    if code.digest != own_code(with_digest(study.settings, study.folder).cnn.network).digest:
        raise ModelMismatch(
            f"{code.file} has changed since the network of these models was trained. Expected: no "
            f"change. Run: {contract.TRAINING.run_from}"
        )
    recipe, shape = (
        Recipe(**vars(settings), **more, source=text),
        study.settings.preprocessing.shape,
    )
    first, again = (build(shape, recipe, study.settings.seed) for _ in range(2))
    require_loadable(recipe, first)
    start = digest_of(first.get_weights())
    if start != digest_of(again.get_weights()):
        raise SettingsFault(
            f"{code} gives other weights each time. Expected: the same of one seed. Draw them from "
            "Keras' initializers, or from a generator of seed."
        )
    return replace(recipe, start=start)


def paper_network(shape: tuple[int, int, int], settings: CNN, seed: int) -> keras.Model:
    """Return the paper's network, untrained; arguments as of `build`.

    Four blocks of Conv3D, max-pool and batch norm, global average pooling, dense 512, dropout
    and two outputs: the arrangement whose parameters number 1,297,090 in 17 layers.
    """
    drawn = Random(seed)  # Keras' own draw from the process' generator, which other threads use too

    def weights() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(drawn.randint(1, 10**9))

    inputs = x = keras.Input((*shape, 1), name="volume")
    for block, filters in enumerate(FILTERS, start=1):
        x = keras.layers.Conv3D(
            filters, 3, padding="same", activation="relu", kernel_initializer=weights(),
            name=f"conv3d_{block}",
        )(x)  # fmt: skip
        x = keras.layers.MaxPooling3D(2, name=f"pool_{block}")(x)
        x = keras.layers.BatchNormalization(
            momentum=settings.batch_norm_momentum, name=f"norm_{block}"
        )(x)
    x = keras.layers.GlobalAveragePooling3D(name="average")(x)
    x = keras.layers.Dense(512, activation="relu", kernel_initializer=weights(), name="dense")(x)
    x = keras.layers.Dropout(settings.dropout, seed=seed, name="dropout")(x)
    outputs = keras.layers.Dense(
        2, activation="softmax", kernel_initializer=weights(), dtype="float32", name="probability"
    )(x)
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


def save(model: keras.Model, path: Path) -> None:
    """Write a network as a .keras file (a zip of JSON and weights, no code)."""
    with whole_file(path, sealed=True) as part:
        model.save(part)


def load(path: Path) -> keras.Model:
    """Read a network that `save` wrote; no code of the file is run.

    Raises:
        ModelMismatch: the file is not as it was written.
    """
    require_sound(path, contract.TRAINING)
    return keras.models.load_model(path, safe_mode=True)


def in_float32(model: keras.Model) -> keras.Model:
    """Return a network whose layers compute in float32, whatever it was trained in."""
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    copy = keras.models.clone_model(
        model,
        clone_function=lambda x: type(x).from_config(x.get_config() | {"dtype": "float32"}),
    )
    copy.set_weights(model.get_weights())
    return copy


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
    if not norms:
        return
    statistics = [x for norm in norms for x in (norm.moving_mean, norm.moving_variance)]
    momenta, run = [norm.momentum for norm in norms], training_pass(model)
    sums = [0.0] * len(statistics)
    for norm in norms:
        norm.momentum = 0.0  # the moving statistics become the batch's
    for part in np.array_split(volumes, int(np.ceil(len(volumes) / batch))):
        run(part)
        sums = [s + len(part) * _numpy(x) for s, x in zip(sums, statistics, strict=True)]
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for kept, total in zip(statistics, sums, strict=True):
        kept.assign(total / len(volumes))


def _numpy(values: keras.KerasTensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(values).astype(float)


def load_network(study: Study) -> keras.Model:
    """Read the study's network.

    Raises:
        StudyError: there is none; names the notebook to run.
    """
    if not (study.models / NETWORK).exists():
        raise study.not_yet(f"models/{NETWORK}", contract.TRAINING)
    return load(study.models / NETWORK)


def last_layer(model: keras.Model, volumes: np.ndarray, batch: int = 8) -> np.ndarray:
    """Return what the last layer reads (patient, unit), of averaged networks side by side."""
    inner = [keras.Model(m.inputs[0], m.layers[-1].input) for m in members(model)]
    starts = range(0, len(volumes), batch)
    found = [
        np.concatenate([_numpy(m(volumes[i : i + batch], training=False)) for i in starts])
        for m in inner
    ]
    return np.concatenate([values.reshape(len(volumes), -1) for values in found], axis=1)


def score(model: keras.Model, volumes: np.ndarray, batch: int = 8) -> np.ndarray:
    """Return the probability of mutant (patient,) for volumes (patient, z, y, x, 1)."""
    starts = range(0, len(volumes), batch)
    parts = [_numpy(model(volumes[i : i + batch], training=False))[:, 1] for i in starts]
    return np.concatenate(parts) if parts else np.empty(0)
