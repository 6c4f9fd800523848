"""Luck: the same models, selection and fit included, on training labels in random order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from joblib import delayed
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from radiogenomics.cohort.included import split
from radiogenomics.comparison import refitted
from radiogenomics.study import tables
from radiogenomics.study.files import digest
from radiogenomics.study.kept import digest_of, once
from radiogenomics.study.parallel import each
from radiogenomics.study.study import Study

OF_NETWORK = 20  # permutations, each a training; the smallest p is 1 / 21
CHAIN = 1  # of kept scores: another number where the models' code computes otherwise

Scores = dict[str, list[float]]  # of the test patients, by model


def permuted_labels(train: pd.DataFrame, seed: int, number: int) -> pd.DataFrame:
    """Return the training patients, but for number 0 with labels in random order by hospital.

    Hospitals differ in how frequent the label is; that difference stays. Without a column
    `hospital` all patients are permuted together.
    """
    if number == 0:
        return train
    rng = np.random.default_rng([seed, 17, number])
    by = train.hospital if "hospital" in train else train.cohort
    labels = train.label.groupby(by.to_numpy()).transform(lambda y: rng.permutation(y.to_numpy()))
    return train.assign(label=labels)


def permutations(
    study: Study, patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Return permutations.csv without its AUCs: every model's test scores after each permutation.

    Clinical, LR, SVM and Bayes: all that orders patients is fitted again, selection first (Ojala
    & Garriga 2010, test 1). The CNN's final training with `checks = "full"` alone.

    Args:
        study: settings, seed, features; `permutations` of study.toml.
        patients: training and test patients; the labels of the latter are not used.
        progress: called with (permutations done, permutations in all).

    Returns:
        permutation (0: the labels as they are), model, patient, cohort, score; empty where the
        study has no features.
    """
    times = study.settings.evaluation.permutations
    if not study.has(tables.FEATURES):
        times = 0
    train, test = split(patients)
    full = study.settings.evaluation.checks == "full" and study.has(tables.CNN_TRAININGS)
    networks = min(times, OF_NETWORK) if full else 0
    rows, total = [], times + networks
    for number, found in enumerate(_classical(study, train, test, times)):
        rows += [_rows(test, number, model, scores) for model, scores in found.items()]
        progress(number, total)
    for number in range(networks + 1 if networks else 0):
        again = permuted_labels(train, study.settings.seed, number)
        scores = refitted.network_scores(study, f"permuted {number}", again, test)
        rows.append(_rows(test, number, "CNN", scores))
        progress(times + number, total)
    columns = ["permutation", "model", "patient", "cohort", "score"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def _rows(test: pd.DataFrame, number: int, model: str, scores: Scores) -> pd.DataFrame:
    row = {"permutation": number, "model": model, "score": scores}
    return test[["patient", "cohort"]].assign(**row).reset_index(drop=True)


def _classical(
    study: Study, train: pd.DataFrame, test: pd.DataFrame, times: int
) -> Iterator[Scores]:
    """Yield the scores of each permutation, over processes; what was computed is kept."""
    if not times:
        return
    from radiogenomics.radiomics.features import load_features  # PyRadiomics: a second

    features, seed = load_features(study), study.settings.seed
    inside, outside = (features.loc[side.patient] for side in (train, test))
    selector = refitted.chain(study, train)
    fixed = digest_of([inside.to_numpy(), outside.to_numpy()]), list(features.columns)
    key = fixed, study.settings.radiomics, study.settings.clinical, seed, sklearn.__version__, CHAIN
    used = ["patient", *study.settings.clinical.predictors]
    clinical = [side[used].astype(str).to_csv() for side in (train, test)]
    jobs = []
    for number in range(times + 1):
        again = permuted_labels(train, seed, number)
        name = digest(key, clinical, again.label.tolist())
        path = study.derived / "permuted" / f"{name}.json"
        jobs.append(delayed(_scored)(study, clone(selector), again, test, inside, outside, path))
    yield from each(jobs, study.workers)


def _scored(
    study: Study, selector: Pipeline, train: pd.DataFrame, test: pd.DataFrame,
    inside: pd.DataFrame, outside: pd.DataFrame, path: Path,
) -> Scores:  # fmt: skip
    def scores() -> Scores:
        labels = train.label.to_numpy(int)
        found = refitted.ranked_by_features(selector, study.settings.seed, labels, inside, outside)
        found = {"Clinical": refitted.on_clinical(study, train, test)} | found
        return {model: values.tolist() for model, values in found.items()}

    return once(path, scores)


def p_value(observed: float, permuted: np.ndarray) -> float:
    """Return the p value of a permutation test (Phipson & Smyth 2010): never 0.

    >>> p_value(0.9, np.array([0.5, 0.6, 0.95, 0.4]))
    0.4
    """
    return float((1 + np.sum(permuted >= observed)) / (1 + len(permuted)))
