"""The comparison models keep folds and cohorts apart; saved models come back the same."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics import models, seal
from radiogenomics.study import Settings, Study, StudyError
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier


class Strange(BaseEstimator):
    """A type that scikit-learn does not have."""


RNG = np.random.default_rng(3)


@pytest.fixture
def patients():
    """Sixty training patients of two hospitals and twenty test patients."""
    table = pd.DataFrame({"patient": [f"P{i}" for i in range(80)]})
    table["cohort"] = ["train"] * 60 + ["test"] * 20
    table["hospital"] = ["A", "C"] * 30 + ["B"] * 20
    table["label"] = RNG.permutation([0, 1] * 40)
    table["sex"] = RNG.choice(["female", "male"], 80)
    table["smoking_history"] = RNG.choice(["never", "ever"], 80)
    return table


def test_folds_are_balanced_by_label_and_hospital(patients):
    train = patients[patients.cohort == "train"]
    fold = models.folds(train, 3, seed=1)
    counts = pd.crosstab(fold, [train.label, train.hospital])
    assert sorted(set(fold)) == [1, 2, 3] and (counts.max() - counts.min() <= 1).all()
    with pytest.raises(StudyError, match="Set folds lower"):
        models.folds(train.groupby("label").head(2), 3, seed=1)


def test_out_of_fold_score_has_not_seen_the_patient(patients):
    """A model of prevalence alone scores a fold with the share of mutants in the others."""
    train = patients[patients.cohort == "train"]
    labels, fold = train.label.to_numpy(), models.folds(train, 3, 1)
    model = DummyClassifier(strategy="prior")
    score = models.out_of_fold(model, np.zeros((60, 1)), labels, fold)
    for number in (1, 2, 3):
        assert np.allclose(score[fold == number], labels[fold != number].mean())


def test_clinical_model_is_statsmodels_logit(patients):
    inputs = models.clinical_columns(patients, ("sex", "smoking"))
    found = models.probability(models.clinical_model().fit(inputs, patients.label), inputs)
    male, ever = inputs.sex == "male", inputs.smoking == "ever"
    design = sm.add_constant(np.column_stack([male, ever]).astype(float))
    theirs = sm.Logit(patients.label, design).fit(disp=0).predict(design)
    assert np.allclose(found, theirs, atol=1e-5)


def test_scores_replace_earlier_ones_and_labels_join_once(tmp_path, patients):
    study = Study(tmp_path, tmp_path / "reports", Settings(synthetic=True))
    first = models.score_rows(patients, "LR", np.linspace(0, 1, 80))
    models.save_scores(study, first)
    models.save_scores(study, models.score_rows(patients, "SVM", np.full(80, 0.5)))
    models.save_scores(study, models.score_rows(patients, "LR", np.linspace(1, 0, 80)))
    scores = models.read_scores(study)
    assert len(scores) == 160 and scores.label.isna().all() and scores.synthetic.all()
    assert scores[scores.model == "LR"].score.iloc[0] == 1
    keep(study, patients)
    joined, before = seal.join(study, scores, "05_comparison")
    assert (joined[joined.model == "SVM"].label.to_numpy() == patients.label).all()
    assert "0 times" in before
    keep(study, patients.iloc[1:])
    with pytest.raises(StudyError, match="LR does not have one score for each of the 79"):
        seal.join(study, scores, "05_comparison")


def keep(study, patients):
    study.derived.mkdir(exist_ok=True)
    patients.assign(ct="", mask="", mask_label="").to_csv(study.derived / "included.csv", index=False)


def test_saved_models_score_the_same_and_code_is_refused(tmp_path, patients):
    inputs = pd.DataFrame(RNG.normal(size=(80, 3)), columns=list("abc"))
    for name, model in models.radiomics_models(7).items():
        fitted = model.fit(inputs, patients.label)
        models.save_model(fitted, tmp_path / f"{name}.skops")
        again = models.load_model(tmp_path / f"{name}.skops")
        assert np.allclose(*(models.probability(m, inputs) for m in (fitted, again)), atol=1e-12)
    models.save_model(Strange(), tmp_path / "strange.skops")
    with pytest.raises(StudyError, match="strange.skops holds"):
        models.load_model(tmp_path / "strange.skops")


def test_stack_takes_logits_and_bounds_them():
    inputs = models.stack_inputs(np.array([0.2, 1.0]), np.array([0.7, 0.0]))
    assert np.allclose(inputs[0], logit([0.2, 0.7])) and np.isfinite(inputs).all()
