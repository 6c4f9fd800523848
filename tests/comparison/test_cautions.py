"""What the reports say in red of scores: few patients, hard labels, a turned score, saturation."""

import numpy as np
import pandas as pd
import pytest
from radiogenomics.comparison import cautions, evidence, results
from radiogenomics.study.settings import Evaluation, Settings
from radiogenomics.study.study import Study


def told(tmp_path, **models):
    """The cautions, by where, on scores of 80 test patients by model."""
    rng = np.random.default_rng(1)
    label = np.arange(80) % 2
    good = np.clip(0.5 + 0.2 * (label - 0.5) + rng.normal(0, 0.15, 80), 0.01, 0.99)
    made = {"good": good} | {name: make(good, label) for name, make in models.items()}
    parts = [pd.DataFrame({"patient": [f"P{i}" for i in range(80)], "cohort": "test",
                           "label": label, "model": name, "score": score, "fold": np.nan})
             for name, score in made.items()]  # fmt: skip
    scores = pd.concat(parts, ignore_index=True)
    study = Study(tmp_path, tmp_path / "reports", Settings(evaluation=Evaluation(bootstrap=100)))
    draws = evidence.drawings(study, scores)
    thresholds = evidence.thresholds(study, scores)
    metrics = results.metrics(study, scores, thresholds, draws)
    return cautions.of_scores(scores, metrics).groupby("where").warning.agg(" ".join)


def test_a_good_score_is_not_warned_of_and_the_cohort_is_told_first(tmp_path):
    found = told(tmp_path)
    assert list(found.index) == ["test cohort"]
    assert found["test cohort"].startswith("40 of 80 patients of the external test cohort have")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda good, label: 1 - good, "runs the wrong way"),
        (lambda good, label: (good > 0.5).astype(float), "every score is 0 or 1"),
        (lambda good, label: np.where(good > 0.7, 1.0, good), "scores are exactly 0 or 1"),
    ],
)
def test_faulty_scores_are_told_by_model(tmp_path, make, says):
    found = told(tmp_path, other=make)
    assert says in found["other"] and list(found.index) == ["other", "test cohort"]


def test_scores_without_signal_do_not_run_the_wrong_way(tmp_path):
    rng = np.random.default_rng(2)
    assert "noise" not in told(tmp_path, noise=lambda good, label: rng.random(80))


def test_folds_whose_scores_do_not_overlap_are_told():
    rows = pd.DataFrame({"fold": [1, 1, 2, 2], "score": [0.1, 0.3, 0.4, 0.6]})
    assert cautions._folds_apart(rows) and not cautions._folds_apart(rows.assign(fold=[1, 2, 1, 2]))
