"""The mailed reports in headless Chromium without a network (slow)."""

import pytest
from chromium import LOCAL, SLOW_IN_CHROMIUM

WIDTHS = {"desktop": 1100, "phone": 390}
pytestmark = SLOW_IN_CHROMIUM


LEGIBLE = 4.5  # contrast of text, WCAG 2.1 level AA
DIM = """least => { // texts below the least contrast with what lies behind them
    const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
    const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const shares = [.2126, .7152, .0722];
    const light = (c) => shares.reduce((sum, w, i) => sum + w * linear(c[i] / 255), 0);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const c = numbers(getComputedStyle(node).backgroundColor);
            if (c.length < 4 || c[3] > .5) return c;
        }
        return [255, 255, 255]; };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), dim = [];
    let seen = 0;
    while (texts.nextNode()) {
        const node = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
        if (!text || !node.checkVisibility() || node.closest("svg, script, style")) continue;
        seen += 1;
        const [a, b] = [numbers(getComputedStyle(node).color), behind(node)].map(light);
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < least) dim.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
    }
    return { seen, dim }; }"""


def opened(browser, html, width, **context):
    """Open a file with the network denied; return page, requests beyond the file, console text."""
    size = {"width": width, "height": 900}
    page = browser.new_context(viewport=size, offline=True, **context).new_page()
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_legible(finished, browser, scheme):
    for html in sorted(finished.reports.glob("*.html")):
        page, *_ = opened(browser, html, 1100, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.evaluate("document.querySelectorAll('.show-code').forEach(one => one.click())")
        found = page.evaluate(DIM, LEGIBLE)
        assert found["seen"] > 50 and not found["dim"], (html.name, found["dim"][:9])
        page.context.close()


def test_on_paper_code_is_gone_and_figures_stay(finished, browser):
    page, *_ = opened(browser, finished.reports / "05_comparison.html", 1100)
    assert not page.locator("details.code").first.is_visible()
    page.locator(".show-code").click()
    assert page.locator("details.code").first.is_visible()
    page.emulate_media(media="print")
    assert not any(code.is_visible() for code in page.locator("details.code").all())
    figure = page.locator(".figure .main-svg").first
    assert figure.is_visible() and figure.bounding_box()["width"] > 300
    place = page.locator(".banner").evaluate("banner => getComputedStyle(banner).position")
    assert place == "static" and page.locator("table").first.is_visible()
    page.context.close()


def test_contents_and_code_open_by_keyboard(finished, browser):
    page, *_ = opened(browser, finished.reports / "05_comparison.html", 1100)

    def tab_to(selector):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    tab_to(".contents summary")
    page.keyboard.press("Enter")
    tab_to(".contents a")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash").startswith("#")
    page.evaluate("document.activeElement.blur()")
    page.locator(".show-code").focus()
    page.keyboard.press("Enter")
    assert page.locator(".show-code").inner_text() == "Hide code"
    assert all(code.is_visible() for code in page.locator("details.code[open] pre").all())
    page.context.close()


def test_thumbnails_lead_to_the_viewers_below(finished, browser):
    page, *_ = opened(browser, finished.reports / "01_cohort.html", 1100)
    links = page.locator("a[href^='#lesion-']")
    names = [link.inner_text().strip() for link in links.all()]
    titles = page.locator(".slice-viewer .sv-title")
    titles.nth(2).wait_for()
    assert len(names) == 3 and sorted(names) == sorted(titles.all_inner_texts())
    links.last.click()
    title = titles.get_by_text(names[-1])
    page.wait_for_timeout(300)
    assert 0 <= title.bounding_box()["y"] < 300  # below the banner, not under it
    page.context.close()


def test_every_picture_has_words(finished, browser):
    for html in sorted(finished.reports.glob("*.html")):
        page, *_ = opened(browser, html, 1100)
        silent = page.evaluate(
            """() => [...document.querySelectorAll("img, [role=img]")].filter(
                (one) => !(one.alt || one.ariaLabel)).map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert not silent, (html.name, silent[:5])
        page.context.close()
