"""A methods and a results paragraph drafted from the tables of a run, ready to edit.

The sentences are in sentences.md; drafted_methods and drafted_results find their facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from radiogenomics.report.drafted_methods import METHODS, Facts, Part
from radiogenomics.report.drafted_results import LIMITATIONS, RESULTS
from radiogenomics.study.contract import Table
from radiogenomics.study.files import filled
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

Draft = dict[str, list["Sentence"]]  # by section


class Sentence(NamedTuple):
    """Drafted text, the file that its numbers were read from, the heading it stands under."""

    text: str
    file: str = ""
    heading: str = ""


STATED = (
    "design", "reference_standard", "interval", "segmentation", "readers", "blinding", "ethics",
)  # fmt: skip


def draft(study: Study) -> Draft:
    """Return the sentences of each section whose files are there; citations as `[@key]`."""
    start = [Sentence(say("report", "synthetic"))] if study.settings.synthetic else []
    stated = [Sentence(say("report", "stated", **f), "", "Statements") for f in _stated(study)]
    return {
        "Methods": start + list(_drafted(study, METHODS)) + stated,
        "Results": start + list(_drafted(study, RESULTS)),
        "Limitations": list(_drafted(study, LIMITATIONS)),
    }


def _drafted(study: Study, parts: list[Part]) -> Iterator[Sentence]:
    for source, block, facts, heading in parts:
        file = f"tables/{source.file}" if isinstance(source, Table) else source
        if not filled(study.reports / file):
            continue
        room, _, name = block.rpartition("/")
        if words := say(room or "report", name, **facts(study)):
            yield Sentence(words, file, heading)


def _stated(study: Study) -> list[Facts]:
    said = {name: getattr(study.settings.author, name).strip().rstrip(".") for name in STATED}
    return [{"name": n.replace("_", " ").capitalize(), "text": t} for n, t in said.items() if t]
