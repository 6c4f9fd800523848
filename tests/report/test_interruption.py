"""Nothing is lost: kills, full disks, two runs at once, changed settings."""

import dataclasses
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
from conftest import QUICK, make_tiny
from radiogenomics import cli, commands
from radiogenomics.cohort.included import load_patients
from radiogenomics.images import volumes
from radiogenomics.images.formats import content_hash
from radiogenomics.radiomics import features
from radiogenomics.report import folders
from radiogenomics.report import run as report
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study, load_study

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
FULL_DISK = [
    (errno.ENOSPC, "The disk is full"),
    (errno.EACCES, "No permission"),
    (errno.EROFS, "read-only"),
]
TWENTY = {"01": 2, "02": 4, "03": 6, "04": 6, "05": 2}  # by hand: KILLS=20 uv run pytest -m slow
THREE = {"01": 0, "02": 1, "03": 1, "04": 1, "05": 0}
KILLS = TWENTY if os.environ.get("KILLS") == "20" else THREE  # at random moments


def command(study, only):
    settings = [part for name, value in QUICK.items() for part in ("-p", name, str(value))]
    where = [str(study.folder), "--reports", str(study.reports), "--only", only]
    return [sys.executable, "-m", "radiogenomics.cli", "run", *where, *settings]


@pytest.mark.slow
def test_kills_change_no_digit(finished, tmp_path):
    folder = tmp_path / "data" / "tiny"
    make_tiny(folder)
    study = load_study(folder)
    dice = random.Random(2024)
    for only, times in KILLS.items():
        longest, moments = 40.0, []
        while len(moments) < times:
            moment, start = dice.uniform(1.0, longest), time.monotonic()
            run = subprocess.Popen(command(study, only), start_new_session=True, **SILENT)
            try:
                run.wait(moment)
                longest = time.monotonic() - start  # it was done before: draw an earlier moment
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                moments.append(round(moment, 1))
        done = subprocess.run(command(study, only), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        print(only, "killed after", moments)
    assert not list(study.reports.rglob(".part-*")) and not list(folder.rglob(".part-*"))
    tables = ["tables/" + p.name for p in finished.tables.glob("*.csv")]
    written = [t for t in tables if (study.reports / t).exists() and "checklist" not in t]
    assert len(written) >= 25
    for name in ["predictions.csv", *written]:
        ours, theirs = (pd.read_csv(s.reports / name) for s in (study, finished))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=name)


def below(pid):
    """The processes that a run has started."""
    return psutil.Process(pid).children(recursive=True)


STOPS = {  # how a run is stopped, its exit status, and what it says
    "the run alone is killed": (os.kill, signal.SIGKILL, -signal.SIGKILL, ""),
    "it is asked to end": (os.kill, signal.SIGTERM, 130, "stopped; the next run goes on"),
    "Ctrl-C": (os.killpg, signal.SIGINT, 130, "stopped; the next run goes on"),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", STOPS)
def test_a_stopped_run_says_so_in_a_line_and_leaves_no_process(tmp_path, how):
    send, sign, status, says = STOPS[how]
    folder = tmp_path / "data" / "tiny"
    make_tiny(folder)
    run = subprocess.Popen(
        command(load_study(folder), "01"), start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    for _ in range(600):  # until workers read scans
        started = below(run.pid)
        if any("loky" in " ".join(one.cmdline()) for one in started):
            break
        time.sleep(0.05)
    send(run.pid, sign)
    _, told = run.communicate(timeout=30)
    assert run.returncode == status
    lines = [line for line in told.splitlines() if line.strip()]
    assert says in told and len(lines) <= 1, told
    _, left = psutil.wait_procs(started, timeout=15)
    assert not left
    done = subprocess.run(command(load_study(folder), "01"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_second_run_on_one_study_is_told_and_leftovers_are_swept(finished, capsys):
    leftover = finished.tables / ".part-killed.csv"
    leftover.write_text("half")
    with folders.alone(finished):
        assert not leftover.exists()
        with (
            pytest.raises(StudyError, match="another run is using tiny"),
            folders.alone(finished),
        ):
            pass
        assert cli.main(["run", str(finished.folder), "--reports", str(finished.reports)]) == 1
    assert "Wait for it, or stop it" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "says"), FULL_DISK)
def test_full_disk_and_read_only_folders_are_told_in_one_line(monkeypatch, capsys, number, says):
    def fail(*_):
        raise OSError(number, os.strerror(number), "somewhere/file")

    monkeypatch.setattr(commands, "load_study", fail)
    assert cli.main(["check", "anything"]) == 1
    told = capsys.readouterr().err.strip()
    assert says in told and "somewhere/file" in told and len(told.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="file size limits are Linux's here")
def test_full_disk_inside_a_notebook_is_told_and_keeps_what_was_done(finished, tmp_path):
    copy = tmp_path / "reports"
    shutil.copytree(finished.reports, copy)
    (copy / "manifest.json").unlink()  # it knows where the reports lay
    before = content_hash(copy / "predictions.csv")
    limited = ["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "limited"]
    study = dataclasses.replace(finished, reports=copy)
    done = subprocess.run([*limited, *command(study, "01")], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "too large" in done.stderr or "full" in done.stderr, done.stderr
    assert content_hash(copy / "predictions.csv") == before


def test_a_changed_setting_or_file_invalidates_what_depends_on_it_alone(finished):
    row = load_patients(finished).iloc[1]

    def keys(study, patient):
        return volumes.volume_path(study, patient), features._cache_path(study, patient.to_dict())

    volume, values = keys(finished, row)
    assert volume.exists() and values.exists()
    box = load_study(finished.folder, finished.reports, background="box")
    assert keys(box, row)[0] != volume and keys(box, row)[1] == values
    bins = load_study(finished.folder, finished.reports, bin_width=10.0)
    assert keys(bins, row)[0] == volume and keys(bins, row)[1] != values
    rule = load_study(finished.folder, finished.reports, mann_whitney_p=0.01, epochs=9)
    assert keys(rule, row) == (volume, values)
    other = row.copy()
    other["mask_hash"] = "0" * 64
    assert not set(keys(finished, other)) & {volume, values}


def test_force_forgets_what_the_chosen_notebooks_make_again(tmp_path):
    """The folders are those of notebooks; --only 04 keeps what notebook 04 needs."""
    study = Study(tmp_path, tmp_path / "reports", Settings())
    every = {name for names in report.MADE.values() for name in names}
    with folders.alone(study):
        for name in every:
            (study.derived / name).mkdir()
        (study.derived / "pictures.json").write_text("old")
        report._forget(study.derived, ["04_cnn"])
        left = {path.name for path in study.derived.iterdir()}
        assert left == every - {"cnn", "outlines"} | {folders.LOCK}
        report._forget(study.derived, list(report.MADE))
        assert [path.name for path in study.derived.iterdir()] == [folders.LOCK]
        with pytest.raises(StudyError, match="another run"), folders.alone(study):
            pass


def test_every_cache_of_a_run_belongs_to_a_notebook(finished):
    names = {path.name for path in finished.derived.iterdir()}
    of_notebooks = {name for made in report.MADE.values() for name in made}
    assert names - {folders.LOCK, "pictures.json"} <= of_notebooks
