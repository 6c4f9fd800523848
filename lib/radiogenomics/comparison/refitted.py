"""The study's models fitted again, as notebooks 03 and 04 do: to other patients, labels, images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline

from radiogenomics.images.changes import Change
from radiogenomics.models import classical, classifiers
from radiogenomics.models.platt import Platt, fit_after_selection
from radiogenomics.radiomics import agreement, embeddings, signature
from radiogenomics.study import contract, design
from radiogenomics.study.settings import CLINICAL, RADIOMICS
from radiogenomics.study.study import Study

ON_SIGNATURE = tuple(model.name for model in contract.ON_SIGNATURE)


def models(study: Study) -> tuple[str, ...]:
    """Return the names of the models that `scores` fits."""
    parts, settings = design.parts(study.settings), study.settings
    clinical = ("Clinical",) if CLINICAL in parts else ()
    asked = classifiers.on_signature(settings) if RADIOMICS in parts else ()
    return (*clinical, *(model.name for model in asked), *embeddings.models(settings))


def chain(study: Study, train: pd.DataFrame) -> Pipeline:
    """Return the selection, unfitted, with the filters by repeated measurements before it.

    Args:
        study: its limits; what was measured again is read from where notebook 03 kept it.
        train: the training patients.
    """
    from radiogenomics.radiomics import perturbations, second_reader  # PyRadiomics: a second

    limits = study.settings.radiomics
    second = second_reader.second_features(study, train)[0] if limits.reader_icc else None
    perturbed = perturbations.measured(study, train) if limits.perturbation_icc else {}
    steps = agreement.filters(limits, second, perturbed)
    return agreement.with_filters(signature.signature_pipeline(limits, study.settings.seed), steps)


def on_features(
    selector: Pipeline, seed: int, labels: np.ndarray, inside: pd.DataFrame, outside: pd.DataFrame,
    models: Iterable[contract.Model] = contract.ON_SIGNATURE,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return new patients' scores by the models on the signature; everything is fitted here.

    Args:
        selector: unfitted (`chain`).
        seed: the study's.
        labels: of the training patients (patient,).
        inside: their features (patient, feature).
        outside: features of the new patients.
        models: which (`classifiers.on_signature`).
    """
    selector.fit(inside, labels)
    chosen = selector.transform(outside)
    return {
        name: classical.probability(fit_after_selection(selector, model, inside, labels), chosen)
        for name, model in classical.radiomics_models(seed, models).items()
    }


def ranked_by_features(
    selector: Pipeline, seed: int, labels: np.ndarray, inside: pd.DataFrame, outside: pd.DataFrame,
    models: Iterable[contract.Model] = contract.ON_SIGNATURE,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return scores as `on_features`, of an SVM its decision values.

    The same order at a sixth of the cost: Platt's folds are left out, which repeat the selection.
    """
    chosen, new = selector.fit(inside, labels).transform(inside), selector.transform(outside)
    found = {}
    for name, model in classical.radiomics_models(seed, models).items():
        last = model[-1]
        fitted = make_pipeline(model[:-1], last.machine if isinstance(last, Platt) else last)
        fitted.fit(chosen, labels)
        ranked = isinstance(last, Platt)
        found[name] = (
            fitted.decision_function(new) if ranked else classical.probability(fitted, new)
        )
    return found


def on_clinical(study: Study, train: pd.DataFrame, new: pd.DataFrame) -> np.ndarray:
    """Return new patients' scores by the clinical model, fitted to the labels of `train`."""
    predictors = study.settings.clinical.predictors
    inside, outside = (classical.clinical_columns(part, predictors) for part in (train, new))
    fitted = classical.clinical_model().fit(inside, train.label.to_numpy(int))
    return classical.probability(fitted, outside)


def on_embeddings(
    study: Study, train: pd.DataFrame, new: pd.DataFrame, values: pd.DataFrame | None = None
) -> dict[str, np.ndarray]:
    """Return new patients' scores by the model on features made elsewhere, where there are any.

    Args:
        study: settings and seed.
        train: patients with label, whom selection and model are fitted to.
        new: patients whose labels are not used.
        values: the features (patient, feature); None: as notebook 03 kept them.
    """
    made = embeddings.models(study.settings)
    if not made:
        return {}
    values = embeddings.load(study) if values is None else values
    inside, outside = (values.loc[part.patient] for part in (train, new))
    labels = train.label.to_numpy(int)
    selector = signature.signature_pipeline(study.settings.radiomics, study.settings.seed)
    chosen, others = selector.fit(inside, labels).transform(inside), selector.transform(outside)
    return {n: classical.probability(m.fit(chosen, labels), others) for n, m in made.items()}


def scores(
    study: Study, train: pd.DataFrame, new: pd.DataFrame, features: pd.DataFrame | None
) -> dict[str, np.ndarray]:
    """Return new patients' scores by `models`: all of the study but the network and its stacks.

    Args:
        study: settings and seed.
        train: patients with label, whom they are fitted to.
        new: patients whose labels are not used.
        features: of both (patient, feature); None where the study has no radiomics.
    """
    found = {}
    if CLINICAL in design.parts(study.settings):
        found["Clinical"] = on_clinical(study, train, new)
    if features is not None:
        parts = (features.loc[part.patient] for part in (train, new))
        asked = chain(study, train), study.settings.seed, train.label.to_numpy(int), *parts
        found |= on_features(*asked, classifiers.on_signature(study.settings))
    return found | on_embeddings(study, train, new)


def network_scores(
    study: Study, purpose: str, train: pd.DataFrame, new: pd.DataFrame,
    change: Change | None = None,
) -> np.ndarray:  # fmt: skip
    """Return new patients' scores by a network that is trained on `train`, or was before.

    Args:
        study: settings and seed.
        purpose: one word, by which the training is kept.
        train: patients with label.
        new: patients whose labels are not used.
        change: of everyone's images.
    """
    from radiogenomics.images import volumes  # TensorFlow, which few runs need here
    from radiogenomics.models import cnn_training, cross_fitting, network

    settings, seed = network.recipe_of(study), study.settings.seed
    labels = train.label.to_numpy(int)
    key = [purpose, volumes.volume_keys(study, train, change), labels.tolist()]
    folder = cross_fitting.folder_to_train(study.derived, key, settings, seed)
    inside, outside = (volumes.load_volumes(study, part, change) for part in (train, new))
    fitted = cnn_training.train(inside, labels, settings, seed, folder)
    return network.score(fitted.model, outside, settings.batch)
