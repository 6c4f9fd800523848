"""The comparison models are R's, keep folds and cohorts apart, come back the same from disk."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
import statsmodels.api as sm
from radiogenomics.cohort import seal
from radiogenomics.models import classical, predictions
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from scipy.special import logit
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier

REFERENCE = Path(__file__).parents[1] / "reference"


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
    fold = classical.folds(train, 3, seed=1)
    counts = pd.crosstab(fold, [train.label, train.hospital])
    assert sorted(set(fold)) == [1, 2, 3] and (counts.max() - counts.min() <= 1).all()
    with pytest.raises(StudyError, match="No number of folds leaves so many: add patients"):
        classical.folds(train.groupby("label").head(2), 3, seed=1)


def test_folds_leave_enough_patients_to_calibrate_the_svm(patients):
    train = patients[patients.cohort == "train"]
    with pytest.raises(StudyError, match="3 folds leave 4 of them outside a fold.*one of 4 to 7"):
        classical.folds(train.groupby("label").head(7), 3, seed=1)
    few = train.groupby("label").head(8)
    fold, x = classical.folds(few, 3, seed=1), RNG.normal(size=(16, 2))
    svm = classical.radiomics_models(1)["SVM"]
    assert np.isfinite(classical.out_of_fold(svm, x, few.label.to_numpy(), fold)).all()


def test_out_of_fold_score_has_not_seen_the_patient(patients):
    """A model of prevalence alone scores a fold with the share of mutants in the others."""
    train = patients[patients.cohort == "train"]
    labels, fold = train.label.to_numpy(), classical.folds(train, 3, 1)
    model = DummyClassifier(strategy="prior")
    score = classical.out_of_fold(model, np.zeros((60, 1)), labels, fold)
    for number in (1, 2, 3):
        assert np.allclose(score[fold == number], labels[fold != number].mean())


def test_clinical_model_is_statsmodels_logit(patients):
    inputs = classical.clinical_columns(patients, ("sex", "smoking"))
    found = classical.probability(classical.clinical_model().fit(inputs, patients.label), inputs)
    male, ever = inputs.sex == "male", inputs.smoking == "ever"
    design = sm.add_constant(np.column_stack([male, ever]).astype(float))
    theirs = sm.Logit(patients.label, design).fit(disp=0).predict(design)
    assert np.allclose(found, theirs, atol=1e-7)


@pytest.fixture(scope="module")
def rs():
    """The ten features, who trains, the labels and R's predictions."""
    theirs = pd.read_csv(REFERENCE / "classifiers_predictions.csv")
    names = json.loads((REFERENCE / "features.json").read_text())["classifiers"]["features"]
    x = pd.read_csv(REFERENCE / "features_528x300.csv")[names]
    return x, theirs.split == "train", theirs.y, theirs


def test_unpenalised_logistic_regression_is_rs_glm(rs):
    x, train, y, theirs = rs
    model = classical.radiomics_models(1)["LR"].fit(x[train], y[train])
    assert np.abs(classical.probability(model, x) - theirs.lr).max() < 3e-7


def test_ridge_of_the_stack_is_rs_glmnet(rs):
    x, train, y, theirs = rs
    z = (x - x[train].mean()) / x[train].std()
    model = classical.stack().fit(z[train], y[train])
    assert np.abs(classical.probability(model, z) - theirs.ridge_C1).max() < 3e-7


def test_support_vector_machine_is_e1071s(rs):
    """Scaled by the sample SD, as R does; by the population's, decisions are up to 0.004 off."""
    x, train, y, theirs = rs
    z = (x - x[train].mean()) / x[train].std()
    machine = clone(classical.radiomics_models(1)["SVM"][-1].machine).set_params(gamma=0.1)
    found = machine.fit(z[train], y[train]).decision_function(z)
    assert np.abs(found - theirs.svm_rbf_dec).max() < 3e-8
    ours = classical.radiomics_models(1)["SVM"].fit(x[train], y[train])
    assert np.abs(ours.decision_function(x) - theirs.svm_rbf_dec).max() < 5e-3


def test_naive_bayes_is_e1071s_but_for_the_population_variance(rs):
    x, train, y, theirs = rs
    model = classical.radiomics_models(1)["Bayes"].fit(x[train], y[train])
    assert np.abs(classical.probability(model, x) - theirs.nb).max() < 2e-3
    n = model[-1].class_count_[:, np.newaxis]
    model[-1].var_ *= n / (n - 1)
    assert np.abs(classical.probability(model, x) - theirs.nb).max() < 1e-9


def test_clinical_model_is_rs_on_the_papers_counts():
    table = pd.read_csv(REFERENCE / "clinical_joint_rank2_n660.csv")
    theirs = json.loads((REFERENCE / "clinical_model_R.json").read_text())["rank2"]
    table["sex"] = np.where(table.female == 1, "female", "male")
    table["smoking_history"] = np.where(table.smoker == 1, "ever", "never")
    inputs = classical.clinical_columns(table, ("sex", "smoking"))
    train = table.cohort == "train"
    model = classical.clinical_model().fit(inputs[train], table.egfr_mutant[train])
    cells = pd.DataFrame(
        {"sex": ["female", "male"] * 2, "smoking": ["never", "never", "ever", "ever"]}
    )
    assert (
        np.abs(classical.probability(model, cells) - theirs["p_by_cell_FN_MN_FS_MS"]).max() < 1e-7
    )


def test_scores_replace_earlier_ones_and_labels_join_once(tmp_path, patients):
    study = Study(tmp_path, tmp_path / "reports", Settings(synthetic=True))
    first = predictions.score_rows(patients, "LR", np.linspace(0, 1, 80))
    predictions.save_scores(study, first)
    predictions.save_scores(study, predictions.score_rows(patients, "SVM", np.full(80, 0.5)))
    predictions.save_scores(study, predictions.score_rows(patients, "LR", np.linspace(1, 0, 80)))
    scores = predictions.read_scores(study)
    assert len(scores) == 160 and scores.label.isna().all() and scores.synthetic.all()
    assert scores[scores.model == "LR"].score.iloc[0] == 1
    keep(study, patients)
    joined, before = seal.join(study, scores, "05_comparison")
    assert (joined[joined.model == "SVM"].label.to_numpy() == patients.label).all()
    assert before == {"times": 0, "same": 0, "others": 0, "first": ""}
    train = patients[patients.cohort == "train"]
    folded = predictions.score_rows(train, "LR", np.full(60, 0.5), np.tile([1, 2], 30))
    seal.join(study, pd.concat([scores, folded]), "05_comparison")
    for wrong in (folded.iloc[1:], pd.concat([folded, folded.iloc[:1]])):
        with pytest.raises(StudyError, match="each of the 60 training patients .out-of-fold."):
            seal.join(study, pd.concat([scores, wrong]), "05_comparison")
    keep(study, patients.iloc[1:])
    with pytest.raises(StudyError, match="LR does not have one score for each of the 79"):
        seal.join(study, scores, "05_comparison")


def keep(study, patients):
    study.included_csv.parent.mkdir(parents=True, exist_ok=True)
    patients.assign(ct="", mask="", mask_label="").to_csv(study.included_csv, index=False)


def test_saved_models_score_the_same_and_code_is_refused(tmp_path, patients):
    study = Study(tmp_path, tmp_path, Settings())
    inputs = pd.DataFrame(RNG.normal(size=(80, 3)), columns=list("abc"))
    for name, model in classical.radiomics_models(7).items():
        fitted = model.fit(inputs, patients.label)
        classical.save_model(study, name, fitted)
        again = classical.load_model(study, name)
        assert np.allclose(*(classical.probability(m, inputs) for m in (fitted, again)), atol=1e-12)
    with pytest.raises(StudyError, match="strange.skops holds"):
        classical.save_model(study, "strange", Strange())
    with whole_file(classical.model_file(study, "strange"), sealed=True) as part:
        skops.io.dump(Strange(), part)
    with pytest.raises(StudyError, match="strange.skops holds"):
        classical.load_model(study, "strange")


def test_a_category_that_training_does_not_know_counts_as_the_reference(recwarn):
    inside = pd.DataFrame({"lobe": ["LUL", "RLL", "RUL"] * 20, "sex": "male"})
    labels = RNG.integers(0, 2, 60)
    outside = pd.DataFrame({"lobe": ["RML", "LUL", "RML"], "sex": ["male", "male", "female"]})
    score = classical.probability(classical.clinical_model().fit(inside, labels), outside)
    assert score[0] == score[1] == score[2] and not recwarn.list
    unseen = ["lobe RML (2 in the test cohort)", "sex female (1 in the test cohort)"]
    assert classical.unseen_categories(inside, outside) == unseen
    assert classical.unseen_categories(inside, inside) == []


def test_stack_takes_logits_and_bounds_them():
    inputs = classical.stack_inputs(np.array([0.2, 1.0]), np.array([0.7, 0.0]))
    assert np.allclose(inputs[0], logit([0.2, 0.7])) and np.isfinite(inputs).all()
