"""Whether maps can be relied on: each of four checks passed, failed or not decided."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radiogenomics.maps.similarity import ALIKE, RESET
from radiogenomics.study import tables
from radiogenomics.study.words import say

PASSED, FAILED, OPEN = "passed", "failed", "not decided"
ALPHA = 0.05
STABLE = 0.5  # Spearman from which maps of one patient by two networks are called alike
CALLED = " (called class)"  # rows of maps of the class that the network predicts
FEWEST = 6  # patients from which a mean similarity decides


def outcome(checks: pd.DataFrame, idle: str = "") -> pd.DataFrame:
    """Return gradcam_outcome.csv: check, outcome, why.

    Args:
        checks: gradcam_checks.csv.
        idle: which trainings of the network failed; then no check decides anything.
    """
    by = checks.set_index("check")
    rows = [
        ("1 place", *_place(by)),
        ("2 new weights", *_new_weights(by)),
        ("3 stable", *_stable(by)),
        ("4 hiding", *_hiding(by)),
    ]
    if idle:
        rows = [(check, OPEN, idle) for check, *_ in rows]
    return tables.GRADCAM_OUTCOME.frame(rows)


def _told(state: str, block: str, **facts: Any) -> tuple[str, str]:
    return state, say("maps", f"outcome_{block}", state=state, **facts)


def _higher(row: pd.Series | None) -> str:
    """Return whether a value is higher than its reference, by the test over patients."""
    if row is None or not row.n or pd.isna(row.p_holm) or row.p_holm >= ALPHA:
        return OPEN
    return PASSED if row.value > row.reference else FAILED


def _place(by: pd.DataFrame) -> tuple[str, str]:
    """Return whether maps of the predicted class lie where the signal is, or in the lesion."""
    planted = "energy in the planted part" + CALLED
    name = planted if planted in by.index else "energy in the lesion" + CALLED
    row = by.loc[name] if name in by.index else None
    return _told(_higher(row), "place", row=row, planted=name == planted)


def _new_weights(by: pd.DataFrame) -> tuple[str, str]:
    resets = by[by.index.str.startswith(RESET) & by.index.str.endswith(": spearman")]
    told = resets[resets.n > 0]
    last = told.iloc[-1] if len(told) else None
    few = last is None or last.n < FEWEST
    state = OPEN if few else FAILED if last.value >= ALIKE else PASSED
    return _told(state, "new_weights", last=last, limit=ALIKE)


def _stable(by: pd.DataFrame) -> tuple[str, str]:
    folds = by[by.index.str.fullmatch(r"fold \d+: spearman") & (by.n > 0)]
    lowest = folds.value.min() if len(folds) else float("nan")
    few = folds.empty or folds.n.min() < FEWEST
    state = OPEN if few else PASSED if lowest >= STABLE else FAILED
    return _told(state, "stable", lowest=lowest, folds=len(folds), limit=STABLE)


def _hiding(by: pd.DataFrame) -> tuple[str, str]:
    name = "occlusion: spearman"
    row = by.loc[name] if name in by.index else None
    return _told(_higher(row), "hiding", row=row)
