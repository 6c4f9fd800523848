"""Verdicts on built-in cohorts whose truth is known, without the network: two hours on 2 cores.

    uv run python tests/benchmarks/verdicts.py [paper volume scanner none] [network]

The label acts on the lesion's inside and the clinical columns (paper), on the lesion's volume or
the scanner alone, or on nothing. Each row of verdicts.csv is a cohort, with the verdict on each of
three models: better than chance, than volume, than acquisition. `none` judges 60 draws of labels
on the images of six cohorts; there the training labels are permuted 99 times.

`network`: of each kind one whole run of 120 patients with the network, an hour in all, whose
answers for it are rows of verdicts_network.csv.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import rows
import SimpleITK as sitk
from control import made
from radiogenomics.cohort.included import split
from radiogenomics.comparison import readings, refitted
from radiogenomics.comparison.controls import luck, verdict
from radiogenomics.images.scans import read_pair
from radiogenomics.models import predictions
from radiogenomics.radiomics import features
from radiogenomics.study import tables
from radiogenomics.study.files import whole_file
from radiogenomics.study.study import Study, load_study

TABLE = Path(__file__).with_name("verdicts.csv")
OF_NETWORK, NETWORK_PATIENTS, NETWORK_SEED = "verdicts_network.csv", 120, 301
KINDS = ("paper", "volume", "scanner", "none")
SEEDS, PATIENTS = range(301, 311), 240
NULL_SEEDS, DRAWS, NULL_PATIENTS, PERMUTATIONS = range(401, 407), 10, 60, 99
MODELS = refitted.ON_SIGNATURE


def volume_mm3(row: dict) -> float:
    """Return the volume of a patient's lesion."""
    mask = read_pair(row)[1]
    return float((sitk.GetArrayViewFromImage(mask) > 0).sum() * np.prod(mask.GetSpacing()))


def cohort(folder: Path, patients: int, seed: int, kind: str) -> tuple[Study, pd.DataFrame]:
    """Make a cohort and its features; return the study and its patients, by name."""
    _, table = made(folder, patients, seed, kind)
    study = load_study(folder, folder / "reports", seed=seed, permutations=PERMUTATIONS)
    values, _ = features.extract_cohort(study, table)
    with whole_file(study.path(tables.FEATURES)) as part:
        values.reset_index().to_parquet(part, index=False)
    table["volume_mm3"] = [volume_mm3(row) for row in table.to_dict("records")]
    return study, table.set_index("patient", drop=False).rename_axis(None)


def judged(study: Study, patients: pd.DataFrame, permute: bool) -> dict:
    """Return the verdict on each model of one cohort."""
    train, test = split(patients)
    values = features.load_features(study)
    found = refitted.scores(study, train, test, values)
    scored = [predictions.score_rows(test, model, score) for model, score in found.items()]
    scores = pd.concat(scored, ignore_index=True)
    scores["label"] = scores.patient.map(patients.label).astype(int)
    null = tables.PERMUTATIONS.frame()
    if permute:
        null = verdict.permuted_aucs(luck.permutations(study, patients), scores)
    study.path(tables.FEATURES).rename(study.path(tables.FEATURES).with_suffix(".kept"))
    table = verdict.verdict(study, scores, patients, null, tables.CONTROL_SCORES.frame())
    study.path(tables.FEATURES).with_suffix(".kept").rename(study.path(tables.FEATURES))
    row = {"n": len(test)}
    for model in MODELS:
        facts = readings.verdict_of(table, "test", model)
        row |= {f"{model}_auc": facts["chance"].auc, f"{model}_chance": facts["better"]}
        for question in ("volume", "acquisition"):
            row |= {f"{model}_{question}": facts[question].verdict}
        p = facts["training_labels"].p
        row |= {f"{model}_p": p}
    return row


def null(study: Study, patients: pd.DataFrame, draw: int) -> dict:
    """Return the verdicts after the labels of all patients are drawn anew within hospitals."""
    rng = np.random.default_rng([study.settings.seed, 99, draw])
    by = patients.groupby("hospital").label
    again = by.transform(lambda labels: rng.permutation(labels.to_numpy()))
    return judged(study, patients.assign(label=again), permute=True)


WRONG = {  # answers that the truth of a kind forbids
    "paper": {"chance": "no", "volume": "no", "acquisition": "no"},
    "volume": {"chance": "no", "volume": "yes", "acquisition": "no"},
    "scanner": {"chance": "no", "volume": "no", "acquisition": "yes"},
    "none": {"chance": "yes", "volume": "yes", "acquisition": "yes"},
}
HEAD = """# Verdicts on cohorts whose truth is known

Written by `uv run python tests/benchmarks/verdicts.py`: the radiomics models without the network,
the network in one run a kind. How often a model was called better than chance, than the lesion's
volume, than the scanner; wrong is the answer that the truth forbids.

| kind | patients | model | better than | cohorts | yes | undecided | no | wrong |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page() -> None:
    """Write verdicts.md from the rows."""
    lines = []
    for kind, part in rows.read(TABLE).groupby("kind", sort=False):
        patients = NULL_PATIENTS if kind == "none" else PATIENTS
        for model in MODELS:
            for question, wrong in WRONG[kind].items():
                found = part[f"{model}_{question}"].value_counts()
                counts = [int(found.get(word, 0)) for word in ("yes", "undecided", "no")]
                told = [kind, patients, model, question, len(part), *counts, found.get(wrong, 0)]
                lines.append(f"| {' | '.join(map(str, told))} |")
    for row in rows.read(TABLE.with_name(OF_NETWORK)).to_dict("records"):
        for question, wrong in WRONG[row["kind"]].items():
            found = row[f"CNN_{question}"]
            counts = [int(found == word) for word in ("yes", "undecided", "no", wrong)]
            told = [row["kind"], NETWORK_PATIENTS, "CNN", question, 1, *counts]
            lines.append(f"| {' | '.join(map(str, told))} |")
    with whole_file(TABLE.with_suffix(".md")) as whole:
        whole.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def network(kind: str) -> dict:
    """Return the answers for the network, of a whole run."""
    call = [sys.executable, "-m", "radiogenomics.cli"]
    with tempfile.TemporaryDirectory() as place:
        folder, reports = Path(place) / "data" / kind, Path(place) / "reports"
        made = ["--patients", str(NETWORK_PATIENTS), "--seed", str(NETWORK_SEED), "--signal", kind]
        subprocess.run([*call, "phantom", str(folder), *made], check=True)
        subprocess.run([*call, "run", str(folder), "--reports", str(reports)], check=True)
        table = load_study(folder, reports).table(tables.VERDICT)
    asked = table[(table.model == "CNN") & table.question.isin(WRONG[kind])]
    found = {f"CNN_{row.question}": row.verdict for row in asked.itertuples()}
    return found | {"auc": asked.auc.iloc[0], "n": asked.n.iloc[0]}


def main() -> None:
    """Make the rows that are missing, and the page of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=KINDS)
    asked = parser.parse_args().kinds
    for kind in KINDS if "network" in asked else ():
        rows.once(TABLE.with_name(OF_NETWORK), {"kind": kind}, lambda k=kind: network(k))
    for kind in [kind for kind in asked if kind in KINDS]:
        for seed in NULL_SEEDS if kind == "none" else SEEDS:
            with tempfile.TemporaryDirectory() as place:
                one(kind, seed, Path(place) / "study")
    page()


def one(kind: str, seed: int, folder: Path) -> None:
    """Make the rows of a cohort, unless all are there."""
    keys = [{"kind": kind, "seed": seed, "draw": n} for n in range(DRAWS if kind == "none" else 1)]
    done = rows.read(TABLE)
    if len(done) and (done.kind.eq(kind) & done.seed.eq(seed)).sum() == len(keys):
        return
    patients = NULL_PATIENTS if kind == "none" else PATIENTS
    study, table = cohort(folder, patients, seed, kind)
    for key in keys:
        make = (lambda n=key["draw"]: null(study, table, n)) if kind == "none" else (
            lambda: judged(study, table, permute=False)
        )  # fmt: skip
        rows.once(TABLE, key, make)


if __name__ == "__main__":
    main()
