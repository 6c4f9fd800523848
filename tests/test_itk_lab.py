"""docs/itk_lab.py in a browser: itkwidgets shows CT and lesion and asks no public server."""

import importlib.util
import io
import runpy
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from chromium import SLOW_IN_CHROMIUM
from lab import QUIET, _served, opened
from radiogenomics.new_patient import EXAMPLE
from skimage import io as pictures

SCRIPT = Path(__file__).parents[1] / "docs" / "itk_lab.py"
RED, GREYS = 150, 50  # fewer: no lesion, no CT
IMAGES = [str(EXAMPLE / "ct.nii.gz"), str(EXAMPLE / "mask.nii.gz")]
pytestmark = [
    *SLOW_IN_CHROMIUM,
    pytest.mark.skipif(
        not importlib.util.find_spec("itkwidgets"), reason="needs the extra: uv run --extra itk"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def packages():
    """Download the packages, or skip where the registry cannot be reached."""
    script = runpy.run_path(str(SCRIPT))
    for package in script["PACKAGES"]:
        try:
            script["download"](package)
        except SystemExit as fault:
            pytest.skip(str(fault))


def shown(browser, private, *further):
    """Run the script's notebook; return red and grey of the viewer, and who else was asked."""
    what = [*IMAGES, "--around=30", *further]
    command = [sys.executable, str(SCRIPT), *what, "--no-browser", "--port={port}"]
    with _served(command, private) as address:
        page, asked = opened(browser, address, "itk.ipynb"), []
        page.context.on("request", lambda request: asked.append(request.url))
        page.reload()  # what the page asks for while it loads counts too
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext")
        page.wait_for_function(QUIET, timeout=60_000)
        page.wait_for_timeout(6000)  # until itkwidgets' extension has its kernel
        page.evaluate('jupyterapp.commands.execute("notebook:run-all-cells")')
        colours = pixels(page)
        page.close()
    return *colours, [u for u in asked if not u.startswith((address, "data:", "blob:"))]


def pixels(page, seconds=150):
    """Return red pixels and grey levels once both are there, or 45 s after the grey CT is."""
    end, found = time.monotonic() + seconds, (0, 0)
    while time.monotonic() < end and (found[0] <= RED or found[1] <= GREYS):
        page.wait_for_timeout(3000)
        before, found = found, counted(picture(page))
        if before[1] <= GREYS < found[1]:
            end = time.monotonic() + 45
    return found


def picture(page):
    """Return the viewer's red, green and blue, black before it is there."""
    for frame in page.frames:
        if "itk-vtk-viewer" in frame.url:
            box = frame.frame_element().bounding_box()
            shot = page.screenshot(clip=box, timeout=120_000)  # drawing takes long without a GPU
            return pictures.imread(io.BytesIO(shot))[..., :3].astype(int)
    return np.zeros((100, 100, 3), int)


def counted(colours):
    """Return red pixels and grey levels of the picture's middle, without axes, scale and logo.

    Red is the lesion's: green and blue alike. The first seconds' colours of the CT are brown.
    """
    rows, columns = (slice(n // 8, -n // 5) for n in colours.shape[:2])
    red, green, blue = np.moveaxis(colours[rows, columns], 2, 0)
    lesion = (red > np.maximum(green, blue) + 20) & (np.abs(green - blue) < 12)
    grey = np.ptp(colours[rows, columns], axis=-1) < 4
    return int(lesion.sum()), len(np.unique(red[grey]))


def test_ct_and_lesion_appear_and_no_public_server_is_asked(browser, tmp_path):
    red, greys, asked = shown(browser, tmp_path)
    assert red > RED and greys > GREYS and not asked


def test_without_a_lesion_nothing_is_red(browser, tmp_path):
    red, greys, asked = shown(browser, tmp_path, "--without-lesion")
    assert red == 0 and greys > GREYS and not asked
