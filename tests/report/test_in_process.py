"""A notebook without a kernel: as with one, and nothing of one page in the next."""

import nbformat
import pytest
from radiogenomics.report.execution import NotebookFailed, run_notebook
from radiogenomics.report.in_process import run_in_process

CELLS = (
    "import pandas as pd\nprint(n, end='')\npd.DataFrame({'a': [n]})",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'));\nn + 1",
)


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a notebook with a number n and these cells."""

    def write(*cells):
        new = nbformat.v4.new_code_cell
        made = nbformat.v4.new_notebook(cells=[new("n: int = 1"), *map(new, cells)])
        made.cells[0].metadata["tags"] = ["parameters"]
        made.metadata["kernelspec"] = {"name": "python3", "language": "python"}
        nbformat.write(made, tmp_path / "n.ipynb")
        return tmp_path / "n.ipynb"

    return write


def shown(path):
    """Every output of an executed notebook: its data, or its text."""
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [one.get("data", one.get("text")) for cell in cells for one in cell.outputs]


def test_outputs_are_those_of_a_kernel(notebook, tmp_path):
    path = notebook(*CELLS)
    given = {"n": 7, "folder": str(tmp_path / "f"), "reports": str(tmp_path / "r"), "other": 1}
    run_in_process(path, tmp_path / "here.ipynb", given)
    run_notebook(path, tmp_path / "there.ipynb", given)
    found, expected = shown(tmp_path / "here.ipynb"), shown(tmp_path / "there.ipynb")
    assert found == expected and found[0] == "7" and found[-1] == {"text/plain": "8"}


def test_a_failed_cell_is_named_and_what_was_done_stays(notebook, tmp_path):
    path = notebook("left = n", "raise ValueError('of no use')", "print('never')")
    given = {"n": 2, "folder": str(tmp_path / "f"), "reports": str(tmp_path / "r")}
    with pytest.raises(NotebookFailed, match=r"n, cell \[4\]: ValueError: of no use"):
        run_in_process(path, tmp_path / "here.ipynb", given)
    assert "left = n" in (tmp_path / "here.ipynb").read_text()
    with pytest.raises(NotebookFailed, match="NameError: name 'left'"):
        run_in_process(notebook("left"), tmp_path / "next.ipynb", given)
