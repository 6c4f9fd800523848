"""A notebook run alone: 05 on scores of any software, 07 for a new patient."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.comparison import other_scores
from radiogenomics.report import mailable
from radiogenomics.report.execution import run_notebook
from radiogenomics.report.manifest import write_manifest
from radiogenomics.report.pages import NOTEBOOKS, banner, export_html
from radiogenomics.study.contract import COMPARISON, NEW_PATIENT
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.study import Study, load_study


def run_comparison(predictions: Path, out: Path, columns: Path | None = None) -> Path:
    """Run notebook 05 on a table of scores made by any software; `out` becomes a report folder.

    Args:
        predictions: patient, label, model, score; cohort, fold where there are training scores.
        out: new, or the folder of an earlier comparison.
        columns: the patients' columns in cohort.csv's form.

    Raises:
        StudyError: the tables are faulty (`scoretable`), or `out` holds a study's reports.
        NotebookFailed: after the HTML was written.
    """
    scores = other_scores.read_scores(predictions)
    for text in scores.attrs["told"]:
        print(text)
    if columns is not None:
        other_scores.read_patients(columns, scores)
    study = _comparison_study(predictions, out)
    start = time.monotonic()
    path = NOTEBOOKS / f"{COMPARISON.name}.ipynb"
    given = {"folder": str(study.folder), "reports": str(study.reports)}
    given["predictions"] = str(predictions.resolve())
    given["columns"] = str(columns.resolve()) if columns else None
    executed = study.reports / "notebooks" / path.name
    try:
        run_notebook(path, executed, given)
    finally:
        if executed.exists():
            export_html(executed, out / f"{COMPARISON.name}.html", banner(study))
    state = {"name": COMPARISON.name, "state": "done", "seconds": time.monotonic() - start}
    write_manifest(study, {COMPARISON.name: state}, {}, [p for p in (predictions, columns) if p])
    folders = mailable.folders_here(str(study.folder), str(study.reports))
    places = [str(predictions.resolve().parent), *folders]
    mailable.refuse(mailable.scan_folder(out, [], places))
    return out / f"{COMPARISON.name}.html"


def _comparison_study(predictions: Path, out: Path) -> Study:
    """Write the settings of a comparison to `out`: a new folder, or an earlier comparison's.

    Raises:
        StudyError: `out` holds a study, or its reports, or the table of scores itself.
    """
    heading, toml = 'title = "Comparison of scores: ', out / "study.toml"
    earlier = toml.is_file() and toml.read_text("utf-8", "replace").startswith(heading)
    names = ["cohort.csv", *([] if earlier else [toml.name, "manifest.json", "predictions.csv"])]
    held = [name for name in names if (out / name).exists()]
    if held:
        raise StudyError(
            f"{out.name} holds a study, or the reports of a study ({', '.join(held)}). Expected: a "
            "new folder, or one of an earlier comparison. Name another folder."
        )
    if predictions.resolve() == (out / "predictions.csv").resolve():
        raise StudyError(
            f"{predictions.name} is in {out.name}, where this comparison would overwrite it. "
            "Expected: a table elsewhere. Name another folder."
        )
    lines = [heading + json.dumps(predictions.name)[1:]]
    if _synthetic(predictions):
        lines.append("synthetic = true")
    lines += ["", "[label]", 'name = "label 1"', 'negative_name = "label 0"']
    with whole_file(out / "study.toml") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_study(out, out)


def _synthetic(predictions: Path) -> bool:
    """Return whether the table carries the mark of simulated patients."""
    head = pd.read_csv(predictions, nrows=1)
    return bool("synthetic" in head and head.synthetic.iloc[0])


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
