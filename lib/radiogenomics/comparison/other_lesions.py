"""Scores of several lesions a patient: one score a patient, or cases with labels of their own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radiogenomics.study.errors import TableFault

VOLUME = "volume_mm3"
UNION = "union"  # the lesion of a row whose score is of all lesions together
UNIT = ["patient", "cohort", "model", "fold"]


def read_lesions(table: pd.DataFrame, rule: str, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return a table of one row a patient, or a lesion with its patient in column `cluster`.

    Where each patient has one label, `rule` makes one score of the lesions' (study.toml,
    [lesions]); where labels differ within a patient, each lesion stays a case of its own.

    Args:
        table: patient, lesion, label, model, score, cohort, fold; volume_mm3 for `largest`.
        rule: index (the first in the table), largest, union (rows whose lesion is `union`), mean
            or max (of the scores).
        path: the table's, for errors.

    Raises:
        TableFault: no volume for `largest`, no row for `union`, a lesion without a name.
    """
    if (table.lesion == "").any():
        row = table[table.lesion == ""].iloc[0]
        raise TableFault(
            f"{path.name}: patient {row.patient} has a row without a lesion. Expected: a name or "
            "number of every lesion, or no column lesion."
        )
    several = table.groupby("patient").label.nunique()
    if (several > 1).any():
        named = table.patient + " / " + table.lesion
        own = table.assign(cluster=table.patient, patient=named).drop(columns="lesion")
        counted = f"{own.patient.nunique()} lesions of {table.patient.nunique()} patients"
        return own, [f"{counted}: labels differ within patients, each lesion is a case"]
    by = table.groupby(UNIT, sort=False, dropna=False)
    if rule in ("mean", "max"):
        kept = by.first().assign(score=by.score.agg(rule)).reset_index()
    else:
        kept = _chosen(table, rule, path)
    kept = kept.drop(columns=["lesion", VOLUME], errors="ignore")
    return kept[[c for c in table if c in kept]], [
        f"several lesions a patient: {rule} gives a patient's score (study.toml, [lesions] rule)"
    ]


def _chosen(table: pd.DataFrame, rule: str, path: Path) -> pd.DataFrame:
    """Return one lesion's row of each patient, model and kind of score."""
    if rule == UNION:
        rows = table[table.lesion.str.casefold() == UNION]
        gone = sorted(set(table.patient) - set(rows.patient))
        if gone:
            raise TableFault(
                f"{path.name}: {len(gone)} patients have no row whose lesion is {UNION}, the first "
                f"is {gone[0]}. Expected: the score of all lesions together, or another "
                "[lesions] rule."
            )
        return rows
    if rule == "largest":
        volume = pd.to_numeric(table.get(VOLUME, pd.Series("", table.index)), errors="coerce")
        if volume.isna().any():
            raise TableFault(
                f"{path.name}: {volume.isna().sum()} rows have no {VOLUME}. Expected: a volume of "
                "every lesion for [lesions] rule = 'largest', or another rule."
            )
        table = table.assign(_volume=volume).sort_values("_volume", ascending=False, kind="stable")
        return table.drop(columns="_volume").drop_duplicates(UNIT).sort_index()
    return table.drop_duplicates(UNIT)
