"""What a column may serve as, and what of it stays sealed: judged on training patients alone."""

import corpus
import numpy as np
import pandas as pd
import pytest
from radiogenomics import cli
from radiogenomics.cohort import eligibility, included, reading, roles
from radiogenomics.comparison import cautions
from radiogenomics.study import tables
from radiogenomics.study.errors import TableFault
from radiogenomics.study.settings import Clinical, Settings
from radiogenomics.study.study import load_study

NO_SIGNS = {"test": {"direction": "", "certain": [], "cohort": "external test cohort"}}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Reports are written below the current folder."""
    monkeypatch.chdir(tmp_path)


def study_of(folder, toml, **columns):
    """A study of 28 patients, 24 of them in training, labels in turn."""
    table = pd.concat([corpus.cohort_table()] * 3, ignore_index=True)[:28]
    names = [f"P{i:02d}" for i in range(28)]
    table["sex"] = ["female", "female", "male", "male"] * 7
    table = table.assign(patient=names, hospital=["A"] * 24 + ["B"] * 4, **columns)
    table["label"] = [str(i % 2) for i in range(28)]
    table["ct"], table["mask"] = [f"{n}.nii" for n in names], [f"{n}_m.nii" for n in names]
    for i, row in table.iterrows():
        (folder / row.ct).write_bytes(bytes([i]))
        (folder / row["mask"]).write_bytes(bytes([i, i]))
    table.to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text(toml)
    return load_study(folder, folder / "reports")


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[clinical]\npredictors = ["sex", "label"]', "predictors names label"),
        ('[clinical]\npredictors = ["patient"]', "predictors names patient"),
        ('[clinical]\npredictors = ["ct"]', "predictors names ct"),
        ('[clinical]\npredictors = ["sex", "egfr"]\n[label]\ncolumn = "egfr"\npositive = "mut"',
         "predictors names egfr"),
        ('[eligibility]\nrequired = ["age", "ecog"]', "required names ecog"),
        ('[eligibility]\nrequired = ["mask_2"]', "required names mask_2"),
        ('[plan]\nsubgroups = ["ward", "sex"]', "subgroups names ward. Expected"),
        ('[plan]\nsubgroups = ["cohort"]', "subgroups names cohort"),
        ('[clinical]\npredictors = ["sex", "egfr"]', "column egfr, which study.toml names, is the"),
    ],
)  # fmt: skip
def test_columns_that_cannot_serve_are_refused_by_check_and_run(tmp_path, toml, says, capsys):
    study = study_of(tmp_path, toml, egfr=["wt", "mut"] * 14)
    with pytest.raises(TableFault, match="(?s)cohort.csv has 1 faults.*" + says):
        reading.read_cohort(study)
    assert cli.main(["check", str(tmp_path)]) == 1
    assert says in capsys.readouterr().out


def test_columns_that_serve_pass_whatever_the_test_patients_hold(tmp_path):
    egfr = ["wt", "mut"] * 14
    egfr[0], egfr[1] = "mut", "wt"  # two training patients are otherwise
    toml = '[clinical]\npredictors = ["sex", "egfr"]\n[plan]\nsubgroups = ["egfr", "stage"]'
    reading.read_cohort(study_of(tmp_path, toml, egfr=egfr))


def table_of(n, label, **columns):
    return pd.DataFrame({"cohort": "train", "label": np.resize(label, n), **columns})


def test_a_recoding_needs_ten_of_each_label_and_separation_does_not():
    settings = Settings(clinical=Clinical(predictors=("word", "number")))
    few = table_of(18, [0, 1], word=["a", "b"] * 9, number=range(18))
    assert roles.recoded(settings, few) == [] and roles.separating(settings, few) == ["word"]
    many = table_of(40, [0, 1], word=["a", "b"] * 20, number=[0.1, 0.2] * 20)
    assert roles.recoded(settings, many) == ["word", "number"]
    spread = table_of(40, [0, 1], word=["a", "b", "c", "b"] * 10, number=[-1, 3] * 19 + [-2, 9])
    assert roles.recoded(settings, spread) == []
    assert roles.separating(settings, spread) == ["word", "number"]


def test_perfect_separation_is_told_in_red_and_by_check(tmp_path, capsys):
    toml = '[clinical]\npredictors = ["grade"]\n'
    study = study_of(tmp_path, toml, grade=[2, 1, 2, 0] * 7)
    left, out, flow = eligibility.exclude(study, reading.read_cohort(study))
    included.keep_included(study, left, out, flow)
    told = cautions.warnings(study, NO_SIGNS, tables.WARNINGS.frame()).set_index("where").warning
    assert "grade separates the labels of all training patients" in told["Clinical"]
    cli.main(["check", str(tmp_path)])
    assert "grade separates the labels" in capsys.readouterr().out


def test_test_patients_keep_nothing_that_tells_their_label(tmp_path):
    toml = '[label]\ncolumn = "egfr"\npositive = "mut"\n'
    variant = ["none", "L858R", "none", "exon 19"] * 7
    study = study_of(tmp_path, toml, egfr=["wt", "mut"] * 14, variant=variant, vaf=[0, 0.3] * 14)
    left, out, flow = eligibility.exclude(study, reading.read_cohort(study))
    included.keep_included(study, left, out, flow)
    patients = included.load_patients(study)
    train, test = (patients[patients.cohort == side] for side in ("train", "test"))
    for column in ("label", "egfr", "variant", "vaf"):
        assert test[column].isna().all() and train[column].notna().all(), column
    assert test.sex.notna().all() and test.ct_hash.notna().all()
