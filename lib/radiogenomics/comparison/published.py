"""AUCs that others have published of the same label: a scale beside the run, not a test of it."""

from __future__ import annotations

import pandas as pd

from radiogenomics.comparison.readings import aucs
from radiogenomics.study import tables
from radiogenomics.study.cells import read_written
from radiogenomics.study.contract import IN_SAMPLE, TRAIN, kind_of
from radiogenomics.study.errors import MissingFile, TableFault
from radiogenomics.study.files import SHIPPED
from radiogenomics.study.study import Study

VALIDATIONS = ("external", "internal", "random split", "cross-validated", "mixed", "not stated")
COLUMNS = ["source", "label", "patients", "validation", "model", "auc", "ci_low", "ci_high"]
HERE = "this run"


def beside(study: Study, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return published.csv: published AUCs of the study's label, then those of this run.

    They are of other patients, and most of another kind of validation. Without a file, or where it
    has none of this label, there are no rows.

    Args:
        study: whose `[paper] published` names the file.
        metrics: metrics.csv's.

    Raises:
        StudyError: the file that study.toml names is not there or faulty.
    """
    name = study.settings.paper.published
    if not name:
        return tables.PUBLISHED.frame()
    printed = _read(study, name)
    same = printed.label.str.casefold() == study.settings.label.name.casefold()
    if not same.any():
        return tables.PUBLISHED.frame()
    cohorts = [name for name in metrics.cohort.unique() if name != TRAIN]
    rows = [printed[same], *(_own(metrics, name, len(cohorts) > 1) for name in cohorts)]
    return pd.concat(rows, ignore_index=True).reindex(columns=list(tables.PUBLISHED.columns))


def _read(study: Study, name: str) -> pd.DataFrame:
    """Return the table, sought in the study folder, then among the shipped files."""
    path = next((p for p in (study.folder / name, SHIPPED / "data" / name) if p.is_file()), None)
    if path is None:
        raise MissingFile(
            f"{name}, which study.toml names as [paper] published, is not there. Expected: a table "
            "of published AUCs in the study folder. Correct the name, or leave it empty."
        )
    rows = read_written(path, COLUMNS, dtype={"source": str, "model": str})
    numbers = rows[["auc", "ci_low", "ci_high"]].apply(pd.to_numeric, errors="coerce")
    bad = ~(rows.validation.isin(VALIDATIONS) & numbers.auc.between(0, 1))
    if bad.any():
        row = rows[bad].iloc[0]
        raise TableFault(
            f"{path.name}, row {row.name + 2}: validation is {row.validation!r}, auc {row.auc!r}. "
            f"Expected: one of {', '.join(VALIDATIONS)}, and an AUC from 0 to 1."
        )
    return rows.assign(**numbers).sort_values("auc", kind="stable")


def _own(metrics: pd.DataFrame, cohort: str, named: bool) -> pd.DataFrame:
    found = aucs(metrics, cohort)
    found = found[found.model != IN_SAMPLE].rename(columns={"value": "auc", "n": "patients"})
    name = found.model + (f", {cohort}" if named else "")
    return found.assign(source=HERE, validation=kind_of(cohort), model=name)


def span(table: pd.DataFrame) -> dict[str, pd.Series | int]:
    """Return the lowest and the highest published row, and how many are of external validation."""
    printed = table[table.source != HERE].sort_values("auc", kind="stable")
    external = int((printed.validation == "external").sum())
    return {"low": printed.iloc[0], "high": printed.iloc[-1], "n": len(printed),
            "external": external}  # fmt: skip
