"""What cohort.csv holds that no report may: words of paths and unused columns, and dates."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from radiogenomics.cohort.codes import CODES
from radiogenomics.cohort.dates import DATES
from radiogenomics.cohort.reading import IMAGES, NUMBERS
from radiogenomics.images.anonymity import private_tokens
from radiogenomics.study.study import Study

SHOWN = (  # columns that reports may quote; of the others they show nothing
    "patient", "hospital", "cohort", "label", *NUMBERS, *CODES, "histology", "mask_label",
    "ct_series", "ct_acquisition", "scanner", "kernel", "thickness_mm",
)  # fmt: skip
FEW = 0.05  # of the patients: a word that more of them share names nobody
DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")
NUMBER = re.compile(r"-?\d+[.,]\d+|-?\d{1,5}")  # of these a report holds many


def private_words(study: Study, table: pd.DataFrame) -> dict[str, set[str]]:
    """Return the words of cohort.csv that no report may hold, by the column they stand in.

    Of paths and of columns that study.toml does not name: words that few patients share, that
    are no words of the library's texts, and that the pseudonyms and shown columns do not hold.

    Args:
        study: its settings.
        table: its cohort.csv, as text (`read_cells`).
    """
    used = {*SHOWN, *_named(dataclasses.asdict(study.settings))}
    known = [cell for column in table if column in used - {*DATES} for cell in table[column]]
    found = {}
    for column in [c for c in table if c in {*IMAGES, *DATES} or c not in used]:
        cells = [cell for cell in table[column] if not NUMBER.fullmatch(cell)]
        if words := _rare(cells, known, len(table)):
            found[column] = words
    return found


def _rare(cells: Iterable[str], known: list[str], patients: int) -> set[str]:
    counts = Counter(word for cell in cells for word in _words(cell))
    rare = {word for word, n in counts.items() if n <= max(2, FEW * patients)}
    return {word for word in rare if DATE.fullmatch(word) or private_tokens(word, known)}


def _words(cell: str) -> set[str]:
    """Return a cell's words, or the whole cell where it is a date."""
    return {cell} if DATE.fullmatch(cell) else private_tokens(cell)


def _named(setting: object) -> set[str]:
    """Return every text among the settings: a column that one of them names is used."""
    if isinstance(setting, dict):
        parts = [*setting, *setting.values()]
    else:
        parts = list(setting) if isinstance(setting, (list, tuple)) else []
    here = {setting.lower()} if isinstance(setting, str) else set()
    return here.union(*map(_named, parts))
