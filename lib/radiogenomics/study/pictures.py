"""A figure as a picture, drawn by a Chrome of this machine where there is one."""

from __future__ import annotations

import atexit
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PLOTLY = Path(__file__).parent / "plotly-cartesian.min.js"  # the reports' own: no network is asked
WIDTH, HEIGHT = 900, 460  # points
PATIENCE = 60.0  # seconds after which a browser that does not answer is given up, for good
QUIET = (  # what a Chrome asks of the network by itself, and every name that a page could look up
    "--disable-background-networking",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
_given_up = threading.Event()


def picture(figure: dict[str, Any], kind: str = "png", scale: float = 1) -> bytes | None:
    """Return a plotly figure (its JSON as a dict) as a picture; None where no Chrome draws it.

    The browser is started once and stays until this process ends; one that does not answer in time
    is not asked again.

    Args:
        figure: `data` and `layout`.
        kind: png or svg.
        scale: pixels a point takes.
    """
    if _given_up.is_set() or not _started():
        return None
    layout = {name: part for name, part in figure["layout"].items() if name != "updatemenus"}
    parts = {"data": figure["data"], "layout": layout}  # menus are of no use in a picture
    height = figure["layout"].get("height", HEIGHT)
    options = {"width": WIDTH, "height": height, "format": kind, "scale": scale}
    return _within(PATIENCE, lambda: _kaleido().calc_fig_sync(parts, opts=options))


@functools.cache
def _started() -> bool:
    from choreographer.browsers.chromium import Chromium

    if not Chromium.find_browser(skip_local=False):
        return False

    class Quiet(Chromium):
        """A Chromium that asks nothing of any network."""

        def get_cli(self) -> Sequence[str]:
            return [*super().get_cli(), *QUIET]

    options = {"mathjax": False, "silence_warnings": True, "browser_cls": Quiet}
    _within(PATIENCE, lambda: _kaleido().start_sync_server(plotlyjs=PLOTLY, **options))
    atexit.register(_stop)
    return True


def _stop() -> None:
    if not _given_up.is_set():
        _within(PATIENCE, lambda: _kaleido().stop_sync_server(silence_warnings=True))


def _kaleido() -> Any:
    import kaleido  # takes half a second, and few callers draw

    return kaleido


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what a call returns; None where it fails or does not end in time."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive() and not _given_up.is_set():
        _given_up.set()
        print(f"Pictures are left out: the browser did not answer within {seconds:g} seconds.")
    return answers[0] if answers else None
