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
from radiogenomics.models import classifiers
from radiogenomics.radiomics import embeddings
from radiogenomics.study import design, tables
from radiogenomics.study.files import digest
from radiogenomics.study.kept import digest_of, once
from radiogenomics.study.parallel import each
from radiogenomics.study.settings import CLINICAL, RADIOMICS
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

    Clinical and those on the signature: all that orders patients is fitted again, selection first
    (Ojala & Garriga 2010, test 1). The CNN's final training with `checks = "full"` alone.

    Args:
        study: settings, seed, features; `permutations` of study.toml.
        patients: training and test patients; the labels of the latter are not used.
        progress: called with (permutations done, permutations in all).

    Returns:
        permutation (0: the labels as they are), model, patient, cohort, score; empty where the
        study has no models to fit again.
    """
    times, parts = study.settings.evaluation.permutations, design.parts(study.settings)
    if not refitted.models(study) or (RADIOMICS in parts and not study.has(tables.FEATURES)):
        times = 0  # nothing to fit, or a table of scores
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
    seed, selector, inside, outside, fixed = study.settings.seed, None, None, None, None
    if RADIOMICS in design.parts(study.settings):
        from radiogenomics.radiomics.features import load_features  # PyRadiomics: a second

        features = load_features(study)
        inside, outside = (features.loc[side.patient] for side in (train, test))
        selector = refitted.chain(study, train)
        fixed = digest_of([inside.to_numpy(), outside.to_numpy()]), list(features.columns)
    key = fixed, study.settings.radiomics, study.settings.clinical, seed, sklearn.__version__, CHAIN
    key += further_key(study)
    given = embeddings.load(study) if study.settings.features.table else None
    used = ["patient", *study.settings.clinical.predictors]
    clinical = [side[used].astype(str).to_csv() for side in (train, test)]
    jobs = []
    for number in range(times + 1):
        again = permuted_labels(train, seed, number)
        name = digest(key, clinical, again.label.tolist())
        path = study.derived / "permuted" / f"{name}.json"
        jobs.append(
            delayed(_scored)(
                study, selector and clone(selector), again, test, inside, outside, given, path
            )
        )
    yield from each(jobs, study.workers)


def further_key(study: Study) -> tuple:
    """Return what the scores of further models follow from; empty where there are none."""
    key = tuple(map(classifiers.key, classifiers.further(study.settings)))
    named = study.settings.features
    if not named.table:
        return key
    given = embeddings.load(study)
    about = digest_of([given.to_numpy()]), list(given.columns), named.model_name, named.penalty
    return (*key, *about)


def _scored(
    study: Study, selector: Pipeline | None, train: pd.DataFrame, test: pd.DataFrame,
    inside: pd.DataFrame | None, outside: pd.DataFrame | None, given: pd.DataFrame | None,
    path: Path,
) -> Scores:  # fmt: skip
    def scores() -> Scores:
        labels, found = train.label.to_numpy(int), {}
        if CLINICAL in design.parts(study.settings):
            found["Clinical"] = refitted.on_clinical(study, train, test)
        if selector is not None:
            parts = selector, study.settings.seed, labels, inside, outside
            asked = classifiers.on_signature(study.settings)
            found |= refitted.ranked_by_features(*parts, asked)
        found |= refitted.on_embeddings(study, train, test, given)
        return {model: values.tolist() for model, values in found.items()}

    return once(path, scores)


def ranked(
    study: Study, train: pd.DataFrame, new: pd.DataFrame, features: pd.DataFrame | None,
    folder: Path, known: str,
) -> Scores:  # fmt: skip
    """Return new patients' scores by the models that order them as those fitted to `train` do.

    Args:
        study: settings and seed.
        train: patients with label.
        new: patients whose labels are not used.
        features: of both; None where the study has no radiomics.
        folder: where what was computed is kept.
        known: a digest of features and settings, by which it is kept.
    """
    asked = train.patient.tolist(), train.label.tolist(), new.patient.tolist()
    path = folder / f"{digest(known, *asked)}.json"
    if features is None:
        return _scored(study, None, train, new, None, None, None, path)
    sides = (features.loc[part.patient] for part in (train, new))
    return _scored(study, refitted.chain(study, train), train, new, *sides, None, path)


def p_value(observed: float, permuted: np.ndarray) -> float:
    """Return the p value of a permutation test (Phipson & Smyth 2010): never 0.

    >>> p_value(0.9, np.array([0.5, 0.6, 0.95, 0.4]))
    0.4
    """
    return float((1 + np.sum(permuted >= observed)) / (1 + len(permuted)))


def chance(permutations: pd.DataFrame) -> pd.DataFrame:
    """Return of each model its AUC, the median after permutations, and p (`p_value`).

    Args:
        permutations: permutations.csv of one cohort.
    """
    rows = []
    for model, part in permutations.groupby("model", sort=False):
        own, null = part.auc[part.permutation == 0].item(), part.auc[part.permutation > 0]
        row = {"model": model, "auc": own, "permuted": null.median()}
        rows.append(row | {"p": p_value(own, null.to_numpy())})
    return pd.DataFrame(rows, columns=["model", "auc", "permuted", "p"])
