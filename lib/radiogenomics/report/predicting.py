"""Notebook 07 for new patients, one or a table of them, all in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.cohort.reading import NEEDED, canonical, name_faults
from radiogenomics.cohort.several import with_lesions
from radiogenomics.images import boxes
from radiogenomics.report import mailable
from radiogenomics.report.in_process import run_in_process
from radiogenomics.report.pages import NOTEBOOKS, banner, export_html
from radiogenomics.study import design
from radiogenomics.study.cells import read_cells, write_cells
from radiogenomics.study.contract import NEW_PATIENT
from radiogenomics.study.errors import StudyError, TableFault
from radiogenomics.study.files import read_json
from radiogenomics.study.study import Study

COLUMNS = ["patient", "model", "probability", "training_patients_below", "reason"]


def run_prediction(study: Study, patient: dict[str, Any], out: Path) -> Path:
    """Run notebook 07 for a new patient and export its HTML to `out`.

    Args:
        study: whose models are used.
        patient: the notebook's parameters `ct`, `mask` or `box`, `mask_label`, `sex`, `smoking`,
            `clinical`.
        out: a folder for this patient's results.

    Raises:
        NotebookFailed: the images or the models cannot be used.
        StudyError: what was written holds something of the patient's DICOM headers.
    """
    path = NOTEBOOKS / f"{NEW_PATIENT.name}.ipynb"
    where = {"folder": study.folder, "reports": study.reports, "out": out.resolve()}
    executed = out / f"{NEW_PATIENT.name}.ipynb"
    given = patient | {name: str(place) for name, place in where.items()}
    run_in_process(path, executed, given, design.absent(study.settings))
    html = export_html(executed, out / f"{NEW_PATIENT.name}.html", banner(study, NEW_PATIENT.name))
    images = [Path(patient[name]) for name in ("ct", "mask") if patient[name]]
    places = [str(study.folder), str(study.reports), *(str(p.parent) for p in images)]
    mailable.refuse(mailable.scan_folder(out, images, places, {patient["sex"], patient["smoking"]}))
    return html


def read_patients(study: Study, path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read a table of new patients: the name of each and `run_prediction`'s parameters.

    Columns as in cohort.csv: patient, ct and mask (paths from the table's folder) or a box;
    mask_label and the study's clinical predictors where there are any.

    Raises:
        StudyError: the table cannot be read, or a name is missing, doubled or no folder's name.
    """
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
    predictors = study.as_fitted().settings.clinical.predictors
    return [(row["patient"], _parameters(row, path.parent, predictors)) for row in rows]


def _parameters(row: dict[str, str], folder: Path, predictors: tuple[str, ...]) -> dict[str, Any]:
    own = {name: row.get(name, "") for name in ("mask_label", "box", "lesions", "sex", "smoking")}
    named = {name: row.get(name, "") for name in ("ct", "mask")}
    images = {n: str((folder / path).resolve()) if path else "" for n, path in named.items()}
    images |= {"mask": ""} if own["box"] else {}
    further = {name: row[name] for name in predictors if name not in own and row.get(name)}
    return own | images | {"clinical": further}


def run_predictions(
    study: Study,
    patients: list[tuple[str, dict[str, Any]]],
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Score a table of new patients: a folder of results each, and `out`/scores.csv.

    A patient who cannot be scored has one row with the reason; the others go on. The table is
    written after every patient.

    Returns:
        scores.csv: patient, model, probability, training_patients_below, reason.
    """
    table = pd.DataFrame(columns=COLUMNS)
    for done, (name, parameters) in enumerate(patients, start=1):
        rows = pd.DataFrame(_scored(study, name, parameters, out / name))
        table = rows if done == 1 else pd.concat([table, rows], ignore_index=True)
        write_cells(out / "scores.csv", table.reindex(columns=COLUMNS))
        progress(done, len(patients))
    return table.reindex(columns=COLUMNS)


def _scored(study: Study, name: str, parameters: dict[str, Any], out: Path) -> list[dict[str, Any]]:
    try:
        run_prediction(study, parameters, out)
    except StudyError as fault:
        return [{"patient": name, "reason": str(fault)}]
    found = read_json(out / "prediction.json")
    return [
        {"patient": name, "model": model, "probability": value,
         "training_patients_below": found["training_patients_below"][model]}
        for model, value in found["probability"].items()
    ]  # fmt: skip
