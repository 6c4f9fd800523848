"""Figures for a paper: every kept figure as SVG and PNG, drawn by a Chrome on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radiogenomics.study.files import read_json, whole_file
from radiogenomics.study.pictures import picture
from radiogenomics.study.study import Study

FORMATS = {"svg": 1, "png": 3}  # and how many pixels a point takes: 300 dpi at 9 inches


def save_illustrations(
    study: Study, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Path]:
    """Draw each `figures/NAME.json` that is newer than its pictures as NAME.svg and NAME.png.

    Nothing is asked of any network: plotly.js is the reports' own, formulas are not used.

    Returns:
        The pictures that are there; none where the machine has no Chrome or Chromium (the
        reports' own toolbar saves SVG then).
    """
    old = [p for p in sorted(study.figures.glob("*.json")) if not _up_to_date(p)]
    for done, path in enumerate(old, start=1):
        if not _draw(path):
            break
        progress(done, len(old))
    return sorted(p for kind in FORMATS for p in study.figures.glob(f"*.{kind}"))


def _up_to_date(path: Path) -> bool:
    pictures = [path.with_suffix(f".{kind}") for kind in FORMATS]
    return all(p.exists() and p.stat().st_mtime >= path.stat().st_mtime for p in pictures)


def _draw(path: Path) -> bool:
    """Write a figure's pictures; False where no browser draws them."""
    for kind, scale in FORMATS.items():
        drawn = picture(read_json(path), kind, scale)
        if drawn is None:
            return False
        with whole_file(path.with_suffix(f".{kind}")) as part:
            part.write_bytes(drawn)
    return True
