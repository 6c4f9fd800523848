"""Every notebook runs by papermill on a small cohort and writes the numbers it should."""

import dataclasses
import re
import shutil

import bs4
import nbformat
import numpy as np
import pandas as pd
import pytest
from chromium import CHROMIUM
from conftest import QUICK
from corpus import pair_of
from radiogenomics.cohort import included
from radiogenomics.images import volumes
from radiogenomics.models import classical, predictions
from radiogenomics.radiomics import extraction
from radiogenomics.report import index_page, manifest, pages, run
from radiogenomics.report.execution import NotebookFailed
from radiogenomics.study import contract, tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import read_json
from radiogenomics.study.study import load_study
from sklearn.metrics import roc_auc_score


def test_all_notebooks_are_done_and_reports_are_there(finished):
    states = read_json(finished.manifest_json)["notebooks"]
    assert states.pop("09_internal")["state"] == "not needed"  # there is a test cohort
    assert len(states) == 8 and {one["state"] for one in states.values()} == {"done"}
    assert states["04_cnn"]["overrides"] == {"epochs": 1, "folds": 2}
    for name in states:
        assert (finished.reports / f"{name}.html").stat().st_size < 5e6
    assert (finished.reports / "index.html").stat().st_size < 5e6


def test_a_later_run_changes_nothing_that_is_told_of_an_earlier_one(copied):
    """Notebook 04 ran with `-p epochs 1 -p folds 2`; then came a run of another without them."""
    plain = load_study(copied.folder, copied.reports)
    states = manifest.earlier_states(plain)
    manifest.write_manifest(plain, states, {}, [])
    assert plain.settings.cnn.epochs != 1 and plain.settings.evaluation.folds != 2
    assert plain.ran_with(contract.TRAINING).cnn.epochs == 1
    page = index_page.build_index(plain, list(states.values())).read_text(encoding="utf-8")
    assert "2 folds" in page
    run._draw_steps(plain)
    layout = read_json(plain.figures / "steps.json")["layout"]
    boxes = " ".join(one["text"] for one in layout["annotations"])
    assert "1 epochs at most" in boxes and "2 folds" in boxes


def test_reports_of_another_study_are_not_written_over(copied, tmp_path):
    other = tmp_path / "elsewhere" / copied.folder.name
    other.mkdir(parents=True)
    shutil.copy(copied.folder / "study.toml", other)
    study = load_study(other, copied.reports)
    with pytest.raises(StudyError, match="holds the reports of another study"):
        run.run_study(study, only=["08"])


def test_flow_accounts_for_every_patient(finished):
    flow = finished.table(tables.FLOW).set_index(["step", "reason"]).n
    out = finished.table(tables.EXCLUSIONS)
    assert flow["found", "in cohort.csv"] == 26 and len(out) == 2
    assert flow["included", "train"] + flow["included", "test"] == 24
    assert flow["eligibility", "age under 18"] == 1


def test_real_ct_goes_through_preprocessing_and_radiomics(finished):
    patients = included.load_patients(finished)
    row = patients[patients.ct.str.contains("real_ct")].iloc[0]
    pair = pair_of(row.ct, row["mask"], 1)
    volume = volumes.load_volumes(finished, patients[patients.patient == row.patient])[0, ..., 0]
    expected = volumes.preprocess(*pair, finished.settings.preprocessing)
    assert volume.shape == finished.settings.preprocessing.shape and np.array_equal(
        volume, expected
    )
    assert 0.02 < (volume > 0.5).mean() < 0.9
    table = pd.read_parquet(finished.tables / "features.parquet").set_index("patient")
    found = table.loc[row.patient]
    values = extraction.extract(*pair, finished.settings.radiomics)
    assert np.allclose(found[values.index].astype(float), values, rtol=1e-9)


def test_scores_are_complete_and_labels_right(finished):
    scores = predictions.read_scores(finished)
    truth = pd.read_csv(finished.cohort_csv).set_index("patient").label
    assert set(scores.model) == {model.name for model in contract.MODELS}
    assert (scores.label == scores.patient.map(truth)).all()
    for kind, n in (("external", 4), ("in_sample", 20), ("out_of_fold", 20)):
        rows = predictions.select(scores, kind)
        assert (rows.groupby("model").size() == n).all(), kind
    assert scores.score.between(0, 1).all()


def test_metrics_are_functions_of_predictions(finished):
    scores = predictions.select(predictions.read_scores(finished), "external")
    metrics = finished.table(tables.METRICS)
    auc = metrics[(metrics.scores == "external") & metrics.ci_method.isin(contract.AUC_INTERVALS)]
    auc = auc[auc.metric == "auc"].set_index("model").value
    for model, rows in scores.groupby("model"):
        expected = roc_auc_score(rows.label.astype(int), rows.score)
        assert auc[model] == pytest.approx(expected, abs=1e-12)
    half = metrics[(metrics.scores == "external") & (metrics.threshold_rule == "half")]
    accuracy = half[half.metric == "accuracy"].drop_duplicates("model").set_index("model").value
    for model, rows in scores.groupby("model"):
        assert accuracy[model] == pytest.approx(((rows.score >= 0.5) == rows.label).mean())


def test_tables_have_the_designs_columns(finished):
    expected = {
        "metrics.csv": "model cohort scores threshold_rule metric value ci_low ci_high ci_method "
        "n events",
        "delong.csv": "cohort scores model_a model_b auc_a auc_b z p p_holm",
        "decision_curve.csv": "cohort scores model threshold net_benefit ci_low ci_high",
        "thresholds.csv": "model scores rule threshold",
        "cnn_layers.csv": "layer kind output_shape parameters trainable",
        "flow.csv": "step reason n",
        "exclusions.csv": "patient step reason",
    }
    for name, columns in expected.items():
        assert set(columns.split()) <= set(pd.read_csv(finished.tables / name)), name
    layers = finished.table(tables.CNN_LAYERS)
    assert len(layers) == 17 and layers.parameters.sum() == 1_297_090
    features = pd.read_parquet(finished.tables / "features.parquet")
    assert features.shape == (24, 1689)
    steps = finished.table(tables.SELECTION_STEPS)
    assert (np.diff(steps.kept) <= 0).all() and len(finished.table(tables.SIGNATURE)) >= 1


def test_every_point_of_the_evaluation_has_its_table(finished):
    expected = {
        "confusion.csv": "model cohort scores threshold_rule threshold tp fp fn tn",
        "calibration.csv": "predicted observed ci_low ci_high ci_method n events model curve",
        "recalibration.csv": "model intercept slope recalibrated metric value ci_low ci_method n",
        "recalibrated.csv": "patient label model score before",
        "decision_best.csv": "model reference from to thresholds of",
        "folds.csv": "model fold auc n events",
        "subgroups.csv": "model variable group n events auc flag p_interaction",
        "baselines.csv": "baseline auc model p p_holm fitted_on",
        "stability.csv": "feature frequency chosen",
        "selection_optimism.csv": "model naive_auc nested_auc optimism",
        "readers.csv": "patient dice",
        "icc.csv": "feature icc ci_low ci_high n",
    }
    for name, columns in expected.items():
        table = pd.read_csv(finished.tables / name)
        assert set(columns.split()) <= set(table) and len(table), name
    rules = set(finished.table(tables.THRESHOLDS).rule)
    assert rules == {"half", "youden", "sensitivity_90"}
    folds = finished.table(tables.FOLDS)
    assert (folds.groupby("model").size() == 3).all() and "pooled" in set(folds.fold)
    agreement = finished.table(tables.READERS)
    assert agreement.dice.dropna().between(0.3, 1).all()
    assert (agreement.reason.notna() == agreement.dice.isna()).all()
    counts = finished.table(tables.CONFUSION)
    external = counts[counts.scores == "external"]
    assert (external[["tp", "fp", "fn", "tn"]].sum(axis=1) == 4).all()
    size = finished.table(tables.SAMPLE_SIZE)
    assert size.minimum.isna().all() and size.reason.str.startswith("not declared").any()
    counted = size.dropna(subset="obtained").set_index("model").parameters
    assert counted["CNN"] == 1_297_090 - 960 and (counted[["LR", "SVM"]] == 1688).all()


def test_every_figure_is_kept_and_drawn_for_a_paper(finished):
    kept = {p.stem for p in finished.figures.glob("*.json")}
    assert kept >= {
        "flow", "inputs", "selection_steps", "lasso_path", "signature", "stability",
        "learning_curves", "cnn_robustness", "roc_test", "roc_train", "calibration_test",
        "decision_test", "scores_test", "folds", "subgroups_test", "paper_vs_run", "verdict_test",
        "gradcam_gallery", "gradcam_place", "audit_widths",
    }  # fmt: skip
    if CHROMIUM:
        drawn = {p.stem for p in finished.figures.glob("*.svg")}
        assert drawn == kept == {p.stem for p in finished.figures.glob("*.png")}


def test_test_labels_were_opened_in_order_and_recorded(finished):
    records = read_json(finished.manifest_json)["test_set"]
    assert [one["purpose"] for one in records[:3]] == ["describe", "evaluate", "explain"]
    assert [one["notebook"][:2] for one in records[:3]] == ["01", "05", "06"]
    assert "0 times" in (finished.reports / "05_comparison.html").read_text(encoding="utf-8")
    assert included.load_patients(finished).label.isna().sum() == 4


def test_paper_vs_run_has_every_row_and_the_mark(finished):
    table = finished.table(tables.PAPER_VS_RUN)
    assert len(table) == 12 * 4 + 9 and table.synthetic.all()
    p = table[table.metric == "delong_p"]  # of four patients a pair may have no variance
    assert table.value[table.metric != "delong_p"].notna().all()
    assert p.warning.notna().tolist() == (p.cohort == "train").tolist()
    one = p[(p.against == "LR") & (p.cohort == "test")].value.item()
    pairs = finished.table(tables.DELONG).set_index(["model_a", "model_b"]).p
    assert one == pytest.approx(pairs["LR", "CNN"])
    row = table[(table.model == "CNN") & (table.cohort == "test") & (table.metric == "auc")]
    assert row.published.item() == 0.947


def test_stack_sees_no_test_label(finished):
    stored = classical.load_model(finished, "Com")
    scores = predictions.read_scores(finished)
    oof = predictions.score_table(scores, "out_of_fold")
    label = scores.drop_duplicates("patient").set_index("patient").label.loc[oof.index]
    inputs = classical.stack_inputs(oof.CNN.to_numpy(), oof.SVM.to_numpy())
    again = classical.stack().fit(inputs, label.to_numpy(int))
    assert np.allclose(stored.coef_, again.coef_, atol=1e-4)


def test_reports_ask_nothing_of_the_network_and_show_the_mark(finished):
    for html in finished.reports.glob("*.html"):
        text = html.read_text(encoding="utf-8")
        outside = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.https?://", text)
        assert not outside and "connect-src 'none'" in text
        assert pages.SYNTHETIC in text, html.name
    for name in ("05_comparison", "04_cnn", "06_gradcam"):
        text = (finished.reports / f"{name}.html").read_text(encoding="utf-8")
        assert 'class="figure-data"' in text and '<details class="code" open' in text


def test_prediction_of_the_real_ct(finished):
    found = read_json(finished.reports / "new_patient" / "prediction.json")
    assert set(found["probability"]) == {"LR", "SVM", "Bayes", "CNN", "Com"}
    assert all(0 <= p <= 1 for p in found["probability"].values())
    assert found["models_from_synthetic_data"] is True


def test_unknown_parameter_is_refused(finished):
    with pytest.raises(
        StudyError, match="-p epoch: no such setting or parameter. Did you mean epochs"
    ):
        run.run_study(finished, overrides={"epoch": 3})
    with pytest.raises(StudyError, match="there is no notebook 42"):
        run.run_study(finished, only=["42"])


def test_failing_notebook_names_cell_and_reason_and_keeps_the_rest(finished, tmp_path):
    empty = dataclasses.replace(finished, reports=tmp_path / "reports")
    with pytest.raises(
        NotebookFailed, match=r"05_comparison, cell \[\d+\]: models/fitted.json is not"
    ):
        run.run_study(empty, only=["05"])
    assert not (tmp_path / "reports" / "05_comparison.html").exists()
    assert (tmp_path / "reports" / "05_comparison_failed.html").exists()
    assert "failed" in (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")


def test_a_failed_run_keeps_the_earlier_report_until_one_is_done(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "refuse_another_study", lambda study: None)  # it is a copy
    reports = tmp_path / "reports"
    shutil.copytree(finished.reports, reports)
    again, index = dataclasses.replace(finished, reports=reports), reports / "index.html"
    pages = [reports / f"08_paper_audit{end}" for end in (".html", "_failed.html")]
    before = pages[0].read_bytes()
    with pytest.raises(NotebookFailed):
        run.run_study(again, only=["08"], overrides={"paper": "no_such_file.toml"})
    assert pages[0].read_bytes() == before and pages[1].exists()
    assert "failed; the page is of an earlier run" in index.read_text(encoding="utf-8")
    run.run_study(again, only=["08"])
    assert not pages[1].exists() and not list((reports / "notebooks").glob("*_failed*"))
    assert "of an earlier run" not in index.read_text(encoding="utf-8")


@pytest.mark.slow
def test_second_run_gives_the_same_scores(finished):
    before = finished.predictions_csv.read_bytes()
    again = load_study(finished.folder, **QUICK)
    run.run_study(again, only=["03", "04", "05"], overrides=QUICK)
    assert finished.predictions_csv.read_bytes() == before


def test_notebooks_are_short_and_hold_no_functions():
    for path in run.notebooks():
        cells = nbformat.read(path, 4).cells
        assert len(cells) <= 40
        for cell in (c for c in cells if c.cell_type == "code"):
            assert not cell.get("outputs") and not re.search(r"^(def|class) ", cell.source, re.M)
            assert len(cell.source.splitlines()) <= 25, (path.name, cell.source)


def test_technical_steps_carry_the_runs_numbers(finished):
    layout = read_json(finished.figures / "steps.json")["layout"]
    texts = " ".join(one["text"] for one in layout["annotations"])
    for step in finished.table(tables.SELECTION_STEPS).itertuples():
        assert f"{step.step} {step.kept}<br>" in texts
    sides = finished.table(tables.FLOW).query("step == 'included'").set_index("reason").n
    assert f"{sides['train']} training and {sides['test']} test" in texts
    parameters = finished.table(tables.CNN_LAYERS).parameters.sum()
    assert f"{parameters:,} parameters" in texts and "synthetic" in layout["title"]["text"]


def found_and_published(study, name):
    """What was found, by name, below "Found and published" in an executed notebook."""
    cells = nbformat.read(study.reports / "notebooks" / f"{name}.ipynb", 4).cells
    output = next(c for c in cells if "paper.beside(" in c.source).outputs[-1]
    rows = bs4.BeautifulSoup(output.data["text/html"], "html.parser").select("tbody tr")
    return {row.th.text: row.td.text for row in rows}


def test_found_and_published_are_the_numbers_of_the_tables(finished):
    flow = finished.table(tables.FLOW).set_index(["step", "reason"]).n
    patients = included.read_included(finished)
    events = patients.groupby("cohort").label.sum()
    found = found_and_published(finished, "01_cohort")
    for cohort, words in (("train", "training"), ("test", "test")):
        assert found[f"{words} patients"] == str(flow["included", cohort])
        assert found[f"{words}, EGFR mutant"] == str(events[cohort])
    z, y, x = finished.settings.preprocessing.shape
    found = found_and_published(finished, "02_preprocessing")
    assert found["size (x, y, z)"] == f"{x}×{y}×{z}"
    assert found["values"] == "0 to 1"
    found = found_and_published(finished, "03_radiomics")
    features = pd.read_parquet(finished.tables / "features.parquet").drop(columns="patient")
    assert found["features"] == f"{features.shape[1]:,}"
    assert found["selected"] == str(len(finished.table(tables.SIGNATURE)))
    layers = finished.table(tables.CNN_LAYERS)
    found = found_and_published(finished, "04_cnn")
    assert found["layers"] == str(len(layers))
    assert found["parameters"] == f"{layers.parameters.sum():,}"
    maps = finished.table(tables.GRADCAM).groupby("label").inside_lesion.mean()
    found = found_and_published(finished, "06_gradcam")
    for label, words in ((1, "EGFR mutant"), (0, "EGFR wild-type")):
        share = maps[label]
        assert found[words] == ("no map" if np.isnan(share) else f"{share:.0%} inside the lesion")
