"""Progress is told with what is left, in a terminal and through the runner's file."""

import json
import sys
import time

import pytest
from radiogenomics.study import progress as progress_module
from radiogenomics.study.progress import Follower, minutes, progress


def in_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def test_terminal_bar_ends_whole(monkeypatch, capsys):
    in_terminal(monkeypatch)
    bar = progress("patients")
    for done in range(6):
        bar(done, 5)
    told = capsys.readouterr().err
    assert "patients: 100%" in told and "5/5" in told


def test_a_log_gets_lines_now_and_then_and_the_end(monkeypatch, capsys):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    bar = progress("epochs")
    for done in range(1, 11):
        clock[0] += 10.0
        bar(done, 10)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "epochs: 1 of 10, estimating",
        "epochs: 4 of 10, about 1:00 left",
        "epochs: 7 of 10, about 0:30 left",
        "epochs: 10 of 10, 1:40 taken",
    ]


def test_work_that_goes_on_is_not_taken_for_fast(monkeypatch, capsys):
    """13 of 20 were done before: what is left is estimated from the two done since."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    bar = progress("epochs")
    for done in (13, 14, 15):
        bar(done, 20)
        clock[0] += 30.0
    assert capsys.readouterr().err.splitlines()[-1] == "epochs: 15 of 20, about 2:30 left"


@pytest.mark.parametrize("terminal", (True, False))
def test_runner_follows_a_notebooks_file(tmp_path, capsys, monkeypatch, terminal):
    if terminal:
        in_terminal(monkeypatch)
    file = tmp_path / "progress"
    follower = Follower(file)
    follower.look()
    lines = [{"label": "epochs", "done": done, "total": 4} for done in (1, 4)]
    file.write_text(json.dumps(lines[0]) + "\n")
    follower.look()
    assert "epochs: " in capsys.readouterr().err
    with file.open("a") as stream:
        stream.write(json.dumps(lines[1]) + "\n")
    follower.look()
    assert ("4/4" if terminal else "4 of 4") in capsys.readouterr().err


class Shown:
    """Stands for IPython's display handle: keeps what was shown, in order."""

    def __init__(self):
        self.pages = []

    def update(self, html):
        self.pages.append(html.data)


def test_a_notebook_has_one_bar_that_ends_as_a_line_and_tells_the_runner(monkeypatch, tmp_path):
    clock, shown, handles = [1000.0], Shown(), []

    def display(html, display_id):
        handles.append(display_id)
        shown.update(html)
        return shown

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(progress_module, "get_ipython", lambda: object())
    monkeypatch.setattr(progress_module, "display", display)
    monkeypatch.setenv(progress_module.FILE, str(tmp_path / "told"))
    bar = progress("epochs")
    for done in range(1, 5):
        clock[0] += 10.0 if done < 3 else 0.1  # the third comes too soon to be drawn
        bar(done, 4)
    assert handles == [True] and len(shown.pages) == 3
    assert '<progress value="2" max="4" aria-label="epochs"></progress>' in shown.pages[1]
    assert shown.pages[1].endswith("epochs: 2 of 4, about 0:20 left")
    assert shown.pages[2] == "epochs: 4 of 4, 0:20 taken"
    lines = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [line["done"] for line in lines] == [1, 2, 4]


def test_minutes():
    assert [minutes(s) for s in (0, 59.9, 61, 3600)] == ["0:00", "0:59", "1:01", "60:00"]
