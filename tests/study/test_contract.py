"""Every table is declared once, and a run writes what is declared."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from radiogenomics.statistics import measures
from radiogenomics.study import contract, tables
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study

LIBRARY = Path(contract.__file__).parents[1]
FILES = {table.file for table in tables.EVERY}


def test_a_run_writes_the_declared_tables_and_no_others(finished):
    written = {path.name for path in finished.tables.glob("*.csv")} | {tables.FEATURES.file}
    others = {t.file for t in tables.EVERY if t.notebook == contract.INTERNAL}  # of other designs
    assert written == FILES - others - {tables.EMBEDDINGS.file}  # of a table made elsewhere
    for table in tables.EVERY:
        if table.file.endswith(".csv") and table.file not in others:
            names = [c for c in pd.read_csv(finished.path(table), nrows=0) if c != "synthetic"]
            assert names == table.ordered(names), table.file


def test_checklists_take_their_evidence_from_declared_tables():
    text = (LIBRARY / "report" / "checklists.toml").read_text(encoding="utf-8")
    asked = [one["file"] for one in tomllib.loads(text)["evidence"].values()]
    named = {
        f.removeprefix("tables/") for f in asked if re.match(r"tables/[^*]*\.(csv|parquet)$", f)
    }
    assert named and named <= FILES


def test_other_columns_are_refused(tmp_path):
    study = Study(tmp_path, tmp_path, Settings())
    good = pd.DataFrame({"step": ["found"], "reason": [""], "n": [1]})
    study.keep(flow=good)
    assert study.table(tables.FLOW).n.tolist() == [1]
    with pytest.raises(ValueError, match=r"missing: \['n'\], not declared: \['number'\]"):
        study.keep(flow=good.rename(columns={"n": "number"}))


def test_the_first_notebook_that_has_not_run_is_named(tmp_path):
    study = Study(tmp_path, tmp_path, Settings())
    late = study.not_yet("models/cnn.keras", contract.TRAINING)
    assert str(late).endswith("Run: workbook run --from 01")
    study.keep(flow=pd.DataFrame({"step": [], "reason": [], "n": []}))
    late = study.not_yet("models/cnn.keras", contract.TRAINING)
    assert str(late).endswith("Run: workbook run --from 02")


def test_every_measure_has_its_line_in_the_contract():
    assert tuple(contract.METRICS) == measures.NAMES
