"""Platt's probabilities, whose two numbers come from folds that repeat all that is fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from radiogenomics.study.contract import PLATT_FOLDS as FOLDS


class Platt(ClassifierMixin, BaseEstimator):
    """A classifier whose decision values become probabilities by Platt's sigmoid.

    Its two numbers are fitted (Platt 1999) on decision values of patients whom the classifier had
    not seen. `fit` alone makes these by folds of its own, with the inputs as they are; where the
    inputs were selected by the same labels, `fit_after_selection` gives it honest ones.
    """

    def __init__(self, machine: BaseEstimator, seed: int = 0) -> None:
        """Keep the classifier, which has decision_function, unfitted, and the folds' seed."""
        self.machine = machine
        self.seed = seed

    def fit(
        self, inputs: pd.DataFrame, labels: np.ndarray, unseen: np.ndarray | None = None
    ) -> Platt:
        """Fit the classifier to (patient, feature), the sigmoid to `unseen` values (patient,)."""
        if unseen is None:
            unseen = unseen_decisions(self.machine, inputs, labels, self.seed)
        self.machine_ = clone(self.machine).fit(inputs, labels)
        self.classes_ = self.machine_.classes_
        self.slope_, self.intercept_ = sigmoid(unseen, np.asarray(labels))
        return self

    def decision_function(self, inputs: pd.DataFrame) -> np.ndarray:
        """Return the classifier's decision values (patient,)."""
        return self.machine_.decision_function(inputs)

    def predict_proba(self, inputs: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of 0 and 1 (patient, 2)."""
        one = expit(self.slope_ * self.decision_function(inputs) + self.intercept_)
        return np.stack([1 - one, one], axis=1)


def sigmoid(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of Platt's sigmoid.

    The targets are (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) instead of 1 and 0, so that values which
    separate the labels have finite numbers too.

    >>> slope, intercept = sigmoid(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    >>> round(slope, 3), abs(round(intercept, 3))
    (0.741, 0.0)
    """
    ones = labels.sum()
    target = np.where(labels == 1, (ones + 1) / (ones + 2), 1 / (len(labels) - ones + 2))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000)
    twice = np.concatenate([values, values])[:, np.newaxis]
    as_both = np.repeat([1, 0], len(values))
    model.fit(twice, as_both, np.concatenate([target, 1 - target]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def unseen_decisions(
    model: BaseEstimator, inputs: pd.DataFrame, labels: np.ndarray, seed: int
) -> np.ndarray:
    """Return each patient's decision value by a copy of the model without the patient's fold."""
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    rows_of = inputs.iloc if isinstance(inputs, pd.DataFrame) else inputs
    labels, values = np.asarray(labels), np.empty(len(labels))
    for rest, held in splitter.split(np.zeros(len(labels)), labels):
        values[held] = (
            clone(model).fit(rows_of[rest], labels[rest]).decision_function(rows_of[held])
        )
    return values


def fit_after_selection(
    selector: Pipeline, estimator: Pipeline, features: pd.DataFrame, labels: np.ndarray
) -> Pipeline:
    """Return a fitted copy of an estimator on the features that a fitted selector chose.

    Platt's numbers come from folds that repeat selection, scaling and fit: on features that were
    chosen by all labels, decision values of left-out patients flatter, and so would probabilities.

    Args:
        selector: fitted to these features and labels.
        estimator: scaler and classifier, unfitted.
        features: (patient, feature), before the selection.
        labels: (patient,).
    """
    chosen, (name, last) = selector.transform(features), estimator.steps[-1]
    if not isinstance(last, Platt):
        return clone(estimator).fit(chosen, labels)
    whole = Pipeline([("selection", selector), *estimator.steps[:-1], (name, last.machine)])
    unseen = unseen_decisions(whole, features, labels, last.seed)
    return clone(estimator).fit(chosen, labels, **{f"{name}__unseen": unseen})
