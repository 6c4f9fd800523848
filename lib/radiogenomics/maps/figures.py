"""Figures of notebook 06 and of the network's robustness."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from radiogenomics.maps.case import Case
from radiogenomics.maps.similarity import MEASURES, RESET
from radiogenomics.study.settings import Label
from radiogenomics.study.style import BACK, COLOURS, LABELS, empty, titled
from radiogenomics.viewer.viewer import LUNG, OUTLINE, blocks, majority


def score_changes(table: pd.DataFrame) -> go.Figure:
    """Draw the change of each patient's score by change of the input (`robustness`)."""
    height = 180 + 46 * table.change.nunique()
    figure = empty("Change of scores", "change of the score", "", height=height)
    figure.add_box(
        x=table.difference, y=table.change, boxpoints="all", jitter=0.4, orientation="h",
        text=table.patient, marker={"color": COLOURS["CNN"], "size": 4}, line={"width": 1},
        showlegend=False,
    )  # fmt: skip
    figure.add_vline(x=0, line={"dash": "dot", "color": BACK})
    return figure.update_yaxes(autorange="reversed", automargin=True)


PLANES = ("axial", "coronal", "sagittal")
HEAT = (  # inferno, clear where the map is 0
    (0.0, "rgba(0, 0, 4, 0)"), (0.25, "rgba(87, 16, 110, 0.3)"), (0.5, "rgba(188, 55, 84, 0.5)"),
    (0.75, "rgba(249, 142, 9, 0.65)"), (1.0, "rgba(252, 255, 164, 0.8)"),
)  # fmt: skip
PIXELS = 64  # of a drawn lesion's longest side
NAMES = {"ssim": "SSIM", "spearman": "Spearman"}


def placed(table: pd.DataFrame, label: Label) -> go.Figure:
    """Draw each patient's share of the map in lesion and planted part over random maps' share.

    The table is `gradcam.csv`: label, inside_lesion, inside_random, planted, planted_random.
    """
    parts = [("inside_lesion", "inside_random", "in the lesion")]
    if table.planted.notna().any():
        parts.append(("planted", "planted_random", "in the planted part of the lesion"))
    figure = make_subplots(cols=len(parts), subplot_titles=[name for *_, name in parts])
    names = {0: label.negative_name, 1: label.name}
    for column, (share, chance, _) in enumerate(parts, start=1):
        even = {"color": "#BBBBBB", "dash": "dot"}
        figure.add_scatter(
            x=[0, 1], y=[0, 1], mode="lines", line=even, name="as random", row=1, col=column,
            showlegend=column == 1, hoverinfo="skip",
        )  # fmt: skip
        for value, rows in table.groupby("label"):
            figure.add_scatter(
                x=rows[chance], y=rows[share], mode="markers", name=names[int(value)],
                text=rows.patient, marker={"color": LABELS[int(value)], "size": 8}, row=1,
                col=column, showlegend=column == 1,
            )  # fmt: skip
    figure.update_xaxes(title="share of random maps", range=[-0.02, 1.02])
    figure.update_yaxes(range=[-0.02, 1.02]).update_yaxes(title="share of the map", col=1)
    figure.update_layout(height=460)
    return titled(figure, "Share of each map")


def cascade(table: pd.DataFrame, layer: str) -> go.Figure:
    """Draw the similarity of maps as weights are re-initialised from the output to the input.

    The table is `gradcam_similarity.csv`: comparison, ssim, spearman; dots are patients.
    """
    stages = table[table.comparison.str.startswith(RESET)]
    stages = stages.assign(stage=stages.comparison.str.removeprefix(RESET))
    figure = empty(f"Maps of {layer} after re-initialising weights", "down to", "similarity")
    means = stages.groupby("stage", sort=False)[list(MEASURES)].mean()
    random = table[table.comparison == "random map"]
    for measure, colour, side in zip(MEASURES, LABELS.values(), ("top", "bottom"), strict=True):
        name, look = NAMES[measure], {"color": colour, "size": 5}
        figure.add_scatter(
            x=stages.stage, y=stages[measure], mode="markers", marker=look, opacity=0.4,
            text=stages.patient, showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=["as trained", *means.index], y=[1.0, *means[measure]], name=f"{name}, mean",
            mode="lines+markers", line={"color": colour, "width": 2},
        )  # fmt: skip
        if random[measure].notna().any():
            figure.add_hline(
                y=random[measure].mean(), line={"color": colour, "dash": "dot"},
                annotation_text=f"{name} of a random map", annotation_font_size=10,
                annotation_position=f"{side} left",
            )  # fmt: skip
    order = ["as trained", *means.index]
    figure.update_xaxes(categoryorder="array", categoryarray=order)
    return figure.update_yaxes(range=[-1.05, 1.05])


def likeness(table: pd.DataFrame) -> go.Figure:
    """Draw every patient's similarity of maps by comparison, without the resets.

    The table is `gradcam_similarity.csv`: patient, comparison, ssim, spearman.
    """
    rows = table[~table.comparison.str.startswith(RESET)]
    height = 180 + 46 * rows.comparison.nunique()
    figure = empty("Similarity of maps", "1: the same map", "", height=height)
    for measure, colour in zip(MEASURES, LABELS.values(), strict=True):
        figure.add_box(
            x=rows[measure], y=rows.comparison, name=NAMES[measure], boxpoints="all", jitter=0.4,
            orientation="h", text=rows.patient, marker={"color": colour, "size": 4},
            line={"width": 1},
        )  # fmt: skip
    figure.add_vline(x=0, line={"dash": "dot", "color": BACK}).update_layout(boxmode="group")
    return figure.update_yaxes(autorange="reversed", automargin=True)


def gallery(cases: dict[str, Case]) -> go.Figure:
    """Draw three planes through each lesion's centre: CT, outline and map, for a paper.

    Large lesions are drawn with larger voxels, so that eight of them stay small enough to mail.

    Args:
        cases: by title; arrays (z, y, x) in LPS, so that a patient's right is on the left.
    """
    titles = [
        f"{name}<br>{plane}" if plane == "coronal" else plane for name in cases for plane in PLANES
    ]
    rows, (width, level) = len(cases), LUNG
    figure = make_subplots(rows, 3, subplot_titles=titles, vertical_spacing=0.25 / rows)
    percent = {"title": "Grad-CAM", "len": 0.5, "tickvals": [0, 50, 100]}
    percent |= {"ticktext": ["0", "0.5", "1"]}
    for row, case in enumerate(cases.values(), start=1):
        arrays = _drawn(case)
        centre = np.round(np.argwhere(arrays[1]).mean(axis=0)).astype(int)
        for axis in range(3):
            place = {"row": row, "col": axis + 1}
            hu, lesion, heat = (np.take(a, centre[axis], axis) for a in arrays)
            figure.add_heatmap(
                z=hu, zmin=level - width / 2, zmax=level + width / 2, colorscale="Greys_r",
                showscale=False, **place,
            )  # fmt: skip
            figure.add_heatmap(
                z=heat, zmin=0, zmax=100, colorscale=HEAT, zsmooth="best",
                showscale=row == 1 and axis == 0, colorbar=percent,
                hovertemplate="%{z} of 100<extra></extra>", **place,
            )  # fmt: skip
            figure.add_contour(
                z=lesion, showscale=False, hoverinfo="skip",
                contours={"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"},
                line={"color": f"rgb{OUTLINE}", "width": 1.5}, showlegend=False, **place,
            )  # fmt: skip
            name = f"x{'' if (row, axis) == (1, 0) else 3 * (row - 1) + axis + 1}"
            turned = {"autorange": "reversed"} if axis == 0 else {}
            figure.update_yaxes(scaleanchor=name, visible=False, **turned, **place)
    figure.update_annotations(font_size=12)
    figure.update_xaxes(visible=False).update_layout(height=270 * rows + 120)
    title = "Grad-CAM, 1 at each map's highest value; outlines: lesion"
    return titled(figure, title).update_layout(margin={"t": 110, "b": 10})


def _drawn(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return HU (int16), lesion (0, 1) and map (percent) of at most 64 voxels per side."""
    times = np.full(3, -(-max(case.hu.shape) // PIXELS))
    hu, heat = (blocks(a, times) for a in (case.hu, case.heat))
    lesion = majority(case.lesion > 0, times)
    return (
        hu.round().astype(np.int16),
        lesion.astype(np.uint8),
        (100 * np.clip(heat, 0, 1)).round().astype(np.uint8),
    )
