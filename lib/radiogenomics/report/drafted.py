"""The drafted manuscript as files: Markdown, Word, and BibTeX of what it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docx import Document
from docx.shared import Mm

from radiogenomics.report.captions import plain
from radiogenomics.report.manuscript import Draft, Sentence
from radiogenomics.report.print_tables import PrintTable, made
from radiogenomics.study.files import read_json, whole_file
from radiogenomics.study.study import Study

BIBLIOGRAPHY = Path(__file__).with_name("references.bib")
FIGURES = ("steps", "flow", "roc", "calibration", "decision", "verdict", "gradcam_gallery")
IN_TEXT = ("table1", "table2", "delong")  # tables of the manuscript; others are supplements
CITED = re.compile(r"\[@(\w+)\]")
POINTED = re.compile(r" \(\[#(\w+)\]\)")
FIELD = re.compile(r"(\w+) = \{(.*?)\}(?:,|\s*$)", re.M)
SETTING = re.compile(r": study\.toml, \[\w+\]")
WIDTH = Mm(160)


def entries() -> dict[str, str]:
    """Return the shipped bibliography's entries, BibTeX, by key."""
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    parts = [part for part in re.split(r"^(?=@)", text, flags=re.M) if part]
    return {re.match(r"@\w+\{(\w+),", part)[1]: part for part in parts}


def reference(entry: str) -> str:
    """Return an entry as a reference list prints it."""
    known = {name: value for name, value in FIELD.findall(entry) if value}
    authors = known["author"].replace(" and others", " et al").replace(" and ", "; ").rstrip(".")
    place = ";".join(known[name] for name in ("year", "volume") if name in known)
    pages = f":{known['pages']}" if "pages" in known else ""
    doi = f" doi:{known['doi']}" if "doi" in known else ""
    return f"{authors}. {known['title']}. {known['journal']} {place}{pages}.{doi}"


def numbered(text: Draft, study: Study) -> tuple[Draft, list[str]]:
    """Return the draft with numbers for citations, figures and tables, and the keys it cites.

    What is pointed at but not there loses its brackets.
    """
    keys: list[str] = []
    places = {name: f"Figure {n}" for n, name in enumerate(figures(study), start=1)}
    captions = {name: table.caption.partition(".")[0] for name, table in made(study).items()}
    places |= {f"table_{name}": caption for name, caption in captions.items()}

    def cited(found: re.Match) -> str:
        if found[1] not in keys:
            keys.append(found[1])
        return f"[{keys.index(found[1]) + 1}]"

    def pointed(found: re.Match) -> str:
        return f" ({places[found[1]]})" if found[1] in places else ""

    def told(sentence: Sentence) -> Sentence:
        return sentence._replace(text=POINTED.sub(pointed, CITED.sub(cited, sentence.text)))

    return {section: list(map(told, rows)) for section, rows in text.items()}, keys


def figures(study: Study) -> dict[str, list[Path]]:
    """Return the manuscript's figures that are there: each one's pictures' data, by name."""
    found = {name: _panels(study, name) for name in FIGURES}
    return {name: paths for name, paths in found.items() if paths}


def _panels(study: Study, name: str) -> list[Path]:
    single = study.figures / f"{name}.json"
    panels = [single] if single.exists() else sorted(study.figures.glob(f"{name}_*.json"))
    return [path for path in panels if not path.stem.endswith("_train")]


def legend(number: int, panels: list[Path]) -> str:
    """Return a figure's legend: the title and the sentence of each of its panels."""
    layouts = [read_json(path)["layout"] for path in panels]
    texts = [f"{plain(one['title']['text'])}. {_first(one)}".strip() for one in layouts]
    return f"Figure {number}. {' '.join(texts)}"


def _first(layout: dict[str, Any]) -> str:
    """Return the first paragraph that reads a figure, without the workbook's settings."""
    told = plain((layout.get("meta") or {}).get("told", "")).partition("\n\n")[0]
    return SETTING.sub("", told).rstrip(":")


def by_heading(rows: list[Sentence]) -> Iterator[tuple[str, str]]:
    """Yield each heading of a section and its paragraph, in their order."""
    for heading in dict.fromkeys(row.heading for row in rows):
        yield heading, " ".join(row.text for row in rows if row.heading == heading)


def as_markdown(text: Draft, study: Study) -> str:
    """Return the draft as Markdown: paragraphs by heading, legends, references, files used."""
    told, keys = numbered(text, study)
    lines = [f"# {study.settings.heading}", ""]
    lines += ["Drafted by the workbook from this run's tables; to be edited.", ""]
    for section, rows in told.items():
        lines += [f"## {section}", ""]
        for heading, paragraph in by_heading(rows):
            lines += ([f"### {heading}", ""] if heading else []) + [paragraph, ""]
        used = dict.fromkeys(row.file for row in rows if row.file)
        lines += [f"Numbers from: {', '.join(used) or 'none'}.", ""]
    lines += _listed("Tables", [f"{t.caption}: tables/{n}.html" for n, t in made(study).items()])
    legends = [legend(n, p) for n, p in enumerate(figures(study).values(), start=1)]
    lines += _listed("Figure legends", legends)
    return "\n".join(lines + _listed("References", references(keys)))


def references(keys: list[str]) -> list[str]:
    """Return the numbered reference list of what is cited."""
    known = entries()
    return [f"{n}. {reference(known[key])}" for n, key in enumerate(keys, start=1)]


def _listed(heading: str, texts: list[str]) -> list[str]:
    return [f"## {heading}", "", *(f"{text}\n" for text in texts)] if texts else []


def save(study: Study, text: Draft) -> None:
    """Write manuscript.md, and references.bib with what it cites."""
    _, keys = numbered(text, study)
    known = entries()
    with whole_file(study.reports / "manuscript.md") as part:
        part.write_text(as_markdown(text, study), encoding="utf-8")
    with whole_file(study.reports / "references.bib") as part:
        part.write_text("".join(known[key] for key in keys), encoding="utf-8")


def save_docx(study: Study, text: Draft) -> None:
    """Write manuscript.docx: paragraphs by heading, tables, figures that were drawn, references."""
    told, keys = numbered(text, study)
    document = Document()
    document.core_properties.author = ""
    document.add_heading(study.settings.heading, 0)
    for section, rows in told.items():
        document.add_heading(section, 1)
        for heading, paragraph in by_heading(rows):
            if heading:
                document.add_heading(heading, 2)
            document.add_paragraph(paragraph)
    for name, table in made(study).items():
        if name in IN_TEXT:
            _add_table(document, table)
    for number, panels in enumerate(figures(study).values(), start=1):
        for picture in (path.with_suffix(".png") for path in panels):
            if picture.exists():
                document.add_picture(str(picture), width=WIDTH)
        document.add_paragraph(legend(number, panels))
    if keys:
        document.add_heading("References", 1)
    for told_of in references(keys):
        document.add_paragraph(told_of)
    with whole_file(study.reports / "manuscript.docx") as part:
        document.save(str(part))


def _add_table(document: Document, table: PrintTable) -> None:
    document.add_paragraph().add_run(table.caption).bold = True
    cells = [list(table.rows), *table.rows.astype(str).to_numpy().tolist()]
    grid = document.add_table(len(cells), len(cells[0]), style="Light Shading")
    for line, words in zip(grid.rows, cells, strict=True):
        for cell, word in zip(line.cells, words, strict=True):
            cell.text = str(word)
    document.add_paragraph(table.note)
