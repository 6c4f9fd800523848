"""A table of scores made by any software, read for `workbook compare`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radiogenomics.cohort.reading import EVER, canonical
from radiogenomics.statistics.decision import REFERENCES
from radiogenomics.study.cells import numbered, read_cells
from radiogenomics.study.contract import COLUMNS, IN_SAMPLE, TRAIN
from radiogenomics.study.errors import TableFault
from radiogenomics.study.settings import Codes

NEEDED = ("patient", "label", "model", "score")
OPTIONAL = ["parameters"]
MOST_FOLDS = 100_000
COHORT = r"[A-Za-z0-9_-]{1,40}"  # a cohort's name, which names figures too
MOST_COHORTS = 20  # more values are a column of something else
TEST = "test"
POSITIVE = ("1", "true", "yes", "positive", "pos", "+", "mutant", "mutated", "mut", "case")
MEASURED = ("age", "thickness_mm", "volume_mm3")  # columns of numbers


def read_scores(path: Path) -> pd.DataFrame:
    """Read scores: patient, cohort, label, model, score, fold; one row per patient and model.

    Without a `cohort` column all patients are the test cohort; without `fold` training scores
    are in-sample. Scores outside [0, 1] are taken as they are. A column `parameters`, one number
    a model, gives its candidate parameters, those that selection dropped included. Labels may be
    two words of which one is usual for 1 (true, yes, mutant). `attrs["told"]` says which was
    taken, and which columns are not used.

    Raises:
        TableFault: names rows that cannot be read, are missing, appear twice or disagree.
    """
    table = _typed(_read(path, NEEDED), path)
    _refuse_crossing(table, path)
    _refuse_disagreement(table, path)
    _refuse_in_sample_alone(table, path)
    _refuse_other_parameters(table, path)
    _refuse_untested(table, path)
    for kind, rows in _kinds(table):
        _refuse_unpaired(rows, kind, path)
        _refuse_one_label(rows, kind, path)
    return table


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    raw = read_cells(path)
    absent = [name for name in needed if name not in raw]
    if absent:
        raise TableFault(
            f"{path.name} has no column {', '.join(absent)}. Found: {', '.join(raw.columns)}. "
            f"Expected: {', '.join(needed)}, separated by commas."
        )
    if not len(raw):
        raise TableFault(f"{path.name} has no rows. Expected: one row per patient and model.")
    return raw


def _typed(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    unused = raw.columns.difference([*COLUMNS, *OPTIONAL]).tolist()
    raw = raw.assign(cohort=_named_cohorts(raw), fold=raw.get("fold", ""))
    raw["label"], told = _numbered_labels(raw.label)
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
        "label": (label.isin([0, 1]), "0 or 1"),
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
    told += [f"column {name} is not used" for name in unused]
    typed.attrs["told"] = [f"{path.name}: {text}" for text in told]
    return typed


def _named_cohorts(raw: pd.DataFrame) -> pd.Series:
    """Return the cohorts; without the column all are the test cohort; Training is train."""
    if "cohort" not in raw:
        return pd.Series(TEST, raw.index)
    usual = {"train": TRAIN, "training": TRAIN, "test": TEST}
    return raw.cohort.map(lambda name: usual.get(name.casefold(), name))


def _numbered_labels(labels: pd.Series) -> tuple[pd.Series, list[str]]:
    """Return labels as 0 and 1, and what to say where one of two words was taken as 1."""
    words = labels.str.casefold()
    found = sorted(set(words) - {""})
    positive = [word for word in found if word in POSITIVE]
    if len(found) != 2 or len(positive) != 1 or found == ["0", "1"]:
        return labels, []
    (negative,) = set(found) - set(positive)
    if negative.replace(".", "").isdigit():
        return labels, []
    return words.map({positive[0]: "1", negative: "0"}).fillna(""), [
        f"label {positive[0]!r} counts as 1, {negative!r} as 0"
    ]


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


def _refuse_crossing(table: pd.DataFrame, path: Path) -> None:
    if table.cohort.nunique() > MOST_COHORTS:
        raise TableFault(
            f"{path.name}: column cohort holds {table.cohort.nunique()} names. Expected: at most "
            f"{MOST_COHORTS}, train and test cohorts. Correct the column."
        )
    sides = table.groupby("patient").cohort.nunique()
    both = sides.index[sides > 1].tolist()
    if both:
        raise TableFault(
            f"{path.name}: {len(both)} patients are in several cohorts: {_some(both)}. "
            "Expected: each patient in one of them. Correct the column cohort."
        )


def _refuse_disagreement(table: pd.DataFrame, path: Path) -> None:
    labels = table.groupby("patient").label.nunique()
    both = labels.index[labels > 1].tolist()
    if both:
        rows = table[table.patient == both[0]].drop_duplicates("label")
        disagreement = ", ".join(f"{r.model} says {r.label}" for r in rows.itertuples())
        raise TableFault(
            f"{path.name}: the labels of {len(both)} patients disagree between models: "
            f"{_some(both)} ({disagreement}). Expected: one label per patient."
        )


def _kinds(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    train = table[table.cohort == TRAIN]
    tests = [cohort for cohort in table.cohort.unique() if cohort != TRAIN] or [TEST]
    return [
        *((cohort, table[table.cohort == cohort]) for cohort in tests),
        ("training, in-sample", train[train.fold.isna()]),
        ("training, out-of-fold", train[train.fold.notna()]),
    ]


def _refuse_unpaired(rows: pd.DataFrame, kind: str, path: Path) -> None:
    """Stop where a model has a patient twice, or lacks patients that another model has."""
    everybody = pd.Index(rows.patient.unique())
    for model, part in rows.groupby("model", sort=False):
        twice = part.patient[part.patient.duplicated()].unique().tolist()
        if twice:
            raise TableFault(
                f"{path.name}: model {model} has {len(twice)} patients twice ({kind}): "
                f"{_some(twice)}. Expected: one score per patient. Keep one row."
            )
        gone = everybody.difference(part.patient).tolist()
        if gone:
            raise TableFault(
                f"{path.name}: model {model} lacks {len(gone)} of {len(everybody)} patients "
                f"({kind}): {_some(gone)}. Expected: every model scores the same patients, or no "
                "paired test is possible. Add these scores or leave the patients out of all models."
            )


def _refuse_untested(table: pd.DataFrame, path: Path) -> None:
    """Stop where a model has no test patient, or its training scores are of two sets of them."""
    for model, rows in table.groupby("model", sort=False):
        inside, outside = (pd.Index(part.patient) for _, part in _kinds(rows)[-2:])
        if not (rows.cohort != TRAIN).any() and (table.cohort != TRAIN).any():
            raise TableFault(
                f"{path.name}: model {model} has no test patient. Expected: the test patients of "
                "the other models. Add these scores, or leave the model out."
            )
        odd = inside.symmetric_difference(outside).tolist()
        if len(inside) and len(outside) and odd:
            raise TableFault(
                f"{path.name}: model {model} has {len(odd)} training patients with only one of an "
                f"in-sample and an out-of-fold score: {_some(odd)}. Expected: both of each."
            )


def _refuse_one_label(rows: pd.DataFrame, kind: str, path: Path) -> None:
    """Stop where test patients, or training patients if there are any, are of one label."""
    labels = sorted(rows.label.unique().tolist())
    if len(labels) < 2 and (len(rows) or not kind.startswith("training, ")):
        raise TableFault(
            f"{path.name}: the labels of the patients ({kind}) are {labels}. Expected: both 0 and "
            "1. Scores of one label, or of training patients alone, cannot be evaluated: add "
            "patients, or leave these rows out."
        )


def _refuse_other_parameters(table: pd.DataFrame, path: Path) -> None:
    if "parameters" not in table:
        return
    parameters = table.groupby("model", sort=False).parameters.unique()
    for model, values in parameters[parameters.map(len) > 1].items():
        raise TableFault(
            f"{path.name}: model {model} has the parameters {_some(values.tolist())}. Expected: "
            "one number in all rows of a model."
        )


def _refuse_in_sample_alone(table: pd.DataFrame, path: Path) -> None:
    if table.model.eq(IN_SAMPLE).all():
        raise TableFault(
            f"{path.name}: {IN_SAMPLE} is the only model. Expected: another name; this one is the "
            "workbook's in-sample stack, which is shown with other models and never alone. Rename "
            "it."
        )


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:5])) + (" and others" if len(names) > 5 else "")


def read_patients(path: Path | None, scores: pd.DataFrame) -> pd.DataFrame:
    """Read the columns of the scored patients (cohort.csv's form; images are not needed).

    Returns:
        One row a scored patient, index patient; cohort and label are the scores'. Without a
        table there are no other columns.

    Raises:
        TableFault: a patient that is missing or appears twice, a label or cohort that disagrees,
            a word among numbers.
    """
    scored = scores.drop_duplicates("patient").set_index("patient")[["cohort", "label"]]
    scored = scored.astype({"label": int}).rename_axis(None)
    if path is None:
        return scored.assign(patient=scored.index)
    raw = canonical(_read(path, ("patient",)), Codes())
    twice = raw.patient[raw.patient.duplicated()].unique().tolist()
    gone = scored.index.difference(raw.patient, sort=False).tolist()
    for names, what in ((twice, "appear twice in"), (gone, "are missing in")):
        if names:
            raise TableFault(
                f"{len(names)} patients {what} {path.name}: {_some(names)}. Expected: one row for "
                "each patient of the scores."
            )
    table = raw.set_index("patient", drop=False).loc[scored.index].rename_axis(None)
    _refuse_other_labels(table, scored, path)
    _refuse_other_cohorts(table, scored, path)
    table = table.replace("", pd.NA)
    _refuse_words(table, path)
    table = table.apply(numbered).assign(patient=scored.index)
    if "smoking" in table and "smoking_history" not in table:
        table["smoking_history"] = table.smoking.map(EVER).fillna(table.smoking)
    return table.assign(cohort=scored.cohort, label=scored.label)


def _refuse_other_labels(table: pd.DataFrame, scored: pd.DataFrame, path: Path) -> None:
    if "label" not in table:
        return
    given = pd.to_numeric(table.label, errors="coerce")
    other = table.index[given.notna() & (given != scored.label)].tolist()
    if other:
        raise TableFault(
            f"{path.name}: the labels of {len(other)} patients are not those of the scores: "
            f"{_some(other)}. Expected: the same label in both tables."
        )


def _refuse_other_cohorts(table: pd.DataFrame, scored: pd.DataFrame, path: Path) -> None:
    if "cohort" not in table:
        return
    differs = table.cohort.str.casefold() != scored.cohort.str.casefold()
    other = table.index[(table.cohort != "") & differs].tolist()
    if other:
        raise TableFault(
            f"{path.name}: {len(other)} patients are of another cohort than the scores': "
            f"{_some(other)}; the first is {table.cohort[other[0]]} here, "
            f"{scored.cohort[other[0]]} there. Expected: the same. Scores without a column cohort "
            "count as test: add it, or leave training patients out."
        )


def _refuse_words(table: pd.DataFrame, path: Path) -> None:
    """Stop where a measured column holds numbers and words; one of words alone makes groups."""
    for name in [name for name in MEASURED if name in table]:
        numbers = pd.to_numeric(table[name], errors="coerce")
        words = table.index[numbers.isna() & table[name].notna()].tolist()
        if words and numbers.notna().any():
            raise TableFault(
                f"{path.name}: {name} of {len(words)} patients is not a number: {_some(words)}; "
                "the "
                f"first is {table[name][words[0]]!r}. Expected: a number, or empty."
            )
