"""Notebooks used as notebooks: run twice, from any folder, duplicated, exported, begun early."""

import ast
import collections
import copy
import re
import shutil

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from radiogenomics.report import lab, pages
from radiogenomics.study import tables
from radiogenomics.study.contract import INTERNAL, NOTEBOOKS
from radiogenomics.study.study import load_study

KERNEL = {"kernel_name": "python3", "timeout": 600}
DRAWN_ANEW = re.compile(  # what no two drawings share: identifiers, times
    r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|id=\"?[\w-]+|T_\w+?_|for=\"[\w-]+\"|\d+:\d\d"
)


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def bound(source):
    """The names that a cell binds, imports and loops included; comprehensions keep theirs."""
    names = set()

    class Visitor(ast.NodeVisitor):
        def skip(self, node):
            pass

        visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda = skip

        def visit_Name(self, node):
            if isinstance(node.ctx, ast.Store):
                names.add(node.id)

        def visit_alias(self, node):
            names.add((node.asname or node.name).split(".")[0])

    Visitor().visit(ast.parse(source))
    return names


@pytest.mark.parametrize("path", pages.notebooks(), ids=lambda p: p.stem)
def test_no_name_is_bound_by_two_cells(path):
    where = collections.defaultdict(list)
    for i, cell in enumerate(code_cells(path)):
        for name in bound(cell.source):
            where[name].append(i)
    assert not {name: cells for name, cells in where.items() if len(cells) > 1}


def test_the_lint_sees_what_it_is_for():
    assert bound("names = [n for n in a]\nfor x, y in b: pass\nimport os.path as p") == {
        "names", "x", "y", "p",
    }  # fmt: skip


def shown(output):
    """What a reader sees of an output, without what is drawn anew each time."""
    data = output.get("data", {})
    kind = next((k for k in ("text/markdown", "text/html", "text/plain") if k in data), None)
    return DRAWN_ANEW.sub("", data[kind]) if kind else None


@pytest.mark.slow
@pytest.mark.parametrize("name", [n.name for n in NOTEBOOKS if n != INTERNAL])
def test_every_cell_can_be_run_twice(copied, name):
    """Each code cell runs two times in a row and says the same both times."""
    place = lab.prepare(copied)
    notebook = nbformat.read(place / f"{name}.ipynb", 4)
    twice = [copy.deepcopy(cell) for cell in notebook.cells for _ in range(2)]
    for i, cell in enumerate(twice):
        cell.id = f"cell-{i}"
    notebook.cells = twice
    NotebookClient(notebook, resources={"metadata": {"path": str(place)}}, **KERNEL).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for first, second in zip(cells[::2], cells[1::2], strict=True):
        once, again = ([shown(o) for o in cell.outputs] for cell in (first, second))
        assert [o for o in once if o] == [o for o in again if o], first.source


def test_a_notebook_runs_with_its_defaults_from_the_repositorys_root(copied, tmp_path):
    """And a copy that JupyterLab's Duplicate made beside it is no part of any run."""
    root = tmp_path / "project"
    shutil.copytree(pages.NOTEBOOKS, root / "notebooks")
    shutil.copytree(copied.folder, root / "data" / "phantom")
    shutil.copytree(copied.reports, root / "reports" / "phantom")
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(root / "notebooks" / "08_paper_audit.ipynb"), str(out), {}, cwd=str(root),
        kernel_name="python3", progress_bar=False,
    )  # fmt: skip
    assert not [o for c in code_cells(out) for o in c.outputs if o.output_type == "error"]
    again = root / "reports" / "phantom" / "tables" / "audit_proportions.csv"
    assert again.stat().st_mtime > copied.path(tables.METRICS).stat().st_mtime


def test_duplicates_are_ignored(copied, monkeypatch, tmp_path):
    shutil.copytree(pages.NOTEBOOKS, tmp_path / "notebooks")
    name = "05_comparison"
    shutil.copy(tmp_path / "notebooks" / f"{name}.ipynb",
                tmp_path / "notebooks" / f"{name}-Copy1.ipynb")  # fmt: skip
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path / "notebooks")
    assert [path.stem for path in pages.notebooks()] == [notebook.name for notebook in NOTEBOOKS]
    assert not [link for link, _ in pages.nav(copied) if "Copy" in link]
    assert not [p for p in lab.prepare(copied).iterdir() if "Copy" in p.name]


def test_export_as_html_shows_every_figure(finished):
    """As JupyterLab's menu and `jupyter nbconvert --to html` make it, and as GitHub shows it."""
    for name in ("01_cohort", "05_comparison"):
        notebook = nbformat.read(finished.reports / "notebooks" / f"{name}.ipynb", 4)
        outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
        figures = [o.data for o in outputs if pages.MIME in o.get("data", {})]
        assert figures and all({"image/png", "text/html"} & set(data) for data in figures), name
        body, _ = HTMLExporter().from_notebook_node(notebook)
        assert body.count('src="data:image/png') + body.count("Plotly.newPlot") >= len(figures)


def test_a_notebook_begun_too_early_says_what_is_missing_first(finished, tmp_path):
    """And shows that sentence alone, without the library's source."""
    place = lab.prepare(load_study(finished.folder, tmp_path / "new"))
    notebook = nbformat.read(place / "06_gradcam.ipynb", 4)
    client = NotebookClient(
        notebook, resources={"metadata": {"path": str(place)}}, allow_errors=True, **KERNEL
    )
    client.execute()
    errors = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs
              if o.output_type == "error"]  # fmt: skip
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(errors[0].traceback))
    assert "Run: workbook run --from 01" in text and "raise" not in text and "lib/" not in text
    assert len(text.splitlines()) <= 3
