"""Notebook 01's figure: the flow of patients."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from radiogenomics.cohort.eligibility import excluded
from radiogenomics.study.contract import in_words
from radiogenomics.study.settings import Label
from radiogenomics.study.style import BACK, empty

MIDDLE = 0.5  # of the figure's width, where the flow runs down
KINDS = {  # of exclusions whose reason differs from patient to patient (exclusions.csv has them)
    "table": "with a cell that cannot be read", "images": "whose images cannot be used",
    "preprocessing": "whose lesion cannot be prepared",
    "radiomics": "whose features cannot be measured",
}  # fmt: skip


def flow(table: pd.DataFrame, label: Label) -> go.Figure:
    """Draw the flow of patients from cohort.csv to the cohorts.

    Args:
        table: `flow.csv`.
        label: its names in words.
    """
    total = table[table.step == "found"].n.iloc[0]
    out = excluded(table)
    count = table.set_index(["step", "reason"]).n
    boxes = [(MIDDLE, 0.92, f"{total} patients<br>in cohort.csv")]
    kinds = [KINDS.get(r.step) or _short(r.reason) for r in out.itertuples()]
    why = out.n.groupby(kinds, sort=False).sum()
    reasons = [f"{n} {kind}" for kind, n in why.items()] or ["none"]
    boxes.append((0.56, 0.55, f"{out.n.sum()} excluded<br>" + "<br>".join(reasons)))
    cohorts = table[table.step == "included"].reason
    places = np.linspace(*((0.12, 0.88) if len(cohorts) > 2 else (0.25, 0.75)), len(cohorts))
    for x, cohort in zip(places, cohorts, strict=True):
        name = in_words(cohort).removesuffix(" cohort")
        by = [count.get((f"{cohort} label", v), 0) for v in ("1", "0")]
        text = f"{count['included', cohort]} {name}<br>{by[0]} {label.name}"
        text += f"<br>{by[1]} {label.negative_name}"
        boxes.append((x, 0.1, text))
    figure = empty("Flow of patients", "", "", height=460)
    for points in (
        [(MIDDLE, 0.92), (MIDDLE, 0.28)], [(MIDDLE, 0.55), (0.56, 0.55)],
        *([(places[0], 0.1), (places[0], 0.28), (x, 0.28), (x, 0.1)] for x in places[1:]),
    ):  # fmt: skip
        x, y = zip(*points, strict=True)
        line = {"color": BACK, "width": 1.5}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    for x, y, text in boxes:
        figure.add_annotation(
            x=x, y=y, text=text, showarrow=False, bordercolor=BACK, borderpad=6, bgcolor="white",
            font={"size": 13}, align="left", xanchor="left" if y == 0.55 else "center",
        )  # fmt: skip
    figure.update_layout(margin={"l": 10, "r": 10, "b": 20})
    figure.update_xaxes(visible=False, range=[0, 1])
    return figure.update_yaxes(visible=False, range=[0, 1])


def _short(reason: str, width: int = 26) -> str:
    """Return what was found (a reason's first sentence), broken into lines for a box."""
    sentence = reason.split(". Expected")[0].split(" (")[0].split(": ")[0]
    return "<br>   ".join(textwrap.wrap(sentence, width))
