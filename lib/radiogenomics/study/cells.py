"""A user's CSV table, read as text: no cell is changed silently."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.study.errors import MissingFile, TableFault
from radiogenomics.study.files import damaged, whole_file

FORMULA = re.compile(r"\s*(?:[=@]|[+-]\s*[^\d\s.,])")  # a cell that a spreadsheet would run


def read_cells(path: Path) -> pd.DataFrame:
    """Read a user's CSV table as text: no cell is changed but for spaces around it.

    Commas, Excel's semicolons or tabs separate; with semicolons a decimal comma is a decimal point.
    Headers are read without regard to capitals.

    Raises:
        StudyError: no file, no table, not UTF-8, a cell that a spreadsheet would run.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = _separator(text)
        raw = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, sep=separator,
            header=None, index_col=False, on_bad_lines="error",
        )  # fmt: skip
    except FileNotFoundError:
        raise MissingFile(f"{path} is not there. Expected: one row per patient.") from None
    except UnicodeDecodeError as fault:
        raise TableFault(
            f"{path.name} is not UTF-8 (byte {fault.start}). Expected: CSV UTF-8. Save it so: in "
            "Excel, Save As, CSV UTF-8."
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as fault:
        raise TableFault(
            f"{path.name} is not a table ({str(fault).strip()}). Expected: a header and one row "
            "per patient, each with the same number of cells. Save it as CSV UTF-8."
        ) from None
    # pandas itself would rename the second of two columns of one name
    raw = raw[1:].set_axis(raw.iloc[0].str.strip().str.lower().rename(None), axis=1)
    raw = raw.reset_index(drop=True)
    raw = raw.apply(lambda column: column.fillna("").str.strip())
    raw = raw.loc[:, (raw.columns != "") | (raw != "").any().to_numpy()]  # Excel's empty columns
    raw = raw[: 1 + max(np.flatnonzero((raw != "").any(axis=1)), default=-1)]  # and last rows
    _refuse_columns(path, raw)
    decimal = re.compile(r"^(-?\d+),(\d+)$")
    if separator != ";":
        return raw
    return raw.apply(lambda c: c.str.replace(decimal, r"\1.\2", regex=True))


def header_of(path: Path) -> list[str]:
    """Return the names of a table's columns as they are written, capitals kept."""
    text = path.read_text(encoding="utf-8-sig")
    return [
        name.strip() for name in next(csv.reader(text.splitlines()[:1], delimiter=_separator(text)))
    ]


def _separator(text: str) -> str:
    line = text.partition("\n")[0]
    return max(",;\t", key=line.count)  # of equally many the first


def read_written(path: Path, needed: Iterable[str], **how: Any) -> pd.DataFrame:
    """Read a CSV table that the workbook wrote, as `pandas.read_csv` is told.

    Raises:
        DamagedFile: it is no table, or one without the needed columns.
    """
    try:
        table = pd.read_csv(path, **how)
    except ValueError as fault:  # pandas' own errors are of this kind
        raise damaged(path, str(fault).strip()) from None
    if absent := [name for name in needed if name not in table]:
        raise damaged(path, f"no column {', '.join(absent)}")
    return table


def write_cells(path: Path, rows: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all; no text in it is run by a spreadsheet.

    An apostrophe is put before one that would be, such as a scanner's name from a DICOM header.
    """
    text = rows.select_dtypes(["object", "string"]).columns
    tame = rows.assign(**{name: _tame_all(rows[name]) for name in text}).rename(columns=_tame)
    with whole_file(path) as part:
        tame.to_csv(part, index=False)


def _tame_all(column: pd.Series) -> pd.Series:
    """Return a column without formulas; its different texts are looked at once."""
    texts = [cell for cell in column.unique() if _tame(cell) is not cell]
    return column.map(_tame) if texts else column


def _tame(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def numbered(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers where every known value is one."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers.astype(float) if numbers.notna().sum() == column.notna().sum() else column


def _refuse_columns(path: Path, raw: pd.DataFrame) -> None:
    odd = [name for name in raw.columns if FORMULA.match(name)]
    if odd:
        raise TableFault(
            f"{path.name} has a column {odd[0][:20]!r}, which a spreadsheet would run as a "
            "formula. Expected: a name. Rename it."
        )
    twice = raw.columns[raw.columns.duplicated()].tolist()
    if twice:
        raise TableFault(f"{path.name} has column {twice[0]} twice. Expected: once. Remove one.")
    suspect = raw.apply(lambda column: column.str.startswith(tuple("=@+-"))).to_numpy(bool)
    for row, column in np.argwhere(suspect):
        if not FORMULA.match(raw.iat[row, column]):
            continue
        raise TableFault(
            f"{path.name} row {row + 2}: {raw.columns[column]} is {raw.iat[row, column][:20]!r}, "
            "which a spreadsheet would run as a formula. Expected: a value. Replace the cell."
        )
