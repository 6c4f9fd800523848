"""A notebook whose inputs, settings and code are as they were does not run again."""

import dataclasses
import json
import shutil

import pytest
from conftest import QUICK
from radiogenomics.report import run, standing
from radiogenomics.study.files import read_json
from radiogenomics.study.settings import Plan


@pytest.fixture
def again(copied, monkeypatch):
    """Run the study again; return the notebooks that ran."""

    monkeypatch.setattr(run, "refuse_another_study", lambda study: None)  # it is a copy

    def once(study=copied, **more):
        ran = []
        monkeypatch.setattr(run, "_run_one", lambda study, path, *_: ran.append(path.stem[:2]))
        run.run_study(study, **{"overrides": QUICK} | more)
        return ran

    return once


def test_nothing_runs_twice_and_the_index_says_so(copied, again):
    assert again() == []
    assert (copied.reports / "index.html").read_text("utf-8").count("stands: nothing changed") == 8


def test_what_is_asked_for_runs(copied, again):
    assert again(only=["02", "05"]) == ["02", "05"]
    assert again(dataclasses.replace(copied, folder=copied.reports / "none"), force=True)[0] == "01"


def test_another_setting_runs_what_reads_it(copied, again):
    settings = dataclasses.replace(
        copied.settings, gradcam=dataclasses.replace(copied.settings.gradcam, layer="conv3d_4")
    )
    assert again(dataclasses.replace(copied, settings=settings)) == ["06", "07", "08"]
    settings = dataclasses.replace(copied.settings, plan=Plan(margin=0.05))
    assert again(dataclasses.replace(copied, settings=settings))[0] == "01"


def test_a_table_that_is_lost_or_changed_runs_its_notebook(copied, again):
    (copied.tables / "delong.csv").unlink()
    assert again() == ["05"]


def test_other_images_run_everything(copied, again, tmp_path):
    table = copied.cohort_csv.read_text("utf-8")
    other = tmp_path / "tiny"
    other.mkdir()
    (other / "cohort.csv").write_text(table + "\n", "utf-8")
    moved = dataclasses.replace(copied, folder=other)
    sources = [
        standing.made_from(standing.common(study), run.notebooks()[0], study.settings, {}, [])
        for study in (moved, copied)
    ]
    assert sources[0] != sources[1]


def test_results_of_an_earlier_notebook_are_inputs(copied, again):
    manifest = read_json(copied.manifest_json)
    manifest["notebooks"]["03_radiomics"]["results"] = "others"
    copied.manifest_json.write_text(json.dumps(manifest))
    assert again() == ["04", "05", "06", "07", "08"]


def test_sections_that_early_notebooks_do_not_read():
    """The files that name them are those of later notebooks, or of pages."""
    rooms = {"cnn": ("models", "maps", "comparison", "report"), "gradcam": ("maps",)}
    for section, allowed in rooms.items():
        for path in standing.LIBRARY.rglob("*.py"):
            room = path.relative_to(standing.LIBRARY).parts[0]
            text = path.read_text("utf-8")
            if room not in (*allowed, "study", "new_patient"):
                assert f"settings.{section}" not in text, path
    for path in run.notebooks()[:3]:
        assert not any(f"settings.{s}" in path.read_text("utf-8") for s in rooms), path


def test_an_outline_that_is_made_or_corrected_is_another_input(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    study = dataclasses.replace(finished, folder=folder)
    before = standing.common(study)
    (folder / "outlines").mkdir()
    assert standing.common(study) == before
    (folder / "outlines/P001.nii.gz").write_bytes(b"one")
    made = standing.common(study)
    (folder / "outlines/P001.nii.gz").write_bytes(b"other")
    assert len({before, made, standing.common(study)}) == 3
