"""Who can take part: the paper's rules in order, each patient excluded once (paper, Cohort)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.cohort.reading import IMAGES
from radiogenomics.images import anonymity, lesions
from radiogenomics.images.boxes import boxed
from radiogenomics.images.formats import content_hash
from radiogenomics.study import design, tables
from radiogenomics.study.contract import PLATT_FOLDS, TRAIN
from radiogenomics.study.errors import TableFault
from radiogenomics.study.files import digest, there
from radiogenomics.study.settings import Evaluation, key_of
from radiogenomics.study.study import Study

HOSPITALS = 3  # from which each can be left out in turn
WHAT = {"ct_hash": "CT", "mask_hash": "mask", "mask_2_hash": "second reader's mask"}


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
    faulty = [fault for fault in table.fault.unique() if fault]
    checks = [("table", fault, table.fault == fault) for fault in faulty]
    checks += [("eligibility", f"age under {rules.min_age:g}", _below(table, "age", rules.min_age))]
    late = _above(table, "interval_days", rules.max_interval_days)
    checks.append(("eligibility", f"over {rules.max_interval_days:g} days from CT to biopsy", late))
    checks.append(("eligibility", "CT after the biopsy", _below(table, "interval_days", 0)))
    if rules.histology:
        histology = table.get("histology", pd.Series("", table.index)).astype(str).str.casefold()
        other = ~histology.isin([h.casefold() for h in rules.histology])
        checks.append(("eligibility", f"histology is not {' or '.join(rules.histology)}", other))
    checks.append(("clinical data", f"no {study.settings.label.name} status", table.label.isna()))
    needed = dict.fromkeys((*rules.required, *study.settings.clinical.predictors))
    for column in needed:
        gone = table[column].isna() if column in table else pd.Series(True, table.index)
        checks.append(("clinical data", f"{column} missing", gone))
    for column in ("ct", "mask") if design.imaged(study.settings) else ():
        drawn = ~boxed(table) if column == "mask" else True
        checks.append(("files", f"{column} not named in cohort.csv", (table[column] == "") & drawn))
        gone = ~table[column].map(lambda p: p != "" and there(p)) & drawn
        checks.append(("files", f"{column} file missing", gone))
    out = _first_reason(table, checks)
    paths = table.set_index("patient")[["ct", "mask"]]
    lost = out.reason.isin([f"{column} file missing" for column in paths])
    out.loc[lost, "reason"] = [
        anonymity.anonymous(
            f"{r.reason}: {as_written(study, paths.loc[r.patient, r.reason.split()[0]])} is not "
            "there. Expected: a file or folder inside the study folder. Copy it there, or correct "
            "the path.", paths.loc[r.patient], r.patient)
        for r in out[lost].itertuples()
    ]  # fmt: skip
    if failures is not None:
        later = failures[~failures.patient.isin(out.patient)].drop_duplicates("patient")
        out = pd.concat([out, later], ignore_index=True)
    left = table[~table.patient.isin(out.patient)].drop(
        columns=["fault", "unread"], errors="ignore"
    )
    left["label"] = left.label.astype(int)
    for column in ("ct", "mask"):
        left[f"{column}_hash"] = _hashes(left, column)
        locked = left[(left[f"{column}_hash"] == "") & (left[column] != "")]
        reason = [f"{column} file may not be read: {as_written(study, p)}. Expected: permission to "
                  "read it. Ask who owns it." for p in locked[column]]  # fmt: skip
        out = pd.concat([out, locked[["patient"]].assign(step="files", reason=reason)])
        left = left.drop(locked.index)
    if "mask_2" in left:  # a missing or locked one does not exclude a patient
        left["mask_2_hash"] = _hashes(left, "mask_2")
    if complete:
        require_both(study, left, out)
    flow = _flow(table, out, left, study.settings.cohorts.sides)
    return left.reset_index(drop=True), out.reset_index(drop=True), flow


def with_images(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return the patients whose CT and mask are there, whatever else is wrong with their rows."""
    ct, mask = (table[c].map(lambda p: p != "" and there(p)) for c in ("ct", "mask"))
    left = table[ct & (mask | boxed(table))]
    for column in [c for c in ("ct", "mask", "mask_2") if c in left]:
        left = left.assign(**{f"{column}_hash": _hashes(left, column)})
    return left


def _hashes(left: pd.DataFrame, column: str) -> list[str]:
    """Return the content hash of each image, "" where none is named."""
    if column != "mask":
        return [readable_hash(Path(p)) if p else "" for p in left[column]]
    return [mask_hash(row) for row in left.to_dict("records")]


def mask_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of what a patient's lesion is made from: masks and rule, box and CT."""
    if row.get("box"):
        return digest(row["box"], row["ct_hash"])
    hashes = [readable_hash(Path(path)) if path else "" for path in lesions.masks(row)]
    return digest(*hashes, row[lesions.COLUMN]) if row.get(lesions.COLUMN) else hashes[0]


def further(out: pd.DataFrame, failures: pd.DataFrame) -> list[tuple[str, str]]:
    """Return patient and reason of images that fail in patients who are out for another reason."""
    other = out[out.step != "images"].patient
    rows = failures[failures.patient.isin(other)]
    return list(zip(rows.patient, rows.reason, strict=True))


def workable_folds(fewest: int) -> list[int]:
    """Return the numbers of folds that may be set for so many training patients of the rarer label.

    Each fold needs one of them, and leaves enough of them outside for the SVM's calibration, which
    has `PLATT_FOLDS` folds of its own.
    """
    limits = key_of(Evaluation, "folds")
    may_be = range(limits.low, limits.high + 1)
    return [n for n in may_be if n <= fewest and _left_outside(fewest, n) >= PLATT_FOLDS]


def _left_outside(fewest: int, folds: int) -> int:
    """Return how many of so many patients the largest of stratified folds leaves outside."""
    return fewest - math.ceil(fewest / folds)


def refused_folds(labels: pd.Series, folds: int) -> str:
    """Return why training patients of these labels cannot be put into so many folds, "" if so."""
    counts = labels.value_counts().reindex([0, 1], fill_value=0)
    fewest, can = int(counts.min()), workable_folds(int(counts.min()))
    if folds in can:
        return ""
    several = f"one of {can[0]} to {can[-1]}" if len(can) > 1 else str(*can)
    remedy = (
        f"Set [evaluation] folds to {several}, or add patients." if can
        else "No number of folds leaves so many: add patients."
    )  # fmt: skip
    return (
        f"{fewest} training patients have label {counts.idxmin()}; {folds} folds leave "
        f"{_left_outside(fewest, folds)} of them outside a fold. Expected: one in each fold and "
        f"{PLATT_FOLDS} outside it, for the SVM's probabilities. {remedy}"
    )


def refused_hospitals(train: pd.DataFrame) -> str:
    """Return why training patients cannot be put into a fold a hospital, "" if they can."""
    names = train.hospital.unique() if "hospital" in train else []
    if len(names) < HOSPITALS:
        return (
            f"the training patients come from {len(names)} hospitals (column hospital). Expected: "
            f'{HOSPITALS} or more for [evaluation] folds_by = "hospital". Set it to "patient".'
        )
    for name in names:
        others = train.label[train.hospital != name].value_counts().reindex([0, 1], fill_value=0)
        if others.min() < PLATT_FOLDS:
            return (
                f"without hospital {name} {others.min()} training patients have label "
                f"{others.idxmin()}. Expected: {PLATT_FOLDS}, for the SVM's probabilities. Set "
                '[evaluation] folds_by = "patient", or add patients.'
            )
    return ""


def cannot_run(study: Study, left: pd.DataFrame) -> list[str]:
    """Return what would stop a later notebook: too few of a label, too few hospitals."""
    training, how = left[left.cohort == TRAIN], study.settings.evaluation
    by_hospital = how.folds_by == "hospital"
    why = refused_hospitals(training) if by_hospital else refused_folds(training.label, how.folds)
    return [why] if why and training.label.nunique() == 2 else []


def as_written(study: Study, path: str) -> str:
    """Return a path as cohort.csv writes it."""
    return Path(path).relative_to(study.folder).as_posix()


def led_outside(study: Study, patients: pd.DataFrame) -> list[str]:
    """Return the patients of whose images one is a link that leads out of the study folder."""
    home = study.folder.resolve()
    led = patients[["ct", "mask"]].map(
        lambda p: p != "" and not Path(p).resolve().is_relative_to(home)
    )
    return patients.patient[led.any(axis=1)].tolist()


def readable_hash(path: Path) -> str:
    """Return a file's content hash, "" where it is not there or this user may not read it."""
    try:
        return content_hash(path)
    except OSError:
        return ""


def require_both(
    study: Study, left: pd.DataFrame, out: pd.DataFrame, twins: list[str] | None = None
) -> None:
    """Stop where no study can be made of the patients left.

    Args:
        study: names its cohorts.
        left: the patients who can take part.
        out: who cannot, and why.
        twins: what `inspect_cohort` found of one person in several rows.

    Raises:
        TableFault: two patients share a scan; a cohort lacks patients of a label.
    """
    faults = [*_shared_files(left), *(twins or [])]
    if faults:
        raise TableFault("\n".join(faults))
    _refuse_empty(study.settings.cohorts.sides, left, out)


def _below(table: pd.DataFrame, column: str, limit: float) -> pd.Series:
    return table[column] < limit if column in table else pd.Series(False, table.index)


def _above(table: pd.DataFrame, column: str, limit: float) -> pd.Series:
    return table[column] > limit if column in table else pd.Series(False, table.index)


def _first_reason(table: pd.DataFrame, checks: list) -> pd.DataFrame:
    rows, gone = [], pd.Series(False, table.index)
    for step, reason, bad in checks:
        rows += [(p, step, reason) for p in table.patient[bad & ~gone]]
        gone |= bad
    return tables.EXCLUSIONS.frame(rows)


def _flow(
    table: pd.DataFrame, out: pd.DataFrame, left: pd.DataFrame, cohorts: Iterable[str]
) -> pd.DataFrame:
    rows = [("found", "in cohort.csv", len(table))]
    whole = out.step != "files"  # the part of a file's fault before its path
    groups = out.assign(
        reason=out.reason.where(whole, out.reason.str.replace(":.*", "", regex=True))
    )
    groups["reason"] = groups.reason.str.slice(0, 120)
    rows += [(s, r, len(g)) for (s, r), g in groups.groupby(["step", "reason"], sort=False)]
    for cohort in cohorts:
        side = left[left.cohort == cohort]
        rows.append(("included", cohort, len(side)))
        rows += [(f"{cohort} label", str(v), int((side.label == v).sum())) for v in (1, 0)]
    return tables.FLOW.frame(rows)


def excluded(flow: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of flow.csv that count excluded patients."""
    return flow[~flow.step.isin(["found", "included"]) & ~flow.step.str.endswith("label")]


def _shared_files(left: pd.DataFrame) -> list[str]:
    """Return a fault for each scan of two patients, and each mask on both sides of the split."""
    faults = []
    for column in [f"{c}_hash" for c in IMAGES if f"{c}_hash" in left]:
        what = WHAT[column]
        hashed = left[left[column] != ""]
        twice = hashed[hashed[column].duplicated(keep=False)]
        for _, group in twice.groupby(column):
            both = group.cohort.nunique() > 1
            if what != "CT" and not both:
                continue
            names = ", ".join(f"{r.patient} ({r.cohort})" for r in group.itertuples())
            cohorts = sorted(group.cohort.unique(), key=lambda cohort: cohort != TRAIN)
            where = f"in {' and '.join(cohorts)}" if both else "for several patients"
            faults.append(
                f"The same {what} is used {where}: {names}. Expected: one per patient. Keep one "
                "row."
            )
    return faults


def _refuse_empty(cohorts: Iterable[str], left: pd.DataFrame, out: pd.DataFrame) -> None:
    counts = left.groupby(["cohort", "label"]).size()
    tests = [cohort for cohort in left.cohort.unique() if cohort != TRAIN] or [*cohorts][1:2]
    for side in [(cohort, label) for cohort in (TRAIN, *tests) for label in (1, 0)]:
        if counts.get(side, 0) < 2:
            reasons = [f"{r.patient}: {r.reason}" for r in out.head(20).itertuples()]
            excluded = "\n".join([f"{len(out)} are excluded" + ":" * bool(reasons), *reasons])
            raise TableFault(
                f"{counts.get(side, 0)} patients with label {side[1]} are left in the {side[0]} "
                f"cohort. Expected: at least 2. {excluded}"
            )
