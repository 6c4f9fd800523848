"""`workbook compare`: any software's scores, numbers or clear errors; the sealed test set."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from radiogenomics import cli
from radiogenomics.cohort import included, seal
from radiogenomics.comparison import (
    evidence,
    figures,
    other_patients,
    other_scores,
    plan,
    readings,
    results,
    size,
)
from radiogenomics.models import predictions
from radiogenomics.report import comparing
from radiogenomics.statistics import sample_size
from radiogenomics.statistics.discrimination import delong
from radiogenomics.study import contract, style, tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import read_json
from radiogenomics.study.settings import Plan, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

RNG = np.random.default_rng(11)
N = 60
SIDES = {"raw": "train", "good": "test"}


def table(**columns):
    label = np.tile([0, 1], N // 2)
    one = pd.DataFrame({"patient": [f"P{i}" for i in range(N)], "label": label})
    good = one.assign(model="good", score=np.clip(label * 0.3 + RNG.random(N) * 0.7, 0, 1))
    raw = one.assign(model="raw", score=RNG.normal(size=N) * 3 + label)
    return pd.concat([good, raw], ignore_index=True).assign(**columns)


def written(tmp_path, rows):
    path = tmp_path / "scores.csv"
    rows.to_csv(path, index=False)
    return path


def test_report_of_foreign_scores(tmp_path):
    rows = table()
    constant = rows[rows.model == "good"].assign(model="constant", score=0.5)
    turned = rows[rows.model == "good"].assign(model="turned")
    turned["score"] = 1 - turned.score
    path = written(tmp_path, pd.concat([rows, constant, turned]))
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(N)]})
    patients["sex"], patients["age"] = RNG.choice(["f", "m"], N), RNG.integers(40, 80, N)
    patients["scanner"] = np.tile(["A", "B"], N // 2)
    patients.to_csv(tmp_path / "cohort.csv", index=False)
    out = tmp_path / "out"
    given = [str(path), str(out), "--cohort", str(tmp_path / "cohort.csv")]
    assert cli.main(["compare", *given]) == 0
    metrics = pd.read_csv(out / "tables" / "metrics.csv")
    auc = metrics[(metrics.metric == "auc") & metrics.ci_method.isin(contract.AUC_INTERVALS)]
    auc = auc.set_index("model").value
    assert auc["constant"] == 0.5 and auc["turned"] == pytest.approx(1 - auc["good"])
    expected = delong(rows.label[:N].to_numpy(), rows.score[rows.model == "raw"].to_numpy())[0][0]
    assert auc["raw"] == pytest.approx(expected, abs=1e-12)
    assert set(metrics[metrics.metric == "brier"].model) == {"good", "constant", "turned"}
    thresholds = pd.read_csv(out / "tables" / "thresholds.csv")
    assert set(thresholds.rule) == {"half"} and "raw" not in set(thresholds.model)
    groups = pd.read_csv(out / "tables" / "subgroups.csv")
    assert {"sex", "age", "scanner"} == set(groups.variable)
    warned = pd.read_csv(out / "tables" / "warnings.csv").set_index("where").warning
    assert "read off the scanner" in warned["acquisition"]
    text = (out / "05_comparison.html").read_text(encoding="utf-8")
    assert "used for AUC only" in text and 'class="alert"' in text and "0 times" in text
    assert len(read_json(out / "manifest.json")["test_set"]) == 1
    assert cli.main(["compare", *given]) == 0
    assert len(read_json(out / "manifest.json")["test_set"]) == 2


def test_training_rows_give_thresholds(tmp_path):
    rows = table()
    train = rows[rows.model == "good"].assign(cohort="train", fold=1)
    train["patient"] = "T" + train.patient
    both = pd.concat([rows[rows.model == "good"].assign(cohort="test"), train])
    scores = other_scores.read_scores(written(tmp_path, both))
    assert (predictions.select(scores, "out_of_fold").patient.str.startswith("T")).all()
    assert predictions.select(scores, "in_sample").empty


def with_train(rows, fold=1):
    train = rows.assign(cohort="train", fold=fold, patient="T" + rows.patient)
    return pd.concat([rows.assign(cohort="test"), train], ignore_index=True)


def test_training_scores_that_are_all_out_of_fold_get_a_report(tmp_path):
    rows = with_train(table(), fold=np.tile([1, 1, 2, 2], N // 2))
    path, out = written(tmp_path, rows), tmp_path / "out"
    assert cli.main(["compare", str(path), str(out)]) == 0
    folds = pd.read_csv(out / "tables" / "folds.csv")
    assert set(folds.fold) == {"1", "2", "pooled"} and folds.auc.notna().all()
    roc = pd.read_csv(out / "tables" / "roc.csv")
    assert set(roc.scores) == {"external"}
    assert "Traceback" not in (out / "05_comparison.html").read_text(encoding="utf-8")


def test_one_event_and_ages_in_words_get_a_report(tmp_path):
    rows = table()[lambda r: (r.label == 0) | (r.patient == "P1")]
    rows = rows[rows.model == "raw"]
    patients = pd.DataFrame({"patient": rows.patient, "age": "60 to 69", "volume_mm3": 900.0})
    patients["age"] = np.where(np.arange(len(rows)) < 15, "60 to 69", patients.age + " or more")
    patients["scanner"] = np.where(np.arange(len(rows)) < 12, "A", "B")
    patients.to_csv(tmp_path / "cohort.csv", index=False)
    path, out = written(tmp_path, rows), tmp_path / "out"
    assert cli.main(["compare", str(path), str(out), "--cohort", str(tmp_path / "cohort.csv")]) == 0
    left_out = pd.read_csv(out / "tables" / "baselines.csv").set_index("baseline").reason
    assert "1 of a label" in left_out["Acquisition"] and "1 of a label" in left_out["Volume"]
    groups = pd.read_csv(out / "tables" / "subgroups.csv")
    assert set(groups[groups.variable == "age"].group) == {"60 to 69", "60 to 69 or more"}


def test_sample_size_is_of_declared_values_alone(tmp_path):
    rows = with_train(table())
    rows["parameters"] = rows.model.map({"good": 24, "raw": ""})
    scores = other_scores.read_scores(written(tmp_path, rows))
    judged = plan.judged(Plan(), scores.model.unique())
    study = Study(tmp_path, tmp_path / "out", Settings())
    nothing = size.sample_size(study, scores, judged)
    assert nothing.minimum.isna().all() and set(nothing.reason.dropna()) == {
        size.UNDECLARED, size.NO_COUNT,
    }  # fmt: skip
    declared = Plan(expected_auc=0.8, prevalence=0.4, auc_width=0.15, cutoffs={"good": 0.3})
    planned = Study(tmp_path, tmp_path / "out", Settings(plan=declared))
    found = size.sample_size(planned, scores, judged).set_index(["stage", "criterion"])
    riley = sample_size.riley_minimum(24, 0.4, sample_size.cox_snell(0.8, 0.4))
    assert found.minimum["development", "all"] == riley["n"]
    external = sample_size.validation_minimum(0.8, 0.4, 0.15, 0.3)
    assert found.minimum["validation", "net_benefit"] == external["net_benefit"]
    assert not found.enough["validation", "all"] and found.patients["validation", "all"] == 60
    assert "parameters" in predictions.read_scores(saved(study, scores))


def saved(study, scores):
    predictions.write_scores(study, scores)
    return study


def test_combined_models_count_their_inputs_parameters(finished):
    counted = finished.table(tables.SAMPLE_SIZE).dropna(subset="obtained")
    of = counted.set_index("model").parameters
    assert of["Com"] == of["Com_in_sample"] == of["CNN"] + of["SVM"] + 2


def test_in_sample_stack_has_no_out_of_fold_scores(finished):
    scores = predictions.read_scores(finished)
    assert "Com" in set(scores[scores.fold.notna()].model)
    assert "Com_in_sample" not in set(scores[scores.fold.notna()].model)
    thresholds = finished.table(tables.THRESHOLDS).set_index("model").scores
    assert set(thresholds["Com_in_sample"]) == {"in_sample"}
    assert set(thresholds["Com"]) == {"out_of_fold"}
    folds = finished.table(tables.FOLDS)
    table = results.optimism(scores, folds)
    assert np.isnan(table["out-of-fold, pooled"]["Com_in_sample"])
    assert table["in-sample"].notna().all() and set(table.index) == {
        model.name for model in contract.MODELS
    }


def test_words_among_numbers_are_refused_by_name(tmp_path):
    scores = other_scores.read_scores(written(tmp_path, table()))
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(N)], "age": 60}).astype(object)
    patients.loc[7, "age"] = "old"
    patients.to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(StudyError, match="is not a number: P7; the first is 'old'"):
        other_patients.read_patients(tmp_path / "cohort.csv", scores)


def test_columns_of_many_patients_are_read_in_linear_time(tmp_path):
    """A search of all patients for each took 20 s here."""
    n = 20_000
    names = [f"P{i}" for i in range(n)]
    scores = pd.DataFrame({"patient": names, "cohort": "test", "label": [0, 1] * (n // 2)})
    pd.DataFrame({"patient": names[::-1], "age": 60}).to_csv(tmp_path / "cohort.csv", index=False)
    start = time.process_time()
    assert other_patients.read_patients(tmp_path / "cohort.csv", scores).index.tolist() == names
    assert time.process_time() - start < 3


def changed(rows, index, **values):
    rows = rows.copy().astype(object)
    for column, value in values.items():
        rows.loc[index, column] = value
    return rows


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.drop(index=3), "model good lacks 1 of 60 patients .test.: P3"),
        (lambda r: pd.concat([r, r.iloc[[5]]]), "model good has 1 patients twice .test.: P5"),
        (lambda r: changed(r, 2, label=1), "labels of 1 patients disagree.*P2 .good says 1, raw"),
        (lambda r: changed(r, 4, label=2), "unusable label.*row 6, patient P4, model good"),
        (lambda r: changed(r, 4, score="high"), "unusable score.*'high'"),
        (lambda r: changed(r, 4, score="inf"), "unusable score.*'inf'"),
        (lambda r: changed(r, 4, score=""), "unusable score"),
        (lambda r: r.drop(columns="score"), "no column score"),
        (lambda r: r.assign(cohort="train"), "Expected: both 0 and 1"),
        (lambda r: r[r.label == 1], "labels of the patients .test. are .1."),
        (lambda r: r.assign(cohort=r.model.map(SIDES)), "are in several cohorts"),
        (lambda r: r.assign(cohort="hospital B"), "Expected: train, test, or a test cohort"),
        (lambda r: r.iloc[:0], "has no rows"),
        (lambda r: r.assign(parameters=0.5), "unusable parameters.*a whole number from 1"),
        (lambda r: changed(r.assign(parameters=3), 2, parameters=4), "good has the parameters 3"),
        (lambda r: r.assign(fold=1.5, cohort="train"), "unusable fold.*'1.5'.*a whole number"),
        (lambda r: r.replace({"model": {"raw": "none"}}), "unusable model.*not all or none"),
        (lambda r: r.replace({"model": {"good": "all"}}), "unusable model.*'all'"),
        (lambda r: r[r.model == "good"].assign(model="Com_in_sample"), "is the only model"),
        (lambda r: with_train(r).query("cohort == 'train' or model == 'raw'"), "good has no test"),
        (
            lambda r: pd.concat([with_train(r), with_train(r)[-9:].assign(fold="")]),
            "only one of an in-sample",
        ),
        (lambda r: with_train(r).query("cohort == 'test' or label == 1"), "out-of-fold. are .1."),
    ],
)  # fmt: skip
def test_faulty_tables_are_refused_by_name(tmp_path, capsys, change, says):
    path = written(tmp_path, change(table()))
    with pytest.raises(StudyError, match=says):
        other_scores.read_scores(path)
    assert cli.main(["compare", str(path), str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists() and "Traceback" not in capsys.readouterr().err


def test_patients_columns_must_fit(tmp_path):
    scores = other_scores.read_scores(written(tmp_path, table()))
    path = tmp_path / "cohort.csv"
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(N)], "label": [0, 1] * (N // 2)})
    patients.iloc[1:].to_csv(path, index=False)
    with pytest.raises(StudyError, match="1 patients are missing in cohort.csv: P0"):
        other_patients.read_patients(path, scores)
    patients.assign(label=1 - patients.label).to_csv(path, index=False)
    with pytest.raises(StudyError, match="labels of 60 patients are not those of the scores"):
        other_patients.read_patients(path, scores)
    pd.concat([patients, patients.iloc[:1]]).to_csv(path, index=False)
    with pytest.raises(StudyError, match="appear twice"):
        other_patients.read_patients(path, scores)


def test_training_patients_are_never_taken_for_the_test(tmp_path):
    rows = table()
    sides = pd.DataFrame({"patient": rows.patient[:N], "cohort": ["train"] * 20 + ["test"] * 40})
    sides.to_csv(tmp_path / "cohort.csv", index=False)
    scores = other_scores.read_scores(written(tmp_path, rows))
    with pytest.raises(StudyError, match=r"20 patients are of another cohort.*train here, test"):
        other_patients.read_patients(tmp_path / "cohort.csv", scores)


def test_other_codes_of_smoking_make_groups(tmp_path):
    rows = table()
    codes = np.tile(["yes", "no"], N // 2)
    pd.DataFrame({"patient": rows.patient[:N], "smoking": codes}).to_csv(tmp_path / "c.csv")
    scores = other_scores.read_scores(written(tmp_path, rows))
    found = other_patients.read_patients(tmp_path / "c.csv", scores)
    assert found.smoking_history.tolist() == codes.tolist()


def test_a_studys_reports_are_not_overwritten(finished, capsys):
    given = [str(finished.predictions_csv), str(finished.reports)]
    assert cli.main(["compare", *given]) == 1
    assert "the reports of a study" in capsys.readouterr().err


@pytest.mark.parametrize("held", ["cohort.csv", "study.toml", "predictions.csv", "manifest.json"])
def test_a_folder_that_holds_a_study_is_left_as_it_is(tmp_path, held, capsys):
    out = tmp_path / "mine"
    out.mkdir()
    (out / held).write_text('title = "Mine"\n')
    if held == "cohort.csv":
        (out / "study.toml").write_text('title = "Comparison of scores: old.csv"\n')
    before = {path.name: path.read_text() for path in out.iterdir()}
    assert cli.main(["compare", str(written(tmp_path, table())), str(out)]) == 1
    assert held in capsys.readouterr().err
    assert {path.name: path.read_text() for path in out.iterdir()} == before


def test_a_comparison_that_died_is_taken_up_but_never_overwrites_its_own_scores(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "study.toml").write_text('title = "Comparison of scores: scores.csv"\n')
    asked = comparing.Asked((written(tmp_path, table()),), out)
    assert comparing._study(asked, {"label": {}}).folder == out
    table().to_csv(out / "predictions.csv", index=False)
    with pytest.raises(StudyError, match="would overwrite it"):
        comparing._study(comparing.Asked((out / "predictions.csv",), out), {"label": {}})


def test_test_labels_stay_sealed(tmp_path):
    study = Study(tmp_path, tmp_path / "reports", Settings())
    study.included_csv.parent.mkdir(parents=True)
    rows = pd.DataFrame({"patient": ["a", "b"], "cohort": ["train", "test"], "label": [1, 0]})
    rows = rows.assign(ct="x", mask="y", mask_label="")
    rows.to_csv(study.included_csv, index=False)
    patients = included.load_patients(study)
    assert patients.label.isna().tolist() == [False, True]
    assert included.split(patients)[0].label.tolist() == [1]
    with pytest.raises(StudyError, match="notebook 05 before notebook 06"):
        seal.opened(study, "06_gradcam", "explain")
    assert seal.opened(study, "01_cohort", "describe").label.tolist() == [1, 0]
    scores = rows.assign(model="m", score=0.4, fold=pd.NA)
    _, before = seal.join(study, scores, "05_comparison")
    assert before["times"] == 0
    _, again = seal.join(study, scores.assign(score=0.6), "05_comparison")
    assert (again["times"], again["same"], again["others"]) == (1, 0, 1)
    seal.opened(study, "06_gradcam", "explain")
    purposes = [opening["purpose"] for opening in seal.openings(study)]
    assert purposes == ["describe", "evaluate", "evaluate", "explain"]


def test_codes_of_the_patients_columns_are_those_of_a_cohort(tmp_path):
    scores = other_scores.read_scores(written(tmp_path, table(cohort="Test")))
    assert set(scores.cohort) == {"test"}
    names = scores.patient.unique().tolist()
    patients = pd.DataFrame({"patient": names})
    patients["sex"] = np.resize(["Female", "female", "MALE", "male"], len(names))
    patients["smoking"] = np.resize(["Never", "former", "Current"], len(names))
    patients.to_csv(tmp_path / "cohort.csv", index=False)
    found = other_patients.read_patients(tmp_path / "cohort.csv", scores)
    assert set(found.sex) == {"female", "male"} and set(found.smoking_history) == {"never", "ever"}


def test_a_model_has_one_colour_in_every_figure(tmp_path):
    study = Study(tmp_path, tmp_path / "reports", Settings())
    scores = other_scores.read_scores(written(tmp_path, table()[::-1]))
    names = scores.model.unique()  # first `raw`, which has no calibration and no decision curve
    colours = style.palette(names)
    assert len({colours[name] for name in names}) == len(names)
    drawn = evidence.drawings(study, scores)
    chosen = evidence.thresholds(study, scores)
    metrics = results.metrics(study, scores, chosen, drawn)
    auc = metrics[(metrics.metric == "auc") & metrics.ci_method.isin(contract.AUC_INTERVALS)]
    best = plan.judged(Plan(), names).primary
    curves = results.roc_curves(study, scores, drawn)["test", "external"]
    benefit = results.decision_curves(study, scores, drawn)
    shown = [
        figures.roc(curves, auc, "", best, colours),
        figures.decision(benefit, "", colours, (0, 1)),
        figures.calibration(results.calibration_curves(study, scores), "", colours, best),
    ]
    for figure in shown:
        entries = sum(line.showlegend is not False for line in figure.data)
        assert 20 * entries <= figure.layout.height - 120  # a picture's legend cannot be scrolled
        for line in figure.data:
            name = str(line.name).split(" ")[0]
            if name in names and line.line.color:
                assert line.line.color == colours[name], (figure.layout.title.text, name)


def test_sentences_hold_where_nothing_is_to_be_said():
    flat = pd.DataFrame({"in-sample": [0.7], "out-of-fold, mean of folds": [0.7], "external": 0.6})
    for table, start in (
        (flat, "No model's in-sample AUC lies above"),
        (flat.assign(**{"in-sample": np.nan}), "No model has"),
    ):
        told = say("comparison", "optimism", **readings.most_optimistic(table))
        assert told.startswith(start)
    ranks = pd.DataFrame(columns=["cohort", "model", "ci_method", "threshold_rule", "metric"])
    slopes = readings.calibration_of(ranks.assign(value=[]), "test", "raw")
    assert "no calibration slope" in say("comparison", "calibration", **slopes, level=0.95)
    nothing = readings.benefit(tables.DECISION_BEST.frame())
    assert say("comparison", "decision", **nothing) == ""
    steps = pd.DataFrame({"step": ["a", "b"], "kept": [5, 5], "dropped": [0, 0]})
    assert say("radiomics", "selection", steps=steps) == "5 of 5 features are selected."


def test_the_headline_names_ties_and_the_quoted_interval():
    rows = [("A", "delong-logit-t", 0.8, 0.55, 0.93), ("A", "delong", 0.8, 0.6, 1.0),
            ("B", "delong-logit-t", 0.8, 0.68, 0.88), ("B", "delong", 0.8, 0.7, 0.9)]  # fmt: skip
    metrics = pd.DataFrame(rows, columns=["model", "ci_method", "value", "ci_low", "ci_high"])
    metrics = metrics.assign(scores="external", cohort="test", metric="auc", n=25, events=12)
    judged = plan.judged(Plan(), ["A", "B"])
    facts = readings.headline(metrics, "test", judged, None)
    told = say("comparison", "roc", **facts, level=0.95)
    assert told.startswith("**A**, the primary model (not declared beforehand")
    quoted = "0.800 (95% CI 0.550 to 0.930) in the external test cohort: 25 patients with 12 events"
    assert quoted in told
    assert told.endswith("B has the same AUC.")


def test_several_words_count_as_1_where_they_are_named(tmp_path):
    path, words = tmp_path / "s.csv", ["L858R", "ex19del", "none", "none"]
    rows = [f"P{i},{word},a,0.{i}" for i, word in enumerate(words)]
    path.write_text("\n".join(["patient,label,model,score", *rows]))
    table = other_scores.read_scores(path, positive=["ex19del", "l858r"])
    assert table.label.tolist() == [1, 1, 0, 0]
    assert "label 'ex19del', 'l858r' counts as 1, 'none' as 0" in table.attrs["told"][0]
    with pytest.raises(StudyError, match="0 or 1, or two words"):
        other_scores.read_scores(path, positive=["ex19del"])


@pytest.mark.parametrize("words", [("False", "True"), ("wild-type", "Mutant"), ("no", "yes")])
def test_labels_in_words_are_read_and_told(tmp_path, words):
    rows = table()
    spoken = rows.assign(label=[words[int(value)] for value in rows.label], weight=1.5)
    found = other_scores.read_scores(written(tmp_path, spoken))
    assert found.label.tolist() == rows.label.astype(int).tolist()
    first, second = found.attrs["told"]
    assert first.endswith(
        f"label {words[1].casefold()!r} counts as 1, {words[0].casefold()!r} as 0"
    )
    assert second.endswith("column weight is not used")


@pytest.mark.parametrize("words", [("low", "high"), ("0", "2"), ("2", "1")])
def test_labels_of_which_none_is_known_as_1_are_refused(tmp_path, words):
    rows = table()
    spoken = rows.assign(label=[words[int(value)] for value in rows.label])
    with pytest.raises(StudyError, match="unusable label"):
        other_scores.read_scores(written(tmp_path, spoken))


def test_each_cohort_is_judged_on_its_own_and_two_are_not_pooled(tmp_path):
    first = table()
    second = first.assign(patient="Q" + first.patient, cohort="hospital_C")
    path = written(tmp_path, pd.concat([first.assign(cohort="hospital_B"), second]))
    assert cli.main(["compare", str(path), str(tmp_path / "out")]) == 0
    tables_of = {p.stem: pd.read_csv(p) for p in (tmp_path / "out" / "tables").glob("*.csv")}
    for name in ("metrics", "delong", "decision_curve", "calibration", "roc"):
        assert set(tables_of[name].cohort) == {"hospital_B", "hospital_C"}, name
    auc = tables_of["metrics"].query("metric == 'auc' and ci_method == 'delong-logit-t'")
    assert (auc.groupby("model").value.nunique() == 1).all()  # the same scores twice
    assert len(tables_of["pooled"]) == 0 and (tmp_path / "out/figures/cohorts.json").exists()
    assert (tmp_path / "out/figures/roc_hospital_C.json").exists()


def test_several_tables_are_several_cohorts_and_wide_ones_are_read(tmp_path):
    rows = table()
    rows.to_csv(tmp_path / "hospital B.csv", index=False)
    wide = rows.pivot(index=["patient", "label"], columns="model", values="score").reset_index()
    wide = wide.assign(patient="Q" + wide.patient, age=60).rename(columns={"good": "Good"})
    wide.to_csv(tmp_path / "c.csv", index=False, sep=";", decimal=",")
    found = other_scores.read_scores(tmp_path / "hospital B.csv", tmp_path / "c.csv")
    assert set(found.cohort) == {"hospital_B", "c"} and set(found.model) == {"good", "raw", "Good"}
    assert found.attrs["told"] == [
        "c.csv: columns Good, raw are read as models", "c.csv: column age is not used",
    ]  # fmt: skip
    ranks = found[found.cohort == "c"].set_index(["patient", "model"]).score
    assert ranks["QP0", "raw"] == pytest.approx(
        rows.set_index(["patient", "model"]).score["P0", "raw"]
    )


def hospitals(folder, *names, **columns):
    """Tables of one name, of hospitals that number their patients alike."""
    paths = [folder / name / "scores.csv" for name in names]
    for path in paths:
        path.parent.mkdir(parents=True)
        table().drop(columns="cohort", errors="ignore").assign(**columns).to_csv(path, index=False)
    return paths


def test_hospitals_tables_of_one_name_and_patients_of_one_name_are_kept_apart(tmp_path):
    ours = {"training_patients_below": 0.5, "prediction_set": "", "applicable": True, "reason": ""}
    paths = hospitals(tmp_path, "north", "south", **ours)
    rows = pd.read_csv(paths[1]).astype({"reason": object})
    rows.loc[rows.patient == "P0", ["score", "reason"]] = [np.nan, "no mask"]
    rows.loc[rows.patient == "P1", "applicable"] = False
    rows["label"] = 1 - rows.label  # other people
    rows.to_csv(paths[1], index=False)
    found = other_scores.read_scores(*paths)
    assert found.groupby("cohort").patient.nunique().to_dict() == {
        "north": rows.patient.nunique(), "south": rows.patient.nunique() - 1,
    }  # fmt: skip
    assert set(found.patient) >= {"north_P0", "north_P1", "south_P1"} and "P1" not in set(
        found.patient
    )
    told = found.attrs["told"]
    assert told[0].startswith("south (scores.csv): ") and "have no score" in told[0]
    assert told[1].startswith("south (scores.csv): 1 patients are unlike")
    assert "stand in several tables (P1, P2" in told[2] and len(told) == 3


def test_tables_of_other_models_are_of_the_same_patients(tmp_path):
    first, second = hospitals(tmp_path, "a", "b")
    pd.read_csv(second).assign(model="other").to_csv(second, index=False)
    with pytest.raises(StudyError, match="are in several cohorts"):
        other_scores.read_scores(first, second)


def test_options_and_a_plan_reach_the_report_and_json_has_the_numbers(tmp_path, capsys):
    rows = table().assign(label=lambda t: t.label.map({1: "responder", 0: "other"}))
    rows["score"] = np.where(rows.model == "raw", np.round(rows.score) % 5 + 1, rows.score)
    path = written(tmp_path, rows)
    names = rows.patient.unique()
    columns = {"patient": names, "vendor": np.resize(["S", "G"], len(names)), "ward": "x"}
    pd.DataFrame(columns).to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "plan.toml").write_text(
        '[plan]\nprimary = "raw"\nprevalence = 0.2\ncutoffs = { raw = 4 }\n[evaluation]\n'
        'bootstrap = 200\n[cohorts]\ntrain = ["A"]\n'
    )
    arguments = ["compare", str(path), str(tmp_path / "out"), "--json", "--positive", "Responder",
                 "--plan", str(tmp_path / "plan.toml"), "--reference", "good", "--threshold", "0.4",
                 "--cohort", str(tmp_path / "cohort.csv"), "--subgroups", "vendor",
                 "--confidence", "0.9"]  # fmt: skip
    assert cli.main(arguments) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "label 'responder' counts as 1, 'other' as 0" in said.err
    assert "column ward makes no subgroups" in said.err
    models = found["cohorts"]["test"]["models"]
    assert 0 < models["raw"]["sensitivity_at_declared"]["value"] <= 1
    assert {"sensitivity_at_declared", "sensitivity_at_half"} < set(models["good"])
    (declared,) = found["declared_comparison"]
    assert (declared["model_a"], declared["model_b"]) == ("raw", "good")
    written_tables = tmp_path / "out" / "tables"
    thresholds = pd.read_csv(written_tables / "thresholds.csv").query("rule == 'declared'")
    assert dict(zip(thresholds.model, thresholds.threshold, strict=True)) == {"raw": 4, "good": 0.4}
    assert set(pd.read_csv(written_tables / "subgroups.csv").variable) == {"vendor"}
    assert (pd.read_csv(written_tables / "at_prevalence.csv").prevalence == 0.2).all()
    html = (tmp_path / "out" / "05_comparison.html").read_text(encoding="utf-8")
    for absent in (
        "Training, in-sample",
        "Recalibration</h",
        "Three questions",
        "is left out once",
    ):
        assert absent not in html
    wrong = ["compare", str(path), str(tmp_path / "o2"), "--positive", "responder"]
    assert cli.main([*wrong, "--primary", "rw"]) == 1
    assert "primary names 'rw'. Expected: one of" in capsys.readouterr().err
    assert cli.main([*wrong, "--subgroups", "ethnicity"]) == 2
    assert "--subgroups ethnicity: no such column" in capsys.readouterr().err


OUTCOMES = [  # of ../shared/cases/scores: table, options, what a warning or line must say
    ("a132", [], ""), ("boollab", [], "counts as 1"), ("stringlab", [], "counts as 1"),
    ("hard", [], "every score is 0 or 1"), ("inverted", [], "runs the wrong way"),
    ("oneevent", [], "One patient of a label"), ("weights", [], "column weight is not used"),
    ("reader15", ["--threshold", "4"], ""), ("twotests", [], ""), ("c660", [], ""),
    ("rounded2_one_event_at_0", [], "moved inwards by half a step"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "says"), OUTCOMES)
def test_every_given_table_has_its_outcome(tmp_path, given_scores, capsys, name, options, says):
    path = str(given_scores / f"{name}.csv")
    arguments = ["compare", path, str(tmp_path), "--json", "--bootstrap", "200", *options]
    assert cli.main(arguments) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert says in " ".join([said.err, *found["warnings"]])
    if name == "reader15":
        for model in found["cohorts"]["test"]["models"].values():
            assert model["sensitivity_at_declared"]["ci_method"] == "wilson"
    if name == "twotests":
        assert set(found["cohorts"]) == {"test1", "test2"} and found["pooled"] == []
    if name == "oneevent":
        for model in found["cohorts"]["test"]["models"].values():
            assert model["auc"]["ci_low"] is None and model["calibration_slope"]["value"] is None


@pytest.mark.slow
def test_given_subgroups_of_other_names(tmp_path, given_scores):
    columns = str(given_scores / "traintest_cohort.csv")
    arguments = ["compare", str(given_scores / "traintest.csv"), str(tmp_path), "--cohort", columns,
                 "--subgroups", "vendor,ethnicity", "--bootstrap", "200"]  # fmt: skip
    assert cli.main(arguments) == 0
    groups = pd.read_csv(tmp_path / "tables" / "subgroups.csv")
    assert set(groups.variable) == {"vendor", "ethnicity"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("index", 0.2), ("largest", 0.9), ("mean", 0.5), ("max", 0.9), ("union", 0.4)],
)
def test_lesions_of_one_label_give_a_patients_score(tmp_path, rule, expected):
    rows = table()
    rows = rows[rows.model == "good"]
    lesions = (("a", 0.2, 100), ("b", 0.9, 900), ("union", 0.4, 500))
    parts = [rows.assign(lesion=name, score=s, volume_mm3=volume) for name, s, volume in lesions]
    found = other_scores.read_scores(written(tmp_path, pd.concat(parts)), rule=rule)
    assert len(found) == len(rows) and found.score.tolist() == pytest.approx([expected] * len(rows))
    assert f"{rule} gives a patient's score" in found.attrs["told"][0]


def test_lesions_without_what_the_rule_needs_are_refused(tmp_path):
    rows = table().assign(lesion="1")
    for rule, says in (("largest", "rows have no volume_mm3"), ("union", "no row whose lesion is")):
        with pytest.raises(StudyError, match=says):
            other_scores.read_scores(written(tmp_path, rows), rule=rule)
    with pytest.raises(StudyError, match="has a row without a lesion"):
        other_scores.read_scores(written(tmp_path, rows.assign(lesion="")))


@pytest.mark.parametrize("named", ["K", "L"])  # lesions named after their patient, or not
def test_lesions_with_labels_of_their_own_are_clustered(tmp_path, given_scores, capsys, named):
    path, out = given_scores / "clustered_lesions.csv", tmp_path / "out"
    answers = read_json(given_scores / "clustered_lesions_answers.json")
    if named == "L":
        rows = pd.read_csv(path)
        other = {name: f"P{n:05}" for n, name in enumerate(rows.lesion.unique())}
        path = written(tmp_path, rows.assign(lesion=rows.lesion.map(other)))
    assert cli.main(["compare", str(path), str(out), "--json", "--bootstrap", "200"]) == 0
    said = capsys.readouterr()
    assert "179 lesions of 70 patients: labels differ within patients" in said.err
    found = json.loads(said.out)
    for row in (row for row in found["lesions"] if row["metric"] == "auc"):
        assert row["value"] == pytest.approx(answers[row["model"]]["auc"])
        assert row["se"] == pytest.approx(answers[row["model"]]["se_cluster"])
        assert row["ci_low"] < row["value"] < row["ci_high"] and row["patients"] == 70
    (pair,) = found["lesion_pairs"]
    assert (pair["value"], pair["se"], pair["p"]) == pytest.approx(
        tuple(answers["m1-m2"][name] for name in ("delta", "se_cluster", "p"))
    )
    html = (out / "05_comparison.html").read_text(encoding="utf-8")
    assert "Four plots first" not in html and "lesions of a patient are not independent" in html


@pytest.mark.slow
def test_the_given_table_with_a_column_of_lesions_is_clustered(tmp_path, given_scores, capsys):
    path = str(given_scores / "lesions_col.csv")
    assert cli.main(["compare", path, str(tmp_path), "--json", "--bootstrap", "200"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["ci_method"] for row in found["lesion_pairs"]} == {"obuchowski"}
    for row in found["lesions"]:
        assert row["patients"] < row["lesions"] and row["ci_low"] < row["value"] < row["ci_high"]
