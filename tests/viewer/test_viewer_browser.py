"""The slice viewer in headless Chromium: mailed HTML without a network, and a live JupyterLab."""

import re

import nbformat
import numpy as np
import pytest
from chromium import LOCAL, SLOW_IN_CHROMIUM
from corpus import pair_of
from lab import jupyterlab, run_all
from lab import opened as in_lab
from radiogenomics.cohort.sources import phantom, phantom_scans
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.report import pages
from radiogenomics.viewer import viewer
from radiogenomics.viewer.scene import start_of

STEP_MS = 50
TIMED = """(canvas, n) => { // milliseconds of each of n key presses, drawn to the last pixel
    const times = [];
    for (let i = 0; i < n; i++) {
        const key = i % 20 < 10 ? "ArrowUp" : "ArrowDown", start = performance.now();
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
        canvas.getContext("2d").getImageData(0, 0, 1, 1);
        times.push(performance.now() - start);
    }
    return times; }"""
PIXELS = "canvas => canvas.toDataURL()"
RAW = """canvas => ({ wide: canvas.width, high: canvas.height, data: Array.from(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data) })"""
LIVE = """from radiogenomics import viewer
from radiogenomics.images.scans import read_scan
from radiogenomics.new_patient import EXAMPLE
scan = read_scan(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz")
viewer.show(viewer.scene_of_images(scan.ct, scan.mask, "Example patient", False))"""
pytestmark = SLOW_IN_CHROMIUM


def small():
    """A case that is not cut: random HU, voxels of three sizes, two outlines, an overlay."""
    rng = np.random.default_rng(4)
    lesion = np.zeros((12, 20, 30), bool)
    lesion[4:8, 6:13, 10:19] = True
    return viewer.Scene(
        rng.integers(-1024, 1500, lesion.shape).astype(np.int16), lesion, "P1",
        (2.5, 1.5, 1.0), (100.0, -20.0, 7.0), rng.random(lesion.shape),
        second=np.roll(lesion, 2, axis=2), synthetic=True,
    )  # fmt: skip


def real():
    """The real CT that the repository ships, 40 mm around its lesion."""
    pair = pair_of(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz")
    return viewer.scene_of_images(*pair, "Example patient", False)


def simulated(folder):
    """A patient of the built-in cohort."""
    row = phantom.draw_cohort(24, 5).to_dict("records")[0]
    phantom_scans.write_patient(folder, row, 5)
    pair = pair_of(folder / row["ct"], folder / row["mask"])
    return viewer.scene_of_images(*pair, row["patient"], True)


@pytest.fixture(scope="module")
def page_of_three(tmp_path_factory):
    """A report with three viewers, exported as every report is."""
    folder = tmp_path_factory.mktemp("viewer")
    cells = []
    for scene in (small(), real(), simulated(folder)):
        assert len(viewer.static_html(scene).encode()) <= 350_000
        data = {"text/html": viewer.static_html(scene)}
        output = nbformat.v4.new_output("display_data", data=data)
        cells.append(nbformat.v4.new_code_cell("viewer.show(scene)", outputs=[output]))
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, folder / "three.ipynb")
    return pages.export_html(folder / "three.ipynb", folder / "three.html")


@pytest.fixture(params=[(1100, "light"), (390, "light"), (1100, "dark")], ids=str)
def look(request):
    return request.param


def opened(browser, html, width=1100, colours="light", touch=False, wanted=9):
    """Open a page with the network denied; return page, what it asked for or complained of."""
    context = browser.new_context(
        viewport={"width": width, "height": 1000}, offline=True, color_scheme=colours,
        has_touch=touch,
    )  # fmt: skip
    page, told = context.new_page(), []
    page.on("request", lambda r: told.append(r.url) if not r.url.startswith(LOCAL) else None)
    page.on("console", lambda m: told.append(m.text))
    page.on("pageerror", lambda fault: told.append(str(fault)))
    page.goto(html.as_uri())
    page.wait_for_function(f"document.querySelectorAll('canvas.sv-plane').length == {wanted}")
    return page, told


def canvases(page, viewer_number=0):
    place = page.locator(".slice-viewer").nth(viewer_number)
    return place, [place.locator("canvas.sv-plane").nth(i) for i in range(3)]


def numbers(text):
    """Return x, y, z (mm) and HU of a readout."""
    return [float(n) for n in re.search(r"x (\S+) y (\S+) z (\S+) mm · (\S+) HU", text).groups()]


def test_three_viewers_on_a_page_draw_and_ask_nothing(browser, page_of_three, look):
    page, told = opened(browser, page_of_three, *look)
    pictures = [c.evaluate(PIXELS) for i in range(3) for c in canvases(page, i)[1]]
    assert len(set(pictures)) == 9 and not told
    for text in page.locator(".sv-help").all():
        text.evaluate("help => help.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= look[0]
    for place in page.locator(".slice-viewer").all():
        assert place.evaluate("place => place.scrollWidth <= place.clientWidth")
    assert page.locator(".slice-viewer figure").count() == 0
    text, ground = page.locator(".sv-readout").first.evaluate(
        "p => [getComputedStyle(p).color, getComputedStyle(document.body).backgroundColor]"
    )
    light = [sum(map(int, re.findall(r"\d+", c)[:3])) / 3 for c in (text, ground)]
    assert abs(light[0] - light[1]) > 120
    page.context.close()


def test_place_and_hu_under_the_cursor_are_the_arrays(browser, page_of_three):
    page, told = opened(browser, page_of_three)
    case = small()
    place, planes = canvases(page)
    start = start_of(case)
    for canvas, (down, across) in zip(planes, ((1, 2), (0, 2), (0, 1)), strict=True):
        canvas.scroll_into_view_if_needed()
        for right, low in ((0.02, 0.03), (0.31, 0.62), (0.55, 0.48), (0.97, 0.96), (0.76, 0.11)):
            box = canvas.bounding_box()
            x, y = round(right * box["width"]), round(low * box["height"])
            page.mouse.move(box["x"] + x, box["y"] + y)
            at = list(start)
            at[across] = int(x / box["width"] * case.hu.shape[across])
            row = int(y / box["height"] * case.hu.shape[down])
            at[down] = row if down == 1 else case.hu.shape[0] - 1 - row  # head up
            text = place.locator(".sv-readout").inner_text()
            *point, hu = numbers(text)
            expected = np.array(case.origin_mm) + np.array(at) * case.spacing_mm
            assert np.allclose(point, expected[::-1], atol=0.051)
            assert abs(hu - case.hu[tuple(at)]) <= 2
            assert (
                abs(float(re.search(r"Grad-CAM (\S+)", text)[1]) - case.overlay[tuple(at)]) < 0.01
            )
            assert ("inside: lesion" in text) == case.lesion[tuple(at)]
            assert ("inside: second" in text) == case.second[tuple(at)]
    assert not told
    page.context.close()


def test_hu_of_the_real_ct_is_right_after_the_cut(browser, page_of_three):
    page, _ = opened(browser, page_of_three)
    case = real()
    place, planes = canvases(page, 1)
    for canvas in planes:
        canvas.scroll_into_view_if_needed()
        for right, low in ((0.1, 0.2), (0.5, 0.5), (0.9, 0.7)):
            box = canvas.bounding_box()
            page.mouse.move(box["x"] + right * box["width"], box["y"] + low * box["height"])
            *point, hu = numbers(place.locator(".sv-readout").inner_text())
            at = np.round((np.array(point[::-1]) - case.origin_mm) / case.spacing_mm).astype(int)
            assert abs(hu - case.hu[tuple(at)]) <= 2
    page.context.close()


def test_keys_mouse_and_tools_change_the_picture(browser, page_of_three):
    page, told = opened(browser, page_of_three)
    place, planes = canvases(page, 0)
    where = place.locator(".sv-where")
    planes[0].focus()
    page.keyboard.press("Home")  # it opens at the overlay's peak, the last slice
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    seen = {planes[0].evaluate(PIXELS)}
    before = int(re.search(r"(\d+)/12", where.first.inner_text())[1])
    planes[0].focus()
    for key in ("ArrowUp", "2", "o", "l", "PageDown"):
        page.keyboard.press(key)
        seen.add(planes[0].evaluate(PIXELS))
    assert len(seen) == 6
    assert f" {before + 1 - 5 if before > 4 else 1}/12" in where.first.inner_text()
    assert place.locator("button[aria-pressed=true]").inner_text() == "Mediastinum"
    page.keyboard.press("End")
    assert " 12/12" in where.first.inner_text() and "z 127.5 mm" in where.first.inner_text()
    page.wait_for_timeout(400)
    assert place.locator("[aria-live]").inner_text().startswith("slice 12 of 12: x")
    page.keyboard.press("c")
    width = place.locator("input[type=number]").first
    width.fill("300")
    width.press("Enter")
    assert planes[0].evaluate(PIXELS) not in seen
    box = planes[0].bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 80, box["y"] + 90)
    page.mouse.up(button="right")
    assert [n.input_value() for n in place.locator("input[type=number]").all()] == ["380", "100"]
    assert not told
    page.context.close()


def test_the_crosshair_is_linked_over_the_planes(browser, page_of_three):
    page, _ = opened(browser, page_of_three)
    place, planes = canvases(page)
    before = [c.evaluate(PIXELS) for c in planes]
    planes[0].click(position={"x": 20, "y": 30})
    point = numbers(place.locator(".sv-readout").inner_text())
    coronal, sagittal = place.locator(".sv-where").all()[1:]
    assert f"y {point[1]:.1f} mm" in coronal.inner_text()
    assert f"x {point[0]:.1f} mm" in sagittal.inner_text()
    assert all(c.evaluate(PIXELS) != old for c, old in zip(planes, before, strict=True))
    page.context.close()


def test_the_wheel_belongs_to_the_page_until_a_picture_is_clicked(browser, page_of_three):
    page, _ = opened(browser, page_of_three)
    place, planes = canvases(page)
    where = place.locator(".sv-where").first
    planes[0].hover()
    before = where.inner_text()
    page.mouse.wheel(0, 50)
    page.wait_for_timeout(200)
    assert where.inner_text() == before and page.evaluate("scrollY") > 0
    planes[0].click()
    scrolled = page.evaluate("scrollY")
    page.mouse.wheel(0, 50)
    page.wait_for_timeout(200)
    assert where.inner_text() != before and page.evaluate("scrollY") == scrolled
    page.context.close()


def test_light_strokes_of_a_trackpad_add_up_to_slices(browser, page_of_three):
    page, _ = opened(browser, page_of_three)
    place, planes = canvases(page)
    where = place.locator(".sv-where").first
    planes[0].click()
    number = int(re.search(r"(\d+)/12", where.inner_text())[1])
    step = -1 if number > 6 else 1
    for stroke in range(1, 7):
        page.mouse.wheel(0, -10 * step)  # 30 pixels a slice
        page.wait_for_timeout(60)
        assert f" {number + step * (stroke // 3)}/12" in where.inner_text()
    page.mouse.wheel(0, -120 * step)  # a notch of a wheel is one slice
    page.wait_for_timeout(60)
    assert f" {number + 3 * step}/12" in where.inner_text()
    page.context.close()


def test_zoom_keeps_the_crosshair_and_the_place_under_the_pointer(browser, page_of_three):
    page, told = opened(browser, page_of_three)
    place, planes = canvases(page)
    planes[0].focus()
    first = planes[0].evaluate(PIXELS)
    box = planes[0].bounding_box()
    for _ in range(4):
        page.keyboard.press("+")
    zoomed = planes[0].evaluate(PIXELS)
    assert zoomed != first
    planes[0].click(position={"x": box["width"] / 3, "y": box["height"] / 4})
    point = numbers(place.locator(".sv-readout").inner_text())
    page.keyboard.press("+")  # around the crosshair, which lies under the pointer
    page.mouse.move(box["x"] + box["width"] / 3 + 1, box["y"] + box["height"] / 4)
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 4)
    again = numbers(place.locator(".sv-readout").inner_text())
    assert np.abs(np.array(again[:3]) - point[:3]).max() <= 1.5  # a voxel
    before = planes[0].evaluate(PIXELS)
    page.mouse.down(button="middle")
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.up(button="middle")
    assert planes[0].evaluate(PIXELS) != before
    for _ in range(9):
        page.keyboard.press("-")
    page.keyboard.press("3")
    assert place.locator("button[aria-pressed=true]").inner_text() == "Bone"
    page.keyboard.press("r")
    assert planes[0].evaluate(PIXELS) == first and not told
    page.context.close()


def test_the_pictures_are_copied_or_saved_and_n_goes_to_the_next_patient(browser, page_of_three):
    page, told = opened(browser, page_of_three)
    place, planes = canvases(page)
    planes[0].focus()
    page.keyboard.press("s")
    page.wait_for_selector(".slice-viewer[data-copied]")
    assert re.search("copied|saved", place.locator(".sv-readout").inner_text())
    page.keyboard.press("n")
    second, _ = canvases(page, 1)
    assert second.evaluate("place => place.contains(document.activeElement)")
    page.keyboard.press("p")
    assert place.evaluate("place => place.contains(document.activeElement)") and not told
    page.context.close()


def test_touch_taps_the_crosshair_and_drags_through_slices(browser, page_of_three):
    page, told = opened(browser, page_of_three, 390, touch=True)
    place, planes = canvases(page)
    where = place.locator(".sv-where").first
    before = int(re.search(r"(\d+)/12", where.inner_text())[1])
    planes[0].scroll_into_view_if_needed()
    box = planes[0].bounding_box()
    x, y = box["x"] + 100, box["y"] + 40
    finger = page.context.new_cdp_session(page)
    for kind, right in (("Start", 0), ("Move", -20), ("Move", -33), ("End", None)):
        points = [] if right is None else [{"x": x + right, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    assert f" {before - 4}/12" in where.inner_text()
    page.touchscreen.tap(x, y)
    point = numbers(place.locator(".sv-readout").inner_text())
    assert abs(point[0] - (7 + int(100 / box["width"] * 30))) <= 0.1
    assert planes[0].evaluate("c => getComputedStyle(c).touchAction") == "pan-y" and not told
    page.context.close()


def test_ct_overlay_and_outline_are_drawn_in_their_place(browser, tmp_path):
    """The first voxel (right, front, feet) of a block is bright, hot and outlined."""
    hu = np.full((10, 12, 14), -1000, np.int16)
    lesion, heat = np.zeros(hu.shape, bool), np.zeros(hu.shape)
    block = (slice(1, 3), slice(2, 5), slice(3, 7))
    hu[block], lesion[block], heat[block] = 1000, True, 1.0
    html = viewer.static_html(viewer.Scene(hu, lesion, "P", (2.0, 1.0, 1.5), overlay=heat))
    (tmp_path / "one.html").write_text(f"<body>{html}</body>", encoding="utf-8")
    page, _ = opened(browser, tmp_path / "one.html", wanted=3)
    _, planes = canvases(page)
    boxes = ((3, 2, 7, 5), (3, 7, 7, 9), (2, 7, 5, 9))  # left, top, right, bottom; head up
    grids = ((14, 12), (14, 10), (12, 10))
    for canvas, box, grid in zip(planes, boxes, grids, strict=True):
        canvas.focus()
        page.keyboard.press("o")
        page.keyboard.press("l")
        plain = canvas.evaluate(RAW)
        page.keyboard.press("l")
        lines = changed(plain, canvas.evaluate(RAW))
        page.keyboard.press("l")
        page.keyboard.press("o")
        hot = changed(plain, canvas.evaluate(RAW))
        white = np.array(plain["data"]).reshape(plain["high"], plain["wide"], 4)[..., 0] > 128
        scale = np.array([plain["wide"], plain["high"]] * 2) / np.array(grid * 2)
        for found, slack in ((lines, 0.25), (hot, 1.0)):
            assert np.allclose(found / scale, box, atol=slack), (box, found / scale)
        rows, columns = (int((a + b) / 2) for a, b in ((box[1], box[3]), (box[0], box[2])))
        y, x = int((rows + 0.3) * scale[1]), int((columns + 0.3) * scale[0])
        assert white[y, x] and not white[y, -x]
        page.keyboard.press("l")
    page.context.close()


def test_an_overlay_on_both_sides_of_zero_has_two_colours_and_is_clear_at_zero(browser, tmp_path):
    """Values of -2, 0 and 4 in a range of -4 to 4: blue, nothing, orange; told with their unit."""
    hu, change = np.full((6, 12, 12), -600, np.int16), np.zeros((6, 12, 12))
    change[:, :4, :4], change[:, 8:, 8:] = -2, 4
    lesion = np.zeros(hu.shape, bool)
    lesion[2:4, 5:7, 5:7] = True
    case = viewer.Scene(
        hu, lesion, "P", overlay=change, overlay_name="drop", overlay_unit="of the logit",
        overlay_range=(-4, 4),
    )  # fmt: skip
    (tmp_path / "two.html").write_text(f"<body>{viewer.static_html(case)}</body>", encoding="utf-8")
    page, told = opened(browser, tmp_path / "two.html", wanted=3)
    _, planes = canvases(page)
    raw, box = planes[0].evaluate(RAW), planes[0].bounding_box()
    picture = np.array(raw["data"]).reshape(raw["high"], raw["wide"], 4)
    places = {"low": (3, 2), "zero": (3, 9), "high": (9, 10)}  # row, column; letters at the edges
    colour, read = {}, {}
    for name, (row, column) in places.items():
        y, x = (int((i + 0.5) / 12 * raw["high"]) for i in (row, column))
        colour[name] = picture[y, x, :3]
        page.mouse.move(box["x"] + x, box["y"] + y)
        text = page.locator(".sv-readout").inner_text()
        read[name] = float(re.search(r"drop (\S+)", text)[1])
    assert read == {"low": -2, "zero": 0, "high": 4}
    assert np.ptp(colour["zero"]) == 0
    assert colour["low"][2] > colour["low"][0] + 20 and colour["high"][0] > colour["high"][2] + 20
    key = page.locator(".sv-key").inner_text()
    assert key.startswith("-4") and key.endswith("4 of the logit") and not told
    page.context.close()


def changed(before, after):
    """Return left, top, right, bottom of what differs between two pictures."""
    a, b = (np.array(p["data"]).reshape(p["high"], p["wide"], 4) for p in (before, after))
    y, x = np.nonzero((a != b).any(axis=2))
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@pytest.mark.parametrize("case", [0, 1, 2], ids=["small", "real", "simulated"])
def test_a_step_takes_less_than_50_ms(browser, page_of_three, case):
    page, _ = opened(browser, page_of_three)
    times = canvases(page, case)[1][0].evaluate(TIMED, 40)
    assert np.median(times) < STEP_MS, times
    page.context.close()


def test_print_shows_the_slices(browser, page_of_three):
    page, _ = opened(browser, page_of_three)
    page.emulate_media(media="print")
    assert canvases(page)[1][0].is_visible()
    assert not page.locator(".sv-help").first.is_visible()
    page.context.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own on a folder with a live and an untrusted notebook."""
    root = tmp_path_factory.mktemp("lab")
    v4 = nbformat.v4
    output = v4.new_output("display_data", data={"text/html": viewer.static_html(small())})
    still = v4.new_code_cell("viewer.show(scene)", outputs=[output])
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for name, cell in (("live", v4.new_code_cell(LIVE)), ("untrusted", still)):
        nbformat.write(v4.new_notebook(cells=[cell], metadata=kernel), root / f"{name}.ipynb")
    private = tmp_path_factory.mktemp("private")
    with jupyterlab(root, private) as address:
        yield address


def test_live_in_jupyterlab(browser, lab):
    page = in_lab(browser, lab, "live.ipynb")
    run_all(page, 60)
    page.wait_for_selector("canvas.sv-plane", timeout=60_000)
    place, planes = canvases(page)
    page.wait_for_function("document.querySelector('.sv-where').textContent.includes('/19')")
    case = real()
    *point, hu = numbers(place.locator(".sv-readout").inner_text())
    at = np.round((np.array(point[::-1]) - case.origin_mm) / case.spacing_mm).astype(int)
    assert hu == case.hu[tuple(at)]  # live: every HU
    before = planes[0].evaluate(PIXELS)
    planes[0].click()
    for key in ("ArrowUp", "1", "l", "o"):  # which mean something else to JupyterLab
        page.keyboard.press(key)
    assert planes[0].evaluate(PIXELS) != before
    assert page.locator(".jp-Cell").count() == 1 and place.is_visible()
    assert np.median(planes[0].evaluate(TIMED, 40)) < STEP_MS
    page.close()


def test_untrusted_in_jupyterlab_shows_a_picture_and_says_how(browser, lab):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{lab}/lab/tree/untrusted.ipynb?reset")
    picture = page.locator(".jp-OutputArea-output img")
    picture.wait_for(timeout=60_000)
    assert picture.evaluate("async i => { await i.decode(); return i.naturalWidth }") == 30
    assert page.get_by_text("trust this notebook").is_visible()
    assert page.locator("canvas.sv-plane").count() == 0
    page.evaluate('void jupyterapp.commands.execute("notebook:trust")')
    page.locator(".jp-Dialog button:has-text('Trust')").click()
    page.wait_for_function("document.querySelectorAll('canvas.sv-plane').length == 3")
    assert page.locator(".sv-where").first.is_visible() and picture.count() == 0
    page.close()
