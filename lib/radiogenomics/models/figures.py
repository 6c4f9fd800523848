"""Figures of notebooks 02 to 04: network inputs, selection, training, the technical steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from radiogenomics.images.thumbnails import WINDOW_HU
from radiogenomics.study.contract import TRAIN
from radiogenomics.study.settings import CNN, Clinical, Preprocessing
from radiogenomics.study.style import BACK, LABELS, empty, titled

MOST_BARS = 20  # features of `importance`


def steps(
    flow: pd.DataFrame, chosen: pd.DataFrame, layers: pd.DataFrame, clinical: Clinical,
    image: Preprocessing, training: CNN, folds: int, models: Iterable[str],
) -> go.Figure:  # fmt: skip
    """Draw the technical steps from CT to test with a run's numbers (CLEAR, item 12).

    Args:
        flow: `flow.csv`.
        chosen: `selection_steps.csv`.
        layers: `cnn_layers.csv`.
        clinical, image, training: the settings that the notebooks ran with.
        folds: of the out-of-fold scores.
        models: names of those on the signature.
    """
    sides = flow[flow.step == "included"].set_index("reason").n
    low, high = image.window_hu
    seen = "lesion alone" if image.background == "lesion" else "lesion with its surroundings"
    seen += f", margin {image.margin_mm:g} mm" if image.margin_mm else ""
    features = chosen.kept.iloc[0] + chosen.dropped.iloc[0]
    selection = [f"{step.step} {step.kept}" for step in chosen.itertuples()]
    parameters = layers.parameters.sum()
    shape, tested = "×".join(map(str, image.shape)), sides.drop(TRAIN).sum()
    boxes = [
        (0.5, 0.95, [f"{sides[TRAIN]} training and {tested} test patients"
                     if tested else f"{sides[TRAIN]} patients"]),
        (0.5, 0.82, [f"CT and outline: {image.spacing_mm:g} mm, {low:g} to {high:g} HU, {seen}"]),
        (0.14, 0.5, ["<b>Clinical</b>", *clinical.predictors, "logistic regression"]),
        (0.5, 0.5, ["<b>Radiomics</b>", f"{features:,} features", *selection, ", ".join(models)]),
        (0.85, 0.5, ["<b>CNN</b>", f"input {shape}", f"{parameters:,} parameters",
                     f"{training.epochs} epochs at most",
                     f"augmentation: {', '.join(training.augmentation) or 'none'}"]),
        (0.66, 0.18, ["<b>Com</b>: CNN and SVM, logistic regression",
                      f"of out-of-fold scores, {folds} folds"]),
        (0.5, 0.05, ["test of every model: AUC, calibration, net benefit"]),
    ]  # fmt: skip
    if not tested:
        boxes[-2:] = [(0.5, 0.05, ["cross-validation of every model: AUC, sensitivity"])]
    figure = empty("Technical steps", "", "", height=560)
    line = {"color": BACK, "width": 1.5}
    stacked = ([(0.52, 0.5), (0.52, 0.18), (0.66, 0.18)],
               [(0.85, 0.18), (0.66, 0.18), (0.66, 0.05)])  # fmt: skip
    for points in (
        [(0.5, 0.95), (0.5, 0.5)], [(0.5, 0.95), (0.14, 0.95), (0.14, 0.05), (0.5, 0.05)],
        [(0.5, 0.73), (0.85, 0.73), (0.85, 0.05), (0.5, 0.05)],
        [(0.48, 0.5), (0.48, 0.05)], *(stacked if tested else ()),
    ):  # fmt: skip
        x, y = zip(*points, strict=True)
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")
    for x, y, lines in boxes:
        figure.add_annotation(
            x=x, y=y, text="<br>".join(lines), showarrow=False, bordercolor=BACK, borderpad=5,
            bgcolor="white", font={"size": 11},
        )  # fmt: skip
    figure.update_layout(margin={"l": 10, "r": 10, "b": 10}, showlegend=False)
    figure.update_xaxes(visible=False, range=[0, 1]).update_yaxes(visible=False, range=[0, 1])
    return figure


def learning_curves(history: pd.DataFrame, outcome: pd.DataFrame) -> go.Figure:
    """Draw loss and accuracy of every epoch of the attempts that are kept.

    Args:
        history: `cnn_history.csv`.
        outcome: `cnn_trainings.csv`.
    """
    figure = make_subplots(cols=2, subplot_titles=["loss", "accuracy"])
    several = outcome.network.max() > 1
    kept = history.merge(outcome[["training", "network", "attempt", "best_epoch"]])
    for (training, network), rows in kept.groupby(["training", "network"], sort=False):
        main = training == "final" and network == 1
        name = f"{training}, network {network}" if several else training
        for column, measure in ((1, "loss"), (2, "accuracy")):
            for part, colour in (("", LABELS[0]), ("val_", LABELS[1])):
                kind = "validation" if part else "fitted"
                figure.add_scatter(
                    x=rows.epoch, y=rows[part + measure], row=1, col=column, mode="lines",
                    name=f"{name}, {kind}", legendgroup=kind, showlegend=main and column == 1,
                    line={"color": colour, "width": 2.5 if main else 1}, opacity=1 if main else 0.4,
                )  # fmt: skip
    line = {"dash": "dot", "color": BACK}
    figure.add_vline(x=outcome.best_epoch.iloc[0], line=line, row=1, col=1)
    beat = {"annotation_text": "share of labels alone", "line": line}
    figure.add_hline(y=outcome.to_beat.iloc[0], **beat, row=1, col=1)
    figure.update_xaxes(title="epoch").update_layout(height=420)
    pale = "folds, further networks" if several else "folds"
    return titled(figure, f"Training of the CNN (pale: {pale})")


def lasso_path(path: pd.DataFrame, errors: pd.DataFrame, chosen: float) -> go.Figure:
    """Draw LASSO coefficients and the cross-validated deviance over lambda.

    Args:
        path: lambda, feature, coefficient.
        errors: lambda, deviance (mean over folds), se.
        chosen: lambda.min.
    """
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.65, 0.35])
    for feature, rows in path.groupby("feature", sort=False):
        figure.add_scatter(
            x=rows["lambda"], y=rows.coefficient, mode="lines", name=feature, row=1, col=1,
            showlegend=False, line={"width": 1.5},
        )  # fmt: skip
    figure.add_scatter(
        x=errors["lambda"], y=errors.deviance, mode="lines+markers", row=2, col=1,
        showlegend=False, line={"color": BACK}, error_y={"array": errors.se, "thickness": 1},
    )  # fmt: skip
    figure.add_vline(x=chosen, line={"dash": "dot", "color": BACK})
    figure.update_xaxes(type="log").update_xaxes(title="lambda", row=2, col=1)
    figure.update_yaxes(title="coefficient", row=1, col=1)
    figure.update_yaxes(title="deviance", row=2, col=1).update_layout(height=560)
    return titled(figure, "LASSO: coefficients and cross-validated deviance")


def bars(table: pd.DataFrame, value: str, name: str, title: str, x: str) -> go.Figure:
    """Draw one horizontal bar a row of the table, in its order; rows not `chosen` are grey."""
    height = 160 + 26 * len(table)
    figure = empty(title, x, "", height=height)
    chosen = table.get("chosen", pd.Series(True, table.index)).astype(bool)
    colours = np.where(chosen, LABELS[0], BACK).tolist()
    figure.add_bar(x=table[value], y=table[name], orientation="h", marker={"color": colours})
    return figure.update_yaxes(autorange="reversed", automargin=True)


def importance(table: pd.DataFrame, colours: Mapping[str, str]) -> go.Figure:
    """Draw importance.csv: the features that matter most to each model, a colour a model.

    Args:
        table: of the models and features.
        colours: `style.palette` of all the study's models.
    """
    first = table.drop_duplicates("feature").head(MOST_BARS).feature.tolist()
    shown = table[table.feature.isin(first)]
    figure = empty(
        "Permutation importance, out of fold", "fall of the AUC", "", height=200 + 26 * len(shown)
    )
    for model, rows in shown.groupby("model", sort=False):
        bar = {"x": rows.importance, "y": rows.feature, "name": model, "orientation": "h"}
        figure.add_bar(**bar, marker={"color": colours[model]}, showlegend=True)
    figure.update_yaxes(autorange="reversed", automargin=True, categoryarray=first)
    return figure.update_layout(barmode="group")


def slices(pictures: Mapping[str, np.ndarray], title: str, columns: int = 4) -> go.Figure:
    """Draw slices (y, x) by name, grey: HU from -1000 to 400, other values from 0 to 1."""
    columns = min(columns, len(pictures))
    rows = int(np.ceil(len(pictures) / columns))
    names = list(pictures)
    figure = make_subplots(rows, columns, subplot_titles=names, vertical_spacing=0.12 / rows)
    for i, picture in enumerate(pictures.values()):
        low, high = WINDOW_HU if picture.min() < 0 else (0, 1)
        figure.add_heatmap(
            z=np.round(picture, 3), zmin=low, zmax=high, colorscale="Greys_r", showscale=False,
            row=i // columns + 1, col=i % columns + 1,
        )  # fmt: skip
    figure.update_xaxes(visible=False).update_layout(height=210 * rows + 80)
    figure.update_yaxes(visible=False, autorange="reversed")
    for vertical, horizontal in zip(figure.select_yaxes(), figure.select_xaxes(), strict=True):
        vertical.scaleanchor = vertical.anchor
        horizontal.constrain = "domain"
    return titled(figure, title)
