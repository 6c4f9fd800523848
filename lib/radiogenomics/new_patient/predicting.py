"""New patients scored by notebook 07, one or a table of them; what each one's run leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import SimpleITK as sitk

from radiogenomics.cohort.codes import coded
from radiogenomics.cohort.reading import NEEDED, canonical, name_faults, numbered_labels
from radiogenomics.cohort.several import with_lesions
from radiogenomics.cohort.sources.found import patients_in
from radiogenomics.images import boxes
from radiogenomics.images.anonymity import anonymous
from radiogenomics.new_patient.prediction import MAP_FILE, PREDICTION, read_images
from radiogenomics.report import mailable
from radiogenomics.report.execution import NotebookFailed
from radiogenomics.report.in_process import run_in_process
from radiogenomics.report.pages import NOTEBOOKS, banner, export_html
from radiogenomics.study import design
from radiogenomics.study.cells import read_cells, write_cells
from radiogenomics.study.contract import NEW_PATIENT
from radiogenomics.study.errors import StudyError, TableFault, UsageError
from radiogenomics.study.files import read_json, write_json
from radiogenomics.study.settings import CODES, Codes
from radiogenomics.study.study import Study

COLUMNS = [
    "patient", "label", "model", "score", "training_patients_below", "prediction_set",
    "applicable", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class NewPatient:
    """One patient of a table: name, notebook 07's parameters, label if known, why not usable."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    label: int | None = None
    fault: str = ""


def run_prediction(study: Study, patient: dict[str, Any], out: Path) -> Path:
    """Run notebook 07 for a new patient and export its HTML to `out`.

    Args:
        study: whose models are used (`package.open_models`).
        patient: the notebook's parameters `ct`, `mask` or `box`, `mask_label`, `sex`, `smoking`,
            `clinical`.
        out: a folder for this patient's results.

    Raises:
        StudyError: the images or the models cannot be used, or what was written holds something
            of the patient's DICOM headers.
        NotebookFailed: a cell stopped for another reason.
    """
    path = NOTEBOOKS / f"{NEW_PATIENT.name}.ipynb"
    where = {"folder": study.folder, "reports": study.reports, "out": out.resolve()}
    executed = out / f"{NEW_PATIENT.name}.ipynb"
    given = patient | {name: str(place) for name, place in where.items()}
    try:
        run_in_process(path, executed, given, design.absent(study.settings))
    except NotebookFailed as failed:
        if isinstance(failed.__cause__, StudyError):  # whoever asked knows no notebook
            raise failed.__cause__ from None
        raise
    html = export_html(executed, out / f"{NEW_PATIENT.name}.html", banner(study, NEW_PATIENT.name))
    images = [Path(patient[name]) for name in ("ct", "mask") if patient[name]]
    places = [str(study.folder), str(study.reports), *(str(p.parent) for p in images)]
    mailable.refuse(mailable.scan_folder(out, images, places, {patient["sex"], patient["smoking"]}))
    return html


def export_dicom(patient: dict[str, Any], results: Path, out: Path) -> list[Path]:
    """Write a patient's results as DICOM (`dicom_out`), for the archive the CT came from.

    Args:
        patient: as of `run_prediction`, which has written `results`.
        results: prediction.json and the map, where there is one.
        out: a folder, which then holds what identifies the patient.

    Raises:
        UsageError: the CT is no DICOM series.
    """
    from radiogenomics.new_patient import dicom_out  # highdicom: half a second

    scan = read_images(*(patient[n] for n in ("ct", "mask", "mask_label", "box", "lesions")))
    place = results / MAP_FILE
    heat = sitk.ReadImage(str(place)) if place.exists() else None
    return dicom_out.write_dicom(scan, read_json(results / PREDICTION), heat, out)


def read_code(name: str, word: str, codes: Codes) -> str:
    """Return the code of a word that a user typed for a clinical value, "" for none.

    Raises:
        UsageError: it is none of the words that cohort.csv may have.
    """
    code = coded(name, pd.Series([word]), codes).iloc[0]
    if code not in ("", *CODES[name]):
        raise UsageError(f"--{name} is {word!r}. Expected: one of {', '.join(CODES[name])}.")
    return code


def read_patients(study: Study, path: Path) -> list[NewPatient]:
    """Read a table of new patients, or a folder that holds one subfolder of images a patient.

    Columns as in cohort.csv: patient, ct and mask (paths from the table's folder) or a box;
    mask_label, lesion, the study's clinical predictors and label where there are any.

    Raises:
        StudyError: the table cannot be read, or a name is missing, doubled or no folder's name.
    """
    if path.is_dir():
        return _of_folder(study, path)
    raw = boxes.with_columns(read_cells(path))
    needed = NEEDED if design.imaged(study.settings) else NEEDED[:1]
    if absent := [column for column in needed if column not in raw]:
        raise TableFault(
            f"{path.name} has no column {', '.join(absent)}. Found: {', '.join(raw.columns)}. "
            f"Expected: {', '.join(needed)}, as in cohort.csv."
        )
    raw, faults = with_lesions(canonical(raw, study.settings.codes), study.settings)
    faults += name_faults(raw)
    faults += [
        f"row {raw.index[i] + 2}: patient is {name!r}. Expected: a name that a "
        "folder can have, without / \\ :"
        for i, name in enumerate(raw.patient)
        if set(name) & set("/\\:") or name in (".", "..")
    ]
    rows = zip(raw.index, raw.to_dict("records") if boxes.SIZE in raw else (), strict=False)
    faults += [f"row {i + 2}: {column} is {row[column]!r}. Expected: {expected}."
               for i, row in rows for column, expected in boxes.faults(row)]  # fmt: skip
    if faults:
        raise TableFault("\n".join([f"{path.name} has {len(faults)} faults:", *faults]))
    rows = boxes.with_boxes(raw).to_dict("records")
    predictors, column = study.settings.clinical.predictors, study.settings.label.column.lower()
    labels = [None] * len(raw)
    if column in raw:
        known = numbered_labels(raw[column], study.settings.label)
        labels = [None if pd.isna(label) else int(label) for label in known]
    return [
        NewPatient(row["patient"], _parameters(row, path.parent, predictors), label)
        for row, label in zip(rows, labels, strict=True)
    ]


def _of_folder(study: Study, folder: Path) -> list[NewPatient]:
    """Return a folder's patients; one of whom not one CT and one mask is found has a fault."""
    found = []
    for one in patients_in(folder):
        row = one.row(folder)
        whole = row["ct"] and row["mask"]
        told = "" if whole else f"{one.line(folder)}. Expected: one CT and one mask."
        found.append(NewPatient(one.patient, _parameters(row, folder, ()), None, told))
    if not found:
        raise UsageError(f"{folder.name} holds no images. Expected: a subfolder for each patient.")
    return found


def _parameters(row: dict[str, str], folder: Path, predictors: tuple[str, ...]) -> dict[str, Any]:
    own = {name: row.get(name, "") for name in ("mask_label", "box", "lesions", "sex", "smoking")}
    named = {name: row.get(name, "") for name in ("ct", "mask")}
    images = {n: str((folder / path).resolve()) if path else "" for n, path in named.items()}
    images |= {"mask": ""} if own["box"] else {}
    further = {name: row[name] for name in predictors if name not in own and row.get(name)}
    return own | images | {"clinical": further}


def run_predictions(
    study: Study,
    patients: list[NewPatient],
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Score new patients: a folder of results each, `out`/scores.csv and `out`/scores.json.

    A patient who cannot be scored has one row with the reason; the others go on. Both files are
    written after every patient.

    Returns:
        scores.csv: patient, label where it is known, model, score, training_patients_below,
        prediction_set, applicable, reason. `workbook compare` reads it.
    """
    rows, found = [], {}
    for done, patient in enumerate(patients, start=1):
        added, content = _scored(study, patient, out / patient.name)
        rows, found = [*rows, *added], found | {patient.name: content}
        table = pd.DataFrame(rows, columns=COLUMNS).astype({"label": "Int64"})
        write_cells(out / "scores.csv", table)
        write_json(out / "scores.json", found)
        progress(done, len(patients))
    return table


def _scored(
    study: Study, patient: NewPatient, out: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a patient's rows of scores.csv and his prediction.json, or the reason."""
    own, fault = {"patient": patient.name, "label": patient.label}, patient.fault
    try:
        if not fault:
            run_prediction(study, patient.parameters, out)
    except StudyError as raised:
        images = [patient.parameters[name] for name in ("ct", "mask")]
        fault = anonymous(str(raised), images, patient.name)  # the table is for others
    if fault:
        return [own | {"reason": fault}], {"reason": fault}
    found = read_json(out / PREDICTION)
    own |= {"applicable": found["applicable"], "reason": " ".join(found["reasons"]) or None}
    if found["refused"]:
        return [own], found
    return [
        own | {"model": model, "score": value,
               "training_patients_below": found["training_patients_below"][model],
               "prediction_set": _set(found["prediction_set"][model])}
        for model, value in found["probability"].items()
    ], found  # fmt: skip


def _set(labels: list[int] | None) -> str | None:
    """Return a prediction set as a cell: `1`, `0`, `0 1` (cannot say); None where none is made."""
    return None if labels is None else " ".join(map(str, labels))
