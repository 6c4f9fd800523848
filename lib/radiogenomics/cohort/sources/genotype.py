"""Mutation status from a table of cBioPortal: one row a sample, with its protein changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.study.cells import read_cells
from radiogenomics.study.errors import TableFault, UsageError

MUTANT, WILD_TYPE, UNKNOWN = "Mutant", "Wildtype", "Unknown"  # as NSCLC Radiogenomics writes them
NOTHING_FOUND, NOT_LOOKED_AT = "no alteration", "not profiled"  # what cBioPortal's cells say
CODON = re.compile(r"[A-Z*](\d+)")


def status(cell: str, codons: tuple[int, int]) -> str:
    """Return what a cell such as `L858R (driver), T790M` says of the gene.

    Mutant: a change that begins in these codons. Other changes alone are neither, and Unknown;
    so is a sample that was not profiled.

    >>> [status(c, (688, 875)) for c in ("L858R (driver), A289V", "A289V", "no alteration", "")]
    ['Mutant', 'Unknown', 'Wildtype', 'Unknown']
    """
    if cell.casefold() == NOTHING_FOUND:
        return WILD_TYPE
    changes = [] if cell.casefold().startswith(NOT_LOOKED_AT) else cell.split(",")
    begins = [int(found[1]) for change in changes if (found := CODON.search(change))]
    return MUTANT if any(codons[0] <= n <= codons[1] for n in begins) else UNKNOWN


def read_genotypes(path: Path | None, rules: dict[str, Any]) -> pd.DataFrame:
    """Return a gene's status and its changes by patient: Mutant where one of his samples is.

    Args:
        path: `alterations_across_samples.tsv`, which the user downloads.
        rules: [genotype] of a collection's mapping.

    Returns:
        Index patient; the columns `rules["column"]` and the same with `_changes`.

    Raises:
        UsageError: no table is named.
        TableFault: it lacks a column, or no row has a status.
    """
    gene, source = rules["column"], rules["address"]
    if path is None:
        raise UsageError(
            f"{gene.upper()} of this collection is not in the Imaging Data Commons. Expected: "
            f"--genotypes TABLE, alterations_across_samples.tsv from {source} (docs/public.md)."
        )
    cells = read_cells(path)
    named = [rules["patient"].casefold(), rules["table"].casefold()]
    if absent := [name for name in named if name not in cells]:
        raise TableFault(
            f"{path.name} has no column {', '.join(absent)}. Found: {', '.join(cells)}. "
            f"Expected: alterations_across_samples.tsv from {source}"
        )
    rows = cells[named].set_axis(["patient", f"{gene}_changes"], axis=1)
    rows[gene] = [status(cell, tuple(rules["codons"])) for cell in rows[f"{gene}_changes"]]
    if (rows[gene] == UNKNOWN).all():
        raise TableFault(
            f"{path.name}: no row says {NOTHING_FOUND!r} or names a change of codons "
            f"{rules['codons'][0]} to {rules['codons'][1]}. Expected: changes such as L858R."
        )
    order = rows[gene].map([MUTANT, UNKNOWN, WILD_TYPE].index)  # of several samples the first
    return rows.assign(order=order).sort_values("order", kind="stable").groupby("patient")[
        [gene, f"{gene}_changes"]
    ].first()  # fmt: skip
