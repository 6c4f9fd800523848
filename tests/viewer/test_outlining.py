"""The outline editor in a real JupyterLab: a click grows, a stroke corrects, Save writes."""

import json

import corpus
import nbformat
import numpy as np
import pytest
import SimpleITK as sitk
from lab import QUIET, jupyterlab
from radiogenomics.report import lab

pytestmark = pytest.mark.slow
LESION = np.s_[2:6, 6:14, 8:17]


@pytest.fixture
def served(tmp_path):
    """A study of one patient without a mask, and its editor's notebook, in JupyterLab."""
    folder = tmp_path / "study"
    hu = corpus.volume() - 150
    hu[LESION] = 30
    (folder / "scans").mkdir(parents=True)
    corpus.write_image(folder / "scans/0.nii.gz", hu)
    corpus.cohort_table(12).head(1).assign(mask="").to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text("")
    (folder / "outlines").mkdir()
    nbformat.write(lab._drawing_notebook(), folder / "outlines" / lab.DRAWING)
    (tmp_path / "own").mkdir()
    with jupyterlab(folder / "outlines", tmp_path / "own") as address:
        yield folder, address


def test_a_lesion_is_outlined_by_mouse(served, browser):
    folder, address = served
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{address}/lab/tree/{lab.DRAWING}")
    page.wait_for_selector(".jp-Notebook", timeout=90_000)
    page.wait_for_function(QUIET, timeout=120_000)
    page.click(".jp-CodeCell .cm-content")
    page.keyboard.press("Shift+Enter")
    page.select_option(".widget-select select", index=0, timeout=120_000)
    canvas = page.locator("canvas[role=img]")
    canvas.wait_for(state="visible")
    box = canvas.bounding_box()
    z, rows, columns = corpus.SHAPE

    def at(y, x):
        return box["x"] + (x + 0.5) / columns * box["width"], box["y"] + (y + 0.5) / rows * box[
            "height"
        ]

    assert page.locator("text=slice 5 of 8").count() == 1
    page.mouse.click(*at(10, 12))
    page.wait_for_selector("text=/mm³, opening/", timeout=30_000)
    page.click("button.widget-toggle-button:has-text('Add')")
    page.mouse.move(*at(2, 2))
    page.mouse.down()
    page.mouse.move(*at(2, 4), steps=4)
    page.mouse.up()
    page.click("button.widget-button:has-text('Save')")
    page.wait_for_selector("text=/Saved, .* corrected by hand/", timeout=30_000)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "outlines/P00.nii.gz"))) > 0
    truth = np.zeros(corpus.SHAPE, bool)
    truth[LESION] = True
    assert found[z // 2, 2, 2] and not found[z // 2 + 1, 2, 2]  # the stroke, in its slice alone
    assert (found & truth).sum() > 0.85 * truth.sum()
    about = json.loads((folder / "outlines/P00.json").read_text())
    assert about["how"] == "semi-automatic" and about["corrected"]
