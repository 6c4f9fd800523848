"""The headless browser of the tests: which one, and what a page may ask for."""

import shutil

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
LOCAL = ("file:", "data:", "blob:")
SLOW_IN_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium or Chrome on this machine"),
]
