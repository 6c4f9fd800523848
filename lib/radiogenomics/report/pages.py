"""Pages: a notebook's HTML, and what every page has; they ask nothing of any network."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from radiogenomics.report import captions
from radiogenomics.study import contract, design
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import SHIPPED, whole_file
from radiogenomics.study.pictures import PLOTLY
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from radiogenomics.study.style import MIME
from radiogenomics.study.words import SYNTHETIC

NOTEBOOKS = SHIPPED / "notebooks"
TEMPLATE = Path(__file__).parent / "template"
DRAWABLE = {  # traces of the plotly bundle that the reports carry
    "bar", "box", "contour", "heatmap", "histogram", "histogram2d", "histogram2dcontour", "image",
    "pie", "scatter", "scatterternary", "violin",
}  # fmt: skip
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src 'none'"
)
NOT_NEEDED = "not needed"  # the state of a notebook that has nothing to do in this design
UNTESTED = (
    "Internal validation only: no patient here was kept apart to test the models, which other "
    "hospitals' patients have still to do."
)
OTHER_DATA = {  # of pages with other data than the study's: their tables are not marked
    contract.NEW_PATIENT.name: " The models were trained on it; the CT may be a real patient's.",
    contract.PAPER_AUDIT.name: " The paper's printed numbers on this page are not simulated.",
}


def notebooks() -> list[Path]:
    """Return the notebooks' files in their order; copies beside them are not included."""
    return [NOTEBOOKS / f"{notebook.name}.ipynb" for notebook in contract.NOTEBOOKS]


def failed(path: Path) -> Path:
    """Return the place of a notebook or its page where the run of it failed."""
    return path.with_stem(f"{path.stem}_failed")


def title_of(path: Path) -> str:
    """Return a notebook's first heading."""
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0][2:]
    return path.stem


def export_html(
    executed: Path, html: Path, banner: str = "", nav: list[tuple[str, str]] | None = None
) -> Path:
    """Write an executed notebook as one HTML file that asks nothing of any network.

    Raises:
        StudyError: a figure has a trace that the shipped plotly bundle cannot draw.
    """
    notebook = nbformat.read(executed, 4)
    _check_traces(notebook, executed.stem)
    captions.number(notebook, executed.stem)
    page = inlined() | {
        "css": style(banner),
        "banner": banner,
        "nav": nav or [],
        "contents": _contents(notebook),
    }
    exporter = HTMLExporter(
        template_name="workbook", extra_template_basedirs=[str(TEMPLATE)], embed_images=True
    )
    resources = {"metadata": {"name": title_of(executed)}, "page": page}
    body, _ = exporter.from_notebook_node(notebook, resources=resources)
    body = captions.for_people(body)
    with whole_file(html) as part:
        part.write_text(body, encoding="utf-8")
    return html


def style(banner: str) -> str:
    """Return a page's style sheet; below synthetic data's plain banner every table is marked."""
    marked = banner in (SYNTHETIC, f"{SYNTHETIC} {UNTESTED}")
    return part_of("report.css") + (part_of("synthetic.css") if marked else "")


def part_of(name: str) -> str:
    """Return a file of the template."""
    return (TEMPLATE / name).read_text(encoding="utf-8")


def _contents(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    texts = [text for cell in notebook.cells for text in captions.markdown(cell)]
    lines = [line for text in texts for line in text.splitlines()]
    names = [line[3:].strip() for line in lines if line.startswith("## ")]
    return [(name.replace(" ", "-"), name) for name in names]


def _check_traces(notebook: nbformat.NotebookNode, name: str) -> None:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            figure = output.get("data", {}).get(MIME)
            kinds = {trace.get("type", "scatter") for trace in figure["data"]} if figure else set()
            if kinds - DRAWABLE:
                raise StudyError(
                    f"{name}: a figure has traces {sorted(kinds - DRAWABLE)}, which the reports "
                    f"cannot draw. Expected: {', '.join(sorted(DRAWABLE))}."
                )


def banner(study: Study, notebook: str = "") -> str:
    """Return what is said over every page: simulated patients, no test cohort; else ""."""
    simulated = SYNTHETIC + OTHER_DATA.get(notebook, "") if study.settings.synthetic else ""
    untested = "" if design.tested(design_of(study)) else UNTESTED
    return " ".join(filter(None, (simulated, untested)))


def design_of(study: Study) -> Settings:
    """Return the settings of the run, which -p may have changed."""
    return study.ran_with(contract.COHORT)


def nav(study: Study) -> list[tuple[str, str]]:
    """Return address and name of the pages that every report links to."""
    names = [notebook.name for notebook in design.needed(design_of(study))]
    return [("index.html", "index"), *((f"{name}.html", name.replace("_", " ")) for name in names)]


def inlined() -> dict[str, str]:
    """Return what every page holds: policy, plotly, and the script that draws."""
    return {"policy": POLICY, "plotly": PLOTLY.read_text("utf-8"), "draw": part_of("draw.js")}
