"""The table of patients: faults by row, exclusions by rule, the split."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from radiogenomics.cohort import eligibility, figures, included, reading
from radiogenomics.study import load_study, tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Clinical, Cohorts, Settings
from radiogenomics.study.study import Study


@pytest.fixture
def study(tmp_path):
    (tmp_path / "scans").mkdir()
    return Study(tmp_path, tmp_path / "reports", Settings(workers=1))


def write(study, n=12, files=True, **changes):
    table = pd.DataFrame(
        {
            "patient": [f"P{i:02d}" for i in range(n)],
            "hospital": ["A"] * (n - 4) + ["B"] * 4,
            "label": [i % 2 for i in range(n)],
            "age": 60,
            "sex": ["female", "male"] * (n // 2),
            "smoking": ["never", "former", "current"] * (n // 3),
            "cea": "normal",
            "interval_days": 5,
            "ct": [f"scans/{i}.nii.gz" for i in range(n)],
            "mask": [f"scans/{i}_mask.nii.gz" for i in range(n)],
        }
    ).astype(object)
    for column, cells in changes.items():
        for row, value in cells.items():
            table.loc[row, column] = value
    table.to_csv(study.cohort_csv, index=False)
    for i in range(n if files else 0):
        (study.folder / f"scans/{i}.nii.gz").write_bytes(bytes([i]))
        (study.folder / f"scans/{i}_mask.nii.gz").write_bytes(bytes([i, i]))
    return table


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"smoking": {3: "yes"}}, "row 5, patient P03: smoking is 'yes'. Expected: one of never"),
        ({"label": {2: "Mutant"}}, "row 4, patient P02: label is 'Mutant'"),
        ({"age": {0: "6o"}}, "row 2, patient P00: age is '6o'. Expected: a number"),
        ({"hospital": {5: "C"}}, "row 7, patient P05: hospital is 'C'. Expected: one of A, B"),
        ({"ct": {1: "../x.nii"}}, "row 3, patient P01: ct is '../x.nii'. Expected: a path inside"),
    ],
)
def test_faults_name_row_patient_and_remedy_and_exclude_the_patient(study, changes, says):
    write(study, **changes)
    left, out, _ = eligibility.exclude(study, reading.read_cohort(study))
    assert len(out) == 1 and says in out.reason[0] and len(left) == 11


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"patient": {1: "P00"}}, "rows 2, 3: patient P00 appears more than once"),
        ({"cohort": {0: "test"}}, "row 2, patient P00: cohort is 'test'. Expected: train"),
    ],
)
def test_faults_of_the_whole_table_stop(study, changes, says):
    write(study, **changes)
    with pytest.raises(StudyError) as fault:
        reading.read_cohort(study)
    assert says in str(fault.value)


def test_missing_column_is_named(study):
    write(study).drop(columns="smoking").to_csv(study.cohort_csv, index=False)
    with pytest.raises(StudyError, match="no column smoking"):
        reading.read_cohort(study)


def test_exclusions_have_one_reason_each_and_add_up(study):
    write(study, 18, age={0: 17}, interval_days={0: 20, 1: 15, 2: 14}, cea={3: ""}, label={4: ""})
    (study.folder / "scans/5_mask.nii.gz").unlink()
    failures = pd.DataFrame([("P06", "images", "broken")], columns=["patient", "step", "reason"])
    left, out, flow = eligibility.exclude(study, reading.read_cohort(study), failures)
    reasons = dict(zip(out.patient, out.reason, strict=True))
    assert reasons == {
        "P00": "age under 18",
        "P01": "over 14 days from CT to biopsy",
        "P04": "no EGFR mutant status",
        "P03": "cea missing",
        "P05": "mask file missing: scans/5_mask.nii.gz is not there. Expected: a file or folder "
        "inside the study folder. Copy it there, or correct the path.",
        "P06": "broken",
    }
    count = flow.set_index(["step", "reason"]).n
    assert count["found", "in cohort.csv"] == 18 == len(left) + len(out)
    assert count["files", "mask file missing"] == 1
    assert count["included", "train"] + count["included", "test"] == len(left)


def test_one_scan_on_both_sides_stops(study):
    write(study)
    (study.folder / "scans/11.nii.gz").write_bytes((study.folder / "scans/0.nii.gz").read_bytes())
    with pytest.raises(StudyError, match=r"in train and test: P00 \(train\), P11 \(test\)"):
        eligibility.exclude(study, reading.read_cohort(study))


def test_another_gene_is_a_setting(study):
    write(study).assign(kras=["G12C", "wt"] * 6).to_csv(study.cohort_csv, index=False)
    label = type(study.settings.label)(column="kras", positive=("G12C",), name="KRAS mutant")
    gene = Study(study.folder, study.reports, Settings(label=label))
    assert reading.read_cohort(gene).label.tolist() == [1, 0] * 6


def test_a_cohort_that_changed_after_notebook_01_is_refused(study):
    write(study)
    left, out, flow = eligibility.exclude(study, reading.read_cohort(study))
    included.keep_included(study, left, out, flow)
    assert len(included.read_included(study)) == 12
    swapped = Settings(workers=1, cohorts=Cohorts(train=("B",), test=("A",)))
    with pytest.raises(StudyError, match="has changed since notebook 01.*--from 01"):
        included.read_included(dataclasses.replace(study, settings=swapped))
    write(study, label={0: 1})
    with pytest.raises(StudyError, match="has changed since notebook 01.*--from 01"):
        included.read_included(study)


def test_ages_of_nobody_are_refused(study):
    write(study, age={0: 1951})
    out = eligibility.exclude(study, reading.read_cohort(study))[1]
    assert "age is '1951'. Expected: years, 0 to 120" in out.reason[0]


def test_excels_empty_last_rows_are_passed_over(study):
    write(study)
    text = study.cohort_csv.read_text()
    study.cohort_csv.write_text(text + "," * (text.splitlines()[0].count(",")) + "\n")
    assert len(reading.read_cohort(study)) == 12


def test_ct_after_the_biopsy_and_unnamed_files_are_excluded(study):
    write(study, interval_days={1: -3}, ct={2: ""})
    _, out, _ = eligibility.exclude(study, reading.read_cohort(study))
    assert out.set_index("patient").reason.to_dict() == {
        "P01": "CT after the biopsy", "P02": "ct not named in cohort.csv",
    }  # fmt: skip


def test_an_incomplete_study_can_be_looked_at_and_its_exclusions_are_kept(study):
    write(study, label=dict.fromkeys(range(12), 0))
    table = reading.read_cohort(study)
    left, out, flow = eligibility.exclude(study, table, complete=False)
    assert len(left) == 12
    with pytest.raises(StudyError, match="0 patients with label 1"):
        included.keep_included(study, left, out, flow)
    assert (study.tables / "flow.csv").exists()
    assert not study.included_csv.exists()


def test_a_file_that_may_not_be_read_excludes_its_patient(study, monkeypatch):
    write(study)
    whole = eligibility.content_hash

    def locked(path):
        if path.name == "3.nii.gz":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(eligibility, "content_hash", locked)
    left, out, _ = eligibility.exclude(study, reading.read_cohort(study))
    assert out.reason.item().startswith("ct file may not be read: scans/") and len(left) == 11


def test_the_flow_box_sums_reasons_that_differ_by_patient(study):
    rows = [("found", "in cohort.csv", 60), ("eligibility", "age under 18", 1)]
    rows += [("images", f"slice {i} is missing. Expected: all", 1) for i in range(30)]
    rows += [("included", side, 14) for side in ("train", "test")]
    figure = figures.flow(tables.FLOW.frame(rows), study.settings.label)
    box = next(a.text for a in figure.layout.annotations if "excluded" in a.text)
    assert box.split("<br>") == [
        "31 excluded", "1 age under 18", "30 whose images cannot be used",
    ]  # fmt: skip


def test_one_mask_on_both_sides_stops(study):
    write(study)
    (study.folder / "scans/11_mask.nii.gz").write_bytes(bytes([0, 0]))
    with pytest.raises(StudyError, match="same mask is used in train and test: P00 .train., P11"):
        eligibility.exclude(study, reading.read_cohort(study))


def test_a_second_readers_mask_on_both_sides_stops(study):
    table = write(study).assign(mask_2="")
    for i, name in ((0, "again.nii.gz"), (11, "copied.nii.gz")):
        (study.folder / "scans" / name).write_bytes(b"one outline")
        table.loc[i, "mask_2"] = f"scans/{name}"
    table.to_csv(study.cohort_csv, index=False)
    with pytest.raises(StudyError, match="same second reader's mask is used in train and test"):
        eligibility.exclude(study, reading.read_cohort(study))


def test_a_file_replaced_after_notebook_01_stops_what_would_use_its_caches(study):
    write(study)
    included.keep_included(study, *eligibility.exclude(study, reading.read_cohort(study)))
    image = study.folder / "scans" / "3.nii.gz"
    image.touch()  # another time, the same content
    assert len(included.load_patients(study)) == 12
    image.write_bytes(b"another CT")
    with pytest.raises(StudyError, match=r"patient P03: scans/3.nii.gz has changed"):
        included.load_patients(study)
    image.unlink()  # a reviewer has no images
    assert len(included.load_patients(study)) == 12


def test_words_of_the_table_come_back_as_they_were(study):
    """None and TRUE are words of a cohort, not a program's missing value and truth."""
    settings = dataclasses.replace(Settings(workers=1), clinical=Clinical(("emphysema", "tnm")))
    study = dataclasses.replace(study, settings=settings)
    table = write(study)
    table["emphysema"] = ["None", "mild"] * 6
    table["tnm"] = ["TRUE", "FALSE"] * 6
    table["pack_years"] = [*range(11), ""]
    table.to_csv(study.cohort_csv, index=False)
    included.keep_included(study, *eligibility.exclude(study, reading.read_cohort(study)))
    again = included.read_included(study)
    assert again.emphysema.tolist() == table.emphysema.tolist()
    assert again.tnm.tolist() == table.tnm.tolist()
    assert again.pack_years.tolist()[:11] == list(range(11)) and again.pack_years.isna().sum() == 1
    assert again.hospital.tolist() == table.hospital.tolist() and again.label.dtype == int


def test_codes_in_capitals_are_the_same_codes(study):
    table = write(study, sex={0: "Female", 1: "MALE"})
    table["cohort"] = np.where(table.hospital == "A", "Train", "TEST")
    table.to_csv(study.cohort_csv, index=False)
    found = reading.read_cohort(study)
    assert found.sex.tolist()[:2] == ["female", "male"] and (found.fault == "").all()


def test_failures_that_end_a_study_are_kept(study):
    write(study)
    included.keep_included(study, *eligibility.exclude(study, reading.read_cohort(study)))
    lost = [f"P{i:02d}" for i in range(12) if i % 2]
    failures = pd.DataFrame({"patient": lost, "step": "radiomics", "reason": "too small"})
    with pytest.raises(StudyError, match="0 patients with label 1"):
        included.drop_failures(study, failures)
    assert study.table(tables.EXCLUSIONS).patient.tolist() == lost


def split_by(tmp_path, cohorts, **columns):
    """The cohort of each of six patients, and the table's columns, under a [cohorts] section."""
    table = pd.DataFrame({"patient": [f"P{i}" for i in range(6)], "label": [0, 1] * 3,
                          "ct": "a.nii", "mask": "b.nii", "sex": "male", "smoking": "never",
                          **columns})  # fmt: skip
    tmp_path.mkdir(exist_ok=True)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text(f"[cohorts]\n{cohorts}\n[eligibility]\nrequired = []\n")
    read = reading.read_table(load_study(tmp_path))
    return read.table.cohort.tolist(), read


def test_cohorts_by_hospital_days_and_numbers(tmp_path):
    hospital = {"hospital": list("AABBCC")}
    side, read = split_by(tmp_path / "a", 'train = ["A"]\nexternal_1 = ["B"]\ninternal = ["C"]',
                          **hospital)  # fmt: skip
    assert side == ["train"] * 2 + ["external_1"] * 2 + ["internal"] * 2 and not read.faults
    days = {"ct_date": ["2020-03-01", "2021-12-31", "2022-01-01", "1.2.2023", "", "2019-12-31"]}
    split = 'column = "ct_date"\ntrain = ["2020-01-01..2021-12-31"]\ninternal = ["2022-01-01.."]'
    side, read = split_by(tmp_path / "b", split, **days)
    assert side == ["train"] * 2 + ["internal"] * 2 + [""] * 2
    assert "ct_date" not in read.table and "hospital" not in read.table
    assert not any("2019-12-31" in text for text in read.table.fault)  # no date is printed
    told = read.table.fault
    assert "ct_date is 'a day in no cohort'" in told[5] and "ct_date is ''" in told[4]
    days["ct_date"][0] = "3/4/2020"
    assert "ct_date is 'not a date'" in split_by(tmp_path / "b", split, **days)[1].table.fault[0]
    taken = {"taken_on": ["2020-03-01", *[""] * 4, "2019-12-31"]}
    _, read = split_by(tmp_path / "e", split.replace("ct_date", "taken_on"), **taken)
    assert "taken_on" not in read.table and "'a day in no cohort'" in read.table.fault[5]
    years = {"year": [2018, 2019, 2020, 2021, 2022, 2023]}
    side, _ = split_by(tmp_path / "c", 'column = "year"\ntrain = ["..2020"]\ntest = ["2021.."]',
                       **years)  # fmt: skip
    assert side == ["train"] * 3 + ["test"] * 3
    _, read = split_by(tmp_path / "d", 'train = ["A"]\ntest = ["A", "B", "C"]', **hospital)
    assert any("A is in several cohorts" in fault for fault in read.faults)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[cohorts]\ntrain = ["A"]\nexternal = "B"', "external = 'B'. Expected: a cohort's name"),
        ('[cohorts]\ntrain = ["A"]\n"hospital B" = ["B"]', "Expected: a cohort's name of letters"),
        ('[cohorts]\ntrain = ["A"]\n[hospitals]\ntest = ["B"]', r"Keep \[cohorts\]"),
        ('[evaluation]\nsubgroups = ["sex"]\n[plan]\nsubgroups = ["age"]', "Keep one"),
    ],
)
def test_a_split_that_cannot_be_meant_is_refused(tmp_path, toml, says):
    (tmp_path / "study.toml").write_text(toml)
    with pytest.raises(StudyError, match=says):
        load_study(tmp_path)


def test_settings_at_an_earlier_place_are_read_with_a_note(tmp_path):
    (tmp_path / "study.toml").write_text(
        '[hospitals]\ntrain = ["X"]\ntest = ["Y"]\n[evaluation]\nsubgroups = ["sex"]\n'
    )
    study = load_study(tmp_path)
    assert study.settings.cohorts.sides == {"train": ("X",), "test": ("Y",)}
    assert study.settings.plan.subgroups == ("sex",)
    assert study.notes == (
        "study.toml: [evaluation] subgroups is now [plan] subgroups: move the line.",
    )
