"""A table of scores made by any software, read for `workbook compare`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from radiogenomics.cohort.reading import canonical
from radiogenomics.comparison.other_cohorts import apart, cohorts
from radiogenomics.comparison.other_faults import TEST, refuse
from radiogenomics.comparison.other_lesions import VOLUME, read_lesions
from radiogenomics.statistics.decision import REFERENCES
from radiogenomics.study.cells import header_of, read_cells
from radiogenomics.study.contract import COLUMNS, TRAIN
from radiogenomics.study.errors import TableFault
from radiogenomics.study.settings import Codes

NEEDED = ("patient", "label", "model", "score")
LESION = "lesion"
OPTIONAL = ["parameters", LESION, VOLUME]
MOST_FOLDS = 100_000
COHORT = r"[A-Za-z0-9_-]{1,40}"  # a cohort's name, which names figures too
OF_PREDICT = ("training_patients_below", "prediction_set", "applicable", "reason")  # its columns
NO_MODELS = (
    "patient", "label", "cohort", "fold", "parameters", "synthetic", "lesion", "weight", "",
    "age", "sex", "hospital", "stage", "volume_mm3", "thickness_mm", "interval_days", "year",
)  # fmt: skip
POSITIVE = ("1", "true", "yes", "positive", "pos", "+", "mutant", "mutated", "mut", "case")


def read_scores(*paths: Path, positive: Iterable[str] = (), rule: str = "mean") -> pd.DataFrame:
    """Read scores: patient, cohort, label, model, score, fold; one row per patient and model.

    Or, as R and SPSS write, one column a model beside patient and label. Several tables are
    several cohorts, named by their column `cohort`, else by their file, or its folder where files
    are named alike; of one table without the column all patients are the test cohort. Hospitals
    may number their patients alike. Without `fold` training scores are in-sample. Scores
    outside [0, 1] are taken as they are. A column `parameters`, one number a model, gives its
    candidate parameters, those that selection dropped included. Labels may be words: those of
    `positive`, or one that is usual for 1 (true, yes, mutant), and one other. Several lesions a
    patient, in column `lesion`, become one score by `rule`, or stay cases of their own
    (`read_lesions`). `attrs["told"]` says what was taken.

    Raises:
        TableFault: names rows that cannot be read, are missing, appear twice or disagree.
    """
    named = zip(paths, *cohorts(paths), strict=True)
    parts = [_typed(*_long(path), Path(said), cohort, positive) for path, cohort, said in named]
    told = [line for part in parts for line in part.attrs["told"]]
    parts, of_names = apart(parts)
    table, told = pd.concat(parts, ignore_index=True), told + of_names
    path = Path(" and ".join(path.name for path in paths))
    if LESION in table:
        table, of_lesions = read_lesions(table, rule, path)
        told += [f"{path.name}: {line}" for line in of_lesions]
    table.attrs["told"] = told
    refuse(table, path)
    return table


def _long(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with a row per patient and model, and what to say of a wide one."""
    raw = read_cells(path)
    if {"model", "score"} & set(raw) or not {"patient", "label"} <= set(raw):
        return _with(raw, NEEDED, path), []
    others = [c for c in raw if c not in NO_MODELS]
    numbers = raw[others].apply(pd.to_numeric, errors="coerce").notna().all()
    models = [c for c in others if len(raw) and numbers[c]]
    if not models:
        return _with(raw, NEEDED, path), []
    named = {name.lower(): name for name in header_of(path)}
    kept = [c for c in raw if c not in models]
    long = raw.melt(kept, models, "model", "score").assign(model=lambda t: t.model.map(named))
    return long, [f"columns {', '.join(named[c] for c in models)} are read as models"]


def read_table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """Read a table that has these columns and at least one row.

    Raises:
        TableFault: a column is missing, or every row.
    """
    return _with(read_cells(path), needed, path)


def _with(raw: pd.DataFrame, needed: tuple[str, ...], path: Path) -> pd.DataFrame:
    absent = [name for name in needed if name not in raw]
    if absent:
        raise TableFault(
            f"{path.name} has no column {', '.join(absent)}. Found: {', '.join(raw.columns)}. "
            f"Expected: {', '.join(needed)}, separated by commas."
        )
    if not len(raw):
        raise TableFault(f"{path.name} has no rows. Expected: one row per patient and model.")
    return raw


def _typed(
    raw: pd.DataFrame, read: list[str], path: Path, cohort: str, positive: Iterable[str]
) -> pd.DataFrame:
    known = [*COLUMNS, *OPTIONAL, "synthetic", *(OF_PREDICT if {*OF_PREDICT} <= {*raw} else ())]
    unused = raw.columns.difference(known).tolist()
    raw, left_out = _scored(raw)
    raw = raw.assign(cohort=_named_cohorts(raw, cohort), fold=raw.get("fold", ""))
    raw["label"], told = _numbered_labels(raw.label, positive)
    table = canonical(raw, Codes())
    score, fold = (pd.to_numeric(table[c], errors="coerce") for c in ("score", "fold"))
    label = pd.to_numeric(table.label, errors="coerce")
    counted = (table.fold == "") | ((fold % 1 == 0) & fold.between(0, MOST_FOLDS))
    expected = {
        "patient": (table.patient != "", "a pseudonym"),
        "model": (
            ~table.model.isin(["", *REFERENCES]),
            "a model's name, not all or none, which are the references of the decision curve",
        ),
        "cohort": (
            table.cohort.str.fullmatch(COHORT),
            "train, test, or a test cohort's name of letters, digits, _ or -",
        ),
        "label": (label.isin([0, 1]), "0 or 1, or two words, of which one counts as 1"),
        "score": (score.notna() & (score.abs() < float("inf")), "a finite number such as 0.73"),
        "fold": (counted, "a whole number, or empty"),
    }
    for column, (good, what) in expected.items():
        _refuse_values(table, column, good, what, path)
    typed = table.assign(score=score, fold=fold.astype("Int64"), label=label.astype("Int64"))
    if "parameters" in table:
        typed["parameters"] = pd.to_numeric(table.parameters, errors="coerce")
        good = (table.parameters == "") | (typed.parameters >= 1) & (typed.parameters % 1 == 0)
        _refuse_values(table, "parameters", good, "a whole number from 1, or empty", path)
    typed = typed[[*COLUMNS, *[name for name in OPTIONAL if name in typed]]]
    told = [*read, *left_out, *told, *(f"column {name} is not used" for name in unused)]
    typed.attrs["told"] = [f"{path.name}: {text}" for text in told]
    return typed


def _scored(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with a score, of a table of `workbook predict`, and what to say of others."""
    if not {"score", "reason"} <= set(raw):
        return raw, []
    gone = (raw.score == "") & (raw.reason != "")
    out = int(gone.sum())
    told = [f"{out} patients have no score, with a reason: they are left out"] * (out > 0)
    unlike = raw.patient[~gone & (raw.get("applicable", "") == "False")].nunique()
    told += [f"{unlike} patients are unlike those the models know (not applicable); they are "
             "judged with the others"] * (unlike > 0)  # fmt: skip
    return raw[~gone].reset_index(drop=True), told


def _named_cohorts(raw: pd.DataFrame, otherwise: str) -> pd.Series:
    """Return the cohorts; without the column all are of one; Training is train."""
    if "cohort" not in raw:
        return pd.Series(otherwise, raw.index)
    usual = {"train": TRAIN, "training": TRAIN, "test": TEST}
    return raw.cohort.map(lambda name: usual.get(name.casefold(), name))


def _numbered_labels(labels: pd.Series, named: Iterable[str]) -> tuple[pd.Series, list[str]]:
    """Return labels as 0 and 1, and what to say where words were taken as 1.

    Words that usually are 1 are known alone beside one other; of those named there may be several.
    """
    words = labels.str.casefold()
    found = sorted(set(words) - {""})
    declared = {word.casefold() for word in named} & set(found)
    positive = sorted(declared or {word for word in found if word in POSITIVE})
    zeros = sorted(set(found) - set(positive))
    if len(zeros) != 1 or not (declared or len(positive) == 1):
        return labels, []
    if not declared and zeros[0].replace(".", "").isdigit():  # numbers mean what they say
        return labels, []
    numbers = words.map(dict.fromkeys(positive, "1") | {zeros[0]: "0"}).fillna("")
    ones = ", ".join(map(repr, positive))
    return numbers, [f"label {ones} counts as 1, {zeros[0]!r} as 0"]


def _refuse_values(
    table: pd.DataFrame, column: str, good: pd.Series, expected: str, path: Path
) -> None:
    bad = table[~good]
    if len(bad):
        row = bad.iloc[0]
        raise TableFault(
            f"{path.name}: {len(bad)} rows with an unusable {column}; the first, row "
            f"{bad.index[0] + 2}, patient {row.patient}, model {row.model}: {column} is "
            f"{row[column]!r}. Expected: {expected}."
        )
