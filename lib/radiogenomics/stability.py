"""How stable is the signature, and how much does selecting outside the folds flatter it?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import Pipeline

from radiogenomics.models import classical
from radiogenomics.statistics.discrimination import delong

SHARE = 0.8  # of the training patients in every resample


def selection_frequency(
    selector: Pipeline, x: pd.DataFrame, y: np.ndarray, resamples: int, seed: int, workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:  # fmt: skip
    """Return how often each feature is chosen: feature, frequency, chosen (by `selector` itself).

    The whole chain is fitted to stratified subsamples of 80% of the training patients, without
    replacement: a patient drawn twice would stand in two of LASSO's folds at once.

    Args:
        selector: the four steps, fitted to all training patients.
        x: features (patient, feature) of training patients.
        y: labels (patient,).
        resamples: how many subsamples.
        seed: of the subsamples.
        workers: processes.
        progress: is told how many are done.
    """
    splitter = StratifiedShuffleSplit(resamples, train_size=SHARE, random_state=seed)
    jobs = (
        delayed(_chosen)(clone(selector), x.iloc[rows], y[rows]) for rows, _ in splitter.split(x, y)
    )
    times = pd.Series(0, x.columns)
    for done, names in enumerate(Parallel(workers, return_as="generator")(jobs), start=1):
        times[names] += 1
        progress(done, resamples)
    found = set(selector[-1].get_feature_names_out())
    table = pd.DataFrame({"feature": times.index, "frequency": times.to_numpy() / resamples})
    table["chosen"] = table.feature.isin(found)
    return table[(table.frequency > 0) | table.chosen].sort_values(
        ["frequency", "chosen"], ascending=False, kind="stable", ignore_index=True
    )


def _chosen(selector: Pipeline, x: pd.DataFrame, y: np.ndarray) -> list[str]:
    return list(selector.fit(x, y)[-1].get_feature_names_out())


def optimism_of_selection(
    kinds: dict[str, Pipeline], chosen: pd.DataFrame, nested: dict[str, np.ndarray], y: np.ndarray,
    fold: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    """Return the naive training AUC (features selected once, on everybody) beside the nested one.

    Both are means over the same folds; only the nested one leaves a fold's patients out of the
    selection too (Demircioglu 2021, doi 10.1186/s13244-021-01115-1).

    Args:
        kinds: the models, unfitted.
        chosen: the selected features (patient, feature) of training patients.
        nested: each model's out-of-fold scores with the selection inside the folds.
        y: labels (patient,).
        fold: of each patient.
    """
    rows = []
    for name, model in kinds.items():
        naive = classical.out_of_fold(model, chosen, y, fold)
        aucs = [_mean_auc(y, scores, fold) for scores in (naive, nested[name])]
        rows.append((name, *aucs, aucs[0] - aucs[1]))
    return pd.DataFrame(rows, columns=["model", "naive_auc", "nested_auc", "optimism"])


def _mean_auc(y: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> float:
    return float(np.mean([delong(y[fold == f], scores[fold == f])[0][0] for f in np.unique(fold)]))
