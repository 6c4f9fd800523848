"""A paper under audit: what its printed numbers allow, recomputed from its printed counts.

Printed proportions are taken as rounded half up, half to even, or as a computer's binary number
(267 / 400 = 0.6675 lies a little below and prints as 0.667): all three.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from radiogenomics.cohort import print_p
from radiogenomics.paper import results
from radiogenomics.samplesize import auc_standard_error


def prints_as(k: int, n: int, printed: float, decimals: int = 3) -> bool:
    """Return whether k / n is printed so, by any of the rules of rounding."""
    exact = Fraction(k, n)
    value = Decimal(exact.numerator) / Decimal(exact.denominator)
    step = Decimal(1).scaleb(-decimals)
    shown = Decimal(str(printed)).quantize(step)
    by_rule = [value.quantize(step, rule) for rule in (ROUND_HALF_UP, ROUND_HALF_EVEN)]
    return shown in [*by_rule, Decimal(k / n).quantize(step)]


def attainable(printed: float, n: int, decimals: int = 3) -> list[int]:
    """Return every count k for which k / n is printed so; none: the number cannot be true."""
    reach = int(n * 10.0**-decimals) + 2
    near = range(max(0, int(printed * n) - reach), min(n, int(printed * n) + reach) + 1)
    return [k for k in near if prints_as(k, n, printed, decimals)]


def proportions(printed: dict[str, Any]) -> pd.DataFrame:
    """Return each printed proportion: its counts, or the nearest that is attainable.

    Returns:
        model, cohort, metric, printed, n, counts, nearest, attainable.
    """
    rows = []
    for one in results(printed).itertuples():
        sizes = {"sensitivity": one.events, "specificity": one.n - one.events, "accuracy": one.n}
        for metric, n in sizes.items():
            value = getattr(one, metric)
            counts = attainable(value, n, printed["decimals"])
            nearest = f"{round(value * n)}/{n} = {round(value * n) / n:.4f}"
            told = ", ".join(f"{k}/{n}" for k in counts)
            rows.append((one.model, one.cohort, metric, value, n, told, nearest, bool(counts)))
    names = ["model", "cohort", "metric", "printed", "n", "counts", "nearest", "attainable"]
    return pd.DataFrame(rows, columns=names)


def together(
    sensitivity: float, specificity: float, accuracy: float, events: int, n: int, decimals: int = 3
) -> list[tuple[int, int]]:
    """Return every (tp, tn) that prints all three proportions; none: they contradict."""
    return [
        (tp, tn)
        for tp in attainable(sensitivity, events, decimals)
        for tn in attainable(specificity, n - events, decimals)
        if prints_as(tp + tn, n, accuracy, decimals)
    ]


def consistency(printed: dict[str, Any]) -> pd.DataFrame:
    """Return per model and cohort whether sensitivity, specificity and accuracy go together.

    Returns:
        model, cohort, consistent, implied_accuracy (from sensitivity and specificity),
        accuracy, accuracy_is_sensitivity (a column copied?), auc, two_point_auc (of hard labels).
    """
    rows = []
    for one in results(printed).itertuples():
        three = one.sensitivity, one.specificity, one.accuracy
        right = one.sensitivity * one.events + one.specificity * (one.n - one.events)
        rows.append(
            {
                "model": one.model,
                "cohort": one.cohort,
                "consistent": bool(together(*three, one.events, one.n, printed["decimals"])),
                "implied_accuracy": right / one.n,
                "accuracy": one.accuracy,
                "accuracy_is_sensitivity": one.accuracy == one.sensitivity,
                "auc": one.auc,
                "two_point_auc": (one.sensitivity + one.specificity) / 2,
            }
        )
    return pd.DataFrame(rows)


def interval_kinds(printed: dict[str, Any]) -> pd.DataFrame:
    """Return what kind of interval each printed AUC interval can be.

    `binomial` names a count of correct calls whose exact (Clopper-Pearson) interval prints so:
    then it is the interval of an accuracy. `level` is the confidence that fits its width, if it
    were one of an AUC (standard error of Newcombe 2006).

    Returns:
        model, cohort, auc, auc_low, auc_high, binomial, width, width_95, level.
    """
    rows = []
    for one in results(printed).itertuples():
        se = auc_standard_error(one.auc, one.events / one.n, one.n)
        width = one.auc_high - one.auc_low
        names = ("model", "cohort", "auc", "auc_low", "auc_high")
        row = {name: getattr(one, name) for name in names}
        row["binomial"] = ", ".join(_binomial(one, printed["decimals"]))
        row |= {"width": width, "width_95": 2 * stats.norm.ppf(0.975) * se}
        rows.append(row | {"level": 2 * stats.norm.cdf(width / 2 / se) - 1})
    return pd.DataFrame(rows)


def _binomial(one: Any, decimals: int) -> list[str]:
    found = []
    for k in range(max(0, int(one.auc * one.n) - 3), min(one.n, int(one.auc * one.n) + 4) + 1):
        bounds = proportion_confint(k, one.n, method="beta")
        if np.allclose(np.round(bounds, decimals), [one.auc_low, one.auc_high], atol=1e-9):
            found.append(f"{k}/{one.n}")
    return found


def table1(printed: dict[str, Any]) -> pd.DataFrame:
    """Return each p value of Table 1 beside those that the printed counts give.

    Returns:
        characteristic, printed, and p by test: chi_square, yates, fisher (2 × 2), welch, student.
    """
    rows = []
    for name, row in printed["table1"].items():
        tests = _counts_tests(row["counts"]) if "counts" in row else _means_tests(row["groups"])
        same = [test for test, p in tests.items() if print_p(p) == row["p"]]
        found = {"characteristic": name, "printed": row["p"], "reproduced_by": ", ".join(same)}
        rows.append(found | tests)
    return pd.DataFrame(rows)


def _counts_tests(counts: list[list[int]]) -> dict[str, float]:
    table = np.array(counts)
    tests = {"chi_square": stats.chi2_contingency(table, correction=False).pvalue}
    if table.shape == (2, 2):
        tests["yates"] = stats.chi2_contingency(table).pvalue
        tests["fisher"] = stats.fisher_exact(table).pvalue
    return {name: float(p) for name, p in tests.items()}


def _means_tests(groups: list[list[float]]) -> dict[str, float]:
    (a, sd_a, n_a), (b, sd_b, n_b) = groups
    kinds = {"welch": False, "student": True}
    found = {
        name: stats.ttest_ind_from_stats(a, sd_a, int(n_a), b, sd_b, int(n_b), equal_var=equal)
        for name, equal in kinds.items()
    }
    return {name: float(test.pvalue) for name, test in found.items()}


def parameters(flattened: bool = False) -> dict[str, int]:
    """Return the paper's network's parameters, counted by hand: trained, moving, all.

    Four blocks of 3×3×3 convolution (32, 64, 128, 256 filters, one input channel) and batch
    norm, a dense layer of 512, two outputs; 256 inputs to the dense layer after pooling, or all
    of the last block's 4 × 4 × 2 × 256 values when flattened.
    """
    filters = (1, 32, 64, 128, 256)
    convolutions = sum(27 * a * b + b for a, b in zip(filters, filters[1:], strict=False))
    norm = 2 * sum(filters[1:])
    inputs = 256 * (4 * 4 * 2 if flattened else 1)
    dense = inputs * 512 + 512 + 512 * 2 + 2
    trained = convolutions + norm + dense
    return {"trained": trained, "moving": norm, "all": trained + norm}


def summary(
    table1: pd.DataFrame, proportions: pd.DataFrame, consistency: pd.DataFrame,
    intervals: pd.DataFrame, network: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    """Return what was printed and what its recomputation found, one row a kind of number.

    Args:
        table1: `table1`'s.
        proportions: `proportions`'.
        consistency: `consistency`'s.
        intervals: `interval_kinds`'.
        network: parameters by architecture (`all`), with the printed number (`printed`).
    """
    same = network.index[network["all"] == network.printed].tolist()
    rows = [
        ("p values of Table 1", len(table1), (table1.reproduced_by != "").sum(), "reproduced"),
        ("proportions", len(proportions), proportions.attainable.sum(), "attainable"),
        ("sensitivity, specificity, accuracy", len(consistency), consistency.consistent.sum(),
         "can be true together"),
        ("AUC intervals", len(intervals), (intervals.binomial == "").sum(),
         "are not an accuracy's exact interval"),
        ("network parameters", int(network.printed.notna().any()), len(same),
         f"the {same[0]} network" if same else "of neither network"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["printed", "number", "found", "what was found"])
