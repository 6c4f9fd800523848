"""Several tables of scores: each a cohort; hospitals may number their patients alike."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from radiogenomics.comparison.other_faults import TEST, some


def cohorts(paths: tuple[Path, ...]) -> tuple[list[str], list[str]]:
    """Return of each table the cohort, where it has no such column, and what messages call it."""
    said = [path.name for path in paths]
    if len(paths) == 1:
        return [TEST], said
    files, folders = [p.stem for p in paths], [p.absolute().parent.name for p in paths]
    different = [names for names in (files, folders) if len(set(names)) == len(paths)]
    names = different[0] if different else [f"table_{n}" for n in range(1, len(paths) + 1)]
    names = [re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40] for name in names]
    alike = len(set(said)) < len(said)
    return names, [f"{n} ({s})" if alike else s for n, s in zip(names, said, strict=True)]


def apart(parts: list[pd.DataFrame]) -> tuple[list[pd.DataFrame], list[str]]:
    """Return tables with the cohort before each patient's name, where hospitals use the same names.

    Tables of the same models are of different patients; of different models they are scores of
    the same ones, and are left as they are.
    """
    times = Counter(patient for part in parts for patient in part.patient.unique())
    tables = Counter(cohort for part in parts for cohort in part.cohort.unique())
    shared = [patient for patient, n in times.items() if n > 1]
    other_models = len({frozenset(part.model) for part in parts}) > 1
    if not shared or other_models or max(tables.values()) > 1:
        return parts, []
    own = [part.assign(patient=part.cohort + "_" + part.patient) for part in parts]
    return own, [
        f"{len(shared)} names of patients stand in several tables ({some(shared)}): each table's "
        "patients are its own, and have its cohort before their names"
    ]
