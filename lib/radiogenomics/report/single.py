"""A notebook run alone: 07 for a new patient, 08 for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radiogenomics.report import mailable
from radiogenomics.report.execution import run_notebook
from radiogenomics.report.pages import NOTEBOOKS, banner, export_html
from radiogenomics.study.contract import NEW_PATIENT
from radiogenomics.study.study import Study


def run_prediction(study: Study, patient: dict[str, Any], out: Path) -> Path:
    """Run notebook 07 for a new patient and export its HTML to `out`.

    Raises:
        NotebookFailed: the images or the models cannot be used.
        StudyError: what was written holds something of the patient's DICOM headers.
    """
    path = NOTEBOOKS / f"{NEW_PATIENT.name}.ipynb"
    parameters = {"folder": str(study.folder), "reports": str(study.reports), **patient}
    executed = out / f"{NEW_PATIENT.name}.ipynb"
    run_notebook(path, executed, parameters)
    html = export_html(executed, out / f"{NEW_PATIENT.name}.html", banner(study, NEW_PATIENT.name))
    images = [Path(patient["ct"]), Path(patient["mask"])]
    places = [str(study.folder), str(study.reports), *(str(p.parent) for p in images)]
    mailable.refuse(mailable.scan_folder(out, images, places, {patient["sex"], patient["smoking"]}))
    return html
