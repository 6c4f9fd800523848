"""A notebook run alone: 07 for a new patient, 08 for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radiogenomics.comparison.paper import load_paper
from radiogenomics.report import mailable
from radiogenomics.report.execution import run_notebook
from radiogenomics.report.manifest import write_manifest
from radiogenomics.report.pages import NOTEBOOKS, banner, export_html
from radiogenomics.study.contract import NEW_PATIENT, PAPER_AUDIT
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.study import Study, load_study


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


AUDIT = "# An audit of a paper, made by: workbook audit"  # the settings that an audit writes


def run_audit(printed: Path, out: Path) -> Path:
    """Run notebook 08 on a paper's printed numbers, without a study; `out` becomes a report folder.

    Raises:
        StudyError: the paper's file is faulty, or `out` holds something else.
        NotebookFailed: after the HTML was written.
    """
    load_paper(printed)
    toml = out / "study.toml"
    own = toml.is_file() and toml.read_text("utf-8", "replace").startswith(AUDIT)
    if out.exists() and not own and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(
            f"{out.name} holds other files. Expected: a new folder, or one of an earlier audit. "
            "Name another folder."
        )
    with whole_file(toml) as part:
        part.write_text(f'{AUDIT}\ntitle = "Paper audit"\n', encoding="utf-8")
    study, name = load_study(out, out), f"{PAPER_AUDIT.name}.ipynb"
    executed = study.reports / "notebooks" / name
    given = {"folder": str(study.folder), "reports": str(study.reports)}
    try:
        seconds = run_notebook(
            NOTEBOOKS / name, executed, given | {"paper": str(printed.resolve())}
        )
    finally:
        if executed.exists():
            html = export_html(executed, study.reports / f"{PAPER_AUDIT.name}.html", "")
    state = {"name": PAPER_AUDIT.name, "state": "done", "seconds": seconds}
    write_manifest(study, {PAPER_AUDIT.name: state}, {}, [printed])
    places = [
        str(printed.resolve().parent),
        *mailable.folders_here(given["folder"], given["reports"]),
    ]
    mailable.refuse(mailable.scan_folder(study.reports, [], places))
    return html
