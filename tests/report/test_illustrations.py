"""Pictures are drawn where a figure changed, and put beside every figure of a notebook."""

import base64
import json
import os

import nbformat
import plotly.graph_objects as go
import pytest
from radiogenomics.report import illustrations
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from radiogenomics.study.style import MIME


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn, in order, by a browser that always answers."""
    calls = []

    def picture(figure, kind="png", scale=1):
        calls.append((figure["layout"]["title"]["text"], kind))
        return b"picture"

    monkeypatch.setattr(illustrations, "picture", picture)
    return calls


def write(study, name, title):
    study.figures.mkdir(parents=True, exist_ok=True)
    made = go.Figure(go.Scatter(y=[1, 2]), {"title": {"text": title}})
    (study.figures / f"{name}.json").write_text(made.to_json())


def test_a_figure_is_drawn_again_where_its_content_changed_or_a_picture_is_gone(tmp_path, drawn):
    study = Study(tmp_path / "s", tmp_path / "r", Settings())
    write(study, "a", "A")
    write(study, "b", "B")
    assert len(illustrations.save_illustrations(study)) == 4
    assert drawn == [("A", "svg"), ("A", "png"), ("B", "svg"), ("B", "png")]
    drawn.clear()
    write(study, "a", "A")  # newer, and the same
    os.utime(study.figures / "b.png", (0, 0))
    illustrations.save_illustrations(study)
    assert not drawn
    write(study, "b", "B, other data")
    (study.figures / "a.svg").unlink()
    assert len(illustrations.save_illustrations(study)) == 4
    assert drawn == [("A", "svg"), ("A", "png"), ("B, other data", "svg"), ("B, other data", "png")]


def test_each_figure_of_a_notebook_gets_one_picture(tmp_path, drawn):
    figure = json.loads(go.Figure(layout={"title": {"text": "T"}}).to_json())
    outputs = [
        nbformat.v4.new_output("display_data", data={MIME: figure}),
        nbformat.v4.new_output("display_data", data={MIME: figure, "image/png": "has one"}),
        nbformat.v4.new_output("display_data", data={"text/plain": "a word"}),
        nbformat.v4.new_output("stream", text="printed"),
    ]
    cells = [nbformat.v4.new_markdown_cell("words"), nbformat.v4.new_code_cell(outputs=outputs)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    illustrations.add_pictures(tmp_path / "n.ipynb")
    found = nbformat.read(tmp_path / "n.ipynb", 4).cells[1].outputs
    assert found[0].data["image/png"] == base64.b64encode(b"picture").decode()
    assert found[1].data["image/png"] == "has one" and drawn == [("T", "png")]
    assert "image/png" not in found[2].data
