"""How the network is trained: one training, one more a fold, what is kept of them (paper, CNN)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from radiogenomics.models.network import build, keras, load, save, score, tf
from radiogenomics.study import tables
from radiogenomics.study.files import digest, whole_file
from radiogenomics.study.settings import CNN

SPAN = 0.1  # of unseen patients' scores, below which a network says the same of all


@dataclass(frozen=True)
class Training:
    """A finished training: the network at its best epoch and the curve of every epoch."""

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int

    @property
    def kept(self) -> pd.Series:
        """The history's row of the best epoch."""
        return self.history.set_index("epoch").loc[self.best_epoch]


def train(
    volumes: np.ndarray,
    labels: np.ndarray,
    settings: CNN,
    seed: int,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Training:
    """Train on these patients; a part of them, never others, decides the epoch.

    Every finished epoch is kept in `folder`; a training that was interrupted goes on from
    there. An epoch's order, flips and dropout depend on the seed and its number alone.

    Args:
        volumes: float32 (patient, z, y, x, 1), from 0 to 1.
        labels: 0 or 1, (patient,).
        settings: epochs, patience, learning rate, batch, validation part, augmentation.
        seed: of the weights, the validation part, the order and the dropout.
        folder: the checkpoint's place; one folder a training.
        progress: called with (epochs done, epochs at most).
    """
    fit_rows, check_rows = validation_split(labels, settings.validation, seed)
    steps = int(np.ceil(len(fit_rows) / settings.batch))
    model, history = _resumed(folder, volumes.shape[1:4], settings, seed, steps)
    for epoch in range(len(history) + 1, settings.epochs + 1):
        if stopped(history, settings.patience):
            break
        row = _epoch(model, volumes, labels, fit_rows, check_rows, settings, seed, epoch)
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        _keep(folder, model, history)
        progress(epoch, settings.epochs)
    progress(settings.epochs, settings.epochs)
    best = best_epoch(history)
    return Training(load(folder / "best.keras"), history, best)


def cross_fit(
    volumes: np.ndarray,
    labels: np.ndarray,
    fold: np.ndarray,
    settings: CNN,
    seed: int,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Training, np.ndarray, dict[str, Training]]:
    """Train on all training patients, and once without each fold.

    Returns:
        The network of all, each patient's score by the network that has not seen its fold
        (patient,), and every training by name (`final`, `fold 1`, ...).
    """
    numbers = [int(n) for n in np.unique(fold)]
    total = settings.epochs * (len(numbers) + 1)
    trainings, score_oof = {}, np.empty(len(labels))
    for done, number in enumerate([0, *numbers]):
        rows = fold != number
        name = f"fold {number}" if number else "final"
        trainings[name] = train(
            volumes[rows], labels[rows], settings, seed + number, folder / name.replace(" ", "_"),
            lambda epochs, _, done=done: progress(done * settings.epochs + epochs, total),
        )  # fmt: skip
        if number:
            score_oof[~rows] = score(trainings[name].model, volumes[~rows])
    return trainings["final"], score_oof, trainings


def trainings_table(
    trainings: dict[str, Training], score_oof: np.ndarray, fold: np.ndarray
) -> pd.DataFrame:
    """Return what came of each training of `cross_fit`.

    Returns:
        training, best_epoch, val_loss, val_accuracy, lowest, highest (of a fold's network: the
        scores of the patients that it has not seen), learned: whether the validation loss fell
        below that of a coin, log 2, and those scores span `SPAN` at least.
    """
    rows = []
    for name, training in trainings.items():
        row = {"training": name, "best_epoch": training.best_epoch}
        row |= {"val_loss": training.kept.val_loss, "val_accuracy": training.kept.val_accuracy}
        learned = training.kept.val_loss < np.log(2)
        if name != "final":
            unseen = score_oof[fold == int(name.split()[1])]
            row |= {"lowest": unseen.min(), "highest": unseen.max()}
            learned &= np.ptp(unseen) >= SPAN
        rows.append(row | {"learned": bool(learned)})
    return tables.CNN_TRAININGS.frame(rows)


def history_table(trainings: dict[str, Training]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return cnn_history.csv, and the epoch that each training keeps."""
    rows = [training.history.assign(training=name) for name, training in trainings.items()]
    return pd.concat(rows), {name: training.best_epoch for name, training in trainings.items()}


def training_folder(derived: Path, keys: list, settings: CNN, seed: int) -> Path:
    """Return where trainings on these patients (keys of their volumes) and settings are kept."""
    return derived / "cnn" / digest(keys, settings, seed, keras.__version__, tf.__version__)


def validation_split(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to fit and rows that decide the epoch, stratified by label."""
    rows = np.arange(len(labels))
    return train_test_split(rows, test_size=fraction, stratify=labels, random_state=seed)


def best_epoch(history: pd.DataFrame) -> int:
    """Return the epoch with the lowest validation loss (the first of equals)."""
    return int(history.epoch[history.val_loss.idxmin()])


def stopped(history: pd.DataFrame, patience: int) -> bool:
    """Return whether `patience` epochs have gone by since the best one."""
    return len(history) > 0 and len(history) - best_epoch(history) >= patience


def _epoch(
    model: keras.Model, volumes: np.ndarray, labels: np.ndarray, fit_rows: np.ndarray,
    check_rows: np.ndarray, settings: CNN, seed: int, epoch: int,
) -> dict[str, float]:  # fmt: skip
    rng = np.random.default_rng([seed, epoch])
    for layer in (part for part in model.layers if isinstance(part, keras.layers.Dropout)):
        state = layer.seed_generator.state
        state.assign(np.array([seed % 2**31, epoch], dtype=state.dtype))
    order = rng.permutation(fit_rows)
    batches = np.array_split(order, int(np.ceil(len(order) / settings.batch)))
    seen = {"loss": 0.0, "accuracy": 0.0}
    for rows in batches:
        batch = augmented(volumes[rows], settings.augmentation, rng)
        model.reset_metrics()
        step = model.train_on_batch(batch, labels[rows], return_dict=True)
        seen = {name: seen[name] + step[name] * len(rows) / len(order) for name in seen}
    checked = _validated(labels[check_rows], score(model, volumes[check_rows], settings.batch))
    return {"epoch": epoch, **{k: float(v) for k, v in seen.items()}, **checked}


def _validated(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return cross-entropy and accuracy of scores (patient,)."""
    accuracy = float(np.mean((scores >= 0.5) == labels))
    return {"val_loss": float(log_loss(labels, scores, labels=[0, 1])), "val_accuracy": accuracy}


def augmented(batch: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return the batch (patient, z, y, x, 1), flipped at random in z and x if asked."""
    if kind == "none":
        return batch
    flips = rng.random((len(batch), 2)) < 0.5
    out = [v[::-1] if z else v for v, (z, _) in zip(batch, flips, strict=True)]
    return np.stack([v[:, :, ::-1] if x else v for v, (_, x) in zip(out, flips, strict=True)])


def _compiled(model: keras.Model, learning_rate: float) -> keras.Model:
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def _resumed(
    folder: Path, shape: tuple[int, int, int], settings: CNN, seed: int, steps: int
) -> tuple[keras.Model, pd.DataFrame]:
    """Return the network and its history as the last whole epoch, of so many steps, left them.

    The history may be a row ahead: a stop between the two files. That epoch is trained again.
    """
    if (folder / "last.keras").exists():
        model = load(folder / "last.keras")
        history = pd.read_csv(folder / "history.csv")
        epochs, rest = divmod(int(model.optimizer.iterations.numpy()), steps)
        if epochs and not rest and epochs <= len(history):
            return model, history[:epochs]
    model = _compiled(build(shape, settings, seed), settings.learning_rate)
    return model, pd.DataFrame({"epoch": pd.Series(dtype=int), "val_loss": pd.Series(dtype=float)})


def _keep(folder: Path, model: keras.Model, history: pd.DataFrame) -> None:
    if best_epoch(history) == len(history):
        save(model, folder / "best.keras")
    with whole_file(folder / "history.csv") as part:
        history.to_csv(part, index=False)
    save(model, folder / "last.keras")
