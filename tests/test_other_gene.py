"""KRAS instead of EGFR is a change of settings: the whole study runs on another column."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import QUICK, shrink
from radiogenomics.cohort.sources import phantom
from radiogenomics.models import predictions
from radiogenomics.report import mailable, run
from radiogenomics.study import tables
from radiogenomics.study.study import load_study

LABEL = """
[label]
column = "KRAS"
positive = "Mutant"
name = "KRAS mutant"
negative_name = "KRAS wild-type"
"""


@pytest.mark.slow
def test_the_study_runs_on_another_genes_column(tmp_path):
    folder = tmp_path / "data" / "kras"
    phantom.make_phantom(folder, 36, seed=6, workers=2)
    table = pd.read_csv(folder / "cohort.csv", dtype={"label": str})
    status = np.where(table.label == "1", "Mutant", "Wildtype").astype(object)
    status[[3, 5]] = ["Not collected", "Unknown"]  # patients without a known status
    table.drop(columns="label").assign(KRAS=status).to_csv(folder / "cohort.csv", index=False)
    settings = folder / "study.toml"
    settings.write_text(settings.read_text() + LABEL)
    shrink(settings)
    study = load_study(folder, **QUICK)
    run.run_study(study, overrides=QUICK)
    out = study.table(tables.EXCLUSIONS)
    assert out.reason.tolist() == ["no KRAS mutant status"] * 2
    scores = predictions.read_scores(study)
    expected = table.label.astype(int).set_axis(table.patient)
    assert (scores.label == scores.patient.map(expected)).all() and scores.patient.nunique() == 34
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
