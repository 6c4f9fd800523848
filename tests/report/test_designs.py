"""Designs other than the paper's: each runs to a report that says what it is, and predicts."""

import os
import shutil

import pandas as pd
import pytest
from conftest import QUICK, three_hospitals
from radiogenomics.cohort import eligibility
from radiogenomics.models import classical
from radiogenomics.new_patient import predicting
from radiogenomics.report import run
from radiogenomics.report.pages import UNTESTED
from radiogenomics.study import design, tables
from radiogenomics.study.cells import read_cells
from radiogenomics.study.contract import NOTEBOOKS
from radiogenomics.study.errors import StudyError, UsageError
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import load_study
from radiogenomics.study.values import build

NO_TEST = {'train = ["A"]': 'train = ["A", "B", "C"]', 'test = ["B"]': "test = []"}
FIRST = "seed = 5\n"  # the last key above the sections


DESIGNS = {  # name: the table, replacements in study.toml, the models, the notebooks that are run
    "radiomics of three hospitals": (
        three_hospitals,
        NO_TEST | {FIRST: FIRST + 'parts = ["radiomics"]\n',
                   "[author]": '[evaluation]\nfolds_by = "hospital"\n\n[author]'},
        {"LR", "SVM", "Bayes"}, "01 03 07 08 09",
    ),
    "clinical data of one hospital": (
        lambda table: table.drop(columns=["ct", "mask", "mask_2", "hospital", "cohort"]),
        NO_TEST | {FIRST: FIRST + 'parts = ["clinical"]\n'}, {"Clinical"}, "01 03 08 09",
    ),
    "the network alone": (
        lambda table: table, {FIRST: FIRST + 'parts = ["network"]\n'}, {"CNN"},
        "01 02 03 04 05 06 07 08",
    ),
    "no clinical predictors, no network": (
        lambda table: table,
        {FIRST: FIRST + 'parts = ["clinical", "radiomics"]\n',
         "[author]": "[clinical]\npredictors = []\n\n[author]"},
        {"LR", "SVM", "Bayes"}, "01 03 05 07 08",
    ),
}  # fmt: skip


def designed(finished, folder, name):
    """A copy of the finished study, its caches too, in another design."""
    edit, replaced, models, numbers = DESIGNS[name]
    shutil.copytree(finished.folder, folder)
    (folder / "test_set.jsonl").unlink(missing_ok=True)
    edit(read_cells(folder / "cohort.csv")).to_csv(folder / "cohort.csv", index=False)
    text = (folder / "study.toml").read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "study.toml").write_text(text)
    return load_study(folder, folder.parent / "reports", **QUICK), models, set(numbers.split())


# by hand all of them: DESIGNS=4
@pytest.mark.slow
@pytest.mark.parametrize("name", list(DESIGNS)[: int(os.environ.get("DESIGNS", 1))])
def test_a_design_runs_to_a_report_that_says_what_it_is(finished, tmp_path, name):
    study, models, numbers = designed(finished, tmp_path / "study", name)
    states = run.run_study(study, overrides=QUICK)
    assert {s["name"][:2] for s in states if s["state"] == "done"} == numbers
    assert all(s["message"] for s in states if s["state"] == "not needed")
    run.check_privacy(study, states)
    said = UNTESTED.split(", ")[0].partition(" to ")[0]  # of which nothing is escaped in HTML
    index, untested = (study.reports / "index.html").read_text(), not design.tested(study.settings)
    assert (said in index) == untested
    results = study.table(tables.INTERNAL_RESULTS if untested else tables.METRICS)
    assert set(results.model) == models
    for page in study.reports.glob("0*.html"):
        text = page.read_text()
        assert "Traceback" not in text and (said in text) == untested
    draft = (study.reports / "manuscript.md").read_text()
    assert ("There was no test cohort" in draft) == untested and "nan" not in draft
    if "hospital" in name and "three" in name:
        left_out = set(study.table(tables.HOSPITALS).hospital)
        assert left_out - {"pooled"} == {"A", "B", "C"}  # pooled where three AUCs have a variance
    row = read_cells(finished.cohort_csv).iloc[[0]]
    row.to_csv(study.folder / "new.csv", index=False)
    patients = predicting.read_patients(study, study.folder / "new.csv")
    scored = predicting.run_predictions(study, patients, tmp_path / "new")
    assert set(scored.model) == models and scored.score.notna().all()
    with pytest.raises(UsageError, match="Expected: another notebook"):
        run.run_study(study, only=["05" if untested else "09"], overrides=QUICK)


def settings(**given):
    return build(Settings, given, "study.toml")


def test_parts_decide_which_notebooks_and_cells_are_run():
    clinical = settings(parts=["clinical"], cohorts={"test": []})
    idle = {n.digits for n in NOTEBOOKS if design.not_needed(clinical, n)}
    assert idle == {"02", "04", "05", "06", "07"} and not design.imaged(clinical)
    assert design.absent(clinical) == {"radiomics", "network", "images", "test"}
    assert design.absent(Settings()) == {"untested"}
    assert [n.digits for n in NOTEBOOKS if design.not_needed(Settings(), n)] == ["09"]
    bare = settings(clinical={"predictors": []})
    assert design.parts(bare) == ("radiomics", "network") and design.stacked(bare)
    assert not design.stacked(settings(parts=["network"]))
    with pytest.raises(StudyError, match="parts = .*1 to 3 values"):
        settings(parts=[])


def hospitals(*counts):
    """Training patients of hospitals A, B, ..., of each so many with label 0 and label 1."""
    rows = [(h, y) for h, two in zip("ABCD", counts, strict=False) for y in (0, 1)
            for _ in range(two[y])]  # fmt: skip
    return pd.DataFrame(rows, columns=["hospital", "label"])


def test_folds_of_hospitals():
    train = hospitals((4, 4), (3, 3), (2, 4))
    fold = classical.folds(train, 7, 1, "hospital")
    assert train.groupby(fold).hospital.nunique().tolist() == [1, 1, 1]
    with pytest.raises(StudyError, match="from 2 hospitals.*Expected: 3 or more"):
        classical.folds(hospitals((9, 9), (9, 9)), 3, 1, "hospital")
    with pytest.raises(StudyError, match="without hospital A 4 .* have label 1. Expected: 5"):
        classical.folds(hospitals((9, 9), (9, 2), (9, 2)), 3, 1, "hospital")
    assert eligibility.refused_hospitals(train.drop(columns="hospital")).startswith("the training")
