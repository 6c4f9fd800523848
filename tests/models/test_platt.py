"""Platt's probabilities: scikit-learn's where nothing was selected, honest where something was."""

import numpy as np
import pandas as pd
import pytest
from radiogenomics.models import classical, platt
from radiogenomics.radiomics import agreement, signature
from radiogenomics.statistics import calibration
from radiogenomics.study.settings import Radiomics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

QUICK = Radiomics(lasso_folds=3)
SEEDS = range(4)


def drawn(seed, n=95, features=250, signal=0.0):
    """Features (patient, feature) of which the first three shift with the label."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    values = rng.normal(size=(n, features))
    values[:, :3] += signal * (labels[:, np.newaxis] - 0.5)
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(features)]), labels


def test_without_selection_the_numbers_are_scikit_learns():
    x, y = drawn(0, features=6, signal=1.0)
    folds = StratifiedKFold(platt.FOLDS, shuffle=True, random_state=3)
    theirs = CalibratedClassifierCV(SVC(tol=1e-8), cv=folds, ensemble=False).fit(x, y)
    ours = platt.Platt(SVC(tol=1e-8), seed=3).fit(x, y)
    assert np.abs(ours.predict_proba(x) - theirs.predict_proba(x)).max() < 1e-5


def test_values_that_separate_the_labels_have_finite_numbers():
    slope, intercept = platt.sigmoid(np.array([-1.0, -1.0, 2.0, 3.0]), np.array([0, 0, 1, 1]))
    assert 0 < slope < 10 and np.isfinite(intercept)


def scores(seed, signal, honest):
    """The SVM's scores of 400 new patients after the study's selection on 95."""
    x, y = drawn(seed, signal=signal)
    new, truth = drawn(seed + 1000, n=400, signal=signal)
    selector = signature.signature_pipeline(QUICK, seed).fit(x, y)
    model = make_pipeline(StandardScaler(), classical.support_vectors(seed))
    if honest:
        fitted = platt.fit_after_selection(selector, model, x, y)
    else:
        fitted = model.fit(selector.transform(x), y)
    return truth, classical.probability(fitted, selector.transform(new))


def test_on_noise_probabilities_stay_near_the_prevalence():
    brier = {honest: np.mean([np.mean((np.subtract(*scores(seed, 0.0, honest))) ** 2)
                              for seed in SEEDS]) for honest in (True, False)}  # fmt: skip
    assert brier[True] < 0.27 < 0.29 < brier[False]  # a coin has 0.25


def test_with_signal_new_patients_are_calibrated():
    slopes = {}
    for honest in (True, False):
        found = [calibration.calibration(*scores(seed, 1.0, honest)) for seed in SEEDS]
        slopes[honest] = np.median(
            [t.set_index("metric").value["calibration_slope"] for t in found]
        )
    assert slopes[False] < 0.75 < slopes[True] < 1.8


def test_the_selection_of_a_fold_does_not_see_its_patients():
    x, y = drawn(5)
    held = x.copy()
    selector = signature.signature_pipeline(QUICK, 1).fit(x, y)
    seen = []
    whole = make_pipeline(selector, StandardScaler(), Spy(seen))
    platt.unseen_decisions(whole, held, y, 1)
    sizes = [len(rows) for rows in seen]
    assert len(sizes) == platt.FOLDS and set(sizes) == {76} and len(set(seen)) == platt.FOLDS


class Spy(SVC):
    """Notes which patients it was fitted on."""

    def __init__(self, seen=None):
        super().__init__()
        self.seen = seen

    def __sklearn_clone__(self):
        return Spy(self.seen)

    def fit(self, x, y):
        self.seen.append(tuple(np.asarray(x)[:, 0]))
        return super().fit(x, y)


def test_readers_filter_is_fitted_within_each_fold():
    x, y = drawn(7, n=60, features=8, signal=2.0)
    second = x + np.random.default_rng(1).normal(size=x.shape) * 0.05
    second.iloc[30:, 0] += 9  # the readers disagree on feature f0 of the last patients only
    first = agreement.Repeatable([second], 0.75, "reader_icc")
    assert first.fit(x[:30]).support_[0] and not first.fit(x).support_[0]
    steps = agreement.filters(Radiomics(reader_icc=0.75), second, {})
    kept = agreement.fitted(steps, x)
    selector = signature.signature_pipeline(QUICK, 1).fit(x[kept], y)
    chain = agreement.with_filters(selector, steps)
    assert chain.transform(x).equals(selector.transform(x[kept]))
    assert agreement.with_filters(selector, []) is selector


@pytest.mark.parametrize("name", ["LR", "Bayes"])
def test_other_models_are_fitted_on_the_signature_alone(name):
    x, y = drawn(2, signal=1.0)
    selector = signature.signature_pipeline(QUICK, 1).fit(x, y)
    model = classical.radiomics_models(1)[name]
    found = classical.probability(
        platt.fit_after_selection(selector, model, x, y), selector.transform(x)
    )
    chosen = selector.transform(x)
    assert (found == classical.probability(model.fit(chosen, y), chosen)).all()
