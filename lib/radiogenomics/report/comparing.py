"""`workbook compare`: notebook 05 alone, on tables of scores made by any software."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.comparison import other_patients, other_scores
from radiogenomics.comparison.lesions import CLUSTER
from radiogenomics.comparison.plan import judged
from radiogenomics.report.pages import NOTEBOOKS
from radiogenomics.report.single import run_alone
from radiogenomics.study import tables
from radiogenomics.study.contract import AUC_INTERVALS, COMPARISON, TRAIN
from radiogenomics.study.errors import MissingFile, StudyError, UsageError
from radiogenomics.study.files import read_toml, whole_file
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study, load_study
from radiogenomics.study.values import build, in_place

HEADING = 'title = "Comparison of scores: '  # of the settings that a comparison writes
KEPT = ("seed", "label", "evaluation", "plan", "lesions")  # of a study's settings
QUOTED = ("sensitivity", "specificity", "ppv", "npv", "calibration_slope", "o_over_e", "brier")


@dataclass(frozen=True)
class Asked:
    """What a comparison was asked for.

    Attributes:
        tables: of scores: patient, label, model, score, or a column a model.
        out: a new folder, or that of an earlier comparison.
        columns: the patients' columns in cohort.csv's form.
        plan: a study.toml whose [plan], [evaluation], [label] and seed hold.
        settings: by section, over those of the plan.
        threshold: every model's cut-off, where the plan has none.
    """

    tables: tuple[Path, ...]
    out: Path
    columns: Path | None = None
    plan: Path | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    threshold: float | None = None


def compare(asked: Asked) -> tuple[Path, list[str]]:
    """Run notebook 05 on tables of scores; return its HTML, and what is to be told of the tables.

    Raises:
        StudyError: a table, the plan or an option is faulty, or `out` holds a study's reports.
        NotebookFailed: after the HTML was written.
    """
    raw = _settings(asked)
    checked = build(Settings, {n: v for n, v in raw.items() if n != "title"}, "compare")
    taken = checked.label.positive, checked.lesions.rule
    scores = other_scores.read_scores(*asked.tables, positive=taken[0], rule=taken[1])
    judged(checked.plan, scores.model.unique())
    if asked.threshold is not None:
        given = raw["plan"].get("cutoffs", {})
        raw["plan"]["cutoffs"] = dict.fromkeys(scores.model.unique(), asked.threshold) | given
    told = [*scores.attrs["told"], *_unused(asked, scores, checked)]
    study = _study(asked, raw)
    left_out = {"study"} | (set() if (scores.cohort == TRAIN).any() else {"training"})
    _run(study, asked, left_out | ({"patients"} if CLUSTER in scores else {"lesions"}))
    return asked.out / f"{COMPARISON.name}.html", told


def _settings(asked: Asked) -> dict[str, Any]:
    """Return the settings by section: the plan's file, then the options."""
    raw: dict[str, Any] = {}
    if asked.plan is not None:
        try:
            written = read_toml(asked.plan)
        except FileNotFoundError:
            raise MissingFile(f"{asked.plan} is not there. Expected: a study.toml.") from None
        moved, _ = in_place(written)
        build(Settings, moved, asked.plan.name)
        raw = {name: moved[name] for name in KEPT if name in moved}
    usual = {"name": "label 1", "negative_name": "label 0", "positive": []}
    raw["label"] = usual | {n: v for n, v in raw.get("label", {}).items() if n != "column"}
    raw.setdefault("plan", {})
    for section, values in asked.settings.items():
        if section:
            raw[section] = raw.get(section, {}) | values
        else:
            raw |= values
    return raw


def _unused(asked: Asked, scores: pd.DataFrame, settings: Settings) -> list[str]:
    """Return a line for the patients' columns that make no subgroups.

    Raises:
        UsageError: a subgroup that was asked for is no column.
    """
    wanted = settings.plan.subgroups
    named = "subgroups" in asked.settings.get("plan", {})
    there: list[str] = []
    if asked.columns is not None:
        there = list(other_patients.read_patients(asked.columns, scores))
    if named and (gone := [name for name in wanted if name not in there]):
        raise UsageError(
            f"--subgroups {', '.join(gone)}: no such column. Expected: columns of the table that "
            f"--cohort names: {', '.join(there) or 'none is named'}."
        )
    spare = [c for c in there if c not in (*wanted, *other_patients.USED)]
    return [
        f"{asked.columns.name}: column {name} makes no subgroups (--subgroups)" for name in spare
    ]


def _study(asked: Asked, raw: dict[str, Any]) -> Study:
    """Write the settings of a comparison to `out`: a new folder, or an earlier comparison's.

    Raises:
        StudyError: `out` holds a study, or its reports, or a table of scores itself.
    """
    out, toml = asked.out, asked.out / "study.toml"
    earlier = toml.is_file() and toml.read_text("utf-8", "replace").startswith(HEADING)
    names = ["cohort.csv", *([] if earlier else [toml.name, "manifest.json", "predictions.csv"])]
    held = [name for name in names if (out / name).exists()]
    if held:
        raise StudyError(
            f"{out.name} holds a study, or the reports of a study ({', '.join(held)}). Expected: a "
            "new folder, or one of an earlier comparison. Name another folder."
        )
    for table in asked.tables:
        if table.resolve() == (out / "predictions.csv").resolve():
            raise StudyError(
                f"{table.name} is in {out.name}, where this comparison would overwrite it. "
                "Expected: a table elsewhere. Name another folder."
            )
    named = " and ".join(table.name for table in asked.tables)
    lines = [HEADING + json.dumps(named)[1:]]
    lines += [f"{n} = {json.dumps(v)}" for n, v in raw.items() if not isinstance(v, dict)]
    if any(_synthetic(table) for table in asked.tables):
        lines.append("synthetic = true")
    for section, values in raw.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]", *(f"{n} = {_toml(v)}" for n, v in values.items())]
    with whole_file(toml) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_study(out, out)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(n)} = {_toml(v)}" for n, v in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value)


def _synthetic(table: Path) -> bool:
    """Return whether the table carries the mark of simulated patients."""
    head = pd.read_csv(table, nrows=1)
    return bool("synthetic" in head and head.synthetic.iloc[0])


def _run(study: Study, asked: Asked, left_out: set[str]) -> None:
    """Run the notebook without the cells that have nothing to say, and export it."""
    given = {"predictions": [str(table.resolve()) for table in asked.tables]}
    given["columns"] = str(asked.columns.resolve()) if asked.columns else None
    inputs = [*asked.tables, *([asked.columns] if asked.columns else [])]
    run_alone(study, NOTEBOOKS / f"{COMPARISON.name}.ipynb", given, inputs, left_out)


def headline(study: Study) -> dict[str, Any]:
    """Return the numbers that programs ask for first: by cohort and model, what is warned of."""
    if not study.has(tables.METRICS):
        pairs = _plain(study.table(tables.LESION_PAIRS))
        return {"lesions": _plain(study.table(tables.LESIONS)), "lesion_pairs": pairs}
    metrics = study.table(tables.METRICS)
    tested, cohorts = metrics[metrics.cohort != TRAIN], {}
    for cohort, rows in tested.groupby("cohort", sort=False):
        models = {m: _measures(part) for m, part in rows.groupby("model", sort=False)}
        n, events = rows[["n", "events"]].iloc[0].tolist()
        cohorts[cohort] = {"n": int(n), "events": int(events), "models": models}
    gaps = study.table(tables.DIFFERENCES)
    return {
        "cohorts": cohorts,
        "declared_comparison": _plain(gaps[gaps.primary]),
        "pooled": _plain(study.table(tables.POOLED)),
        "warnings": study.table(tables.WARNINGS).warning.tolist(),
    }


def _measures(rows: pd.DataFrame) -> dict[str, Any]:
    auc = rows[(rows.metric == "auc") & rows.ci_method.isin(AUC_INTERVALS)]
    others = rows[rows.metric.isin(QUOTED)].drop_duplicates(["threshold_rule", "metric"])
    found = {}
    for row in _plain(pd.concat([auc, others])):
        rule = f"_at_{row['threshold_rule']}" if row["threshold_rule"] else ""
        kept = ("value", "ci_low", "ci_high", "ci_method")
        found[row["metric"] + rule] = {name: row[name] for name in kept}
    return found


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON holds them: nothing is null, not NaN."""
    return json.loads(rows.to_json(orient="records"))
