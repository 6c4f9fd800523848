"""Numbers and marks as a paper prints them: p values, values with intervals, its Table 2."""

from __future__ import annotations

import numpy as np
import pandas as pd

SYNTHETIC = "Synthetic data: simulated patients, a control of the workbook, not evidence."

PRINTED = ("auc", "sensitivity", "specificity", "accuracy")  # columns of the paper's Table 2


def print_p(p: float) -> str:
    """Return a p value as the paper prints it."""
    if np.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def say_p(p: float) -> str:
    """Return a p value as a sentence says it."""
    if np.isnan(p):
        return "no test"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def with_interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Return `value (low to high)`; without the brackets where there is no interval."""
    if np.isnan(value):
        return "not defined"
    text = f"{value:.{digits}f}"
    return text if np.isnan(low) else f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def alert(text: str) -> str:
    """Return a sentence as HTML in red, "" for none."""
    return f'<p class="alert">{text}</p>' if text else ""


def printed_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of metrics.csv that the paper's Table 2 prints, external and in-sample.

    AUC with DeLong's interval; sensitivity, specificity and accuracy at 0.5 with Wilson's.
    """
    used = metrics[metrics.scores.isin(["external", "in_sample"])]
    auc = used[(used.metric == "auc") & (used.ci_method == "delong")]
    half = used[(used.threshold_rule == "half") & (used.ci_method == "wilson")]
    return pd.concat([auc, half[half.metric.isin(PRINTED)]])


def table2(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's Table 2 of this run: one row a cohort and model, `with_interval`."""
    rows = printed_rows(metrics)
    text = [with_interval(r.value, r.ci_low, r.ci_high) for r in rows.itertuples()]
    wide = rows.assign(text=text).pivot(index=["cohort", "model"], columns="metric", values="text")
    order = dict.fromkeys(zip(rows.cohort, rows.model, strict=True))
    columns = [c for c in PRINTED if c in wide]
    return wide.loc[sorted(order, key=lambda pair: pair[0], reverse=True), columns]
