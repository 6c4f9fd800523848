"""`workbook lab`: copies to explore that never change what the report says."""

import dataclasses
import os
import shutil

import nbformat
import pandas as pd
import papermill
import pytest
from radiogenomics import cli
from radiogenomics.cohort import included, seal
from radiogenomics.report import lab, mailable, pages
from radiogenomics.study import tables
from radiogenomics.study.contract import INTERNAL, NOTEBOOKS
from radiogenomics.study.study import load_study

NEEDED = [n for n in NOTEBOOKS if n != INTERNAL]  # in a study with a test cohort


def parameters(path):
    """What a notebook's parameter cell says, as Python reads it."""
    source = next(c.source for c in nbformat.read(path, 4).cells if c.metadata.get("tags"))
    found = {}
    exec(source, {}, found)
    return found


def run_there(folder, name):
    """Run a copy where it lies, as JupyterLab does."""
    where = {"cwd": str(folder), "kernel_name": "python3", "progress_bar": False}
    papermill.execute_notebook(str(folder / name), str(folder / name), {}, **where)


def state_of(folder):
    """Every file of a report folder but for the lab's, with its content."""
    files = [p for p in folder.rglob("*") if p.is_file() and lab.LAB not in p.parts]
    return {p.relative_to(folder): p.read_bytes() for p in files}


def test_copies_know_their_study_and_the_runs_parameters(copied):
    place = lab.prepare(copied)
    assert sorted(p.name for p in place.glob("*.ipynb")) == [f"{n.name}.ipynb" for n in NEEDED]
    given = parameters(place / "04_cnn.ipynb")
    assert (given["epochs"], given["folds"], given["reports"]) == (1, 2, ".")
    assert (place / given["folder"]).resolve() == copied.folder
    assert parameters(place / "06_gradcam.ipynb")["kind"] == "Grad-CAM"  # a default stays
    for table in (tables.METRICS, tables.SIGNATURE):
        assert (place / "tables" / table.file).read_bytes() == copied.path(table).read_bytes()
    assert (place / "models" / "cnn.keras").exists() and (place / "predictions.csv").exists()
    assert len(included.load_patients(load_study(copied.folder, place))) == 24


def test_exploring_changes_nothing_that_the_report_says(copied):
    place = lab.prepare(copied)
    before, opened = state_of(copied.reports), len(seal.openings(copied))
    source = (place / "05_comparison.ipynb").read_text(encoding="utf-8")
    changed = source.replace("bootstrap: int = 100", "bootstrap: int = 150")
    assert changed != source
    (place / "05_comparison.ipynb").write_text(changed, encoding="utf-8")
    run_there(place, "05_comparison.ipynb")
    assert state_of(copied.reports) == before
    resamples = pd.read_csv(place / "tables" / "metrics.csv").resamples.max()
    assert (resamples, copied.table(tables.METRICS).resamples.max()) == (150, 100)
    assert len(seal.openings(copied)) == opened + 1  # of the test labels: recorded as in a run
    assert "1 time" in str(nbformat.read(place / "05_comparison.ipynb", 4))
    assert not len(mailable.scan_reports(copied, []))  # which leaves the lab out
    again = lab.prepare(copied)
    assert pd.read_csv(again / "tables" / "metrics.csv").resamples.max() == 150  # its own is newer
    assert "05_comparison" in (again / lab.START).read_text(encoding="utf-8").split("changed")[1]


def test_a_later_run_and_a_new_notebook_reach_the_lab(copied, monkeypatch, tmp_path):
    place = lab.prepare(copied)
    path = copied.path(tables.METRICS)
    later = (place / "tables" / path.name).stat().st_mtime + 10
    os.utime(path, (later, later))
    path.write_text(path.read_text() + "\n")
    os.utime(path, (later, later))
    shutil.copytree(pages.NOTEBOOKS, tmp_path / "newer")
    mended = tmp_path / "newer" / "01_cohort.ipynb"
    mended.write_text(mended.read_text().replace("# 1 Cohort", "# 1 The cohort"))
    mine = place / "02_preprocessing.ipynb"
    mine.write_text(mine.read_text().replace("# 2 Preprocessing", "# My own"))
    (place / "03_radiomics.ipynb").write_text("broken by hand")
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path / "newer")
    lab.prepare(copied)
    assert (place / "03_radiomics.ipynb").read_text() == "broken by hand"
    assert (place / "tables" / path.name).read_bytes() == path.read_bytes()
    assert "# 1 The cohort" in (place / "01_cohort.ipynb").read_text()
    assert "# My own" in mine.read_text()


def test_start_page_names_every_notebook_its_question_state_and_time(copied):
    page = (lab.prepare(copied) / lab.START).read_text(encoding="utf-8")
    for notebook in NEEDED:
        row = next(line for line in page.splitlines() if f"({notebook.name}.ipynb)" in line)
        assert notebook.question in row and "| done |" in row and ":" in row
    none = dataclasses.replace(copied, reports=copied.reports / "none")
    page = (lab.prepare(none) / lab.START).read_text(encoding="utf-8")
    assert page.count("| not run |  |") == len(NEEDED)


@pytest.mark.parametrize(
    ("line", "value", "expected"),
    [
        (
            "seed: int = None  # None: as study.toml says",
            7,
            "seed: int = 7  # None: as study.toml says",
        ),
        ('a: str = "x = y"', 'ä "b"', 'a: str = "ä \\"b\\""'),
        ("a = [1, 2]", (0.1, 0.5), "a = (0.1, 0.5)"),
    ],
)
def test_a_parameter_is_filled_in_where_it_is_declared(line, value, expected):
    name = line.split(":")[0].split(" ")[0]
    other = f"{name}s: int = 3"
    assert lab.fill_in(f"{other}\n{line}", {name: value}) == f"{other}\n{expected}"


def test_root_and_a_missing_study_are_told_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert cli.main(["lab"]) == 2
    assert "workbook lab --allow-root" in capsys.readouterr().err
    assert cli.main(["lab", "--allow-root"]) == 2
    assert "workbook phantom data/phantom" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_further_options_go_to_jupyterlab_alone(copied, monkeypatch):
    asked = []
    monkeypatch.setattr(lab, "serve", lambda folder, options: asked.append((folder, options)) or 0)
    given = [str(copied.folder), "--reports", str(copied.reports)]
    options = ["--allow-root", "--no-browser", "--ServerApp.open_browser=False"]
    assert cli.main(["lab", *given, "--port", "8899", *options]) == 0
    assert asked == [(copied.reports / lab.LAB, ["--port=8899", *options])]
    with pytest.raises(SystemExit) as stop:
        cli.main(["check", str(copied.folder), "--no-browser"])
    assert stop.value.code == 2
