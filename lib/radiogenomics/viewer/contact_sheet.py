"""Every lesion with its outline on one page: a click opens it in the viewer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import jinja2
import pandas as pd
import traitlets
from IPython.display import HTML, display

from radiogenomics.images.scans import read_pair
from radiogenomics.images.thumbnails import THUMBNAIL_MM, THUMBNAIL_PIXELS
from radiogenomics.study.files import digest
from radiogenomics.study.progress import HEADLESS
from radiogenomics.study.study import Study
from radiogenomics.viewer import viewer
from radiogenomics.viewer.scene import Scene, scene_of_images

BAR_MM = 10
OPENED = 3  # viewers below the sheet of a report, which is mailed
HERE = Path(__file__).parent
SHEET, SCRIPT = HERE / "contact_sheet.html.j2", HERE / "contact_sheet.js"


def show_contact_sheet(study: Study, masks: pd.DataFrame, patients: pd.DataFrame) -> None:
    """Display every lesion with its outline: a thumbnail of 60 mm a patient.

    In JupyterLab a click opens any of them in the viewer; n and p turn to the next and the
    previous one. A report has viewers of three, those with a remark before the others.

    Args:
        study: whether its patients are synthetic.
        masks: `patient`, `thumbnail`, `volume_mm3` and `flags`, a row a patient.
        patients: their rows of the cohort.
    """
    synthetic, rows = study.settings.synthetic, patients.set_index("patient", drop=False)
    if not os.environ.get(HEADLESS):
        _show_live(masks, rows, synthetic)
        return
    first = masks.sort_values("flags", key=lambda flags: flags == "", kind="stable")
    links = {name: f"lesion-{digest(name)}" for name in first.patient.head(OPENED)}
    display(HTML(_sheet(masks, synthetic, links)))
    for name, link in links.items():
        display(HTML(f'<div id="{link}"></div>'))
        viewer.show(_scene(rows.loc[name], synthetic))


def _show_live(masks: pd.DataFrame, rows: pd.DataFrame, synthetic: bool) -> None:
    """Display the sheet, and below it the lesion that was clicked."""
    names, opened = masks.patient.tolist(), ipywidgets.Output()

    def look(name: str) -> None:
        def turn(step: int) -> None:
            look(names[(names.index(name) + step) % len(names)])

        with opened:
            opened.clear_output(wait=True)
            viewer.show(_scene(rows.loc[name], synthetic), turn)

    sheet = ContactSheet(html=_sheet(masks, synthetic, dict.fromkeys(names)))
    sheet.on_msg(lambda _, asked, __: look(asked["patient"]))
    display(sheet, opened)


class ContactSheet(anywidget.AnyWidget):
    """The sheet of a live notebook; it tells whose thumbnail was clicked."""

    _esm = SCRIPT
    html = traitlets.Unicode().tag(sync=True)


def _scene(patient: pd.Series, synthetic: bool) -> Scene:
    return scene_of_images(*read_pair(patient), patient.patient, synthetic)


def _sheet(masks: pd.DataFrame, synthetic: bool, links: dict[str, Any]) -> str:
    """Return the sheet as HTML; `links`: where the viewers of some stand, None: not on the page.

    Masks with flags are framed and can be sorted to the front; a bar gives the scale.
    """
    template = jinja2.Environment(autoescape=True).from_string(SHEET.read_text(encoding="utf-8"))
    flagged = int((masks["flags"] != "").sum()) if len(masks) else 0
    return template.render(
        synthetic=synthetic, flagged=flagged, lesions=masks.to_dict("records"), links=links,
        key=f"flagged-first-{digest(masks.patient.tolist())}" if flagged else "",
        pixels=THUMBNAIL_PIXELS, bar_mm=BAR_MM,
        bar_pixels=round(BAR_MM * THUMBNAIL_PIXELS / THUMBNAIL_MM),
    )  # fmt: skip
