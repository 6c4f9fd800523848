"""How often a prediction set holds the label, and how often a patient is told to be unlike.

Twenty built-in cohorts, without the network: models fitted to half of hospital A's patients, sets
and distances judged on the other half (patients of the training hospital) and on hospital B.

    uv run python tests/benchmarks/prediction_sets.py
"""

import tempfile
from pathlib import Path

import numpy as np
import rows
from radiogenomics.comparison import refitted
from radiogenomics.models import classical
from radiogenomics.new_patient.training import ALARMS, ERROR
from radiogenomics.radiomics import features
from radiogenomics.statistics import conformal
from verdicts import cohort

SEEDS, PATIENTS, FOLDS = range(501, 521), 160, 5
TABLE = Path(__file__).with_name("prediction_sets.csv")
PAGE = Path(__file__).parents[2] / "docs/predict.md"
GROUPS = {"extra": "training hospital", "B": "other hospital"}


def sets(scores: np.ndarray, labels: np.ndarray, new: np.ndarray, truth: np.ndarray) -> dict:
    """Return coverage of each label, and the shares of sets of both labels and of none."""
    grids = {y: conformal.quantiles(scores[labels == y]) for y in (0, 1)}
    sizes = {y: int((labels == y).sum()) for y in (0, 1)}
    found = [
        conformal.prediction_set(conformal.label_p_values(grids, sizes, score), ERROR)
        for score in new
    ]
    held = np.array([y in labels for y, labels in zip(truth, found, strict=True)])
    counts = np.array([len(labels) for labels in found])
    return {
        "coverage_0": held[truth == 0].mean(), "coverage_1": held[truth == 1].mean(),
        "both": (counts == 2).mean(), "none": (counts == 0).mean(),
    }  # fmt: skip


def judged(seed: int) -> list[dict]:
    """Return a row a group of patients and model of one cohort."""
    with tempfile.TemporaryDirectory() as place:
        study, patients = cohort(Path(place) / "data" / "one", PATIENTS, seed, "paper")
        values = features.load_features(study)
        own = patients[patients.hospital == "A"]
        turn = own.groupby("label").cumcount() % 2
        train, groups = own[turn == 0], {"extra": own[turn == 1]}
        groups["B"] = patients[patients.hospital == "B"]
        labels = train.label.to_numpy(int)
        fold = classical.folds(train, FOLDS, seed)
        chain, inside = refitted.chain(study, train), values.loc[train.patient]
        kinds = classical.radiomics_models(seed)
        oof = classical.radiomics_out_of_fold(chain, kinds, inside, labels, fold)
        chosen = refitted.chain(study, train).fit(inside, labels).transform(inside)
        names = list(chosen.columns)
        away = conformal.out_of_fold_distances(chosen.to_numpy(float), fold)
        limit = conformal.conformal_limit(away, ALARMS)
        known = conformal.Likeness(chosen.to_numpy(float))
        out = []
        for group, new in groups.items():
            truth = new.label.to_numpy(int)
            measured = values.loc[new.patient]
            far = known.distances(measured[names].to_numpy(float)) > limit
            scored = refitted.on_features(
                refitted.chain(study, train), seed, labels, inside, measured
            )
            for model, score in scored.items():
                row = {"group": group, "model": model, "trained": len(train), "n": len(new)}
                out.append(row | sets(oof[model], labels, score, truth) | {"unlike": far.mean()})
        return out


def page() -> None:
    """Write the table into docs/predict.md."""
    lines = [
        "| patients of the | model | cohorts | label 0 in the set | label 1 in the set | "
        "cannot say | told to be unlike |", "|---" * 7 + "|"]  # fmt: skip
    for (group, model), part in rows.read(TABLE).groupby(["group", "model"], sort=False):
        means = [
            f"{part[c].mean():.3f} ± {part[c].std() / np.sqrt(len(part)):.3f}"
            for c in ("coverage_0", "coverage_1", "both", "unlike")
        ]
        lines.append(f"| {GROUPS[group]} | {model} | {len(part)} | {' | '.join(means)} |")
    cohorts = rows.read(TABLE).seed.nunique()
    about = (
        f"Measured on {cohorts} built-in cohorts of {PATIENTS} patients: half of the training "
        "hospital's fitted, the other half judged, and the other hospital's. Nominal "
        f"{1 - ERROR:.0%} of each label, and {ALARMS:.0%} unlike; mean ± standard error:"
    )
    table = "\n".join(lines)
    rows.into(PAGE, Path(__file__).name, f"{about}\n\n{table}")


if __name__ == "__main__":
    for number in SEEDS:
        rows.several(TABLE, {"seed": number}, lambda n=number: judged(n))
    page()
