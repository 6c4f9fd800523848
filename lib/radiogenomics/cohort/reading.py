"""cohort.csv: one row per patient, checked cell by cell."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from radiogenomics.cohort.codes import CODES, OPTIONAL, coded
from radiogenomics.cohort.dates import DATES, EXPECTED, UNREAD, with_interval
from radiogenomics.cohort.roles import role_faults
from radiogenomics.cohort.several import inside, with_lesions
from radiogenomics.cohort.sides import assigned, of_dates, twice
from radiogenomics.images import boxes, lesions
from radiogenomics.images.outlined import with_outlines
from radiogenomics.study import design
from radiogenomics.study.cells import read_cells
from radiogenomics.study.contract import TRAIN
from radiogenomics.study.errors import TableFault
from radiogenomics.study.files import shipped
from radiogenomics.study.settings import Author, Codes, Cohorts, Label, Settings, key_of
from radiogenomics.study.study import Study

EVER = {"never": "never", "former": "ever", "current": "ever"}  # the paper's two groups
NUMBERS = ("age", "interval_days")
NO_NAMES = ("na", "n/a", "nan", "null", "none", "<na>")  # which programs read as missing
NEEDED = ("patient", "ct", "mask")
IMAGES = ("ct", "mask", "mask_2")
NO_IMAGES = dict.fromkeys(IMAGES, "")
SEGMENTATION = key_of(Author, "segmentation_kind").choices[1:]  # how a patient's outline was made
OLDEST = 120  # years


def read_cohort(study: Study) -> pd.DataFrame:
    """Read cohort.csv: one row per patient, `cohort` by [cohorts], `label` 0 or 1 or missing.

    Cells that cannot be read are reported in column `fault` (otherwise empty): `exclude` leaves
    that patient out and the others go on. In an optional column they are missing values, which
    column `unread` tells.

    Raises:
        TableFault: every fault that leaves the whole table in doubt, one a line, with its row:
            doubled or empty names, a cohort that contradicts [cohorts], a column in which
            no value can be read.
    """
    read = read_table(study)
    if read.faults:
        held = f"{study.cohort_csv.name} has {len(read.faults)} faults:"
        raise TableFault("\n".join([held, *read.faults]))
    return read.table


def always(settings: Settings) -> tuple[str, ...]:
    """Return the columns that a study's table must have, beside label and predictors."""
    deciding = (settings.cohorts.column.lower(),) if design.tested(settings) else ()
    return (*(NEEDED if design.imaged(settings) else NEEDED[:1]), *deciding)


def _without_images(absent: list[str]) -> str:
    """Return the way out for a study that has no images, "" where that is not what is missing."""
    lacking = {"ct", "mask"} <= set(absent)
    return ' Without images set in study.toml: parts = ["clinical"].' if lacking else ""


class Reading(NamedTuple):
    """A table as it was read: `read_cohort`'s, what leaves the whole in doubt, each bad cell."""

    table: pd.DataFrame
    faults: list[str]
    cells: pd.DataFrame  # row, column, value, expected

    def folded(self) -> list[str]:
        """Return the cells that cannot be read, by column: which values, and how many of each."""
        lines = []
        for column, part in self.cells.groupby("column", sort=False):
            counts = part.value.value_counts()
            values = ", ".join(f"{value!r} ({n})" for value, n in counts.head(9).items())
            values += ", …" * (len(counts) > 9)
            lines.append(f"{column} holds {values}. Expected: {part.expected.iloc[0]}.")
        return lines


def read_table(study: Study) -> Reading:
    """Return the table, and what is wrong with it, without stopping at the first fault.

    Raises:
        TableFault: a column that is needed is not there.
    """
    path = study.cohort_csv
    raw = boxes.with_columns(read_cells(path))
    if not design.imaged(study.settings):
        raw = raw.drop(columns=list(boxes.COLUMNS), errors="ignore").assign(**NO_IMAGES)
    label_column = study.settings.label.column.lower()
    deciding = study.settings.cohorts.column.lower()
    named = [*always(study.settings), label_column, *study.settings.clinical.predictors]
    absent = [c for c in named if c not in raw]
    if absent:
        raise TableFault(
            f"{path.name} has no column {', '.join(absent)}. Found: {', '.join(raw.columns)}. "
            f"Expected: the columns of {shipped('data/README.md')}." + _without_images(absent)
        )
    raw = with_outlines(raw, study.folder)
    raw, lesion_faults = with_lesions(canonical(raw, study.settings.codes), study.settings)
    raw, split_faults = _split(raw, study.settings.cohorts)
    lost = (raw.cohort == "") & (raw.get(deciding, "") != "")
    raw = with_interval(raw)
    # of a day nothing is left but whether it is of use
    if deciding in raw and of_dates(study.settings.cohorts):
        said = np.where(lost, "a day in no cohort", "")
        raw = raw.assign(**{deciding: np.where(raw[deciding] == UNREAD, UNREAD, said)})
    cells = _cell_faults(raw, study)
    spare = _optional(study)
    needed = [cell for cell in cells if cell[1] not in spare]
    faults = [*name_faults(raw), *lesion_faults, *split_faults, *_hopeless(raw, needed)]
    faults += _label_faults(raw, study.settings.label)
    bad = pd.DataFrame(
        [(i, column, raw[column].iloc[i], expected) for i, column, expected in cells],
        columns=["row", "column", "value", "expected"],
    )
    optional = bad.column.isin(spare)
    texts = {name: _by_row(raw, part) for name, part in
             (("fault", bad[~optional]), ("unread", bad[optional]))}  # fmt: skip
    for cell in bad[optional].itertuples():
        raw.iloc[cell.row, raw.columns.get_loc(cell.column)] = ""
    table = _typed(raw, study).reset_index(drop=True)
    return Reading(table.assign(**texts), [*faults, *role_faults(study, table)], bad)


def _optional(study: Study) -> set[str]:
    """Return the columns that a patient can do without."""
    needed = {*study.settings.eligibility.required, *study.settings.clinical.predictors}
    return {*OPTIONAL, "smoking", "cea", "sex", "segmentation"} - needed


def canonical(raw: pd.DataFrame, codes: Codes) -> pd.DataFrame:
    """Write a table's codes as data/README.md does (F: female), paths with forward slashes."""
    known = {c: coded(c, raw[c], codes) for c in CODES if c in raw}
    paths = {c: raw[c].str.replace("\\", "/", regex=False) for c in IMAGES if c in raw}
    how = {c: raw[c].str.casefold() for c in ["segmentation"] if c in raw}
    return raw.assign(**known, **paths, **how)


def name_faults(raw: pd.DataFrame) -> list[str]:
    """Return what is wrong with a table's names of patients, a line each."""
    faults = []
    for patient in raw.patient[raw.patient.duplicated() & (raw.patient != "")].unique():
        rows = ", ".join(str(i + 2) for i in raw.index[raw.patient == patient])
        faults.append(
            f"rows {rows}: patient {patient} appears more than once. Keep one row, or name each "
            "lesion in a column lesion."
        )
    for i in np.flatnonzero(raw.patient.str.casefold().isin(NO_NAMES)):
        faults.append(
            f"row {raw.index[i] + 2}: patient is {raw.patient.iloc[i]!r}, which other programs "
            "read as missing. Give another pseudonym."
        )
    for i in np.flatnonzero(raw.patient == ""):
        faults.append(f"row {raw.index[i] + 2}: patient is empty. Give every patient a pseudonym.")
    return faults


def _cell_faults(raw: pd.DataFrame, study: Study) -> list[tuple[int, str, str]]:
    """Return (row, column, expected) of every cell that cannot be read."""
    checks = [
        (c, raw[c].isin([*codes, ""]), f"one of {', '.join(codes)}, or nothing")
        for c, codes in CODES.items()
        if c in raw
    ]
    for column in [c for c in NUMBERS if c in raw]:
        numbers = pd.to_numeric(raw[column], errors="coerce")
        good = np.isfinite(numbers) | (raw[column] == "")
        checks.append((column, good, "a number such as 61"))
        if column == "age":
            years = numbers.between(0, OLDEST) | ~good | (raw[column] == "")
            checks.append((column, years, f"years, 0 to {OLDEST}"))
    checks += [(c, raw[c] != UNREAD, EXPECTED) for c in DATES if c in raw]
    if "segmentation" in raw:
        known = raw.segmentation.isin([*SEGMENTATION, ""])
        checks.append(("segmentation", known, f"one of {', '.join(SEGMENTATION)}, or nothing"))
    for column in [c for c in IMAGES if c in raw]:
        checks.append((column, raw[column].map(inside), "a path inside the study folder"))
    label = study.settings.label
    if (negative := _negative(label)) and label.positive:
        accepted = {"", *_codes(*label.positive, *negative, *label.missing)}
        known = ", ".join((*negative, *label.positive))
        expected = f"one of {known}, or nothing (study.toml [label])"
        if not label.negative:  # the default column
            expected = "0 (wild-type) or 1 (mutant), or name the positive value in study.toml "
            expected += "[label]"
        column = label.column.lower()
        checks.append((column, raw[column].map(_code).isin(accepted), expected))
    sides = study.settings.cohorts.sides
    expected = f"one of {', '.join(dict.fromkeys(sum(sides.values(), ())))} (study.toml [cohorts])"
    checks.append((study.settings.cohorts.column.lower(), raw.cohort != "", expected))
    found = [(int(i), c, e) for c, good, e in checks for i in np.flatnonzero(~good.astype(bool))]
    rows = enumerate(raw.to_dict("records") if boxes.SIZE in raw else ())
    return found + [(i, *fault) for i, row in rows for fault in boxes.faults(row)]


def _negative(label: Label) -> tuple[str, ...]:
    """Return the values that count as 0 where they are named; of the default column, 0."""
    own = (label.column, label.positive) == ("label", ("1",))
    return label.negative or (("0",) if own else ())


def _codes(*values: str) -> list[str]:
    return [_code(value) for value in values]


def _code(value: str) -> str:
    """Return a label's value without regard to capitals; of a number, its value (1.0: 1)."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return value.casefold()


def _label_faults(raw: pd.DataFrame, label: Label) -> list[str]:
    """Return a fault where [label] leaves open what a value counts as, or says it twice."""
    sides = {n: set(_codes(*getattr(label, n))) for n in ("positive", "negative", "missing")}
    for one, other in combinations(sides, 2):
        if both := sides[one] & sides[other]:
            return [f"study.toml [label]: {', '.join(sorted(both))} is both {one} and {other}."]
    if _negative(label):
        return []
    if not label.positive:
        return ["study.toml [label] names no positive values. Expected: those, or the negative."]
    cells = raw[label.column.lower()]
    others = cells[~cells.map(_code).isin({"", *sides["positive"], *sides["missing"]})]
    if others.str.casefold().nunique() < 2:
        return []
    counts = others.value_counts()
    codes = ", ".join(f"{value!r} ({n})" for value, n in counts.head(9).items())
    named = " or ".join(map(repr, label.positive))
    rest = ", ".join(f'"{value}"' for value in counts.index[:9])
    return [
        f"{label.column} holds {codes} besides {named}. Expected: two classes. For {named} against "
        f"the rest write in study.toml, [label], negative = [{rest}]; values in neither list, such "
        f"as a variant of unknown effect, leave their patients out. positive takes several, too."
    ]


def numbered_labels(values: pd.Series, label: Label) -> np.ndarray:
    """Return the labels (patient,): 1, 0, or NaN for a value that counts as neither."""
    given, zeros = values.map(_code), _codes(*_negative(label))
    known = ~given.isin(["", *_codes(*label.missing)])
    one = given.isin(_codes(*label.positive)) if label.positive else ~given.isin(zeros)
    zero = given.isin(zeros) if zeros else ~one
    return np.where(known & (one | zero), one, np.nan)


def _hopeless(raw: pd.DataFrame, cells: list[tuple[int, str, str]]) -> list[str]:
    """Return the faults of columns in which no value can be read: the coding is another one."""
    faults = []
    for column in dict.fromkeys(column for _, column, _ in cells):
        bad = [cell for cell in cells if cell[1] == column]
        if len(bad) > 1 and len(bad) == (raw[column] != "").sum():
            faults += [_fault(raw, *cell) for cell in bad[:3]]
            faults.append(f"no value of {column} can be read. Recode the column.")
    return faults


def _by_row(raw: pd.DataFrame, bad: pd.DataFrame) -> list[str]:
    """Return the faults of each row, "" where it has none."""
    told = [""] * len(raw)
    for row, part in bad.groupby("row"):
        said = [f"{c.column} is {c.value!r}. Expected: {c.expected}" for c in part.itertuples()]
        told[row] = f"row {raw.index[row] + 2}, patient {raw.patient.iloc[row]}: {'; '.join(said)}."
    return told


def _fault(raw: pd.DataFrame, i: int, column: str, expected: str) -> str:
    value = raw[column].iloc[i]
    where = f"row {raw.index[i] + 2}, patient {raw.patient.iloc[i]}"
    return f"{where}: {column} is {value!r}. Expected: {expected}."


def _split(raw: pd.DataFrame, cohorts: Cohorts) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with each patient's cohort ("" unknown), and the faults of the split."""
    column = cohorts.column.lower()
    if column not in raw:  # of a study without a test cohort
        return raw.assign(cohort=TRAIN), []
    side = assigned(raw[column], cohorts)
    both = twice(raw[column], cohorts)
    faults = [f"study.toml [cohorts]: {', '.join(both)} is in several cohorts."] if both else []
    if "cohort" in raw and column != "cohort":
        other = raw.cohort.str.casefold() != side.str.casefold()
        wrong = (raw.cohort != "") & (side != "") & other
        faults += [_fault(raw, i, "cohort", f"{side.iloc[i]}, as its {column} says")
                   for i in np.flatnonzero(wrong)]  # fmt: skip
    return raw.assign(cohort=side), faults


def _typed(raw: pd.DataFrame, study: Study) -> pd.DataFrame:
    settings = study.settings
    days = [settings.cohorts.column.lower()] if of_dates(settings.cohorts) else []
    raw = boxes.with_boxes(raw)
    table = raw.drop(columns=[c for c in (*DATES, *days) if c in raw]).replace("", np.nan)
    table["cohort"] = raw.cohort
    for column in [c for c in ("box", lesions.COLUMN) if c in raw]:
        table[column] = raw[column]
    table["label"] = numbered_labels(raw[settings.label.column.lower()], settings.label)
    for column in [c for c in NUMBERS if c in table]:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    for column in ("mask_label", "ct_series", "ct_acquisition"):
        table[column] = raw.get(column, "")
    table["ct_kernels"] = "|".join(settings.images.prefer_kernel)
    if "smoking" in table:
        table["smoking_history"] = table.smoking.map(EVER)
    for column in [c for c in IMAGES if c in table]:
        table[column] = [str(study.folder / p) if isinstance(p, str) else "" for p in table[column]]
    return table
