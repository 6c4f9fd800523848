"""What [cnn] precision saves and costs: seconds of an epoch, and the AUC over five seeds.

    uv run python tests/benchmarks/precision.py FOLDER [PRECISION ...]

One built-in cohort of 60 patients, one network a seed and precision, eight epochs at most, without
a second attempt. FOLDER holds the cohort and the trainings; each finished training is a row of
precision.csv, with the processor and whether it has instructions for bfloat16. A training that
leaves numbers which are none is a row without an AUC.
"""

import argparse
import dataclasses
import platform
import time
from pathlib import Path

import rows
from control import made
from radiogenomics.cohort import included
from radiogenomics.images import volumes
from radiogenomics.models import cnn_training, network
from radiogenomics.models.devices import keras
from radiogenomics.statistics.discrimination import delong
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import CNN

TABLE = Path(__file__).with_name("precision.csv")
PATIENTS, COHORT, SEEDS = 60, 71, range(1, 6)
PRECISIONS = ("float32", "bfloat16")
USUAL = CNN(epochs=8, attempts=1)


def has_bfloat16() -> bool:
    """Return whether the processor multiplies in bfloat16."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "bf16" in flags.read_text()


def one(folder: Path, precision: str, seed: int) -> dict:
    """Train one network; return its time an epoch and its AUC in the other hospital."""
    study, table = made(folder / f"{PATIENTS}_{COHORT}", PATIENTS, COHORT, "paper")
    volumes.prepare(study, table)
    train, test = included.split(table)
    x_train, x_test = (volumes.load_volumes(study, side) for side in (train, test))
    settings = dataclasses.replace(USUAL, precision=precision)
    place, start = folder / "trainings" / f"{precision}_{seed}", time.monotonic()
    found = {"machine": platform.machine(), "bfloat16": has_bfloat16(), "epochs": 0, "auc": None}
    try:
        made_of = cnn_training.train(x_train, train.label.to_numpy(), settings, seed, place)
    except StudyError as fault:
        return found | {"epoch_s": None, "failed": str(fault).partition(". ")[0]}
    epochs = len(made_of.attempts[0][0].history)
    took = (time.monotonic() - start) / epochs
    auc = delong(test.label, network.score(made_of.model, x_test))[0][0]
    keras.backend.clear_session()
    return found | {"epochs": epochs, "epoch_s": took, "auc": auc, "failed": ""}


def main() -> None:
    """Make the rows that are missing, and print what they say of each precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("precisions", nargs="*", choices=[*PRECISIONS, "mixed_float16", []])
    given = parser.parse_args()
    for seed in SEEDS:
        for precision in given.precisions or PRECISIONS:
            rows.once(
                TABLE, {"precision": precision, "seed": seed},
                lambda p=precision, s=seed: one(given.folder, p, s),
            )  # fmt: skip
    told = {
        "epoch_s": ("epoch_s", "median"), "auc": ("auc", "mean"), "lowest": ("auc", "min"),
        "highest": ("auc", "max"), "failed": ("auc", lambda auc: int(auc.isna().sum())),
    }  # fmt: skip
    print(rows.read(TABLE).groupby("precision").agg(**told))


if __name__ == "__main__":
    main()
