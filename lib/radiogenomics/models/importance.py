"""What a further classifier relies on: permutation importance in patients it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from radiogenomics.models.platt import fit_after_selection
from radiogenomics.study import tables

REPEATS = 20  # permutations of a feature within a fold


def out_of_fold(
    selector: Pipeline, models: dict[str, Pipeline], features: pd.DataFrame, labels: np.ndarray,
    fold: np.ndarray, seed: int, progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Return importance.csv: by how much the AUC falls where a feature's values are permuted.

    Selection and model are fitted without a fold, the feature is permuted among the fold's
    patients; a fold whose selection left the feature out counts as 0. Test patients have no part.

    Args:
        selector: unfitted, or fitted to others.
        models: unfitted, by name.
        features: (patient, feature) of training patients.
        labels: (patient,).
        fold: of each patient.
        seed: of the permutations.
        progress: called with (folds done, folds in all).
    """
    numbers, falls = np.unique(fold), []
    for done, number in enumerate(numbers, start=1):
        held = fold == number
        chosen = clone(selector).fit(features[~held], labels[~held])
        outside, rest = chosen.transform(features[held]), (features[~held], labels[~held])
        for name, model in models.items():
            fitted = fit_after_selection(chosen, model, *rest)
            asked = {"scoring": "roc_auc", "n_repeats": REPEATS, "random_state": seed}
            fall = permutation_importance(fitted, outside, labels[held], **asked).importances_mean
            falls += [(name, *pair) for pair in zip(outside.columns, fall, strict=True)]
        progress(done, len(numbers))
    table = pd.DataFrame(falls, columns=["model", "feature", "importance"])
    by = table.groupby(["model", "feature"], sort=False).importance
    found = by.agg(importance="sum", folds="count").reset_index()
    found["importance"] /= len(numbers)
    return tables.IMPORTANCE.frame(found.to_dict("records")).sort_values(
        ["model", "importance"], ascending=[True, False], kind="stable", ignore_index=True
    )
