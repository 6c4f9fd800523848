"""Reporting checklists, filled from the files of a run: TRIPOD+AI, CLEAR, METRICS.

An item is met only by files that are there, never by intent; what only a person knows comes from
study.toml, [author]. checklists.toml lists what each item needs.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd

from radiogenomics.report import drafted, manuscript
from radiogenomics.report.pages import TEMPLATE, banner, style
from radiogenomics.study.files import read_json, whole_file
from radiogenomics.study.study import Study

ITEMS = Path(__file__).with_suffix(".toml")
MET = "met"
STATED = "met (stated by the author)"
MISSING = "missing"
AUTHOR = "for the author"
NOT_APPLICABLE = "not applicable"
STATES = (MET, STATED, MISSING, AUTHOR, NOT_APPLICABLE)
TITLES = {
    "tripod_ai": "TRIPOD+AI 2024",
    "clear": "CLEAR 1.0",
    "metrics": "METRICS 1.0",
}
BANDS = {0: "very low", 20: "low", 40: "moderate", 60: "good", 80: "excellent"}
SHOWN = 4  # rows of a table that are printed as evidence
LINK = re.compile(r"https?://|doi:|\b10\.\d{4}")


@dataclass(frozen=True)
class Evidence:
    """One artefact of the run: whether it is there, what it says, its file and its section."""

    there: bool
    says: str
    file: str
    where: str


@dataclass(frozen=True)
class Answer:
    """One item of a checklist with its state and what shows it; `said` is by author field."""

    item: str
    label: str
    state: str
    evidence: list[Evidence]
    said: dict[str, str]
    weight: float | None


def read_items() -> dict[str, Any]:
    """Return checklists.toml: `evidence` by name and `lists` of items by checklist."""
    return tomllib.loads(ITEMS.read_text(encoding="utf-8"))


def look(study: Study, asked: dict[str, Any]) -> Evidence:
    """Return what the report folder shows of one piece of evidence of checklists.toml."""
    path = study.reports / asked["file"]
    where = asked.get("where", "")
    if not (study.reports / where.partition("#")[0]).is_file():
        where = ""
    if not path.is_file() or not path.stat().st_size:
        return Evidence(False, "not there", asked["file"], where)
    kinds = {".csv": _in_table, ".json": _in_json}
    there, says = kinds.get(path.suffix, lambda *_: (True, "there"))(path, asked)
    return Evidence(there, says, asked["file"], where)


def _in_table(path: Path, asked: dict[str, Any]) -> tuple[bool, str]:
    """Return whether enough rows of a table count, and what they say."""
    try:
        table = pd.read_csv(path, dtype={"patient": str})
        rows = table.query(asked["rows"], engine="python") if "rows" in asked else table
    except (pd.errors.EmptyDataError, pd.errors.UndefinedVariableError):
        return False, "columns not there"
    enough = len(rows) >= asked.get("count", 1)
    if asked.get("most"):
        enough = len(rows) > len(table) / 2
    unit = asked.get("unit", "rows")
    counted = f"{len(rows)} of {len(table)} {unit}" if "rows" in asked else f"{len(table)} {unit}"
    return enough, _printed(rows, asked["show"]) if "show" in asked and len(rows) else counted


def _printed(rows: pd.DataFrame, show: str) -> str:
    shown = [show.format_map(row) for row in rows.head(SHOWN).to_dict("records")]
    more = [f"{len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return "; ".join(shown + more)


def _in_json(path: Path, asked: dict[str, Any]) -> tuple[bool, str]:
    """Return whether a JSON file holds a value that is neither empty nor 0, and the value."""
    value, key = read_json(path), asked.get("key")
    for part in key.split(".") if key else []:
        value = value.get(part) if isinstance(value, dict) else None
    if not key:
        return bool(value), f"{len(value)} entries"
    return bool(value), f"{key.rpartition('.')[2]}: {_told(value)}"


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(k if v in (None, {}, []) else f"{k} {_told(v)}" for k, v in value.items())
    if isinstance(value, list) and any(isinstance(entry, (dict, list)) for entry in value):
        return f"{len(value)} entries"
    if isinstance(value, list):
        return ", ".join(_told(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def answer(study: Study, name: str) -> list[Answer]:
    """Return every item of a checklist (`tripod_ai`, `clear`, `metrics`) with its state."""
    items = read_items()
    asked = {e for item in items["lists"][name] for e in item.get("evidence", [])}
    by_name = {e: look(study, items["evidence"][e]) for e in asked}
    answers = []
    for item in items["lists"][name]:
        evidence = [by_name[e] for e in item.get("evidence", [])]
        said = {f: getattr(study.settings.author, f).strip() for f in item.get("author", [])}
        state = _state(item, evidence, said)
        if item.get("only_automatic"):
            state = _if_automatic(study, state)
        answers.append(
            Answer(item["item"], item["label"], state, evidence, said, item.get("weight"))
        )
    return answers


def _state(item: dict[str, Any], evidence: list[Evidence], said: dict[str, str]) -> str:
    if not all(piece.there for piece in evidence):
        return MISSING
    if evidence and not said:
        return MET
    linked = not item.get("address") or LINK.search(" ".join(said.values()))
    return STATED if said and all(said.values()) and linked else AUTHOR


def _if_automatic(study: Study, state: str) -> str:
    """Return the state of an item that is asked of fully automatic segmentation alone."""
    kind = study.settings.author.segmentation_kind.strip().lower()
    if kind == "automatic":
        return state
    return NOT_APPLICABLE if kind in ("manual", "semi-automatic") else AUTHOR


def metrics_score(answers: list[Answer], states: tuple[str, ...]) -> float:
    """Return the METRICS score in percent: weights of items in `states` by those that apply.

    Items that do not apply leave the denominator, as in the published calculator (Kocak et al.
    2024, doi 10.1186/s13244-023-01572-w); items for the author stay in it.
    """
    applies = sum(item.weight for item in answers if item.state != NOT_APPLICABLE)
    return 100 * sum(item.weight for item in answers if item.state in states) / applies


def band(score: float) -> str:
    """Return the published quality band of a METRICS score; an edge belongs to the upper band."""
    return BANDS[max(edge for edge in BANDS if edge <= score)]


def table(answers: list[Answer]) -> pd.DataFrame:
    """Return a checklist as it is saved: item, label, state, evidence, where, METRICS' weight."""
    rows = []
    for item in answers:
        shown = [f"{e.file}: {e.says}" for e in item.evidence]
        shown += [f"study.toml {name}: {text}" for name, text in item.said.items() if text]
        where = " ".join(dict.fromkeys(e.where for e in item.evidence if e.where))
        rows.append((item.item, item.label, item.state, " | ".join(shown), where, item.weight))
    columns = ["item", "label", "state", "evidence", "where", "weight"]
    return pd.DataFrame(rows, columns=columns).dropna(axis=1, how="all")


def build(study: Study) -> Path:
    """Write checklists.html, the three tables and manuscript.md of what the run shows now.

    Args:
        study: the study; its reports may be unfinished, what is not there is missing.

    Returns:
        The path of checklists.html.
    """
    answers = {}
    for name in TITLES:  # CLEAR and METRICS ask for a filled checklist: TRIPOD+AI's comes first
        answers[name] = answer(study, name)
        study.keep(**{f"checklist_{name}": table(answers[name])})
    text = manuscript.draft(study)
    drafted.save(study, text)
    page = study.reports / "checklists.html"
    with whole_file(page) as part:
        part.write_text(_page(study, answers, text), encoding="utf-8")
    return page


def _page(study: Study, answers: dict[str, list[Answer]], text: manuscript.Draft) -> str:
    alone, stated = (metrics_score(answers["metrics"], s) for s in ((MET,), (MET, STATED)))
    environment = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(TEMPLATE))
    environment.filters["href"] = lambda href: quote(href, safe="/#?,'")
    return environment.get_template("checklists.html.j2").render(
        title=study.settings.heading,
        banner=banner(study),
        css=jinja2.utils.markupsafe.Markup(style(banner(study))),
        states=STATES,
        lists=[(n, TITLES[n], rows, Counter(a.state for a in rows)) for n, rows in answers.items()],
        scores=[("shown by the run alone", alone, band(alone)),
                ("with what the author states", stated, band(stated))],
        text=drafted.numbered(text, study)[0],
    )  # fmt: skip
