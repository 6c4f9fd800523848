"""What the reports say in red: warnings.csv."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.included import read_included
from radiogenomics.cohort.roles import separating
from radiogenomics.images import boxes
from radiogenomics.models.predictions import by_cohort, select
from radiogenomics.statistics.saturation import saturated
from radiogenomics.study import tables
from radiogenomics.study.contract import AUC_INTERVALS, IN_SAMPLE, in_words, kind_of
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

TEST_COHORT = "test cohort"  # in column `where` of warnings.csv
ENOUGH = 100  # test patients of the rarer label (Vergouwe 2005; Collins 2016)


def of_scores(scores: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return what scores and measures warn of: where, warning; the size of the test cohort first.

    Args:
        scores: predictions.csv with labels.
        metrics: metrics.csv.
    """
    tested = by_cohort(scores[scores.model != IN_SAMPLE])
    rows = [(TEST_COHORT, _few(name, select(part, "external"))) for name, part in tested.items()]
    for name, part in tested.items():
        rows += _of_cohort(name, part, metrics[metrics.cohort == name], len(tested) > 1)
    return tables.WARNINGS.frame([row for row in dict.fromkeys(rows) if row[1]])


def _of_cohort(
    cohort: str, scores: pd.DataFrame, metrics: pd.DataFrame, among: bool
) -> list[tuple[str, str]]:
    external, rows = select(scores, "external"), []
    auc = metrics[(metrics.metric == "auc") & metrics.ci_method.isin(AUC_INTERVALS)]
    slope = metrics[(metrics.metric == "calibration_slope") & (metrics.ci_method == "wald")]
    turned = [part[part.ci_high < limit].model for part, limit in ((auc, 0.5), (slope, 0))]
    for model in external.model.unique():
        own = scores[scores.model == model]
        facts = {
            "turned": model in set(pd.concat(turned)),
            "hard": set(external.score[external.model == model]) <= {0, 1},
            "apart": _folds_apart(select(own, "out_of_fold")),
            "saturated": {words: (saturated(part.score.to_numpy()), len(part))
                          for kind, words in (("external", kind_of(cohort)), ("out_of_fold",) * 2)
                          if len(part := select(own, kind))},
            "cohort": in_words(cohort),
            "among": among,  # several cohorts
        }  # fmt: skip
        rows.append((model, say("comparison", "score_cautions", model=model, **facts)))
    return rows


def _few(cohort: str, external: pd.DataFrame) -> str:
    """Return the sentence on a test cohort of fewer than 100 patients of a label, else ""."""
    patients = external.drop_duplicates("patient")
    counts = patients.label.value_counts().reindex([0, 1], fill_value=0)
    if counts.min() >= ENOUGH:
        return ""
    facts = {"rarer": int(counts.min()), "n": len(patients), "cohort": in_words(cohort)}
    return say("comparison", "few", enough=ENOUGH, **facts)


def _folds_apart(rows: pd.DataFrame) -> bool:
    """Return whether all scores of one fold lie above all of another."""
    by = rows.groupby("fold").score.agg(["min", "max"])
    return bool(len(by) > 1 and by["min"].max() > by["max"].min())


def warnings(study: Study, signs: dict[str, dict[str, Any]], scored: pd.DataFrame) -> pd.DataFrame:
    """Return warnings.csv: where, warning (what the reports say in red, the index too).

    Args:
        study: whose trainings and predictors are looked at.
        signs: `confounders.baselines`'s.
        scored: `of_scores`.
    """
    said = dict.fromkeys(say("comparison", "acquisition_signs", **one) for one in signs.values())
    text = [("acquisition", words) for words in said]
    text += [("CNN", idle(study)), ("Clinical", _separating(study))]
    text.append(("outlines", _outlines(study)))
    counts = boxes.counted(study.table(tables.MASKS)) if study.has(tables.MASKS) else {}
    if counts.get("boxes"):
        text.append(("outlines", say("comparison", "boxes", **counts)))
    if seal.plan_changed(study):
        text.append(("plan", say("comparison", "plan_changed")))
    rows = [(where, words) for where, words in text if words]
    return tables.WARNINGS.frame([*scored.itertuples(index=False, name=None), *rows])


def _separating(study: Study) -> str:
    """Return the sentence on predictors that tell every training label, "" without one."""
    if not study.included_csv.exists():
        return ""
    columns = separating(study.settings, read_included(study))
    return say("cohort", "separating", columns=columns) if columns else ""


def _outlines(study: Study) -> str:
    """Return the sentence on outlines that software alone made, "" without one."""
    patients = read_included(study) if study.included_csv.exists() else pd.DataFrame()
    if "segmentation" not in patients or not (alone := patients.segmentation == "automatic").any():
        return ""
    by = alone.groupby(patients.cohort, sort=False)
    counts = [(int(part.sum()), len(part), in_words(cohort)) for cohort, part in by if part.any()]
    return say("comparison", "outlines", counts=counts)


def idle(study: Study) -> str:
    """Return the sentence on trainings of the CNN that failed, "" without one."""
    if not study.has(tables.CNN_TRAININGS):
        return ""
    table = study.table(tables.CNN_TRAININGS)
    failed = table.training[~table.learned.astype(bool)].unique().tolist()
    return say("models", "idle", idle=failed, trainings=table.training.nunique()) if failed else ""
