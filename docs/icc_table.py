"""The ICC of every feature, from measurements.csv: `uv run docs/icc_table.py FOLDER`.

docs/public.md says how measurements.csv comes about. Features are measured as study.toml of the
folder says: copy [radiomics] of your study into it.
Writes icc.csv: feature, icc, ci_low, ci_high, n. ICC(2,1), two-way random, absolute agreement.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from radiogenomics.images.formats import content_hash
from radiogenomics.radiomics.agreement import icc_table
from radiogenomics.radiomics.features import extract_cohort
from radiogenomics.study import load_study
from radiogenomics.study.cells import read_cells, write_cells
from radiogenomics.study.study import Study


def measured(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features (patient, feature) of one measurement of each patient."""
    paths = {name: [str(study.folder / path) for path in rows[name]] for name in ("ct", "mask")}
    hashes = {f"{name}_hash": [content_hash(Path(p)) for p in paths[name]] for name in paths}
    features, failures = extract_cohort(study, rows.assign(**paths, **hashes))
    for row in failures.itertuples():
        print(f"{row.patient}: {rows.measurement.iloc[0]}: {row.reason}")
    return features


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    study = load_study(folder)
    by = read_cells(folder / "measurements.csv").groupby("measurement")
    table = icc_table(*(measured(study, rows) for _, rows in by))
    write_cells(folder / "icc.csv", table)
    print(f"{(table.icc >= 0.75).sum()} of {len(table)} features reach an ICC of 0.75 "
          f"in {table.n.max()} patients: {folder / 'icc.csv'}")  # fmt: skip
