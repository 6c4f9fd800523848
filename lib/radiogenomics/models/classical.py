"""The study's comparison models: clinical, LR, SVM, naive Bayes, combined (paper, Models)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from radiogenomics.cohort.eligibility import refused_folds, refused_hospitals
from radiogenomics.cohort.included import split
from radiogenomics.models import classifiers, platt, predictions
from radiogenomics.models.platt import fit_after_selection
from radiogenomics.statistics.saturation import unsaturated
from radiogenomics.study import contract
from radiogenomics.study.contract import IN_SAMPLE, KINDS
from radiogenomics.study.errors import ModelMismatch, StudyError
from radiogenomics.study.files import read_json, whole_file, write_json
from radiogenomics.study.kept import require_sound
from radiogenomics.study.study import Study


def fit_combined(study: Study, patients: pd.DataFrame) -> None:
    """Fit both stacks on training patients and put their scores into predictions.csv.

    `Com` is fitted on out-of-fold scores; its own out-of-fold score of a patient comes from a
    stack without the patient's fold. The networks behind the stack's other inputs have seen that
    fold, so these scores flatter: a stack that is nested wholly would train the CNN again within
    each fold. `Com_in_sample` is fitted on in-sample scores, in which
    every patient was seen, so it has no out-of-fold scores.
    """
    scores = predictions.read_scores(study)
    train, test = split(patients)
    labels = train.label.to_numpy()
    inputs = {
        kind: _inputs(scores, kind, p) for kind, p in zip(KINDS, (test, train, train), strict=True)
    }
    fold = _folds(scores, train)
    rows = []
    for name, kind in (("Com", "out_of_fold"), (IN_SAMPLE, "in_sample")):
        model = stack().fit(inputs[kind], labels)
        save_model(study, name, model)
        rows.append(predictions.score_rows(test, name, probability(model, inputs["external"])))
        rows.append(predictions.score_rows(train, name, probability(model, inputs["in_sample"])))
    oof = out_of_fold(stack(), inputs["out_of_fold"], labels, fold)
    rows.append(predictions.score_rows(train, "Com", oof, fold))
    predictions.save_scores(study, pd.concat(rows))


def _inputs(scores: pd.DataFrame, kind: str, patients: pd.DataFrame) -> np.ndarray:
    table = predictions.score_table(scores, kind).loc[patients.patient]
    return stack_inputs(table.CNN.to_numpy(), table.SVM.to_numpy())


def _folds(scores: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    rows = predictions.select(scores[scores.model == "CNN"], "out_of_fold")
    return rows.set_index("patient").fold.loc[train.patient].to_numpy(int)


TRUSTED = {  # types of scikit-learn and numpy that skops does not list; no code comes with them
    "numpy.number",
    "radiogenomics.models.platt.Platt",
    "sklearn.compose._column_transformer.make_column_selector",
    *(kind for model in contract.MODELS for kind in model.trusted),
}
Side = tuple[pd.DataFrame, pd.DataFrame]  # patients and their inputs


def folds(cohort: pd.DataFrame, n: int, seed: int, by: str = "patient") -> np.ndarray:
    """Return each training patient's fold (patient,): 1 to n, stratified by label and hospital.

    By `hospital` each hospital is a fold, in the order of their names, and n and seed do not count.

    Raises:
        StudyError: a label has too few training patients for so many folds, or there are too few
            hospitals.
    """
    if by == "hospital":
        if why := refused_hospitals(cohort):
            raise StudyError(why)
        return pd.factorize(cohort.hospital, sort=True)[0] + 1
    where = cohort.hospital if "hospital" in cohort else cohort.cohort
    strata = cohort.label.astype(str) + where.astype(str)
    if why := refused_folds(cohort.label, n):
        raise StudyError(why)
    if strata.value_counts().min() < n:
        strata = cohort.label
    splitter = StratifiedKFold(n, shuffle=True, random_state=seed)
    fold = np.zeros(len(cohort), int)
    for number, (_, rows) in enumerate(splitter.split(cohort, strata), start=1):
        fold[rows] = number
    return fold


def clinical_columns(cohort: pd.DataFrame, predictors: tuple[str, ...]) -> pd.DataFrame:
    """Return the clinical model's inputs; smoking is never or ever, as in the paper."""
    renamed = {p: "smoking_history" if p == "smoking" else p for p in predictors}
    return pd.DataFrame({p: cohort[column] for p, column in renamed.items()}, index=cohort.index)


def unpenalised() -> LogisticRegression:
    """Return the logistic regression without penalty, unfitted; its scores are R's to 1e-6."""
    return LogisticRegression(C=np.inf, tol=1e-8, max_iter=5000)


def ridge() -> LogisticRegression:
    """Return the logistic regression with C = 1, unfitted; its scores are R's to 1e-6."""
    return LogisticRegression(C=1.0, tol=1e-8, max_iter=5000)


def clinical_model() -> Pipeline:
    """Return the unpenalised logistic regression on clinical columns, unfitted.

    A category that is not among the patients it is fitted on counts as the first one, the
    reference (`unseen_categories`).
    """
    columns = make_column_transformer(
        (
            OneHotEncoder(drop="first", handle_unknown="ignore"),
            make_column_selector(dtype_exclude=np.number),
        ),
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
    )
    return make_pipeline(columns, unpenalised())


def unseen_categories(inside: pd.DataFrame, outside: pd.DataFrame) -> list[str]:
    """Return which categories of test patients no training patient has, in words."""
    categorical = inside.select_dtypes(exclude=np.number)
    return [f"{column} {value} ({n} in the test cohort)" for column in categorical
            for value, n in outside[column].value_counts().items()
            if value not in set(categorical[column])]  # fmt: skip


def clinical_values(model: Pipeline) -> tuple[dict[str, list], list[str]]:
    """Return what a fitted clinical model knows: the values of each category, the numbers."""
    names = {kind: list(columns) for kind, _, columns in model[0].transformers_}
    encoder = model[0].named_transformers_["onehotencoder"]
    values = [list(v) for v in getattr(encoder, "categories_", [])]
    return dict(zip(names["onehotencoder"], values, strict=True)), names["standardscaler"]


def support_vectors(seed: int) -> platt.Platt:
    """Return the support vector machine with Platt's probabilities, unfitted."""
    return platt.Platt(SVC(kernel="rbf", C=1.0, tol=1e-8), seed)


def signature_models(
    seed: int, models: Iterable[contract.Model] = contract.ON_SIGNATURE
) -> dict[str, BaseEstimator]:
    """Return the models on the signature, unfitted, by name (`classifiers.on_signature`)."""
    return {model.name: classifiers.made(model, seed) for model in models}


def radiomics_models(
    seed: int, models: Iterable[contract.Model] = contract.ON_SIGNATURE
) -> dict[str, Pipeline]:
    """Return `signature_models` behind a scaler.

    Features are scaled by the population SD, and naive Bayes takes the population variance of
    each label; R's scale and e1071 take the sample's, so that scores differ by about 1 / n.
    """
    kinds = signature_models(seed, models)
    return {name: make_pipeline(StandardScaler(), kind) for name, kind in kinds.items()}


def out_of_fold(
    model: BaseEstimator, inputs: pd.DataFrame | np.ndarray, labels: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Return each patient's score by a copy of the model that was fitted on the other folds."""
    rows_of = inputs.iloc if isinstance(inputs, pd.DataFrame) else inputs
    score = np.empty(len(labels))
    for number in np.unique(fold):
        held = fold == number
        fitted = clone(model).fit(rows_of[np.flatnonzero(~held)], labels[~held])
        score[held] = probability(fitted, rows_of[np.flatnonzero(held)])
    return score


def radiomics_out_of_fold(
    selector: Pipeline,
    models: dict[str, Pipeline],
    features: pd.DataFrame,
    labels: np.ndarray,
    fold: np.ndarray,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Return out-of-fold scores of each model; all that is fitted sees the other folds alone."""
    scores = {name: np.empty(len(labels)) for name in models}
    for number in np.unique(fold):
        held = fold == number
        chosen = clone(selector).fit(features[~held], labels[~held])
        outside, rest = chosen.transform(features[held]), (features[~held], labels[~held])
        for name, model in models.items():
            scores[name][held] = probability(fit_after_selection(chosen, model, *rest), outside)
        progress(int(number), int(fold.max()))
    return scores


def stack() -> LogisticRegression:
    """Return the combined model, unfitted: logistic (ridge, C = 1) on two logits.

    The small penalty keeps the weights finite where the scores separate the classes.
    """
    return ridge()


def stack_inputs(cnn: np.ndarray, svm: np.ndarray) -> np.ndarray:
    """Return the logits of CNN and SVM scores (patient, 2)."""
    return logit(np.stack([unsaturated(cnn), unsaturated(svm)], axis=1))


def probability(model: BaseEstimator, inputs: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Return the probability of mutant (patient,)."""
    if not len(inputs):
        return np.empty(0)
    with warnings.catch_warnings():  # of the reference taken for a category (`clinical_model`)
        warnings.filterwarnings("ignore", "Found unknown categories")
        return model.predict_proba(inputs)[:, 1]


def save_model(study: Study, name: str, model: BaseEstimator) -> None:
    """Write a fitted scikit-learn model with skops: data, no code that runs on reading.

    Raises:
        ModelMismatch: it holds types that `load_model` would refuse.
    """
    import skops.io  # takes a second, and few callers save or load

    with whole_file(model_file(study, name), sealed=True) as part:
        skops.io.dump(model, part)
        _allowed(study, name, part)


def model_file(study: Study, name: str) -> Path:
    """Return where a scikit-learn model is kept."""
    return study.models / f"{name}.skops"


def load_model(study: Study, name: str) -> BaseEstimator:
    """Read a model that `save_model` wrote; types that scikit-learn does not know are refused.

    Raises:
        StudyError: there is none, it is not as it was written, or it holds other types.
    """
    import skops.io

    path = model_file(study, name)
    if not path.exists():
        raise study.not_yet(f"models/{path.name}", contract.SELECTION)
    require_sound(path, contract.SELECTION)
    return skops.io.load(path, trusted=_allowed(study, name, path))


def _allowed(study: Study, name: str, path: Path) -> list[str]:
    """Return the types that a model's file may hold.

    Raises:
        ModelMismatch: it holds others.
    """
    import skops.io

    allowed = TRUSTED | classifiers.trusted(study.settings, name)
    strange = set(skops.io.get_untrusted_types(file=path)) - allowed
    if strange:
        raise ModelMismatch(f"{name}.skops holds {', '.join(strange)}, which no model here has.")
    return sorted(allowed)


def save_signature(study: Study, features: list[str]) -> None:
    """Write the names of the selected features, in the models' order."""
    write_json(study.models / "signature.json", features)


def load_signature(study: Study) -> list[str]:
    """Read the names of the selected features."""
    path = study.models / "signature.json"
    if not path.exists():
        raise study.not_yet("models/signature.json", contract.SELECTION)
    return read_json(path)


def keep_models(
    study: Study, models: dict[str, BaseEstimator], train: Side, test: Side,
    oof: dict[str, np.ndarray], fold: np.ndarray,
) -> None:  # fmt: skip
    """Keep fitted models and their scores, without labels; those of models that went, go.

    Args:
        study: whose models/ and predictions.csv they go to.
        models: by name.
        train: the training patients and their inputs.
        test: the test patients and theirs.
        oof: each model's out-of-fold scores.
        fold: of each training patient.
    """
    predictions.drop_others(study, classifiers.names(study.settings))
    for name, model in models.items():
        sides = [(patients, probability(model, inputs)) for patients, inputs in (train, test)]
        predictions.save(study, name, *sides, oof[name], fold)
        save_model(study, name, model)
