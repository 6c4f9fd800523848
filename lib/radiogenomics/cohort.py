"""The cohort: read, validate, exclude with reason, split by hospital (paper, Cohort)."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd

from radiogenomics.images import anonymity
from radiogenomics.study.cells import numbered, read_cells
from radiogenomics.study.files import StudyError, content_hash, digest, image_files, whole_file
from radiogenomics.study.settings import Label
from radiogenomics.study.study import Study

CODES = {
    "sex": ("female", "male"),
    "smoking": ("never", "former", "current"),
    "cea": ("normal", "high"),
    "lobe": ("RUL", "RML", "RLL", "LUL", "LLL"),
    "stage": ("I", "II", "III", "IV"),
}
EVER = {"never": "never", "former": "ever", "current": "ever"}  # the paper's two groups
NUMBERS = ("age", "interval_days")
NO_NAMES = ("na", "n/a", "nan", "null", "none", "<na>")  # which programs read as missing
NEEDED = ("patient", "hospital", "ct", "mask")
IMAGES = ("ct", "mask", "mask_2")
WHAT = {"ct_hash": "CT", "mask_hash": "mask", "mask_2_hash": "second reader's mask"}
ENDINGS = ("_hash", "_stamp", "_from")  # of what `keep_included` adds
IMAGE_STEPS = ("images", "preprocessing", "radiomics")
OLDEST = 120  # years


def read_cohort(study: Study) -> pd.DataFrame:
    """Read cohort.csv: one row a patient, `cohort` from the hospital, `label` 0 or 1 or missing.

    A cell that cannot be read is told in column `fault` (empty where all is well): `exclude`
    leaves that patient out and the others go on.

    Raises:
        StudyError: every fault that leaves the whole table in doubt, one a line, with its row:
            doubled or empty names, a cohort that contradicts the hospital, a column in which
            no value can be read.
    """
    path = study.cohort_csv
    raw = read_cells(path)
    label_column = study.settings.label.column.lower()
    absent = [
        c for c in (*NEEDED, label_column, *study.settings.clinical.predictors) if c not in raw
    ]
    if absent:
        raise StudyError(
            f"{path.name} has no column {', '.join(absent)}. Found: {', '.join(raw.columns)}. "
            "Expected: the columns of data/README.md."
        )
    raw = canonical(raw)
    cells = _cell_faults(raw, study)
    faults = [*_name_faults(raw), *_hospital_faults(raw, study), *_hopeless(raw, cells)]
    faults += _label_faults(raw, study.settings.label)
    if faults:
        raise StudyError(f"{path.name} has {len(faults)} faults:\n" + "\n".join(faults))
    return _typed(raw, study).assign(fault=_first_faults(raw, cells))


def canonical(raw: pd.DataFrame) -> pd.DataFrame:
    """Write a table's codes as data/README.md does (Female: female), paths with forward slashes."""
    codes = {
        column: raw[column].replace({c: code for c in raw[column] for code in CODES[column]
                                     if c.casefold() == code.casefold()})
        for column in CODES if column in raw
    }  # fmt: skip
    paths = {c: raw[c].str.replace("\\", "/", regex=False) for c in IMAGES if c in raw}
    sides = {"cohort": raw.cohort.str.casefold()} if "cohort" in raw else {}
    return raw.assign(**codes, **paths, **sides)


def _name_faults(raw: pd.DataFrame) -> list[str]:
    faults = []
    for patient in raw.patient[raw.patient.duplicated() & (raw.patient != "")].unique():
        rows = ", ".join(str(i + 2) for i in np.flatnonzero(raw.patient == patient))
        faults.append(f"rows {rows}: patient {patient} stands more than once. Keep one row.")
    for i in np.flatnonzero(raw.patient.str.casefold().isin(NO_NAMES)):
        faults.append(
            f"row {i + 2}: patient is {raw.patient.iloc[i]!r}, which other programs read as "
            "missing. Give another pseudonym."
        )
    for i in np.flatnonzero(raw.patient == ""):
        faults.append(f"row {i + 2}: patient is empty. Give every patient a pseudonym.")
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
    for column in [c for c in IMAGES if c in raw]:
        checks.append((column, raw[column].map(_inside), "a path inside the study folder"))
    label = study.settings.label
    if negative := _negative(label):
        known = {"", *_codes(label.positive, *negative, *label.missing)}
        expected = f"{', '.join(negative)} or {label.positive}, or nothing (study.toml [label])"
        if not label.negative:  # the default column
            expected = "0 (wild-type) or 1 (mutant), or name the positive value in study.toml "
            expected += "[label]"
        column = label.column.lower()
        checks.append((column, raw[column].map(_code).isin(known), expected))
    sides = (*study.settings.hospitals.train, *study.settings.hospitals.test)
    expected = f"one of {', '.join(sides)} (study.toml [hospitals])"
    checks.append(("hospital", raw.hospital.isin(sides), expected))
    return [(int(i), c, e) for c, good, e in checks for i in np.flatnonzero(~good.astype(bool))]


def _negative(label: Label) -> tuple[str, ...]:
    """Return the values that count as 0 where they are named; of the default column, 0."""
    own = (label.column, label.positive) == ("label", "1")
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
    """Return a fault where several values are neither the positive one nor `missing`."""
    if _negative(label):
        return []
    cells = raw[label.column.lower()]
    others = cells[~cells.map(_code).isin({"", *_codes(label.positive, *label.missing)})]
    if others.str.casefold().nunique() < 2:
        return []
    told = ", ".join(f"{value!r} ({n})" for value, n in others.value_counts().head(9).items())
    return [
        f"{label.column} holds {told} beside {label.positive!r}. Expected: one other value. Name "
        f"those that count as {label.negative_name} in study.toml, [label] negative; the others' "
        "patients are then left out."
    ]


def _inside(path: str) -> bool:
    """Return whether a path cannot leave the study folder, on any system."""
    windows = PureWindowsPath(path)
    return not (windows.drive or windows.root or ".." in windows.parts)


def _hopeless(raw: pd.DataFrame, cells: list[tuple[int, str, str]]) -> list[str]:
    """Return the faults of columns in which no value can be read: the coding is another one."""
    faults = []
    for column in dict.fromkeys(column for _, column, _ in cells):
        bad = [one for one in cells if one[1] == column]
        if len(bad) > 1 and len(bad) == (raw[column] != "").sum():
            faults += [_fault(raw, *one) for one in bad[:3]]
            faults.append(f"no value of {column} can be read. Recode the column.")
    return faults


def _first_faults(raw: pd.DataFrame, cells: list[tuple[int, str, str]]) -> list[str]:
    first = {i: (i, column, expected) for i, column, expected in reversed(cells)}
    return [_fault(raw, *first[i]) if i in first else "" for i in range(len(raw))]


def _fault(raw: pd.DataFrame, i: int, column: str, expected: str) -> str:
    found = raw[column].iloc[i]
    return (
        f"row {i + 2}, patient {raw.patient.iloc[i]}: {column} is {found!r}. Expected: {expected}."
    )


def _hospital_faults(raw: pd.DataFrame, study: Study) -> list[str]:
    sides = study.settings.hospitals
    both = set(sides.train) & set(sides.test)
    if both:
        return [f"study.toml [hospitals]: {', '.join(sorted(both))} both trains and tests."]
    if "cohort" not in raw:
        return []
    known = {**dict.fromkeys(sides.train, "train"), **dict.fromkeys(sides.test, "test")}
    side = raw.hospital.map(known)
    wrong = (raw.cohort != "") & side.notna() & (raw.cohort != side)
    return [_fault(raw, i, "cohort", f"{side[i]}, as its hospital says")
            for i in np.flatnonzero(wrong)]  # fmt: skip


def _typed(raw: pd.DataFrame, study: Study) -> pd.DataFrame:
    settings = study.settings
    table = raw.replace("", np.nan)
    test = raw.hospital.isin(settings.hospitals.test)
    table["cohort"] = np.where(test, "test", "train")
    given = raw[settings.label.column.lower()].map(_code)
    known = ~given.isin(["", *_codes(*settings.label.missing)])
    if negative := _negative(settings.label):
        known &= given.isin(_codes(settings.label.positive, *negative))
    table["label"] = np.where(known, given == _code(settings.label.positive), np.nan)
    for column in [c for c in NUMBERS if c in table]:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    table["mask_label"] = raw.get("mask_label", "")
    if "smoking" in table:
        table["smoking_history"] = table.smoking.map(EVER)
    for column in [c for c in IMAGES if c in table]:
        table[column] = [str(study.folder / p) if isinstance(p, str) else "" for p in table[column]]
    return table


def exclude(
    study: Study, table: pd.DataFrame, failures: pd.DataFrame | None = None,
    complete: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Apply the paper's rules in order; each patient is excluded once, for the first reason.

    Args:
        study: gives the rules.
        table: `read_cohort`'s.
        failures: patient, step, reason of images that could not be used.
        complete: stop where a study cannot be made of those who are left; False while the
            scans are still to be looked at.

    Returns:
        The patients left (`ct_hash`, `mask_hash` and `mask_2_hash` are of their files), the
        exclusions (patient, step, reason) and the flow (step, reason, n).

    Raises:
        StudyError: no patient of one label, or of one cohort, is left.
    """
    rules = study.settings.eligibility
    checks = [("table", fault, table.fault == fault) for fault in table.fault.unique() if fault]
    checks += [("eligibility", f"age under {rules.min_age:g}", _below(table, "age", rules.min_age))]
    late = _above(table, "interval_days", rules.max_interval_days)
    checks.append(("eligibility", f"over {rules.max_interval_days:g} days from CT to biopsy", late))
    checks.append(("eligibility", "CT after the biopsy", _below(table, "interval_days", 0)))
    if rules.histology:
        told = table.get("histology", pd.Series("", table.index)).astype(str).str.casefold()
        other = ~told.isin([h.casefold() for h in rules.histology])
        checks.append(("eligibility", f"histology is not {' or '.join(rules.histology)}", other))
    checks.append(("clinical data", f"no {study.settings.label.name} status", table.label.isna()))
    needed = dict.fromkeys((*rules.required, *study.settings.clinical.predictors))
    for column in needed:
        gone = table[column].isna() if column in table else pd.Series(True, table.index)
        checks.append(("clinical data", f"{column} missing", gone))
    for column in ("ct", "mask"):
        checks.append(("files", f"{column} not named in cohort.csv", table[column] == ""))
        gone = ~table[column].map(lambda p: p != "" and Path(p).exists())
        checks.append(("files", f"{column} file missing", gone))
    out = _first_reason(table, checks)
    paths = table.set_index("patient")[["ct", "mask"]]
    lost = out.reason.isin([f"{column} file missing" for column in paths])
    out.loc[lost, "reason"] = [
        anonymity.anonymous(
            f"{r.reason}: {_short(study, paths.loc[r.patient, r.reason.split()[0]])} is not there. "
            "Expected: a file or folder inside the study folder. Copy it there, or correct the "
            "path.", paths.loc[r.patient])
        for r in out[lost].itertuples()
    ]  # fmt: skip
    if failures is not None:
        later = failures[~failures.patient.isin(out.patient)].drop_duplicates("patient")
        out = pd.concat([out, later], ignore_index=True)
    left = table[~table.patient.isin(out.patient)].drop(columns="fault")
    left["label"] = left.label.astype(int)
    for column in ("ct", "mask"):
        left[f"{column}_hash"] = [_hash(Path(p)) for p in left[column]]
        locked = left[left[f"{column}_hash"] == ""]
        reason = [f"{column} file may not be read: {_short(study, p)}. Expected: permission to "
                  "read it. Ask who owns it." for p in locked[column]]  # fmt: skip
        out = pd.concat([out, locked[["patient"]].assign(step="files", reason=reason)])
        left = left.drop(locked.index)
    if "mask_2" in left:  # one that is not there or locked is no reason to leave a patient out
        left["mask_2_hash"] = [_hash(Path(p)) if p else "" for p in left["mask_2"]]
    if complete:
        require_both(left, out)
    return left.reset_index(drop=True), out.reset_index(drop=True), _flow(table, out, left)


def _short(study: Study, path: str) -> str:
    """Return a path as cohort.csv writes it."""
    return Path(path).relative_to(study.folder).as_posix()


def _hash(path: Path) -> str:
    """Return a file's content hash, "" where it is not there or this user may not read it."""
    try:
        return content_hash(path)
    except OSError:
        return ""


def require_both(left: pd.DataFrame, out: pd.DataFrame) -> None:
    """Stop where no study can be made of the patients left.

    Raises:
        StudyError: one scan stands for two patients; a cohort lacks patients of a label.
    """
    _refuse_leak(left)
    _refuse_empty(left, out)


def _below(table: pd.DataFrame, column: str, limit: float) -> pd.Series:
    return table[column] < limit if column in table else pd.Series(False, table.index)


def _above(table: pd.DataFrame, column: str, limit: float) -> pd.Series:
    return table[column] > limit if column in table else pd.Series(False, table.index)


def _first_reason(table: pd.DataFrame, checks: list) -> pd.DataFrame:
    rows, gone = [], pd.Series(False, table.index)
    for step, reason, bad in checks:
        rows += [(p, step, reason) for p in table.patient[bad & ~gone]]
        gone |= bad
    return pd.DataFrame(rows, columns=["patient", "step", "reason"])


def _flow(table: pd.DataFrame, out: pd.DataFrame, left: pd.DataFrame) -> pd.DataFrame:
    rows = [("found", "in cohort.csv", len(table))]
    whole = out.step != "files"  # of a file's fault, what stands before its path
    groups = out.assign(
        reason=out.reason.where(whole, out.reason.str.replace(":.*", "", regex=True))
    )
    groups["reason"] = groups.reason.str.slice(0, 120)
    rows += [(s, r, len(g)) for (s, r), g in groups.groupby(["step", "reason"], sort=False)]
    for cohort in ("train", "test"):
        side = left[left.cohort == cohort]
        rows.append(("included", cohort, len(side)))
        rows += [(f"{cohort} label", str(v), int((side.label == v).sum())) for v in (1, 0)]
    return pd.DataFrame(rows, columns=["step", "reason", "n"])


def excluded(flow: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of flow.csv that count excluded patients."""
    return flow[~flow.step.isin(["found", "included"]) & ~flow.step.str.endswith("label")]


def _refuse_leak(left: pd.DataFrame) -> None:
    """Stop when one scan is used for two patients, or one mask on both sides of the split."""
    for column in [f"{c}_hash" for c in IMAGES if f"{c}_hash" in left]:
        what = WHAT[column]
        known = left[left[column] != ""]
        twice = known[known[column].duplicated(keep=False)]
        for _, group in twice.groupby(column):
            both = group.cohort.nunique() > 1
            if what != "CT" and not both:
                continue
            names = ", ".join(f"{r.patient} ({r.cohort})" for r in group.itertuples())
            where = "in train and test" if both else "for several patients"
            raise StudyError(
                f"The same {what} stands {where}: {names}. Expected: one a patient. Keep one row."
            )


def _refuse_empty(left: pd.DataFrame, out: pd.DataFrame) -> None:
    counts = left.groupby(["cohort", "label"]).size()
    for side in [("train", 1), ("train", 0), ("test", 1), ("test", 0)]:
        if counts.get(side, 0) < 2:
            reasons = "".join(f"\n{r.patient}: {r.reason}" for r in out.head(20).itertuples())
            raise StudyError(
                f"{counts.get(side, 0)} patients with label {side[1]} are left in the {side[0]} "
                f"cohort. Expected: at least 2. {len(out)} are excluded:{reasons}"
            )


def keep_included(study: Study, left: pd.DataFrame, out: pd.DataFrame, flow: pd.DataFrame) -> None:
    """Write who does not take part and why, the flow, and (in the data folder) who does.

    Raises:
        StudyError: no study can be made of those left (`require_both`); the exclusions are kept.
    """
    study.save_table(out, "exclusions.csv")
    study.save_table(flow, "flow.csv")
    require_both(left, out)
    with whole_file(study.derived / "included.csv") as part:
        stamps = {f"{c}_stamp": left[c].map(_stamp) for c in IMAGES if c in left}
        table = left.assign(**_relative(study, left), **stamps, made_from=_source(study))
        table.to_csv(part, index=False)


def _source(study: Study) -> str:
    """Return a digest of cohort.csv and of the settings that decide who takes part, and as what."""
    rules = study.settings
    table = content_hash(study.cohort_csv) if study.cohort_csv.exists() else ""
    return digest(table, rules.label, rules.hospitals, rules.eligibility)


def _relative(study: Study, left: pd.DataFrame) -> dict[str, list[str]]:
    return {
        c: [str(Path(p).relative_to(study.folder)) if p else "" for p in left[c]]
        for c in IMAGES
        if c in left
    }


def read_included(study: Study) -> pd.DataFrame:
    """Return the patients who take part with every label; notebooks ask `seal` for the test's.

    Raises:
        StudyError: notebook 01 has not run, or with another cohort.csv or other rules.
    """
    path = study.derived / "included.csv"
    if not path.exists():
        raise StudyError("derived/included.csv is not there. Run: workbook run --only 01")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)  # None and TRUE are words here
    words = [*NEEDED, *IMAGES, "mask_label", *(c for c in table if c.endswith(ENDINGS))]
    table = table.replace("", np.nan)
    values = [c for c in table if c not in words]
    table[values] = table[values].apply(numbered)
    table = table.assign(mask_label=table.mask_label.fillna(""), label=table.label.astype(int))
    here = {
        c: table[c].map(lambda p: f"{study.folder}/{p}", na_action="ignore")
        for c in IMAGES
        if c in table
    }
    table = table.assign(**here)
    _refuse_changed(study, table)
    return table.drop(columns="made_from", errors="ignore")


def _stamp(path: str | float) -> str:
    """Return size and time of a file, or of a folder's files; "" where it is not there."""
    if not isinstance(path, str) or not path or not Path(path).exists():
        return ""
    try:
        stats = [p.stat() for p in image_files(Path(path))]
    except OSError:
        return ""
    return f"{sum(s.st_size for s in stats)}:{max((s.st_mtime_ns for s in stats), default=0)}"


def _refuse_changed(study: Study, table: pd.DataFrame) -> None:
    """Stop where cohort.csv, its rules or a file are others than notebook 01 saw.

    Caches are named by the files' content. A study without its table and its images, as a
    reviewer has it, passes.
    """
    seen = set(table.get("made_from", ()))
    if study.cohort_csv.exists() and seen - {_source(study)}:
        raise StudyError(
            "cohort.csv, or [label], [hospitals] or [eligibility] of study.toml, is not what "
            "notebook 01 saw. Expected: the same. Run again from the start: workbook run --from 01"
        )
    for column in [c for c in IMAGES if f"{c}_stamp" in table]:
        now = table[column].map(_stamp)
        for i in np.flatnonzero((now != "") & (now != table[f"{column}_stamp"].fillna(""))):
            row = table.iloc[i]
            if _hash(Path(row[column])) != row[f"{column}_hash"]:
                raise StudyError(
                    f"patient {row.patient}: {_short(study, row[column])} is another file than "
                    "notebook 01 saw. Expected: the same content. Run again from the start: "
                    "workbook run --from 01"
                )


def included(study: Study) -> pd.DataFrame:
    """Return the patients who take part, as the notebooks before this one left them.

    Labels of test patients are missing: they stay sealed until notebook 05 (`seal`).

    Raises:
        StudyError: notebook 01 has not run.
    """
    table = read_included(study)
    return table.assign(label=table.label.astype("Int64").mask(table.cohort == "test"))


def split(patients: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training patients, with labels 0 or 1, and test patients."""
    train, test = (patients[patients.cohort == c].reset_index(drop=True) for c in ("train", "test"))
    return train.astype({"label": int}), test


def drop_failures(study: Study, failures: pd.DataFrame) -> pd.DataFrame:
    """Exclude patients whose images failed later on, with the reason; return who is left.

    Raises:
        StudyError: no study can be made of those left (`require_both`); the exclusions are kept.
    """
    if len(failures):
        known = study.table("exclusions.csv")[["patient", "step", "reason"]]
        images = known[known.step.isin(IMAGE_STEPS)]
        failures = pd.concat([images, failures])
        keep_included(study, *exclude(study, read_cohort(study), failures, complete=False))
    return included(study)
