"""Whether maps can be relied on: each of four checks passed, failed or not decided."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radiogenomics.maps.similarity import ALIKE, RESET
from radiogenomics.statistics.discrimination import holm
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
        ("place", *_place(by)),
        ("new weights", *_new_weights(by)),
        ("stability", *_stable(by)),
        ("hiding", *_hiding(by)),
    ]
    if idle:
        rows = [(check, OPEN, idle) for check, *_ in rows]
    return tables.GRADCAM_OUTCOME.frame(rows)


def _told(state: str, block: str, **facts: Any) -> tuple[str, str]:
    return state, say("maps", f"outcome_{block}", state=state, **facts)


def _higher(row: pd.Series | None, p: float) -> str:
    """Return whether a value is higher than its reference, by the test over patients."""
    if row is None or not row.n or pd.isna(p) or p >= ALPHA:
        return OPEN
    return PASSED if row.value > row.reference else FAILED


def _place(by: pd.DataFrame) -> tuple[str, str]:
    """Return whether maps of the predicted class lie where the signal is, or in the lesion.

    p is corrected for all tests of place, of both kinds of maps: none was chosen by its result.
    """
    planted = "energy in the planted part" + CALLED
    name = planted if planted in by.index else "energy in the lesion" + CALLED
    row = by.loc[name] if name in by.index else None
    tested = by[by.index.str.startswith("energy in")]
    corrected = dict(zip(tested.index, holm(tested.p.to_numpy(float)), strict=True))
    p = corrected.get(name, float("nan"))
    facts = {"row": row, "planted": name == planted, "p": p, "tests": int(tested.p.notna().sum())}
    return _told(_higher(row, p), "place", **facts)


def _new_weights(by: pd.DataFrame) -> tuple[str, str]:
    resets = by[by.index.str.startswith(RESET) & by.index.str.endswith(": spearman")]
    told = resets[resets.n >= FEWEST]
    last = told.iloc[-1] if len(told) else None
    state = OPEN if last is None else FAILED if last.value >= ALIKE else PASSED
    return _told(state, "new_weights", last=last, limit=ALIKE, start=RESET)


def _stable(by: pd.DataFrame) -> tuple[str, str]:
    folds = by[by.index.str.fullmatch(r"fold \d+: spearman") & (by.n > 0)]
    lowest = folds.value.min() if len(folds) else float("nan")
    few = folds.empty or folds.n.min() < FEWEST
    state = OPEN if few else PASSED if lowest >= STABLE else FAILED
    moved = by[by.index.str.startswith("input moved") & by.index.str.endswith(": spearman")]
    facts = {"folds": len(folds), "limit": STABLE, "moved": moved.value.min()}
    return _told(state, "stable", lowest=lowest, **facts)


def _hiding(by: pd.DataFrame) -> tuple[str, str]:
    name = "occlusion: spearman"
    row = by.loc[name] if name in by.index else None
    p = float("nan") if row is None else row.p_holm
    return _told(_higher(row, p), "hiding", row=row)
