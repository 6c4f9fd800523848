"""Figures and tables of a page for people: numbered, captioned, with headings in words."""

from __future__ import annotations

import itertools
import re
from html import escape
from typing import Any

import nbformat

from radiogenomics.study.style import MIME

LONG_CELL = re.compile(r"<td>(?=[^<]{45,}</td>)")  # which may be broken into lines
FRAME = re.compile(r'<table border="1" class="dataframe[^>]*>')  # as pandas writes it
HEADING = re.compile(r"(<th[^>]*>)([a-z][a-z0-9]*(?:_[a-z0-9]+)*)<")  # of a data frame's column
UPPER = {"ci": "CI", "auc": "AUC", "hu": "HU", "ct": "CT", "icc": "ICC", "smd": "SMD",
         "mm3": "mm³", "ppv": "PPV", "npv": "NPV", "cnn": "CNN"}  # fmt: skip


def number(notebook: nbformat.NotebookNode, name: str) -> None:
    """Number a notebook's figures and tables; a table's caption is the heading it stands under.

    A figure also gets the words that are read out in its place.
    """
    digits = f"{int(name[:2])}." if name[:2].isdigit() else ""
    figures, frames = itertools.count(1), itertools.count(1)
    section = ""
    for cell in notebook.cells:
        for text in markdown(cell):
            section = next((t[3:] for t in text.splitlines() if t.startswith("## ")), section)
        for data, output in ((o.get("data", {}), o) for o in cell.get("outputs", [])):
            if MIME in data:
                figure, label = data[MIME], f"Figure {digits}{next(figures)}"
                told = {"label": label, "title": title_of(figure), "alt": alt_of(figure)}
                output.setdefault("metadata", {})["workbook"] = told
            elif FRAME.search(html := _joined(data.get("text/html", ""))):
                words = f"Table {digits}{next(frames)}. {section}".strip()
                caption = f"<caption>{escape(words)}</caption>"
                data["text/html"] = FRAME.sub(lambda t, c=caption: t[0] + c, html, count=1)


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def markdown(cell: nbformat.NotebookNode) -> list[str]:
    """Return the Markdown of a cell, written or displayed."""
    if cell.cell_type == "markdown":
        return [cell.source]
    return [output.get("data", {}).get("text/markdown", "") for output in cell.get("outputs", [])]


def title_of(figure: dict[str, Any]) -> str:
    """Return a figure's title without marks."""
    return re.sub("<[^>]+>", "", figure["layout"]["title"]["text"])


def alt_of(figure: dict[str, Any]) -> str:
    """Return what is read out in a figure's place: its title, and the sentence that reads it."""
    told = plain((figure["layout"].get("meta") or {}).get("told", ""))
    return f"{title_of(figure)}. {told}".strip()


def plain(markdown: str) -> str:
    """Return a sentence without Markdown's and HTML's marks."""
    markdown = re.sub("<[^>]+>", "", markdown)
    return markdown.replace("**", "").replace("*", "").replace("`", "")


def for_people(page: str) -> str:
    """Return a page whose tables have headings in words, and empty cells where nothing is known.

    Column names of data frames are for files: `ci_low` is read as CI low.
    """
    page = HEADING.sub(lambda found: f"{found[1]}{heading(found[2])}<", page)
    for unknown in ("<td>NaN</td>", "<td>None</td>", "<th></th>"):
        page = page.replace(unknown, "<td></td>")
    return LONG_CELL.sub('<td class="long">', page)


def heading(name: str) -> str:
    """Return a column's name in words.

    >>> heading("ci_low"), heading("auc_control"), heading("score"), heading("CNN")
    ('CI low', 'AUC control', 'score', 'CNN')
    """
    return " ".join(UPPER.get(word, word) for word in name.split("_"))
