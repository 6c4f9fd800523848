"""Net benefit against dcurves."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from radiogenomics.statistics import decision

REFERENCE = Path(__file__).parents[1] / "reference"
TABLE = pd.read_csv(REFERENCE / "b_cont_n528.csv")
LABELS = TABLE.y.to_numpy()
MODELS = ("p1", "p2", "p3")


def test_decision_curve_is_dcurves():
    expected = json.loads((REFERENCE / "dca_b_cont.json").read_text())["b_cont"]
    found = decision.decision_curve(LABELS, TABLE[list(MODELS)])
    for name, rows in found.groupby("model"):
        theirs = np.array(expected[name]["net_benefit"], float)[1:]
        assert np.allclose(rows.net_benefit, theirs, atol=1e-12, rtol=0)
    ties = decision.decision_curve(np.array([1, 0]), pd.DataFrame({"m": [0.29, 0.28]}))
    at = ties[(ties.model == "m") & (ties.threshold == 0.29)].net_benefit.item()
    assert at == 0.5
