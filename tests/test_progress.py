"""Progress is told with what is left, in a terminal and through the runner's file."""

import json

from radiogenomics.progress import Follower, minutes, progress


def test_terminal_bar_ends_whole(capsys):
    bar = progress("patients")
    for done in range(6):
        bar(done, 5)
    told = capsys.readouterr().err
    assert "patients: 100%" in told and "5/5" in told


def test_runner_follows_a_notebooks_file(tmp_path, capsys):
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
    assert "4/4" in capsys.readouterr().err


def test_minutes():
    assert [minutes(s) for s in (0, 59.9, 61, 3600)] == ["0:00", "0:59", "1:01", "60:00"]
