"""Baselines and confounders: does something simpler than the images' content predict the label?

Prevalence, the lesion's volume alone and the acquisition alone (scanner, kernel, thickness),
fitted on training patients; CLEAR 36, METRICS 19, 23 and 25.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from radiogenomics.comparison.evidence import over_cohorts
from radiogenomics.images.inspection import ACQUISITION
from radiogenomics.models.classical import ridge, unpenalised
from radiogenomics.models.predictions import score_table
from radiogenomics.statistics import discrimination
from radiogenomics.statistics.discrimination import auc_interval, holm
from radiogenomics.statistics.group_tests import categorical_test
from radiogenomics.statistics.subgroups import groups
from radiogenomics.study import tables
from radiogenomics.study.contract import TRAIN, in_words
from radiogenomics.study.study import Study

POOLED = "cross-validated in the test cohort: pooled folds have no interval and no test"


def baselines(
    study: Study, scores: pd.DataFrame, patients: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, Any]]]:
    """Return baselines.csv, acquisition_association.csv and each cohort's signs of a scanner.

    Each baseline's AUC in each test cohort, and DeLong's test of every model against it (Holm
    over a cohort's); `reason` says why one has no scores.
    """
    linked, signs = association(patients, study.settings.seed), {}

    def of_cohort(name: str, part: pd.DataFrame) -> pd.DataFrame:
        table, signs[name] = _baselines(study, name, part, patients, linked)
        return table

    return over_cohorts(tables.BASELINES, scores, of_cohort), linked, signs


def _baselines(
    study: Study, cohort: str, scores: pd.DataFrame, patients: pd.DataFrame, linked: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    train, test = (patients[patients.cohort == c] for c in (TRAIN, cohort))
    wide = score_table(scores, "external")
    test = test.loc[wide.index]
    labels = test.label.to_numpy(int)
    simple = baseline_scores(train, test, study.settings.seed)
    rows = []
    pooled = not len(train)
    reason = POOLED if pooled else ""
    own = {model: discrimination.delong(labels, wide[model])[0][0] for model in wide}
    for name, baseline in simple.items():
        auc, low, high, method = discrimination.auc_interval(
            labels, baseline.to_numpy(), study.settings.evaluation.confidence
        )
        low, high, method = (np.nan, np.nan, "none") if pooled else (low, high, method)
        for model in wide:
            pair = wide[model].to_numpy(), baseline.to_numpy()
            z, p = (np.nan, np.nan) if pooled else discrimination.delong_test(labels, *pair)
            rows.append((name, auc, low, high, method, model, own[model], z, p, reason))
    names = ["baseline", "auc", "ci_low", "ci_high", "ci_method", "model", "auc_model", "z", "p",
             "reason"]  # fmt: skip
    for name, reason in left_out(train, test).items():
        rows += [(name, *[np.nan] * 3, "none", model, *[np.nan] * 3, reason) for model in wide]
    table = pd.DataFrame(rows, columns=names)
    signs = _signs(labels, simple, linked[linked.cohort.isin([TRAIN, cohort])], pooled, cohort)
    fitted = "train" if len(train) else "test, cross-validated"
    counts = {"n": len(labels), "events": int(labels.sum()), "fitted_on": fitted}
    return table.assign(p_holm=discrimination.holm(table.p.to_numpy()), **counts), signs


VOLUME = "volume_mm3"
FEWEST = 2  # patients of a label from which scores can be cross-validated
CERTAIN = 0.01  # below this p an association of label and acquisition is shown in red


def volume_model() -> Pipeline:
    """Return the unpenalised logistic regression on the lesion's log volume, unfitted."""
    logged = FunctionTransformer(np.log, feature_names_out="one-to-one")
    return make_pipeline(logged, StandardScaler(), unpenalised())


def acquisition_model() -> Pipeline:
    """Return the logistic regression (ridge, C = 1) on acquisition; unseen scanners count 0."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), ridge())


def baseline_scores(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return test scores of Prevalence, Volume and Acquisition (patient, baseline).

    Fitted on training patients (with `label`). Where there are none the scores are
    cross-validated in the test cohort. What cannot be had is left out (`left_out`).
    """
    scores = pd.DataFrame(index=test.index)
    if len(train):
        scores["Prevalence"] = train.label.mean()
    if _too_few(train, test):
        return scores
    for name, model, inputs in _told(train, test):
        parts = inputs.iloc[: len(train)], inputs.iloc[len(train) :]
        scores[name] = _fitted(model, *parts, train, test, seed)
    return scores


def _told(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[tuple[str, Pipeline, pd.DataFrame]]:
    """Yield name, model and inputs of each baseline for which the patients' columns suffice."""
    everybody = pd.concat([train, test])
    measured = VOLUME in everybody and pd.api.types.is_numeric_dtype(everybody[VOLUME])
    if measured and (everybody[VOLUME] > 0).all():
        yield "Volume", volume_model(), everybody[[VOLUME]]
    acquisition = groups(everybody, ACQUISITION, train if len(train) else test)
    if acquisition.shape[1]:
        yield "Acquisition", acquisition_model(), acquisition


def left_out(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, str]:
    """Return why baselines have no scores: baseline, reason."""
    everybody = pd.concat([train, test])
    available = [name for name, _, _ in _told(train, test)]
    reasons = {} if len(train) else {"Prevalence": "no training patients"}
    if "Volume" not in available:
        measured = pd.to_numeric(everybody.get(VOLUME, pd.Series(dtype=float)), errors="coerce") > 0
        lacking = f"{(~measured).sum()} patients without a volume above 0"
        reasons["Volume"] = lacking if VOLUME in everybody else f"no column {VOLUME}"
    if "Acquisition" not in available:
        reasons["Acquisition"] = f"no {', '.join(ACQUISITION)} that differs between patients"
    if few := _too_few(train, test):
        reasons |= dict.fromkeys(available, few)
    return reasons


def _too_few(train: pd.DataFrame, test: pd.DataFrame) -> str:
    """Return why nothing can be fitted, "" where it can."""
    rarer = test.label.value_counts().min()
    if len(train) or rarer >= FEWEST:
        return ""
    return f"no training patients, and {rarer} of a label in the test: no cross-validation"


def _fitted(
    model: Pipeline, inside: pd.DataFrame, outside: pd.DataFrame, train: pd.DataFrame,
    test: pd.DataFrame, seed: int,
) -> np.ndarray:  # fmt: skip
    if len(train):
        return model.fit(inside, train.label).predict_proba(outside)[:, 1]
    folds = StratifiedKFold(
        min(5, test.label.value_counts().min()), shuffle=True, random_state=seed
    )
    return cross_val_predict(model, outside, test.label, cv=folds, method="predict_proba")[:, 1]


def association(patients: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return how label and acquisition go together: cohort, variable, method, p, p_holm."""
    rows = []
    for cohort, part in patients.groupby("cohort"):
        for name, values in groups(part, ACQUISITION).items():
            counts = pd.crosstab(values, part.label).to_numpy()
            rows.append((cohort, name, *categorical_test(counts, seed)))
    table = pd.DataFrame(rows, columns=["cohort", "variable", "method", "p"])
    return table.assign(p_holm=holm(table.p.to_numpy()))


def _signs(
    labels: np.ndarray, scores: pd.DataFrame, linked: pd.DataFrame, pooled: bool = False,
    cohort: str = "test",
) -> dict[str, Any]:  # fmt: skip
    """Return the signs that the label can be read off the scanner.

    Given where the 99% interval of the acquisition's AUC lies above 0.5 (`direction` with) or below
    (against), and where an association has p < 0.01 (Holm): at 5% one study in twenty would be
    accused by chance.

    Args:
        labels: of the test patients.
        scores: `baseline_scores`.
        linked: `association`.
        pooled: the scores are cross-validated, of several models, and have no interval.
        cohort: of the test patients.

    Returns:
        direction (with, against or empty), auc, interval, certain (cohort, variable, p), and the
        cohort in words.
    """
    certain = linked[linked.p_holm < CERTAIN][["cohort", "variable", "p"]].values.tolist()
    found = {"direction": "", "certain": certain, "cohort": in_words(cohort)}
    if "Acquisition" not in scores:
        return found
    auc, low, high, _ = auc_interval(labels, scores.Acquisition.to_numpy(), 1 - CERTAIN)
    above = auc > 0.5 and len(certain) > 0 if pooled else low > 0.5
    below = not pooled and high < 0.5
    interval = "cross-validated" if pooled else f"99% CI {low:.3f} to {high:.3f}"
    direction = "with" if above else "against" if below else ""
    return found | {"direction": direction, "auc": auc, "interval": interval}


def of_acquisition(table: pd.DataFrame) -> dict[str, Any]:
    """Return the acquisition's row of baselines.csv, and which models are better than it."""
    rows = table[table.baseline == "Acquisition"]
    if rows.auc.isna().all():
        untested = rows.reason.iloc[0] if len(rows) else "acquisition is not known"
        return {"baseline": None, "untested": untested}
    tested = rows.dropna(subset="p_holm")
    better = tested.model[(tested.p_holm < 0.05) & (tested.auc_model > tested.auc)].tolist()
    first = rows.iloc[0].rename(index={"auc": "value"})
    return {"baseline": first, "tested": len(tested), "better": better}
