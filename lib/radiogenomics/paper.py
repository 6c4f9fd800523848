"""The numbers that the paper prints (doi 10.21037/qims-24-33, Table 2)."""

from __future__ import annotations

import pandas as pd

TABLE2 = {  # (model, cohort): AUC, its interval, sensitivity, specificity, accuracy
    ("LR", "train"): (0.706, 0.669, 0.744, 0.688, 0.653, 0.670),
    ("LR", "test"): (0.685, 0.608, 0.755, 0.708, 0.567, 0.636),
    ("SVM", "train"): (0.843, 0.812, 0.873, 0.854, 0.769, 0.811),
    ("SVM", "test"): (0.724, 0.653, 0.794, 0.785, 0.567, 0.674),
    ("Bayes", "train"): (0.690, 0.652, 0.727, 0.769, 0.519, 0.642),
    ("Bayes", "test"): (0.658, 0.583, 0.733, 0.754, 0.478, 0.614),
    ("Clinical", "train"): (0.696, 0.661, 0.732, 0.642, 0.687, 0.665),
    ("Clinical", "test"): (0.684, 0.609, 0.752, 0.538, 0.746, 0.644),
    ("CNN", "train"): (0.943, 0.920, 0.961, 0.934, 0.951, 0.934),
    ("CNN", "test"): (0.947, 0.894, 0.978, 0.938, 0.955, 0.938),
    ("Com", "train"): (0.957, 0.942, 0.971, 0.827, 0.959, 0.894),
    ("Com", "test"): (0.874, 0.820, 0.924, 0.754, 0.896, 0.826),
}


def table2() -> pd.DataFrame:
    """Return Table 2 long: model, cohort, metric, published, published_low, published_high."""
    rows = []
    for (model, cohort), (auc, low, high, *rest) in TABLE2.items():
        rows.append((model, cohort, "auc", auc, low, high))
        names = ("sensitivity", "specificity", "accuracy")
        rows += [
            (model, cohort, m, v, float("nan"), float("nan"))
            for m, v in zip(names, rest, strict=True)
        ]
    names = ["model", "cohort", "metric", "published", "published_low", "published_high"]
    return pd.DataFrame(rows, columns=names)
