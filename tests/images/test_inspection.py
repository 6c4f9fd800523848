"""Every scan is looked at before anything is computed: the rows, the flags, the contact sheet."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from PIL import Image
from radiogenomics.images import contact_sheet, inspection
from radiogenomics.images.grids import grid_of
from radiogenomics.images.scans import Scan, read_scan
from radiogenomics.study import tables


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
    row = inspection.mask_row(scan(), 0)
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
        ({"lung": 40}, "no lung within 10 mm"),
        ({"lung": 0, "inside": 900}, "lowest value of the CT is 0: is it in HU?"),
    ],
)
def test_what_a_reader_should_look_at_is_flagged(case, flag):
    assert flag in inspection.mask_row(scan(**case), 0)["flags"]


def test_thumbnail_shows_the_lesion_with_its_outline_in_3_kb(finished):
    row = pd.read_csv(finished.folder / "cohort.csv").iloc[2]
    uri = contact_sheet.thumbnail(
        read_scan(finished.folder / row.ct, finished.folder / row["mask"])
    )
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
