"""Which features agree with themselves: between two readers, and after small errors (ICC)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.pipeline import Pipeline

from radiogenomics.radiomics.lasso import Selector
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Radiomics


def icc(ratings: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """Return ICC(2,1) and its interval (feature, 3) of ratings (patient, reader, feature).

    Two-way random effects, absolute agreement, one reader (Shrout & Fleiss 1979); interval of
    McGraw & Wong 1996. NaN where nothing varies.
    """
    n, k, _ = ratings.shape
    mean = ratings.mean(axis=(0, 1))
    rows = k * ((ratings.mean(axis=1) - mean) ** 2).sum(axis=0) / (n - 1)
    readers = n * ((ratings.mean(axis=0) - mean) ** 2).sum(axis=0) / (k - 1)
    total = ((ratings - mean) ** 2).sum(axis=(0, 1))
    rest = (total - rows * (n - 1) - readers * (k - 1)) / ((n - 1) * (k - 1))
    rest = np.maximum(rest, 0)
    with np.errstate(all="ignore"):
        value = (rows - rest) / (rows + (k - 1) * rest + k * (readers - rest) / n)
        a = k * value / (n * (1 - value))
        b = 1 + k * value * (n - 1) / (n * (1 - value))
        freedom = (a * readers + b * rest) ** 2 / (
            (a * readers) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1))
        )
        tail = 0.5 + confidence / 2
        upper, lower = (
            stats.f.ppf(tail, n - 1, freedom),
            stats.f.ppf(tail, freedom, n - 1),
        )
        spread = k * readers + (k * n - k - n) * rest
        low = n * (rows - upper * rest) / (upper * spread + n * rows)
        high = n * (lower * rows - rest) / (spread + n * lower * rows)
    exact = (rest == 0) & (readers == 0) & (rows > 0)
    return np.stack([np.where(exact, 1.0, part) for part in (value, low, high)], axis=1)


def icc_table(first: pd.DataFrame, *others: pd.DataFrame) -> pd.DataFrame:
    """Return icc.csv: feature, icc, ci_low, ci_high, n of the patients with every measurement.

    Args:
        first: features (patient, feature).
        others: those of other readers' outlines, of another scan, or of perturbed images.
    """
    every = first.index[np.all([first.index.isin(other.index) for other in others], axis=0)]
    if len(every) < 3:
        return tables.ICC.frame()
    measured = [table.loc[every, first.columns] for table in (first, *others)]
    value, low, high = icc(np.stack(measured, axis=1).astype(float)).T
    return tables.ICC.frame(list(zip(first.columns, value, low, high, repeat(len(every)))))


STEPS = {  # of the selection, by the setting that asks for it
    "reader_icc": "agreement of two readers",
    "perturbation_icc": "agreement after small errors",
}


class Repeatable(Selector):
    """Keep features whose ICC with every other measurement of the same patients reaches a limit.

    Fitted to (patient, feature), by those of these patients who were measured again.
    """

    def __init__(self, others: list[pd.DataFrame], limit: float, setting: str):
        self.others = others
        self.limit = limit
        self.setting = setting

    @property
    def rule(self) -> str:
        """What is kept, for selection_steps.csv."""
        return f"ICC >= {self.limit:g}"

    def fit(self, x: pd.DataFrame, y: np.ndarray | None = None) -> Repeatable:
        """Compute the ICCs.

        Raises:
            StudyError: no feature is left, or no patient was measured again.
        """
        found = [icc_table(x, other).set_index("feature").icc for other in self.others]
        lowest = pd.concat(found, axis=1).min(axis=1, skipna=False) if found else pd.Series()
        kept = x.columns.isin(lowest.index[lowest >= self.limit])
        if not kept.any():
            raise StudyError(
                f"{self.setting} = {self.limit:g} leaves none of {x.shape[1]} features "
                f"({len(lowest)} have an ICC). Expected: training patients who were measured "
                f"again, by a second reader (mask_2) or after small errors, and a limit that "
                f"some features reach. Set {self.setting} = 0, or lower it."
            )
        return self._keep(x, kept, np.zeros(x.shape[1]))


def filters(
    settings: Radiomics, second: pd.DataFrame, perturbed: Mapping[str, pd.DataFrame]
) -> list[tuple[str, Repeatable]]:
    """Return the filters that study.toml asks for, unfitted, as steps of a pipeline.

    Args:
        settings: `reader_icc` and `perturbation_icc`; 0: no filter.
        second: features of the second reader's outlines (patient, feature).
        perturbed: by change, features after it (patient, feature).
    """
    others = {"reader_icc": [second], "perturbation_icc": list(perturbed.values())}
    made = {
        name: Repeatable(again, getattr(settings, name), name) for name, again in others.items()
    }
    return [
        (STEPS[name], step.set_output(transform="pandas"))
        for name, step in made.items() if step.limit
    ]  # fmt: skip


def fitted(steps: list[tuple[str, Repeatable]], features: pd.DataFrame) -> list[str]:
    """Fit the filters one after the other to (patient, feature); return the features left."""
    for _, step in steps:
        features = step.fit(features).transform(features)
    return list(features.columns)


def with_filters(selector: Pipeline, steps: list[tuple[str, Repeatable]]) -> Pipeline:
    """Return a selection with the filters before it, as folds have to repeat it."""
    return Pipeline([*steps, *selector.steps]) if steps else selector
