"""Net benefit against dcurves, its intervals and band against refits."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiogenomics.statistics import decision, discrimination, resampling
from scipy.special import expit

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


def benefits(labels, scores, thresholds):
    """Net benefit of each threshold, counted patient by patient."""
    found = []
    for t in thresholds:
        called = scores >= t
        true, false = (called & (labels == 1)).sum(), (called & (labels == 0)).sum()
        found.append((true - false * t / (1 - t)) / len(labels))
    return np.array(found)


def test_scores_at_a_threshold_are_drawn_as_called():
    rng = np.random.default_rng(5)
    at, labels = np.array([0.2, 0.4, 0.5, 0.7]), np.tile([0, 0, 1], 20)
    scores = np.round(rng.random(60) * 0.5 + 0.3 * labels, 1)
    scores[::4] += 0.05
    drawn = resampling.draw(labels == 1, 40, seed=2)
    curve = decision.decision_curve(labels, {"m": scores}, at[::-1], 0.8, drawn)
    rows = [np.repeat(np.arange(60), counts) for counts in drawn.free]
    for name, own in (("m", scores), ("all", np.ones(60))):
        values = [benefits(labels[row], own[row], at) for row in rows]
        found = curve[curve.model == name]
        assert found.net_benefit.tolist() == pytest.approx(benefits(labels, own, at).tolist())
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        assert np.allclose(found.ci_low, low, atol=1e-12) and np.allclose(found.ci_high, high)
        assert (found.threshold == at).all() and set(found.resamples) == {40}


def test_every_column_of_the_curve_and_the_limits_of_thresholds():
    curve = decision.decision_curve([0, 0, 1, 1, 1], {"m": [0.1, 0.6, 0.4, 0.9, 0.8]}, [0])
    assert curve.columns.tolist() == [
        "model", "threshold", "net_benefit", "ci_low", "ci_high", "ci_method", "resamples", "n",
        "events",
    ]  # fmt: skip
    assert curve.index.tolist() == [0, 1, 2] and curve.model.tolist() == ["all", "none", "m"]
    assert curve.net_benefit.tolist() == pytest.approx([0.6, 0, 0.6])
    for name in ("threshold", "ci_low", "ci_high"):
        assert curve[name].dtype.kind == "f", name
    assert curve[["ci_low", "ci_high"]].isna().all(axis=None)
    assert set(curve.ci_method) == {"none"} and curve.resamples.tolist() == [0, 0, 0]
    assert curve.n.tolist() == [5, 5, 5] and curve.events.tolist() == [3, 3, 3]
    for bad in (-0.01, 1.0, np.nan):
        with pytest.raises(discrimination.EvaluationError, match="below 1"):
            decision.decision_curve([0, 1], {"m": [0.1, 0.9]}, [0.5, bad])
    assert decision.runs(np.array([]), np.array([0.1, 0.2])) == []
    assert decision.runs(np.array([]), np.array([])) == []


@pytest.mark.parametrize("seed", [0, 1, 3, 5])
def test_the_band_of_clear_thresholds_is_that_of_refits(seed):
    """Thresholds below and above all scores change nothing of the others."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(90) % 3 == 0).astype(int)
    own = np.clip(expit(rng.normal(size=90) * 0.7 + 1.6 * labels - 1.4), 0.12, 0.85)
    other = np.clip(own + rng.normal(0, 0.1, 90), 0.12, 0.85)
    inside = np.array([0.15, 0.25, 0.35, 0.5, 0.65, 0.8])
    drawn = resampling.draw(labels == 1, 200, seed=seed)
    rows = [np.repeat(np.arange(90), counts) for counts in drawn.free]
    asked = [({}, inside, 0.9), ({"other": other}, inside, 0.9)]
    for against, at, level in [*asked, *(({}, inside[[k]], 0.02) for k in range(6))]:
        rivals = [np.ones(90), np.zeros(90), *against.values()]

        def gaps(row, rivals=rivals, at=at):
            mine = benefits(labels[row], own[row], at)
            return np.concatenate([mine - benefits(labels[row], r[row], at) for r in rivals])

        found, values = gaps(np.arange(90)), pd.DataFrame([gaps(row) for row in rows])
        spread = values.std().to_numpy()
        reach = np.quantile(((values - found).abs() / spread).max(axis=1), level)
        clear = at[(found > reach * spread).reshape(len(rivals), -1).all(axis=0)].tolist()
        for more in (at, np.array([0.02, 0.05, *at, 0.9])):
            got = decision.clear_thresholds(labels, own, against, more, drawn, level)
            assert got.tolist() == clear
    one = resampling.Drawn(drawn.stratified[:1], drawn.free[:1])
    assert not len(decision.clear_thresholds(labels, own, {}, inside, one))
