"""The numbers that a paper prints, read from a file (data/paper.toml: doi 10.21037/qims-24-33)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.study import ROOT, StudyError

PRINTED = ROOT / "data" / "paper.toml"
MEASURES = ("auc", "auc_low", "auc_high", "sensitivity", "specificity", "accuracy")
NEEDED = ("title", "decimals", "cohorts", "table1", "table2")


def load_paper(path: str | Path | None = None) -> dict[str, Any]:
    """Read a paper's printed numbers; without a path those of data/paper.toml.

    Raises:
        StudyError: no file, no TOML, a part that is missing, a row of another length.
    """
    path = Path(path or PRINTED)
    if not path.is_file():
        raise StudyError(f"{path} is not there. Expected: a file in the form of data/paper.toml.")
    try:
        printed = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise StudyError(f"{path.name} is not valid TOML: {fault}. Mend that line.") from None
    absent = [name for name in NEEDED if name not in printed]
    if absent:
        raise StudyError(
            f"{path.name} lacks {', '.join(absent)}. Expected: the parts of data/paper.toml."
        )
    for model, by in printed["table2"].items():
        for cohort, row in by.items():
            if cohort not in printed["cohorts"] or len(row) != len(MEASURES):
                raise StudyError(
                    f"{path.name} [table2.{model}] {cohort} = {row}. Expected: a cohort of "
                    f"[cohorts] and six numbers: {', '.join(MEASURES)}."
                )
    return printed


def results(printed: dict[str, Any]) -> pd.DataFrame:
    """Return Table 2, one row a model and cohort: the measures, n and events."""
    rows = [
        {"model": model, "cohort": cohort, **dict(zip(MEASURES, row, strict=True))}
        | printed["cohorts"][cohort]
        for model, by in printed["table2"].items()
        for cohort, row in by.items()
    ]
    return pd.DataFrame(rows)


def table2(path: str | Path | None = None) -> pd.DataFrame:
    """Return Table 2 long: model, cohort, metric, published, published_low, published_high."""
    rows = []
    for one in results(load_paper(path)).itertuples():
        rows.append((one.model, one.cohort, "auc", one.auc, one.auc_low, one.auc_high))
        for metric in MEASURES[3:]:
            rows.append((one.model, one.cohort, metric, getattr(one, metric), None, None))
    names = ["model", "cohort", "metric", "published", "published_low", "published_high"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[3:], float))


def tests(path: str | Path | None = None) -> pd.DataFrame:
    """Return the printed DeLong tests: model, against, cohort, published_p (as text)."""
    rows = [
        (*one["models"], cohort, one[cohort])
        for one in load_paper(path).get("delong", [])
        for cohort in ("test", "train")
        if cohort in one
    ]
    return pd.DataFrame(rows, columns=["model", "against", "cohort", "published_p"])
