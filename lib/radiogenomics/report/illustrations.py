"""Figures as pictures, drawn by one Chrome on this machine: in notebooks, and for a paper."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import nbformat

from radiogenomics.study.files import digest, read_json, whole_file
from radiogenomics.study.kept import keep, kept
from radiogenomics.study.pictures import picture
from radiogenomics.study.study import Study
from radiogenomics.study.style import MIME

FORMATS = {"svg": 1, "png": 3}  # and how many pixels a point takes: 300 dpi at 9 inches


def save_illustrations(
    study: Study, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Path]:
    """Draw each `figures/NAME.json` that changed since it was drawn as NAME.svg and NAME.png.

    Nothing is asked of any network: plotly.js is the reports' own, formulas are not used.

    Returns:
        The pictures that are there; none where the machine has no Chrome or Chromium (the
        reports' own toolbar saves SVG then).
    """
    ledger = study.derived / "pictures.json"  # figure and what it was drawn from
    made_from, drawn = kept(ledger) or {}, {}
    for path in sorted(study.figures.glob("*.json")):
        drawn[path.stem] = digest(path.read_text(encoding="utf-8"))
    old = [name for name, now in drawn.items() if made_from.get(name) != now
           or not all((study.figures / f"{name}.{kind}").exists() for kind in FORMATS)]  # fmt: skip
    for done, name in enumerate(old, start=1):
        if not _draw(study.figures / f"{name}.json"):
            break
        keep(ledger, made_from := made_from | {name: drawn[name]})
        progress(done, len(old))
    return sorted(p for kind in FORMATS for p in study.figures.glob(f"*.{kind}"))


def add_pictures(executed: Path) -> None:
    """Put a picture beside every figure of an executed notebook that has none.

    It is for programs that run no script: JupyterLab's export, nbconvert, GitHub.
    """
    notebook = nbformat.read(executed, 4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME in data and "image/png" not in data and (drawn := picture(data[MIME])):
                data["image/png"] = base64.b64encode(drawn).decode()
    nbformat.write(notebook, executed)


def _draw(path: Path) -> bool:
    """Write a figure's pictures; False where no browser draws them."""
    for kind, scale in FORMATS.items():
        drawn = picture(read_json(path), kind, scale)
        if drawn is None:
            return False
        with whole_file(path.with_suffix(f".{kind}")) as part:
            part.write_bytes(drawn)
    return True
