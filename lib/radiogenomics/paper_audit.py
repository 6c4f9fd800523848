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
import plotly.graph_objects as go
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from radiogenomics.comparison.paper import EMPTY, load_paper, p_text, paper_of, results
from radiogenomics.statistics.sample_size import auc_standard_error
from radiogenomics.study.study import Study
from radiogenomics.study.style import BACK, LABELS, PAGE


def audit_widths(table: pd.DataFrame) -> go.Figure:
    """Draw a paper's printed AUC intervals and 95% ones at its numbers of patients."""
    figure = go.Figure()
    names = [f"{r.model}, {r.cohort}" for r in table.itertuples()]
    half = table.width_95 / 2
    kinds = (
        ("printed", table.auc_high - table.auc, table.auc - table.auc_low, LABELS[1]),
        ("95% at this n", half, half, BACK),
    )
    for name, up, down, colour in kinds:
        error = {"array": up, "arrayminus": down, "thickness": 2}
        figure.add_scatter(
            x=table.auc, y=names, error_x=error, mode="markers", name=name,
            marker={"color": colour, "size": 7}, opacity=0.8,
        )  # fmt: skip
    title = {"text": "Printed AUC intervals and expected ones", "font": {"size": 16}}
    figure.update_layout(template=PAGE, title=title, height=140 + 34 * len(table))
    figure.update_xaxes(title="AUC").update_yaxes(autorange="reversed", automargin=True)
    return figure


NETWORK = ("parameters", "filters", "kernel", "channels", "dense", "cells")
ALIKE = 0.25  # of a width: below this, two of them cannot be distinguished in print
PROPORTIONS = {"beta": "", "wilson": " (Wilson)", "normal": " (Wald)"}  # statsmodels' names


def paper_under_audit(study: Study, path: str | None) -> dict[str, Any]:
    """Return the paper of a file, else the one that the study names; one without facts for none."""
    return load_paper(path) if path else paper_of(study) or EMPTY


def table1_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table1`'s p values as a paper prints them."""
    shown = table.set_index("characteristic")
    return shown.map(lambda p: f"{p:.3g}" if isinstance(p, float) else p).replace("nan", "")


def contradictions(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return whose proportions contradict each other, and whose accuracy is a copied column."""
    wrong = table[~table.consistent.astype(bool)]
    copied = table.groupby("model").accuracy_is_sensitivity.all()
    names = [f"{r.model} ({r.cohort})" for r in wrong.itertuples()]
    return {"wrong": names, "copied": copied.index[copied.astype(bool)].tolist()}


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
    for row in results(printed).itertuples():
        sizes = {"sensitivity": row.events, "specificity": row.n - row.events, "accuracy": row.n}
        for metric, n in sizes.items():
            value = getattr(row, metric)
            if np.isnan(value):
                continue
            counts = attainable(value, n, printed["decimals"])
            nearest = f"{round(value * n)}/{n} = {round(value * n) / n:.4f}"
            fractions = ", ".join(f"{k}/{n}" for k in counts)
            rows.append((row.model, row.cohort, metric, value, n, fractions, nearest, bool(counts)))
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
    for row in results(printed).dropna(subset=["sensitivity", "specificity"]).itertuples():
        three = row.sensitivity, row.specificity, row.accuracy
        right = row.sensitivity * row.events + row.specificity * (row.n - row.events)
        rows.append(
            {
                "model": row.model,
                "cohort": row.cohort,
                "consistent": np.isnan(row.accuracy)
                or bool(together(*three, row.events, row.n, printed["decimals"])),
                "implied_accuracy": right / row.n,
                "accuracy": row.accuracy,
                "accuracy_is_sensitivity": row.accuracy == row.sensitivity,
                "auc": row.auc,
                "two_point_auc": (row.sensitivity + row.specificity) / 2,
            }
        )
    names = ["model", "cohort", "consistent", "implied_accuracy", "accuracy"]
    names += ["accuracy_is_sensitivity", "auc", "two_point_auc"]
    return pd.DataFrame(rows, columns=names)


def interval_kinds(printed: dict[str, Any]) -> pd.DataFrame:
    """Return what kind of interval each printed AUC interval can be.

    `binomial` names a count of correct calls that prints as the AUC and whose exact
    (Clopper-Pearson), Wilson's or Wald's interval prints as its interval: then it can be that of
    an accuracy. `level` is the confidence that fits its width, if it were one of an AUC (standard
    error of Newcombe 2006); NaN at an AUC of 0 or 1, which has none.

    Returns:
        model, cohort, auc, auc_low, auc_high, binomial, width, width_95, level.
    """
    rows = []
    for result in results(printed).dropna(subset=["auc", "auc_low", "auc_high"]).itertuples():
        se = auc_standard_error(result.auc, result.events / result.n, result.n)
        width = result.auc_high - result.auc_low
        names = ("model", "cohort", "auc", "auc_low", "auc_high")
        row = {name: getattr(result, name) for name in names}
        row["binomial"] = ", ".join(_binomial(result, printed["decimals"]))
        row |= {"width": width, "width_95": 2 * stats.norm.ppf(0.975) * se}
        rows.append(row | {"level": 2 * stats.norm.cdf(width / 2 / se) - 1 if se else np.nan})
    names = ["model", "cohort", "auc", "auc_low", "auc_high", "binomial", "width", "width_95"]
    return pd.DataFrame(rows, columns=[*names, "level"])


def interval_reading(table: pd.DataFrame) -> dict[str, Any]:
    """Return which intervals can be an accuracy's, and the confidence that the others fit.

    A width within a quarter of what 95% would ask for can be an AUC's as well: high AUCs and few
    decimals do not distinguish the two.
    """
    rows = table[table.binomial != ""].itertuples()
    near = [abs(r.width / r.width_95 - 1) < ALIKE if r.width_95 else False for r in rows]
    named = table[table.binomial != ""]
    words = [f"{r.model}, {r.cohort}" for r in named.itertuples()]
    rest = table[table.binomial == ""].level.dropna()
    return {
        "printed": len(table), "binomial": list(zip(words, named.binomial, near, strict=True)),
        "others": len(rest), "lowest": rest.min(), "highest": rest.max(),
    }  # fmt: skip


def _binomial(row: Any, decimals: int) -> list[str]:
    counts = []
    near = range(max(0, int(row.auc * row.n) - 3), min(row.n, int(row.auc * row.n) + 4) + 1)
    for k in [k for k in near if prints_as(k, row.n, row.auc, decimals)]:
        for method, name in PROPORTIONS.items():
            bounds = proportion_confint(k, row.n, method=method)
            if np.allclose(np.round(bounds, decimals), [row.auc_low, row.auc_high], atol=1e-9):
                counts.append(f"{k}/{row.n}{name}")
    return counts


def table1(printed: dict[str, Any]) -> pd.DataFrame:
    """Return each p value of Table 1 and those that the printed counts give.

    Returns:
        characteristic, printed, reproduced_by, and p by test: chi_square, yates, fisher (2 × 2);
        welch, student of two groups' means, anova of more.
    """
    rows = []
    for name, row in printed["table1"].items():
        tests = _counts_tests(row["counts"]) if "counts" in row else _means_tests(row["groups"])
        same = [test for test, p in tests.items() if p_prints_as(p, row["p"])]
        columns = {"characteristic": name, "printed": row["p"], "reproduced_by": ", ".join(same)}
        rows.append(columns | tests)
    names = ["characteristic", "printed", "reproduced_by"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=names)


def p_prints_as(p: float, printed: str) -> bool:
    """Return whether a p value is printed so: `0.45` with its own decimals, `<0.05`, `NS`."""
    text = p_text(printed)
    for sign, holds in (("<=", np.less_equal), (">=", np.greater_equal),
                        ("<", np.less), (">", np.greater)):  # fmt: skip
        if text.startswith(sign):
            return bool(holds(p, float(text.removeprefix(sign))))
    decimals = len(text.partition(".")[2])
    return bool(abs(p - float(text)) <= 0.5 * 10.0**-decimals * (1 + 1e-9))


def _counts_tests(counts: list[list[int]]) -> dict[str, float]:
    """Return p by test; rows and columns without a patient say nothing and are left out."""
    table = np.array(counts)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return {"chi_square": float("nan")}
    tests = {"chi_square": stats.chi2_contingency(table, correction=False).pvalue}
    if table.shape == (2, 2):
        tests["yates"] = stats.chi2_contingency(table).pvalue
        tests["fisher"] = stats.fisher_exact(table).pvalue
    return {name: float(p) for name, p in tests.items()}


def _means_tests(groups: list[list[float]]) -> dict[str, float]:
    if len(groups) > 2:
        return {"anova": _anova(*np.array(groups).T)}
    (a, sd_a, n_a), (b, sd_b, n_b) = groups
    kinds = {"welch": False, "student": True}
    tests = {
        name: stats.ttest_ind_from_stats(a, sd_a, int(n_a), b, sd_b, int(n_b), equal_var=equal)
        for name, equal in kinds.items()
    }
    return {name: float(test.pvalue) for name, test in tests.items()}


def _anova(means: np.ndarray, sds: np.ndarray, sizes: np.ndarray) -> float:
    """Return p of a one-way analysis of variance from means, SDs and numbers (group,)."""
    grand = np.average(means, weights=sizes)
    between, within = len(means) - 1, sizes.sum() - len(means)
    f = ((sizes * (means - grand) ** 2).sum() / between) / (((sizes - 1) * sds**2).sum() / within)
    return float(stats.f.sf(f, between, within))


def parameters(network: dict[str, Any], flattened: bool = False) -> dict[str, int]:
    """Return a convolutional network's parameters, counted by hand: trained, moving, all.

    Args:
        network: `filters` of each block of convolution and batch norm, `kernel` (weights a
            filter and channel), `channels` of the input, `dense` layers (outputs last), `cells`
            (places of the last block).
        flattened: every place of the last block feeds the dense layers; else their average.
    """
    filters = [network["channels"], *network["filters"]]
    convolutions = sum(
        network["kernel"] * a * b + b for a, b in zip(filters, filters[1:], strict=False)
    )
    norm = 2 * sum(filters[1:])
    layers = [filters[-1] * (network["cells"] if flattened else 1), *network["dense"]]
    dense = sum(a * b + b for a, b in zip(layers, layers[1:], strict=False))
    trained = convolutions + norm + dense
    return {"trained": trained, "moving": norm, "all": trained + norm}


def architectures(printed: dict[str, Any]) -> pd.DataFrame:
    """Return the parameters with pooling and with flattening beside the `printed` number.

    No rows where the paper's file does not describe its network.
    """
    network = printed.get("network", {})
    names = ["trained", "moving", "all", "printed"]
    if not set(NETWORK) <= set(network):
        return pd.DataFrame(columns=names)
    counts = {"pooled": parameters(network), "flattened": parameters(network, flattened=True)}
    return pd.DataFrame(counts).T.assign(printed=network["parameters"])


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
        network: `architectures`'.
    """
    same = network.index[network["all"] == network.printed].tolist()
    rows = [
        ("p values of Table 1", len(table1), (table1.reproduced_by != "").sum(), "reproduced"),
        ("proportions", len(proportions), proportions.attainable.sum(), "attainable"),
        ("sensitivity, specificity, accuracy", len(consistency), consistency.consistent.sum(),
         "are consistent"),
        ("AUC intervals", len(intervals), (intervals.binomial == "").sum(),
         "are not an accuracy's exact interval"),
        ("network parameters", int(network.printed.notna().any()), len(same),
         f"the {same[0]} network" if same else "of neither network"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["printed", "number", "found", "what was found"])
