"""What the index says first: the result in one paragraph, and a row of checks with a state each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.comparison import readings
from radiogenomics.comparison.cautions import TEST_COHORT
from radiogenomics.comparison.controls import luck
from radiogenomics.comparison.plan import Judged, judged
from radiogenomics.images import boxes
from radiogenomics.study import contract, design, tables
from radiogenomics.study.contract import IN_SAMPLE, TRAIN
from radiogenomics.study.files import filled
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

FINE, LOOK, FAULT, OPEN = "fine", "look", "fault", "not run"
ALPHA = 0.05
RATIOS = ("calibration_slope", "o_over_e")  # 1 is ideal


class Check(NamedTuple):
    """A check as the index shows it: name, state, one sentence, the page that has more."""

    name: str
    state: str
    text: str
    href: str


def paragraph(study: Study) -> str:
    """Return the result in one paragraph, "" before notebook 05 has run."""
    if not design.tested(study.ran_with(contract.COHORT)):
        return _internal_paragraph(study)
    if not study.has(tables.METRICS):
        return ""
    metrics = study.table(tables.METRICS)
    models = _models(study, metrics)
    cohorts = [c for c in metrics.cohort.unique() if c != TRAIN]
    return say(
        "report", "summary", label=study.settings.label, models=models,
        source=study.ran_with(contract.COHORT).source,
        parts=[_of_cohort(study, metrics, cohort, models) for cohort in cohorts],
        level=study.ran_with(contract.COMPARISON).evaluation.confidence,
        train=_training_patients(study), synthetic=study.settings.synthetic, pairs=_pairs(study),
        limits=[check.name for check in checks(study) if check.state in (LOOK, FAULT)],
    )  # fmt: skip


def _internal_paragraph(study: Study) -> str:
    """Return the result of a study without a test cohort, "" before notebook 09 has run."""
    if not study.has(tables.INTERNAL_RESULTS):
        return ""
    results, used = study.table(tables.INTERNAL_RESULTS), study.ran_with(contract.INTERNAL)
    models = judged(used.plan, results.model.unique())
    gaps = study.table(tables.INTERNAL_DIFFERENCES)
    return say(
        "report", "internal_summary", label=study.settings.label, models=models, source=used.source,
        top=results[(results.metric == "auc") & (results.model == models.primary)].iloc[0],
        gap=next(gaps[gaps.primary.astype(bool)].itertuples(), None),
        level=used.evaluation.confidence, synthetic=study.settings.synthetic,
        by_hospital=used.evaluation.folds_by == "hospital",
    )  # fmt: skip


def _models(study: Study, metrics: pd.DataFrame) -> Judged:
    return judged(study.ran_with(contract.COMPARISON).plan, metrics.model.unique())


def _training_patients(study: Study) -> int:
    if not study.has(tables.FLOW):
        return 0
    flow = study.table(tables.FLOW)
    return int(flow.n[(flow.step == "included") & (flow.reason == TRAIN)].sum())


def _of_cohort(
    study: Study, metrics: pd.DataFrame, cohort: str, models: Judged
) -> dict[str, Any]:  # fmt: skip
    aucs = readings.aucs(metrics, cohort).set_index("model")
    higher = aucs[aucs.value > aucs.value.get(models.primary, 1)].drop(IN_SAMPLE, errors="ignore")
    return {
        "cohort": contract.in_words(cohort),
        "auc": aucs.loc[models.primary] if models.primary in aucs.index else None,
        "higher": higher,
        "gap": _gap(study, cohort, models),
        "calibration": readings.calibration_of(metrics, cohort, models.primary),
    }


def _pairs(study: Study) -> dict[str, Any] | None:
    """Return how many pairs of models differ after Holm, over all test cohorts."""
    there = filled(study.path(tables.DELONG))
    return readings.smallest_p(study.table(tables.DELONG)) if there else None


def _gap(study: Study, cohort: str, models: Judged) -> pd.Series | None:
    """Return the row of the primary model's AUC less the reference's."""
    if not (models.reference and study.has(tables.DIFFERENCES)):
        return None
    table = study.table(tables.DIFFERENCES)
    pair = (table.model_a == models.primary) & (table.model_b == models.reference)
    rows = table[(table.cohort == cohort) & (table.measure == "auc") & pair]
    return rows.iloc[0] if len(rows) else None


def checks(study: Study) -> list[Check]:
    """Return the checks in their order; one whose table is not there is `not run`."""
    made, settings = [], study.ran_with(contract.COHORT)
    there = {"", *(notebook.name for notebook in design.needed(settings))}
    asked = [row for row in CHECKS if row[2] in there]
    if not design.imaged(settings):
        asked = [row for row in asked if row[1] is not tables.MASKS]
    for name, table, notebook, anchor, look in asked:
        there = study.has(table) if table else study.manifest_json.exists()
        state, text = look(study) if there else (OPEN, "")
        made.append(Check(name, state, text, f"{notebook}.html#{anchor}" if notebook else ""))
    return made


State = tuple[str, str]


def _leakage(study: Study) -> State:
    times, changed = len(seal.evaluations(study)), seal.plan_changed(study)
    state = LOOK if times > 1 or changed else FINE
    return state, say("report", "check_leakage", times=times, changed=changed)


def _calibration(study: Study) -> State:
    metrics = study.table(tables.METRICS)
    primary = _models(study, metrics).primary
    rows = metrics[(metrics.cohort != TRAIN) & (metrics.model == primary)]
    rows = rows[(rows.ci_method == "wald") & rows.metric.isin(RATIOS)]
    off = rows[(rows.ci_low > 1) | (rows.ci_high < 1)]
    slopes = rows[rows.metric == "calibration_slope"]
    vague = sum(readings.says_nothing(row) for row in slopes.itertuples())
    wrong, seen = (slopes.ci_high < 0).any(), len(off) + vague
    state = OPEN if rows.empty else FAULT if wrong else LOOK if seen else FINE
    facts = {"model": primary, "rows": rows, "off": off, "vague": vague}
    return state, say("report", "check_calibration", **facts)


def _controls(study: Study) -> State:
    table = study.table(tables.VERDICT)
    primary = _models(study, table[table.question == "chance"]).primary
    asked = table[(table.model == primary) & (table.question != "voxels")]
    told = asked[asked.auc.notna()]
    bad = told[told.verdict == "no"]
    state = FAULT if len(bad) else LOOK if (told.verdict != "yes").any() else FINE
    return state, say("report", "check_controls", model=primary, told=told)


def _trainings(study: Study) -> State:
    table = study.table(tables.CNN_TRAININGS)
    failed = table[~table.learned.astype(bool)].training.unique().tolist()
    state = FAULT if "final" in failed else LOOK if failed else FINE
    facts = {"failed": failed, "trainings": table.training.nunique()}
    return state, say("report", "check_trainings", **facts, again=int((table.attempts > 1).sum()))


def _outlines(study: Study) -> State:
    counts = boxes.counted(study.table(tables.MASKS))
    return LOOK if counts["boxes"] else FINE, say("report", "check_outlines", **counts)


def _size(study: Study) -> State:
    table = study.table(tables.WARNINGS)
    words = table.warning[table["where"] == TEST_COHORT].tolist()
    return (LOOK, words[0]) if words else (FINE, say("report", "check_size"))


def _maps(study: Study) -> State:
    table = study.table(tables.GRADCAM_OUTCOME)
    failed = table.check[table.outcome == "failed"].tolist()
    open_ = table.check[table.outcome == "not decided"].tolist()
    state = FAULT if failed else LOOK if open_ else FINE
    return state, say("report", "check_maps", table=table, failed=failed, undecided=open_)


def _internal(study: Study) -> State:
    rows = study.table(tables.INTERNAL_RESULTS)
    auc = rows[rows.metric == "auc"].iloc[0]
    return LOOK, say("report", "check_internal", n=auc.n, reason=rows.reason.dropna().unique())


def _luck(study: Study) -> State:
    rows = luck.chance(study.table(tables.PERMUTATIONS))
    clear = rows[rows.p < ALPHA].model.tolist()
    state = OPEN if rows.empty else FINE if len(clear) == len(rows) else LOOK
    return state, say("report", "check_luck", rows=rows, clear=clear)


def _privacy(study: Study) -> State:
    scan = study.manifest().get("privacy_scan")
    if scan is None:
        return OPEN, ""
    state = FAULT if scan["found"] else FINE
    return state, say("report", "check_privacy", files=len(scan["found"]))


CHECKS: list[tuple[str, Any, str, str, Callable[[Study], State]]] = [
    ("leakage", tables.METRICS, contract.COMPARISON.name, "The-test-set-is-opened", _leakage),
    ("outlines", tables.MASKS, contract.COHORT.name, "Masks", _outlines),
    ("calibration", tables.METRICS, contract.COMPARISON.name, "Four-plots-first", _calibration),
    ("controls", tables.VERDICT, contract.COMPARISON.name,
     "Luck,-volume,-scanner,-or-the-lesion?", _controls),
    ("trainings", tables.CNN_TRAININGS, contract.TRAINING.name, "Training", _trainings),
    ("sample size", tables.WARNINGS, contract.COMPARISON.name, "Sample-size", _size),
    ("maps", tables.GRADCAM_OUTCOME, contract.MAPS.name, "Can-the-maps-be-relied-on?", _maps),
    ("validation", tables.INTERNAL_RESULTS, contract.INTERNAL.name, "Repeated-cross-validation",
     _internal),
    ("luck", tables.PERMUTATIONS, contract.INTERNAL.name, "Luck", _luck),
    ("privacy", None, "", "", _privacy),
]  # fmt: skip
