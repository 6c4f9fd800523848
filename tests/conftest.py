"""One small study, run once by papermill for every test that reads its reports, and a browser."""

import shutil

import pandas as pd
import pytest
from chromium import CHROMIUM
from playwright.sync_api import sync_playwright
from radiogenomics import phantom, report
from radiogenomics.prediction import EXAMPLE
from radiogenomics.study import load_study

QUICK = {"epochs": 1, "folds": 2, "bootstrap": 100, "shown": 1, "stability": 2}


def pytest_collection_modifyitems(items):
    """Keep a file's tests on one worker, and all that read the finished study on the same one."""
    for item in items:
        shared = "finished" in item.fixturenames
        item.add_marker(pytest.mark.xdist_group("finished" if shared else item.path.name))


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The seven notebooks on 24 patients, one with a real CT, and two faulty ones on top."""
    root = tmp_path_factory.mktemp("study")
    phantom.make_phantom(root / "data" / "tiny", 24, seed=5, faults=2, workers=2)
    give_real_ct(root / "data" / "tiny")
    study = load_study(root / "data" / "tiny", **QUICK)
    report.run_study(study, overrides=QUICK)
    return study


def give_real_ct(folder):
    """Replace the first training patient's images by the real CT that data/ ships."""
    table = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    row = table.index[table.hospital == "A"][0]
    for column in ("ct", "mask"):
        shutil.copy(EXAMPLE / f"{column}.nii.gz", folder / "scans" / f"real_{column}.nii.gz")
        table.loc[row, column] = f"scans/real_{column}.nii.gz"
    table.to_csv(folder / "cohort.csv", index=False)
