"""One training on all training patients, one more a fold, and what came of them."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed

from radiogenomics.models import devices
from radiogenomics.models.cnn_training import HISTORY, Training, train
from radiogenomics.models.network import save, score
from radiogenomics.study import parallel, tables
from radiogenomics.study.files import digest
from radiogenomics.study.settings import CNN

FINAL, FINISHED = "final", "network.keras"
TRAINING_BYTES = 2_000_000_000  # of memory that a training may take


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

    Where there are cores or a scheduler for it, the trainings run at the same time (`at_once`).

    Returns:
        The training on all, each patient's score by the network that has not seen its fold
        (patient,), and every training by name (`final`, `fold 1`, ...).
    """
    numbers = [0, *(int(n) for n in np.unique(fold))]
    asked = {f"fold {n}" if n else FINAL: (fold != n, seed + n) for n in numbers}
    places = {name: folder / name.replace(" ", "_") for name in asked}
    each, total = (
        settings.epochs * settings.networks,
        settings.epochs * settings.networks * len(asked),
    )
    if processes := at_once(len(asked), settings):
        with _watched(folder, progress, total):
            jobs = (delayed(_train_ahead)(volumes[rows], labels[rows], settings, own, places[name])
                    for name, (rows, own) in asked.items())  # fmt: skip
            for _ in parallel.each(jobs, processes):
                pass
        progress(total, total)
    trainings, score_oof = {}, np.empty(len(labels))
    for done, (name, (rows, own)) in enumerate(asked.items()):
        trainings[name] = train(
            volumes[rows], labels[rows], settings, own, places[name],
            lambda epochs, _, n=done: processes or progress(n * each + epochs, total),
        )  # fmt: skip
        save(trainings[name].model, places[name] / FINISHED)
        if name != FINAL:
            score_oof[~rows] = score(trainings[name].model, volumes[~rows])
    return trainings[FINAL], score_oof, trainings


def at_once(trainings: int, settings: CNN, cores: int | None = None) -> int:
    """Return in how many processes trainings run before their results are gathered; 0: in none.

    On a Dask scheduler all; on this machine, where it has no GPU, those that it has cores and
    memory for, if that is more than one.
    """
    if parallel.DASK in os.environ:
        return trainings
    if not devices.device(settings.device).startswith("CPU"):
        return 0
    pairs = (cores or os.cpu_count() or 1) // devices.THREADS
    room = parallel.workers_that_fit(0, max(pairs, 1), TRAINING_BYTES)
    return min(trainings, room) if room > 1 else 0


def _train_ahead(
    volumes: np.ndarray, labels: np.ndarray, settings: CNN, seed: int, folder: Path
) -> None:
    """Train in a process of its own: every epoch is kept in `folder`, where `train` finds it."""
    devices.device(settings.device)
    train(np.array(volumes), labels, settings, seed, folder)


@contextmanager
def _watched(folder: Path, progress: Callable[[int, int], None], total: int) -> Iterator[None]:
    """Tell the epochs that other processes have written to their histories, every other second."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(2):
            histories = folder.glob(f"*/*/{HISTORY}")
            done = sum(max(len(path.read_text().splitlines()) - 1, 0) for path in histories)
            progress(min(done, total - 1), total)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


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
    return derived / "cnn" / digest(keys, settings, seed, devices.VERSIONS)


def folder_to_train(derived: Path, keys: list, settings: CNN, seed: int) -> Path:
    """Return `training_folder`, which begins with the epochs of a shorter training kept there.

    An epoch follows from the seed, its number and the state that the one before it left. A longer
    training therefore begins as a shorter one did, to the last digit, except where `_other_epochs`
    says why not; then it begins anew, which is printed.
    """
    folder = training_folder(derived, keys, settings, seed)
    if folder.exists():
        return folder
    for epochs in range(settings.epochs - 1, 0, -1):
        shorter = training_folder(derived, keys, replace(settings, epochs=epochs), seed)
        if shorter.exists():
            why = _other_epochs(settings)
            if not why:
                shutil.copytree(shorter, folder, ignore=shutil.ignore_patterns(f"{FINISHED}*"))
            print(f"A training of at most {epochs} epochs is kept. That of {settings.epochs} "
                  + (f"begins anew: {why}." if why else "goes on from there, with the same result "
                     "as from the start."))  # fmt: skip
            break
    return folder


def _other_epochs(settings: CNN) -> str:
    """Return why the first epochs of a longer training differ from a shorter one's, "" if equal."""
    if settings.schedule != "constant":
        return f"with schedule = {settings.schedule!r} the learning rate depends on their number"
    if not (settings.deterministic or devices.device(settings.device).startswith("CPU")):
        return "on a GPU no training has the same digits twice, but with deterministic = true"
    return ""
