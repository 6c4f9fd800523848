"""The sealed test set: test labels are handed out here alone, and every time is recorded.

The record is the study's `test_set.jsonl`, to which lines are only added: notebook, purpose, time,
digests of the plan and of the scores. manifest.json repeats it.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pandas as pd

from radiogenomics.cohort.included import read_included
from radiogenomics.study import contract, design
from radiogenomics.study.errors import DamagedFile, StudyError, UsageError
from radiogenomics.study.files import digest
from radiogenomics.study.study import Study

_SESSION: dict[tuple, Any] = {}  # what this process has recorded: run twice, opened once
# notebooks 01, 05, 06; 05, which fits models on test patients too to judge each hospital
PURPOSES = ("describe", "evaluate", "explain", "leave out hospitals")


def opened(study: Study, notebook: str, purpose: str) -> pd.DataFrame:
    """Return the patients who take part, test labels included, and record it if there are any.

    Raises:
        StudyError: a purpose that is not one of `PURPOSES`; `explain` before any `evaluate`.
    """
    if design.tested(study.settings):
        record(study, notebook, purpose)
    return read_included(study)


def evaluated(study: Study, notebook: str, scores: pd.DataFrame) -> dict[str, Any]:
    """Write down that these test scores meet test labels; return how often before (`_earlier`)."""
    these = _digest(scores)
    before = _earlier(study, these)
    record(study, notebook, "evaluate", these)
    return before


def record(study: Study, notebook: str, purpose: str, scores: str = "") -> None:
    """Write down that the test labels are opened, and the digest of the scores they are for.

    Raises:
        StudyError: as `opened`.
    """
    if purpose not in PURPOSES:
        raise StudyError(f"purpose {purpose!r}. Expected: one of {', '.join(PURPOSES)}.")
    if purpose == "explain" and not evaluations(study):
        raise StudyError(
            "the test cohort has not been evaluated yet. Expected: notebook 05 before notebook 06. "
            f"Run: {contract.COMPARISON.run_from}"
        )
    entry = {"notebook": notebook, "purpose": purpose, "plan": digest(study.settings.plan)}
    if scores:
        entry["scores"] = scores
    key = (study.folder, *entry.values())
    if key in _SESSION:
        return
    _SESSION[key] = True
    before = [] if study.openings_jsonl.exists() else openings(study)
    with study.openings_jsonl.open("a", encoding="utf-8") as stream:
        for row in (*before, entry | {"time": _now()}):
            stream.write(json.dumps(row) + "\n")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _digest(scores: pd.DataFrame) -> str:
    rows = scores[scores.cohort != contract.TRAIN].sort_values(["model", "patient"])
    return digest(rows[["model", "patient"]].values.tolist(), rows.score.round(6).tolist())


def openings(study: Study) -> list[dict]:
    """Return the records of every time that test labels were opened, in their order.

    Of reports without their study, as a reviewer has them, the manifest's.
    """
    if study.openings_jsonl.exists():
        try:
            lines = study.openings_jsonl.read_text("utf-8").splitlines()
            return [json.loads(line) for line in lines]
        except ValueError as fault:
            raise DamagedFile(
                f"{study.openings_jsonl.name}, the record of when test labels were opened, is "
                f"damaged ({fault}). Expected: a line of JSON an opening. Bring back a backup, or "
                "what manifest.json repeats of it as test_set."
            ) from None
    return study.manifest().get("test_set", [])


def plan_changed(study: Study) -> bool:
    """Return whether the plan is another one than at the first evaluation."""
    plans = [record["plan"] for record in evaluations(study) if "plan" in record]
    return bool(plans) and plans[0] != digest(study.settings.plan)


def evaluations(study: Study) -> list[dict]:
    """Return the records of every time that test scores met test labels."""
    return [opening for opening in openings(study) if opening["purpose"] == "evaluate"]


def join(study: Study, scores: pd.DataFrame, notebook: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return scores with labels: the only place where test scores meet test labels.

    Returns:
        The scores with labels, and how often that had been done before (`evaluated`).

    Raises:
        StudyError: a model lacks patients of the cohort, or has others; out of fold, lacks
            training patients, or has others.
    """
    patients = read_included(study)
    train = patients[patients.cohort == contract.TRAIN]
    for inside, expected in ((scores.fold.isna(), patients), (scores.fold.notna(), train)):
        for name, rows in scores[inside].groupby("model"):
            _refuse_incomplete(name, rows, expected.patient)
    before = evaluated(study, notebook, scores)
    label = patients.set_index("patient").label
    return scores.assign(label=scores.patient.map(label).astype("Int64")), before


def _refuse_incomplete(model: str, rows: pd.DataFrame, patients: pd.Series) -> None:
    twice = rows.patient[rows.patient.duplicated()].tolist()
    other = twice or sorted(set(patients) ^ set(rows.patient))
    if other:
        kind = "training patients (out-of-fold)" if rows.fold.notna().any() else "patients"
        raise UsageError(
            f"predictions.csv: {model} does not have one score for each of the {len(patients)} "
            f"{kind}; first difference: {other[:1]}. Run: {contract.SELECTION.run_from}"
        )


def _earlier(study: Study, these: str) -> dict[str, Any]:
    """Return how often the test cohort was evaluated before: times, same (scores), others, first.

    The answer stays the same in one process: a cell that is run twice is one evaluation.
    """
    key = (study.folder, these)
    if key not in _SESSION:
        records = evaluations(study)
        same = sum(evaluation.get("scores") == these for evaluation in records)
        first = records[0]["time"][:10] if records else ""
        counts = {"times": len(records), "same": same, "others": len(records) - same}
        _SESSION[key] = counts | {"first": first}
    return _SESSION[key]
