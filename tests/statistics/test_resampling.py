"""Bootstrap intervals against refits and analytic ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiogenomics.statistics import calibration, decision, discrimination, resampling
from radiogenomics.statistics.measures import metrics_table
from scipy import stats
from scipy.special import expit

REFERENCE = Path(__file__).parents[1] / "reference"
TABLE = pd.read_csv(REFERENCE / "b_cont_n528.csv")
LABELS = TABLE.y.to_numpy()


def bootstrapped(positive, scores, drawn):
    """The bootstrap's interval of every measure that needs no threshold."""
    table = metrics_table(positive, scores, {}, drawn=drawn)
    rows = table[table.ci_method == "bootstrap"].set_index("metric")
    return {name: (row.ci_low, row.ci_high) for name, row in rows.iterrows()}


def test_bootstrapped_calibration_is_that_of_refits():
    """Newton's weighted estimates equal a GLM on the drawn patients."""
    positive, p = LABELS.astype(bool), TABLE.p2.to_numpy()
    drawn = resampling.draw(positive, 3, 5)
    weights = drawn.free.astype(float)
    found = calibration.measures(positive, p, weights)
    for i, counts in enumerate(drawn.free):
        rows = np.repeat(np.arange(len(p)), counts)
        again = calibration.calibration(LABELS[rows], p[rows]).set_index("metric").value
        for metric in again.index:
            assert found[metric][i] == pytest.approx(again[metric], rel=1e-6), metric


def test_bootstrapped_ranks_are_those_of_the_drawn_patients():
    positive, scores = LABELS.astype(bool), TABLE.p2.round(1).to_numpy()
    drawn = resampling.draw(positive, 3, 5).stratified
    assert (drawn[:, positive].sum(axis=1) == positive.sum()).all()
    found = discrimination.auc(positive, scores, drawn)
    for value, counts in zip(found, drawn, strict=True):
        rows = np.repeat(np.arange(len(scores)), counts)
        assert value == pytest.approx(discrimination.delong(LABELS[rows], scores[rows])[0][0])


def test_large_cohorts_take_one_step_that_hardly_differs(monkeypatch):
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, 5000)
    positive = rng.random(5000) < p
    drawn = resampling.draw(positive, 300, 1)
    quick = bootstrapped(positive, p, drawn)
    monkeypatch.setattr(calibration, "LARGE", 10_000)
    whole = bootstrapped(positive, p, drawn)
    for key, interval in whole.items():
        width = interval[1] - interval[0]
        assert quick[key] == pytest.approx(interval, abs=0.03 * width), key


def test_net_benefit_interval_holds_the_estimate():
    drawn = resampling.draw(LABELS.astype(bool), 300, 3)
    curve = decision.decision_curve(LABELS, TABLE[["p1"]], drawn=drawn)
    rows = curve[curve.model == "p1"]
    assert (rows.ci_low <= rows.net_benefit + 1e-9).all()
    assert (rows.net_benefit <= rows.ci_high + 1e-9).all()
    assert curve[curve.model == "none"].ci_low.isna().all()


def test_net_benefit_interval_is_the_analytic_one():
    """Net benefit is a mean over patients of y or -odds where called: sd / sqrt(n) is its error."""
    drawn = resampling.draw(LABELS.astype(bool), 4000, 3)
    curve = decision.decision_curve(LABELS, TABLE[["p1"]], drawn=drawn)
    for name in ("p1", "all"):
        rows = curve[(curve.model == name) & curve.threshold.between(0.1, 0.8)]
        called = TABLE.p1.to_numpy()[:, None] >= rows.threshold.to_numpy() if name == "p1" else True
        odds = (rows.threshold / (1 - rows.threshold)).to_numpy()
        gain = called * np.where(LABELS[:, None] == 1, 1.0, -odds)
        half = stats.norm.ppf(0.975) * gain.std(axis=0) / np.sqrt(len(LABELS))
        assert np.allclose(rows.net_benefit, gain.mean(axis=0), atol=1e-12)
        assert (rows.ci_high - rows.ci_low).to_numpy() == pytest.approx(2 * half, rel=0.08)
        assert (rows.resamples == 4000).all() and (rows.ci_method == "bootstrap").all()


@pytest.mark.parametrize("slope", [0.25, 0.4, -0.5])
def test_overconfident_and_reversed_scores_have_bootstrapped_slopes(slope):
    """Where the logits are far too wide, Newton's method from a slope of 1 runs away."""
    rng = np.random.default_rng(4)
    x = rng.normal(0, 4, 132)
    positive = rng.random(132) < expit(slope * x)
    p = expit(x)
    drawn = resampling.draw(positive, 400, 1)
    found = bootstrapped(positive, p, drawn)
    refits = []
    for weights in drawn.free[:50]:
        rows = np.repeat(np.arange(132), weights.astype(int))
        refits.append(calibration.calibration(positive[rows], p[rows]).value[0])
    one = calibration.intercept_and_slope(positive, x)(drawn.free[:50].astype(float))[1]
    assert np.allclose(one, refits, atol=1e-6)
    low, high = found["calibration_slope"]
    assert low < calibration.calibration(positive, p).value[0] < high


def test_few_events_among_many_are_refitted_to_the_end(monkeypatch):
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 6000)
    positive = rng.random(6000) < expit(x - 5.5)
    assert 10 < positive.sum() < 100
    drawn = resampling.draw(positive, 200, 1)
    quick = bootstrapped(positive, expit(x), drawn)
    monkeypatch.setattr(calibration, "LARGE", 10**9)
    assert quick == bootstrapped(positive, expit(x), drawn)


def test_ppv_is_resampled_over_all_patients():
    """With the prevalence held still its interval would be about half of Wilson's."""
    rng = np.random.default_rng(5)
    positive = rng.random(2000) < 0.1
    scores = np.clip(0.4 * positive + rng.random(2000) * 0.6, 0, 1)
    drawn = resampling.draw(positive, 2000, 1)
    table = metrics_table(positive.astype(int), scores, {"half": 0.5}, drawn=drawn)
    by = table[table.metric == "ppv"].set_index("ci_method")
    width = by.ci_high - by.ci_low
    assert width["bootstrap"] == pytest.approx(width["wilson"], rel=0.1)
    assert by.resampling["bootstrap"] == "over all patients"


def test_one_seed_is_one_drawing_and_small_requests_stay_small():
    positive = LABELS == 1
    first, again, other = (resampling.draw(positive, 5, seed) for seed in (1, 1, 2))
    for scheme in ("stratified", "free"):
        a, b, c = (getattr(drawn, scheme) for drawn in (first, again, other))
        assert (a == b).all() and (a != c).any() and (a.sum(axis=1) == len(LABELS)).all()
    assert [resampling.affordable(100, patients) for patients in (4000, 4001, 10**6)] == [100] * 3
    assert list(resampling.blocks(3, 3_000_000)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_five_percent_without_a_value_is_the_most_an_interval_bears():
    values = np.arange(100.0)
    values[:5] = np.nan
    edges = np.quantile(values[5:], [0.1, 0.9])
    assert resampling.percentile_interval(values, 0.8) == pytest.approx(tuple(edges))
    values[5] = np.nan
    assert np.isnan(resampling.percentile_interval(values, 0.8)).all()
    assert resampling.percentile_interval(np.full(50, 2.0), 0.8) == (2, 2)
    values = np.repeat([1.0, np.inf], [80, 20])
    assert resampling.percentile_interval(values, 0.8) == (1, np.inf)
