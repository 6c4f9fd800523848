"""Baselines, and a label that can be read off the scanner."""

import numpy as np
import pandas as pd
from radiogenomics.comparison import confounders, evidence
from radiogenomics.images import inspection
from radiogenomics.study import tables
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

RNG = np.random.default_rng(8)


def acquisition(signs, table):
    """Notebook 05's sentence on the acquisition."""
    found = confounders.of_acquisition(table)
    return say("comparison", "acquisition", **signs, **found, level=0.95)


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
    signs = confounders._signs(test.label.to_numpy(), scores, linked)
    text = say("comparison", "acquisition_signs", **signs)
    assert "read off the scanner" in text and "is associated with scanner" in text
    patients["scanner"] = rng.choice(["A", "B"], 400)
    train, test = (patients[patients.cohort == c] for c in ("train", "test"))
    quiet = confounders.baseline_scores(train, test, 1), confounders.association(patients, 1)
    signs = confounders._signs(test.label.to_numpy(), *quiet)
    assert say("comparison", "acquisition_signs", **signs) == ""


def test_scanners_of_the_headers_reach_the_red_sentence(tmp_path):
    """cohort.csv names no scanner: acquisition.csv, from the DICOM headers, does."""
    study = Study(tmp_path, tmp_path / "reports", Settings())
    names = [f"P{i}" for i in range(120)]
    label = np.tile([0, 1], 60)
    patients = pd.DataFrame({"patient": names, "label": label, "hospital": "A", "kernel": "soft"})
    patients["cohort"] = np.where(np.arange(120) < 70, "train", "test")
    found = pd.DataFrame({"patient": names, "slice_mm": 1.25, "thickness_mm": np.nan})
    found["scanner"], found["kernel"] = np.where(label, "GE", "Siemens"), [""] * 119 + ["sharp"]
    study.tables.mkdir(parents=True)
    rows = inspection.with_columns(found[::-1], patients)
    needed = [name for name in tables.ACQUISITION.needed() if name not in rows]
    rows.assign(**dict.fromkeys(needed)).to_csv(study.path(tables.ACQUISITION))
    volumes = pd.DataFrame({"patient": names, "volume_mm3": 900.0})
    volumes.reindex(columns=tables.MASKS.needed()).to_csv(study.path(tables.MASKS))
    told = evidence.patient_columns(study, patients)
    assert told.scanner.tolist() == found.scanner.tolist()
    assert told.kernel.tolist() == ["soft"] * 119 + ["sharp"]
    assert (told.thickness_mm == 1.25).all() and (told.volume_mm3 == 900).all()
    scores = patients[["patient", "cohort", "label"]].assign(model="m", score=0.4 + 0.1 * label)
    scores["fold"] = pd.NA
    table, linked, signs = confounders.baselines(study, scores, told)
    assert table.set_index("baseline").auc["Acquisition"] == 1.0
    assert "scanner" in set(linked.variable) and signs["test"]["direction"] == "with"


def test_baselines_of_the_test_cohort_alone_have_no_interval_and_say_so(tmp_path):
    study = Study(tmp_path, tmp_path / "reports", Settings())
    label = np.tile([0, 1], 60)
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(120)], "label": label})
    patients = patients.assign(cohort="test", hospital="A", scanner=RNG.choice(["GE", "S"], 120))
    patients = patients.set_index("patient", drop=False).rename_axis(None)
    scores = patients[["patient", "cohort", "label"]].assign(model="m", score=0.4 + 0.1 * label)
    scores["fold"] = pd.NA
    table, _, signs = confounders.baselines(study, scores, patients)
    one = table.set_index("baseline").loc["Acquisition"]
    assert np.isfinite(one.auc) and one.ci_method == "none" and np.isnan(one.p)
    assert "pooled folds have no interval" in one.reason
    told = acquisition(signs["test"], table)
    assert f"an AUC of {one.auc:.3f}; no association" in told and "is significant" in told
    without, _, no_signs = confounders.baselines(study, scores, patients.drop(columns="scanner"))
    assert "was not tested: no scanner" in acquisition(no_signs["test"], without)
    assert 'class="alert"' in acquisition(
        signs["test"] | {"direction": "with", "auc": 1, "interval": ""}, table
    )


def test_a_baseline_that_is_left_out_says_why():
    patients = pd.DataFrame({"label": [0, 1] * 20, "volume_mm3": [np.nan, *[900.0] * 39]})
    said = confounders.left_out(patients[:0], patients)
    assert said["Volume"] == "1 patients without a volume above 0"
    assert said["Prevalence"] == "no training patients" and "no scanner" in said["Acquisition"]
    assert confounders.baseline_scores(patients[:0], patients, 1).shape[1] == 0


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
    signs = confounders.baselines(study, scores.assign(fold=pd.NA), patients)[2]["test"]
    warning = say("comparison", "acquisition_signs", **signs)
    assert "the label is associated with scanner" in warning
    assert "an AUC of 1.000 (cross-validated)" in warning and "CI" not in warning
