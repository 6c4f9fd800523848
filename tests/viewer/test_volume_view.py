"""3D view: one sentence where no front end is; in a browser CT, lesion, letters and legend."""

import dataclasses
import io

import nbformat
import numpy as np
import pytest
import SimpleITK as sitk
from chromium import SLOW_IN_CHROMIUM
from lab import jupyterlab, opened, run_all
from radiogenomics.study.progress import HEADLESS
from radiogenomics.viewer import viewer, volume_view
from skimage import io as pictures

SLOW, IN_CHROMIUM = SLOW_IN_CHROMIUM
LESION = np.zeros((6, 8, 10), bool)
LESION[2:4, 3:5, 4:7] = True
SCENE = viewer.Scene(
    np.full(LESION.shape, -700, np.int16), LESION, "P1", (2.0, 1.0, 0.5), (1.0, 2.0, 3.0),
    overlay=LESION * 0.5,
)  # fmt: skip
HALVES = """import numpy as np
from radiogenomics import viewer
hu = np.full((40, 40, 40), -500, np.int16)
hu[..., 20:] = 200  # the left half is white
lesion = np.zeros(hu.shape, bool)
lesion[15:25, 15:25, 15:25] = True
viewer.show_volume(viewer.Scene(hu, lesion, "P1", overlay=lesion * 0.0))"""


def test_a_run_without_a_front_end_says_so(monkeypatch):
    shown = []
    monkeypatch.setenv(HEADLESS, "1")
    monkeypatch.setattr(volume_view, "display", shown.append)
    volume_view.show_volume(SCENE)
    assert [text.data for text in shown] == [volume_view.LIVE_ONLY]


def test_niivue_gets_every_array_in_its_place(tmp_path):
    volumes = volume_view._volumes(SCENE)
    assert [v["name"] for v in volumes] == ["hu.nii.gz", "lesion.nii.gz", "overlay.nii.gz"]
    for volume, array in zip(volumes, (SCENE.hu, SCENE.lesion, SCENE.overlay), strict=True):
        (tmp_path / volume["name"]).write_bytes(volume["data"])
        image = sitk.ReadImage(str(tmp_path / volume["name"]))
        assert np.allclose(sitk.GetArrayFromImage(image), array)
        assert np.allclose(image.GetSpacing(), (0.5, 1.0, 2.0))
        assert np.allclose(image.GetOrigin(), (3.0, 2.0, 1.0))


def test_the_maps_scale_is_its_range():
    scale = {}
    for ends in ((0.0, 1.0), (-4.0, 5.0)):
        volume = volume_view._volumes(dataclasses.replace(SCENE, overlay_range=ends))[2]
        scale[ends] = volume["cal_min"], volume["cal_max"]
    assert scale == {(0.0, 1.0): (0.2, 1.0), (-4.0, 5.0): (1.0, 5.0)}


def test_the_legend_names_what_is_drawn():
    legend = volume_view._legend(SCENE)
    for words in ("CT, -1000 to 200 HU", ">lesion<", "Grad-CAM, 0.2 to 1 of the map"):
        assert words in legend
    assert "Simulated" not in legend
    alone = dataclasses.replace(SCENE, overlay=None, synthetic=True, outline_names=("<b>", ""))
    legend = volume_view._legend(alone)
    assert "Grad-CAM" not in legend and "<b>" not in legend and "Simulated patient" in legend


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """A live notebook that shows a CT of two halves, the patient's left one white."""
    root = tmp_path_factory.mktemp("lab")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(HALVES)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), root / "live.ipynb")
    with jupyterlab(root, tmp_path_factory.mktemp("private")) as address:
        page = opened(browser, address, "live.ipynb")
        run_all(page, 60)
        yield page
        page.close()


def picture(page):
    """Return the canvas's red, green and blue, each an integer array (row, column)."""
    shot = page.locator("canvas:not([class])").screenshot()
    return np.moveaxis(pictures.imread(io.BytesIO(shot))[..., :3].astype(int), 2, 0)


def lesion_pixels(page):
    red, _, blue = picture(page)
    return int((blue > red + 60).sum())


def seen(page):
    """Return the grey of the CT below the lesion, and the cube's share of red and of green."""
    red, green, blue = picture(page)
    rows, columns = red.shape
    grey = red[int(0.68 * rows) : int(0.74 * rows), int(0.48 * columns) : int(0.52 * columns)]
    cube = np.s_[int(0.8 * rows) :, : int(0.1 * columns)]
    reds = red[cube] > np.maximum(green, blue)[cube] + 60
    greens = green[cube] > np.maximum(red, blue)[cube] + 60
    return grey.mean(), reds.mean(), greens.mean()


@SLOW
@IN_CHROMIUM
def test_letters_legend_and_light_ground_in_a_browser(page):
    """The cube's L face is red, its R face green; the white half is seen from the left alone."""
    canvas = page.locator("canvas:not([class])")
    canvas.wait_for(timeout=60_000)
    for _ in range(30):
        page.wait_for_timeout(1000)
        if lesion_pixels(page) > 500:
            break
    assert lesion_pixels(page) > 500
    assert (picture(page)[:, 8, -8] > 250).all()  # the ground
    from_left = seen(page)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 380, box["y"] + 100, steps=6)
    page.mouse.up()
    page.wait_for_timeout(3000)
    from_right = seen(page)
    assert from_left[0] > from_right[0] + 60, (from_left, from_right)
    assert from_left[1] > 0.05 > from_left[2] and from_right[2] > 0.05 > from_right[1]
    legend = page.locator(".volume-legend").inner_text()
    for words in ("CT, -1000 to 200 HU", "lesion", "Grad-CAM", "Drag to turn", "left (L)"):
        assert words in legend
