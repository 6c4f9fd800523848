"""Figures of notebook 09."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from radiogenomics.study.style import BACK, empty


def aucs(results: pd.DataFrame, repeats: pd.DataFrame, colours: Mapping[str, str]) -> go.Figure:
    """Draw each model's mean AUC within folds with its interval, and that of every repeat.

    Args:
        results: rows of internal.csv.
        repeats: model, repeat, auc.
        colours: `palette` of all the study's models.
    """
    figure = empty("AUC within folds, cross-validated", "AUC", "")
    single = {"symbol": "line-ns-open", "size": 12, "color": BACK}
    figure.add_scatter(
        x=repeats.auc, y=repeats.model, mode="markers", marker=single, name="one repeat"
    )
    rows = results[results.metric == "auc"]
    error = {"array": rows.ci_high - rows.value, "arrayminus": rows.value - rows.ci_low}
    marker = {"size": 10, "color": [colours[model] for model in rows.model]}
    figure.add_scatter(
        x=rows.value, y=rows.model, error_x=error | {"thickness": 1}, mode="markers",
        marker=marker, name="mean, with its interval",
    )  # fmt: skip
    figure.add_vline(x=0.5, line={"dash": "dot", "color": BACK})
    figure.update_layout(height=200 + 40 * len(rows))
    return figure.update_yaxes(autorange="reversed", automargin=True)


def hospitals(table: pd.DataFrame, model: str, colours: Mapping[str, str]) -> go.Figure:
    """Draw a model's AUC in each hospital that was left out, and pooled (`hospitals.csv`)."""
    rows = table[(table.model == model) & table.auc.notna()]
    error = {"array": rows.ci_high - rows.auc, "arrayminus": rows.auc - rows.ci_low}
    names = [f"{r.hospital} ({r.events:.0f}/{r.n:.0f})" for r in rows.itertuples()]
    figure = empty(f"{model} in each hospital left out (events/patients)", "AUC", "")
    figure.add_scatter(
        x=rows.auc, y=names, error_x=error | {"thickness": 1}, mode="markers", name=model,
        marker={"size": 10, "color": colours[model]}, showlegend=False,
    )  # fmt: skip
    figure.add_vline(x=0.5, line={"dash": "dot", "color": BACK})
    figure.update_layout(height=180 + 36 * len(rows))
    return figure.update_yaxes(autorange="reversed", automargin=True)
