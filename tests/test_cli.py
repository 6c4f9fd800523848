"""The command's exit status: 0 done, 1 faults or failed, 2 wrong usage; never a traceback."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from radiogenomics import cli, commands
from radiogenomics.cohort.sources import phantom
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.report import predicting
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import read_json
from radiogenomics.study.study import load_study


def test_wrong_usage_is_2(capsys):
    for arguments in (["walk"], ["phantom"], ["predict", "ct.nii.gz"]):
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
        (["phantom", "small", "--seed", "-1"], 2, "seed = -1. Expected: 0 to 4294967295"),
        (["phantom", "small", "--faults", "-5"], 2, "faults = -5. Expected: 0 to 120"),
        (["new", "nowhere"], 1, "nowhere is not there. Expected: a folder with one subfolder"),
        (["new", __file__], 1, "is a file. Expected: a folder with one subfolder"),
    ],
)
def test_users_mistakes_are_one_message(tmp_path, monkeypatch, capsys, arguments, status, says):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == status
    told = capsys.readouterr().err
    assert says in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--only 99", "there is no notebook 99. Expected: 01, 02"),
        ("--only 01 --from 03", "leave no notebook"),
        ("-p epcohs 3", "no notebook declares this parameter. Did you mean epochs?"),
        ("-p epochs 0", "epochs = 0. Expected: from 1 to 1000"),
        ("-p epochs many", "epochs = 'many'. Expected: something like 16"),
        ("-p seed x", "seed = 'x'. Expected: something like 2024"),
        ("-p device gpuu", "device = 'gpuu'. Expected: one of auto, cpu, gpu"),
        ("-p min_age 20", "Set it in study.toml, [eligibility]"),
        ("-p paitent P001", "Did you mean patient?"),
        ("-p checked few", "-p checked 'few': wrong type. Expected: int"),
        ("-p reports here", "Expected: with --reports"),
    ],
)
def test_wrong_requests_are_told_before_anything_is_made(
    tmp_path, monkeypatch, capsys, options, says
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", *options.split()]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_alone_it_prints_help_as_uv_does(capsys):
    assert cli.main([]) == 2
    assert "run the notebooks and export the reports" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out.startswith("workbook 0.")


def test_a_mistyped_command_names_the_nearest(capsys):
    with pytest.raises(SystemExit):
        cli.main(["chekc"])
    assert "there is no command chekc. Did you mean check?" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.EXAMPLES)
def test_every_help_shows_examples_that_parse(capsys, name):
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    told = capsys.readouterr().out
    for example in cli.EXAMPLES[name]:
        assert f"  {example}\n" in told
        assert hasattr(commands, cli._parser().parse_args(shlex.split(example)[1:]).command)


def test_help_and_wrong_usage_load_nothing_that_they_do_not_need():
    heavy = "{'pandas', 'numpy', 'SimpleITK', 'sklearn', 'nbformat'} & set(sys.modules)"
    for words in (["--help"], ["run", "--help"], ["walk"], ["phantom"]):
        code = f"""import sys
from radiogenomics import cli
try:
    cli.main({words})
except SystemExit:
    assert not {heavy}, {heavy}
"""
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_built_in_cohort_is_sought_upwards_and_made_here(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(phantom, "make_phantom", lambda folder, **_: made.append(folder.resolve()))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    commands.make_built_in(commands.BUILT_IN)
    assert made == [tmp_path / "below" / "data" / "phantom"]
    (tmp_path / "data" / "phantom").mkdir(parents=True)
    (tmp_path / "data" / "phantom" / "study.toml").write_text("")
    commands.make_built_in(commands.BUILT_IN)
    assert len(made) == 1 and load_study(commands.BUILT_IN).folder == tmp_path / "data" / "phantom"
    assert load_study(commands.BUILT_IN).reports == tmp_path / "reports" / "phantom"


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
    capsys.readouterr()
    shutil.copytree(EXAMPLE, tmp_path / "scans")
    rows = ["a,scans/ct.nii.gz,scans/mask.nii.gz,M,Current", "b,scans/gone,scans/mask.nii.gz,,"]
    (tmp_path / "new.csv").write_text("\n".join(["patient,ct,mask,sex,smoking", *rows]) + "\n")
    assert cli.main(["predict", "--cohort", str(tmp_path / "new.csv"), *where]) == 1
    told = capsys.readouterr().out
    assert "gone is not there" in told and "2 patients: 1 scored, 1 not" in told
    scores = pd.read_csv(out / "scores.csv").set_index(["patient", "model"])
    assert {m: scores.probability["a", m] for m in found} == pytest.approx(found, abs=1e-6)
    assert scores.reason["b"].notna().all() and scores.reason["a"].isna().all()
    assert str(tmp_path) not in (out / "scores.csv").read_text()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("patient,ct\na,b\n", "no column mask"),
        ("patient,ct,mask\na/b,ct,mask\n", "row 2: patient is 'a/b'. Expected: a name that"),
        ("patient,ct,mask\na,ct,m\na,ct,m\n", "patient a appears more than once"),
    ],
)
def test_a_table_of_new_patients_that_cannot_be_used_is_refused(tmp_path, table, told):
    (tmp_path / "study.toml").write_text("")
    (tmp_path / "new.csv").write_text(table)
    with pytest.raises(StudyError, match=re.escape(told)):
        predicting.read_patients(load_study(tmp_path), tmp_path / "new.csv")


def test_predict_needs_a_patient_or_a_table(tmp_path, capsys):
    (tmp_path / "study.toml").write_text("")
    where = ["--study", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main(["predict", *where]) == cli.main(["predict", "ct.nii.gz", *where]) == 2
    assert "--cohort TABLE.csv" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
def test_few_open_files_are_raised_or_told_in_a_line():
    """The lower limit is the user's to raise, the upper one is not."""
    command = (
        f'ulimit -Sn 40; ulimit -Hn {{}}; exec "{sys.executable}" -m radiogenomics.cli check .'
    )
    few = subprocess.run(["sh", "-c", command.format(100)], capture_output=True, text=True)
    assert few.returncode == 1 and "lets a program open 100 files" in few.stderr
    assert "Traceback" not in few.stderr
    enough = subprocess.run(["sh", "-c", command.format(2000)], capture_output=True, text=True)
    assert "open" not in enough.stderr
