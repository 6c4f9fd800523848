"""How one network is trained: epochs, the one that is kept, attempts, what an interruption leaves.

The paper's training (section CNN) with three additions, each a setting: batch norm's statistics
are made afresh after an epoch, a training that found nothing starts again, networks are averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from radiogenomics.models import devices
from radiogenomics.models.augmentation import augmented
from radiogenomics.models.devices import keras
from radiogenomics.models.network import (
    average,
    build,
    freshen,
    in_float32,
    load,
    save,
    score,
)
from radiogenomics.models.own_network import Recipe
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import SEAL, sound, whole_file
from radiogenomics.study.settings import CNN

HISTORY, BEST = "history.csv", "best.keras"
BETWEEN = 2**20  # of the counters of two random layers: more than the steps of a training
EPOCH = "epoch_"  # how the file of the last epoch begins; its number follows


@dataclass(frozen=True)
class Attempt:
    """One network's training that ended: its number, its folder, the curve of every epoch."""

    number: int
    folder: Path
    history: pd.DataFrame

    @property
    def kept(self) -> pd.Series:
        """The history's row of the best epoch; its name is the epoch."""
        return self.history.set_index("epoch").loc[best_epoch(self.history)]


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        model: the network at its best epoch, or the average of several.
        attempts: of each of its networks, every attempt.
        to_beat: the entropy of the fitted patients' labels, what a network that knows their
            share alone would reach.
    """

    model: keras.Model
    attempts: list[list[Attempt]]
    to_beat: float

    @property
    def kept(self) -> list[Attempt]:
        """Of each network the attempt whose best epoch has the lowest validation loss."""
        return [_lowest(tried) for tried in self.attempts]


@dataclass(frozen=True)
class Patients:
    """Who takes part in a training: volumes (patient, z, y, x, 1), labels, rows, label weights."""

    volumes: np.ndarray
    labels: np.ndarray
    fit: np.ndarray
    check: np.ndarray
    weights: np.ndarray


def train(
    volumes: np.ndarray,
    labels: np.ndarray,
    settings: CNN,
    seed: int,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Training:
    """Train on these patients; a part of them, never others, decides the epoch.

    A training whose validation loss never falls below the entropy of the labels starts again with
    other weights, order and dropout, on the same patients, `attempts` times in all. Every
    finished epoch is kept in `folder`; a training that was interrupted goes on from there.

    Args:
        volumes: float32 (patient, z, y, x, 1), from 0 to 1.
        labels: 0 or 1, (patient,).
        settings: of the network and its training.
        seed: of the weights, the validation part, the order and the dropout.
        folder: the checkpoints' place; one folder a training.
        progress: called with (epochs done, epochs without a further attempt).

    Raises:
        StudyError: the backend cannot do what the settings ask for, or a training diverges.
    """
    devices.require(settings.precision, settings.deterministic)
    fit, check = validation_split(labels, settings.validation, seed)
    patients = Patients(volumes, labels, fit, check, label_weights(labels[fit], settings))
    to_beat, total = entropy(labels[fit], patients.weights), settings.networks * settings.epochs
    attempts = []
    for number in range(1, settings.networks + 1):
        tried: list[Attempt] = []
        while len(tried) < settings.attempts and not _beaten(tried, to_beat):
            place = folder / f"network_{number}_attempt_{len(tried) + 1}"
            own = _own_seed(seed, number, len(tried) + 1)
            before = (number - 1) * settings.epochs
            history = _attempt(
                patients, settings, own, place, lambda done, n=before: progress(n + done, total)
            )
            tried.append(Attempt(len(tried) + 1, place, history))
        attempts.append(tried)
    progress(total, total)
    kept = [in_float32(load(_lowest(tried).folder / BEST)) for tried in attempts]
    models = [corrected(model, patients.weights) for model in kept]
    return Training(average(models), attempts, to_beat)


def _lowest(tried: list[Attempt]) -> Attempt:
    return min(tried, key=lambda attempt: attempt.kept.val_loss)


def _beaten(tried: list[Attempt], to_beat: float) -> bool:
    return bool(tried) and _lowest(tried).kept.val_loss < to_beat


def _own_seed(seed: int, network: int, attempt: int) -> int:
    """Return the study's seed for the first attempt of the first network, others for the rest."""
    if (network, attempt) == (1, 1):
        return seed
    return int(np.random.SeedSequence([seed, network, attempt]).generate_state(1)[0])


def label_weights(labels: np.ndarray, settings: CNN) -> np.ndarray:
    """Return the weight of each label, (0 and 1): equal, or such that both count alike."""
    if settings.class_weights == "none":
        return np.ones(2)
    return len(labels) / (2 * np.bincount(labels, minlength=2))


def entropy(labels: np.ndarray, weights: np.ndarray) -> float:
    """Return the cross-entropy of the labels' (weighted) share as everyone's probability."""
    shares = np.bincount(labels, weights[labels], minlength=2) / weights[labels].sum()
    return float(-np.sum(shares * np.log(shares)))


def corrected(model: keras.Model, weights: np.ndarray) -> keras.Model:
    """Take the weights of the labels out of a network's logit (King 2001, prior correction)."""
    head = model.layers[-1]
    head.bias.assign(head.bias - np.log(weights))
    return model


def validation_split(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to fit and rows that decide the epoch, stratified by label."""
    rows = np.arange(len(labels))
    return train_test_split(rows, test_size=fraction, stratify=labels, random_state=seed)


def best_epoch(history: pd.DataFrame) -> int:
    """Return the epoch with the lowest validation loss (the first of equals)."""
    return int(history.epoch[history.val_loss.idxmin()])


def stopped(history: pd.DataFrame, settings: CNN) -> bool:
    """Return whether `patience` epochs have gone by since the best one and the warm-up."""
    since = max(best_epoch(history), settings.warm_up) if len(history) else len(history)
    return len(history) > 0 and len(history) - since >= settings.patience


def learning_rate(epoch: int, settings: CNN) -> float:
    """Return the learning rate of an epoch, from 1."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * (1 + np.cos(np.pi * (epoch - 1) / settings.epochs)) / 2


def _attempt(
    patients: Patients, settings: CNN, seed: int, folder: Path, progress: Callable[[int], None]
) -> pd.DataFrame:
    """Train one network to its end; an epoch depends on the seed and its number alone."""
    model, history = _resumed(folder, patients, settings, seed)
    for epoch in range(len(history) + 1, settings.epochs + 1):
        if stopped(history, settings):
            break
        row = _epoch(model, patients, settings, seed, epoch)
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        _keep(folder, model, history)
        progress(epoch)
    return history


def _epoch(
    model: keras.Model, patients: Patients, settings: CNN, seed: int, epoch: int
) -> dict[str, float]:
    rng = np.random.default_rng([seed, epoch])
    for number, state in enumerate(_random_states(model)):
        state.assign(np.array([seed % 2**31, epoch + number * BETWEEN], dtype=state.dtype))
    model.optimizer.learning_rate.assign(learning_rate(epoch, settings))
    order = rng.permutation(patients.fit)
    seen = {"loss": 0.0, "accuracy": 0.0}
    for rows in np.array_split(order, _steps(patients, settings)):
        window = settings.window_hu if isinstance(settings, Recipe) else None
        batch = augmented(patients.volumes[rows], settings.augmentation, rng, window)
        labels = patients.labels[rows]
        model.reset_metrics()
        step = model.train_on_batch(batch, labels, patients.weights[labels], return_dict=True)
        seen = {name: seen[name] + step[name] * len(rows) / len(order) for name in seen}
    if settings.statistics == "fresh":
        freshen(model, patients.volumes[np.sort(patients.fit)], settings.batch)
    scores = score(model, patients.volumes[patients.check], settings.batch)
    if not np.isfinite(scores).all():
        raise StudyError(
            f"epoch {epoch} left a network whose scores are not numbers. Expected: a training that "
            f"converges. Found: [cnn] precision = {settings.precision!r}, learning_rate = "
            f"{settings.learning_rate:g}. Set precision = 'float32', or a lower learning_rate."
        )
    checked = _validated(patients.labels[patients.check], scores, patients.weights)
    return {"epoch": epoch, **{k: float(v) for k, v in seen.items()}, **checked}


def _random_states(model: keras.Model) -> list[keras.Variable]:
    """Return the states from which layers draw at random: of dropout, and of noise."""
    return [x for x in model.variables if x.path.endswith("seed_generator_state")]


def _validated(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return cross-entropy, weighted by label, and accuracy of scores (patient,)."""
    loss = log_loss(labels, scores, sample_weight=weights[labels], labels=[0, 1])
    return {"val_loss": float(loss), "val_accuracy": float(np.mean((scores >= 0.5) == labels))}


def _steps(patients: Patients, settings: CNN) -> int:
    return int(np.ceil(len(patients.fit) / settings.batch))


def _compiled(model: keras.Model, learning_rate: float) -> keras.Model:
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
        jit_compile=devices.BACKEND == "jax",
    )
    return model


def _resumed(
    folder: Path, patients: Patients, settings: CNN, seed: int
) -> tuple[keras.Model, pd.DataFrame]:
    """Return the network and its history as the last whole epoch left them.

    The history may be a row ahead: a stop between the two files. That epoch is trained again; from
    the first one where a file is damaged.
    """
    saved = last_saved(folder)
    if saved and sound(folder / HISTORY) and sound(folder / BEST):
        history = pd.read_csv(folder / HISTORY)
        epochs = int(saved.stem.removeprefix(EPOCH))
        if epochs <= len(history):
            return load(saved), history[:epochs]
    if folder.exists():
        name = folder.parent.name
        print(f"{name}: what was kept of its training cannot be continued: it begins anew")
    model = build(patients.volumes.shape[1:4], settings, seed)
    history = pd.DataFrame({"epoch": pd.Series(dtype=int), "val_loss": pd.Series(dtype=float)})
    return _compiled(model, settings.learning_rate), history


def _keep(folder: Path, model: keras.Model, history: pd.DataFrame) -> None:
    if best_epoch(history) == len(history):
        save(model, folder / BEST)
    with whole_file(folder / HISTORY, sealed=True) as part:
        history.to_csv(part, index=False)
    before = list(folder.glob(f"{EPOCH}*.keras"))
    save(model, folder / f"{EPOCH}{len(history):04d}.keras")
    for path in before:
        path.unlink()
        path.with_name(f"{path.name}{SEAL}").unlink(missing_ok=True)


def last_saved(folder: Path) -> Path | None:
    """Return the network of the last epoch that was saved whole; None where there is none."""
    return max(filter(sound, folder.glob(f"{EPOCH}*.keras")), default=None)
