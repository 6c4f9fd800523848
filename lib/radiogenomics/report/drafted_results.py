"""What the draft's results and limitations say: each block's facts, found in one table of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.eligibility import excluded
from radiogenomics.comparison import readings
from radiogenomics.comparison.cautions import TEST_COHORT
from radiogenomics.comparison.controls import luck
from radiogenomics.comparison.controls.verdict import FEATURES
from radiogenomics.comparison.plan import judged
from radiogenomics.radiomics.perturbations import GOOD
from radiogenomics.report.drafted_methods import Facts, Part, or_empty, sizes
from radiogenomics.report.summary import FAULT, LOOK, checks
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import IN_SAMPLE
from radiogenomics.study.study import Study
from radiogenomics.study.words import with_interval


def _tested(study: Study) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each test cohort in words and its rows of metrics.csv that have a value."""
    table = study.table(tables.METRICS)
    table = table[(table.cohort != contract.TRAIN) & (table.model != IN_SAMPLE)]
    for cohort, rows in table[table.value.notna()].groupby("cohort", sort=False):
        yield contract.in_words(cohort), rows


def _measured(rows: pd.DataFrame, metrics: Iterable[str], *methods: str) -> pd.DataFrame:
    parts = [rows[(rows.metric == m) & rows.ci_method.isin(methods)] for m in metrics]
    return pd.concat(parts)


def _told(row: pd.Series, digits: int) -> str:
    return with_interval(row.value, row.ci_low, row.ci_high, digits)


def _by_model(rows: pd.DataFrame, names: dict[str, str], digits: int) -> list[str]:
    """Return `CNN slope 0.9 (0.5 to 1.3), ...` of each model."""
    phrases = []
    for model, part in rows.groupby("model", sort=False):
        parts = [f"{names[r.metric]} {_told(r, digits)}" for _, r in part.iterrows()]
        phrases.append(f"{model} {', '.join(parts)}")
    return phrases


def _flow(study: Study) -> Facts:
    table = study.table(tables.FLOW)
    out = excluded(table)
    reasons = out.groupby("step", sort=False).n.sum()
    patients = table[table.step == "found"].n.sum()
    facts = {"reasons": [f"{n} {step}" for step, n in reasons.items()]}
    return sizes(study) | facts | {"found": patients, "excluded": out.n.sum()}


def _characteristics(study: Study) -> Facts:
    table = study.table(tables.TABLE1_COHORTS).dropna(subset="smd")
    most = table.loc[table.smd.idxmax()] if len(table) else None
    return {"most": most, "above": (table.smd > 0.1).sum(), "compared": len(table)}


def _stability(study: Study) -> Facts:
    table = study.table(tables.STABILITY)
    chosen = table[table.chosen.astype(bool)]
    return {"chosen": len(chosen), "often": (chosen.frequency >= 0.5).sum()}


def _auc(study: Study) -> Facts:
    level, parts = study.ran_with(contract.COMPARISON).evaluation.confidence, []
    for cohort, measured in _tested(study):
        rows = _measured(measured, ["auc"], *contract.AUC_INTERVALS)
        models = [f"{row.model} {_told(row, 3)}" for _, row in rows.iterrows()]
        n, events = rows[["n", "events"]].iloc[0].astype(int)
        parts.append({"cohort": cohort, "models": models, "n": n, "events": events})
    over = or_empty(study, tables.POOLED)
    pooled = [
        f"{r.model} {with_interval(r.auc, r.ci_low, r.ci_high)}, a further cohort's expected from "
        f"{r.prediction_low:.3f} to {r.prediction_high:.3f}" for r in over.itertuples()
    ]  # fmt: skip
    return {"cohorts": parts, "level": level, "pooled": pooled}


def _test_size(study: Study) -> Facts:
    table = study.table(tables.WARNINGS)
    return {"text": " ".join(table.warning[table["where"] == TEST_COHORT])}


def _proportions(study: Study) -> Facts:
    names = ("sensitivity", "specificity")
    words, cohorts = dict(zip(names, names, strict=True)), {}
    for cohort, measured in _tested(study):
        rows = _measured(measured, names, "wilson")
        by = {rule: rows[rows.threshold_rule == rule] for rule in ("half", "youden")}
        told = {r: part[part.model == _primary(study, rows)] for r, part in by.items()}
        cohorts[cohort] = {r: _by_model(part, words, 3) for r, part in told.items() if len(part)}
    return {"cohorts": cohorts}


def _primary(study: Study, rows: pd.DataFrame) -> str:
    """Return the primary model, of those in a table's rows."""
    models = rows.model[rows.model != FEATURES].unique()
    return judged(study.ran_with(contract.COMPARISON).plan, models).primary


def _calibration(study: Study) -> Facts:
    names = {"calibration_slope": "slope", "calibration_intercept": "intercept",
             "o_over_e": "observed/expected"}  # fmt: skip
    found = {}
    for cohort, measured in _tested(study):
        rows = _measured(measured, names, "wald")
        if len(rows := rows[rows.model == _primary(study, measured)]):
            found[cohort] = _by_model(rows, names, 2)
    return {"cohorts": found}


def _net_benefit(study: Study) -> Facts:
    table = study.table(tables.DECISION_BEST)
    by = table.groupby("cohort", sort=False)
    ranges = {contract.in_words(c): readings.benefit(part)["parts"] for c, part in by}
    first = table.iloc[0]
    reference = first.reference if isinstance(first.reference, str) else ""
    return {"model": first.model, "reference": reference, "cohorts": ranges}


def _baselines(study: Study) -> Facts:
    table = study.table(tables.BASELINES).drop_duplicates(["baseline", "cohort"])
    rows = table.dropna(subset="auc").rename(columns={"auc": "value"})
    names = {"Volume": "lesion volume alone", "Acquisition": "acquisition alone"}
    by = rows[rows.baseline != "Prevalence"].groupby("cohort", sort=False)
    told = {contract.in_words(c): [f"{names[r.baseline]} {_told(r, 3)}" for _, r in part.iterrows()]
            for c, part in by}  # fmt: skip
    return {"cohorts": told}


def _openings(study: Study) -> Facts:
    return {"times": len(seal.evaluations(study)), "changed": seal.plan_changed(study)}


def _warned(study: Study) -> Facts:
    table = study.table(tables.WARNINGS)
    return {"texts": table.warning[table["where"] != TEST_COHORT].tolist()}


def _controls(study: Study) -> Facts:
    table = study.table(tables.VERDICT)
    table = table[table.auc.notna()].assign(cohort=table.cohort.map(contract.in_words))
    permuted = table[table.question == "training labels"]
    rest = table[(table.model == _primary(study, table)) & (table.question != "training labels")]
    return {
        "model": _primary(study, table),
        "cohorts": dict(list(rest.groupby("cohort", sort=False))),
        "permuted": {c: list(permuted[permuted.cohort == c].itertuples()) for c in table.cohort},
    }


def _map_checks(study: Study) -> Facts:
    table = study.table(tables.GRADCAM_OUTCOME)
    by = {word: table.check[table.outcome == word].tolist() for word in table.outcome.unique()}
    names = {"passed": "passed", "failed": "failed", "undecided": "not decided"}
    return {"table": table} | {name: by.get(word, []) for name, word in names.items()}


def _limited(study: Study) -> Facts:
    """Return what the index's checks say, but for those that are fine or told elsewhere."""
    told = [check for check in checks(study) if check.state in (LOOK, FAULT)]
    return {"texts": [check.text for check in told if check.name not in ("sample size", "maps")]}


def _internal(study: Study) -> Facts:
    table = study.table(tables.INTERNAL_RESULTS)
    auc, words = table[table.metric == "auc"], ("sensitivity", "specificity")
    half = table[table.threshold_rule == "half"]
    return {
        "n": auc.n.iloc[0], "events": auc.events.iloc[0],
        "level": study.ran_with(contract.INTERNAL).evaluation.confidence,
        "models": [f"{row.model} {_told(row, 3)}" for _, row in auc.iterrows()],
        "shares": _by_model(half, dict(zip(words, words, strict=True)), 3),
        "chance": luck.chance(or_empty(study, tables.PERMUTATIONS)),
    }  # fmt: skip


def _perturbed(study: Study) -> Facts:
    table = study.table(tables.PERTURBATION)
    good = table.assign(good=table.icc >= GOOD).groupby("feature").good.all()
    return {"share": good.mean(), "changes": table.change.nunique(), "limit": GOOD}


RESULTS: list[Part] = [
    (tables.FLOW, "flow", _flow, "Patients"),
    (tables.TABLE1_COHORTS, "characteristics", _characteristics, "Patients"),
    (tables.SIGNATURE, "signature", lambda s: {"features": len(s.table(tables.SIGNATURE))},
     "Signature"),
    (tables.STABILITY, "stability", _stability, "Signature"),
    (tables.PERTURBATION, "perturbed", _perturbed, "Signature"),
    (tables.METRICS, "auc", _auc, "Discrimination"),
    (tables.DELONG, "comparison/pairs", lambda s: readings.smallest_p(s.table(tables.DELONG)),
     "Discrimination"),
    (tables.INTERNAL_RESULTS, "internal_result", _internal, "Discrimination"),
    (tables.METRICS, "proportions", _proportions, "Discrimination"),
    (tables.METRICS, "calibration", _calibration, "Calibration and clinical utility"),
    (tables.DECISION_BEST, "net_benefit", _net_benefit, "Calibration and clinical utility"),
    (tables.SUBGROUPS, "comparison/groups",
     lambda s: readings.subgroup_counts(s.table(tables.SUBGROUPS)), "Subgroups and controls"),
    (tables.BASELINES, "baselines", _baselines, "Subgroups and controls"),
    (tables.VERDICT, "controls", _controls, "Subgroups and controls"),
    (tables.GRADCAM, "maps", lambda s: {"table": s.table(tables.GRADCAM)}, "Maps"),
    (tables.GRADCAM_OUTCOME, "map_checks", _map_checks, "Maps"),
    ("manifest.json", "evaluations", _openings, "Evaluations of the test cohort"),
]  # fmt: skip
LIMITATIONS: list[Part] = [
    (tables.WARNINGS, "test_size", _test_size, ""),
    (tables.WARNINGS, "warned", _warned, ""),
    (tables.METRICS, "limited", _limited, ""),
    (tables.INTERNAL_RESULTS, "limited", _limited, ""),
]
