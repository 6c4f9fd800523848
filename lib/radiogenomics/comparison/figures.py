"""Figures of notebook 05."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from radiogenomics.comparison.published import HERE
from radiogenomics.statistics.decision import REFERENCES
from radiogenomics.study.contract import in_words
from radiogenomics.study.settings import Label
from radiogenomics.study.style import (
    BACK,
    LABELS,
    MANY,
    _as_tall_as_legend,
    _band,
    _band_menu,
    _thinned,
    empty,
    palette,
    titled,
)
from radiogenomics.study.words import print_p, with_interval

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")  # kinds of validation
VERDICTS = {"yes": "circle", "no": "x", "undecided": "circle-open"}  # their symbols


def roc(
    curves: dict[str, pd.DataFrame], aucs: pd.DataFrame, title: str, best: str,
    colours: Mapping[str, str], attainable: Mapping[str, float] | None = None,
) -> go.Figure:  # fmt: skip
    """Draw ROC curves; the best model's band is shown, the others' by the menu.

    Args:
        curves: a model's `fpr, tpr, tpr_low, tpr_high`.
        aucs: model, value, ci_low, ci_high: for the legend.
        title: which cohort and scores.
        best: the model whose band is shown.
        colours: `palette` of all the study's models.
        attainable: the best AUC that a simulated cohort allows, by the data used.
    """
    figure = empty(title, "1 - specificity", "sensitivity", height=560)
    by = aucs.set_index("model")
    ranks = {model: rank for rank, model in enumerate(curves)}  # the best one is drawn on top
    for model, curve in sorted(curves.items(), key=lambda pair: pair[0] == best):
        row, drawn = by.loc[model], _thinned(curve)
        name = f"{model} {with_interval(row.value, row.ci_low, row.ci_high)}"
        line = {"color": colours[model], "width": 2}
        look = {"line": line, "mode": "lines", "legendrank": ranks[model]}
        figure.add_scatter(x=drawn.fpr, y=drawn.tpr, name=name, **look)
        edges = drawn.fpr, drawn.tpr_low, drawn.tpr_high
        _band(figure, *edges, model, colours[model], model == best)
    chance = {"color": "#BBBBBB", "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=chance, name="chance 0.500")
    if attainable:
        text = "<br>".join(f"attainable from {of}: {auc:.3f}" for of, auc in attainable.items())
        look = {"xanchor": "right", "yanchor": "bottom", "align": "right", "showarrow": False}
        figure.add_annotation(x=0.98, y=0.03, text=text, **look)
    figure.update_xaxes(range=[-0.01, 1.01]).update_yaxes(range=[-0.01, 1.01])
    return _as_tall_as_legend(_band_menu(figure, best))


def delong_matrix(table: pd.DataFrame, cohort: str) -> go.Figure:
    """Draw the p values (Holm) of every pair of models in a cohort; the table is `delong.csv`."""
    names = list(dict.fromkeys([*table.model_a, *table.model_b]))
    p = pd.DataFrame(np.nan, index=names, columns=names)
    for row in table.itertuples():
        p.loc[row.model_a, row.model_b] = p.loc[row.model_b, row.model_a] = row.p_holm
    text = p.map(print_p)
    figure = empty(f"DeLong tests between models, p (Holm), {cohort}", "", "", height=480)
    figure.add_heatmap(
        z=p.to_numpy(), x=names, y=names, text=text.to_numpy(), texttemplate="%{text}", zmin=0,
        zmax=0.2, colorscale="Viridis", colorbar={"title": "p (Holm)"},
    )  # fmt: skip
    return figure.update_yaxes(autorange="reversed", automargin=True)


def decision(
    table: pd.DataFrame, title: str, colours: Mapping[str, str], declared: tuple[float, float]
) -> go.Figure:
    """Draw net benefit over the threshold probability; the table is `decision_curve.csv`.

    Colours are `palette` of all the study's models; the references are grey. The `declared` range
    of thresholds is white, the rest grey; bands come by the menu.
    """
    figure = empty(title, "threshold probability", "net benefit per patient")
    colours = {**colours, **dict.fromkeys(REFERENCES, BACK)}
    for edges in ((0, declared[0]), (declared[1], 1)):
        figure.add_vrect(*edges, fillcolor="#EEEEEE", line_width=0, layer="below")
    for model, rows in table.groupby("model", sort=False):
        dash = {"all": "dash", "none": "dot"}.get(model, "solid")
        line = {"color": colours[model], "dash": dash}
        figure.add_scatter(
            x=rows.threshold, y=rows.net_benefit, name=model, line=line | {"width": 2}, mode="lines"
        )
        if rows.ci_low.notna().all():
            edges = rows.threshold, rows.ci_low, rows.ci_high
            _band(figure, *edges, model, colours[model], False)
    top = max(0.1, table.net_benefit.max() * 1.15)
    figure = _as_tall_as_legend(_band_menu(figure, ""))
    return figure.update_yaxes(range=[-0.3 * top, top])


def calibration(
    table: pd.DataFrame, title: str, colours: Mapping[str, str], shown: str
) -> go.Figure:
    """Draw observed against predicted share: smooth curves with band, groups as dots.

    Args:
        table: `calibration.csv`: predicted, observed, ci_low, ci_high, model, curve.
        title: which cohort and scores.
        colours: `palette` of all the study's models.
        shown: the model whose band and groups are seen at first (others by the menu).
    """
    figure = empty(title, "predicted probability", "observed share", height=540)
    for model, rows in table.groupby("model", sort=False):
        smooth, dots = (rows[rows.curve == kind] for kind in ("smooth", "groups"))
        line = {"color": colours[model], "width": 2}
        figure.add_scatter(
            x=smooth.predicted, y=smooth.observed, name=model, mode="lines", line=line
        )
        edges = smooth.predicted, smooth.ci_low, smooth.ci_high
        _band(figure, *edges, model, colours[model], model == shown)
        error = {"array": dots.ci_high - dots.observed, "arrayminus": dots.observed - dots.ci_low}
        figure.add_scatter(
            x=dots.predicted, y=dots.observed, error_y=error | {"thickness": 1}, mode="markers",
            name=f"groups of {model}", marker={"color": colours[model], "size": 8},
            visible=model == shown, showlegend=False, meta={"band": model},
        )  # fmt: skip
    ideal = {"color": "#BBBBBB", "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=ideal, name="ideal")
    figure.update_yaxes(range=[-0.02, 1.02]).update_xaxes(range=[-0.02, 1.02])
    return _as_tall_as_legend(_band_menu(figure, shown))


def forest(table: pd.DataFrame, model: str, colours: Mapping[str, str], cohort: str) -> go.Figure:
    """Draw a model's AUC and observed-to-expected ratio in every group (`subgroups.csv`).

    Hollow dots are groups with few events or non-events; of a group with one label there is no
    AUC, which its line says.
    """
    rows = table[table.model == model]
    names = [f"{r.variable.replace('_', ' ')}: {r.group} ({r.events}/{r.n})"
             for r in rows.itertuples()]  # fmt: skip
    figure = make_subplots(cols=2, subplot_titles=["AUC", "observed / expected"], shared_yaxes=True)
    measures = [("auc", "ci_low", "ci_high")]
    if "o_over_e" in rows:
        measures.append(("o_over_e", "o_over_e_low", "o_over_e_high"))
    symbols = ["circle-open" if flag else "circle" for flag in rows.flag]
    for column, (value, low, high) in enumerate(measures, start=1):
        error = {"array": rows[high] - rows[value], "arrayminus": rows[value] - rows[low]}
        figure.add_scatter(
            x=rows[value], y=names, error_x=error | {"thickness": 1}, mode="markers",
            marker={"symbol": symbols, "size": 8, "color": colours[model]}, row=1,
            col=column, showlegend=False,
        )  # fmt: skip
    for name in [n for n, auc in zip(names, rows.auc, strict=True) if np.isnan(auc)]:
        note = {"text": "one label only", "showarrow": False, "font": {"color": BACK}}
        figure.add_annotation(x=0.5, y=name, **note, row=1, col=1)
    figure.add_vline(x=0.5, line={"dash": "dot", "color": BACK}, row=1, col=1)
    figure.add_vline(x=1, line={"dash": "dot", "color": BACK}, row=1, col=2)
    figure.update_yaxes(autorange="reversed", automargin=True)
    reach = max(3.0, 1.1 * rows.o_over_e.max(skipna=True)) if rows.o_over_e.notna().any() else 3.0
    figure.update_xaxes(range=[0, 1.02], col=1).update_xaxes(range=[0, reach], col=2)
    figure.update_layout(height=180 + 24 * len(rows))
    return titled(figure, f"{model} by group (events/patients), {cohort}")


def cohorts(aucs: pd.DataFrame, pooled: pd.DataFrame, colours: Mapping[str, str]) -> go.Figure:
    """Draw every model's AUC in each test cohort and, from three external ones on, their mean.

    Args:
        aucs: rows of `metrics.csv`: cohort, model, value, ci_low, ci_high, n, events.
        pooled: `pooled.csv`; its prediction interval is the dotted line.
        colours: `palette` of all the study's models.
    """
    figure = empty("AUC by cohort (events/patients)", "AUC", "")
    sizes = aucs.drop_duplicates("cohort").set_index("cohort")
    names = {c: f"{in_words(c)} ({r.events}/{r.n})" for c, r in sizes.iterrows()}
    for model, rows in aucs.groupby("model", sort=False):
        over = pooled[pooled.model == model]
        y = [*rows.cohort.map(names), *["pooled"] * len(over)]
        x, low, high = (
            np.r_[rows[a], over[b]]
            for a, b in (("value", "auc"), ("ci_low", "ci_low"), ("ci_high", "ci_high"))
        )
        error = {"array": high - x, "arrayminus": x - low, "thickness": 1}
        symbols = ["circle"] * len(rows) + ["diamond"] * len(over)
        look = {"color": colours[model], "size": 9, "symbol": symbols}
        figure.add_scatter(
            x=x, y=y, error_x=error, mode="markers", name=model, marker=look, legendgroup=model
        )
        for part in over.itertuples():
            line = {"color": colours[model], "dash": "dot", "width": 1}
            figure.add_scatter(
                x=[part.prediction_low, part.prediction_high], y=["pooled"] * 2, mode="lines",
                line=line, name=f"{model}, a further cohort", legendgroup=model, showlegend=False,
            )  # fmt: skip
    figure.add_vline(x=0.5, line={"dash": "dot", "color": BACK})
    height = 200 + 26 * aucs.model.nunique() * (len(names) + 1)
    figure.update_layout(scattermode="group", height=min(height, 900))
    return figure.update_yaxes(autorange="reversed", automargin=True)


def folds(table: pd.DataFrame) -> go.Figure:
    """Draw the out-of-fold AUC of every fold and the pooled one (`folds.csv`)."""
    figure = empty("Out-of-fold AUC in training patients", "", "AUC", height=420)
    single, pooled = table[table.fold != "pooled"], table[table.fold == "pooled"]
    for name, rows, symbol, colour in (
        ("a fold", single, "circle", LABELS[0]),
        ("pooled", pooled, "diamond-open", LABELS[1]),
    ):
        marker = {"symbol": symbol, "size": 8 if name == "a fold" else 13, "color": colour}
        figure.add_scatter(x=rows.model, y=rows.auc, mode="markers", name=name, marker=marker)
    figure.add_hline(y=0.5, line={"dash": "dot", "color": BACK})
    return figure


def score_distribution(scores: pd.DataFrame, title: str, label: Label) -> go.Figure:
    """Draw each model's scores by label: patient, label, model, score; large cohorts as boxes."""
    probable = scores.score.between(0, 1).all()
    of = f"score (probability of {label.name})" if probable else "score"
    figure = empty(title, "", of)
    names = {0: label.negative_name, 1: label.name}
    order = list(palette(scores.model.unique()))
    for value, rows in scores.groupby("label"):
        rows = rows.sort_values("model", key=lambda m: m.map(order.index))
        look = {"color": LABELS[int(value)], "size": 3}
        figure.add_box(
            **_box(rows), name=names[int(value)], marker=look, line={"width": 1}, jitter=0.4
        )
    return figure.update_layout(boxmode="group")


def _box(rows: pd.DataFrame) -> dict:
    """Return every point of a small cohort, the five numbers of a large one."""
    by = rows.groupby("model", sort=False).score
    if by.size().max() <= MANY:
        return {"x": rows.model, "y": rows.score, "boxpoints": "all"}
    at = {"lowerfence": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 0.95}
    return {"x": by.size().index, **{name: by.quantile(q).to_numpy() for name, q in at.items()}}


def paper_vs_run(table: pd.DataFrame) -> go.Figure:
    """Draw the published AUC beside the one found, for each model and cohort."""
    auc = table[table.metric == "auc"]
    figure = make_subplots(cols=2, subplot_titles=["training", "external test"], shared_yaxes=True)
    for column, cohort in ((1, "train"), (2, "test")):
        rows = auc[auc.cohort == cohort]
        sets = (
            ("published", rows.published, rows.published_low, rows.published_high, BACK),
            ("this run", rows.value, rows.ci_low, rows.ci_high, LABELS[1]),
        )
        for name, value, low, high, colour in sets:
            error = {"type": "data", "array": high - value, "arrayminus": value - low}
            figure.add_scatter(
                x=value, y=rows.model, error_x=error, mode="markers", name=name, row=1, col=column,
                marker={"color": colour, "size": 9}, showlegend=column == 1,
            )  # fmt: skip
    figure.update_xaxes(title="AUC", range=[0.3, 1.02]).update_layout(height=420)
    return titled(figure, "AUC, published and found")


def published(table: pd.DataFrame) -> go.Figure:
    """Draw published AUCs by their kind of validation, and below them those of this run."""
    rows = table.assign(where=[
        f"{r.source}: {r.model} ({int(r.patients):,})" for r in table.itertuples()
    ])  # fmt: skip
    title = "AUCs that others published (patients), and this run's"
    figure = empty(title, "AUC", "", 170 + 26 * len(rows))
    for number, (kind, part) in enumerate(rows.groupby("validation", sort=False)):
        ours = part.source == HERE
        error = {"array": part.ci_high - part.auc, "arrayminus": part.auc - part.ci_low,
                 "color": BACK, "thickness": 1}  # fmt: skip
        figure.add_scatter(
            x=part.auc, y=part["where"], error_x=error, mode="markers", name=kind,
            marker={"size": 10, "symbol": SYMBOLS[number],
                    "color": [LABELS[1] if own else BACK for own in ours]},
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True, categoryorder="array",
                        categoryarray=rows["where"])  # fmt: skip
    return figure.update_xaxes(range=[0.3, 1.02])


def verdict(table: pd.DataFrame, model: str, cohort: str, margin: float) -> go.Figure:
    """Draw a model's AUC less that of each control, with its interval (`verdict.csv`).

    Right of 0 the model is better than the control; within the band it is so by no more than the
    margin.
    """
    rows = table[table.model == model].dropna(subset="ci_low")
    title = f"{model} less each control, {cohort}"
    figure = empty(title, "AUC of the model less that of the control", "", 150 + 30 * len(rows))
    figure.add_vrect(x0=0, x1=margin, fillcolor=BACK, opacity=0.12, line_width=0)
    figure.add_vline(x=0, line={"dash": "dot", "color": BACK})
    for told, part in rows.groupby("verdict", sort=False):
        error = {"array": part.ci_high - part.difference, "thickness": 1,
                 "arrayminus": part.difference - part.ci_low}  # fmt: skip
        figure.add_scatter(
            x=part.difference, y=part.control, error_x=error, mode="markers", name=told,
            marker={"size": 10, "symbol": VERDICTS[told], "color": LABELS[told == "yes"]},
        )  # fmt: skip
    figure.update_yaxes(
        autorange="reversed", automargin=True, categoryorder="array", categoryarray=rows.control
    )
    return figure.update_layout(legend_title_text="better than it?", showlegend=True)
