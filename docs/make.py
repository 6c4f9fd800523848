"""Print the pages that are made from the code: `uv run docs/make.py` writes them, a test compares.

docs/tables.md comes from radiogenomics.study.tables, docs/settings.md from study.settings,
environment.yml from pyproject.toml and uv.lock.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path

from radiogenomics.report.execution import declared
from radiogenomics.report.pages import notebooks
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import Table
from radiogenomics.study.settings import key_of, keys, sections
from radiogenomics.study.values import section_of

ROOT = Path(__file__).parents[1]
TABLES_HEAD = """# The tables of a run

`reports/STUDY/tables/` holds every number of the reports as CSV (UTF-8, comma, point as decimal
sign, full precision); `predictions.csv` lies beside the folder. Tables of simulated patients end
with the column `synthetic`. Lengths are in mm, volumes in mm³, CT values in HU; probabilities and
AUCs run from 0 to 1; intervals are at `[evaluation] confidence` (0.95).

Printed from `lib/radiogenomics/study/tables.py` by `uv run docs/make.py`. Columns in italics need
not be there.

## predictions.csv (notebooks 03, 04, 05)

One row per patient, model and kind of score: `patient`, `cohort`, `label` (of test patients empty
until notebook 05 joins them), `model`, `score`, `fold` (of an out-of-fold score; empty: in-sample
or external).
"""
TABLES_TAIL = """
## models/

`cnn.keras`, one `.skops` a scikit-learn model (neither runs code when it is read), the names of
the signature, and `fitted.json`: the seed and the settings they were fitted with. Notebooks 05 to
07 and `workbook predict` use the models with these, whatever study.toml says by then.
"""


def tables_page() -> str:
    """Return docs/tables.md."""
    parts = [TABLES_HEAD]
    for notebook in (*contract.NOTEBOOKS, None):
        written = [table for table in tables.EVERY if table.notebook == notebook]
        if written:
            title = f"Notebook {notebook.digits}, {notebook.word}" if notebook else "Every run"
            parts += [f"## {title}\n", *map(_table, written)]
    return "\n".join([*parts, TABLES_TAIL.strip()]) + "\n"


def _table(table: Table) -> str:
    lines = [f"### {table.file}\n", f"One row: {table.row}.\n", "| column | meaning |", "|---|---|"]
    lines += [f"| {', '.join(names)} | {meaning} |" for names, meaning in _grouped(table)]
    return "\n".join([*lines, ""])


def _grouped(table: Table) -> Iterable[tuple[list[str], str]]:
    """Return neighbouring columns of one meaning together."""
    groups: list[tuple[list[str], str]] = []
    for column, meaning in table.columns.items():
        name = f"*{column}*" if column in table.optional else f"`{column}`"
        if groups and groups[-1][1] == meaning:
            groups[-1][0].append(name)
        else:
            groups.append(([name], meaning))
    return groups + ([(["further columns"], table.more)] if table.more else [])


SETTINGS_HEAD = """# The settings of a study

`study.toml` in the study folder holds them; every key is optional. A new study's `study.toml`
(`workbook new`) lists them all. `workbook run data/mystudy -p epochs 30` changes one for one run;
`-p` takes those that a notebook names in its first cell:
{changeable}.

Printed from `lib/radiogenomics/study/settings.py` by `uv run docs/make.py`.
"""


def settings_page() -> str:
    """Return docs/settings.md."""
    named = {name for path in notebooks() for name in declared(path)}
    changeable = ", ".join(f"`{name}`" for name in section_of() if name in named)
    parts = [SETTINGS_HEAD.format(changeable=textwrap.fill(changeable, 100))]
    for section, kind in sections().items():
        meaning = inspect.cleandoc(kind.__doc__ or "")
        parts += [f"## [{section}]\n" if section else "## Above the sections\n", f"{meaning}\n"]
        parts += ["| key | default | may be | meaning |", "|---|---|---|---|"]
        for name in keys(kind):
            default, key = json.dumps(getattr(kind(), name)), key_of(kind, name)
            parts.append(f"| `{name}` | `{default}` | {_may_be(kind, name)} | {key.meaning} |")
        parts.append("")
    return "\n".join(parts)


def _may_be(kind: type, name: str) -> str:
    """Return the values that a setting may have, in words."""
    key, default = key_of(kind, name), getattr(kind(), name)
    if key.choices:
        return ", ".join(choice or "empty" for choice in key.choices)
    words = {bool: "true, false", str: "text", tuple: "a list", dict: "a table"}.get(
        type(default), ""
    )
    if key.low is not None:
        words = f"{key.low:,} to {key.high:,}" + (", the lower first" if key.rising else "")
    return words + (f", multiples of {key.step}" if key.step > 1 else "")


ENVIRONMENT_HEAD = """# The versions of uv.lock for conda users; printed by `uv run docs/make.py`.
# Not solved with conda by its authors: uv is the tested way.
# A C compiler is needed to build pyradiomics-bhklab.
name: radiogenomics
channels:
  - conda-forge
dependencies:
"""
FROM_PIP = (  # the other packages come from conda-forge
    "choreographer", "ipyniivue", "itkwidgets", "kaleido", "keras", "lazy-loader",
    "ngff-zarr", "numcodecs", "pyradiomics-bhklab", "simpleitk", "skops", "tensorflow",
)  # fmt: skip
SPELLED = {"simpleitk": "SimpleITK"}


def environment_page() -> str:
    """Return environment.yml: every package of pyproject.toml and of its extra itk, as locked."""
    project, lock = _toml("pyproject.toml")["project"], _toml("uv.lock")["package"]
    locked = {package["name"]: package.get("version", "") for package in lock}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["itk"]]
    names = sorted(re.match(r"[\w.-]+", package)[0].lower() for package in wanted)
    python = re.search(r"\d+\.\d+", project["requires-python"])[0]
    conda = [f"{name}={locked[name]}" for name in names if name not in FROM_PIP]
    pip = [f"{SPELLED.get(name, name)}=={locked[name]}" for name in names if name in FROM_PIP]
    lines = [f"python={python}", "pip", *conda, "pip:", *(f"    - {one}" for one in [*pip, "-e ."])]
    return ENVIRONMENT_HEAD + "".join(
        f"{'  ' if one[0] == ' ' else '  - '}{one}\n" for one in lines
    )


def _toml(file: str) -> dict:
    return tomllib.loads((ROOT / file).read_text(encoding="utf-8"))


PAGES = {
    "docs/tables.md": tables_page,
    "docs/settings.md": settings_page,
    "environment.yml": environment_page,
}

if __name__ == "__main__":
    for file, page in PAGES.items():
        (ROOT / file).write_text(page(), encoding="utf-8")
