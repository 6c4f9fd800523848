"""verdict.csv: each model beside what could explain its AUC without the lesion's inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, permutation_test_score
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from radiogenomics.comparison import confounders
from radiogenomics.comparison.controls.luck import p_value
from radiogenomics.comparison.evidence import Pairs, labelled, over_cohorts
from radiogenomics.images.inspection import ACQUISITION
from radiogenomics.models.classical import ridge
from radiogenomics.models.predictions import score_table
from radiogenomics.radiomics.lasso import standardised
from radiogenomics.statistics import paired
from radiogenomics.statistics.discrimination import auc_interval, delong
from radiogenomics.statistics.ranks import rank_test
from radiogenomics.statistics.subgroups import groups
from radiogenomics.study import tables
from radiogenomics.study.contract import IN_SAMPLE, TRAIN
from radiogenomics.study.study import Study

MARGIN = 0.05  # of AUC: what counts as no more than the control, where [plan] declares none
PERMUTED, HALF = "training labels permuted", "AUC of 0.5"
HOSPITAL, FEATURES = "hospital", "features"  # the question, and what stands for its model
WORSE_THAN_CHANCE = "the control is below 0.5, and the model is not clear of 0.5"
COMPONENTS, FOLDS, SHUFFLES = 10, 5, 99  # of the model that is asked which hospital it was
Row = dict[str, Any]


def verdict_of(low: float, high: float, margin: float) -> str:
    """Return whether a model is better than a control, by the interval of their difference.

    No: it cannot be better by the margin; yes: it is better; undecided: the interval holds both
    0 and the margin, or there is none.

    >>> [verdict_of(*limits, 0.05) for limits in ((0.02, 0.2), (-0.2, 0.03), (-0.1, 0.2))]
    ['yes', 'no', 'undecided']
    """
    if high < margin:
        return "no"
    return "yes" if low > 0 else "undecided"


def permuted_aucs(permuted: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return permutations.csv: the AUCs of `luck.permutations` in each test cohort.

    Args:
        permuted: permutation, model, patient, cohort, score.
        scores: predictions.csv with labels.
    """
    labels = scores.drop_duplicates("patient").set_index("patient").label
    rows = []
    for (cohort, model), part in permuted.groupby(["cohort", "model"], sort=False):
        wide = part.pivot(index="permutation", columns="patient", values="score")
        truth = labels.loc[wide.columns].to_numpy(int)
        if 0 < truth.sum() < len(truth):
            aucs = [delong(truth, row)[0][0] for row in wide.to_numpy()]
            rows += [(cohort, model, n, auc) for n, auc in zip(wide.index, aucs, strict=True)]
    return tables.PERMUTATIONS.frame(rows)


def verdict(
    study: Study, scores: pd.DataFrame, patients: pd.DataFrame, permuted: pd.DataFrame,
    controls: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    """Return verdict.csv.

    Args:
        study: confidence, seed, the plan's margin; features, where it has any.
        scores: predictions.csv with labels.
        patients: of training and test, with label, volume and acquisition where they are known.
        permuted: permutations.csv.
        controls: control_scores.csv.
    """
    margin, level = study.settings.plan.margin or MARGIN, study.settings.evaluation.confidence

    def rows_of(cohort: str, part: pd.DataFrame) -> pd.DataFrame:
        pairs = {m: pair for m, pair in labelled(part, "external").items() if m != IN_SAMPLE}
        order = score_table(part, "external").index
        found = [
            *_chance(pairs, margin, level),
            *_permuted(pairs, permuted[permuted.cohort == cohort], 1 - level),
            *_voxels(pairs, order, controls[controls.cohort == cohort], margin, level),
            *_simpler(study, pairs, order, patients, cohort, margin, level),
            _hospital(study, patients[patients.cohort.isin([TRAIN, cohort])], 1 - level),
        ]
        return tables.VERDICT.frame(found).drop(columns="cohort")

    return over_cohorts(tables.VERDICT, scores, rows_of)


def _chance(pairs: Pairs, margin: float, level: float) -> Iterator[Row]:
    for model, (labels, score) in pairs.items():
        auc, low, high, _ = auc_interval(labels, score, level)
        p = rank_test(labels == 1, score)
        limits = low - 0.5, high - 0.5
        yield _row("chance", model, HALF, len(labels)) | {
            "auc": auc, "auc_control": 0.5, "difference": auc - 0.5, "p": p,
            "ci_low": limits[0], "ci_high": limits[1], "verdict": verdict_of(*limits, margin),
        }  # fmt: skip


def _row(question: str, model: str, control: str, n: int) -> Row:
    known = {"question": question, "model": model, "control": control, "n": n}
    return known | {"verdict": "undecided", "reason": ""}


def _permuted(pairs: Pairs, permuted: pd.DataFrame, alpha: float) -> Iterator[Row]:
    """Yield each model's own AUC beside those after permutations, which leave Platt's folds out.

    A model whose probabilities these turned round, as without a signal, has its own low AUC.
    """
    for model, (labels, scores) in pairs.items():
        own = permuted[permuted.model == model].set_index("permutation").auc
        row = _row("training labels", model, PERMUTED, len(labels))
        if len(own) < 2:
            yield row | {"reason": "the training labels were not permuted for it"}
            continue
        auc, null = float(delong(labels, scores)[0][0]), own.drop(0).to_numpy()
        p, middle = p_value(auc, null), float(np.median(null))
        yield row | {
            "auc": auc, "auc_control": middle, "difference": auc - middle, "p": p,
            "verdict": "yes" if p < alpha else "undecided",
            "reason": f"{len(null)} permutations: p cannot be below {1 / (1 + len(null)):.3g}",
        }  # fmt: skip


def _voxels(
    pairs: Pairs, order: pd.Index, controls: pd.DataFrame, margin: float, level: float
) -> Iterator[Row]:
    for (model, control), part in controls.groupby(["model", "control"], sort=False):
        if model in pairs:
            there = order.isin(part.patient)
            other = part.set_index("patient").score.loc[order[there]].to_numpy(float)
            labels, score = (values[there] for values in pairs[model])
            row = _row("voxels", model, control, len(labels))
            yield row | _beside(labels, score, other, margin, level)


def _beside(
    labels: np.ndarray, score: np.ndarray, other: np.ndarray, margin: float, level: float
) -> Row:
    """Return the AUCs of a model and its control, their difference and what it says."""
    if not 0 < labels.sum() < len(labels):
        return {"reason": "one label only"}
    own, control = (float(delong(labels, values)[0][0]) for values in (score, other))
    gap = paired.auc_difference(labels, score, other, level)
    low, high = np.clip([gap.ci_low, gap.ci_high], -1, 1)  # as differences of AUCs are
    told, reason = verdict_of(low, high, margin), ""
    if np.isnan(low):
        reason = "the two scores leave no interval"
    elif told == "yes" and control < 0.5 and auc_interval(labels, score, level)[1] <= 0.5:
        told, reason = "undecided", WORSE_THAN_CHANCE
    return {
        "auc": own, "auc_control": control, "difference": gap.value, "ci_low": float(low),
        "ci_high": float(high), "p": gap.p, "verdict": told, "reason": reason,
    }  # fmt: skip


def _simpler(
    study: Study, pairs: Pairs, order: pd.Index, patients: pd.DataFrame, cohort: str,
    margin: float, level: float,
) -> Iterator[Row]:  # fmt: skip
    """Yield each model beside volume alone and acquisition alone, fitted on training patients."""
    train, test = (patients[patients.cohort == c] for c in (TRAIN, cohort))
    simple = confounders.baseline_scores(train, test.loc[order], study.settings.seed)
    reasons = confounders.left_out(train, test.loc[order])
    varied = groups(pd.concat([train, test]), ACQUISITION, train if len(train) else test).columns
    of = {"Volume": "", "Acquisition": f" ({', '.join(varied)})".replace("_mm", "")}
    if not len(train):  # scores of several models, whose folds are pooled
        simple, reasons = simple[[]], dict.fromkeys(simple, confounders.POOLED) | reasons
    for question, name in (("volume", "Volume"), ("acquisition", "Acquisition")):
        for model, (labels, score) in pairs.items():
            row = _row(question, model, f"{name.lower()} alone{of[name]}", len(labels))
            if name in simple:
                other = simple[name].to_numpy(float)
                yield row | _beside(labels, score, other, margin, level)
            else:
                yield row | {"reason": reasons.get(name, "not known")}


def _hospital(study: Study, patients: pd.DataFrame, alpha: float) -> Row:
    """Return whether the features tell the hospital: no model of the study, and no label.

    Cross-validated: ridge on 10 principal components of the features, z-scored over all patients;
    p by permutations of the hospitals.
    """
    row = _row(HOSPITAL, FEATURES, "hospitals permuted", len(patients))
    if "hospital" not in patients or not study.has(tables.FEATURES):
        return row | {"reason": "no features, or no column hospital"}
    counts = patients.hospital.value_counts()
    if len(counts) < 2 or counts.min() < FOLDS:
        return row | {"reason": f"one hospital, or fewer than {FOLDS} patients of one"}
    from radiogenomics.radiomics.features import load_features  # PyRadiomics: a second

    seed = study.settings.seed
    values = standardised(load_features(study).loc[patients.patient])
    u, s, _ = np.linalg.svd(values, full_matrices=False)  # the patients in as few columns as rows
    components = PCA(COMPONENTS, svd_solver="randomized", random_state=seed)
    with threadpool_limits(1):  # many small fits: more threads only spin
        auc, null, p = permutation_test_score(
            make_pipeline(components, ridge()), u * s, patients.hospital.to_numpy(),
            n_permutations=SHUFFLES, random_state=seed,
            cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
            scoring="roc_auc" if len(counts) == 2 else "roc_auc_ovr",
        )  # fmt: skip
    middle = float(np.median(null))
    return row | {
        "auc": float(auc), "auc_control": middle, "difference": float(auc - middle), "p": float(p),
        "verdict": "yes" if p < alpha else "undecided",
    }  # fmt: skip
