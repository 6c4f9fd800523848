"""Calibration against R's rms, patsy's natural splines and the bootstrap's own theory."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import calibration, discrimination, resampling, saturation
from radiogenomics.statistics.calibration import KNOTS
from scipy import stats
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


def weighted_glm(labels, x, weights):
    """Intercept and slope of statsmodels, and its intercept where the slope is 1."""
    given = {"family": sm.families.Binomial(), "freq_weights": weights}
    line = sm.GLM(labels, sm.add_constant(x), **given).fit(tol=1e-13).params
    return *line, sm.GLM(labels, np.ones(len(x)), offset=x, **given).fit(tol=1e-13).params[0]


def estimates(positive, x, weights):
    line = calibration.intercept_and_slope(positive, x)(weights)
    return np.stack([*line, calibration.in_the_large(positive, x)(weights)], axis=1)


def skewed(n, events):
    x = np.random.default_rng(n).gamma(2, 1, n) - 0.5
    chance = x + np.random.default_rng(n + 1).logistic(size=n)
    return chance >= np.sort(chance)[n - events], x


@pytest.mark.parametrize("drawings", [1, 2, 3])
def test_weighted_estimates_are_statsmodels_however_many_and_however_scaled(drawings):
    positive, x = skewed(200, 90)
    weights = 2.0 * (np.random.default_rng(1).random((drawings, 200)) < 0.5)  # halves, twice
    expected = np.array([weighted_glm(positive, x, own) for own in weights])
    assert np.allclose(estimates(positive, x, weights), expected, rtol=1e-8)
    moved = estimates(positive, 3 + 1e-4 * x, weights)[:, :2]  # nearly equal scores
    intercept, slope = expected[:, 0], expected[:, 1]
    assert np.allclose(moved[:, 1], slope * 1e4, rtol=1e-6)
    assert np.allclose(moved[:, 0], intercept - 3e4 * slope, rtol=1e-6)


@pytest.mark.parametrize("rarer", [2000, 2001])
def test_above_2000_of_the_rarer_label_newton_goes_once(rarer):
    """Newton's step is a regression of the working response (Nelder & Wedderburn 1972)."""
    positive, x = skewed(4100, rarer)
    weights = resampling.draw(positive, 1, seed=1).free.astype(float)
    found = estimates(positive, x, weights)[0]
    fitted = weighted_glm(positive, x, weights[0])
    if rarer == 2000:
        assert found == pytest.approx(fitted, rel=1e-8)
        return
    intercept, slope, shift = weighted_glm(positive, x, np.ones(len(x)))
    once = []
    for eta, design in ((intercept + slope * x, sm.add_constant(x)), (shift + x, np.ones(len(x)))):
        p = expit(eta)
        response = eta + (positive - p) / (p * (1 - p)) - (x if design.ndim == 1 else 0)
        once += list(sm.WLS(response, design, weights=weights[0] * p * (1 - p)).fit().params)
    assert found == pytest.approx(once, rel=1e-9)
    assert found != pytest.approx(fitted, rel=1e-7)


@pytest.mark.parametrize(
    ("events", "n"), [(1, 14), (7, 14), (13, 14), (99, 100), (1, 3000), (2999, 3000)]
)
def test_drawings_far_from_the_sample_find_their_own_share(events, n):
    """Equal scores: calibration-in-the-large is the log odds of the drawn share."""
    positive = np.arange(n) < events
    drawn = np.array([[1, 1], [1, n], [n, 1], [1, 0], [0, 1]])  # weights of each label
    weights = np.where(positive, drawn[:, [0]] / events, drawn[:, [1]] / (n - events))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibration.in_the_large(positive, np.full(n, 0.3))(weights)
        nobody = calibration.in_the_large(positive, np.zeros(n))(np.zeros((1, n)))
    assert found[:3] == pytest.approx(np.log(drawn[:3, 0] / drawn[:3, 1]) - 0.3, abs=1e-9)
    assert np.isnan([*found[3:], *nobody]).all()


def test_labels_that_only_touch_or_a_single_patient_have_no_slope():
    touching = np.array([0.2, 0.5, 0.5, 0.8])
    lone = np.array([0.2, 0.4, 0.6, 0.7, 0.9])
    for labels, scores in (
        ([0, 0, 1, 1], touching), ([1, 1, 0, 0], touching), ([0, 0, 1, 1], np.full(4, 0.5)),
        ([1, 0, 1, 1, 1], lone), ([0, 1, 0, 0, 0], lone),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = calibration.calibration(labels, scores).set_index("metric")
        fitted = found.loc[["calibration_slope", "calibration_intercept"]]
        assert fitted.isna().all(axis=None) and found.value.notna().sum() == 4
        assert found.loc["calibration_in_the_large"].notna().all()
    two = calibration.calibration([1, 0, 1, 1, 0], lone).set_index("metric")
    assert two.loc["calibration_slope"].notna().all()


@pytest.mark.parametrize("score", [1e-12, 0.3, 1 - 1e-12])
def test_equal_scores_are_calibrated_by_the_log_odds_of_the_events(score):
    found = calibration.calibration([0, 1, 0, 0], np.full(4, score)).set_index("metric").value
    assert found["calibration_in_the_large"] == pytest.approx(logit(0.25) - logit(score), rel=1e-9)
    assert found["o_over_e"] == pytest.approx(0.25 / score)


def test_scores_next_to_0_and_1_count_as_a_millionth_of_a_millionth_from_them():
    found = calibration.recalibrated(np.array([1e-15, 0.5, 1 - 1e-14]), 0.0, 1.0)
    assert (found[0], 1 - found[2]) == pytest.approx((1e-12, 1e-12), rel=1e-3, abs=0)
    labels = np.array([0, 1, 1])
    for scores, ratio in (([1e-12, 0, 0], 2e12), ([1e-13, 1e-13, 0], np.nan)):
        table = calibration.calibration(labels, np.array(scores)).set_index("metric")
        assert table.value["o_over_e"] == pytest.approx(ratio, nan_ok=True)


def test_scores_that_say_nothing_at_all_are_not_recalibrated():
    with pytest.raises(discrimination.EvaluationError, match="reverse"):
        calibration.recalibration([0, 1, 0, 1], [0.25, 0.25, 0.75, 0.75])


def test_newtons_steps_are_halved_where_a_whole_one_goes_too_far(monkeypatch):
    """At the maximum the fitted and the observed sums of each column are equal."""
    x = [[1, -9, 3], [-55, -1, -6], [4, -2, 11], [-3, -15, -1], [-7, 8, -9], [11, -4, -123],
         [4, 38, 0], [0, -3, -2]]  # fmt: skip
    design, labels = sm.add_constant(np.array(x, float)), np.array([1, 1, 0, 0, 1, 1, 0, 1])
    monkeypatch.setattr(calibration, "STEPS", 20)  # half of them are enough
    found = calibration.logistic(labels, design)
    p = expit(design @ found.coefficients)
    assert design.T @ p == pytest.approx(design.T @ labels, abs=1e-9)
    assert found.deviance == pytest.approx(-2 * stats.bernoulli.logpmf(labels, p).sum())
    monkeypatch.setattr(calibration, "STEPS", 2)
    found = calibration.logistic(labels, design)
    assert found.coefficients.shape == (4,) and found.covariance.shape == (4, 4)
    assert np.isnan([found.deviance, *found.coefficients, *found.covariance.ravel()]).all()


def test_spline_is_harrells_by_hand_and_straight_beyond_the_last_knot():
    """At 4 with knots 0, 1, 3: (64 - 27 * 3 / 2 + 1 / 2) / 9."""
    found = calibration._spline(np.array([-1, 0.5, 4, 5, 6]), np.array([0.0, 1, 3]))
    assert (found[:, 0] == 1).all() and found[:, 1].tolist() == [-1, 0.5, 4, 5, 6]
    assert found[:, 2] == pytest.approx(np.array([0, 0.125, 24, 33, 42]) / 9)


@pytest.mark.parametrize(("rarer", "knots"), [(99, 3), (100, 5)])
@pytest.mark.parametrize("ones", [True, False])
def test_five_knots_from_100_events_of_the_rarer_label(rarer, knots, ones):
    rng = np.random.default_rng(8)
    p = rng.uniform(0.1, 0.9, 400)
    labels = (np.arange(400) < rarer) == ones
    curve = calibration.smooth_curve(labels, p)
    assert curve.predicted.tolist() == pytest.approx(np.linspace(p.min(), p.max(), 101).tolist())
    at = np.quantile(logit(p), KNOTS[knots])
    fit = sm.GLM(labels, calibration._spline(logit(p), at), sm.families.Binomial()).fit(tol=1e-12)
    expected = fit.predict(calibration._spline(logit(curve.predicted.to_numpy()), at))
    assert curve.observed.tolist() == pytest.approx(expected.tolist(), abs=1e-8)
    for empty in (np.full(400, 0.5), np.where(labels, p / 3 + 0.6, p / 3)):
        none = calibration.smooth_curve(labels, empty)
        assert none.empty and none.columns.tolist() == curve.columns.tolist()
        assert set(none.dtypes.astype(str)) == {"float64"}


def test_rounded_scores_move_by_half_their_smallest_step():
    moved = saturation.unsaturated(np.array([0, 0.3, 0.4, 1]))
    assert moved.tolist() == pytest.approx([0.05, 0.3, 0.4, 0.95])
    for beside, low in ((0.995e-8, 0.05), (1.005e-8, 0.15)):  # as far from four decimals
        moved = saturation.unsaturated(np.array([0, 0.3 + beside, 0.4, 1]))
        assert moved[0] == pytest.approx(low, rel=1e-6)
