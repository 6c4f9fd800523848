"""A methods and a results paragraph drafted from the tables of a run, ready to edit.

The sentences are in sentences.md; this file finds their facts, each in one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.eligibility import excluded
from radiogenomics.comparison import readings
from radiogenomics.comparison.cautions import TEST_COHORT
from radiogenomics.comparison.controls.verdict import FEATURES
from radiogenomics.comparison.plan import judged
from radiogenomics.radiomics.perturbations import GOOD
from radiogenomics.report.summary import FAULT, LOOK, checks
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import IN_SAMPLE, Table
from radiogenomics.study.files import filled, read_json
from radiogenomics.study.study import Study
from radiogenomics.study.words import listed, say, with_interval

Facts = dict[str, Any]
Draft = dict[str, list["Sentence"]]  # by section


class Sentence(NamedTuple):
    """Drafted text, the file that its numbers were read from, the heading it stands under."""

    text: str
    file: str = ""
    heading: str = ""


PACKAGES = ("radiogenomics", "tensorflow", "scikit-learn", "statsmodels", "simpleitk")
STATED = (
    "design", "reference_standard", "interval", "segmentation", "readers", "blinding", "ethics",
)  # fmt: skip


def draft(study: Study) -> Draft:
    """Return the sentences of each section whose files are there; citations as `[@key]`."""
    start = [Sentence(say("report", "synthetic"))] if study.settings.synthetic else []
    stated = [Sentence(say("report", "stated", **f), "", "Statements") for f in _stated(study)]
    return {
        "Methods": start + list(_drafted(study, METHODS)) + stated,
        "Results": start + list(_drafted(study, RESULTS)),
        "Limitations": list(_drafted(study, LIMITATIONS)),
    }


def _drafted(study: Study, parts: list[Part]) -> Iterator[Sentence]:
    for source, block, facts, heading in parts:
        file = f"tables/{source.file}" if isinstance(source, Table) else source
        if not filled(study.reports / file):
            continue
        room, _, name = block.rpartition("/")
        if words := say(room or "report", name, **facts(study)):
            yield Sentence(words, file, heading)


def _stated(study: Study) -> list[Facts]:
    said = {name: getattr(study.settings.author, name).strip().rstrip(".") for name in STATED}
    return [{"name": n.replace("_", " ").capitalize(), "text": t} for n, t in said.items() if t]


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


def _sizes(study: Study) -> Facts:
    n = study.table(tables.FLOW).set_index(["step", "reason"]).n
    cohorts = [
        {"name": contract.in_words(c), "n": n["included", c], "events": n[f"{c} label", "1"],
         "key": c}
        for c in n["included"].index
    ]  # fmt: skip
    return {"cohorts": cohorts, "label": study.settings.label}


def _split(study: Study) -> Facts:
    used = study.ran_with(contract.COHORT)
    rules = used.eligibility
    sides = {"column": used.cohorts.column, "sides": used.cohorts.sides}
    wanted = dict.fromkeys([*rules.required, *used.clinical.predictors])
    needed = [WORDS.get(name, name.replace("_", " ")) for name in wanted]
    days = study.table(tables.INTERVAL) if study.has(tables.INTERVAL) else None
    dated = None if days is None else days.n.sum()
    every = None if days is None else dated + days.not_known.sum()
    limits = {"min_age": rules.min_age, "max_days": rules.max_interval_days}
    return _sizes(study) | sides | limits | {
        "required": needed, "histology": rules.histology, "days_known": dated, "days_all": every,
        "label": used.label,
    }  # fmt: skip


WORDS = {"cea": "CEA", "smoking": "smoking status"}  # of clinical columns


def _acquisition(study: Study) -> Facts:
    table = study.table(tables.ACQUISITION)
    mm = table.slice_mm
    scanners = table.scanner.nunique() if "scanner" in table else 0
    return {"middle": mm.median(), "low": mm.min(), "high": mm.max(), "scanners": scanners}


def _selection(study: Study) -> Facts:
    steps = study.table(tables.SELECTION_STEPS)
    return {
        "entered": steps.kept.iloc[0] + steps.dropped.iloc[0],
        "steps": [f"{r.step} ({r.rule}; {r.kept:,} kept)" for r in steps.itertuples()],
        "fell_back": steps.step[steps.fell_back.astype(bool)].tolist(),
    }


def _models(study: Study) -> Facts:
    there = set(pd.read_csv(study.predictions_csv, usecols=["model"]).model) - {IN_SAMPLE}
    used = study.ran_with(contract.SELECTION).clinical.predictors
    named = listed(WORDS.get(name, name.replace("_", " ")) for name in used)
    what = {m.name: m.what.replace("the clinical predictors", named) for m in contract.MODELS}
    return {"models": [f"{name} ({text})" for name, text in what.items() if name in there]}


def _training(study: Study) -> Facts:
    history, outcome = study.table(tables.CNN_HISTORY), study.table(tables.CNN_TRAININGS)
    kept = history.merge(outcome[["training", "network", "attempt"]])
    final = kept[(kept.training == "final") & (kept.network == 1)]
    return {
        "cnn": study.ran_with(contract.TRAINING).cnn,
        "epochs": len(final),
        "best": final.epoch[final.val_loss.idxmin()],
        "folds": outcome.training.nunique() - 1,
        "again": int((outcome.attempts > 1).sum()),
    }


def _statistics(study: Study) -> Facts:
    used = study.ran_with(contract.COMPARISON).evaluation
    drawn = study.table(tables.METRICS).resamples.max()
    return {
        "level": used.confidence,
        "declared": study.ran_with(contract.COMPARISON).plan.decision_range,
        "drawn": drawn,
    }


def _software(study: Study) -> Facts:
    made = read_json(study.manifest_json)
    named = [f"{name} {made['versions'][name]}" for name in PACKAGES if made["versions"].get(name)]
    seed = study.ran_with(contract.COMPARISON).seed
    return {"python": made["python"], "packages": named, "seed": seed}


def _flow(study: Study) -> Facts:
    table = study.table(tables.FLOW)
    out = excluded(table)
    reasons = out.groupby("step", sort=False).n.sum()
    patients = table[table.step == "found"].n.sum()
    facts = {"reasons": [f"{n} {step}" for step, n in reasons.items()]}
    return _sizes(study) | facts | {"found": patients, "excluded": out.n.sum()}


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
    over = study.table(tables.POOLED) if study.has(tables.POOLED) else tables.POOLED.frame()
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


def _controls_method(study: Study) -> Facts:
    table = study.table(tables.VERDICT)
    asked = table[table.auc.notna()].groupby("question").model.unique()
    times = study.ran_with(contract.COMPARISON).evaluation.permutations
    permuted, shuffled = (list(asked.get(q, ())) for q in ("training labels", "voxels"))
    return {"permuted": permuted, "shuffled": shuffled, "times": times}


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


def _perturbed(study: Study) -> Facts:
    table = study.table(tables.PERTURBATION)
    good = table.assign(good=table.icc >= GOOD).groupby("feature").good.all()
    return {"share": good.mean(), "changes": table.change.nunique(), "limit": GOOD}


# the file, the block, its facts, the heading
Part = tuple[Table | str, str, Callable[[Study], Facts], str]
METHODS: list[Part] = [
    (tables.FLOW, "split", _split, "Patients"),
    (tables.ACQUISITION, "acquisition", _acquisition, "Imaging"),
    (tables.VOLUMES, "preprocessing",
     lambda s: {"image": s.ran_with(contract.PREPROCESSING).preprocessing}, "Imaging"),
    ("tables/features_settings.json", "features",
     lambda s: {"made": read_json(s.tables / "features_settings.json")}, "Radiomics"),
    (tables.SELECTION_STEPS, "selection", _selection, "Radiomics"),
    ("predictions.csv", "models", _models, "Models"),
    (tables.CNN_LAYERS, "network", lambda s: {"layers": s.table(tables.CNN_LAYERS)}, "Models"),
    (tables.CNN_HISTORY, "training", _training, "Models"),
    (tables.METRICS, "statistics", _statistics, "Statistical analysis"),
    (tables.VERDICT, "controls_method", _controls_method, "Statistical analysis"),
    ("manifest.json", "software", _software, "Statistical analysis"),
]  # fmt: skip
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
]
