"""What the reports say in red: warnings.csv."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radiogenomics.cohort.included import read_included
from radiogenomics.cohort.roles import separating
from radiogenomics.study import tables
from radiogenomics.study.study import Study
from radiogenomics.study.words import say


def warnings(study: Study, signs: dict[str, Any]) -> pd.DataFrame:
    """Return warnings.csv: where, warning (what the reports say in red, the index too)."""
    text = {
        "acquisition": say("comparison", "acquisition_signs", **signs),
        "CNN": idle(study),
        "Clinical": _separating(study),
    }
    return tables.WARNINGS.frame([(where, words) for where, words in text.items() if words])


def _separating(study: Study) -> str:
    """Return the sentence on predictors that tell every training label, "" without one."""
    if not study.included_csv.exists():
        return ""
    columns = separating(study.settings, read_included(study))
    return say("cohort", "separating", columns=columns) if columns else ""


def idle(study: Study) -> str:
    """Return the sentence on trainings of the CNN that failed, "" without one."""
    if not study.has(tables.CNN_TRAININGS):
        return ""
    table = study.table(tables.CNN_TRAININGS)
    failed = table.training[~table.learned.astype(bool)].tolist()
    return say("models", "idle", idle=failed, trainings=len(table)) if failed else ""
