"""Who takes part: the list that notebook 01 keeps and the others read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radiogenomics.cohort.eligibility import (
    as_written,
    exclude,
    mask_hash,
    readable_hash,
    require_both,
)
from radiogenomics.cohort.reading import IMAGES, NEEDED, read_cohort
from radiogenomics.cohort.roles import sealed
from radiogenomics.images import lesions
from radiogenomics.images.formats import content_hash, image_files
from radiogenomics.images.scans import CHOICE
from radiogenomics.study import contract, tables
from radiogenomics.study.cells import numbered, read_written
from radiogenomics.study.contract import TRAIN
from radiogenomics.study.errors import TableFault
from radiogenomics.study.files import digest, whole_file
from radiogenomics.study.settings import Lesions
from radiogenomics.study.study import Study

ENDINGS = ("readable_hash", "_stamp", "_from")  # of what `keep_included` adds
IMAGE_STEPS = ("images", "preprocessing", "radiomics")


def keep_included(
    study: Study, left: pd.DataFrame, out: pd.DataFrame, flow: pd.DataFrame,
    twins: list[str] | None = None,
) -> None:  # fmt: skip
    """Write who does not take part and why, the flow, and (in the data folder) who does.

    Raises:
        StudyError: no study can be made of those left (`require_both`); the exclusions are kept.
    """
    study.save_table(out, tables.EXCLUSIONS)
    study.save_table(flow, tables.FLOW)
    require_both(study, left, out, twins)
    with whole_file(study.included_csv) as part:
        stamps = {f"{c}_stamp": _stamps(left, c) for c in IMAGES if c in left}
        table = left.assign(**_relative(study, left), **stamps, made_from=_source(study))
        table.to_csv(part, index=False)


def _source(study: Study) -> str:
    """Return a digest of cohort.csv and of the settings that decide who takes part, and as what."""
    rules = study.settings
    table = content_hash(study.cohort_csv) if study.cohort_csv.exists() else ""
    several = [rules.lesions] if rules.lesions != Lesions() else []
    return digest(table, rules.label, rules.cohorts, rules.eligibility, rules.images, *several)


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
    if not study.included_csv.exists():
        raise study.not_yet("the list of patients who take part", contract.COHORT)
    # None and TRUE are words here
    table = read_written(
        study.included_csv, [*NEEDED, "cohort", "label"], dtype=str, keep_default_na=False
    )
    words = [
        *NEEDED,
        *IMAGES,
        "mask_label",
        "box",
        lesions.COLUMN,
        *CHOICE,
        *(c for c in table if c.endswith(ENDINGS)),
    ]
    table = table.replace("", np.nan)
    values = [c for c in table if c not in words]
    table[values] = table[values].apply(numbered)
    written = [c for c in ("mask_label", "box", lesions.COLUMN, *CHOICE) if c in table]
    table[written] = table[written].fillna("")
    table = table.assign(label=table.label.astype(int))
    here = {
        c: table[c].map(lambda p: f"{study.folder}/{p}", na_action="ignore")
        for c in IMAGES
        if c in table
    }
    table = table.assign(**here)
    table["mask"] = table["mask"].fillna("")  # of a box
    _refuse_changed(study, table)
    return table.drop(columns="made_from", errors="ignore")


def _stamps(table: pd.DataFrame, column: str) -> list[str]:
    """Return `_stamp` of each patient's file, of all his masks where they are several lesions'."""
    if column != "mask" or lesions.COLUMN not in table:
        return table[column].map(_stamp).tolist()
    rows = table.to_dict("records")
    return ["+".join(filter(None, map(_stamp, lesions.masks(row)))) for row in rows]


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
        raise TableFault(
            "cohort.csv, or [label], [cohorts] or [eligibility] of study.toml, has changed since "
            f"notebook 01. Expected: no change. Run again: {contract.COHORT.run_from}"
        )
    for column in [c for c in IMAGES if f"{c}_stamp" in table]:
        now = pd.Series(_stamps(table, column), table.index)
        for i in np.flatnonzero((now != "") & (now != table[f"{column}_stamp"].fillna(""))):
            row = table.iloc[i]
            own = mask_hash(row) if column == "mask" else readable_hash(Path(row[column]))
            if own != row[f"{column}_hash"]:
                raise TableFault(
                    f"patient {row.patient}: {as_written(study, row[column])} has changed since "
                    "notebook 01. Expected: the same content. Run again: "
                    f"{contract.COHORT.run_from}"
                )


def load_patients(study: Study) -> pd.DataFrame:
    """Return the patients who take part, as the notebooks before this one left them.

    Labels of test patients, and what tells them, are missing until notebook 05 (`seal`).

    Raises:
        StudyError: notebook 01 has not run.
    """
    return sealed(study.settings, read_included(study))


def split(patients: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training patients, with labels 0 or 1, and those of every test cohort."""
    inside = patients.cohort == TRAIN
    train, test = (patients[side].reset_index(drop=True) for side in (inside, ~inside))
    return train.astype({"label": int}), test


def drop_failures(study: Study, failures: pd.DataFrame) -> pd.DataFrame:
    """Exclude patients whose images failed later on, with the reason; return who is left.

    Raises:
        StudyError: no study can be made of those left (`require_both`); the exclusions are kept.
    """
    if len(failures):
        exclusions = study.table(tables.EXCLUSIONS)[["patient", "step", "reason"]]
        images = exclusions[exclusions.step.isin(IMAGE_STEPS)]
        failures = pd.concat([images, failures])
        keep_included(study, *exclude(study, read_cohort(study), failures, complete=False))
    return load_patients(study)
