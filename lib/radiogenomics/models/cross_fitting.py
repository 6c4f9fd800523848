"""One training on all training patients, one more a fold, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from radiogenomics.models.cnn_training import Training, train
from radiogenomics.models.devices import VERSIONS
from radiogenomics.models.network import save, score
from radiogenomics.study import tables
from radiogenomics.study.files import digest
from radiogenomics.study.settings import CNN

FINAL, FINISHED = "final", "network.keras"


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
        The training on all, each patient's score by the network that has not seen its fold
        (patient,), and every training by name (`final`, `fold 1`, ...).
    """
    numbers = [int(n) for n in np.unique(fold)]
    each = settings.epochs * settings.networks
    trainings, score_oof = {}, np.empty(len(labels))
    for done, number in enumerate([0, *numbers]):
        rows = fold != number
        name = f"fold {number}" if number else FINAL
        place = folder / name.replace(" ", "_")
        trainings[name] = train(
            volumes[rows], labels[rows], settings, seed + number, place,
            lambda epochs, _, n=done: progress(n * each + epochs, each * (len(numbers) + 1)),
        )  # fmt: skip
        save(trainings[name].model, place / FINISHED)
        if number:
            score_oof[~rows] = score(trainings[name].model, volumes[~rows])
    return trainings[FINAL], score_oof, trainings


def trainings_table(
    trainings: dict[str, Training], score_oof: np.ndarray, fold: np.ndarray
) -> pd.DataFrame:
    """Return cnn_trainings.csv: what came of each network of each training of `cross_fit`."""
    rows = []
    for name, training in trainings.items():
        unseen = score_oof[fold == int(name.split()[1])] if name != FINAL else None
        span = {} if unseen is None else {"lowest": unseen.min(), "highest": unseen.max()}
        for network, attempt in enumerate(training.kept, start=1):
            kept = attempt.kept
            row = {"training": name, "network": network, "attempt": attempt.number}
            row |= {"attempts": len(training.attempts[network - 1]), "best_epoch": kept.name}
            row |= {"val_loss": kept.val_loss, "val_accuracy": kept.val_accuracy}
            learned = bool(kept.val_loss < training.to_beat)
            rows.append(row | {"to_beat": training.to_beat, "learned": learned} | span)
    return tables.CNN_TRAININGS.frame(rows)


def history_table(trainings: dict[str, Training]) -> pd.DataFrame:
    """Return cnn_history.csv: every epoch of every attempt."""
    rows = [
        attempt.history.assign(training=name, network=network, attempt=attempt.number)
        for name, training in trainings.items()
        for network, tried in enumerate(training.attempts, start=1)
        for attempt in tried
    ]
    return pd.concat(rows)


def training_folder(derived: Path, keys: list, settings: CNN, seed: int) -> Path:
    """Return where trainings on these patients (keys of their volumes) and settings are kept."""
    return derived / "cnn" / digest(keys, settings, seed, VERSIONS)
