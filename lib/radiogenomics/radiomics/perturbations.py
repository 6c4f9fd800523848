"""Stability without a second reader: each feature against itself after errors nobody would see.

CLEAR 30 and METRICS 11; as Zwanenburg et al. 2019 (doi 10.1038/s41598-018-36938-4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from radiogenomics.images.changes import small_errors
from radiogenomics.radiomics.agreement import icc_table
from radiogenomics.radiomics.features import extract_cohort
from radiogenomics.study import tables
from radiogenomics.study.study import Study

GOOD = 0.75  # ICC from which reliability is called good (Koo & Li 2016)


def measured(
    study: Study, patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Return features (patient, feature) of these patients after each small error, by its name.

    A patient of whom nothing can be measured after it (a small lesion, drawn smaller) is left out.
    """
    changes = small_errors(study.settings.seed)
    total, found = len(changes) * len(patients), {}
    for number, change in enumerate(changes):
        before = number * len(patients)
        found[change.name], _ = extract_cohort(
            study, patients, lambda done, _, b=before: progress(b + done, total), change
        )
    return found


def agreement(first: pd.DataFrame, changed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return perturbation.csv: the ICC of every feature under every change.

    Args:
        first: features (patient, feature) of the images as they are.
        changed: `measured`'s.
    """
    parts = [icc_table(first, after).assign(change=name) for name, after in changed.items()]
    return tables.PERTURBATION.frame(pd.concat(parts).to_dict("records") if parts else ())


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share of features with an ICC of at least 0.75: a row a class, a column a change.

    The last column is the share that reaches it under every change.
    """
    by_class = table.feature.str.rsplit("_", n=2).str[-2]
    good = table.assign(feature_class=by_class, good=table.icc >= GOOD)
    by = good.groupby(["feature_class", "change"], sort=False).good.mean().unstack()
    every = good.groupby("feature").agg(c=("feature_class", "first"), g=("good", "all"))
    by["under every change"] = every.groupby("c").g.mean()
    by.loc["all"] = [*good.groupby("change", sort=False).good.mean()[by.columns[:-1]],
                     every.g.mean()]  # fmt: skip
    return by
