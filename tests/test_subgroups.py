"""Groups, baselines, hospitals and sample size: tests between groups, red sentences, Riley."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics import (
    comparison,
    confounders,
    hospitals,
    inspection,
    readings,
    samplesize,
    subgroups,
)
from radiogenomics.study.settings import Evaluation, Radiomics, Settings
from radiogenomics.study.study import Study
from scipy import stats
from scipy.special import expit, logit, ndtri

RNG = np.random.default_rng(8)


def scored(n, rng=RNG):
    labels = rng.integers(0, 2, n)
    return labels, expit(1.5 * (labels - 0.5) + rng.normal(size=n))


def test_groups_flag_few_events_and_keep_them():
    labels, score = scored(200)
    patients = pd.DataFrame({"sex": np.where(np.arange(200) < 15, "male", "female")})
    patients["age"] = RNG.integers(20, 90, 200)
    by = subgroups.groups(patients, ("sex", "age", "gone"))
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by)
    small = table[table.group == "male"].iloc[0]
    assert small.n == 15 and small.flag.startswith("under 10")
    assert set(table[table.variable == "age"].group) == {"under 55", "55 to 64", "65 and over"}
    assert table[table.variable == "sex"].n.sum() == 200 and np.isfinite(small.auc)


def test_models_that_are_only_ranked_have_no_calibration_in_any_group():
    labels, score = scored(100)
    by = pd.DataFrame({"sex": np.where(np.arange(100) < 50, "male", "female")})
    models = pd.DataFrame({"m": score, "logits": score})
    table = subgroups.subgroup_table(labels, models, by, ranked=["logits"]).set_index("model")
    assert table.o_over_e["m"].notna().all() and table.o_over_e["logits"].isna().all()
    assert table.auc.notna().all()


def test_long_codes_stay_apart_and_ages_stand_in_their_order():
    codes = pd.DataFrame({"scanner": [1234561.0, 1234562.0] * 50, "age": [40, 60, 70, 50] * 25})
    by = subgroups.groups(codes, ("scanner", "age"))
    assert set(by.scanner) == {"1234561", "1234562"}
    labels, score = scored(100)
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by)
    ages = table[table.variable == "age"].group.tolist()
    assert ages == ["under 55", "55 to 64", "65 and over"]


def test_scores_without_spread_have_no_test_of_interaction():
    labels = np.array([0, 1] * 30)
    parts = np.repeat(["a", "b"], 30)
    for scores in (np.full(60, 1e-15) * np.arange(1, 61), 1e-200 * np.arange(60) - 1e-199):
        assert np.isnan(subgroups.interaction(labels, scores, parts))


def test_small_groups_take_part_in_no_test():
    labels, score = scored(120)
    parts = np.array(["a"] * 60 + ["b"] * 51 + ["c"] * 9)
    without = parts != "c"
    assert subgroups.interaction(labels, score, parts) == pytest.approx(
        subgroups.interaction(labels[without], score[without], parts[without]), abs=1e-9
    )


def test_one_label_and_unknown_values_are_told():
    labels, score = np.array([0, 1] * 20 + [1] * 5), np.linspace(0.1, 0.9, 45)
    stage = pd.Series(["I", "I", "II", "II"] * 10 + ["IV"] * 4 + [np.nan])
    by = subgroups.groups(pd.DataFrame({"stage": stage}), ("stage",))
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by).set_index("group")
    assert table.flag["IV"] == "one label only" and np.isnan(table.auc["IV"])
    assert table.n["not known"] == 1


def test_interaction_is_the_score_test_of_statsmodels():
    labels, score = scored(300)
    part = RNG.choice(["a", "b", "c"], 300)
    dummies = np.column_stack([part == "b", part == "c"]).astype(float)
    x = logit(score)
    null = sm.GLM(labels, np.column_stack([np.ones(300), x, dummies]), sm.families.Binomial()).fit()
    theirs = null.score_test(exog_extra=x[:, np.newaxis] * dummies)
    assert subgroups.interaction(labels, score, part) == pytest.approx(theirs.pvalue[0], rel=1e-6)


def test_a_group_of_equal_scores_costs_no_degree_of_freedom():
    labels, score = scored(200)
    parts = np.repeat(["a", "b"], 100)
    more = np.array([0, 1] * 20)
    mine = subgroups.interaction(
        np.append(labels, more), np.append(score, np.full(40, 0.5)), np.append(parts, ["c"] * 40)
    )
    assert mine == pytest.approx(subgroups.interaction(labels, score, parts), rel=1e-9)
    for varying in ([], ["a"]):  # with scores that differ in one group at most nothing is tested
        for _ in range(20):
            level = np.where(parts == "a", 0.3, 0.6)
            level = np.where(np.isin(parts, varying), score, level)
            assert np.isnan(subgroups.interaction(RNG.permutation(labels), level, parts))
    separated = np.where(labels == 1, 0.9, 0.1) + RNG.uniform(0, 0.05, 200)
    assert np.isnan(subgroups.interaction(labels, separated, parts))


STAGES = (0.5, 0.15, 0.2, 0.15)
LOBES = (0.32, 0.06, 0.22, 0.26, 0.14)


@pytest.mark.parametrize(
    ("n", "shares"), [(132, (0.5, 0.5)), (132, STAGES), (132, LOBES), (528, LOBES)]
)
@pytest.mark.parametrize("slope", [1, 2])
def test_tests_between_groups_hold_their_level(n, shares, slope):
    rng = np.random.default_rng(4)
    found = {"q": [], "interaction": []}
    for _ in range(200):
        labels = rng.permutation(np.arange(n) < 0.46 * n).astype(int)
        score = expit(slope * (labels - 0.5) + rng.normal(size=n))
        part = rng.choice(len(shares), n, p=shares)
        rows = [subgroups._group(labels, score, part == g, 0.95, False) for g in range(len(shares))]
        found["q"].append(subgroups.heterogeneity(rows))
        found["interaction"].append(subgroups.interaction(labels, score, part))
    for name, p in found.items():
        assert np.mean(np.isfinite(p)) > 0.8, name
        assert 0.02 <= np.mean(np.array(p)[np.isfinite(p)] < 0.05) <= 0.08, name


def test_tests_between_groups_find_a_difference():
    rng = np.random.default_rng(4)
    rows = [{"auc": 0.9, "variance": 0.001}, {"auc": 0.6, "variance": 0.004}]
    apart = logit(0.9) - logit(0.6)  # of two groups: the z test of the difference, squared
    theirs = stats.chi2.sf(apart**2 / (0.001 / 0.09**2 + 0.004 / 0.24**2), 1)
    assert subgroups.heterogeneity(rows) == pytest.approx(theirs)
    labels, score = scored(600, rng)
    part = np.where(np.arange(600) < 300, "a", "b")
    turned = np.where(part == "a", score, 1 - score)
    assert subgroups.interaction(labels, turned, part) < 1e-6


def test_scanner_that_tells_the_label_is_told_in_red():
    rng = np.random.default_rng(6)
    patients = pd.DataFrame({"label": rng.integers(0, 2, 400)})
    patients["cohort"] = np.where(np.arange(400) < 300, "train", "test")
    told = rng.random(400) < 0.85
    patients["scanner"] = np.where(told == (patients.label == 1), "A", "B")
    patients["volume_mm3"] = np.exp(rng.normal(8, 1, 400) + patients.label)
    train, test = (patients[patients.cohort == c] for c in ("train", "test"))
    scores = confounders.baseline_scores(train, test, 1)
    assert list(scores) == ["Prevalence", "Volume", "Acquisition"]
    linked = confounders.association(patients, 1)
    text = confounders.warning(test.label.to_numpy(), scores, linked)
    assert "read off the scanner" in text and "goes with scanner" in text
    patients["scanner"] = rng.choice(["A", "B"], 400)
    train, test = (patients[patients.cohort == c] for c in ("train", "test"))
    quiet = confounders.baseline_scores(train, test, 1), confounders.association(patients, 1)
    assert confounders.warning(test.label.to_numpy(), *quiet) == ""


def test_scanners_of_the_headers_reach_the_red_sentence(tmp_path):
    """cohort.csv names no scanner: acquisition.csv, from the DICOM headers, does."""
    study = Study(tmp_path, tmp_path / "reports", Settings())
    names = [f"P{i}" for i in range(120)]
    label = np.tile([0, 1], 60)
    patients = pd.DataFrame({"patient": names, "label": label, "hospital": "A", "kernel": "soft"})
    patients["cohort"] = np.where(np.arange(120) < 70, "train", "test")
    found = pd.DataFrame({"patient": names, "slice_mm": 1.25, "thickness_mm": np.nan})
    found["scanner"], found["kernel"] = np.where(label, "GE", "Siemens"), [""] * 119 + ["sharp"]
    study.save_table(inspection.with_columns(found[::-1], patients), "acquisition.csv")
    study.save_table(pd.DataFrame({"patient": names, "volume_mm3": 900.0}), "masks.csv")
    told = comparison.patient_columns(study, patients)
    assert told.scanner.tolist() == found.scanner.tolist()
    assert told.kernel.tolist() == ["soft"] * 119 + ["sharp"]
    assert (told.thickness_mm == 1.25).all() and (told.volume_mm3 == 900).all()
    scores = patients[["patient", "cohort", "label"]].assign(model="m", score=0.4 + 0.1 * label)
    scores["fold"] = pd.NA
    table, linked, warning = comparison.baselines(study, scores, told)
    assert table.set_index("baseline").auc["Acquisition"] == 1.0
    assert "scanner" in set(linked.variable) and "read off the scanner" in warning


def test_baselines_of_the_test_cohort_alone_have_no_interval_and_say_so(tmp_path):
    study = Study(tmp_path, tmp_path / "reports", Settings())
    label = np.tile([0, 1], 60)
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(120)], "label": label})
    patients = patients.assign(cohort="test", hospital="A", scanner=RNG.choice(["GE", "S"], 120))
    patients = patients.set_index("patient", drop=False).rename_axis(None)
    scores = patients[["patient", "cohort", "label"]].assign(model="m", score=0.4 + 0.1 * label)
    scores["fold"] = pd.NA
    table, _, warning = comparison.baselines(study, scores, patients)
    one = table.set_index("baseline").loc["Acquisition"]
    assert np.isfinite(one.auc) and one.ci_method == "none" and np.isnan(one.p)
    assert "pooled folds have no interval" in one.reason
    told = readings.acquisition(table, warning)
    assert f"an AUC of {one.auc:.3f}; no association with the label is clear" in told
    without, _, _ = comparison.baselines(study, scores, patients.drop(columns="scanner"))
    assert "was not tested: no scanner" in readings.acquisition(without, "")
    assert readings.acquisition(table, "Red.") == '<p class="alert">Red.</p>'


def test_numbers_that_are_names_are_not_halved():
    hospital = pd.Series(np.tile(np.arange(1, 9), 10), name="hospital")
    by = subgroups.groups(pd.DataFrame({"hospital": hospital}), ("hospital",))
    assert set(by.hospital) == {str(i) for i in range(1, 9)}
    numbers = hospital.astype(float).rename("thickness_mm")
    halves = subgroups.groups(pd.DataFrame({"thickness_mm": numbers}), ("thickness_mm",))
    assert set(halves.thickness_mm) == {"under 4.5", "4.5 and over"}


def test_a_baseline_that_is_left_out_says_why():
    patients = pd.DataFrame({"label": [0, 1] * 20, "volume_mm3": [np.nan, *[900.0] * 39]})
    said = confounders.left_out(patients[:0], patients)
    assert said["Volume"] == "1 patients without a volume above 0"
    assert said["Prevalence"] == "no training patients" and "no scanner" in said["Acquisition"]
    assert confounders.baseline_scores(patients[:0], patients, 1).shape[1] == 0


def test_an_auc_near_one_needs_few_patients():
    assert samplesize.patients_for_width(0.9995, 0.3) == 4
    assert samplesize.patients_for_width(0.98, 0.5) > 20


def test_each_hospital_is_left_out_once(tmp_path, monkeypatch):
    study = Study(tmp_path, tmp_path, Settings(radiomics=Radiomics(lasso_folds=3)))
    n = 150
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(n)], "label": [0, 1] * (n // 2)})
    patients["hospital"] = np.repeat(["A", "B", "C"], n // 3)
    patients["sex"] = RNG.choice(["female", "male"], n)
    patients["smoking_history"] = RNG.choice(["never", "ever"], n)
    assert hospitals.leave_one_out(study, patients).empty
    values = pd.DataFrame(
        RNG.normal(size=(n, 8)), columns=[f"original_firstorder_{c}" for c in "abcdefgh"]
    )
    values["original_firstorder_a"] += 2 * patients.label
    values.insert(0, "patient", patients.patient)
    study.tables.mkdir()
    values.to_parquet(study.tables / "features.parquet")
    found = hospitals.leave_one_out(study, patients)
    assert found.groupby("hospital").model.nunique().to_dict() == {"A": 4, "B": 4, "C": 4}
    assert (found[found.model == "LR"].auc > 0.8).all() and (found.n == 50).all()
    assert hospitals.leave_one_out(study, patients[patients.hospital != "C"]).empty
    asked = []
    monkeypatch.setattr(hospitals, "_cnn_scores", lambda s, rest, held: asked.append(
        (len(rest), len(held), set(rest.hospital) & set(held.hospital))) or held.label)  # fmt: skip
    full = dataclasses.replace(study.settings, evaluation=Evaluation(checks="full"))
    found_full = hospitals.leave_one_out(dataclasses.replace(study, settings=full), patients)
    assert asked == [(100, 50, set())] * 3
    assert (found_full[found_full.model == "CNN"].auc == 1).all() and len(found_full) == 15
    few = patients[(patients.hospital == "A") | (patients.label == 0) | (patients.index % 25 == 1)]
    found = hospitals.leave_one_out(study, few).set_index(["hospital", "model"])
    assert found.loc["A"].auc.isna().all() and (found.reason == "").sum() > 0
    assert set(found.loc["A"].reason) == {
        "2 patients of a label in the other hospitals, 5 are needed"
    }


def test_riley_is_pmsampsizes():
    """The example of R's pmsampsize: 24 parameters, prevalence 0.174, Cox-Snell R² 0.288."""
    found = samplesize.riley_minimum(24, 0.174, 0.288)
    assert found == {"shrinkage": 623, "optimism": 662, "overall_risk": 221, "n": 662}
    assert samplesize.parameters_supported(662, 0.174, 0.288) == 24
    assert samplesize.parameters_supported(661, 0.174, 0.288) == 23


def test_cox_snell_is_that_of_a_simulation():
    """As pmsampsize's cstat2rsq does it: a logistic model on a simulated linear predictor."""
    rng = np.random.default_rng(1)
    y = (np.arange(200_000) < 0.4 * 200_000).astype(float)
    x = rng.normal(size=len(y)) + y * np.sqrt(2) * ndtri(0.8)
    fit = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    theirs = 1 - np.exp(2 * (fit.llnull - fit.llf) / len(y))
    assert samplesize.cox_snell(0.8, 0.4) == pytest.approx(theirs, abs=0.005)
    assert np.isnan(samplesize.cox_snell(0.5, 0.4))


def test_width_is_that_of_simulated_cohorts():
    n = int(samplesize.patients_for_width(0.8, 0.5))
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], n // 2)
    shift = np.sqrt(2) * ndtri(0.8)
    aucs = [
        (lambda x: (x[labels == 1][:, None] > x[labels == 0]).mean())(
            rng.normal(size=len(labels)) + shift * labels
        )
        for _ in range(400)
    ]
    assert 2 * 1.96 * np.std(aucs) == pytest.approx(0.1, abs=0.015)


def test_thickness_is_halved_at_the_training_patients_median():
    rng = np.random.default_rng(2)
    patients = pd.DataFrame({"label": np.tile([0, 1], 60), "thickness_mm": rng.uniform(1, 2, 120)})
    patients.loc[80:, "thickness_mm"] += 3
    train, test = patients[:80], patients[80:]
    ((_, _, inputs),) = list(confounders._told(train, test))
    middle = train.thickness_mm.median()
    assert (inputs.thickness_mm[:80] == f"under {middle:g}").sum() == 40
    assert set(inputs.thickness_mm[80:]) == {f"{middle:g} and over"}


def test_pooled_scores_have_no_interval_in_the_red_sentence(tmp_path):
    study = Study(tmp_path, tmp_path / "reports", Settings())
    label = np.tile([0, 1], 60)
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(120)], "label": label})
    patients = patients.assign(cohort="test", scanner=np.where(label, "GE", "S"))
    patients = patients.set_index("patient", drop=False).rename_axis(None)
    scores = patients[["patient", "cohort", "label"]].assign(model="m", score=0.4 + 0.1 * label)
    warning = comparison.baselines(study, scores.assign(fold=pd.NA), patients)[2]
    assert "the label goes with scanner" in warning
    assert "an AUC of 1.000 (cross-validated)" in warning and "interval" not in warning
