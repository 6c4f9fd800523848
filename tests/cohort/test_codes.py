"""Usual words for clinical values are understood; others are told all at once, by column."""

import corpus
import pandas as pd
import pytest
from radiogenomics import cli
from radiogenomics.cohort import eligibility, reading
from radiogenomics.cohort.codes import coded
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.settings import Codes
from radiogenomics.study.study import load_study
from sklearn.model_selection import StratifiedKFold

KNOWN = {
    ("sex", "F"): "female", ("sex", "w"): "female", ("sex", "M"): "male", ("sex", "男"): "male",
    ("smoking", "Ex-smoker"): "former", ("smoking", "non-smoker"): "never",
    ("smoking", "Current"): "current", ("stage", "IA2"): "I", ("stage", "ivb"): "IV",
    ("stage", "Stage IIIC"): "III", ("stage", "IIB"): "II", ("cea", "4.9"): "normal",
    ("cea", "5,0"): "high", ("cea", "elevated"): "high", ("lobe", "rul"): "RUL",
}  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Reports are written below the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("column", "cell"), KNOWN)
def test_usual_words_are_understood(column, cell):
    assert coded(column, corpus.pd.Series([cell]), Codes())[0] == KNOWN[column, cell]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("sex", "x"),
        ("stage", "V"),
        ("stage", "IIVA"),
        ("cea", "?"),
        ("smoking", "yes"),
        ("sex", ""),
    ],
)
def test_others_stay_as_they_are(column, cell):
    assert coded(column, corpus.pd.Series([cell]), Codes())[0] == cell


def test_own_words_go_before_the_usual_ones():
    codes = Codes(sex=("m = female", "Herr=male"), cea_high_from=3.5)
    assert coded("sex", corpus.pd.Series(["m", "HERR"]), codes).tolist() == ["female", "male"]
    assert coded("cea", corpus.pd.Series(["3.6"]), codes)[0] == "high"
    with pytest.raises(SettingsFault, match="Expected: your word = one of female, male"):
        coded("sex", corpus.pd.Series(["m"]), Codes(sex=("m = man",)))


@pytest.fixture
def spoiled(tmp_path):
    """A study whose table has faults of every kind, and one image that cannot be read."""
    table = corpus.cohort_table()
    corpus.write_files(tmp_path)
    table.loc[0, ["sex", "age", "smoking"]] = ["x", "6o", "yes"]
    table.loc[1, "sex"] = "x"
    table["stage"] = ["V", *["IA2"] * 11]
    table.loc[11] = table.loc[2]  # a doubled row
    (tmp_path / table.ct[3]).write_bytes(b"no image")
    (tmp_path / table.ct[0]).write_bytes(b"no image either")
    table.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text('title = "spoiled"\n')
    return load_study(tmp_path, tmp_path / "reports")


def test_every_fault_of_a_row_is_told_at_once(spoiled):
    table = reading.read_table(spoiled).table
    text = table.fault[0]
    assert "sex is 'x'" in text and "age is '6o'" in text and "smoking is 'yes'" in text
    assert "stage" not in text and "stage is 'V'" in table.unread[0]
    assert table.stage.isna()[0] and table.stage[4] == "I"


def test_check_tells_faults_by_column_and_looks_at_the_images_all_the_same(spoiled, capsys):
    assert cli.main(["check", str(spoiled.folder)]) == 1
    told = capsys.readouterr()
    lines = (told.out + told.err).splitlines()
    assert "cohort.csv: sex holds 'x' (2). Expected: one of female, male, or nothing." in lines
    assert any("rows 4, 13: patient P02 appears more than once" in line for line in lines)
    assert any(line.startswith("P00: images: ") for line in lines)
    assert any(line.startswith("P03: images: ") for line in lines)
    assert len(lines) == len(set(lines))


def test_what_a_later_notebook_would_stop_at_is_told(tmp_path):
    corpus.write_files(tmp_path)
    corpus.cohort_table().to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text("[evaluation]\nfolds = 9\n")
    study = load_study(tmp_path, tmp_path / "reports")
    table = reading.read_cohort(study)
    left, *_ = eligibility.exclude(study, table, complete=False)
    (few,) = eligibility.cannot_run(study, left)
    assert "4 training patients have label" in few and "No number of folds" in few


@pytest.mark.parametrize("fewest", [2, 5, 6, 7, 9, 12, 30])
def test_folds_that_are_said_to_work_are_those_that_do(fewest):
    """Of stratified folds; the advice names them, and where none does it says so."""
    labels = pd.Series([1] * fewest + [0] * 40)
    can = []
    for n in range(2, 21):
        inside = [int(labels[rows].sum()) for _, rows in StratifiedKFold(n).split(labels, labels)
                  ] if n <= fewest else [0]  # fmt: skip
        if min(inside) > 0 and fewest - max(inside) >= 5:
            can.append(n)
        told = eligibility.refused_folds(labels, n)
        assert (told == "") is (n in can), (n, told)
    assert eligibility.workable_folds(fewest) == can
    told = eligibility.refused_folds(labels, 21)
    several = f"one of {can[0]} to {can[-1]}" if len(can) > 1 else f"{sum(can)}"
    expected = f"folds to {several}, or add" if can else "No number of folds"
    assert expected in told and f"{fewest} training patients have label 1" in told


def test_a_path_of_5000_letters_excludes_its_patient_alone(tmp_path, capsys):
    corpus.write_files(tmp_path)
    corpus.with_cell(1, "ct", "a/" * 2500 + "x.nii").to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text("")
    study = load_study(tmp_path, tmp_path / "reports")
    left, out, _ = eligibility.exclude(study, reading.read_cohort(study), complete=False)
    assert len(left) == 11 and out.patient.tolist() == ["P01"]
    assert cli.main(["check", str(tmp_path)]) == 1
    assert "P01: files: ct file missing" in capsys.readouterr().out


def test_two_dates_make_the_interval_and_go_no_further(tmp_path):
    table = corpus.cohort_table()
    table["ct_date"] = "2021-03-31"
    table.loc[1:3, "ct_date"] = ["20210331", "31.3.2021", "2021-03-31 10:22"]
    table["Biopsy_Date"] = ["2021-04-02", "2021-03-31", "14.04.2021", "3/4/2021", *[""] * 8]
    corpus.write_files(tmp_path)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text("")
    read = reading.read_cohort(load_study(tmp_path, tmp_path / "reports"))
    assert read.interval_days[:3].tolist() == [2, 0, 14] and read.interval_days[3:].isna().all()
    assert "biopsy_date is 'not a date'. Expected: a date such as 2021-03-31" in read.fault[3]
    assert (read.fault.drop(3) == "").all() and not {"ct_date", "biopsy_date"} & set(read)
    assert "2021-04" not in read.to_csv()


def test_an_interval_that_is_given_goes_before_the_dates(tmp_path):
    table = corpus.cohort_table().assign(ct_date="2021-03-31", biopsy_date="2021-04-02")
    table["interval_days"] = ["5", *[""] * 11]
    corpus.write_files(tmp_path)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text("")
    read = reading.read_cohort(load_study(tmp_path, tmp_path / "reports"))
    assert read.interval_days.tolist() == [5, *[2] * 11]
