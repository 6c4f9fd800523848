"""One small study, run once by papermill for every test that reads its reports, and a browser."""

import contextlib
import dataclasses
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from chromium import CHROMIUM
from playwright.sync_api import sync_playwright
from radiogenomics.cohort.sources import phantom
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.report import run
from radiogenomics.study.study import load_study
from xdist.scheduler import LoadScopeScheduling

QUICK = {"epochs": 1, "folds": 2, "bootstrap": 100, "shown": 1, "stability": 2, "permutations": 3,
         "repeats": 2}  # fmt: skip


class ByStudy(LoadScopeScheduling):
    """Keep a file's tests on one worker, and all that read the finished study on the same one."""

    def _split_scope(self, nodeid):
        file, test = nodeid.split("[")[0].split("::")
        text = (self.config.rootpath / file).read_text(encoding="utf-8")
        asked = re.search(rf"def {test}\(([^)]*)\)", text)[1]
        return "finished" if re.search(r"\b(finished|copied)\b", asked) else file


def pytest_xdist_make_scheduler(config, log):
    return ByStudy(config, log)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def shrink(settings):
    """Give the network an eighth of the paper's voxels, and PyRadiomics of the built-in ones."""
    text = settings.read_text(encoding="utf-8")
    assert "[radiomics]" not in text and "[preprocessing]" not in text
    text += "\n[radiomics]\nradiomics_spacing_mm = 2.0\n\n[preprocessing]\nshape = [16, 32, 32]\n"
    settings.write_text(text, encoding="utf-8")


def make_tiny(folder):
    """Make 24 patients, one with a real CT, two faulty ones on top, and small images."""
    phantom.make_phantom(folder, 24, seed=5, faults=2, workers=2)
    give_real_ct(folder)
    shrink(folder / "study.toml")


def three_hospitals(table):
    """A, B and C in turn within each label."""
    turn = table.groupby("label").cumcount() % 3
    return table.assign(hospital=turn.map(dict(enumerate("ABC")))).drop(columns="cohort")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """All notebooks run on the tiny study.

    Where WORKBOOK_FINISHED names a folder, the run of an earlier pytest is taken from there: the
    quick and the slow tests of one commit need it made once.
    """
    place, kept = tmp_path_factory.mktemp("study") / "of", os.environ.get("WORKBOOK_FINISHED", "")
    if kept and Path(kept).is_dir():
        shutil.copytree(kept, place)
        return load_study(place / "data" / "tiny", **QUICK)
    make_tiny(place / "data" / "tiny")
    study = load_study(place / "data" / "tiny", **QUICK)
    run.finish(study, run.run_study(study, overrides=QUICK))
    if kept:
        part = Path(kept).with_suffix(f".{os.getpid()}")
        shutil.copytree(place, part)
        with contextlib.suppress(OSError):  # another worker was first
            part.rename(kept)
    return study


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished study's reports that a test may spoil."""
    shutil.copytree(finished.reports, tmp_path / "reports")
    study = dataclasses.replace(finished, reports=tmp_path / "reports")
    shutil.copy(finished.included_csv, study.included_csv)
    return study


def give_real_ct(folder):
    """Replace the first training patient's images by the real CT that data/ ships."""
    table = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    row = table.index[table.hospital == "A"][0]
    for column in ("ct", "mask"):
        shutil.copy(EXAMPLE / f"{column}.nii.gz", folder / "scans" / f"real_{column}.nii.gz")
        table.loc[row, column] = f"scans/real_{column}.nii.gz"
    table.to_csv(folder / "cohort.csv", index=False)


@pytest.fixture(scope="session")
def given_scores() -> Path:
    """Score tables with right answers, which lie beside the checkout; skipped without them."""
    folder = Path(__file__).parents[2] / "shared" / "cases" / "scores"
    if not folder.is_dir():
        pytest.skip("the given score tables are not beside this checkout")
    return folder
