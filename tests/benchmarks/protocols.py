"""Which protocol of training the CNN is to be the default: hours on 2 cores, may be interrupted.

    uv run python tests/benchmarks/protocols.py FOLDER protocols   # five cohorts of 120 patients
    uv run python tests/benchmarks/protocols.py FOLDER larger      # three of 240, two protocols
    uv run python tests/benchmarks/protocols.py FOLDER seeds       # five training seeds, one cohort
    uv run python tests/benchmarks/protocols.py FOLDER default     # 20 cohorts of 120, the default

FOLDER holds cohorts and checkpoints. Every finished run is a row of protocols.csv beside this
script, which is not run again. `table` prints the means, `cost` what the pass over the fitted
patients adds to an epoch.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import control_text
import numpy as np
import rows
from control import made
from radiogenomics.cohort import included
from radiogenomics.images import volumes
from radiogenomics.models import classical, cross_fitting, network
from radiogenomics.models.devices import keras
from radiogenomics.statistics.discrimination import delong
from radiogenomics.study.files import read_json
from radiogenomics.study.settings import AS_THE_PAPER, CNN

EVERY = ("flips", "shifts", "rotations", "noise")
PROTOCOLS = {
    "paper": CNN(protocol="paper", **AS_THE_PAPER),
    "momentum": CNN(augmentation=("flips",), statistics="moving", batch_norm_momentum=0.5),
    "default": CNN(augmentation=("flips",)),
    "augmented": CNN(augmentation=EVERY),
}
RUNS = {  # patients, cohorts' seeds, training seeds (0: the cohort's own), protocols
    "protocols": (120, range(31, 36), [0], list(PROTOCOLS)),
    "larger": (240, range(41, 44), [0], ["default", "augmented"]),
    "seeds": (120, [31], range(1, 6), ["default"]),
    "default": (120, range(31, 51), [0], ["default"]),
}
INPUT = 32, 64, 64  # voxels (z, y, x), the default
KEY = ["protocol", "patients", "cohort", "training_seed"]


def one(folder: Path, protocol: str, patients: int, cohort: int, seed: int) -> dict:
    """Train as notebook 04 does, three folds; return AUCs, losses and the time."""
    study, table = made(folder / f"{patients}_{cohort}", patients, cohort, "paper")
    volumes.prepare(study, table)
    train, test = included.split(table)
    x_train, x_test = (volumes.load_volumes(study, side) for side in (train, test))
    labels, fold = train.label.to_numpy(), classical.folds(train, 3, cohort)
    start, settings = time.monotonic(), PROTOCOLS[protocol]
    place = folder / "trainings" / "_".join(map(str, (protocol, patients, cohort, seed)))
    final, oof, trainings = cross_fitting.cross_fit(
        x_train, labels, fold, settings, seed or cohort, place
    )
    outcome = cross_fitting.trainings_table(trainings, oof, fold)
    keras.backend.clear_session()
    truth = read_json(study.folder / "truth.json")["attainable_auc"]["image"]["test_patients"]
    return {
        "external": delong(test.label, network.score(final.model, x_test))[0][0],
        "attainable": truth,
        "out_of_fold": delong(labels, oof)[0][0],
        "lowest_fold": min(delong(labels[fold == n], oof[fold == n])[0][0] for n in set(fold)),
        "no_signal": int((~outcome.learned).sum()),
        "started_again": int((outcome.attempts > 1).sum()),
        "trainings": len(outcome),
        "seconds": round(time.monotonic() - start),
    }


def run(folder: Path, patients: int, cohorts: list, seeds: list, protocols: list) -> None:
    """Make what is missing of these runs, a cohort at a time."""
    for cohort in cohorts:
        for seed in seeds:
            for protocol in protocols:
                key = protocol, patients, cohort, seed
                rows.once(
                    control_text.PROTOCOLS,
                    dict(zip(KEY, key, strict=True)),
                    lambda k=key: one(folder, *k),
                )


def cost(patients: int = 64, repeats: int = 5) -> str:
    """Return the seconds of an epoch and of the pass that makes the statistics afresh."""
    settings = PROTOCOLS["default"]
    volumes = np.random.default_rng(1).random((patients, *INPUT, 1), np.float32)
    model = network.build(INPUT, settings, 1)
    model.compile("adam", "sparse_categorical_crossentropy")
    data = volumes, np.arange(patients) % 2
    model.fit(*data, batch_size=settings.batch, verbose=0)  # the graph is made
    steps = {
        "epoch": lambda: model.fit(*data, batch_size=settings.batch, verbose=0),
        "pass": lambda: network.freshen(model, volumes, settings.batch),
    }
    took = {name: statistics.median(_seconds(step) for _ in range(repeats))
            for name, step in steps.items()}  # fmt: skip
    share = took["pass"] / took["epoch"]
    return f"epoch {took['epoch']:.2f} s, pass {took['pass']:.2f} s: {share:.0%} more"


def _seconds(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def main() -> None:
    """Run one of `RUNS`, or print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=(*RUNS, "table", "cost"))
    given = parser.parse_args()
    if given.what == "cost":
        print(cost())
        return
    if given.what != "table":
        run(given.folder, *RUNS[given.what])
    print(control_text.summary().to_string())


if __name__ == "__main__":
    main()
