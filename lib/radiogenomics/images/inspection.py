"""Inspect every patient's images before anything is computed: what can be used, and why not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from joblib import delayed

from radiogenomics.images import anonymity, lesions
from radiogenomics.images.description import acquisition_row, mask_row
from radiogenomics.images.dicom.headers import first_of, patient_id
from radiogenomics.images.grids import bounds, lattice, nearest
from radiogenomics.images.nifti import NO_SIDES
from radiogenomics.images.scans import Scan, read_ct, read_from, read_row
from radiogenomics.images.thumbnails import thumbnail
from radiogenomics.images.time_limit import time_limit
from radiogenomics.images.twins import Fingerprint, alike, fingerprint, same_voxels
from radiogenomics.images.volumes import require_voxels
from radiogenomics.study import tables
from radiogenomics.study.errors import ImageFault, TableFault
from radiogenomics.study.files import digest, there
from radiogenomics.study.kept import keep, kept
from radiogenomics.study.parallel import each
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study

ACQUISITION = ("scanner", "kernel", "thickness_mm")  # where no DICOM header gives them

RECORD = 2  # of what is kept of a patient's images: another number where the code finds more
BY_SOFTWARE = {  # column segmentation of cohort.csv, and what the audit notes
    "automatic": "outlined by software alone",
    "semi-automatic": "outlined with software, corrected by a person",
}
THICKER = 2.0  # times the usual slice: features of both do not compare
COUNTED = (
    "vendor",
    "scanner",
    "kernel",
    "kvp",
    "thickness_mm",
    "contrast",
    "rescale",
    "orientation",
)


def inspect_cohort(
    study: Study,
    cohort: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[str]]:
    """Read every patient's images once, in this run and the next: what was found is kept.

    Patients whose CT is not named, as in a study without images, are passed over.

    Returns:
        Masks (one row per patient, `thumbnail` among its columns), acquisition (likewise, and of
        those whose mask cannot be used), failures (patient, step, reason), and what leaves the
        whole table in doubt: one person in several rows, by PatientID or by voxels.
    """
    cohort = cohort[cohort.ct != ""]
    jobs = (delayed(_inspected)(row, study) for row in cohort.to_dict("records"))
    results = each(jobs, study.workers)
    records = []
    for record in results:
        records.append(record)
        progress(len(records), len(cohort))
    ids = pd.Series([record["patient_id"] for record in records], index=cohort.patient, dtype=str)
    good = [record for record in records if not record["reason"]]
    prints = {record["patient"]: record["print"] for record in good}
    twins = [*_one_person(cohort, ids), *same_voxels(cohort, prints)]
    by_patient = {record["patient"]: record["mask"] for record in good}
    for patient, note in [*alike(prints).items(), *_thicker(good), *_by_software(cohort, good)]:
        by_patient[patient]["notes"] = "; ".join(filter(None, (by_patient[patient]["notes"], note)))
    failures = [
        (record["patient"], "images", record["reason"]) for record in records if record["reason"]
    ]
    return (
        pd.DataFrame([{"patient": record["patient"], **record["mask"]} for record in good]),
        pd.DataFrame(
            [
                {"patient": record["patient"], **record["acquisition"]}
                for record in records
                if record.get("acquisition")
            ]
        ),  # fmt: skip
        tables.EXCLUSIONS.frame(failures),
        twins,
    )


def _thicker(records: list[dict]) -> list[tuple[str, str]]:
    """Return patient and note where slices are far thicker than those of the others."""
    slices = pd.Series({r["patient"]: r["acquisition"]["slice_mm"] for r in records}, dtype=float)
    usual = slices.median()
    return [(patient, f"slices of {mm:g} mm, the others' median is {usual:g} mm")
            for patient, mm in slices.items() if mm > THICKER * usual]  # fmt: skip


def _by_software(cohort: pd.DataFrame, records: list[dict]) -> list[tuple[str, str]]:
    """Return patient and note where cohort.csv says that software made the outline."""
    if "segmentation" not in cohort:
        return []
    how = cohort.set_index("patient").segmentation.map(BY_SOFTWARE).dropna()
    return [(r["patient"], how[r["patient"]]) for r in records if r["patient"] in how]


def _inspected(row: dict, study: Study) -> dict:
    """Return `_inspect_one`'s record, kept for these files and settings if they can be used.

    No PatientID is kept or returned, but a digest of it.
    """
    measured = study.settings.radiomics
    decides = study.settings.images, measured.pad_mm, measured.edges_mm, RECORD
    key = digest(row["patient"], read_from(row), row.get("mask_2_hash", ""), *decides)
    path = study.derived / "inspected" / f"{key}.json"
    record = kept(path)
    if record is None:
        record = _inspect_one(row, study.settings)
        if not record["reason"]:
            keep(path, record)
    if not record["reason"]:
        record["print"] = Fingerprint(*record["print"])
    return record


def _inspect_one(row: dict, settings: Settings) -> dict:
    record = {"patient": row["patient"], "patient_id": "", "reason": "", "print": None}
    try:
        with time_limit(settings.images.time_limit_s):
            scan = read_row(row)
        record["patient_id"] = _hidden(scan.patient_id)
        _refuse_by_settings(scan, settings)
        second = {"second_mask": _second_mask(row)} if _named(row.get("mask_2")) else {}
        record["mask"] = (
            mask_row(scan, settings.radiomics.pad_mm) | second | {"thumbnail": thumbnail(scan)}
        )
        record["acquisition"] = acquisition_row(scan.ct, scan.acquisition, scan.file_grid)
        record["print"] = fingerprint(scan)
    except Exception as fault:  # noqa: BLE001 - one patient's files never stop the batch
        record["patient_id"] = _hidden(patient_id(Path(row["ct"])))
        images = row["ct"], *lesions.masks(row)
        record["reason"] = anonymity.reason(fault, images, row["patient"])
        record["acquisition"] = _of_ct_alone(row["ct"])
    return record


def _hidden(name: str) -> str:
    return name and digest(name)


def _refuse_by_settings(scan: Scan, settings: Settings) -> None:
    """Refuse a lesion too small to be measured, and sides that are not known where that matters."""
    grid = lattice(scan.ct, *bounds(scan.mask), settings.radiomics.edges_mm)
    require_voxels(nearest(scan.mask, grid))
    if settings.images.unknown_orientation == "refuse" and NO_SIDES in "; ".join(scan.notes):
        raise ImageFault(
            f"{NO_SIDES}. Expected: an orientation (study.toml [images] unknown_orientation). "
            "Convert the images again from DICOM."
        )


def _named(path: str | float | None) -> bool:
    return isinstance(path, str) and path != ""


def _second_mask(row: dict) -> str:
    """Return whether the second reader's mask can be used: its volume, or why not."""
    if row.get("mask_2_hash", 0) == row.get("mask_hash"):
        return "the same as the first reader's mask"
    try:
        mask = read_row(row | {"mask": row["mask_2"], "box": ""}).mask
    except Exception as fault:  # noqa: BLE001 - it takes no part then, the patient does
        return anonymity.reason(fault, (row["ct"], row["mask_2"]), row["patient"])
    voxels = int(sitk.GetArrayViewFromImage(mask).sum())
    return f"{voxels * float(np.prod(mask.GetSpacing())):.1f} mm³"


def _of_ct_alone(path: str) -> dict:
    """Return what the CT of a patient whose mask cannot be used shows."""
    try:
        return acquisition_row(*read_ct(path))
    except Exception:  # noqa: BLE001 - it is the CT that cannot be used
        return {}


def refuse_patient_ids(study: Study, table: pd.DataFrame) -> None:
    """Stop, without naming one, when names in `patient` are the headers' PatientID.

    Args:
        study: says whether the PatientIDs are pseudonyms.
        table: `read_cohort`'s, patients who cannot take part too: their names are printed.

    Raises:
        StudyError: says how many.
    """
    if study.settings.privacy.patient_is_pseudonym:
        return
    named = 0
    for row in table.itertuples():
        images = [Path(path) for path in (row.ct, row.mask) if path and there(path)]
        words = {patient_id(path) for path in images} | anonymity.identifiers(map(first_of, images))
        named += _bare(row.patient) in {_bare(word) for word in words} - {""}
    if named:
        raise TableFault(
            f"cohort.csv: {named} names in column patient are the PatientID, the name or another "
            "number of the DICOM headers. Expected: pseudonyms. Rename the patients, or, if the "
            "headers hold pseudonyms, set in study.toml: [privacy] "
            "patient_is_pseudonym = true"
        )


def _bare(name: str) -> str:
    """Return a name's letters and digits, small, without leading zeros, which Excel drops."""
    return re.sub(r"[\W_]", "", name.casefold()).lstrip("0")


def _one_person(cohort: pd.DataFrame, ids: pd.Series) -> list[str]:
    """Return a fault for several patients with one PatientID; an anonymiser's blank is not a name.

    A PatientID that over half of the scans share is such a blank.
    """
    people = pd.DataFrame({"id": ids.to_numpy(), "patient": cohort.patient.to_numpy(),
                          "cohort": cohort.cohort.to_numpy()})  # fmt: skip
    faults = []
    for name, rows in people[people.id != ""].groupby("id"):
        if 1 < len(rows) <= max(len(people) / 2, 2) and name:
            patients = ", ".join(f"{r.patient} ({r.cohort})" for r in rows.itertuples())
            faults.append(
                f"The DICOM headers say that {patients} are one person. Expected: one row per "
                "patient, never on both sides of the split. Keep one row."
            )
    return faults


def check_table(
    table: pd.DataFrame, out: pd.DataFrame, masks: pd.DataFrame, acquisition: pd.DataFrame
) -> pd.DataFrame:
    """Return check.csv: one row per patient of cohort.csv, what was found and what was decided.

    Args:
        table: `read_cohort`'s.
        out: patient, step, reason of those who do not take part.
        masks: `inspect_cohort`'s.
        acquisition: likewise.

    Returns:
        patient, cohort, state (`used` or `excluded`), step, reason, then the columns of both.
    """
    rows = table[["patient", "cohort"]].merge(out, how="left", on="patient")
    rows["state"] = np.where(rows.step.isna(), "used", "excluded")
    rows = rows[["patient", "cohort", "state", "step", "reason"]]
    for part in (masks.drop(columns="thumbnail", errors="ignore"), acquisition):
        if len(part):
            rows = rows.merge(part.drop(columns="cohort", errors="ignore"), how="left")
    return rows


def acquisition_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many patients each cohort has of each scanner, kernel, ... (`COUNTED`)."""
    counted = [c for c in COUNTED if c in table]
    long = table.melt(id_vars="cohort", value_vars=counted, var_name="what", value_name="value")
    return long.groupby(["what", "value", "cohort"]).size().unstack(fill_value=0)


def with_columns(acquisition: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return the acquisition with each patient's cohort, and what cohort.csv alone can say."""
    table = acquisition.set_index("patient")
    given = patients.set_index("patient").reindex(table.index)
    for column in [c for c in ACQUISITION if c in given]:
        values = table[column].replace("", np.nan) if column in table else given[column]
        table[column] = values.fillna(given[column])
    return table.assign(cohort=given.cohort).reset_index()
