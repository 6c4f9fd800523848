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
    assert load_study(folder).settings.hospitals.train == ("A",)


def test_several_series_are_left_to_the_readers_rules_and_a_broken_file_to_check(folder):
    for name, slices in (("thick", 3), ("thin", 6)):
        volume = np.full((slices, 8, 8), -700, np.int16)
        write_series(folder / "P4" / name, volume, uid=f"1.2.3.{slices}")
    write_series(folder / "P5", np.full((4, 8, 8), -700, np.int16))
    (folder / "P5" / "broken.dcm").write_bytes(b"no DICOM")
    rows = own.begin(folder).set_index("patient")
    assert rows.ct["P4"] == "P4" and rows.ct["P5"] == "P5"
    chosen, others = choose_ct(folder / "P4")
    assert len(chosen.files) == 6 and len(others) == 1


def test_every_line_of_the_template_is_a_setting(tmp_path):
    lines = [
        x[2:] if x.startswith("# ") and " = " in x else x for x in own.study_toml().splitlines()
    ]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    assert load_study(tmp_path).settings == Settings()
    written = tomllib.loads("\n".join(lines))
    names = {name for part in written.values() if isinstance(part, dict) for name in part}
    assert names | set(written) >= set(section_of())


def test_a_study_is_never_overwritten(folder):
    own.begin(folder)
    with pytest.raises(StudyError, match="holds a study already"):
        own.begin(folder)
