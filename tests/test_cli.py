"""The command's exit status: 0 done, 1 faults or failed, 2 wrong usage; never a traceback."""

import pytest
from radiogenomics import cli
from radiogenomics.cohort.sources import phantom
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.study.files import read_json
from radiogenomics.study.study import load_study


def test_wrong_usage_is_2(capsys):
    for arguments in ([], ["walk"], ["phantom"], ["predict", "ct.nii.gz"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 2
    assert "usage: workbook" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["run", "nowhere"], 1, "study.toml is not there"),
        (["check", "nowhere"], 1, "study.toml is not there"),
        (["phantom", "small", "--patients", "3"], 2, "Expected: 24 to 660"),
    ],
)
def test_users_mistakes_are_one_message(tmp_path, monkeypatch, capsys, arguments, status, says):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == status
    told = capsys.readouterr().err
    assert says in told and "Traceback" not in told


def test_built_in_cohort_is_sought_upwards_and_made_here(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(phantom, "make_phantom", lambda folder, **_: made.append(folder.resolve()))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    cli._make_built_in(cli.BUILT_IN)
    assert made == [tmp_path / "below" / "data" / "phantom"]
    (tmp_path / "data" / "phantom").mkdir(parents=True)
    (tmp_path / "data" / "phantom" / "study.toml").write_text("")
    cli._make_built_in(cli.BUILT_IN)
    assert len(made) == 1 and load_study(cli.BUILT_IN).folder == tmp_path / "data" / "phantom"
    assert load_study(cli.BUILT_IN).reports == tmp_path / "reports" / "phantom"


def test_phantom_then_check_prints_every_fault(tmp_path, capsys):
    folder = str(tmp_path / "p")
    assert cli.main(["phantom", folder, "--patients", "24", "--seed", "3", "--faults", "7"]) == 0
    capsys.readouterr()
    assert cli.main(["check", folder]) == 1
    told = capsys.readouterr().out
    assert all(f"F00{i}: " in told for i in range(1, 8))
    assert "31 patients: 24 can be used, 7 are excluded" in told
    assert cli.main(["phantom", folder, "--patients", "30"]) == 1  # another recipe


def test_predict_writes_probability_map_and_html(finished, tmp_path, capsys):
    out = tmp_path / "new"
    images = [str(EXAMPLE / "ct.nii.gz"), str(EXAMPLE / "mask.nii.gz")]
    where = ["--study", str(finished.folder), "--out", str(out)]
    person = ["--sex", "male", "--smoking", "current"]
    assert cli.main(["predict", *images, *where, *person]) == 0
    found = read_json(out / "prediction.json")["probability"]
    assert set(found) == {"Clinical", "LR", "SVM", "Bayes", "CNN", "Com"}
    without = read_json(finished.reports / "new_patient" / "prediction.json")["probability"]
    assert {k: found[k] for k in without} == pytest.approx(without, abs=1e-6)
    assert (out / "gradcam.nii.gz").exists() and (out / "07_new_patient.html").exists()
    assert cli.main(["predict", images[0], str(tmp_path / "gone.nii.gz"), *where]) == 1
    assert "gone.nii.gz is not there" in capsys.readouterr().err
