"""The browser that draws: it asks nothing of the network, and one that hangs is given up once."""

import json
import subprocess
import sys
import time

import pytest
from chromium import CHROMIUM
from radiogenomics.study import pictures

DRAW = """
import json, sys
from radiogenomics.study import pictures
pictures.QUIET = (*pictures.QUIET, "--log-net-log=" + sys.argv[1])
figure = {"data": [{"type": "bar", "y": [1, 2], "text": "<a href='https://example.org'>x</a>"}],
          "layout": {"title": {"text": "<img src='https://example.org/a.png'>"}}}
print(len(pictures.picture(figure)))
"""


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium")
def test_a_picture_looks_up_no_name(tmp_path):
    log = tmp_path / "net.json"
    drawn = subprocess.run(
        [sys.executable, "-c", DRAW, str(log)], capture_output=True, text=True, timeout=120
    )
    assert int(drawn.stdout.split()[-1]) > 1000, drawn.stderr
    text = log.read_text(encoding="utf-8", errors="replace").rstrip().rstrip(",")
    content = json.loads(text if text.endswith("}") else text + "]}")
    kinds = {number: name for name, number in content["constants"]["logEventTypes"].items()}
    told = [kinds[event["type"]] for event in content["events"]]
    assert len(told) > 10  # the log is of this browser
    sent = {"HOST_RESOLVER_DNS_TASK", "HOST_RESOLVER_SYSTEM_TASK", "TCP_CONNECT", "UDP_BYTES_SENT"}
    assert not sent & set(told)


def test_a_browser_that_hangs_is_given_up_for_good(monkeypatch, capsys):
    monkeypatch.setattr(pictures, "PATIENCE", 0.05)
    monkeypatch.setattr(pictures, "_started", lambda: True)

    class Hanging:
        def calc_fig_sync(self, *_, **__):
            time.sleep(2)

    monkeypatch.setattr(pictures, "_kaleido", Hanging)
    start = time.monotonic()
    try:
        found = [pictures.picture({"data": [], "layout": {}}) for _ in range(40)]
    finally:
        pictures._given_up.clear()
    assert found == [None] * 40 and time.monotonic() - start < 1
    assert capsys.readouterr().out.count("Pictures are left out") == 1


def test_a_figure_that_cannot_be_drawn_does_not_end_the_others(monkeypatch):
    class Faulty:
        def calc_fig_sync(self, parts, **_):
            if not parts["data"]:
                raise ValueError("no data")
            return b"picture"

    monkeypatch.setattr(pictures, "_started", lambda: True)
    monkeypatch.setattr(pictures, "_kaleido", Faulty)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    drawn = [pictures.picture({"data": data, "layout": {}}) for data in ([], [1])]
    assert drawn == [None, b"picture"]
