"""One small study, run once by papermill, for every test that reads its reports."""

import pytest
from radiogenomics import phantom, report
from radiogenomics.study import load_study

QUICK = {"epochs": 1, "folds": 2, "bootstrap": 100, "shown": 1}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The seven notebooks on 24 simulated patients, two of them faulty on top."""
    root = tmp_path_factory.mktemp("study")
    phantom.make_phantom(root / "data" / "tiny", 24, seed=5, faults=2, workers=2)
    study = load_study(root / "data" / "tiny", **QUICK)
    report.run_study(study, overrides=QUICK)
    return study
