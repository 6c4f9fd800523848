"""The controls: what is permuted, what is compared, and the words that follow."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from radiogenomics.comparison import evidence, readings, refitted
from radiogenomics.comparison.controls import images, luck, verdict
from radiogenomics.models import predictions
from radiogenomics.study import tables
from radiogenomics.study.words import say
from sklearn.metrics import roc_auc_score


@pytest.fixture(scope="module")
def train():
    hospital = np.repeat(["A", "C"], [60, 40])
    label = np.r_[np.repeat([0, 1], 30), np.repeat([0, 1], [30, 10])]
    names = [f"P{n}" for n in range(100)]
    return pd.DataFrame({"patient": names, "hospital": hospital, "label": label, "cohort": "train"})


def test_labels_are_permuted_within_each_hospital_and_by_the_seed(train):
    first, again, other = (luck.permuted_labels(train, *key) for key in ((1, 1), (1, 1), (1, 2)))
    assert first.equals(again) and (first.label != other.label).any()
    assert (first.label != luck.permuted_labels(train, 2, 1).label).any()
    counts = [part.groupby("hospital").label.sum() for part in (train, first)]
    assert (counts[0] == counts[1]).all() and (first.label != train.label).mean() > 0.3
    assert luck.permuted_labels(train, 1, 0) is train


def test_p_values_of_permutations_are_uniform_without_signal():
    """The share below 0.05 among 400 tests of 39 permutations is 0.05, within three SE."""
    rng = np.random.default_rng(3)
    found = [luck.p_value(rng.normal(), rng.normal(size=39)) for _ in range(400)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.033)
    assert min(found) >= 1 / 40


def test_the_verdict_holds_interval_and_margin_together():
    limits = {(0.01, 0.3): "yes", (-0.3, 0.04): "no", (0.01, 0.04): "no", (-0.1, 0.06): "undecided"}
    for (low, high), word in limits.items():
        assert verdict.verdict_of(low, high, 0.05) == word
    assert verdict.verdict_of(np.nan, np.nan, 0.05) == "undecided"


def test_a_control_below_chance_decides_nothing_by_itself():
    labels = np.tile([0, 1], 6)
    score = np.array([1, 5, 2, 6, 3, 7, 9, 10, 8, 4, 11, 12.0])  # AUC 0.67, its interval holds 0.5
    found = verdict._beside(labels, score, -labels.astype(float), 0.05, 0.95)
    assert found["ci_low"] > 0 and found["auc_control"] == 0
    assert found["verdict"] == "undecided" and found["reason"] == verdict.WORSE_THAN_CHANCE
    assert -1 <= found["ci_low"] <= found["ci_high"] <= 1
    many = np.tile([0, 1], 20)
    better = 2 * many + np.random.default_rng(0).normal(size=40)
    clear = verdict._beside(many, better, -many.astype(float), 0.05, 0.95)
    assert clear["verdict"] == "yes"


def test_a_model_whose_probabilities_are_turned_round_is_not_better_than_chance():
    """Platt's folds may do so without a signal; the permutations leave them out."""
    labels, score = np.tile([0, 1], 10), np.arange(20.0) + 9 * np.tile([0, 1], 10)
    null = np.r_[0.9, np.linspace(0.3, 0.7, 99)]
    permuted = tables.PERMUTATIONS.frame([("test", "SVM", n, auc) for n, auc in enumerate(null)])
    for scores, word in ((score, "yes"), (-score, "undecided")):
        (row,) = verdict._permuted({"SVM": (labels, scores)}, permuted, 0.05)
        assert row["verdict"] == word and row["auc"] == roc_auc_score(labels, scores)


def test_ranking_without_platts_folds_is_the_order_of_the_scores():
    rng = np.random.default_rng(6)
    labels = np.tile([0, 1], 40)
    columns = [f"original_a_{n}" for n in range(30)]
    x = pd.DataFrame(rng.normal(size=(120, 30)), columns=columns)
    x.iloc[:80, :3] += 1.2 * labels[:, None]
    parts = x[:80], x[80:]
    from radiogenomics.radiomics import signature
    from radiogenomics.study.settings import Radiomics

    def chain():
        return signature.signature_pipeline(Radiomics(lasso_folds=3), 1)

    scores = refitted.on_features(chain(), 1, labels, *parts)
    ranks = refitted.ranked_by_features(chain(), 1, labels, *parts)
    assert list(scores) == list(ranks) == ["LR", "SVM", "Bayes"]
    for model, values in scores.items():
        assert (np.argsort(values) == np.argsort(ranks[model])).all()


def test_models_fitted_again_are_the_studys(finished):
    """What controls refit is what notebook 03 fitted: the scores are those of predictions.csv."""
    from radiogenomics.cohort.included import read_included, split
    from radiogenomics.radiomics.features import load_features

    train, test = split(read_included(finished))
    found = refitted.scores(finished, train, test, load_features(finished))
    kept = predictions.score_table(predictions.read_scores(finished), "external")
    for model, scores in found.items():
        assert scores == pytest.approx(kept.loc[test.patient, model].to_numpy(), abs=1e-9)


def test_a_run_has_a_row_for_every_question_and_control(finished):
    table, study = finished.table(tables.VERDICT), finished
    assert set(table.question) == {
        "chance", "training labels", "voxels", "volume", "acquisition", "hospital",
    }  # fmt: skip
    assert set(table.verdict) <= {"yes", "no", "undecided"}
    made = {change.name for change in images.changes_of(study)} | {"outline alone"}
    voxels = table[table.question == "voxels"]
    for model in ("LR", "SVM", "Bayes"):
        assert set(voxels.control[voxels.model == model]) == made
    seen = made - {"voxels shuffled outside"}  # the network sees nothing there
    assert set(voxels.control[voxels.model == "CNN"]) == seen
    metrics = study.table(tables.METRICS)
    auc = metrics[(metrics.scores == "external") & (metrics.metric == "auc")]
    auc = auc.drop_duplicates("model").set_index("model").value
    for row in table[table.question == "chance"].itertuples():
        assert row.auc == pytest.approx(auc[row.model], abs=1e-12)
    null = study.table(tables.PERMUTATIONS)
    assert set(null.model) == {"Clinical", "LR", "SVM", "Bayes"}
    assert set(null.permutation) == {0, 1, 2, 3}
    for row in table[table.question == "training labels"].dropna(subset="auc").itertuples():
        own = null[null.model == row.model].set_index("permutation").auc
        assert row.p == pytest.approx((1 + (own[1:] >= own[0]).sum()) / 4)
        if row.model != "SVM":  # whose sigmoid may turn the order
            assert own[0] == pytest.approx(auc[row.model], abs=1e-9)


@pytest.mark.slow
def test_controls_never_see_test_labels(finished):
    """With the test labels turned round, permutations and controls give the same scores."""
    scores = predictions.read_scores(finished)
    patients = evidence.patient_columns(finished, _labelled(finished))
    turned = patients.assign(label=patients.label.where(patients.cohort == "train",
                                                        1 - patients.label))  # fmt: skip
    for make in (luck.permutations, images.control_scores):
        assert make(finished, patients).equals(make(finished, turned))
    assert len(scores)


def _labelled(study):
    from radiogenomics.cohort import seal

    return seal.opened(study, "test", "describe")


def test_the_words_name_what_was_not_done_and_why():
    rows = [
        ("test", "chance", "CNN", "AUC of 0.5", 0.8, 0.5, 0.3, 0.1, 0.45, 0.01, "yes", 25, ""),
        ("test", "training labels", "CNN", "x", *[np.nan] * 6, "undecided", 25, "not permuted"),
        ("test", "volume", "CNN", "volume alone", *[np.nan] * 6, "undecided", 25, "no volume"),
        ("test", "acquisition", "CNN", "acquisition alone (scanner)", 0.8, 0.78, 0.02, -0.1, 0.04,
         0.5, "no", 25, ""),
        ("test", "voxels", "CNN", "voxels shuffled inside", 0.8, 0.5, 0.3, 0.1, 0.5, 0.01, "yes",
         25, ""),
    ]  # fmt: skip
    facts = readings.verdict_of(tables.VERDICT.frame(rows), "test", "CNN")
    about = {"level": 0.95, "margin": 0.05, "declared": False, "networks": luck.OF_NETWORK}
    text = say("comparison", "verdict", **facts, **about)
    assert "Better than chance: **yes**" in text and "trains it 20 times more" in text
    assert "volume: **undecided**. Not tested: no volume." in text
    assert (
        "More than acquisition alone (scanner): **no**" in text
        and "worse with voxels shuffled inside" in text
    )
    assert text.count("\n\n* ") == 4 and "nan" not in text


@pytest.mark.slow
def test_full_checks_train_the_network_on_permuted_labels_and_changed_images(finished):
    study = dataclasses.replace(
        finished, settings=dataclasses.replace(
            finished.settings,
            evaluation=dataclasses.replace(finished.settings.evaluation, checks="full"),
        ),
    )  # fmt: skip
    patients = evidence.patient_columns(study, _labelled(study))
    permuted = luck.permutations(study, patients)
    cnn = permuted[permuted.model == "CNN"].pivot(
        index="permutation", columns="patient", values="score"
    )
    assert list(cnn.index) == [0, 1, 2, 3] and len(cnn.drop_duplicates()) == 4
    kept = predictions.score_table(predictions.read_scores(study), "external").CNN
    assert cnn.loc[0].to_numpy() == pytest.approx(kept[cnn.columns].to_numpy(), abs=1e-6)
    controls = images.control_scores(study, patients)
    names = {one.name for one in images.changes_of(study) if one.where != "outside"}
    names |= {"outline alone"}
    assert len(names) == 5 and "voxels redrawn inside" in names
    of_network = set(controls.control[controls.model == "CNN"])
    assert of_network == names | {name + images.AGAIN for name in names}
    again = images.control_scores(study, patients)
    assert again.equals(controls)
