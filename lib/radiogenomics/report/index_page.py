"""index.html: what was found, in three minutes, and links to every report, figure and table."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from radiogenomics.comparison import readings
from radiogenomics.comparison.paper import paper_of
from radiogenomics.models import classifiers
from radiogenomics.report import acting, captions, summary
from radiogenomics.report.pages import (
    NOT_NEEDED,
    banner,
    design_of,
    failed,
    inlined,
    nav,
    notebooks,
    part_of,
    style,
)
from radiogenomics.report.print_tables import save_print_tables, table1
from radiogenomics.study import contract, design, tables
from radiogenomics.study.files import read_json, whole_file
from radiogenomics.study.own_code import own_code
from radiogenomics.study.progress import minutes
from radiogenomics.study.settings import CLINICAL, NETWORK, RADIOMICS
from radiogenomics.study.study import Study
from radiogenomics.study.words import listed, printed_rows, table2, with_interval

MADE_OF = {NETWORK: "a 3D CNN", RADIOMICS: "radiomics models", CLINICAL: "clinical models"}
INDEX_FIGURES = (
    "flow", "internal", "cohorts", "roc_*", "calibration_*", "decision_*", "scores_*", "steps",
)  # fmt: skip
PRIVACY = (
    "These reports hold images of patients' lesions and one row per patient. They hold no name, "
    "birth date or hospital number that the workbook knows of. Share them only with people who may "
    "see such images."
)


def build_index(study: Study, states: list[dict[str, Any]]) -> Path:
    """Write index.html from what is there: headline, figures, links to every report and table."""
    fault = next((state for state in states if state["state"] == "failed"), None)
    settings = study.settings
    made = study.manifest()
    looked = summary.checks(study)
    told, headline = [check.text for check in looked], _headline(study)
    used = design_of(study)
    there = design.parts(used)
    folded = contract.TRAINING if NETWORK in there else contract.SELECTION
    page = {
        "title": settings.heading,
        "nav": nav(study),
        "summary": _bold(summary.paragraph(study)),
        "checks": looked,
        "written": made.get("written", "")[:10],
        "code": made.get("code", ""),
        "label": settings.label.name,
        "paper": paper_of(study),
        "seed": study.ran_with(contract.COMPARISON).seed,
        "folds": study.ran_with(folded).evaluation.folds,
        "banner": banner(study),
        "failure": {"name": fault["title"], "message": fault.get("message", "")} if fault else None,
        "warnings": [
            *acting.outdated(study, tuple(notebooks())),
            *(text for text in _warnings(study) if text not in told),
        ],
        "headline": headline,
        "tested": design.tested(used),
        "made_of": listed(words for part, words in MADE_OF.items() if part in there),
        "source": used.source,
        "legend": _legend(study, headline),
        "headline_note": "AUC with DeLong's interval on the logit scale; others at threshold 0.5 "
        "with Wilson's" + _of_paper(study),
        "table1": _table1(study),
        "figures": _index_figures(study),
        "notebooks": [_notebook_row(study, state) for state in states],
        "print_tables": [f"tables/{name}.html" for name in save_print_tables(study)],
        "pictures": _below(study, "figures/*.svg", "figures/*.png"),
        "checklists": _below(study, "checklists.html", "manuscript.*", "references.bib"),
        "files": _below(study, "manifest.json", "predictions.csv", "tables/*.[cpj]*"),
        "author": [(k, v) for k, v in dataclasses.asdict(settings.author).items() if v],
        "privacy": PRIVACY,
    }
    parts = inlined() | {"css": style(banner(study))}
    safe = {name: jinja2.utils.markupsafe.Markup(text) for name, text in parts.items()}
    template = jinja2.Environment(autoescape=True).from_string(part_of("index_page.html.j2"))
    with whole_file(study.reports / "index.html") as part:
        part.write_text(template.render(**(page | safe)), encoding="utf-8")
    return study.reports / "index.html"


def _notebook_row(study: Study, state: dict[str, Any]) -> dict[str, str]:
    page = study.reports / f"{state['name']}.html"
    tried = failed(page)
    told = "stands: nothing changed" if state.get("stands") else state["state"]
    if state["state"] == NOT_NEEDED:
        told = f"not needed: {state['message']}"
    if state["state"] == "failed" and page.exists():
        told = "failed; the page is of an earlier run"
    return {
        "title": state["title"],
        "state": told,
        "time": minutes(state["seconds"]) if state["seconds"] else "",
        "html": page.name if page.exists() and state["state"] != NOT_NEEDED else "",
        "tried": tried.name if tried.exists() else "",
    }


def _below(study: Study, *patterns: str) -> list[str]:
    """Return the files of the report folder that are there, as links."""
    paths = [p for pattern in patterns for p in sorted(study.reports.glob(pattern))]
    return [p.relative_to(study.reports).as_posix() for p in paths]


def _table1(study: Study) -> list[list[str]]:
    if not study.has(tables.TABLE1):
        return []
    table, _, _ = table1(study, study.table(tables.TABLE1))
    heads = [name or "characteristic" for name in table]
    return [heads, *table.to_numpy().tolist()]


def _warnings(study: Study) -> list[str]:
    path = study.path(tables.WARNINGS)
    return pd.read_csv(path).warning.tolist() if path.exists() else []


def _legend(study: Study, headline: list[list[str]]) -> str:
    """Return what the models of the headline are, those of the study."""
    named = {row[headline[0].index("model")] for row in headline[1:]}
    what = {model.name: model.what for model in contract.MODELS}
    what |= classifiers.added(study.ran_with(contract.SELECTION))
    return " ".join(f"{name}: {text}." for name, text in what.items() if name in named)


def _headline(study: Study) -> list[list[str]]:
    if study.has(tables.INTERNAL_RESULTS) and not design.tested(design_of(study)):
        shown = readings.internal_shown(study.table(tables.INTERNAL_RESULTS)).reset_index()
        return [list(shown), *shown.to_numpy().tolist()]
    if not study.has(tables.METRICS):
        return []
    metrics = study.table(tables.METRICS)
    metrics = metrics[metrics.cohort != contract.TRAIN]
    place = ["cohort", "model"]
    counts = printed_rows(metrics).drop_duplicates(place).set_index(place)[["n", "events"]]
    table = counts.astype(str).join(table2(metrics)).rename(columns={"auc": "AUC"})
    if table.index.get_level_values("cohort").nunique() == 1:
        table = table.droplevel("cohort")
    table = _with_published(study, table.reset_index())
    return [list(table), *table.to_numpy().tolist()]


def _with_published(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return the headline with the paper's AUC beside this run's, where there is a paper."""
    if not study.has(tables.PAPER_VS_RUN):
        return table
    rows = study.table(tables.PAPER_VS_RUN)
    rows = rows[(rows.metric == "auc") & (rows.cohort == "test")].dropna(subset="published")
    if rows.empty:
        return table
    printed = {r.model: with_interval(r.published, r.published_low, r.published_high)
               for r in rows.itertuples()}  # fmt: skip
    published = table.model.map(printed).fillna("")
    name = "AUC in the paper" + (" (real patients)" if study.settings.synthetic else "")
    table.insert(list(table).index("AUC") + 1, name, published)
    return table


def _of_paper(study: Study) -> str:
    if (printed := paper_of(study)) is None:
        return ""
    own = own_code(study.ran_with(contract.TRAINING).cnn.network)
    other = f", whose CNN is another network than {own}" if own else ""
    return f"; in the paper: {printed.get('short', printed['title'])}{other}"


def _bold(markdown: str) -> str:
    """Return a sentence as HTML: everything escaped, **bold** kept."""
    text = str(jinja2.utils.markupsafe.escape(markdown))
    return jinja2.utils.markupsafe.Markup(re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text))


def _index_figures(study: Study) -> list[dict[str, Any]]:
    figures = []
    kept = [p for name in INDEX_FIGURES for p in sorted(study.figures.glob(f"{name}.json"))]
    for path in kept:
        if not path.stem.endswith(f"_{contract.TRAIN}"):
            figure = read_json(path)
            text = path.read_text(encoding="utf-8").replace("</", "<\\/")
            figures.append(
                {
                    "alt": captions.alt_of(figure),
                    "title": captions.title_of(figure),
                    "height": figure["layout"].get("height", 450),
                    "told": captions.plain(figure["layout"].get("meta", {}).get("told", "")),
                    "json": jinja2.utils.markupsafe.Markup(_with_frames(text)),
                }
            )
    return figures


def _with_frames(text: str) -> str:
    return text if '"frames"' in text else text.rstrip().removesuffix("}") + ', "frames": []}'
