"""Several lesions a patient in a study's own table: which one is read, faults, keys, where told."""

import corpus
import numpy as np
import pytest
import SimpleITK as sitk
from radiogenomics.cohort import eligibility, included, reading
from radiogenomics.images import inspection, lesions
from radiogenomics.images.changes import small_errors
from radiogenomics.images.scans import read_row
from radiogenomics.new_patient import predicting, read_images
from radiogenomics.radiomics import extraction, features, second_reader
from radiogenomics.report.drafted_methods import METHODS
from radiogenomics.study import tables
from radiogenomics.study.errors import TableFault
from radiogenomics.study.study import load_study
from radiogenomics.study.words import say

SMALL, LARGE, THIRD = np.s_[1:3, 2:5, 2:5], corpus.LESION, np.s_[5:7, 14:18, 18:22]
PLACES = SMALL, LARGE, THIRD
VOXELS = [18, 4 * 7 * 8, 32]


def drawn(*numbers, values=None):
    mask = np.zeros(corpus.SHAPE, np.uint8)
    for number, value in zip(numbers, values or [1] * len(numbers), strict=True):
        mask[PLACES[number]] = value
    return mask


def cohort_of_lesions(folder, rules, *, change=lambda table: table, mask=None, n=12, above=""):
    """A study whose patients P00 and P01 have three rows, the others one; of small CTs."""
    (folder / "scans").mkdir(exist_ok=True)
    table = corpus.cohort_table(n).assign(lesion="")
    for i in table.index:
        corpus.write_image(folder / table.ct[i], corpus.volume(i))
        own = drawn(0, 1) if mask is None else mask
        if mask is None:
            own[1, 2, 5 + i] = 1  # no two patients have one mask
        corpus.write_image(folder / table["mask"][i], own)
    rows = []
    for row in table.to_dict("records"):
        several = 3 if mask is None and row["patient"] in ("P00", "P01") else 1
        for number in range(several):
            own = {"lesion": str(number)} if several > 1 else {}
            if several > 1:
                own["mask"] = f"scans/{row['patient']}/Weissenfels_{number}.nii.gz"
                (folder / own["mask"]).parent.mkdir(exist_ok=True)
                corpus.write_image(folder / own["mask"], drawn(number))
            if number:  # said once
                own |= {name: "" for name in row if name not in ("patient", "mask", "lesion")}
            rows.append(row | own)
    made = change(type(table)(rows))
    made.to_csv(folder / "cohort.csv", index=False)
    asked = "".join(f"{name} = '{value}'\n" for name, value in rules.items())
    (folder / "study.toml").write_text(f"workers = 1\n{above}\n[lesions]\n{asked}")
    return load_study(folder, folder / "reports"), made


def read(study):
    return eligibility.exclude(study, reading.read_cohort(study), complete=False)


def inside(row):
    return sitk.GetArrayFromImage(read_row(row).mask).astype(bool)


@pytest.mark.parametrize(
    ("rule", "held", "note"),
    [
        ("index", drawn(0), "lesions: row 1 of 3 used, the first"),
        ("largest", drawn(1), "lesions: row 2 of 3 used, the largest"),
        ("union", drawn(0, 1, 2), "lesions: 3 joined"),
    ],
)
def test_rows_of_a_patient_become_one_lesion(tmp_path, rule, held, note):
    study, _ = cohort_of_lesions(tmp_path, {"rule": rule})
    left, out, flow = read(study)
    assert out.empty and left.patient.tolist() == [f"P{i:02d}" for i in range(12)]
    for row in left.head(2).to_dict("records"):
        assert np.array_equal(inside(row), held == 1)
        assert note in read_row(row).notes
    assert inside(left.iloc[2]).sum() == sum(VOXELS[:2]) + 1
    assert not any(lesions.NOTE in said for said in read_row(left.iloc[2]).notes)
    masks, _, failures, twins = inspection.inspect_cohort(study, left)
    assert failures.empty and not twins and lesions.counted(masks) == 2
    included.keep_included(study, left, out, flow)
    again = included.read_included(study)
    assert again.lesions.tolist() == left.lesions.tolist()
    assert np.array_equal(inside(again.iloc[0]), held == 1)
    assert str(tmp_path) not in study.included_csv.read_text()


@pytest.mark.parametrize(
    ("in_mask", "rule", "held", "note"),
    [
        ("labels", "index", drawn(2), "label 2 of 3 used, the first"),
        ("labels", "largest", drawn(1), "label 7 of 3 used, the largest"),
        ("labels", "union", drawn(0, 1, 2), "3 joined"),
        ("components", "largest", drawn(1), "part 2 of 2 used, the largest"),
        ("components", "union", drawn(0, 1), "2 joined"),
    ],
)
def test_labels_or_parts_of_one_mask_are_lesions(tmp_path, in_mask, rule, held, note):
    mask = drawn(0, 1, 2, values=[5, 7, 2]) if in_mask == "labels" else drawn(0, 1)
    study, _ = cohort_of_lesions(tmp_path, {"rule": rule, "in_mask": in_mask}, mask=mask)
    left, out, _ = read(study)
    assert out.empty and np.array_equal(inside(left.iloc[3]), held == 1)
    assert f"lesions: {note}" in read_row(left.iloc[3]).notes
    new = lesions.of_mask(study.settings.lesions)
    scan = read_images(left.ct[3], left["mask"][3], several=new)
    assert np.array_equal(sitk.GetArrayFromImage(scan.mask), held)


def test_labels_that_are_named_are_the_lesions_and_a_drawings_rois_too(tmp_path):
    text = lesions.Lesions("largest", "labels").text()
    ct = corpus.write_image(tmp_path / "ct.nii.gz", corpus.volume())
    mask = corpus.write_image(tmp_path / "m.nii.gz", drawn(0, 1, 2, values=[5, 7, 2]))
    row = {"ct": str(ct), "mask": str(mask), "mask_label": "5 + 2", "lesions": text}
    assert np.array_equal(inside(row), drawn(2) == 1)
    series = corpus.write_ct(tmp_path / "ct")
    outline = corpus.write_seg(tmp_path / "seg.dcm", series, {"a": drawn(0), "b": drawn(1)})
    row = {"ct": str(series), "mask": str(outline), "mask_label": "", "lesions": text}
    assert np.array_equal(inside(row), drawn(1) == 1)
    assert "lesions: label 2 of 2 used, the largest" in read_row(row).notes


def test_a_change_of_a_further_lesion_or_of_the_rule_is_another_lesion(tmp_path):
    study, _ = cohort_of_lesions(tmp_path, {"rule": "largest"})
    left, out, flow = read(study)
    included.keep_included(study, left, out, flow)
    corpus.write_image(tmp_path / "scans/P00/Weissenfels_2.nii.gz", drawn(1, 2))
    with pytest.raises(TableFault, match="patient P00: .* has changed since notebook 01"):
        included.read_included(study)
    now, *_ = read(study)
    assert [a != b for a, b in zip(left.mask_hash, now.mask_hash, strict=True)].count(True) == 1
    other, _ = cohort_of_lesions(tmp_path, {"rule": "union"})
    assert (read(other)[0].mask_hash != now.mask_hash).tolist() == [True] * 2 + [False] * 10
    with pytest.raises(TableFault, match="has changed since notebook 01"):
        included.read_included(other)


def with_cell(patient, number, column, value):
    def change(table):
        row = table.index[table.patient == patient][number]
        return table.assign(**{column: table[column].where(table.index != row, value)})

    return change


@pytest.mark.parametrize(
    ("rules", "change", "told"),
    [
        ({}, lambda t: t, "2 patients have several rows, and study.toml .* is 'mean', which is of "
         "features; the network reads one lesion a patient. Expected: index, largest, union, or a "
         "study without"),
        ({"rule": "max"}, lambda t: t, "is 'max', which is of features"),
        ({"rule": "index", "in_mask": "components"}, lambda t: t, "parts of a mask have no order"),
        ({"rule": "union"}, with_cell("P00", 1, "lesion", ""), "rows 2, 3, 4: patient P00 has les"),
        ({"rule": "union"}, with_cell("P00", 1, "lesion", "0"), "lesions of one name, or of none"),
        ({"rule": "union"}, with_cell("P01", 2, "label", "0"), "keep the lesion that was tested"),
        ({"rule": "union"}, with_cell("P01", 1, "ct", "scans/other.nii.gz"), "or the same in all"),
        ({"rule": "union"}, with_cell("P01", 1, "mask", "/m.nii.gz"), "a path inside the study"),
        ({"rule": "union"}, lambda t: t.drop(columns="lesion"),
         "rows 2, 3, 4: patient P00 appears more than once. Keep one row, or name each lesion"),
    ],
)  # fmt: skip
def test_rows_that_do_not_agree_are_told_by_patient_and_row(tmp_path, rules, change, told):
    study, _ = cohort_of_lesions(tmp_path, rules, change=change)
    with pytest.raises(TableFault, match=told):
        reading.read_cohort(study)


def test_rows_after_a_patient_with_several_keep_their_numbers(tmp_path):
    study, _ = cohort_of_lesions(
        tmp_path, {"rule": "largest"}, change=with_cell("P05", 0, "age", "old")
    )
    fault = reading.read_cohort(study).fault
    assert fault[5].startswith("row 11, patient P05: age is 'old'") and (fault != "").sum() == 1


def test_a_further_lesion_that_is_not_there_excludes_its_patient_by_role(tmp_path):
    study, _ = cohort_of_lesions(tmp_path, {"rule": "largest"})
    (tmp_path / "scans/P00/Weissenfels_2.nii.gz").rename(tmp_path / "elsewhere.nii.gz")
    masks, _, failures, _ = inspection.inspect_cohort(study, read(study)[0])
    assert failures.patient.tolist() == ["P00"] and len(masks) == 11
    assert "is not there" in failures.reason[0] and "Weissenfels" not in failures.reason[0]


def test_a_second_reader_is_not_compared_with_a_lesion_made_of_rows(tmp_path):
    def change(table):
        return table.assign(mask_2="scans/3_mask.nii.gz")

    for rule, left_out in (("union", 2), ("index", 0)):
        study, _ = cohort_of_lesions(tmp_path, {"rule": rule}, change=change)
        both = second_reader.with_second(read(study)[0])
        assert len(both) == 12 - left_out


RADIOMICS = "parts = ['clinical', 'radiomics']"


@pytest.mark.parametrize(("rule", "number"), [("mean", np.mean), ("max", np.max)])
def test_every_lesion_is_measured_and_its_features_become_one(tmp_path, rule, number):
    study, _ = cohort_of_lesions(tmp_path, {"rule": rule}, above=RADIOMICS)
    left, out, _ = read(study)
    row, own = left.iloc[0], study.settings.radiomics
    scan = read_row(row)
    assert out.empty and len(scan.lesions) == 3
    assert np.array_equal(sitk.GetArrayFromImage(scan.mask), drawn(0, 1, 2))  # what is looked at
    alone = [extraction.extract(scan.ct, mask, own) for mask in scan.lesions]
    assert alone[0]["original_shape_VoxelVolume"] != alone[1]["original_shape_VoxelVolume"]
    values, failed = features.extract_cohort(study, left.head(3))
    assert failed.empty
    assert np.allclose(values.iloc[0][alone[0].index], number(alone, axis=0), rtol=1e-12)
    one = read_row(left.iloc[2])
    assert not one.lesions and not one.rule
    assert np.allclose(values.iloc[2], extraction.extract(one.ct, one.mask, own)[values.columns])


def test_a_change_is_made_to_every_lesion_and_a_small_one_excludes_its_patient(tmp_path):
    study, _ = cohort_of_lesions(tmp_path, {"rule": "mean"}, above=RADIOMICS)
    left, *_ = read(study)
    larger = next(change for change in small_errors(1) if change.by > 0)
    scan, own = read_row(left.iloc[0]), study.settings.radiomics
    alone = [extraction.extract(*larger.of(scan.ct, mask), own) for mask in scan.lesions]
    values, _ = features.extract_cohort(study, left.head(1), change=larger)
    assert np.allclose(values.iloc[0][alone[0].index], np.mean(alone, axis=0), rtol=1e-12)
    dot = np.zeros(corpus.SHAPE, np.uint8)
    dot[1, 2:4, 2:4] = 1
    corpus.write_image(tmp_path / "scans/P00/Weissenfels_2.nii.gz", dot)
    values, failed = features.extract_cohort(study, read(study)[0].head(2))
    assert failed.patient.tolist() == ["P00"] and "Expected: at least 8" in failed.reason[0]


def test_the_rule_is_told_in_the_methods_and_in_notebook_01(tmp_path):
    study, _ = cohort_of_lesions(tmp_path, {"rule": "largest"})
    masks, *_ = inspection.inspect_cohort(study, read(study)[0])
    study.save_table(masks.drop(columns="thumbnail"), tables.MASKS)
    facts = next(facts for _, block, facts, _ in METHODS if block == "outlines")
    text = say("report", "outlines", **facts(study))
    assert text == "2 of 12 patients had several lesions: the largest was read."
    assert "2 of 12 patients" in say("cohort", "masks", flagged=2, masks=12, boxes=0, several=2)
    assert say("report", "outlines", **(facts(study) | {"several": 0})) == ""


def test_new_patients_may_have_several_lesions(tmp_path, monkeypatch):
    study, _ = cohort_of_lesions(tmp_path, {"rule": "largest"})
    asked = {p.name: p.parameters for p in predicting.read_patients(study, study.cohort_csv)}["P01"]
    images = [asked[name] for name in ("ct", "mask", "mask_label", "box", "lesions")]
    assert np.array_equal(sitk.GetArrayFromImage(read_images(*images).mask), drawn(1))
    study, _ = cohort_of_lesions(tmp_path, {"rule": "max"}, above=RADIOMICS)
    asked = {p.name: p.parameters for p in predicting.read_patients(study, study.cohort_csv)}["P01"]
    images[-1] = asked["lesions"]
    assert read_images(*images).rule == "max" and len(read_images(*images).lesions) == 3
