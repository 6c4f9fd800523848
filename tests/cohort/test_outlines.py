"""Outlines made in the workbook: grown for a cohort, corrected by hand, marked as what they are."""

import json

import corpus
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics import cli
from radiogenomics.cohort import eligibility, outlines, reading
from radiogenomics.images import inspection
from radiogenomics.study.study import load_study
from radiogenomics.viewer.outlining import OutlineEditor

LESION = np.s_[2:6, 6:14, 8:17]


def ct_with_lesion(seed):
    hu = np.random.default_rng(seed).normal(-850, 30, corpus.SHAPE)
    hu[LESION] = 30
    return hu.astype(np.int16)


@pytest.fixture
def study(tmp_path):
    """Twelve patients: P00 and P01 with a mask, the others with a point, P05 a box, P06 neither."""
    table = corpus.cohort_table(12)
    (tmp_path / "scans").mkdir()
    point = dict(zip(outlines.POINT, map(str, corpus.place(12, 10, 4)), strict=True))
    table = table.assign(**point, box_x1="", box_y1="", box_z1="", box_x2="", box_y2="", box_z2="")
    for i in table.index:
        corpus.write_image(tmp_path / table.ct[i], ct_with_lesion(i))
        if i < 2:
            corpus.write_image(tmp_path / table["mask"][i], corpus.lesion())
    table.loc[2:, "mask"] = ""
    table.loc[[5, 6], [*outlines.POINT]] = ""
    box = dict(zip(("box_x1", "box_y1", "box_z1", "box_x2", "box_y2", "box_z2"),
                   ("8", "6", "2", "16", "13", "5"), strict=True))  # fmt: skip
    for column, value in box.items():
        table.loc[5, column] = value
    table.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text("workers = 1\n")
    return load_study(tmp_path, tmp_path / "reports")


def test_a_cohort_is_grown_from_points_and_boxes_and_marked_as_automatic(study, capsys):
    assert cli.main(["outline", str(study.folder), "--grow"]) == 1  # P06 has neither
    told = capsys.readouterr().out
    assert "P06: no point and no box. Expected: point_x_mm" in told
    assert "9 lesions were grown, 1 were not" in told
    table = reading.read_cohort(study)
    assert table.segmentation.fillna("").tolist() == ["", ""] + ["automatic"] * 4 + [""] + [
        "automatic"] * 5  # fmt: skip
    left, out, _ = eligibility.exclude(study, table, complete=False)
    assert out.patient.tolist() == ["P06"] and out.reason[0] == "mask not named in cohort.csv"
    masks, *_ = inspection.inspect_cohort(study, left)
    noted = masks.set_index("patient").notes
    assert noted["P02"] and not noted["P00"].startswith("outline made")
    assert all(inspection.BY_SOFTWARE["automatic"] in noted[p] for p in ("P02", "P05", "P11"))
    mask, about = outlines.kept(study, "P03")
    drawn = np.zeros(corpus.SHAPE, bool)
    drawn[LESION] = True
    found = sitk.GetArrayFromImage(mask) > 0
    assert 2 * (found & drawn).sum() / (found.sum() + drawn.sum()) > 0.85
    assert about["how"] == "automatic" and about["opening_mm"] >= 0 and "date" in about


def test_an_opening_that_leaves_nothing_keeps_no_outline(study):
    found = outlines.grow_cohort(study, opening_mm=30.0).set_index("patient")
    assert (found.loc[["P02", "P05"], "reason"].str.contains("nothing is left")).all()
    assert not list((study.folder / "outlines").glob("*"))


def test_what_is_kept_is_not_grown_again_and_a_mask_of_the_table_comes_first(study):
    outlines.grow_cohort(study)
    before = (study.folder / "outlines/P03.nii.gz").read_bytes()
    again = outlines.grow_cohort(study)
    assert again.patient.tolist() == ["P06"]
    assert (study.folder / "outlines/P03.nii.gz").read_bytes() == before
    ct = reading.read_cohort(study).ct[0]
    outlines.keep(study, "P00", sitk.ReadImage(ct) * 0, {"how": "automatic"})
    table = reading.read_cohort(study)
    assert table["mask"][0].endswith("scans/0_mask.nii.gz") and pd.isna(table.segmentation[0])


def test_a_record_that_is_lost_or_says_anything_is_automatic(study):
    outlines.grow_cohort(study)
    (study.folder / "outlines/P02.json").unlink()
    (study.folder / "outlines/P03.json").write_text(json.dumps({"how": "by magic"}))
    (study.folder / "outlines/P04.json").write_text(json.dumps({"how": "semi-automatic"}))
    made = reading.read_cohort(study).segmentation
    assert made[2:5].tolist() == ["automatic", "automatic", "semi-automatic"]


@pytest.fixture
def editor(study):
    made = OutlineEditor(study)
    made.patient.value = "P02"
    return made


def stroke(editor, z, part):
    plane = editor.mask[z].astype(np.uint8)
    plane[part] = 1
    editor.answer({"kind": "slice", "z": z}, [plane.tobytes()])


def test_a_click_grows_a_brush_corrects_undo_takes_back_and_save_is_a_person(editor, study):
    assert [name for _, name in editor.patient.options] == [f"P{i:02d}" for i in range(2, 12)]
    editor.answer({"kind": "see", "z": 99}, [])
    assert editor.slice.place == 7  # the last one
    editor.answer({"kind": "point", "z": 4, "y": 10, "x": 12}, [])
    grown = editor.mask.copy()
    assert grown[4, 10, 12] and "mm³" in editor.said.value
    stroke(editor, 4, np.s_[0:2, 0:2])
    assert editor.mask.sum() == grown.sum() + 4
    editor.back()
    assert np.array_equal(editor.mask, grown) and "corrected" not in editor.about
    stroke(editor, 4, np.s_[0:2, 0:2])
    editor.by.value = "AB"
    editor.keep()
    mask, about = outlines.kept(study, "P02")
    assert np.array_equal(sitk.GetArrayFromImage(mask) > 0, editor.mask)
    assert about["how"] == "semi-automatic" and about["corrected"] and about["by"] == "AB"
    assert ("P02: semi-automatic", "P02") in editor.patient.options
    assert reading.read_cohort(study).segmentation[2] == "semi-automatic"
    again = OutlineEditor(study)
    again.patient.value = "P02"
    assert np.array_equal(again.mask, editor.mask) and again.slice.place == 4


def test_a_click_into_lung_and_an_empty_outline_are_told(editor):
    editor.answer({"kind": "point", "z": 0, "y": 0, "x": 0}, [])
    assert "lies in air or lung" in editor.said.value and not editor.mask.any()
    editor.keep()
    assert editor.said.value == "nothing is outlined"


def test_a_slice_is_sent_as_grey_values_and_mask(editor, monkeypatch):
    sent = []
    monkeypatch.setattr(type(editor.slice), "send", lambda _, *message: sent.append(message))
    editor.answer({"kind": "see", "z": 3}, [])
    what, (grey, mask) = sent[0]
    hu = sitk.GetArrayViewFromImage(editor.ct)[3]
    assert what == {"kind": "slice", "z": 3} and len(mask) == hu.size
    expected = np.clip((hu + 1350) / 1500 * 255, 0, 255).astype(np.uint8)
    assert np.array_equal(np.frombuffer(grey, np.uint8).reshape(hu.shape), expected)
