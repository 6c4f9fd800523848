"""A study of one's own begins from the folders that are there."""

import shutil

import numpy as np
import pandas as pd
import pytest
from radiogenomics import cli, own_study
from radiogenomics.prediction import EXAMPLE
from radiogenomics.study import StudyError, load_study
from test_scans import write_series


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
    assert "3 patients found" in told and "No mask chosen for P3." in told
    table = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == list(own_study.COLUMNS)
    assert table.ct.tolist() == ["P1/ct.nii.gz", "P2/export", "P3/scan.nii.gz"]
    assert table["mask"].tolist() == ["P1/mask.nii.gz", "P2/Lesion_JD.nii.gz", ""]
    assert load_study(folder).settings.hospitals.train == ("A",)


def test_every_line_of_the_template_is_a_setting(tmp_path):
    text = own_study.STUDY_TOML.replace("\n# [", "\n[")
    lines = [x[2:] if x.startswith("# ") and "=" in x else x for x in text.splitlines()]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    assert load_study(tmp_path).settings.label.column == "kras"


def test_a_study_is_never_overwritten(folder):
    own_study.begin(folder)
    with pytest.raises(StudyError, match="holds a study already"):
        own_study.begin(folder)
