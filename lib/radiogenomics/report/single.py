"""A notebook run without a study of its own: 05 for tables of scores, 08 for a paper."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from radiogenomics.comparison.paper import load_paper
from radiogenomics.report import mailable
from radiogenomics.report.execution import run_notebook
from radiogenomics.report.manifest import write_manifest
from radiogenomics.report.pages import NOTEBOOKS, banner, export_html
from radiogenomics.study.contract import PAPER_AUDIT
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.study import Study, load_study

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
    notebook = NOTEBOOKS / f"{PAPER_AUDIT.name}.ipynb"
    return run_alone(load_study(out, out), notebook, {"paper": str(printed.resolve())}, [printed])


def run_alone(
    study: Study, path: Path, parameters: dict[str, Any], inputs: list[Path],
    left_out: Collection[str] = (),
) -> Path:  # fmt: skip
    """Run a notebook of a study that has no other; return its HTML, beside its manifest.

    Cells with a tag of `left_out` are not there.

    Raises:
        NotebookFailed: after the HTML was written.
        StudyError: a file of the reports holds a place of this machine.
    """
    here = {"folder": str(study.folder), "reports": str(study.reports)}
    executed, html = study.reports / "notebooks" / path.name, study.reports / f"{path.stem}.html"
    try:
        seconds = run_notebook(path, executed, here | parameters, left_out)
    finally:
        if executed.exists():
            export_html(executed, html, banner(study))
    state = {"name": path.stem, "state": "done", "seconds": seconds}
    write_manifest(study, {path.stem: state}, {}, inputs)
    places = [*dict.fromkeys(str(table.resolve().parent) for table in inputs)]
    places += mailable.folders_here(*here.values())
    mailable.refuse(mailable.scan_folder(study.reports, [], places))
    return html
