"""A study with a further classifier and features made elsewhere, from study.toml to the draft."""

import os
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import QUICK, make_tiny
from radiogenomics.report import run
from radiogenomics.study import contract, tables
from radiogenomics.study.files import read_json
from radiogenomics.study.study import load_study

SCRIPT = Path(__file__).parents[2] / "docs" / "pca_features.py"
FURTHER = """
[models.forest]
class = "sklearn.ensemble.RandomForestClassifier"
n_estimators = 30

[features]
table = "embeddings.csv"
model_name = "PCA"
made_by = "principal components of the volumes"
"""
ADDED = {"forest", "PCA"}
pytestmark = pytest.mark.skipif(
    "DESIGNS" not in os.environ, reason="a whole run, by hand: DESIGNS=4"
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("further") / "data" / "tiny"
    make_tiny(folder)
    first = load_study(folder, **QUICK)
    run.run_study(first, only=["01", "02"], overrides=QUICK)
    runpy.run_path(str(SCRIPT))["table"](first).to_csv(folder / "embeddings.csv", index=False)
    toml = folder / "study.toml"
    toml.write_text(toml.read_text("utf-8") + FURTHER, "utf-8")
    made = load_study(folder, **QUICK)
    states = run.run_study(made, overrides=QUICK)
    print(run.check_privacy(made, states))
    run.finish(made, states)
    return made


@pytest.mark.slow
def test_both_have_every_score_and_every_measure(study):
    scores = pd.read_csv(study.predictions_csv)
    assert set(scores.model) == {m.name for m in contract.MODELS} | ADDED
    counts = scores[scores.model.isin(ADDED)].groupby("model").size()
    assert (counts == scores[scores.model == "LR"].shape[0]).all()
    assert not scores[scores.fold.notna() & (scores.model == "PCA")].score.isna().any()
    metrics, delong = study.table(tables.METRICS), study.table(tables.DELONG)
    assert set(metrics.model) >= ADDED
    assert set(delong.model_a) | set(delong.model_b) >= ADDED
    verdict = study.table(tables.VERDICT)
    asked = verdict[verdict.auc_control.notna()].groupby("model").question.unique()
    assert {"training labels", "voxels"} <= set(asked["forest"])
    assert "training labels" in asked["PCA"] and "voxels" not in asked["PCA"]
    sizes = study.table(tables.SAMPLE_SIZE).set_index("model").parameters
    steps = study.table(tables.EMBEDDING_STEPS)
    assert np.unique(sizes["PCA"].dropna()) == steps.kept[0] + steps.dropped[0]


@pytest.mark.slow
def test_the_forest_is_explained_and_a_new_patient_scored(study):
    relied = study.table(tables.IMPORTANCE)
    assert set(relied.model) == {"forest"} and relied.folds.max() <= QUICK["folds"]
    drawn = read_json(study.figures / "importance.json")
    assert "takes most from the AUC of forest" in drawn["layout"]["meta"]["told"]
    found = read_json(study.reports / "new_patient" / "prediction.json")
    assert set(found["probability"]) == {"LR", "SVM", "Bayes", "forest", "CNN", "Com"}
    assert found["no_score"] == ["PCA"]
    page = (study.reports / "07_new_patient.html").read_text("utf-8")
    assert "PCA has no score: other software makes its features" in page


@pytest.mark.slow
def test_the_draft_and_the_index_say_what_they_are(study):
    draft = (study.reports / "manuscript.md").read_text("utf-8")
    forest = "forest (RandomForestClassifier of scikit-learn with n_estimators = 30, else its"
    assert forest in draft and "PCA (logistic regression on features made elsewhere)" in draft
    assert "PCA is an unpenalised logistic regression, as LR, on " in draft
    assert "features that were made elsewhere (principal components of the volumes)" in draft
    index = (study.reports / "index.html").read_text("utf-8")
    assert "forest: RandomForestClassifier" in index and "LR, SVM, Bayes, forest" in index
    assert "embeddings.csv" in study.manifest()["inputs"]


@pytest.mark.slow
def test_another_table_runs_03_and_what_follows(study, monkeypatch):
    ran = []
    monkeypatch.setattr(run, "_run_one", lambda study, path, *_: ran.append(path.stem[:2]))
    run.run_study(study, overrides=QUICK)
    assert ran == []
    path = study.folder / "embeddings.csv"
    text = path.read_text("utf-8")
    path.write_text(text.replace(text.splitlines()[1], text.splitlines()[1] + "1"), "utf-8")
    run.run_study(study, overrides=QUICK)
    assert ran[0] == "03" and "05" in ran
