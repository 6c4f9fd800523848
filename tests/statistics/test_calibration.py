"""Calibration against R's rms, patsy's natural splines and the bootstrap's own theory."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import calibration, discrimination, saturation
from radiogenomics.statistics.calibration import KNOTS
from scipy.special import expit, logit

REFERENCE = Path(__file__).parents[1] / "reference"
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
    assert discrimination.delong(LABELS, calibration.recalibrated(scores, intercept, slope))[0][
        0
    ] == pytest.approx(discrimination.delong(LABELS, scores)[0][0], abs=1e-12)


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
    with pytest.raises(discrimination.EvaluationError, match="constant or separate"):
        calibration.recalibration(labels, np.full(40, 0.5))
    with pytest.raises(discrimination.EvaluationError, match="would reverse their"):
        calibration.recalibration(LABELS, 1 - TABLE.p1.to_numpy())


def test_certainty_that_is_wrong_is_moved_by_half_a_step():
    labels, scores = np.tile([0, 1], 30), np.tile([0.1, 0.8], 30)
    scores[1] = 0.0  # certain, and wrong
    moved = np.where(scores == 0, 0.05, scores)  # the smallest step is 0.1
    found, other = (calibration.calibration(labels, s).set_index("metric") for s in (scores, moved))
    for metric in ("calibration_slope", "calibration_in_the_large"):
        assert found.value[metric] == pytest.approx(other.value[metric], rel=1e-9)
    assert found.value["brier"] == pytest.approx(np.mean((scores - labels) ** 2))
    assert calibration.recalibration(labels, scores) == calibration.recalibration(labels, moved)


def test_scores_without_a_step_move_half_the_way_to_the_next():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.02, 0.97, 200)
    p[:3] = 0, 1, 1
    moved = saturation.unsaturated(p)
    assert moved[0] == p[3:].min() / 2 and (moved[1:3] == (1 + p[3:].max()) / 2).all()
    assert (moved[3:] == p[3:]).all() and saturation.saturated(p) == 3
    assert (saturation.unsaturated(np.array([0.0, 1.0])) == [1e-6, 1 - 1e-6]).all()


def test_one_certain_error_among_many_leaves_the_slope_near_its_own():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1.5, 200)
    labels = (rng.random(200) < expit(logits)).astype(int)
    scores = expit(logits)
    own = calibration.recalibration(labels, scores)[1]
    scores[np.flatnonzero(labels == 0)[0]] = 1.0
    assert 0.75 * own < calibration.recalibration(labels, scores)[1] < own
