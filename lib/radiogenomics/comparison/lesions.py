"""Lesions with labels of their own: AUC, hits and differences, clustered within patients."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.comparison.evidence import cutoffs, labelled, thresholds
from radiogenomics.models.predictions import by_cohort, score_table, select
from radiogenomics.statistics.clustered import clustered_delong, clustered_interval
from radiogenomics.statistics.discrimination import holm
from radiogenomics.statistics.measures import AT_THRESHOLD, counts
from radiogenomics.statistics.paired import contrast, error_of_difference
from radiogenomics.statistics.resampling import draw, percentile_interval, resampled
from radiogenomics.study import tables
from radiogenomics.study.study import Study

CLUSTER = "cluster"  # the column that says whose lesion a case is
HITS = ("sensitivity", "specificity", "ppv", "npv")


def of_lesions(study: Study, scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return lesions.csv and lesion_pairs.csv of every test cohort; no rows without `cluster`.

    AUC by Obuchowski's variance; measures at the cut-offs by a bootstrap that draws patients with
    all their lesions.

    Args:
        study: confidence, bootstrap, seed and cut-offs.
        scores: with label and, in `cluster`, the patient of each lesion.
    """
    if CLUSTER not in scores:
        return tables.LESIONS.frame(), tables.LESION_PAIRS.frame()
    at, single, pairs = cutoffs(study, thresholds(study, scores)), [], []
    for cohort, part in by_cohort(scores).items():
        whose = select(part, "external").drop_duplicates("patient").set_index("patient").cluster
        clusters = whose.loc[score_table(part, "external").index].to_numpy()
        held = labelled(part, "external")
        single += [row | {"cohort": cohort} for row in _each(study, held, clusters, at)]
        pairs += [row | {"cohort": cohort} for row in _pairs(study, held, clusters)]
    both = tables.LESIONS.frame(single), tables.LESION_PAIRS.frame(pairs)
    if len(both[1]):
        both[1]["p_holm"] = both[1].groupby("cohort").p.transform(lambda p: holm(p.to_numpy(float)))
    return both


def _each(
    study: Study, held: dict, clusters: np.ndarray, at: dict[str, float]
) -> Iterator[dict[str, Any]]:
    level, weights = study.settings.evaluation.confidence, _weights(study, clusters)
    for model, (labels, values) in held.items():
        size = {"model": model, "patients": len(set(clusters)), "lesions": len(labels)}
        size["events"] = int(labels.sum())
        aucs, covariance = clustered_delong(labels, values[np.newaxis], clusters)
        fewer = min(len(set(clusters[labels == value])) for value in (0, 1))
        low, high = clustered_interval(aucs[0], covariance[0, 0], fewer - 1, level)
        method = "none" if np.isnan(low) else "obuchowski-logit-t"
        value = {"metric": "auc", "value": aucs[0], "se": np.sqrt(covariance[0, 0])}
        yield size | value | {"ci_low": low, "ci_high": high, "ci_method": method}
        if model not in at:
            continue

        def hits(w: np.ndarray, y=labels, s=values, t=at[model]) -> dict[str, np.ndarray]:
            found = counts(y == 1, s, t, w.astype(float))
            return {name: AT_THRESHOLD[name](found).value() for name in HITS}

        own, again = hits(np.ones((1, len(labels)))), resampled(hits, weights)
        for name in HITS:
            low, high = percentile_interval(again[name], level)
            row = {"metric": name, "threshold": at[model], "value": own[name][0]}
            yield size | row | {"ci_low": low, "ci_high": high, "ci_method": "bootstrap"}


def _weights(study: Study, clusters: np.ndarray) -> np.ndarray:
    """Return how often each lesion is drawn, (resample, lesion), with its patient."""
    code = np.unique(clusters, return_inverse=True)[1]
    either = np.arange(code.max() + 1) % 2 == 0  # of no meaning: `free` draws over all patients
    drawn = draw(either, study.settings.evaluation.bootstrap, study.settings.seed)
    return drawn.free[:, code]


def _pairs(study: Study, held: dict, clusters: np.ndarray) -> Iterator[dict[str, Any]]:
    level = study.settings.evaluation.confidence
    for a, b in combinations(held, 2):
        labels, both = held[a][0], np.stack([held[a][1], held[b][1]])
        areas, covariance = clustered_delong(labels, both, clusters)
        row = {"model_a": a, "model_b": b, "auc_a": areas[0], "auc_b": areas[1]}
        row["se"] = error_of_difference(covariance)
        yield row | contrast(areas, covariance, "obuchowski", level)._asdict()
