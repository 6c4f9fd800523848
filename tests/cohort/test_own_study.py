"""A study of one's own begins from the folders that are there."""

import shutil
import tomllib

import numpy as np
import pandas as pd
import pytest
from corpus import write_series
from radiogenomics import cli
from radiogenomics.cohort.sources import own
from radiogenomics.images.dicom.choice import choose_ct
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import load_study
from radiogenomics.study.values import section_of


@pytest.fixture
def folder(tmp_path):
    """Three patients: image files, a DICOM series with an image mask, a CT without a mask."""
    for name in ("P1", "P2", "P3"):
        (tmp_path / name).mkdir()
    for name in ("ct", "mask"):
        shutil.copy(EXAMPLE / f"{name}.nii.gz", tmp_path / "P1")
    write_series(tmp_path / "P2" / "export", np.full((4, 8, 8), -700, np.int16))
    shutil.copy(EXAMPLE / "mask.nii.gz", tmp_path / "P2" / "Lesion_JD.nii.gz")
    shutil.copy(EXAMPLE / "ct.nii.gz", tmp_path / "P3" / "scan.nii.gz")
    return tmp_path


def test_rows_are_filled_in_and_settings_are_valid(folder, capsys):
    assert cli.main(["new", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "3 patients found" in told and "No mask chosen for P3:" in told
    table = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == list(own.COLUMNS)
    assert table.ct.tolist() == ["P1/ct.nii.gz", "P2/export", "P3/scan.nii.gz"]
    assert table["mask"].tolist() == ["P1/mask.nii.gz", "P2/Lesion_JD.nii.gz", ""]
    assert load_study(folder).settings.cohorts.train == ("A",)


def test_several_series_are_left_to_the_readers_rules_and_a_broken_file_to_check(folder):
    for name, slices in (("thick", 3), ("thin", 6)):
        volume = np.full((slices, 8, 8), -700, np.int16)
        write_series(folder / "P4" / name, volume, uid=f"1.2.3.{slices}")
    write_series(folder / "P5", np.full((4, 8, 8), -700, np.int16))
    (folder / "P5" / "broken.dcm").write_bytes(b"no DICOM")
    rows = own.begin(folder)[0].set_index("patient")
    assert rows.ct["P4"] == "P4" and rows.ct["P5"] == "P5"
    chosen, others = choose_ct(folder / "P4")
    assert len(chosen.files) == 6 and len(others) == 1


def test_every_line_of_the_template_is_a_setting(tmp_path):
    given = own.study_toml().splitlines()
    assert own.FURTHER in given  # an example, which has no default
    lines = [x[2:] if x.startswith("# ") and " = " in x else x for x in given if x != own.FURTHER]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    assert load_study(tmp_path).settings == Settings()
    written = tomllib.loads("\n".join(lines))
    names = {name for part in written.values() if isinstance(part, dict) for name in part}
    assert names | set(written) >= set(section_of())


def test_a_study_is_never_overwritten(folder):
    own.begin(folder)
    with pytest.raises(StudyError, match="holds a study already"):
        own.begin(folder)


def put(folder, *names):
    """Copy the example's CT or mask to each name; a name that ends in ! is a mask."""
    for name in names:
        path = folder / name.rstrip("!")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLE / ("mask.nii.gz" if name.endswith("!") else "ct.nii.gz"), path)


LAYOUTS = {
    "names that say nothing": (
        ["P1/a.nii.gz", "P1/b.nii.gz!", "P2/label_map.nii.gz", "P2/ct_side.nii.gz!"],
        {"P1": ("P1/a.nii.gz", "P1/b.nii.gz"),
         "P2": ("P2/label_map.nii.gz", "P2/ct_side.nii.gz")},
    ),
    "image and mask folders": (
        ["P1/image/x.nii.gz", "P1/mask/x.nii.gz!"],
        {"P1": ("P1/image/x.nii.gz", "P1/mask/x.nii.gz")},
    ),
    "nnU-Net": (
        ["imagesTr/lung_1_0000.nii.gz", "labelsTr/lung_1.nii.gz!",
         "imagesTr/lung_2_0000.nii.gz", "labelsTr/lung_2.nii.gz!"],
        {"lung_1": ("imagesTr/lung_1_0000.nii.gz", "labelsTr/lung_1.nii.gz"),
         "lung_2": ("imagesTr/lung_2_0000.nii.gz", "labelsTr/lung_2.nii.gz")},
    ),
    "side by side": (
        ["P001_ct.nii.gz", "P001_mask.nii.gz!", "P002_ct.nii.gz", "P002_mask.nii.gz!"],
        {"P001": ("P001_ct.nii.gz", "P001_mask.nii.gz"),
         "P002": ("P002_ct.nii.gz", "P002_mask.nii.gz")},
    ),
    "organs beside the lesion": (
        ["P1/ct.nii.gz", "P1/segmentations/lung.nii.gz!", "P1/segmentations/Tumeur.nii.gz!"],
        {"P1": ("P1/ct.nii.gz", "P1/segmentations/Tumeur.nii.gz")},
    ),
    "several masks": (
        ["P1/ct.nii.gz", "P1/one.nii.gz!", "P1/two.nii.gz!"], {"P1": ("P1/ct.nii.gz", "")},
    ),
    "Chinese": (
        ["P1/扫描.nii.gz", "P1/病灶.nii.gz!"], {"P1": ("P1/扫描.nii.gz", "P1/病灶.nii.gz")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_told_apart_by_what_they_hold(tmp_path, layout):
    names, expected = LAYOUTS[layout]
    put(tmp_path, *names)
    rows, lines = own.begin(tmp_path)
    found = {r.patient: (r.ct, r.mask) for r in rows.itertuples()}
    assert found == expected and len(lines) == len(rows)
    if layout == "several masks":
        assert "no mask chosen: P1/one.nii.gz, P1/two.nii.gz" in lines[0]


def test_dicom_goes_before_its_copy_and_an_archive_is_named(tmp_path):
    write_series(tmp_path / "P1" / "series", np.full((6, 8, 8), -700, np.int16))
    put(tmp_path, "P1/copy.nii.gz", "P1/Untitled.nii.gz!")
    (tmp_path / "P2").mkdir()
    (tmp_path / "P2" / "export.zip").write_bytes(b"PK")
    rows, lines = own.begin(tmp_path)
    assert rows.ct.tolist() == ["P1/series", ""]
    assert rows["mask"].tolist() == ["P1/Untitled.nii.gz", ""]
    assert "DICOM taken, not copy.nii.gz" in lines[0]
    assert "export.zip is an archive: unpack it" in lines[1]


def test_links_to_folders_are_followed_and_a_loop_ends(tmp_path):
    place = tmp_path / "elsewhere" / "P1"
    put(place, "ct.nii.gz", "mask.nii.gz!")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "P1").symlink_to(place)
    (place / "again").symlink_to(place)
    assert own.begin(tmp_path / "study")[0].ct.tolist() == ["P1/ct.nii.gz"]


def test_a_folder_without_patients_is_an_error(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("nothing here")
    assert cli.main(["new", str(tmp_path)]) == 1
    assert "holds no images of patients" in capsys.readouterr().err
    assert not (tmp_path / "study.toml").exists()
