"""Boxes in the place of outlines: which voxels they hold, faults, keys, where they are told."""

import corpus
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.cohort import eligibility, included, reading
from radiogenomics.images import boxes, inspection
from radiogenomics.images.scans import read_scan
from radiogenomics.new_patient import predicting
from radiogenomics.radiomics import features, second_reader
from radiogenomics.report import checklists, summary
from radiogenomics.report.drafted_methods import METHODS
from radiogenomics.study import tables
from radiogenomics.study.errors import ImageFault, SettingsFault, TableFault
from radiogenomics.study.study import load_study
from radiogenomics.study.words import say

# of `corpus.lesion`'s box of voxels, x 8 to 15, y 6 to 12, z 2 to 5: its middle and size in mm
MIDDLE, SIZE = corpus.place(11.5, 9, 3.5), [8 * 0.7, 7 * 0.8, 4 * 2.5]
IN_MM = "mm " + " ".join(map(str, [*MIDDLE, *SIZE]))
IN_VOXELS = "voxels 8 6 2 15 12 5"
HELD = np.zeros(corpus.SHAPE, bool)
HELD[corpus.LESION] = True


def held(ct, box):
    scan = read_scan(ct, "", lesion_box=box)
    assert scan.labels == "box" and boxes.NOTE in scan.notes
    return sitk.GetArrayFromImage(scan.mask).astype(bool)


def test_a_box_holds_the_voxels_whose_centres_lie_in_it(tmp_path):
    ct = corpus.write_image(tmp_path / "ct.nii.gz", corpus.volume())
    assert np.array_equal(held(ct, IN_MM), HELD)
    assert np.array_equal(held(ct, IN_VOXELS), HELD)
    assert np.array_equal(held(ct, "voxels 7.6 5.7 1.9 15.4 12.2 5.1"), HELD)


def test_voxels_are_counted_in_the_file_and_mm_in_the_patient(tmp_path):
    """Of a file whose axes run the other way mm stay, and the voxels' numbers are its own."""
    flipped = sitk.DICOMOrient(corpus.image(corpus.volume()), "RAS")
    sitk.WriteImage(flipped, str(tmp_path / "ct.nii.gz"))
    x, y, _ = flipped.GetSize()
    in_file = f"voxels {x - 16} {y - 13} 2 {x - 9} {y - 7} 5"
    assert np.array_equal(held(tmp_path / "ct.nii.gz", IN_MM), HELD)
    assert np.array_equal(held(tmp_path / "ct.nii.gz", in_file), HELD)


def test_of_dicom_mm_are_taken_and_voxels_refused(tmp_path):
    ct = corpus.write_ct(tmp_path / "ct")
    assert np.array_equal(held(ct, IN_MM), HELD)
    with pytest.raises(ImageFault, match="slices are counted in several ways. Expected: a box in"):
        held(ct, IN_VOXELS)


def test_a_box_between_two_slices_has_one_of_them(tmp_path):
    ct = corpus.write_image(tmp_path / "ct.nii.gz", corpus.volume())
    x, y, z = corpus.place(10, 9, 3.4)
    assert held(ct, f"mm {x} {y} {z} 6 6 0.5").any(axis=(1, 2)).sum() == 1


@pytest.mark.parametrize(
    "box",
    [
        "mm 500 0 0 8 8 8",
        f"mm {-MIDDLE[0]} {-MIDDLE[1]} {MIDDLE[2]} 5.6 5.6 10",  # RAS
        f"mm {MIDDLE[0]} {MIDDLE[1]} {MIDDLE[2]} 40 5 5",  # a part of it
        "voxels 8 6 2 24 12 5",
        "voxels -2 6 2 9 12 5",
    ],
)
def test_a_box_outside_the_ct_is_refused(tmp_path, box):
    ct = corpus.write_image(tmp_path / "ct.nii.gz", corpus.volume())
    with pytest.raises(ImageFault, match="does not lie inside the CT: 24×20×8 voxels"):
        held(ct, box)


GIVEN = dict(zip(boxes.CENTRE, map(str, MIDDLE), strict=True))
SIZES = dict(zip(boxes.SIZES, map(str, SIZE), strict=True))
CORNERS = dict(zip(boxes.CORNERS, IN_VOXELS.split()[1:], strict=True))


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (GIVEN | {"box_size_mm": "-5"}, "box_size_mm is '-5'. Expected: mm above 0"),
        (GIVEN | {"box_size_mm": "0"}, "mm above 0"),
        (GIVEN | {"box_size_mm": "nan"}, "box_size_mm is 'nan'. Expected: a number such as"),
        (GIVEN | {"box_size_mm": "inf"}, "a number such as 12.5"),
        (GIVEN | SIZES | {"box_x_mm": "left"}, "box_x_mm is 'left'"),
        (GIVEN, "Expected: box_size_x_mm, box_size_y_mm, box_size_z_mm in this row too"),
        (GIVEN | SIZES | {"box_z_mm": ""}, "Expected: box_z_mm in this row too"),
        (GIVEN | SIZES | {"box_size_mm": "9"}, "nothing beside box_size_mm: one box"),
        (GIVEN | {"box_size_mm": "9"} | CORNERS, "in mm or in voxels"),
        (CORNERS | {"box_x2": "7"}, "box_x2 is '7'. Expected: at least box_x1, 8"),
        (CORNERS | {"box_size_mm": "9"}, "nothing beside box_z2"),
    ],
)
def test_a_box_that_cannot_be_used_excludes_its_patient(tmp_path, cells, told):
    study, _ = cohort_of_boxes(tmp_path, {1: cells})
    read = reading.read_cohort(study)
    assert told in read.fault[1] and not read.fault.drop(1).any()
    _, out, _ = eligibility.exclude(study, read, complete=False)
    assert out.patient.tolist() == ["P01"] and out.step.tolist() == ["table"]


def cohort_of_boxes(folder, changes=None, outlined=(), n=12):
    """A study of small CTs whose lesions are boxes, but for the rows that are outlined."""
    (folder / "scans").mkdir(exist_ok=True)
    table = corpus.cohort_table(n).assign(mask="", **dict.fromkeys(boxes.COLUMNS, ""))
    for i in table.index:
        corpus.write_image(folder / table.ct[i], corpus.volume(i))
        cells = (changes or {}).get(i, CORNERS if i % 2 else GIVEN | SIZES)
        for column, value in cells.items():
            table.loc[i, column] = value
    for i in outlined:
        table.loc[i, "mask"] = f"scans/{i}_mask.nii.gz"
        corpus.write_image(folder / table["mask"][i], corpus.lesion())
    table.to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text(
        "workers = 1\n[radiomics]\nimage_types = ['Original']\npad_mm = 4\n"
    )
    return load_study(folder, folder / "reports"), table


def test_a_cohort_of_boxes_is_read_inspected_and_known_by_its_boxes(tmp_path):
    study, _ = cohort_of_boxes(tmp_path, outlined=[0, 1])
    read = reading.read_cohort(study)
    assert not read.fault.any() and boxes.boxed(read).sum() == 10
    assert not {*boxes.COLUMNS} & {*read}
    left, out, flow = eligibility.exclude(study, read, complete=False)
    assert out.empty and left.mask_hash[2:].nunique() == 10
    assert eligibility.led_outside(study, left) == []
    masks, _, failures, twins = inspection.inspect_cohort(study, left)
    assert failures.empty and not twins
    assert boxes.counted(masks) == {"boxes": 10, "masks": 12}
    assert masks.voxels.tolist()[2:] == [HELD.sum()] * 10 and masks.voxels[0] < HELD.sum()
    assert masks.notes.str.contains("a box of cohort.csv").tolist() == [False] * 2 + [True] * 10
    included.keep_included(study, left, out, flow)
    again = included.read_included(study)
    assert again.box.tolist() == left.box.tolist() and again["mask"][2] == ""
    assert again.mask_hash.tolist() == left.mask_hash.tolist()
    moved, _ = cohort_of_boxes(tmp_path, {3: CORNERS | {"box_x2": "14"}}, outlined=[0, 1])
    other, *_ = eligibility.exclude(moved, reading.read_cohort(moved), complete=False)
    keys = [[features._cache_path(study, row) for row in table.to_dict("records")]
            for table in (left, other)]  # fmt: skip
    assert [a == b for a, b in zip(*keys, strict=True)] == [i != 3 for i in range(12)]
    with pytest.raises(TableFault, match="has changed since notebook 01"):
        included.read_included(moved)


def test_a_table_without_a_column_of_masks_is_read(tmp_path):
    study, table = cohort_of_boxes(tmp_path)
    table.drop(columns=["mask", *boxes.CORNERS, "box_size_mm"]).to_csv(study.cohort_csv)
    read = reading.read_cohort(study)
    assert boxes.boxed(read).tolist() == [i % 2 == 0 for i in range(12)]
    _, out, _ = eligibility.exclude(study, read, complete=False)
    assert set(out.reason) == {"mask not named in cohort.csv"}


def test_shape_is_left_out_of_all_patients_where_one_has_a_box(tmp_path):
    study, _ = cohort_of_boxes(tmp_path, outlined=[0, 1])
    left, *_ = eligibility.exclude(study, reading.read_cohort(study), complete=False)
    both, failures = features.extract_cohort(study, left.head(3))
    drawn, _ = features.extract_cohort(study, left.head(2))
    assert failures.empty and len(drawn.columns) == 107 and len(both.columns) == 93
    assert both.loc[["P00", "P01"]].equals(drawn[both.columns])
    second = left.assign(mask_2=str(study.folder / "scans/0_mask.nii.gz"))
    assert second_reader.with_second(second).patient.tolist() == ["P00", "P01"]
    alone = load_study(tmp_path, tmp_path / "r", feature_classes=["shape"])
    with pytest.raises(SettingsFault, match="measures shape alone, and some patients have a box"):
        features.extract_cohort(alone, left.head(3))


def test_boxes_are_told_in_methods_checklists_index_and_notebooks(tmp_path):
    study, _ = cohort_of_boxes(tmp_path, outlined=range(7))
    row = dict.fromkeys(tables.MASKS.needed(), 1) | {"flags": "", "notes": ""}
    masks = pd.DataFrame([row | {"patient": f"P{i}", "labels": "1" if i < 7 else "box"}
                          for i in range(12)])  # fmt: skip

    def told():
        study.save_table(masks, tables.MASKS)
        facts = next(facts for _, block, facts, _ in METHODS if block == "outlines")
        check = next(one for one in summary.checks(study) if one.name == "outlines")
        items = {item.item: item for item in checklists.answer(study, "clear")}
        return say("report", "outlines", **facts(study)), check, items["19"].evidence

    text, check, evidence = told()
    assert "In 5 of 12 patients the lesion was given as a box" in text
    assert check.state == summary.LOOK and "5 of 12" in check.text
    assert [piece.says for piece in evidence][0] == "7 of 12 patients have an outline"
    assert "P7: a box, no outline" in evidence[1].says
    masks = masks.assign(labels="box")
    assert not told()[2][0].there  # nothing shows a segmentation
    masks = masks.assign(labels=1)
    text, check, evidence = told()
    assert text == "" and check.state == summary.FINE
    assert evidence[1].says == "0 of 12 patients have a box, no outline"
    for room, block, facts in (
        ("cohort", "masks", {"flagged": 0, "masks": 12}),
        ("images", "prepared", {"failed": 0, "prepared": 12}),
        ("radiomics", "features",
         {"features": 9, "patients": 12, "failed": 0, "made": {"settings": {}}}),
    ):  # fmt: skip
        assert "box" in say(room, block, **facts, several=0, boxes=5)
        assert "box" not in say(room, block, **facts, several=0, boxes=0)


def test_new_patients_may_have_boxes(tmp_path, monkeypatch):
    study, table = cohort_of_boxes(tmp_path)
    asked = {p.name: p.parameters for p in predicting.read_patients(study, study.cohort_csv)}
    assert asked["P01"]["box"] == "voxels 8.0 6.0 2.0 15.0 12.0 5.0" and asked["P01"]["mask"] == ""
    table.loc[3, "box_x2"] = "2"
    table.to_csv(study.cohort_csv, index=False)
    with pytest.raises(TableFault, match="row 5: box_x2 is '2'. Expected: at least box_x1"):
        predicting.read_patients(study, study.cohort_csv)
