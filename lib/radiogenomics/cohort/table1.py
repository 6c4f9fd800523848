"""Table 1: the patients described, by label and by cohort (paper, Table 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from radiogenomics.cohort.reading import CODES
from radiogenomics.statistics.group_tests import (
    categorical_test,
    continuous_test,
    standardised_difference,
)
from radiogenomics.study import tables
from radiogenomics.study.contract import TRAIN
from radiogenomics.study.settings import Label
from radiogenomics.study.study import Study
from radiogenomics.study.words import print_p

DESCRIBED = ("age", "sex", "smoking_history", "cea", "lobe", "stage")


def table1(
    cohort: pd.DataFrame, by: str, seed: int, columns: tuple[str, ...] = DESCRIBED
) -> pd.DataFrame:
    """Return Table 1: one row a level, one column a group of `by`, with p, SMD and missing.

    The first row counts the patients, the column `all` takes both groups together. Numbers as
    mean ± SD, categories as n (%); percentages are of the patients with a value; columns without
    a value are left out. `seed` draws the tables of `categorical_test`.
    """
    groups = dict(list(cohort.groupby(by)))
    pair = {k: cohort[side] for k, side in _sides(cohort[by])}
    sizes = {str(k): str(len(g)) for k, g in (groups | {"all": cohort}).items()}
    lines = [{"characteristic": "patients", "level": "n", **sizes}]
    for column in [c for c in columns if c in cohort and cohort[c].notna().any()]:
        values, compared = ({k: g[column] for k, g in by.items()} for by in (groups, pair))
        if pd.api.types.is_numeric_dtype(cohort[column]):
            lines += _numeric_rows(column, values, compared)
        else:
            lines += _category_rows(column, values, compared, seed)
    names = ["characteristic", "level", *sizes, "method", "p", "p_value", "smd", "missing"]
    return pd.DataFrame(lines, columns=names)


def _sides(values: pd.Series) -> list[tuple[Any, pd.Series]]:
    """Return the two groups that are compared; of several cohorts training and all others."""
    names = sorted(values.unique())
    if len(names) <= 2:
        return [(name, values == name) for name in names]
    return [("test", values != TRAIN), (TRAIN, values == TRAIN)]


def clearest(table: pd.DataFrame) -> dict[str, Any]:
    """Return the characteristic with the smallest p: characteristic (None: none), p_value, smd."""
    tested = table.dropna(subset="p_value")
    if tested.empty:
        return {"characteristic": None}
    return tested.loc[tested.p_value.idxmin(), ["characteristic", "p_value", "smd"]].to_dict()


def differences(table: pd.DataFrame) -> dict[str, Any]:
    """Return how the cohorts differ: compared, above 0.1, and those beyond_chance at their size.

    Of two samples (n, m) of one population SMD² · nm / (n + m) is chi-square with a degree of
    freedom for a number, and one less than levels for categories (Hotelling 1931).
    """
    compared = table.dropna(subset="smd")
    counts = table.loc[table.level == "n", [TRAIN, "all"]].astype(int).to_numpy()[0]
    sizes = np.array([counts[0], counts[1] - counts[0]])
    levels = compared.characteristic.map(table.characteristic.value_counts())
    chance = np.sqrt(stats.chi2.ppf(0.95, np.maximum(levels - 1, 1)) * (1 / sizes).sum())
    clear = compared.characteristic[compared.smd > chance].tolist()
    return {"compared": len(compared), "above": (compared.smd > 0.1).sum(), "beyond_chance": clear}


def described(study: Study) -> tuple[str, ...]:
    """Return the columns of Table 1: the paper's, and the clinical predictors beyond them."""
    predictors = [p for p in study.settings.clinical.predictors if p != "smoking"]
    return tuple(dict.fromkeys([*DESCRIBED, *predictors]))


def interval_table(cohort: pd.DataFrame) -> pd.DataFrame:
    """Return days from CT to biopsy: cohort, n known, q1, median, q3, longest, not_known."""
    rows, nothing = [], pd.Series(np.nan, cohort.index)
    for name, days in cohort.get("interval_days", nothing).groupby(cohort.cohort):
        q1, median, q3 = days.quantile([0.25, 0.5, 0.75])
        n = days.count()
        rows.append((name, n, q1, median, q3, days.max(), len(days) - n))
    return tables.INTERVAL.frame(rows)


def shown(table: pd.DataFrame, label: Label) -> pd.DataFrame:
    """Return Table 1 as it is printed: a line a level, labels in words."""
    words = {"0": label.negative_name, "1": label.name, TRAIN: "training"}
    lines = table.drop(columns="p_value").rename(columns=words)
    return lines.set_index(["characteristic", "level"]).astype(object).fillna("")


def _shared(groups: dict, test: str, p: float) -> dict:
    first, last = list(groups.values())[0], list(groups.values())[-1]
    return {
        "method": test,
        "p": print_p(p),
        "p_value": p,
        "smd": round(abs(standardised_difference(first, last)), 3),
        "missing": sum(int(g.isna().sum()) for g in groups.values()),
    }


def _numeric_rows(column: str, groups: dict, pair: dict) -> list[dict]:
    test, p = continuous_test(*pair.values()) if len(pair) == 2 else ("", float("nan"))
    both = groups | {"all": pd.concat(groups.values())}
    cells = {str(k): _mean(g.dropna()) for k, g in both.items()}
    return [
        {
            "characteristic": column,
            "level": "mean ± SD",
            **cells,
            **_shared(pair, test, p),
        }
    ]


def _mean(values: pd.Series) -> str:
    spread = f" ± {values.std():.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}" if len(values) else "not known"


def _category_rows(column: str, groups: dict, pair: dict, seed: int) -> list[dict]:
    seen = pd.concat(groups.values()).dropna().unique()
    order = [*CODES.get(column, ()), "never", "ever"]
    levels = sorted(seen, key=lambda v: (order.index(v) if v in order else 99, str(v)))
    compared, counts = (
        np.array([[(g == v).sum() for g in by.values()] for v in levels]) for by in (pair, groups)
    )
    test, p = categorical_test(compared, seed)
    counts, rows = np.hstack([counts, counts.sum(axis=1, keepdims=True)]), []
    for level, row in zip(levels, counts, strict=True):
        cells = {
            str(k): f"{n} ({100 * n / max(total, 1):.1f})"
            for k, n, total in zip([*groups, "all"], row, counts.sum(axis=0), strict=True)
        }
        rows.append({"characteristic": column, "level": level, **cells})
    rows[0] |= _shared(pair, test, p)
    return rows
