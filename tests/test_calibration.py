"""Calibration against R's rms, patsy's natural splines and the bootstrap's own theory."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.api as sm
from radiogenomics import calibration, decision, evaluation, resampling
from radiogenomics.calibration import KNOTS
from radiogenomics.performance import metrics_table
from scipy import stats
from scipy.special import expit, logit

REFERENCE = Path(__file__).parent / "reference"
TABLE = pd.read_csv(REFERENCE / "b_cont_n528.csv")
RS = json.loads((REFERENCE / "calibration_b.json").read_text())
LABELS = TABLE.y.to_numpy()


@pytest.mark.parametrize("model", ["p1", "p2", "p3"])
def test_recalibration_is_rs_joint_model_and_makes_slope_one(model):
    scores = TABLE[model].to_numpy()
    intercept, slope = calibration.recalibration(LABELS, scores)
    assert slope == pytest.approx(RS[model]["calibration_slope"], rel=1e-6)
    assert intercept == pytest.approx(RS[model]["calibration_intercept_joint"], rel=1e-5, abs=1e-7)
    after = calibration.calibration(LABELS, calibration.recalibrated(scores, intercept, slope))
    found = after.set_index("metric").value
    assert found["calibration_slope"] == pytest.approx(1, abs=1e-6)
    assert found["o_over_e"] == pytest.approx(1, abs=1e-6)
    assert evaluation.delong(LABELS, calibration.recalibrated(scores, intercept, slope))[0][
        0
    ] == pytest.approx(evaluation.delong(LABELS, scores)[0][0], abs=1e-12)


def test_smooth_curve_is_a_natural_spline_fit():
    """The same knots in patsy's natural cubic basis span the same space, so the fit is one."""
    p = TABLE.p1.to_numpy()
    x = logit(p)
    knots = np.quantile(x, KNOTS[5])
    inside = (x >= knots[0]) & (x <= knots[-1])
    basis = "cr(x, knots=k, lower_bound=lo, upper_bound=hi) - 1"
    given = {"x": x[inside], "k": knots[1:-1], "lo": knots[0], "hi": knots[-1]}
    theirs = sm.GLM(LABELS[inside], patsy.dmatrix(basis, given), sm.families.Binomial()).fit()
    ours = sm.GLM(
        LABELS[inside], calibration._spline(x[inside], knots), sm.families.Binomial()
    ).fit()
    assert np.allclose(theirs.fittedvalues, ours.fittedvalues, atol=1e-6)
    curve = calibration.smooth_curve(LABELS, p)
    assert (curve.ci_low <= curve.observed).all() and (curve.observed <= curve.ci_high).all()


def test_logistic_is_statsmodels_glm_where_groups_are_separated_too():
    rng = np.random.default_rng(0)
    separated = same = 0
    for _ in range(60):
        n = rng.integers(12, 200)
        x, group = rng.normal(size=n) * rng.choice([0.1, 1, 30]), rng.integers(0, 3, n)
        y = (rng.random(n) < expit(x + (group - 1) * rng.choice([0, 1, 20]))).astype(int)
        parts = [group == g for g in (1, 2)]
        design = np.column_stack([np.ones(n), x, *parts, *(x * part for part in parts)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ours = calibration.logistic(y, design)
            warnings.simplefilter("ignore")
            theirs = sm.GLM(y, design, sm.families.Binomial()).fit(maxiter=100)
        assert ours.deviance < theirs.deviance + 1e-6
        same += abs(ours.deviance - theirs.deviance) < 1e-6
        if np.abs(theirs.params).max() < 10:
            assert np.allclose(ours.coefficients, theirs.params, rtol=1e-4, atol=1e-5)
            assert np.allclose(ours.covariance, theirs.cov_params(), rtol=1e-2)
        separated += np.abs(theirs.params).max() > 10
    assert 5 < separated < 55 and same >= 55  # GLM itself diverges on some separated tables


def test_smooth_curves_band_is_statsmodels():
    p = TABLE.p2.to_numpy()
    x = logit(p)
    knots = np.quantile(x, KNOTS[5])
    fit = sm.GLM(LABELS, calibration._spline(x, knots), sm.families.Binomial()).fit(tol=1e-12)
    curve = calibration.smooth_curve(LABELS, p, 0.9)
    theirs = fit.get_prediction(calibration._spline(logit(curve.predicted.to_numpy()), knots))
    theirs = theirs.summary_frame(alpha=0.1)
    assert np.allclose(curve.observed, theirs["mean"], atol=1e-8)
    assert np.allclose(curve.ci_low, theirs.mean_ci_lower, atol=1e-7)
    assert np.allclose(curve.ci_high, theirs.mean_ci_upper, atol=1e-7)


def test_smooth_curve_finds_a_known_distortion():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.02, 0.98, 20_000)
    labels = rng.random(20_000) < expit(0.5 * logit(p) + 0.4)
    curve = calibration.smooth_curve(labels.astype(int), p)
    assert np.abs(curve.observed - expit(0.5 * logit(curve.predicted) + 0.4)).max() < 0.03


def test_no_curve_where_none_exists():
    labels = np.repeat([0, 1], 20)
    assert calibration.smooth_curve(labels, labels * 0.8 + 0.1).empty
    assert calibration.smooth_curve(labels, np.full(40, 0.5)).empty
    with pytest.raises(evaluation.EvaluationError, match="constant or separate"):
        calibration.recalibration(labels, np.full(40, 0.5))
    with pytest.raises(evaluation.EvaluationError, match="would turn them round"):
        calibration.recalibration(LABELS, 1 - TABLE.p1.to_numpy())


def test_bootstrapped_calibration_is_that_of_refits():
    """Newton's weighted estimates equal a GLM on the drawn patients."""
    positive, p = LABELS.astype(bool), TABLE.p2.to_numpy()
    drawn = resampling.draw(positive, 3, 5)
    weights = drawn.free.astype(float)
    found = resampling._calibration(positive, p, weights)
    for i, counts in enumerate(drawn.free):
        rows = np.repeat(np.arange(len(p)), counts)
        again = calibration.calibration(LABELS[rows], p[rows]).set_index("metric").value
        for metric in again.index:
            assert found["", metric][i] == pytest.approx(again[metric], rel=1e-6), metric


def test_bootstrapped_ranks_are_those_of_the_drawn_patients():
    positive, scores = LABELS.astype(bool), TABLE.p2.round(1).to_numpy()
    drawn = resampling.draw(positive, 3, 5).stratified
    assert (drawn[:, positive].sum(axis=1) == positive.sum()).all()
    found = resampling.auc(positive, scores, drawn)
    for value, counts in zip(found, drawn, strict=True):
        rows = np.repeat(np.arange(len(scores)), counts)
        assert value == pytest.approx(evaluation.delong(LABELS[rows], scores[rows])[0][0])


def test_large_cohorts_take_one_step_that_hardly_differs(monkeypatch):
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, 5000)
    positive = rng.random(5000) < p
    drawn = resampling.draw(positive, 300, 1)
    quick = resampling.intervals(positive, p, {}, drawn, 0.95)
    monkeypatch.setattr(resampling, "LARGE", 10_000)
    whole = resampling.intervals(positive, p, {}, drawn, 0.95)
    for key, interval in whole.items():
        width = interval[1] - interval[0]
        assert quick[key] == pytest.approx(interval, abs=0.03 * width), key


def test_best_ranges_prefer_acting_on_nobody_or_everybody_in_a_tie():
    rows = [("all", 0.2, 0.1), ("none", 0.2, 0.0), ("a", 0.2, 0.1)]
    rows += [("all", 0.4, -0.1), ("none", 0.4, 0.0), ("a", 0.4, 0.2)]
    rows += [("all", 0.6, -0.3), ("none", 0.6, 0.0), ("a", 0.6, 0.1)]
    curve = pd.DataFrame(rows, columns=["model", "threshold", "net_benefit"])
    found = decision.best_ranges(curve)
    assert found.model.tolist() == ["all", "a"]
    assert found["from"].tolist() == [0.2, 0.4] and found["to"].tolist() == [0.2, 0.6]
    assert decision.best_ranges(curve, 0.5, 0.9)["from"].tolist() == [0.6]


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
    found = resampling.intervals(positive, p, {}, drawn, 0.95)
    refits = []
    for weights in drawn.free[:50]:
        rows = np.repeat(np.arange(132), weights.astype(int))
        refits.append(calibration.calibration(positive[rows], p[rows]).value[0])
    one = resampling._logistic(positive, x, drawn.free[:50].astype(float))[1]
    assert np.allclose(one, refits, atol=1e-6)
    low, high = found["", "calibration_slope"]
    assert low < calibration.calibration(positive, p).value[0] < high


def test_few_events_among_many_are_refitted_to_the_end(monkeypatch):
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 6000)
    positive = rng.random(6000) < expit(x - 5.5)
    assert 10 < positive.sum() < 100
    drawn = resampling.draw(positive, 200, 1)
    quick = resampling.intervals(positive, expit(x), {}, drawn, 0.95)
    monkeypatch.setattr(resampling, "LARGE", 10**9)
    assert quick == resampling.intervals(positive, expit(x), {}, drawn, 0.95)


def test_certainty_that_is_wrong_has_no_calibration_slope():
    labels, scores = np.tile([0, 1], 30), np.tile([0.1, 0.8], 30)
    scores[1] = 0.0  # certain, and wrong
    found = calibration.calibration(labels, scores).set_index("metric").value
    assert found[["calibration_slope", "calibration_in_the_large"]].isna().all()
    assert np.isfinite(found[["brier", "o_over_e"]]).all()


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
