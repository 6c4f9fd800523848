"""Which notebooks need not run again: what they were made from, and their work, is as it was."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from radiogenomics.cohort.reading import IMAGES
from radiogenomics.images.formats import image_files
from radiogenomics.images.outlined import FOLDER as OUTLINES
from radiogenomics.report.manifest import versions
from radiogenomics.study import contract
from radiogenomics.study.cells import read_cells
from radiogenomics.study.files import SHIPPED, digest
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study

LIBRARY = Path(__file__).parents[1]
ASKED_FROM = {  # sections of study.toml that earlier notebooks do not read
    "cnn": contract.TRAINING, "gradcam": contract.MAPS,
}  # fmt: skip
ON_PAGES = "author"  # the section that no notebook reads
RESULTS = ("tables/", "models/")  # of a report folder, what later notebooks read


def common(study: Study) -> str:
    """Return a digest of what every notebook's work follows from: code, versions, inputs."""
    return digest(_of_files(_code()), versions(), _inputs(study))


def made_from(
    shared: str, path: Path, settings: Settings, given: dict[str, Any], earlier: list[dict],
    folder: Path | None = None,
) -> str:  # fmt: skip
    """Return a digest of all that a notebook's work follows from.

    Args:
        shared: what all notebooks have in `common`.
        path: the notebook.
        settings: those that it runs with.
        given: parameters beside these.
        earlier: the states of the notebooks before it, whose results are inputs.
        folder: the study's, with the table of features made elsewhere that `settings` may name.
    """
    number = int(path.name[:2])
    kept = dataclasses.asdict(settings)
    for name, notebook in ASKED_FROM.items():
        if number < notebook.number:
            del kept[name]
    del kept[ON_PAGES]
    results = [state.get("results") for state in earlier]
    if folder and settings.features.table and number >= contract.SELECTION.number:
        results.append(_of_files([folder / settings.features.table]))
    return digest(shared, _of_files([path]), kept, given, results)


def _code() -> list[Path]:
    """Return the library's files, and the paper's numbers."""
    kinds = ("*.py", "*.md", "*.html", "*.j2", "*.css", "*.js")
    return [*sorted(p for kind in kinds for p in LIBRARY.rglob(kind)), SHIPPED / "data/paper.toml"]


def _inputs(study: Study) -> list[Any]:
    """Return the table's content and, of each image, size and time of every file.

    Images are those that the table names, and outlines that were made in the workbook.
    """
    if not study.cohort_csv.exists():
        return []
    table = read_cells(study.cohort_csv)
    named = {study.folder / p for c in IMAGES if c in table for p in table[c] if p}
    named |= set((study.folder / OUTLINES).glob("*.nii.gz"))
    stats = [p.stat() for path in sorted(named) if path.exists() for p in image_files(path)]
    return [_of_files([study.cohort_csv]), [(s.st_size, s.st_mtime_ns) for s in stats]]


def _of_files(paths: list[Path]) -> str:
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.read_bytes() if path.exists() else b"")
    return sha.hexdigest()


def written_since(study: Study, before: dict[str, int]) -> dict[str, str]:
    """Return the reports' files that were written since `times`, with a digest of each."""
    new = [name for name, time in times(study).items() if before.get(name) != time]
    return {name: _of_files([study.reports / name]) for name in new}


def times(study: Study) -> dict[str, int]:
    """Return when each file of the reports was last written."""
    files = [p for p in study.reports.rglob("*") if p.is_file()]
    return {p.relative_to(study.reports).as_posix(): p.stat().st_mtime_ns for p in files}


def stands(study: Study, state: dict[str, Any], source: str) -> bool:
    """Return whether a notebook's work was made from the same, and is whole."""
    files = state.get("files", {})
    whole = all(_of_files([study.reports / name]) == found for name, found in files.items())
    return state.get("made_from") == source and state["state"] == "done" and bool(files) and whole


def forget(study: Study, state: dict[str, Any]) -> None:
    """Delete what a notebook wrote in an earlier run of another design, which has no place here."""
    for name in state.pop("files", {}):
        (study.reports / name).unlink(missing_ok=True)
    for name in ("made_from", "results", "settings", "overrides"):
        state.pop(name, None)


def own(states: dict[str, dict[str, Any]], name: str, files: dict[str, str]) -> None:
    """Note a notebook's files, and its results as they were when it ended.

    A file that another notebook had written is no longer that one's.
    """
    for state in states.values():
        kept = state.get("files", {})
        state["files"] = {n: found for n, found in kept.items() if n not in files}
    results = {file: found for file, found in files.items() if file.startswith(RESULTS)}
    states[name] |= {"files": files, "results": digest(results)}
