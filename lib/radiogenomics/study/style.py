"""The one style of every figure: page, colours, marks."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import Markdown, display

from radiogenomics.study.contract import MODELS
from radiogenomics.study.files import whole_file
from radiogenomics.study.pictures import picture
from radiogenomics.study.progress import HEADLESS
from radiogenomics.study.study import Study

COLOURS = {model.name: model.colour for model in MODELS}  # one colour a model everywhere
SPARE = ("#0C1957", "#70E1A2", "#962500", "#0000C8", "#4B0000", "#3EE1E1")  # other models
MIME = "application/vnd.plotly.v1+json"
MANY = 500  # points of a curve, and patients of a box, above which fewer are drawn
LABELS = {0: "#0072B2", 1: "#D55E00"}
BACK = "#555555"
PAGE = go.layout.Template(
    layout={
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"family": "Helvetica, Arial, sans-serif", "size": 13, "color": "#222222"},
        "xaxis": {
            "gridcolor": "#E6E6E6",
            "linecolor": "#888888",
            "zeroline": False,
            "title": {"standoff": 10},
        },
        "yaxis": {"gridcolor": "#E6E6E6", "linecolor": "#888888", "zeroline": False},
        "margin": {"l": 70, "r": 20, "t": 60, "b": 60},
        "legend": {"bgcolor": "rgba(255,255,255,0.7)", "tracegroupgap": 0},
    }
)


def empty(title: str, x: str, y: str, height: int = 460) -> go.Figure:
    """Return an empty figure in the one style."""
    figure = go.Figure()
    figure.update_layout(template=PAGE, height=height, xaxis_title=x, yaxis_title=y)
    return titled(figure, title)


def titled(figure: go.Figure, title: str) -> go.Figure:
    """Give a figure its title in the one style."""
    return figure.update_layout(template=PAGE, title={"text": title, "font": {"size": 16}})


def palette(names: Iterable[str]) -> dict[str, str]:
    """Return one colour a model, for every figure: the paper's, then spare ones as they come."""
    others = [name for name in dict.fromkeys(names) if name not in COLOURS]
    return COLOURS | {name: SPARE[i % len(SPARE)] for i, name in enumerate(others)}


def show(
    study: Study, name: str, figure: go.Figure, text: str = "", of_patients: bool = True
) -> None:
    """Keep a figure (`keep`), display it and, below, the sentence that reads it.

    Beside plotly's own form there is a picture for programs that run no script: JupyterLab's
    export, nbconvert, GitHub. Of a run without a front end the runner draws it, for all notebooks
    in one browser.
    """
    figure = keep(study, name, figure, text, of_patients)
    content = json.loads(figure.to_json())
    shown = {MIME: content, "text/plain": figure.layout.title.text}
    if HEADLESS not in os.environ and (drawn := picture(content)):
        shown["image/png"] = base64.b64encode(drawn).decode()
    display(shown, raw=True)
    if text:
        display(Markdown(text))


def show_each(
    study: Study, name: str, figures: Mapping[str, go.Figure], texts: Mapping[str, str]
) -> None:
    """Show a figure a cohort, kept as `name_COHORT`; where there is none, its sentence alone."""
    for cohort, text in texts.items():
        if cohort in figures:
            show(study, f"{name}_{cohort}", figures[cohort], text)
        elif text:
            display(Markdown(text))


def keep(
    study: Study, name: str, figure: go.Figure, text: str = "", of_patients: bool = True
) -> go.Figure:
    """Write the figure as `figures/name.json`, for the index, and return it as it was kept.

    Every figure of simulated patients says so in its title; one that shows no patient
    (`of_patients` False) does not. `text` is the sentence that reads it; the index prints it below.
    """
    figure = go.Figure(figure).update_layout(meta={"told": text})
    if study.settings.synthetic and of_patients:
        figure.update_layout(title_text=f"{figure.layout.title.text} <i>(synthetic data)</i>")
    with whole_file(study.figures / f"{name}.json") as part:
        part.write_text(figure.to_json(), encoding="utf-8")
    return figure


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """Return at most `MANY` of a curve's points, both ends among them."""
    if len(curve) <= MANY:
        return curve
    return curve.iloc[np.linspace(0, len(curve) - 1, MANY).astype(int)]


def _as_tall_as_legend(figure: go.Figure) -> go.Figure:
    """Make room for every entry of the legend: a picture cannot be scrolled."""
    entries = sum(trace.showlegend is not False for trace in figure.data)
    return figure.update_layout(height=max(figure.layout.height, 140 + 20 * entries))


def _band(
    figure: go.Figure, x: pd.Series, low: pd.Series, high: pd.Series, model: str, colour: str,
    shown: bool,
) -> None:  # fmt: skip
    """Draw a model's band; `_band_menu` chooses whose is seen."""
    figure.add_scatter(
        x=[*x, *x[::-1]], y=[*low, *high[::-1]], name=f"band of {model}", fill="toself",
        fillcolor=colour, opacity=0.2, mode="lines", line={"width": 0}, hoverinfo="skip",
        visible=shown, showlegend=False, meta={"band": model},
    )  # fmt: skip


def _band_menu(figure: go.Figure, shown: str) -> go.Figure:
    """Add the menu that chooses whose band is seen; the first choice is `shown`, "": nobody's."""
    banded = [(i, trace.meta["band"]) for i, trace in enumerate(figure.data) if trace.meta]
    if not banded:
        return figure
    places = [i for i, _ in banded]
    names = dict.fromkeys([shown, *(model for _, model in banded), ""])
    buttons = [
        {"label": f"band: {name}" if name else "no band", "method": "restyle",
         "args": [{"visible": [model == name for _, model in banded]}, places]}
        for name in names
    ]  # fmt: skip
    look = {"x": 1.02, "xanchor": "left", "y": 0, "yanchor": "bottom", "direction": "up"}
    return figure.update_layout(
        updatemenus=[look | {"buttons": buttons, "font": {"size": 11}, "bgcolor": "white"}]
    )
