"""The command's exit status: 0 done, 1 faults or failed, 2 wrong usage; never a traceback."""

import dataclasses
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
from radiogenomics.new_patient import EXAMPLE, predicting
from radiogenomics.report import acting, execution, index_page, manifest, pages, request
from radiogenomics.report import run as report
from radiogenomics.study import contract
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
        ("-p epcohs 3", "no such setting or parameter. Did you mean epochs?"),
        ("-p epochs 0", "epochs = 0. Expected: from 1 to 1000"),
        ("-p epochs many", "epochs = 'many'. Expected: something like 16"),
        ("-p seed x", "seed = 'x'. Expected: something like 2024"),
        ("-p device gpuu", "device = 'gpuu'. Expected: one of auto, cpu, gpu"),
        ("-p min_age 200", "min_age = 200. Expected: from 0"),
        ("-p cnn.epcohs 3", "-p cnn.epcohs: no such setting. Did you mean cnn.epochs?"),
        ("-p radiomics.epochs 3", "-p radiomics.epochs: no such setting"),
        ("-p further {}", "Expected: each setting with a -p of its own"),
        ("-p shape [30,64,64]", "Expected: multiples of 16"),
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


VALUES = {
    "5": 5, "0.5": 0.5, "true": True, "null": None, "['flips', 'noise']": ["flips", "noise"],
    '["flips"]': ["flips"], "[16, 32, 32]": [16, 32, 32], "gpu": "gpu", "1 = 2": "1 = 2", "": "",
    "{ LR = 0.4 }": {"LR": 0.4}, "'5'": "5", "[1": "[1",
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_values_are_read_as_json_or_toml(text):
    assert commands._value(text) == VALUES[text]


def test_a_setting_that_changes_nothing_is_told():
    asked = {"bin_width": 32, "folds": 4, "min_age": 20, "epochs": 3, "title": "T"}
    assert request.idle(["05"], None, asked) == [
        f"-p {name} acts in notebook {where}, which is not run: it changes nothing here."
        for name, where in (("bin_width", "03"), ("folds", "03, 04 and 09"), ("min_age", "01"),
                            ("epochs", "04"))
    ]  # fmt: skip
    assert not request.idle(None, None, asked) and len(request.idle(None, "04", asked)) == 2


def test_any_setting_is_given_by_its_name_or_with_its_section(tmp_path, monkeypatch):
    """Those that no notebook declares are handed to every one."""
    phantom.make_phantom(tmp_path / "s", 24, seed=1)
    study, ran = load_study(tmp_path / "s", tmp_path / "r"), {}

    def note(path, output, parameters, left_out):
        ran[path.stem[:2]] = execution.declared_here(path, parameters)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, output)
        return 1.0

    monkeypatch.setattr(report, "run_notebook", note)
    monkeypatch.chdir(tmp_path)
    asked = "-p cnn.learning_rate 0.01 -p min_age 20 -p epochs 3 --only 01 04"
    cli.main(["run", "s", "--reports", "r", *asked.split()])
    first, training = ran["01"], ran["04"]
    assert first["further"] == {"learning_rate": 0.01, "min_age": 20} and "epochs" not in first
    assert training["further"] == first["further"] and training["epochs"] == 3
    assert not acting.outdated(study, tuple(pages.notebooks()))
    settings, now = study.settings, dataclasses.replace(study.settings.cnn, epochs=30, batch=4)
    edited = dataclasses.replace(study, settings=dataclasses.replace(settings, cnn=now))
    (line,) = acting.outdated(edited, tuple(pages.notebooks()))
    assert "[cnn] batch = 4 now; notebook 04 ran with 8" in line and "--from 04" in line
    index_page.build_index(edited, list(manifest.earlier_states(edited).values()))
    assert "batch = 4 now; notebook 04" in (study.reports / "index.html").read_text("utf-8")
    kept = study.ran_with(contract.TRAINING)
    assert (kept.cnn.learning_rate, kept.cnn.epochs, kept.eligibility.min_age) == (0.01, 3, 20)
    given = load_study(tmp_path / "s", None, training["further"], epochs=3).settings
    assert (given.cnn, given.eligibility) == (kept.cnn, kept.eligibility)


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
    assert cli.main(["predict", *images, *where, *person]) == 1  # the example's slices are thick
    assert "Not applicable: the models do not know patients" in capsys.readouterr().out
    content = read_json(out / "prediction.json")
    found = content["probability"]
    assert not content["applicable"] and not content["refused"]
    assert "The slices are 5 mm thick" in content["reasons"][0]
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
    assert (
        "gone is not there" in told
        and "2 patients: 1 scored, 1 not; 1 scored but not applicable" in told
    )
    scores = pd.read_csv(out / "scores.csv").set_index(["patient", "model"])
    assert {m: scores.score["a", m] for m in found} == pytest.approx(found, abs=1e-6)
    assert scores.reason["b"].notna().all() and scores.score["b"].isna().all()
    assert not scores.applicable["a"].any() and read_json(out / "scores.json")["a"] == content
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
    assert "CT and MASK of one patient, or --cohort of several" in capsys.readouterr().err


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
