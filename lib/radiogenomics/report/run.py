"""Run a study's notebooks in order, export them as HTML, keep the manifest and the index."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from radiogenomics.report import acting, checklists, drafted, mailable, manuscript, standing
from radiogenomics.report.execution import NotebookFailed, declared_here, run_notebook
from radiogenomics.report.folders import refuse_another_study, refuse_raw_data
from radiogenomics.report.illustrations import save_illustrations
from radiogenomics.report.index_page import build_index
from radiogenomics.report.manifest import earlier_states, seal_outputs, write_manifest
from radiogenomics.report.pages import (
    NOT_NEEDED,
    banner,
    export_html,
    failed,
    nav,
    notebooks,
)
from radiogenomics.report.request import check_request, chosen_notebooks, with_overrides
from radiogenomics.study import contract, design, tables
from radiogenomics.study.errors import UsageError
from radiogenomics.study.files import write_json
from radiogenomics.study.progress import minutes, progress
from radiogenomics.study.study import Study

CLEAN = (
    "Privacy: no identifier of the DICOM headers, no path and no word of a file's name is in the "
    "reports."
)


def check_privacy(study: Study, states: Iterable[dict[str, Any]] = ()) -> str:
    """Scan the finished reports (`privacy`), note it in manifest and index, return a sentence.

    Args:
        study: its reports are looked through.
        states: of the notebooks that were just run (`run_study`).

    Raises:
        StudyError: the reports hold an identifier of a patient or a path of this machine.
    """
    findings = mailable.scan_of_study(study)
    manifest = study.manifest()
    manifest["privacy_scan"] = {"time": manifest["written"], "found": findings.to_dict("records")}
    write_json(study.manifest_json, manifest)
    build_index(study, _with_earlier(study, states))
    seal_outputs(study)
    mailable.refuse(findings)
    return CLEAN


def run_study(
    study: Study,
    only: list[str] | None = None,
    start: str | None = None,
    overrides: dict[str, Any] | None = None,
    force: bool = False,
) -> list[dict[str, Any]]:
    """Run the notebooks in order; export, manifest and index after each.

    Args:
        study: the study.
        only: numbers of the notebooks to run.
        start: number of the first notebook to run.
        overrides: parameters for every notebook that declares them.
        force: delete what these notebooks keep in the study's caches, and run what would stand.

    Returns:
        name, title, state (`done`, `failed`, `not run`, `not needed`), seconds of every notebook.

    Raises:
        UsageError: no such notebook or parameter, or a wrong value (`check_request`).
        NotebookFailed: after the index was written.
    """
    overrides = overrides or {}
    check_request(only, start, overrides)
    chosen = chosen_notebooks(only, start)
    if force:
        _forget(study.derived, [path.stem for path in chosen])
    parameters = {"folder": str(study.folder), "reports": str(study.reports), **overrides}
    refuse_raw_data(study)
    refuse_another_study(study)
    if study.settings.models.others:
        from radiogenomics.models import classifiers  # scikit-learn: a second

        classifiers.require(study.settings)
    states, shared = earlier_states(study), standing.common(study)
    every = tuple(notebooks())
    further = {
        name: value for name, value in overrides.items() if not acting.declaring(name, every)
    }
    parameters["further"] = further or None
    idle = _set_aside(study, overrides, states, only or [])
    for path in [path for path in chosen if path.stem not in idle]:
        used = declared_here(path, overrides) | further
        settings = with_overrides(study, used).settings
        earlier = [state for name, state in states.items() if name < path.stem]
        source = standing.made_from(shared, path, settings, used, earlier, study.folder)
        if not (only or start or force) and standing.stands(study, states[path.stem], source):
            states[path.stem]["stands"] = True
            print(f"{path.stem} stands: inputs, settings and code are as they were", flush=True)
            continue
        now = {"state": "running", "seconds": 0.0, "overrides": used, "made_from": source}
        states[path.stem] |= now | {"settings": dataclasses.asdict(settings)}
        _run_one(study, path, parameters, states, overrides)
    build_index(study, list(states.values()))
    return [states[path.stem] for path in chosen]


def _set_aside(
    study: Study, overrides: dict[str, Any], states: dict[str, dict[str, Any]], only: list[str]
) -> set[str]:
    """Note which notebooks have nothing to do in this design, and return their names.

    Raises:
        UsageError: one of them is asked for by its number.
    """
    settings = with_overrides(study, overrides).settings
    idle = {n: why for n in contract.NOTEBOOKS if (why := design.not_needed(settings, n))}
    for notebook, why in idle.items():
        if notebook.digits in only:
            raise UsageError(f"--only {notebook.digits}: {why}. Expected: another notebook.")
        standing.forget(study, states[notebook.name])
        states[notebook.name] |= {"state": NOT_NEEDED, "message": why, "seconds": 0.0}
    return {notebook.name for notebook in idle}


def finish(study: Study, states: Iterable[dict[str, Any]] = ()) -> None:
    """Draw the figures for a paper, write the draft as Word, and list the hashes of all files.

    After `check_privacy`: what is drawn here stands in files that it has looked through.
    """
    save_illustrations(study, progress("figures drawn for a paper"))
    drafted.save_docx(study, manuscript.draft(study))
    build_index(study, _with_earlier(study, states))
    seal_outputs(study)


def _with_earlier(study: Study, states: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list((earlier_states(study) | {s["name"]: s for s in states}).values())


def _run_one(
    study: Study, path: Path, parameters: dict[str, Any], states: dict[str, dict[str, Any]],
    overrides: dict[str, Any],
) -> None:  # fmt: skip
    """Run a notebook, export its page, and bring manifest, checklists and index up to date.

    One that fails has a page of its own: that of an earlier run stays.
    """
    state, before = states[path.stem], standing.times(study)
    output = study.reports / "notebooks" / path.name
    tried, page = failed(output), study.reports / f"{path.stem}.html"
    print(f"{path.stem} …", flush=True)
    try:
        absent = design.absent(with_overrides(study, state["overrides"]).settings)
        seconds = run_notebook(path, tried, parameters, absent)
        tried.replace(output)
        failed(page).unlink(missing_ok=True)
        state.pop("message", None)
        state |= {"state": "done", "seconds": seconds}
        print(f"{path.stem} done in {minutes(seconds)}", flush=True)
    except NotebookFailed as fault:
        message = mailable.without_paths(str(fault), str(study.folder), str(study.reports))
        state |= {"state": "failed", "message": message}
        raise
    finally:
        if state["state"] == "running":  # neither done nor failed: the whole run ends
            state["state"] = "stopped"
        else:
            made = (tried, failed(page)) if tried.exists() else (output, page)
            export_html(*made, banner(study, path.stem), nav(study))
        standing.own(states, path.stem, standing.written_since(study, before))
        write_manifest(study, states, overrides, _tables_of(with_overrides(study, overrides)))
        _draw_steps(study)
        checklists.build(study)
        build_index(study, list(states.values()))


def _tables_of(study: Study) -> list[Path]:
    """Return the tables that a study is made from: patients, features made elsewhere."""
    named = study.settings.features.table
    elsewhere = [study.folder / named] if named and (study.folder / named).is_file() else []
    return [study.cohort_csv, *elsewhere]


def _draw_steps(study: Study) -> None:
    """Keep the figure of the technical steps once the tables are there that it is read from."""
    # which no other command needs
    from radiogenomics.models import classifiers, figures
    from radiogenomics.study import style

    if all(map(study.has, (tables.FLOW, tables.SELECTION_STEPS, tables.CNN_LAYERS))):
        training, selection = map(study.ran_with, (contract.TRAINING, contract.SELECTION))
        steps = figures.steps(
            study.table(tables.FLOW),
            study.table(tables.SELECTION_STEPS),
            study.table(tables.CNN_LAYERS),
            selection.clinical,
            study.ran_with(contract.PREPROCESSING).preprocessing,
            training.cnn,
            training.evaluation.folds,
            [model.name for model in classifiers.on_signature(selection)],
        )
        style.keep(study, "steps", steps)


MADE = {  # what each notebook keeps in the study's caches and makes again
    contract.COHORT.name: ("inspected", "included"),
    contract.PREPROCESSING.name: ("volumes",),
    contract.SELECTION.name: ("features", "stability"),
    contract.TRAINING.name: ("cnn", "outlines"),
    contract.COMPARISON.name: ("permuted",),
    contract.MAPS.name: ("occlusion",),
    contract.NEW_PATIENT.name: ("known",),
    contract.INTERNAL.name: ("repeated",),
}


def _forget(derived: Path, chosen: list[str]) -> None:
    """Delete what the chosen notebooks keep, and no more: the others' is not made again."""
    names = [name for notebook in chosen for name in MADE.get(notebook, ())]
    for path in (derived / name for name in [*names, "pictures.json"]):
        if path.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
