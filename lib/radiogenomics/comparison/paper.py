"""A paper's facts, read from a file: what it prints, and what it is recalled by (data/paper.toml).

A file names the label that it is about: a study of another label is compared with no paper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.comparison.evidence import labelled
from radiogenomics.models.predictions import by_cohort
from radiogenomics.statistics import discrimination
from radiogenomics.study import tables
from radiogenomics.study.contract import TRAIN, Notebook
from radiogenomics.study.errors import MissingFile, StudyError
from radiogenomics.study.files import SHIPPED, read_toml, shipped
from radiogenomics.study.study import Study
from radiogenomics.study.words import print_p, printed_rows, tell

FORM = shipped("data/paper.toml")
PRINTED = SHIPPED / "data" / "paper.toml"
MEASURES = ("auc", "auc_low", "auc_high", "sensitivity", "specificity", "accuracy")
NEEDED = ("title",)
EMPTY = {
    "title": "",
    "decimals": 3,
    "cohorts": {},
    "table1": {},
    "table2": {},
}  # where it says nothing


IN_SAMPLE_P = "in-sample: the models were fitted on these patients, so p is not a valid test"


def paper_of(study: Study) -> dict[str, Any] | None:
    """Return the facts of the paper that a study is compared with; None without a paper.

    Raises:
        StudyError: the file that study.toml names is not there or faulty.
    """
    name = study.settings.paper.file
    if not name:
        return None
    places = (study.folder, study.folder.parent, SHIPPED / "data")
    folder = next((place for place in places if (place / name).is_file()), study.folder)
    printed = load_paper(folder / name)
    same = printed.get("label", "").casefold() == study.settings.label.name.casefold()
    return printed if same else None


def recall(study: Study, notebook: Notebook) -> None:
    """Display what the study's paper did at a notebook's step; nothing without a paper."""
    printed = paper_of(study) or {}
    text = printed.get("recalled", {}).get(notebook.word)
    if text:
        tell(
            "comparison", "paper_recalled", paper=printed.get("short", printed["title"]), text=text
        )


def beside(study: Study, values: Mapping[str, tuple[Any, str]]) -> pd.DataFrame | None:
    """Return the values of a run and of the study's paper, under a heading of its own.

    Args:
        study: whose paper it is.
        values: by name, the value found and where the paper's file has it, such as cohorts.test.n.

    Returns:
        found, published, one row per name; None, without a heading, if there is no paper.
    """
    printed = paper_of(study)
    if printed is None:
        return None
    rows = {name: (value, _fact(printed, place)) for name, (value, place) in values.items()}
    tell("comparison", "paper_beside")
    table = pd.DataFrame(rows, index=["found", "published"]).T
    return table[table.published.notna()]


def _fact(printed: dict[str, Any], place: str) -> Any:
    for part in place.split("."):
        printed = printed.get(part, {})
    return printed if printed != {} else None


def load_paper(path: str | Path | None = None) -> dict[str, Any]:
    """Read a paper's printed numbers; without a path those of data/paper.toml.

    A file needs a title; `decimals`, `cohorts`, `table1`, `table2`, `network` and `delong` are
    optional: what the paper prints of them.

    Raises:
        StudyError: no file, no TOML, no title, a row that cannot be read; names it.
    """
    path = Path(path or PRINTED)
    if not path.is_file():
        raise MissingFile(f"{path} is not there. Expected: a file in the form of {FORM}.")
    printed = read_toml(path)
    absent = [name for name in NEEDED if name not in printed]
    if absent:
        raise StudyError(f"{path.name} lacks {', '.join(absent)}. Expected: the parts of {FORM}.")
    printed = EMPTY | printed
    for cohort, size in printed["cohorts"].items():
        n, events = size.get("n"), size.get("events")
        if not (isinstance(n, int) and isinstance(events, int) and 0 < events < n):
            raise StudyError(
                f"{path.name} [cohorts.{cohort}] is {size}. Expected: whole numbers n and events, "
                "fewer events than patients and at least one."
            )
    for model, by in printed["table2"].items():
        for cohort, row in by.items():
            if cohort not in printed["cohorts"] or not _row_is_good(row):
                raise StudyError(
                    f"{path.name} [table2.{model}] {cohort} = {row}. Expected: a cohort of "
                    f"[cohorts] and six numbers, {', '.join(MEASURES)}, or those of them that are "
                    "printed by name: { auc = 0.684, sensitivity = 0.538 }. Shares from 0 to 1: "
                    "divide percent by 100."
                )
    for name, row in printed["table1"].items():
        if not _p_is_good(row.get("p", "")) or not _groups_are_good(row):
            raise StudyError(
                f"{path.name} [table1.{name}] is {row}. Expected: p as text, and counts (one row "
                "per group, with the same number of whole numbers) or groups (mean, SD and n of "
                "each); two "
                "groups or more."
            )
    return printed


def p_text(printed: str) -> str:
    """Return a printed p value as a number with its sign: `P = 0,45` is 0.45, `NS` >0.05."""
    text = str(printed).casefold().replace(" ", "").replace("≥", ">=").replace("≤", "<=")
    text = text.lstrip("p=").replace(",", ".")
    return ">0.05" if text in ("ns", "n.s.", "n.s") else text


def _p_is_good(printed: str) -> bool:
    return bool(re.fullmatch(r"[<>]?=?[01]?\.?\d+(e-\d+)?", p_text(printed)))


def _row_is_good(row: list | dict) -> bool:
    values = list(row.values()) if isinstance(row, dict) else list(row)
    if not all(_is_number(v) and 0 <= v <= 1 for v in values):
        return False
    if isinstance(row, dict):
        return bool(row) and set(row) <= set(MEASURES)
    return len(row) == len(MEASURES)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _groups_are_good(row: dict[str, Any]) -> bool:
    """Return whether a characteristic has two groups or more, each of as many numbers."""
    groups = row.get("counts", row.get("groups"))
    if not isinstance(groups, list) or len(groups) < 2:
        return False
    if not all(isinstance(group, list) and len(group) == len(groups[0]) for group in groups):
        return False
    numbers = [value for group in groups for value in group]
    return all(_is_number(v) and (v >= 0 or "counts" not in row) for v in numbers)


def results(printed: dict[str, Any]) -> pd.DataFrame:
    """Return Table 2, one row per model and cohort: the measures (NaN: not printed), n, events."""
    rows = [
        {"model": model, "cohort": cohort, **_named(row)} | printed["cohorts"][cohort]
        for model, by in printed["table2"].items()
        for cohort, row in by.items()
    ]
    return pd.DataFrame(rows, columns=["model", "cohort", *MEASURES, "n", "events"])


def _named(row: list | dict) -> dict[str, float]:
    return row if isinstance(row, dict) else dict(zip(MEASURES, row, strict=True))


def table2(printed: dict[str, Any]) -> pd.DataFrame:
    """Return Table 2 long: model, cohort, metric, published, published_low, published_high."""
    rows = []
    for row in results(printed).itertuples():
        rows.append((row.model, row.cohort, "auc", row.auc, row.auc_low, row.auc_high))
        for metric in MEASURES[3:]:
            rows.append((row.model, row.cohort, metric, getattr(row, metric), None, None))
    names = ["model", "cohort", "metric", "published", "published_low", "published_high"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[3:], float))


def tests(printed: dict[str, Any]) -> pd.DataFrame:
    """Return the printed DeLong tests: model, against, cohort, published_p (as text)."""
    rows = [
        (*entry["models"], cohort, entry[cohort])
        for entry in printed.get("delong", [])
        for cohort in ("test", "train")
        if cohort in entry
    ]
    return pd.DataFrame(rows, columns=["model", "against", "cohort", "published_p"])


def against_paper(study: Study, metrics: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return paper_vs_run.csv: the paper's values and this run's, at threshold 0.5.

    Without a paper there are no rows.

    Train rows are in-sample, as the paper's: AUC with DeLong's interval, sensitivity,
    specificity and accuracy, then the p values of DeLong's tests (metric `delong_p`, of `model`
    and `against`; `warning` says what an in-sample one is worth).
    """
    printed = paper_of(study)
    if printed is None:
        return tables.PAPER_VS_RUN.frame()
    columns = ["model", "cohort", "metric", "value", "ci_low", "ci_high", "n"]
    first, part = next(iter(by_cohort(scores).items()))  # stands beside the paper's test cohort
    found = metrics[metrics.cohort.isin([TRAIN, first])].replace({"cohort": {first: "test"}})
    measured = table2(printed).merge(printed_rows(found)[columns], how="left")
    measured["difference"] = measured.value - measured.published
    tested = tests(printed).assign(metric="delong_p")
    pairs = {"test": labelled(part, "external"), TRAIN: labelled(part, "in_sample")}
    tested["value"] = [_p_of(pairs[row.cohort], row) for row in tested.itertuples()]
    tested["warning"] = np.where(tested.cohort == "train", IN_SAMPLE_P, "")
    both = pd.concat([measured, tested], ignore_index=True)
    return both.reindex(columns=list(tables.PAPER_VS_RUN.columns))


def _p_of(pairs: dict[str, tuple[np.ndarray, np.ndarray]], row: tuple) -> float:
    if row.model not in pairs or row.against not in pairs:
        return float("nan")
    (labels, scores), (_, other) = pairs[row.model], pairs[row.against]
    return discrimination.delong_test(labels, scores, other)[1]


def farthest(table: pd.DataFrame) -> dict[str, Any]:
    """Return how many published test AUCs lie in this run's intervals, and the one farthest off."""
    rows = table[(table.metric == "auc") & (table.cohort == "test")].dropna(subset="difference")
    if rows.empty:
        return {"far": None}
    inside = int(((rows.ci_low <= rows.published) & (rows.published <= rows.ci_high)).sum())
    far = rows.loc[rows.difference.abs().idxmax()]
    width = (rows.ci_high - rows.ci_low).max()
    return {"far": far, "inside": inside, "compared": len(rows), "width": width}


def shown(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the test cohort's published and found measures, None where there are none."""
    rows = table[table.value.notna() & (table.cohort == "test") & (table.metric != "delong_p")]
    names = ["published", "value", "ci_low", "ci_high", "difference"]
    return rows.set_index(["model", "metric"])[names].round(3) if len(rows) else None


def tests_shown(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the published and found p values of DeLong's tests, None where there are none."""
    rows = table[table.value.notna() & (table.metric == "delong_p")]
    rows = rows.assign(value=rows.value.map(print_p)).set_index(["model", "against", "cohort"])
    return rows[["published_p", "value", "warning"]] if len(rows) else None
