"""KRAS instead of EGFR is a change of settings: the whole study runs on another column."""

import re
import shutil

import pandas as pd
import pytest
from conftest import QUICK
from radiogenomics.cohort import eligibility, reading
from radiogenomics.models import predictions
from radiogenomics.report import mailable, run
from radiogenomics.study import tables
from radiogenomics.study.cells import read_cells
from radiogenomics.study.study import load_study

LABEL = """
[label]
column = "KRAS"
positive = "Mutant"
name = "KRAS mutant"
negative_name = "KRAS wild-type"
"""


@pytest.mark.slow
def test_the_study_runs_on_another_genes_column(finished, tmp_path):
    """On the finished study's patients and caches, so that every score must be the same."""
    folder = tmp_path / "data" / "kras"
    shutil.copytree(finished.folder, folder)
    (folder / "test_set.jsonl").unlink()
    table = read_cells(folder / "cohort.csv")
    status = table.label.map({"1": "Mutant", "0": "Wildtype"})
    settings = folder / "study.toml"
    settings.write_text(settings.read_text() + LABEL)
    study = load_study(folder, **QUICK)
    unknown = status.where(~table.patient.isin(["P002", "P003"]), "Not collected")
    table.drop(columns="label").assign(KRAS=unknown).to_csv(folder / "cohort.csv", index=False)
    _, out, _ = eligibility.exclude(study, reading.read_cohort(study), complete=False)
    reasons = out.set_index("patient").reason
    assert (reasons[["P002", "P003"]] == "no KRAS mutant status").all()
    table.drop(columns="label").assign(KRAS=status).to_csv(folder / "cohort.csv", index=False)
    run.run_study(study, overrides=QUICK)
    ours, theirs = predictions.read_scores(study), predictions.read_scores(finished)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert ours.label.notna().all()
    assert "no identifier" in run.check_privacy(study)
    nothing_is_said_of_the_egfr_paper(study)


def nothing_is_said_of_the_egfr_paper(study):
    pages = [*study.reports.glob("*.html"), *study.reports.glob("*.md")]
    assert len(pages) >= 11
    for page in pages:
        words = re.findall(
            r"EGFR|qims|Zhang|Found and published|published test", mailable._visible(page)
        )
        assert not words, (page.name, words)
    assert "KRAS mutant" in (study.reports / "index.html").read_text(encoding="utf-8")
    assert not study.table(tables.AUDIT_PROPORTIONS).shape[0]
