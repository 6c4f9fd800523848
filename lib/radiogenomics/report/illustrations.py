"""Figures for a paper: every kept figure as SVG and PNG, drawn by a Chrome on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import kaleido
from choreographer.browsers.chromium import Chromium

from radiogenomics.report.pages import TEMPLATE
from radiogenomics.study.files import read_json, whole_file
from radiogenomics.study.study import Study

PLOTLY = TEMPLATE / "plotly-cartesian.min.js"
SIZE = {"width": 900, "height": 560}
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
    if old and Chromium.find_browser(skip_local=False):
        kaleido.start_sync_server(plotlyjs=PLOTLY, mathjax=False, silence_warnings=True)
        try:
            for done, path in enumerate(old, start=1):
                _draw(path)
                progress(done, len(old))
        finally:
            kaleido.stop_sync_server(silence_warnings=True)
    return sorted(p for kind in FORMATS for p in study.figures.glob(f"*.{kind}"))


def _up_to_date(path: Path) -> bool:
    pictures = [path.with_suffix(f".{kind}") for kind in FORMATS]
    return all(p.exists() and p.stat().st_mtime >= path.stat().st_mtime for p in pictures)


def _draw(path: Path) -> None:
    figure = {k: v for k, v in read_json(path).items() if k in ("data", "layout")}
    height = figure["layout"].get("height", SIZE["height"])
    for kind, scale in FORMATS.items():
        with whole_file(path.with_suffix(f".{kind}")) as part:
            options = SIZE | {"height": height, "format": kind, "scale": scale}
            kaleido.write_fig_sync(figure, str(part), opts=options)
