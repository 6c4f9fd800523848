"""study.toml is checked; files are written whole or not at all."""

import pandas as pd
import pytest
from radiogenomics.study import cells
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.study import load_study


def toml(folder, text):
    (folder / "study.toml").write_text(text)
    return folder


def test_defaults_are_the_papers(tmp_path):
    settings = load_study(toml(tmp_path, "")).settings
    assert settings.preprocessing.window_hu == (-1000, 400)
    assert settings.preprocessing.shape == (32, 64, 64)
    assert settings.radiomics.bin_width == 25 and settings.cnn.batch == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[cnn]\nepoch = 3", "unknown key 'epoch'. Did you mean epochs"),
        ("[cnn]\nepochs = 'many'", "epochs = 'many'. Expected: something like"),
        ("[preprocessing]\nbackground = 'lung'", "Expected: one of"),
        ("[evaluation]\nfolds = 1", "Expected: from 2 to 20"),
        ("[preprocessing]\nwindow_hu = [1]", "window_hu"),
        ("[preprocessing]\nwindow_hu = [400, -1000]", "Expected: the lower number first"),
        ("[preprocessing]\nshape = [0, 64, 64]", "Expected: from 16 to 512"),
        ("[preprocessing]\nshape = [30, 60, 60]", "Expected: multiples of 16"),
        ("[evaluation]\ndecision_range = [0.9, 0.1]", "Expected: the lower number first"),
        ("[cnn]\nlearning_rate = nan", "learning_rate = nan. Expected: from"),
        ("[radiomics]\nlog_sigma_mm = [-1.0]", "Expected: from 0.1"),
        ("[cnn]\naugmentation = 'nope'", "Expected: one of"),
        ("seed = -1", "Expected: from 0"),
        ("seed = ", "not valid TOML"),
        (f"seed = {'[' * 5000}{']' * 5000}", "not valid TOML"),
    ],
)
def test_faults_are_named(tmp_path, text, says):
    with pytest.raises(StudyError, match=says):
        load_study(toml(tmp_path, text))


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert load_study(toml(tmp_path, "\ufeffseed = 7")).settings.seed == 7


def test_no_text_of_a_table_is_run_by_a_spreadsheet(tmp_path):
    """Neither in a cell nor in a header; numbers and plain text stay as they are."""
    run = ["=cmd|' /C calc'!A0", "@SUM(1)", "+cmd", " =1+1", "-x"]
    rows = pd.DataFrame({"scanner": [*run, "-1.5 mm", "Somatom"], "=age": range(7), "hu": -1.5})
    cells.write_cells(tmp_path / "t.csv", rows)
    read = pd.read_csv(tmp_path / "t.csv", dtype=str)
    assert read.scanner.tolist() == [*(f"'{cell}" for cell in run), "-1.5 mm", "Somatom"]
    assert list(read) == ["scanner", "'=age", "hu"] and set(read.hu) == {"-1.5"}


def test_ages_and_days_may_be_fractions(tmp_path):
    study = load_study(toml(tmp_path, "[eligibility]\nmin_age = 18.5\nmax_interval_days = 30"))
    assert study.settings.eligibility.min_age == 18.5
    assert study.settings.eligibility.max_interval_days == 30


def test_override_by_name(tmp_path):
    study = load_study(toml(tmp_path, "[cnn]\nepochs = 3"), epochs=None, folds=5, seed=7)
    assert (study.settings.cnn.epochs, study.settings.evaluation.folds) == (3, 5)
    assert study.settings.seed == 7
    with pytest.raises(StudyError, match="no such setting"):
        load_study(tmp_path, nonsense=1)


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with whole_file(path) as part:
        part.write_text("whole")
    assert path.read_text() == "whole" and len(list(tmp_path.iterdir())) == 1
