"""The mailed reports in headless Chromium without a network (slow)."""

import pytest
from chromium import LOCAL, SLOW_IN_CHROMIUM

WIDTHS = {"desktop": 1100, "phone": 390}
pytestmark = SLOW_IN_CHROMIUM


def opened(browser, html, width):
    """Open a file with the network denied; return page, requests beyond the file, console text."""
    page = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page()
    requests, told = [], []
    page.on("request", lambda r: requests.append(r.url) if not r.url.startswith(LOCAL) else None)
    page.on("console", lambda m: told.append(m.text))
    page.on("pageerror", lambda fault: told.append(str(fault)))
    page.goto(html.as_uri())
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    return page, requests, told


@pytest.mark.parametrize("width", WIDTHS.values(), ids=list(WIDTHS))
def test_every_report_draws_its_figures_and_asks_nothing(finished, browser, width):
    reports = sorted(finished.reports.glob("*.html"))
    assert len(reports) == 10  # eight notebooks, the checklists and the index
    for html in reports:
        page, requests, told = opened(browser, html, width)
        assert not requests and not told, html.name
        wanted = page.locator("script.figure-data").count()
        assert page.locator(".figure .main-svg").count() >= wanted, html.name
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 2, html.name
        assert page.locator(".banner").inner_text().startswith("Synthetic data")
        page.context.close()


def test_slices_move_with_the_keys(finished, browser):
    page, _, told = opened(browser, finished.reports / "06_gradcam.html", 1100)
    plane = page.locator("canvas.sv-plane").first
    plane.click()
    before = plane.screenshot()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.wait_for_timeout(300)
    assert plane.screenshot() != before and not told
