"""The second reader: do two people's outlines agree, and the features measured in them?"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy import stats
from sklearn.pipeline import Pipeline

from radiogenomics.images import anonymity
from radiogenomics.images.formats import content_hash
from radiogenomics.images.scans import read_pair
from radiogenomics.radiomics.features import extract_cohort
from radiogenomics.radiomics.lasso import Selector
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.study import Study


def with_second(patients: pd.DataFrame) -> pd.DataFrame:
    """Return the patients whom a second reader outlined, his mask in the place of `mask`."""
    if "mask_2" not in patients:
        return patients.iloc[:0]
    both = patients[patients.mask_2.map(_there)]
    hashes = [content_hash(Path(p)) for p in both.mask_2]
    return both.assign(mask_1=both["mask"], mask=both.mask_2, mask_hash=hashes)


def _there(path: str | float) -> bool:
    return isinstance(path, str) and path != "" and Path(path).exists()


def second_features(
    study: Study, patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return the features of the second reader's masks and the failures, as `extract_cohort`."""
    return extract_cohort(study, with_second(patients), progress)


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


def icc_table(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return icc.csv: feature, icc, ci_low, ci_high, n of the patients whom both outlined.

    Args:
        first: the first reader's features (patient, feature).
        second: the second's.
    """
    both = first.index.intersection(second.index)
    if len(both) < 3:
        return tables.ICC.frame()
    ratings = np.stack([first.loc[both], second.loc[both, first.columns]], axis=1).astype(float)
    value, low, high = icc(ratings).T
    return tables.ICC.frame(list(zip(first.columns, value, low, high, repeat(len(both)))))


def repeatable(features: pd.DataFrame, table: pd.DataFrame, limit: float) -> list[str]:
    """Return the features whose ICC is at least the limit; all of them where it is 0.

    Raises:
        StudyError: no feature is left, or no patient has a second mask.
    """
    if limit == 0:
        return list(features.columns)
    kept = table.feature[table.icc >= limit].tolist()
    if not kept:
        raise StudyError(
            f"reader_icc = {limit:g} leaves none of {features.shape[1]} features ({len(table)} "
            "have an ICC). Expected: training patients with mask_2, and a limit that some "
            "features reach. Set reader_icc = 0, or add second masks."
        )
    return kept


class Repeatable(Selector):
    """Keep features on which the two readers agree, by those of the fitted patients read twice."""

    def __init__(self, second: pd.DataFrame, limit: float):
        self.second = second
        self.limit = limit

    def fit(self, x: pd.DataFrame, y: np.ndarray | None = None) -> Repeatable:
        """Compute the ICC of (patient, feature), of the first reader, with `second`."""
        kept = repeatable(x, icc_table(x, self.second), self.limit)
        return self._keep(x, x.columns.isin(kept), np.zeros(x.shape[1]))


def with_readers(
    selector: Pipeline, second: pd.DataFrame, limit: float, features: pd.DataFrame
) -> Pipeline:
    """Return a fitted selection with the readers' filter before it, as folds have to repeat it.

    Args:
        selector: fitted to the repeatable features of these patients.
        second: the second reader's features (patient, feature).
        limit: of the ICC; 0: the selection as it is.
        features: the first reader's, before any selection.
    """
    if limit == 0:
        return selector
    first = Repeatable(second, limit).set_output(transform="pandas").fit(features)
    return Pipeline([("readers", first), *selector.steps])


def agreement(patients: pd.DataFrame) -> pd.DataFrame:
    """Return readers.csv: patient, dice, volume_1_mm3, volume_2_mm3, reason (where unreadable)."""
    rows = []
    for row in with_second(patients).to_dict("records"):
        try:
            first, second = (read_pair(row | {"mask": row[name]})[1] for name in ("mask_1", "mask"))
            rows.append({"patient": row["patient"], **_overlap(first, second), "reason": ""})
        except Exception as fault:  # noqa: BLE001 - one patient's files never stop the batch
            rows.append(
                {
                    "patient": row["patient"],
                    "reason": anonymity.reason(fault, (row["ct"], row["mask"])),
                }
            )
    return tables.READERS.frame(rows)


def _overlap(first: sitk.Image, second: sitk.Image) -> dict[str, float]:
    inside_1, inside_2 = (sitk.GetArrayViewFromImage(mask) > 0 for mask in (first, second))
    voxel = float(np.prod(first.GetSpacing()))
    return {
        "dice": 2 * float((inside_1 & inside_2).sum()) / float(inside_1.sum() + inside_2.sum()),
        "volume_1_mm3": inside_1.sum() * voxel,
        "volume_2_mm3": inside_2.sum() * voxel,
    }
