"""Notebooks run top to bottom by hand in a real JupyterLab with its defaults (slow)."""

import io
import shutil
from pathlib import Path

import pytest
from chromium import SLOW_IN_CHROMIUM
from conftest import QUICK
from lab import jupyterlab, opened, outputs, run_all, workbook_lab
from radiogenomics.maps import case
from radiogenomics.report import pages, run
from skimage import io as pictures

pytestmark = SLOW_IN_CHROMIUM
QUICKLY = """
[evaluation]
folds = {folds}
bootstrap = {bootstrap}
permutations = {permutations}
repeats = {repeats}

[gradcam]
shown = {shown}
"""


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """The notebooks beside data/phantom and reports/phantom, as their defaults expect them."""
    root = tmp_path_factory.mktemp("lab")
    (root / "notebooks").mkdir()
    for path in run.notebooks():
        shutil.copy(path, root / "notebooks")
    shutil.copytree(finished.folder, root / "data" / "phantom")
    shutil.copytree(finished.reports, root / "reports" / "phantom")
    settings = root / "data" / "phantom" / "study.toml"
    text = settings.read_text(encoding="utf-8") + QUICKLY.format(**QUICK)
    text = text.replace("[radiomics]", f"[radiomics]\nstability = {QUICK['stability']}")
    settings.write_text(text.replace("[cnn]", f"[cnn]\nepochs = {QUICK['epochs']}"))
    return root


@pytest.fixture(scope="module")
def address(place, tmp_path_factory):
    with jupyterlab(place, tmp_path_factory.mktemp("private")) as served:
        yield served


@pytest.mark.parametrize("name", [p.name for p in run.notebooks()])
def test_notebook_runs_by_hand(browser, address, place, name):
    page = opened(browser, address, f"notebooks/{name}")
    run_all(page, 400)
    found = outputs(page)
    errors = [o for o in found if o["output_type"] == "error"]
    assert not errors, errors[0]["evalue"]
    figures = [o for o in found if pages.PLOTLY in o.get("data", {})]
    if figures:
        page.evaluate("jupyterapp.shell.currentWidget.content.scrollToItem(0)")
        page.locator(".js-plotly-plot, .plotly").first.wait_for(timeout=30_000, state="attached")
    if name.startswith("01"):
        a_click_on_a_thumbnail_opens_the_viewer(page)
    if name.startswith("06"):
        menus_show_another_map(page)
        the_lesion_is_seen_in_3d(page, address)
    assert found and Path(place / "reports" / "phantom" / "manifest.json").exists()
    page.close()


def scrolled_to(page, source, wanted):
    """Scroll to the cell with this source until `wanted` is drawn."""
    cells = "jupyterapp.shell.currentWidget.content"
    for _ in range(20):  # heights of cells that were never seen are guessed: scroll until there
        page.evaluate(
            f"{cells}.scrollToItem({cells}.widgets.findIndex("
            f"c => c.model.sharedModel.getSource().includes('{source}')))"
        )
        page.wait_for_timeout(1000)
        if wanted.count():
            break


def a_click_on_a_thumbnail_opens_the_viewer(page):
    """The contact sheet opens any lesion; n turns to the next, and the keys stay with it."""
    lesions = page.locator("[data-patient]")
    scrolled_to(page, "show_contact_sheet(", lesions)
    names = lesions.evaluate_all("all => all.map(one => one.dataset.patient)")
    lesions.nth(1).click()
    title = page.locator(".slice-viewer .sv-title")
    title.get_by_text(names[1]).wait_for(timeout=30_000)
    page.locator("canvas.sv-plane").first.focus()
    for name in (names[2], names[3]):
        page.keyboard.press("n")
        title.get_by_text(name).wait_for(timeout=30_000)
        page.wait_for_function("document.activeElement.className == 'sv-plane'")
    page.keyboard.press("p")
    title.get_by_text(names[2]).wait_for(timeout=30_000)
    assert title.count() == 1


def menus_show_another_map(page):
    """The explorer's menus draw the chosen layer and class, the key n the next patient."""
    menus = page.locator(".widget-dropdown")
    scrolled_to(page, ".explore(", menus.filter(has_text="layer"))  # not the viewers' own menus
    patients = menus.filter(has_text="patient").locator("select")
    first = patients.input_value()
    page.locator(".slice-viewer canvas.sv-plane").last.focus()
    page.keyboard.press("n")
    page.wait_for_function(
        "([menu, was]) => menu.value != was", arg=[patients.element_handle(), first]
    )
    for menu, choice, title in (
        ("layer", 1, ": conv3d_2, logit of"),
        ("class", 1, "logit of EGFR wild-type"),
        ("map", 1, ": cubes hidden, logit of EGFR wild-type"),
    ):
        menus.filter(has_text=menu).locator("select").select_option(index=choice)
        page.get_by_text(title).first.wait_for(timeout=60_000)


def the_lesion_is_seen_in_3d(page, address):
    """NiiVue draws, and asks nothing of any network."""
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    menu = page.locator(".widget-dropdown").filter(has_text="view")
    menu.locator("select").select_option(label=case.VOLUME)
    drawn = page.locator("canvas:not([class])")  # those of the slices have one
    drawn.wait_for(timeout=60_000)
    for _ in range(30):
        page.wait_for_timeout(1000)
        red, _, blue = pictures.imread(io.BytesIO(drawn.screenshot()))[..., :3].T.astype(int)
        if (blue > red + 30).mean() > 0.01:  # the lesion's colour
            break
    assert (blue > red + 30).mean() > 0.01
    assert not [u for u in asked if not u.startswith((address, "data:", "blob:"))]


def test_workbook_lab_opens_its_start_page_and_asks_nothing_of_any_network(
    browser, copied, tmp_path
):
    with workbook_lab(copied, tmp_path) as address:
        page, asked = browser.new_page(viewport={"width": 1400, "height": 1000}), []
        page.on("request", lambda r: asked.append(r.url))
        page.goto(address)
        start = page.locator(".jp-MarkdownViewer")
        start.locator("h1").wait_for(timeout=60_000)
        assert start.locator("h1").inner_text() == copied.settings.heading
        assert start.locator("tbody tr").count() == len(run.notebooks()) - 1  # 09 is not needed
        page.wait_for_timeout(3000)
        assert not page.locator(".jp-Dialog, .Toastify__toast").count()  # no news, no question
        start.get_by_text("01 cohort").click()
        notebook = page.locator(".jp-NotebookPanel .jp-Cell h1").first
        notebook.wait_for(timeout=60_000)
        assert "1 Cohort" in notebook.inner_text()
        assert not [url for url in asked if "api/news" in url or "api/update" in url]
        assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
        assert not list(pages.NOTEBOOKS.glob("*-checkpoint*"))
        page.close()
