"""Every scan is looked at before anything is computed: the rows, the flags, the contact sheet."""

import base64
import contextlib
import io
import signal
import time
from pathlib import Path

import corpus
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from PIL import Image
from radiogenomics.cohort import eligibility
from radiogenomics.cohort.reading import read_cohort
from radiogenomics.images import description, inspection, thumbnails
from radiogenomics.images.grids import grid_of
from radiogenomics.images.scans import Scan, read_row, read_scan
from radiogenomics.study import tables
from radiogenomics.study.study import load_study


def scan(lung=-800, inside=20, corner=(6, 12, 12), size=(4, 6, 6), hole=None):
    """A CT (z, y, x) of 16 × 40 × 40 voxels of 1.25 × 0.8 × 0.8 mm with a lesion in it."""
    ct = np.full((16, 40, 40), lung, np.int16)
    mask = np.zeros(ct.shape, np.uint8)
    place = tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))
    mask[place] = 1
    ct[place] = inside
    if hole is not None:
        mask[hole] = 0
    images = [sitk.GetImageFromArray(a) for a in (ct, mask)]
    for image in images:
        image.SetSpacing((0.8, 0.8, 1.25))
    return Scan(*images, grid_of(images[0]))


def test_row_is_what_was_drawn():
    row = description.mask_row(scan(), 0)
    assert row["voxels"] == 144 and row["volume_mm3"] == pytest.approx(144 * 0.8 * 0.8 * 1.25)
    assert row["slices"] == 4 and row["components"] == 1 and row["mean_hu"] == 20
    assert row["lung_near"] == 1.0 and row["air_share"] == 0 and row["flags"] == ""


@pytest.mark.parametrize(
    ("case", "flag"),
    [
        ({"size": (1, 6, 6)}, "one slice only"),
        ({"hole": np.s_[7]}, "2 parts"),
        ({"hole": np.s_[7]}, "1 slices without outline in between"),
        ({"corner": (0, 12, 12)}, "touches the border of the CT"),
        ({"inside": -1000}, "100% of the lesion is air"),
        ({"lung": 40}, "no lung within 30 mm"),
        ({"lung": 0, "inside": 900}, "lowest value of the CT is 0: is it in HU?"),
    ],
)
def test_what_a_reader_should_look_at_is_flagged(case, flag):
    assert flag in description.mask_row(scan(**case), 0)["flags"]


def test_thumbnail_shows_the_lesion_with_its_outline_in_3_kb(finished):
    row = pd.read_csv(finished.folder / "cohort.csv").iloc[2]
    uri = thumbnails.thumbnail(read_scan(finished.folder / row.ct, finished.folder / row["mask"]))
    picture = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    assert 500 < len(picture) < 4500
    colours = np.asarray(Image.open(io.BytesIO(picture))).astype(int)
    assert colours.shape == (96, 96, 3)
    yellow = (colours[..., 0] - colours[..., 2]) > 60
    assert 10 < yellow.sum() < 2000 and abs(np.argwhere(yellow).mean(axis=0) - 47.5).max() < 8


def test_tables_and_contact_sheet_are_in_the_report(finished):
    masks, grids = (finished.table(t) for t in (tables.MASKS, tables.ACQUISITION))
    assert len(masks) == len(grids) == 24 and "thumbnail" not in masks
    assert {"flags", "notes", "lung_near", "components", "touches_border"} <= set(masks)
    assert {"size", "slice_mm", "orientation", "scanner", "kernel", "cohort"} <= set(grids)
    text = (finished.reports / "01_cohort.html").read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 24
    assert 'alt="Lesion of P001 with its outline' in text


def test_check_has_one_row_a_patient_of_the_cohort(finished):
    rows = finished.table(tables.CHECK)
    asked = pd.read_csv(finished.folder / "cohort.csv", dtype=str)
    assert rows.patient.tolist() == asked.patient.tolist() and len(rows) == 26
    out = rows[rows.state == "excluded"].set_index("patient")
    told = finished.table(tables.EXCLUSIONS).set_index("patient")
    assert len(out) == 2 and out.reason.to_dict() == told.reason.to_dict()
    used = rows[rows.state == "used"]
    assert used[["voxels", "volume_mm3", "slice_mm", "orientation"]].notna().all(axis=None)


def test_a_thick_ct_among_thin_ones_is_noted():
    thin = [{"patient": f"P{i}", "acquisition": {"slice_mm": 1.0 + i / 10}} for i in range(4)]
    notes = inspection._thicker([*thin, {"patient": "T", "acquisition": {"slice_mm": 5.0}}])
    assert notes == [("T", "slices of 5 mm, the others' median is 1.2 mm")]
    assert inspection._thicker(thin) == [] == inspection._thicker([])


def test_a_part_of_the_body_that_is_not_the_chest_is_flagged_without_its_name(tmp_path):
    case = corpus.good_case(tmp_path)
    rows = {}
    for part in ("CHEST_TO_PELVIS", "THORAX", "HEAD", None):
        case.series(BodyPartExamined=part)
        rows[part] = description.mask_row(read_scan(case.ct, case.mask), 0)["flags"]
    assert "another part of the body" in rows.pop("HEAD")
    assert not any("part of the body" in flags for flags in rows.values())


@pytest.mark.parametrize(("edge", "found"), [(26, True), (36, False)])
def test_lung_is_looked_for_30_mm_around_the_lesion(edge, found):
    hu = np.full((16, 40, 60), 40, np.int16)
    hu[:, :, edge:] = -800
    mask = np.zeros(hu.shape, np.uint8)
    mask[6:10, 12:18, 12:18] = 1  # lung begins 8 or 18 voxels further on, of 2 mm
    images = [sitk.GetImageFromArray(array) for array in (hu, mask)]
    for image in images:
        image.SetSpacing((2.0, 2.0, 2.0))
    flags = description.mask_row(Scan(*images, grid_of(images[0])), 0)["flags"]
    assert ("no lung within 30 mm" not in flags) is found


def test_notes_of_many_are_one_line():
    ends = [f"the CT ends {mm}.5 mm from the lesion" for mm in range(7)]
    masks = pd.DataFrame({"patient": [f"P{i}" for i in range(7)], "flags": "", "notes": ends})
    masks.loc[1, "flags"] = "2 parts"
    masks.loc[2, "notes"] += "; of two examinations"
    assert description.worth_a_look(masks) == [
        "P1: look at it: 2 parts",
        "7 patients (P0, P1, P2, P3, P4, …): noted: the CT ends 0.5 mm from the lesion",
        "P2: noted: of two examinations",
    ]
    assert description.worth_a_look(pd.DataFrame()) == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def three_patients(folder, settings=""):
    """A study of three CTs and one mask, read in this process."""
    for i in range(3):
        corpus.write_image(folder / f"{i}.nii.gz", corpus.volume(i))
    corpus.write_image(folder / "mask.nii.gz", corpus.lesion())
    table = corpus.cohort_table()[:3].assign(mask="mask.nii.gz", hospital="A")
    table.assign(ct=[f"{i}.nii.gz" for i in range(3)]).to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text(f"workers = 1\n{settings}")
    return load_study(folder, folder / "reports")


def test_reading_that_does_not_end_excludes_its_patient_alone(tmp_path, monkeypatch):
    study = three_patients(tmp_path, "[images]\ntime_limit_s = 1\n")
    cohort = eligibility.with_images(study, read_cohort(study))

    def stalled(row):
        while Path(row["ct"]) == Path(cohort.ct[1]):
            with contextlib.suppress(Exception):  # as around a file that cannot be read
                time.sleep(0.01)
        return read_row(row)

    monkeypatch.setattr(inspection, "read_row", stalled)
    masks, _, failures, _ = inspection.inspect_cohort(study, cohort)
    assert failures.patient.tolist() == ["P01"] and masks.patient.tolist() == ["P00", "P02"]
    assert "not read within 1 seconds" in failures.reason[0]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_check_and_notebook_01_read_each_scan_once_between_them(tmp_path, monkeypatch):
    study = three_patients(tmp_path)
    table = read_cohort(study)
    read, original = [], inspection.read_row
    monkeypatch.setattr(inspection, "read_row", lambda row: read.append(row) or original(row))
    first = inspection.inspect_cohort(study, eligibility.with_images(study, table))
    assert len(read) == len(table)
    second = inspection.inspect_cohort(study, eligibility.exclude(study, table, complete=False)[0])
    assert len(read) == len(table)
    for before, after in zip(first[:3], second[:3], strict=True):
        pd.testing.assert_frame_equal(before, after)
    entries = sorted((study.derived / "inspected").iterdir())
    assert len(entries) == len(table)
    entries[0].write_bytes(entries[0].read_bytes().replace(b"volume_mm3", b"volume_mm4"))
    inspection.inspect_cohort(study, eligibility.with_images(study, table))
    assert len(read) == len(table) + 1  # a damaged entry is made again


def test_text_in_the_picture_is_flagged(tmp_path):
    case = corpus.good_case(tmp_path)
    for told, flagged in (("YES", True), ("NO", False)):
        case.series(BurnedInAnnotation=told)
        flags = description.mask_row(read_scan(case.ct, case.mask), 0)["flags"]
        assert ("text in the picture" in flags) is flagged
