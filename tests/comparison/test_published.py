"""Published AUCs stand beside the run's: those of its label, apart from the paper under test."""

import dataclasses

import pandas as pd
import pytest
from radiogenomics.comparison import figures, published
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import SHIPPED
from radiogenomics.study.settings import Label, Paper, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

FILE = SHIPPED / "data" / "published.csv"
METRICS = pd.DataFrame(
    {
        "model": ["Clinical", "CNN", "Com_in_sample", "CNN", "CNN"],
        "cohort": ["test", "test", "test", "internal", "train"],
        "scores": ["external", "external", "external", "internal", "in_sample"],
        "metric": "auc", "ci_method": "delong-logit-t", "n": [25, 25, 25, 40, 95],
        "value": [0.6, 0.8, 0.7, 0.75, 1.0], "ci_low": 0.5, "ci_high": 0.9,
    }
)  # fmt: skip


def study(folder, label="EGFR mutant", file="published.csv"):
    chosen = Settings(label=Label(name=label), paper=Paper(published=file))
    return Study(folder, folder / "reports", chosen)


def test_rows_of_the_label_stand_before_this_runs(tmp_path):
    found = published.beside(study(tmp_path), METRICS)
    printed = pd.read_csv(FILE)
    ours = found[found.source == "this run"]
    assert len(found) == len(printed) + 3 and found.source.iloc[-3:].eq("this run").all()
    assert sorted(found.auc[: len(printed)]) == sorted(printed.auc)
    assert ours[["model", "validation", "patients", "auc"]].to_numpy().tolist() == [
        ["Clinical, test", "external", 25, 0.6], ["CNN, test", "external", 25, 0.8],
        ["CNN, internal", "internal", 40, 0.75],
    ]  # fmt: skip
    assert list(found) == list(tables.PUBLISHED.columns)
    told = say("comparison", "published", **published.span(found))
    for part in ("0.713 (PMC12611665", "0.910 (PMC12527853", "validation random split", "1 of 10"):
        assert part in told
    drawn = figures.published(found)
    assert sum(len(trace.x) for trace in drawn.data) == len(found)
    assert {trace.name for trace in drawn.data} == set(found.validation)
    assert len({trace.marker.symbol for trace in drawn.data}) == len(drawn.data)


def test_another_label_or_no_file_has_no_rows(tmp_path):
    assert published.beside(study(tmp_path, label="KRAS mutant"), METRICS).empty
    assert published.beside(study(tmp_path, file=""), METRICS).empty


def test_a_table_of_ones_own_is_read_and_its_faults_told(tmp_path):
    rows = pd.read_csv(FILE).head(2).assign(label="KRAS mutant")
    own = study(tmp_path, "KRAS mutant", "mine.csv")
    with pytest.raises(StudyError, match="mine.csv, which study.toml names as .paper. published"):
        published.beside(own, METRICS)
    rows.to_csv(tmp_path / "mine.csv", index=False)
    assert len(published.beside(own, METRICS)) == 5
    for column, value in (("validation", "good"), ("auc", "0,8"), ("auc", 1.2)):
        rows.astype(object).assign(**{column: value}).to_csv(tmp_path / "mine.csv", index=False)
        with pytest.raises(StudyError, match="mine.csv, row 2: validation is .*Expected: one of"):
            published.beside(own, METRICS)
    rows.drop(columns="auc").to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(StudyError, match="mine.csv is damaged"):
        published.beside(own, METRICS)


def test_the_report_draws_them_apart_from_the_paper(finished):
    table = finished.table(tables.PUBLISHED)
    assert "this run" in set(table.source) and len(table) > 10
    page = (finished.reports / "05_comparison.html").read_text("utf-8")
    assert "Published AUCs of this label run from" in page
    assert dataclasses.asdict(finished.settings.paper)["published"] == "published.csv"
