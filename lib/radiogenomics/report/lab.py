"""`workbook lab`: copies of the notebooks to explore by hand, in a report folder of their own.

Nothing that is done there changes the report. A copy that its user has changed is never replaced.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import nbformat

from radiogenomics.images.outlined import FOLDER as OUTLINES
from radiogenomics.report.execution import without
from radiogenomics.report.manifest import earlier_states
from radiogenomics.report.pages import notebooks
from radiogenomics.study import contract, design
from radiogenomics.study.files import digest, read_json, whole_file, write_json
from radiogenomics.study.progress import minutes
from radiogenomics.study.study import LAB, Study, load_study
from radiogenomics.study.words import say

MADE = "lab.json"  # digests of the copies as they were made
START = "start.md"
DRAWING = "outline.ipynb"  # in the folder of outlines
GIVEN = Path(__file__).parent / "jupyterlab"  # workspace: the start page alone; settings: no news
OFFLINE = (  # JupyterLab otherwise asks the network for news and newer versions
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
)


def prepare(study: Study) -> Path:
    """Make or refresh the lab folder of a study and return it.

    It receives the run's tables, models, scores, manifest and list of patients where its own are
    missing or older, a copy of each notebook with the parameters of the run filled in, and the
    start page.
    """
    own = load_study(study.folder, study.reports / LAB)
    given = (study.manifest_json, study.predictions_csv, *_below(study.tables, study.models))
    for path in given:
        _bring(path, own.reports / path.relative_to(study.reports))
    _bring(study.included_csv, own.included_csv)
    states = earlier_states(study)
    changed = _copy_notebooks(own, states)
    with whole_file(own.reports / START) as part:
        part.write_text(_start_page(study, states, changed), encoding="utf-8")
    return own.reports


def _below(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def _bring(path: Path, to: Path) -> None:
    """Copy a file where there is none, or an older one."""
    newer = path.exists() and (not to.exists() or to.stat().st_mtime < path.stat().st_mtime)
    if newer:
        with whole_file(to) as part:
            shutil.copy2(path, part)


def _copy_notebooks(own: Study, states: dict[str, dict[str, Any]]) -> list[str]:
    """Write the copies of the notebooks; return the names of those that a user has changed."""
    made = read_json(own.reports / MADE) if (own.reports / MADE).exists() else {}
    folder, changed = _relative(own.folder, own.reports), []
    settings = own.settings
    here = [notebook.name for notebook in design.needed(settings)]
    for path in [p for p in notebooks() if p.stem in here]:
        copy, name = own.reports / path.name, path.stem
        if copy.exists() and _sources(copy) != made.get(name):
            changed.append(name)
            continue
        values = {"folder": folder, "reports": "."} | states[name].get("overrides", {})
        filled = _filled_in(path, values, design.absent(settings))
        if not copy.exists() or _digest(filled) != made[name]:
            with whole_file(copy) as part:
                nbformat.write(filled, part)
        made[name] = _digest(filled)
    write_json(own.reports / MADE, made)
    return changed


def _relative(path: Path, start: Path) -> str:
    """Return a path seen from `start`, with / on every system; whole where the drive is another."""
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:
        return path.as_posix()


def _filled_in(path: Path, values: dict[str, Any], tags: Collection[str]) -> nbformat.NotebookNode:
    """Return a notebook without the cells of these tags, with values in its parameter cell."""
    notebook = without(nbformat.read(path, 4), tags)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = fill_in(cell.source, values)
    return notebook


def fill_in(source: str, values: dict[str, Any]) -> str:
    """Return the lines `name: kind = default  # meaning` with the values that are given."""
    for name, value in values.items():
        written = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        line = re.compile(rf"^({name}\b[^=\n]*= )(?:.*?)(  #.*)?$", re.M)
        source = line.sub(lambda match, new=written: f"{match[1]}{new}{match[2] or ''}", source)
    return source


def _sources(path: Path) -> str:
    """Return a notebook's `_digest`, "" of a file that is no notebook any more."""
    try:
        return _digest(nbformat.read(path, 4))
    except nbformat.reader.NotJSONError:
        return ""


def _digest(notebook: nbformat.NotebookNode) -> str:
    """Return a digest of a notebook's cells; outputs do not count."""
    return digest([cell.source for cell in notebook.cells])


def _start_page(study: Study, states: dict[str, dict], changed: Iterable[str]) -> str:
    """Return the page that JupyterLab opens first: each notebook, its question, state and time."""
    head = say("report", "lab_head", title=study.settings.heading, report=study.reports.name)
    rows = ["| notebook | question | last run | time (min:s) |", "|---|---|---|---|"]
    rows += [_row(notebook, states[notebook.name]) for notebook in design.needed(study.settings)]
    foot = say("report", "lab_foot", changed=list(changed))
    return "\n\n".join([head, "\n".join(rows), foot]) + "\n"


def _row(notebook: contract.Notebook, state: dict[str, Any]) -> str:
    name = f"{notebook.digits} {notebook.word.replace('_', ' ')}"
    time = minutes(state["seconds"]) if state["state"] == "done" else ""
    return f"| [{name}]({notebook.name}.ipynb) | {notebook.question} | {state['state']} | {time} |"


def serve_outlines(study: Study, options: list[str]) -> int:
    """Run JupyterLab on the folder of outlines, with a notebook that opens the editor."""
    folder = study.folder / OUTLINES
    with whole_file(folder / DRAWING) as part:
        nbformat.write(_drawing_notebook(), part)
    start = [f"--LabApp.default_url=/lab/tree/{DRAWING}", f"--LabApp.app_settings_dir={GIVEN}"]
    asked = [sys.executable, "-m", "jupyterlab", str(folder), *start, *OFFLINE, *options]
    return subprocess.run(asked, check=False).returncode


def _drawing_notebook() -> nbformat.NotebookNode:
    made = nbformat.v4.new_notebook()
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    code = 'from radiogenomics.viewer import outlining\n\noutlining.edit("..")'
    made.cells = [
        nbformat.v4.new_markdown_cell(say("viewer", "outlining")), nbformat.v4.new_code_cell(code)
    ]  # fmt: skip
    for number, cell in enumerate(made.cells):
        cell.id = f"outline-{number}"
    return made


def serve(folder: Path, options: list[str]) -> int:
    """Run JupyterLab on a lab folder, with its own options; return its exit status.

    What is open there is kept in the folder itself, so that the next start carries on.
    """
    jupyter, kept = [sys.executable, "-m", "jupyterlab"], folder / ".workspaces"
    if not kept.exists():
        place = f"--WorkspaceImportApp.workspaces_dir={kept}"
        asked = [*jupyter, "workspaces", "import", str(GIVEN / "workspace.json"), place]
        subprocess.run(asked, capture_output=True, check=False)
    start = ["--LabApp.default_url=/lab/workspaces/workbook", f"--LabApp.workspaces_dir={kept}"]
    start.append(f"--LabApp.app_settings_dir={GIVEN}")
    return subprocess.run(
        [*jupyter, str(folder), *start, *OFFLINE, *options], check=False
    ).returncode
