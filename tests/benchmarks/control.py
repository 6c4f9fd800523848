"""The built-in cohort as a control, and every figure that the README quotes: hours on 2 cores.

    uv run python tests/benchmarks/control.py readme FOLDER

Makes what is missing of the steps below, then writes the README's paragraphs. FOLDER holds cohorts
and reports; the figures stand in control.json and control_null.csv beside this script. The cohorts
with signal are those of protocols.py, which runs first.

    built-in   the run that the README opens with: AUCs, minutes, memory
    null       20 cohorts of 60 patients whose labels act on nothing: external AUCs, the CNN's
               with its restarts
    tests      how long the tests take
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import control_text
import numpy as np
import pandas as pd
import rows
from radiogenomics.cohort import eligibility, included, reading, seal
from radiogenomics.cohort.sources import phantom
from radiogenomics.images import volumes
from radiogenomics.models import classical, cnn_training, network
from radiogenomics.models.platt import fit_after_selection
from radiogenomics.radiomics import features, signature
from radiogenomics.statistics.discrimination import auc_interval
from radiogenomics.study.files import read_json, write_json
from radiogenomics.study.study import Study, load_study

ROOT = Path(__file__).parents[2]
NULL_SEEDS, NULL_PATIENTS = range(101, 121), 60


def made(folder: Path, patients: int, seed: int, signal: str) -> tuple[Study, pd.DataFrame]:
    """Make a cohort, unless it is there, and return its study and its included patients."""
    if not (folder / "truth.json").exists():
        phantom.make_phantom(folder, patients, seed, signal, workers=2)
    study = load_study(folder, folder / "reports", seed=seed)
    included.keep_included(study, *eligibility.exclude(study, reading.read_cohort(study)))
    return study, seal.opened(study, "control", "describe")


def clinical_scores(study: Study, train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the clinical model's external scores."""
    inside, outside = (
        classical.clinical_columns(t, study.settings.clinical.predictors) for t in (train, test)
    )
    return classical.probability(classical.clinical_model().fit(inside, train.label), outside)


def null(folder: Path, patients: int, seed: int) -> dict:
    """Return external AUCs of Clinical, LR, SVM, Bayes and CNN where labels act on nothing."""
    study, table = made(folder, patients, seed, "none")
    values, _ = features.extract_cohort(study, table)
    train, test = included.split(table)
    selector = signature.signature_pipeline(study.settings.radiomics, seed)
    inside, labels = values.loc[train.patient], train.label.to_numpy()
    selector.fit(inside, labels)
    outside = selector.transform(values.loc[test.patient])
    scores = {"Clinical": clinical_scores(study, train, test)} | {
        name: classical.probability(fit_after_selection(selector, model, inside, labels), outside)
        for name, model in classical.radiomics_models(seed).items()
    }
    volumes.prepare(study, table)
    x_train, x_test = (volumes.load_volumes(study, side) for side in (train, test))
    trained = cnn_training.train(x_train, labels, study.settings.cnn, seed, study.derived / "cnn")
    scores["CNN"] = network.score(trained.model, x_test)
    network.keras.backend.clear_session()
    aucs = {name: auc_interval(test.label, score)[0] for name, score in scores.items()}
    return {"n": len(test)} | aucs | {"attempts": len(trained.attempts[0])}


def all_null() -> None:
    """Make the cohorts without signal, one row of control_null.csv each."""
    for seed in NULL_SEEDS:
        with tempfile.TemporaryDirectory() as place:
            rows.once(
                control_text.NULL, {"seed": seed},
                lambda p=Path(place), s=seed: null(p / "study", NULL_PATIENTS, s),
            )  # fmt: skip


def built_in(folder: Path) -> dict:
    """Make the built-in cohort, run all notebooks on it and return what the README says."""
    study, reports = folder / "phantom", folder / "reports" / "phantom"
    start = time.monotonic()
    for command in (["phantom", str(study)], ["run", str(study), "--reports", str(reports)]):
        subprocess.run([sys.executable, "-m", "radiogenomics.cli", *command], check=True)
    minutes = (time.monotonic() - start) / 60
    manifest = read_json(reports / "manifest.json")
    trainings = pd.read_csv(reports / "tables" / "cnn_trainings.csv")
    truth = read_json(study / "truth.json")["attainable_auc"]["image"]["test_patients"]
    scores = pd.read_csv(reports / "predictions.csv")
    external = scores[scores.cohort == "test"]
    aucs = {
        model: [round(float(x), 4) for x in auc_interval(part.label, part.score)[:3]]
        for model, part in external.groupby("model", sort=False)
    }
    return {
        "patients": scores.patient.nunique(),
        "n": external.patient.nunique(),
        "aucs": aucs,
        "attainable": truth,
        "no_signal": int((~trainings.learned).sum()),
        "trainings": len(trainings),
        "minutes": round(minutes, 1),
        "memory_gb": round(manifest["peak_memory_mb"] / 1024, 1),
        "code": manifest["code"],
        "platform": manifest["platform"],
    }


def timed_tests(_: Path) -> dict:
    """Run the README's test command; return its minutes and what the packages weigh."""
    start = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--deselect",
        "tests/test_told.py",
    ]  # of this very result
    subprocess.run(command, check=True, cwd=ROOT)
    minutes = round((time.monotonic() - start) / 60, 1)
    return {"minutes": minutes, "downloads_mb": control_text.downloads_mb()}


STEPS = {"built-in": built_in, "tests": timed_tests}


def make(step: str, folder: Path) -> None:
    """Make a step of control.json, unless it is there."""
    kept = read_json(control_text.KEPT) if control_text.KEPT.exists() else {}
    if step not in kept:
        write_json(control_text.KEPT, kept | {step: STEPS[step](folder.resolve())})


def main() -> None:
    """Make a step, or all of them and the README's paragraphs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=(*STEPS, "null", "readme"))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    for step in STEPS:
        if given.step in (step, "readme"):
            make(step, given.folder)
    if given.step in ("null", "readme"):
        all_null()
    if given.step == "readme":
        control_text.write()


if __name__ == "__main__":
    main()
