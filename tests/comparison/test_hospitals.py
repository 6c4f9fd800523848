"""Each hospital is left out once."""

import dataclasses

import numpy as np
import pandas as pd
from radiogenomics.cohort import seal
from radiogenomics.comparison import hospitals, refitted
from radiogenomics.study.settings import Evaluation, Radiomics, Settings
from radiogenomics.study.study import Study

RNG = np.random.default_rng(8)


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
    by = found.groupby("hospital").model.nunique().to_dict()
    assert by == {"A": 4, "B": 4, "C": 4, "pooled": 4}
    own, over = found[found.hospital != "pooled"], found[found.hospital == "pooled"]
    assert (own[own.model == "LR"].auc > 0.8).all() and (own.n == 50).all()
    assert (over.n == 150).all() and (over.ci_low < over.auc).all() and over.tau.notna().all()
    assert (over.prediction_low <= over.ci_low).all() and own.o_over_e.notna().all()
    assert (own.calibration_slope_low < own.calibration_slope).all()
    assert [one["purpose"] for one in seal.openings(study)] == ["leave out hospitals"]
    assert hospitals.leave_one_out(study, patients[patients.hospital != "C"]).empty
    asked = []
    monkeypatch.setattr(refitted, "network_scores", lambda s, what, rest, held: asked.append(
        (len(rest), len(held), set(rest.hospital) & set(held.hospital))) or held.label)  # fmt: skip
    full = dataclasses.replace(study.settings, evaluation=Evaluation(checks="full"))
    found_full = hospitals.leave_one_out(dataclasses.replace(study, settings=full), patients)
    assert asked == [(100, 50, set())] * 3
    cnn = found_full[found_full.model == "CNN"]  # AUCs of 1 have no variance: not pooled
    assert (cnn.auc == 1).all() and set(cnn.hospital) == {"A", "B", "C"} and len(found_full) == 19
    few = patients[(patients.hospital == "A") | (patients.label == 0) | (patients.index % 25 == 1)]
    found = hospitals.leave_one_out(study, few).set_index(["hospital", "model"])
    assert found.loc["A"].auc.isna().all() and (found.reason == "").sum() > 0
    assert set(found.loc["A"].reason) == {
        "2 patients of a label in the other hospitals, 5 are needed"
    }
