"""What the draft's methods say: each block's facts, found in one table of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from radiogenomics.images import boxes, lesions
from radiogenomics.models import augmentation, classifiers
from radiogenomics.report.manifest import FURTHER
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import IN_SAMPLE, Table
from radiogenomics.study.files import read_json
from radiogenomics.study.own_code import OwnCode, own_code
from radiogenomics.study.study import Study
from radiogenomics.study.words import listed

Facts = dict[str, Any]
# the file, the block, its facts, the heading
Part = tuple[Table | str, str, Callable[[Study], Facts], str]
PACKAGES = ("radiogenomics", "tensorflow", "scikit-learn", "statsmodels", "simpleitk")
ALONE = {"volume": "the lesion's volume alone", "acquisition": "acquisition alone"}
WORDS = {"cea": "CEA", "smoking": "smoking status"}  # of clinical columns


def sizes(study: Study) -> Facts:
    """Return the patients of each cohort, and those with the label."""
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
    return sizes(study) | sides | limits | {
        "required": needed, "histology": rules.histology, "days_known": dated, "days_all": every,
        "label": used.label,
    }  # fmt: skip


def _acquisition(study: Study) -> Facts:
    table = study.table(tables.ACQUISITION)
    mm = table.slice_mm
    scanners = table.scanner.nunique() if "scanner" in table else 0
    return {"middle": mm.median(), "low": mm.min(), "high": mm.max(), "scanners": scanners}


def measured_facts(made: dict[str, Any]) -> Facts:
    """Return what features_settings.json says of how features are measured, in words."""
    used, edges = made["settings"], made["settings"].get("radiomics_spacing_mm", ())
    held = used.get("parameters", {})
    given = dict(held.get("setting", {}))
    given |= {f"{name} of {image}": value for image, own in held.get("imageType", {}).items()
              for name, value in own.items()}  # fmt: skip
    given |= {f"features of {kind}": names for kind, names in held.get("featureClass", {}).items()
              if names}  # fmt: skip
    file = [f"{name} {_in_words(value)}" for name, value in given.items()]
    edges = edges if isinstance(edges, list) else [edges]
    return {"made": made, "used": used, "edges": edges, "file": file or ["none given"] * bool(held)}


def _in_words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _selection(study: Study) -> Facts:
    steps = study.table(tables.SELECTION_STEPS)
    return {
        "entered": steps.kept.iloc[0] + steps.dropped.iloc[0],
        "steps": [f"{r.step} ({r.rule}; {r.kept:,} kept)" for r in steps.itertuples()],
        "fell_back": steps.step[steps.fell_back.astype(bool)].tolist(),
    }


def _models(study: Study) -> Facts:
    there = set(pd.read_csv(study.predictions_csv, usecols=["model"]).model) - {IN_SAMPLE}
    settings = study.ran_with(contract.SELECTION)
    used = settings.clinical.predictors
    named = listed(WORDS.get(name, name.replace("_", " ")) for name in used)
    what = {m.name: m.what.replace("the clinical predictors", named) for m in contract.MODELS}
    if _own_network(study):
        what["CNN"] = "a network of this study on the lesion's volume"
    what |= classifiers.added(settings)
    return {"models": [f"{name} ({text})" for name, text in what.items() if name in there]}


def _own_network(study: Study) -> OwnCode | None:
    return own_code(study.ran_with(contract.TRAINING).cnn.network)


def _network(study: Study) -> Facts:
    return {"layers": study.table(tables.CNN_LAYERS), "own": _own_network(study)}


def _embeddings(study: Study) -> Facts:
    settings = study.ran_with(contract.SELECTION)
    steps = study.table(tables.EMBEDDING_STEPS)
    return {
        "features": settings.features,
        "entered": steps.kept.iloc[0] + steps.dropped.iloc[0],
        "steps": [f"{r.step} ({r.rule}; {r.kept:,} kept)" for r in steps.itertuples()],
        "folds": settings.evaluation.folds,
    }


def or_empty(study: Study, table: Table) -> pd.DataFrame:
    """Return a table, without rows where it is not there."""
    return study.table(table) if study.has(table) else table.frame()


def _training(study: Study) -> Facts:
    history, outcome = study.table(tables.CNN_HISTORY), study.table(tables.CNN_TRAININGS)
    kept = history.merge(outcome[["training", "network", "attempt"]])
    final = kept[(kept.training == "final") & (kept.network == 1)]
    used = study.ran_with(contract.TRAINING).cnn
    low, high = 1 - augmentation.FACTOR, 1 + augmentation.FACTOR
    told = {"intensity": f"intensity (HU × {low:g} to {high:g}, ± {augmentation.OFFSET_HU:g} HU)"}
    return {
        "cnn": used,
        "own": _own_network(study),
        "changes": [told.get(kind, kind) for kind in used.augmentation if kind != "none"],
        "norms": "BatchNormalization" in set(or_empty(study, tables.CNN_LAYERS).kind),
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


def _controls_method(study: Study) -> Facts:
    table = study.table(tables.VERDICT)
    asked = table[table.auc.notna()].groupby("question").model.unique()
    times = study.ran_with(contract.COMPARISON).evaluation.permutations
    permuted, shuffled = (list(asked.get(q, ())) for q in ("training labels", "voxels"))
    alone = [words for question, words in ALONE.items() if question in asked]
    return {"permuted": permuted, "shuffled": shuffled, "times": times, "alone": alone}


def _internal_method(study: Study) -> Facts:
    results, used = study.table(tables.INTERNAL_RESULTS), study.ran_with(contract.INTERNAL)
    repeats, how = results.repeats.max(), used.evaluation
    once = results.model[(results.repeats < repeats) & (results.metric == "auc")].tolist()
    permuted = or_empty(study, tables.PERMUTATIONS)
    return {
        "folds": how.folds, "by_hospital": how.folds_by == "hospital", "repeats": repeats,
        "once": once, "level": how.confidence, "permuted": permuted.model.unique().tolist(),
        "times": permuted.permutation.max() if len(permuted) else 0,
    }  # fmt: skip


def _software(study: Study) -> Facts:
    made = study.manifest()
    classes = study.ran_with(contract.SELECTION).models.others.values()
    used = [n for n in FURTHER if any(given["class"].startswith(f"{n}.") for given in classes)]
    versions = made["versions"]
    named = [f"{n} {versions[n]}" for n in (*PACKAGES, *used) if versions.get(n)]
    seed = study.ran_with(contract.COMPARISON).seed
    return {"python": made["python"], "packages": named, "seed": seed}


def _outlines(study: Study) -> dict[str, Any]:
    masks, rule = study.table(tables.MASKS), study.settings.lesions.rule
    return boxes.counted(masks) | {"several": lesions.counted(masks), "rule": rule}


METHODS: list[Part] = [
    (tables.FLOW, "split", _split, "Patients"),
    (tables.ACQUISITION, "acquisition", _acquisition, "Imaging"),
    (tables.MASKS, "outlines", _outlines, "Imaging"),
    (tables.VOLUMES, "preprocessing",
     lambda s: {"image": s.ran_with(contract.PREPROCESSING).preprocessing}, "Imaging"),
    ("tables/features_settings.json", "features",
     lambda s: measured_facts(read_json(s.tables / "features_settings.json")), "Radiomics"),
    (tables.SELECTION_STEPS, "selection", _selection, "Radiomics"),
    ("predictions.csv", "models", _models, "Models"),
    (tables.EMBEDDING_STEPS, "embeddings", _embeddings, "Models"),
    (tables.CNN_LAYERS, "network", _network, "Models"),
    (tables.CNN_HISTORY, "training", _training, "Models"),
    (tables.METRICS, "statistics", _statistics, "Statistical analysis"),
    (tables.VERDICT, "controls_method", _controls_method, "Statistical analysis"),
    (tables.INTERNAL_RESULTS, "internal_method", _internal_method, "Statistical analysis"),
    ("manifest.json", "software", _software, "Statistical analysis"),
]  # fmt: skip
