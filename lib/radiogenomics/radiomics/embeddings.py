"""Features made elsewhere, such as a foundation model's: read, looked through, a model's inputs."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from radiogenomics.models.classical import ridge, unpenalised
from radiogenomics.study import contract, tables
from radiogenomics.study.cells import read_cells
from radiogenomics.study.contract import TRAIN
from radiogenomics.study.errors import MissingFile, SettingsFault, TableFault
from radiogenomics.study.files import damaged, whole_file
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import MODEL_NAME, TAKEN

SETTING = "study.toml [features]"
PATIENT = "patient"
SHOWN = 5  # names in a message
BY_CHANCE = 0.01  # expected columns that tell all labels by chance, below which one is told


def models(settings: Settings) -> dict[str, Pipeline]:
    """Return the model on these features behind a scaler, unfitted; none without a table."""
    if not settings.features.table:
        return {}
    last = ridge() if settings.features.penalty == "ridge" else unpenalised()
    return {settings.features.model_name: make_pipeline(StandardScaler(), last)}


def read(study: Study, patients: pd.DataFrame) -> pd.DataFrame:
    """Return these patients' features (patient, feature); no columns where there is no table.

    Args:
        study: its folder holds the table.
        patients: who take part; labels of training patients alone are looked at.

    Raises:
        StudyError: no such file, or what `faults` finds.
    """
    if not study.settings.features.table:
        return pd.DataFrame(index=pd.Index(patients.patient, name=PATIENT))
    _require_name(study.settings)
    table = _read(study)
    if told := _faults(study, table, patients):
        raise TableFault("\n".join(f"{study.settings.features.table}: {line}" for line in told))
    return _numbers(table.set_index(PATIENT).loc[patients.patient])


def faults(study: Study, patients: pd.DataFrame) -> list[str]:
    """Return what would stop notebook 03 in the table of features; nothing where there is none."""
    try:
        read(study, patients)
    except (MissingFile, SettingsFault, TableFault) as fault:
        return str(fault).splitlines()
    return []


def _read(study: Study) -> pd.DataFrame:
    """Return the table as it is written: column patient as text, the others as they are.

    Raises:
        StudyError: it lies elsewhere, is not there, is no table, or has no column patient.
    """
    named, path = study.settings.features.table, study.folder / study.settings.features.table
    if not path.resolve().is_relative_to(study.folder.resolve()):
        raise TableFault(
            f"{SETTING} table is {named!r}. Expected: a file inside the study folder. Copy it "
            "there."
        )
    if not path.is_file():
        raise MissingFile(
            f"{SETTING} table is {named!r}, which is not there. Expected: a file in the study "
            "folder, CSV or parquet, with column patient and one column a feature."
        )
    table = _parquet(path) if path.suffix == ".parquet" else read_cells(path)
    if PATIENT not in table:
        raise TableFault(f"{named} has no column {PATIENT}. Expected: the names of cohort.csv.")
    return table.assign(patient=table[PATIENT].astype(str))


def _parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as fault:
        raise TableFault(
            f"{path.name} is no parquet file ({type(fault).__name__}). Expected: column patient, "
            "then one column a feature. Write it again."
        ) from None
    table = table.reset_index() if PATIENT in table.index.names else table
    return table.rename(columns=lambda name: str(name).strip().lower())


def _numbers(values: pd.DataFrame) -> pd.DataFrame:
    return values.apply(pd.to_numeric, errors="coerce").astype(float)


def _require_name(settings: Settings) -> None:
    """Refuse a model's name that is another's, or none."""
    name, others = settings.features.model_name, (*TAKEN, *settings.models.others)
    if name.casefold() in map(str.casefold, others) or not re.fullmatch(MODEL_NAME, name):
        raise SettingsFault(
            f"{SETTING} model_name is {name!r}. Expected: letters, digits, _ or - (at most 40), "
            f"and no name of another model: {', '.join(others)}."
        )


def _faults(study: Study, table: pd.DataFrame, patients: pd.DataFrame) -> list[str]:
    """Return what is wrong with a table: of its patients, else of its cells and columns."""
    columns, expected = [c for c in table if c != PATIENT], patients.patient
    if not columns:
        return ["no column but patient. Expected: one column a feature."]
    if told := [*_twice(table.patient), *_gone(expected, table.patient)]:
        return told
    written = table.set_index(PATIENT).loc[expected]
    values = _numbers(written)
    odd = np.argwhere(~np.isfinite(values.to_numpy()))
    if len(odd):
        row, column = odd[0]
        return [
            f"{len(odd)} cells are no numbers; the first, patient {expected.iloc[row]}, column "
            f"{columns[column]}, is {written.iat[row, column]!r}. Expected: a finite number in "
            "every cell. Correct them, or leave the column out."
        ]
    return _leaks(study, values, patients)


def _twice(there: pd.Series) -> list[str]:
    twice = there[there.duplicated()].unique().tolist()
    rows = f"{len(twice)} patients have several rows: {_some(twice)}. Expected: one row each."
    return [f"{rows} Remove the others."] if twice else []


def _gone(expected: pd.Series, there: pd.Series) -> list[str]:
    gone = expected[~expected.isin(there)].tolist()
    rows = f"{len(gone)} of {len(expected)} patients have no row: {_some(gone)}. Expected: a row of"
    return [
        f"{rows} every patient who takes part, as models are compared in the same patients. Add "
        "the rows, or take these patients out of cohort.csv."
    ] if gone else []  # fmt: skip


def _leaks(study: Study, values: pd.DataFrame, patients: pd.DataFrame) -> list[str]:
    """Return a line on columns that are the label, by name or in all training patients."""
    inside, labels = _training(values, patients)
    ones, zeros = (inside[labels == value] for value in (1, 0))
    flat = np.zeros(inside.shape[1], bool)
    if len(ones) and len(zeros):
        flat = (np.ptp(ones, axis=0) == 0) & (np.ptp(zeros, axis=0) == 0) & (ones[0] != zeros[0])
    named = values.columns.isin(["label", study.settings.label.column.lower()])
    if not (flat | named).any():
        return []
    return [
        f"{_some(values.columns[flat | named])}: the label, by name or by its values in all "
        "training patients. Expected: features that were made without the label. Remove them."
    ]


def _training(values: pd.DataFrame, patients: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    inside = (patients.cohort == TRAIN).to_numpy()
    return values.to_numpy()[inside], patients.label[inside].to_numpy(int)


def remarks(study: Study, values: pd.DataFrame, patients: pd.DataFrame) -> dict[str, Any]:
    """Return what is worth a look in a table that can be used: counts, and columns by name.

    Columns that tell every training label by a cut-off are named where fewer than 0.01 of so many
    would do so by chance.
    """
    inside, labels = _training(values, patients)
    ones, zeros = inside[labels == 1], inside[labels == 0]
    apart = (ones.min(axis=0) > zeros.max(axis=0)) | (ones.max(axis=0) < zeros.min(axis=0))
    expected = inside.shape[1] * 2 / math.comb(len(labels), int(labels.sum()))
    constant = values.columns[np.ptp(inside, axis=0) == 0]
    return {
        "model": study.settings.features.model_name,
        "features": values.shape[1],
        "constant": len(constant),
        "constant_names": _some(constant),
        "apart": _some(values.columns[apart]) if expected < BY_CHANCE and apart.any() else "",
        "unused": int((~_read(study).patient.isin(patients.patient)).sum()),
    }


def _some(names: Any) -> str:
    """Return the first of some names."""
    names = list(names)
    return ", ".join(map(str, names[:SHOWN])) + (" and others" if len(names) > SHOWN else "")


def save(study: Study, values: pd.DataFrame) -> None:
    """Write embeddings.parquet: the features as they were used."""
    with whole_file(study.path(tables.EMBEDDINGS)) as part:
        values.reset_index().to_parquet(part, index=False)


def load(study: Study) -> pd.DataFrame:
    """Read what `save` wrote, index `patient`.

    Raises:
        StudyError: notebook 03 has not run.
    """
    path = study.path(tables.EMBEDDINGS)
    if not path.exists():
        raise study.not_yet(f"tables/{tables.EMBEDDINGS.file}", contract.SELECTION)
    try:
        return pd.read_parquet(path).set_index(PATIENT)
    except (OSError, ValueError, KeyError) as fault:
        raise damaged(path, type(fault).__name__) from None


def selected(pipeline: Pipeline) -> pd.DataFrame:
    """Return embedding_signature.csv: one row a column that the fitted selection chose."""
    chosen = list(pipeline[-1].get_feature_names_out())
    first, _, third, last = (step for _, step in pipeline.steps)
    p = dict(zip(first.feature_names_in_, first.p_, strict=True))
    weight = dict(zip(third.feature_names_in_, third.coef_, strict=True))
    rows = [(name, p[name], weight[name], last.table_.p[name]) for name in chosen]
    return tables.EMBEDDING_SIGNATURE.frame(rows)
