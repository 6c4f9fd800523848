"""How well the built-in cohort works as a control: run by hand, an hour on 2 cores.

    uv run python tests/benchmarks/control.py cnn --patients 120 --seeds 31 32 33 34 35
    uv run python tests/benchmarks/control.py null --patients 60 --seeds 101 102 ... 120
    uv run python tests/benchmarks/control.py verdict --reports reports/none

`cnn`: external AUC of the CNN (final training, no folds) beside the attainable one and the
clinical model's. `null`: external AUCs of the models without the CNN where labels act on nothing.
`verdict`: whether any model of a finished run differs from 0.5, Holm over its models.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from radiogenomics.cohort import eligibility, included, reading, seal
from radiogenomics.cohort.sources import phantom
from radiogenomics.images import volumes
from radiogenomics.models import classical, cnn_training, network
from radiogenomics.models.platt import fit_after_selection
from radiogenomics.radiomics import features, signature
from radiogenomics.statistics.discrimination import auc_interval, delong_test, holm
from radiogenomics.study.files import read_json
from radiogenomics.study.study import Study, load_study
from scipy import stats


def made(folder: Path, patients: int, seed: int, signal: str) -> tuple[Study, pd.DataFrame]:
    """Make a cohort and return its study and its included patients."""
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


def positive(folder: Path, patients: int, seed: int, augmentation: str) -> dict:
    """Return the CNN's external AUC and its DeLong test against the clinical model."""
    study, table = made(folder, patients, seed, "paper")
    volumes.prepare(study, table)
    train, test = included.split(table)
    x_train, x_test = (volumes.load_volumes(study, t) for t in (train, test))
    settings = dataclasses.replace(study.settings.cnn, augmentation=(augmentation,))
    fitted = cnn_training.train(
        x_train, train.label.to_numpy(), settings, seed, study.derived / "cnn"
    )
    score, clinical = network.score(fitted.model, x_test), clinical_scores(study, train, test)
    auc, low, high, _ = auc_interval(test.label, score)
    truth = read_json(folder / "truth.json")["attainable_auc"]["image"]["test_patients"]
    return {
        "seed": seed, "n": len(test), "cnn": auc, "ci_low": low, "ci_high": high,
        "attainable": truth, "clinical": auc_interval(test.label, clinical)[0],
        "p_cnn_clinical": delong_test(test.label, score, clinical)[1],
        "attempts": len(fitted.attempts[0]), "best_epoch": fitted.kept[0].kept.name,
    }  # fmt: skip


def null(folder: Path, patients: int, seed: int, _: str) -> dict:
    """Return external AUCs of Clinical, LR, SVM and Bayes."""
    study, table = made(folder, patients, seed, "none")
    values, _ = features.extract_cohort(study, table)
    train, test = included.split(table)
    selector = signature.signature_pipeline(study.settings.radiomics, seed)
    inside, labels = values.loc[train.patient], train.label.to_numpy()
    selector.fit(inside, labels)
    outside = selector.transform(values.loc[test.patient])
    scores = {
        name: classical.probability(fit_after_selection(selector, model, inside, labels), outside)
        for name, model in classical.radiomics_models(seed).items()
    } | {"Clinical": clinical_scores(study, train, test)}
    return {"seed": seed, "n": len(test)} | {
        name: auc_interval(test.label, score)[0] for name, score in scores.items()
    }


def verdict(reports: Path) -> pd.DataFrame:
    """Return each model's external AUC, its interval and p against 0.5 (Mann-Whitney), Holm."""
    scores = pd.read_csv(reports / "predictions.csv")
    rows = []
    for model, part in scores[scores.cohort == "test"].groupby("model", sort=False):
        label, score = part.label.to_numpy(int), part.score.to_numpy()
        p = stats.mannwhitneyu(score[label == 1], score[label == 0]).pvalue
        rows.append((model, *auc_interval(label, score)[:3], p))
    table = pd.DataFrame(rows, columns=["model", "auc", "ci_low", "ci_high", "p"])
    return table.assign(p_holm=holm(table.p.to_numpy()))


def main() -> None:
    """Print one row a seed and their mean with its standard error, or a run's verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("control", choices=("cnn", "null", "verdict"))
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--augmentation", choices=("flips", "none"), default="flips")
    parser.add_argument("--reports", type=Path)
    given = parser.parse_args()
    if given.control == "verdict":
        print(verdict(given.reports).round(3).to_string(index=False))
        return
    one = {"cnn": positive, "null": null}[given.control]
    rows = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one(Path(folder) / "study", given.patients, seed, given.augmentation))
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows).drop(columns=["seed", "n"])
    print(pd.DataFrame({"mean": table.mean(), "standard_error": table.sem()}).round(4))


if __name__ == "__main__":
    main()
