"""Are there enough patients? By what was declared beforehand; and the cohorts pooled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.comparison.evidence import labelled
from radiogenomics.comparison.plan import Judged
from radiogenomics.models import classical, classifiers
from radiogenomics.models.predictions import by_cohort
from radiogenomics.statistics import discrimination
from radiogenomics.statistics.pooling import pooled_auc
from radiogenomics.statistics.sample_size import cox_snell, riley_minimum, validation_minimum
from radiogenomics.study import tables
from radiogenomics.study.contract import IN_SAMPLE, TRAIN, kind_of
from radiogenomics.study.settings import Plan
from radiogenomics.study.study import Study

UNDECLARED = "not declared: study.toml, [plan] expected_auc"
NO_COUNT = "candidate parameters not known: [plan] parameters"
REGRESSIONS = ("Clinical", "LR")  # of the study's models; the others shrink or learn features
ROUGH = "a rough guide: not an unpenalised regression, or not known"
STACKED = 2  # scores in the combined models


def pooled(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return pooled.csv: each model's AUC over the external cohorts, from three on."""
    parts = {name: part for name, part in by_cohort(scores).items() if kind_of(name) == "external"}
    sets, rows = [labelled(part, "external") for part in parts.values()], []
    for model in dict.fromkeys(name for pairs in sets for name in pairs if name != IN_SAMPLE):
        own = [pairs[model] for pairs in sets if model in pairs]
        aucs, variances = zip(*(discrimination.delong(*pair) for pair in own), strict=True)
        level = study.settings.evaluation.confidence
        over = pooled_auc([float(a.item()) for a in aucs], [v.item() for v in variances], level)
        if over is not None:
            labels = np.concatenate([pair[0] for pair in own])
            size = {"n": len(labels), "events": int(labels.sum()), "ci_method": "hartung-knapp"}
            rows.append(over._asdict() | {"model": model, "auc": over.value} | size)
    return tables.POOLED.frame(rows)


def parameter_counts(study: Study, scores: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return fitted and candidate parameters of each model that gives them.

    Of the study's own, the combined models have those of their inputs, CNN and SVM, among their
    candidates; of others, what the scores' column `parameters` says.
    """
    if "parameters" in scores:
        counts = scores.groupby("model", sort=False).parameters.first()
        return {model: (np.nan, candidates) for model, candidates in counts.items()}
    own: dict[str, tuple[float, float]] = {}
    if classical.model_file(study, "Clinical").exists():
        clinical = classical.load_model(study, "Clinical")[-1].coef_.size
        own["Clinical"] = clinical, clinical
    if study.has(tables.CNN_LAYERS):
        trained = int(study.table(tables.CNN_LAYERS).trainable.sum())
        own["CNN"] = trained, trained
    if study.has(tables.SELECTION_STEPS):
        steps = study.table(tables.SELECTION_STEPS)
        kept, offered = steps.kept.iloc[-1], steps.kept.iloc[0] + steps.dropped.iloc[0]
        own |= {model.name: (kept if model.name == "LR" else np.nan, offered)
                for model in classifiers.on_signature(study.settings)}  # fmt: skip
        if "CNN" in own:
            own |= dict.fromkeys(("Com", IN_SAMPLE), (STACKED, trained + offered + STACKED))
    if study.settings.features.table and study.has(tables.EMBEDDING_STEPS):
        given = study.table(tables.EMBEDDING_STEPS)
        candidates = given.kept.iloc[0] + given.dropped.iloc[0]
        own[study.settings.features.model_name] = (given.kept.iloc[-1], candidates)
    return own


def sample_size(study: Study, scores: pd.DataFrame, judged: Judged) -> pd.DataFrame:
    """Return sample_size.csv: what the declared values ask for, and what there is.

    Riley's criteria for development (of every model whose candidate parameters are known) and for
    external validation (of the primary model, in every test cohort), from [plan] alone and never
    from an AUC that was just observed. Patients of the rarer label per candidate parameter
    (Peduzzi 1996) stand beside them.
    """
    plan = study.settings.plan
    train = scores[scores.cohort == TRAIN].drop_duplicates("patient")
    rows = _development(plan, parameter_counts(study, scores), train, scores, judged)
    for cohort, part in by_cohort(scores).items():
        rows += _validation(plan, cohort, part[part.cohort == cohort], judged)
    return tables.SAMPLE_SIZE.frame(rows)


def _development(
    plan: Plan, known: dict[str, tuple[float, float]], train: pd.DataFrame, scores: pd.DataFrame,
    judged: Judged,
) -> list[dict[str, Any]]:  # fmt: skip
    if not len(train):
        return []
    share = plan.prevalence or float(train.label.mean())
    rarer = min(int(train.label.sum()), int((1 - train.label).sum()))
    r2, rows = plan.expected_r2 or cox_snell(plan.expected_auc, share), []
    for model in scores.model.unique():
        _, candidates = known.get(model, (np.nan, np.nan))
        if model == judged.primary and plan.parameters:
            candidates = plan.parameters
        told = {"stage": "development", "cohort": TRAIN, "model": model, "patients": len(train)}
        if not np.isfinite(candidates):
            rows.append(told | {"reason": NO_COUNT})
            continue
        ratio = {"criterion": "rarer label per candidate parameter", "obtained": rarer / candidates}
        rows.append(told | {"parameters": candidates} | ratio)
        if not np.isfinite(r2):
            rows.append(told | {"parameters": candidates, "reason": UNDECLARED})
            continue
        note = "" if model in REGRESSIONS else ROUGH
        more = {"parameters": candidates, "expected_r2": r2, "prevalence": share, "note": note}
        rows += _criteria(told | more, riley_minimum(candidates, share, r2), len(train))
    return rows


def _validation(
    plan: Plan, cohort: str, rows: pd.DataFrame, judged: Judged
) -> list[dict[str, Any]]:
    patients = rows.drop_duplicates("patient")
    told = {"stage": "validation", "cohort": cohort, "model": judged.primary}
    told |= {"patients": len(patients)}
    if plan.expected_auc <= 0.5:
        return [told | {"reason": UNDECLARED}]
    share, at = plan.prevalence or float(patients.label.mean()), plan.cutoffs.get(judged.primary)
    used = at if at is not None and 0 < at < 1 else None
    minimum = validation_minimum(plan.expected_auc, share, plan.auc_width, used)
    return _criteria(told | {"prevalence": share}, minimum, len(patients))


def _criteria(told: dict, minimum: dict[str, float], patients: int) -> list[dict[str, Any]]:
    return [
        told | {"criterion": "all" if name == "n" else name, "minimum": n, "enough": patients >= n}
        for name, n in minimum.items()
    ]
