"""Rows of a benchmark that may be interrupted: a finished one is in a CSV and is not run again."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from radiogenomics.study.files import whole_file


def read(table: Path) -> pd.DataFrame:
    """Return the rows so far; none without the table."""
    return pd.read_csv(table) if table.exists() else pd.DataFrame()


def into(page: Path, script: str, text: str) -> None:
    """Write a text between the marks that a page of the docs has for a benchmark."""
    begin, end = (f"<!-- {word} tests/benchmarks/{script} -->" for word in ("written by", "end of"))
    held = page.read_text("utf-8")
    before, after = held.split(begin)[0], held.split(end)[1]
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")


def once(table: Path, key: dict, one: Callable[[], dict]) -> None:
    """Add a row of this key, unless the table, which is written whole, has it."""
    several(table, key, lambda: [one()])


def several(table: Path, key: dict, more: Callable[[], list[dict]]) -> None:
    """Add rows of this key, unless the table has any."""
    rows = read(table)
    if len(rows) and (rows[list(key)] == list(key.values())).all(axis=1).any():
        return
    row = pd.DataFrame([key | one for one in more()])
    with whole_file(table) as part:
        pd.concat([rows, row], ignore_index=True).round(4).to_csv(part, index=False)
    print(row.round(4).to_string(index=False, header=False), flush=True)
