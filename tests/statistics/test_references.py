"""Intervals and tests beside other implementations, at levels that are not the default.

What changes of the code no other test noticed (tests/benchmarks/mutants.py) led to these.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import (
    calibration,
    decision,
    discrimination,
    group_tests,
    measures,
    paired,
    pooling,
    ranks,
    resampling,
    subgroups,
)
from scipy import optimize, stats
from scipy.special import expit, logit
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.proportion import proportion_confint

RNG = np.random.default_rng(20261128)
N = 60
LABELS = (np.arange(N) % 3 == 0).astype(int)
P = expit(RNG.normal(size=N) + 1.2 * LABELS - 0.8)
OTHER = expit(RNG.normal(size=N) + 0.5 * LABELS - 0.8)
WON = (P[LABELS == 1][:, None] > P[LABELS == 0]).astype(float)  # (label 1, label 0)


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_the_aucs_interval_is_welchs_on_the_placements(confidence):
    """DeLong's variance is that of Welch's t test on each patient's share of pairs won."""
    of_ones, of_zeros = WON.mean(axis=1), WON.mean(axis=0)
    welch = stats.ttest_ind(of_ones, 1 - of_zeros, equal_var=False)
    error = np.sqrt(of_ones.var(ddof=1) / len(of_ones) + of_zeros.var(ddof=1) / len(of_zeros))
    auc = WON.mean()
    reach = stats.t.ppf(0.5 + confidence / 2, welch.df) * error
    expected = expit(logit(auc) + np.array([-1, 1]) * reach / (auc * (1 - auc)))
    found = discrimination.auc_interval(LABELS, P, confidence)
    assert found[:3] == pytest.approx((auc, *expected), rel=1e-12)
    assert found[3] == "delong-logit-t"
    plain = discrimination.delong_interval(auc, error**2, confidence)
    normal = stats.norm.ppf(0.5 + confidence / 2) * error
    assert plain == pytest.approx((auc, auc - normal, auc + normal))
    assert discrimination.delong_interval(0.98, 0.01, confidence)[2] == 1
    assert discrimination.delong_interval(0.02, 0.01, confidence)[1] == 0
    assert np.isnan(discrimination.delong_interval(0.9, 0.0, confidence)[1:]).all()


def test_two_patients_of_a_label_are_enough_for_a_test_and_one_is_not():
    labels, a, b = np.array([0] * 6 + [1] * 2), np.array([1, 2, 3, 4, 5, 8, 6, 7.0]), np.arange(8.0)
    gaps = [a[labels == 1][:, None] > a[labels == 0], b[labels == 1][:, None] > b[labels == 0]]
    gap = gaps[0].astype(float) - gaps[1]
    error = np.sqrt(sum(gap.mean(axis=k).var(ddof=1) / gap.shape[1 - k] for k in (0, 1)))
    z, p = discrimination.delong_test(labels, a, b)
    assert (z, p) == pytest.approx((gap.mean() / error, 2 * stats.norm.sf(abs(gap.mean() / error))))
    assert np.isnan(discrimination.delong_test(labels[:7], a[:7], -b[:7])).all()


def test_each_pair_of_models_has_its_own_row():
    scores = pd.DataFrame({"a": P, "b": OTHER, "c": RNG.random(N)})
    table = discrimination.delong_table(LABELS, scores)
    assert list(zip(table.model_a, table.model_b, strict=True)) == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    for row in table.itertuples():
        both = [scores[name].to_numpy() for name in (row.model_a, row.model_b)]
        assert (row.z, row.p) == discrimination.delong_test(LABELS, *both)
        assert [row.auc_a, row.auc_b] == [discrimination.auc_interval(LABELS, s)[0] for s in both]
    assert table.p_holm.tolist() == discrimination.holm(table.p.to_numpy()).tolist()


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_shares_have_wilsons_interval_at_every_level(confidence):
    for k, n in ((0, 7), (3, 11), (40, 40)):
        expected = proportion_confint(k, n, 1 - confidence, method="wilson")
        assert discrimination.wilson(k, n, confidence) == pytest.approx((k / n, *expected))
        share = measures.Share(np.array([float(k)]), np.array([float(n)]))
        assert share.interval(confidence)[:2] == pytest.approx(expected)


@pytest.mark.parametrize(("ones", "n", "decimals"), [(60, 200, 1), (140, 200, 1), (6, 151, 9)])
def test_many_patients_have_wilcoxons_normal_p_ties_corrected(ones, n, decimals):
    labels, scores = np.arange(n) < ones, RNG.normal(size=n).round(decimals)
    scores[labels] += 0.1
    place = stats.rankdata(scores)
    ties = np.unique(scores, return_counts=True)[1]
    spread = ones * (n - ones) / 12 * (n + 1 - (ties**3 - ties).sum() / (n * (n - 1)))
    z = (place[labels].sum() - ones * (n + 1) / 2) / np.sqrt(spread)
    assert ranks.rank_test(labels, scores) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


def test_the_pooled_auc_is_paule_and_mandels_with_hartung_and_knapps_interval():
    aucs, variances = np.array([0.62, 0.71, 0.85, 0.9, 0.7]), np.array([2, 3, 1, 2, 4]) / 1000
    y, v = logit(aucs), variances / (aucs * (1 - aucs)) ** 2

    def mean(tau2):
        return np.average(y, weights=1 / (v + tau2))

    tau2 = optimize.brentq(lambda t: ((y - mean(t)) ** 2 / (v + t)).sum() - 4, 0, 10)
    weight = 1 / (v + tau2)
    scale = max((weight * (y - mean(tau2)) ** 2).sum() / 4, 1)
    error = np.sqrt(scale / weight.sum())
    for confidence in (0.95, 0.8):
        near, far = (stats.t.ppf(0.5 + confidence / 2, df) for df in (4, 3))
        wide = far * np.sqrt(tau2 + error**2)
        edges = mean(tau2) + np.array([0, -near * error, near * error, -wide, wide])
        found = pooling.pooled_auc(aucs, variances, confidence)
        assert found[:5] == pytest.approx(tuple(expit(edges)), abs=1e-6)
        assert found.tau == pytest.approx(np.sqrt(tau2), abs=1e-5) and found.cohorts == 5


def test_aucs_of_groups_are_compared_by_cochrans_q():
    rows = [{"auc": a, "variance": v} for a, v in ((0.6, 0.004), (0.75, 0.002), (0.9, 0.003))]
    y = np.array([logit(row["auc"]) for row in rows])
    v = np.array([row["variance"] / (row["auc"] * (1 - row["auc"])) ** 2 for row in rows])
    q = combine_effects(y, v).q
    found = subgroups.heterogeneity(rows)
    assert found == pytest.approx(stats.chi2.sf(q, 2), rel=1e-9)
    left_out = [{"auc": 0.1, "variance": 0.001, "flag": "few"}, {"auc": 1.0, "variance": 0.0}]
    assert subgroups.heterogeneity([*rows, *left_out]) == found
    assert np.isnan(subgroups.heterogeneity([rows[0], *left_out]))


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_calibration_has_statsmodels_wald_intervals_and_debrays_for_o_over_e(confidence):
    found = calibration.calibration(LABELS, P, confidence).set_index("metric")
    binomial = {"family": sm.families.Binomial()}
    joint = sm.GLM(LABELS, sm.add_constant(logit(P)), **binomial).fit(tol=1e-12)
    large = sm.GLM(LABELS, np.ones(N), offset=logit(P), **binomial).fit(tol=1e-12)
    (of_intercept, of_slope), (of_large,) = (f.conf_int(1 - confidence) for f in (joint, large))
    both = ["ci_low", "ci_high"]
    assert found.loc["calibration_intercept", both].tolist() == pytest.approx(
        of_intercept, rel=1e-5
    )
    assert found.loc["calibration_slope", both].tolist() == pytest.approx(of_slope, rel=1e-5)
    assert found.loc["calibration_in_the_large", both].tolist() == pytest.approx(of_large, rel=1e-5)
    events, ratio = LABELS.sum(), LABELS.sum() / P.sum()
    reach = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(1 / events - 1 / N)
    expected = ratio * np.exp([-reach, reach])
    assert found.loc["o_over_e", both].tolist() == pytest.approx(expected, rel=1e-12)
    assert found.loc[["brier", "brier_scaled"], both].isna().all(axis=None)


@pytest.mark.parametrize(("n", "groups"), [(20, 2), (60, 3), (128, 8), (118, 7), (500, 8)])
def test_dots_of_the_calibration_figure_are_quantile_groups(n, groups):
    rng = np.random.default_rng(n)
    p = rng.random(n)
    labels = (rng.random(n) < p).astype(int)
    found = calibration.grouped_curve(labels, p, confidence=0.8)
    parts = pd.DataFrame({"p": p, "y": labels}).groupby(pd.qcut(p, groups, duplicates="drop"),
                                                        observed=True)  # fmt: skip
    assert found.predicted.tolist() == pytest.approx(parts.p.mean().tolist())
    assert found.n.tolist() == parts.size().tolist() and len(found) == groups
    assert found.events.tolist() == parts.y.sum().tolist()
    for row in found.itertuples():
        expected = row.events / row.n, *proportion_confint(row.events, row.n, 0.2, method="wilson")
        assert (row.observed, row.ci_low, row.ci_high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("both", "only_a", "only_b", "neither"),
    [
        (20, 9, 3, 8),
        (10, 1, 1, 28),
        (5, 6, 6, 3),
        (2, 8, 9, 1),
        (12, 0, 0, 4),
        (0, 5, 2, 0),
        (1, 1, 2, 3),
        (5, 3, 0, 0),
        (0, 0, 3, 5),
    ],
)
def test_two_shares_of_the_same_patients(both, only_a, only_b, neither):
    """McNemar's tests are statsmodels'; the interval is Newcombe's method 10, from its formula."""
    counts = (both, only_a, only_b, neither)
    n = sum(counts)
    a, b = (np.repeat(values, counts) for values in ([True, True, False, False],
                                                     [True, False, True, False]))  # fmt: skip
    found, mid = paired.proportion_difference(a, b, 0.9)
    table = [[both, only_a], [only_b, neither]]
    exact = mcnemar(table, exact=True).pvalue if only_a + only_b else 1.0
    at = stats.binom.pmf(only_a, only_a + only_b, 0.5)
    assert found.p == pytest.approx(min(exact, 1))
    assert mid == pytest.approx(2 * stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5) - at
                                if only_a != only_b else 1 - at / 2)  # fmt: skip
    (low_a, high_a), (low_b, high_b) = (
        proportion_confint(both + one, n, 0.1, method="wilson") for one in (only_a, only_b)
    )
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    cross = both * neither - only_a * only_b
    cross = max(cross - n / 2, 0) if cross > 0 else cross
    phi = cross / np.sqrt(margins) if margins else 0
    p, q = (both + only_a) / n, (both + only_b) / n
    below = (p - low_a) ** 2 - 2 * phi * (p - low_a) * (high_b - q) + (high_b - q) ** 2
    above = (high_a - p) ** 2 - 2 * phi * (high_a - p) * (q - low_b) + (q - low_b) ** 2
    expected = p - q, p - q - np.sqrt(below), p - q + np.sqrt(above)
    assert found[:3] == pytest.approx(expected) and found.ci_method == "newcombe-paired"


@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_a_contrast_of_aucs_is_normal_and_one_sided_with_a_margin(margin):
    areas, covariance = discrimination.delong(LABELS, np.stack([P, OTHER]))
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    gap = areas[0] - areas[1]
    p = stats.norm.sf((gap + margin) / error) * (1 if margin else 2)
    reach = stats.norm.ppf(0.9) * error
    expected = gap, gap - reach, gap + reach, "delong", p
    found = paired.contrast(areas, covariance, "delong", 0.8, margin)
    assert found[:3] == pytest.approx(expected[:3]) and found[3] == "delong"
    assert found.p == pytest.approx(p)
    assert paired.auc_difference(LABELS, P, OTHER, 0.8, margin) == found
    usual = paired.auc_difference(LABELS, P, OTHER)
    assert usual == paired.contrast(areas, covariance, "delong", 0.95, 0.0)
    assert usual == paired.contrast(areas, covariance, "delong")
    same = paired.contrast(areas, np.ones((2, 2)), "delong")
    assert same.value == gap and same.ci_method == "none"
    assert np.isnan([same.ci_low, same.ci_high, same.p]).all()


def test_brier_scores_are_compared_by_students_paired_t():
    losses = (P - LABELS) ** 2, (OTHER - LABELS) ** 2
    test = stats.ttest_rel(*losses)
    expected = np.mean(losses[0] - losses[1]), *test.confidence_interval(0.8), test.pvalue
    found = paired.brier_difference(LABELS, P, OTHER, 0.8)
    assert (*found[:3], found.p) == pytest.approx(tuple(map(float, expected)))
    assert found.ci_method == "paired-t"
    same = paired.brier_difference(LABELS, P, P)
    assert same.value == 0 and same.ci_method == "none" and np.isnan([*same[1:3], same.p]).all()


def test_every_row_of_the_measures_is_what_its_function_says():
    drawn = resampling.draw(LABELS == 1, 100, seed=1)
    table = measures.metrics_table(LABELS, P, {"half": 0.5}, 0.8, drawn)
    assert set(table.n) == {N} and set(table.events) == {LABELS.sum()}
    by = table.set_index(["metric", "ci_method"])
    both = ["value", "ci_low", "ci_high"]
    assert by.loc[("auc", "delong-logit-t"), both].tolist() == list(
        discrimination.auc_interval(LABELS, P, 0.8)[:3]
    )
    (auc,), ((variance,),) = discrimination.delong(LABELS, P)
    for method, on_logit in (("delong", False), ("delong-logit", True)):
        expected = discrimination.delong_interval(auc, variance, 0.8, on_logit)
        assert by.loc[("auc", method), both].tolist() == list(expected)
    fitted = calibration.calibration(LABELS, P, 0.8).set_index("metric")
    for name in ("calibration_slope", "calibration_intercept", "o_over_e"):
        assert by.loc[(name, "wald"), both].tolist() == fitted.loc[name, both].tolist()
    assert table.groupby("metric").ci_method.agg(set)["brier"] == {"bootstrap"}
    again = table[table.ci_method == "bootstrap"].set_index("metric")
    assert set(again.resamples) == {100} and again.ci_low.notna().all()
    assert again.resampling["ppv"] != again.resampling["sensitivity"]
    closed = measures.metrics_table(LABELS, P, {}, 0.8)
    assert closed[closed.metric == "brier"].ci_method.tolist() == ["none"]
    for scores in (P + 1, P - 1, 2 * P):  # not probabilities: only ranked
        assert set(measures.metrics_table(LABELS, scores, {}, 0.8).metric) == {"auc"}
    edges = np.where(LABELS == 1, 1.0, P.round(1))
    edges[:3] = [1.0, 0.0, 1.0]
    assert "brier" in set(measures.metrics_table(LABELS, edges, {}, 0.8).metric)


def test_expected_counts_of_five_take_chi_square_and_below_fishers():
    five, fewer = np.array([[5, 5], [5, 5]]), np.array([[4, 5], [5, 5]])
    assert group_tests.categorical_test(five, 0)[0] == "chi-square"
    assert group_tests.categorical_test(fewer, 0)[0] == "Fisher"
    six = np.array([[4, 7], [7, 4]])  # expected 5.5 everywhere
    plain = stats.chi2_contingency(six, correction=False).pvalue
    assert group_tests.categorical_test(np.vstack([six, [0, 0]]), 0) == ("chi-square", plain)
    for nothing in ([[3, 4]], [[0, 5], [0, 7]], [[3, 4], [0, 0]]):
        test, p = group_tests.categorical_test(np.array(nothing), 0)
        assert test == "" and np.isnan(p)
    assert group_tests.categorical_test(np.array([[1, 9], [0, 6]]), 0)[0] == "Fisher"


def test_clear_thresholds_are_those_of_the_band_by_hand():
    """Each difference by its own spread, the largest standardised one over all thresholds."""
    at = np.array([0.1, 0.3, 0.5, 0.7])
    strong = expit(2.5 * (LABELS - 0.4) + 0.6 * RNG.normal(size=N))
    drawn = resampling.draw(LABELS == 1, 300, seed=3)

    def benefit(score, rows):
        y, s = LABELS[rows], score[rows]
        return [((s >= t) * np.where(y == 1, 1, -t / (1 - t))).mean() for t in at]

    others = [np.full(N, 9.0), np.full(N, -9.0), OTHER]
    rows = [np.repeat(np.arange(N), weights) for weights in drawn.free]

    def gaps(rows):
        mine = benefit(strong, rows)
        return np.concatenate([np.subtract(mine, benefit(other, rows)) for other in others])

    found, values = gaps(np.arange(N)), np.array([gaps(r) for r in rows])
    spread = values.std(axis=0, ddof=1)
    largest = np.nanmax(np.abs(values - found) / np.where(spread > 0, spread, np.nan), axis=1)
    low = found - np.quantile(largest, 0.8) * spread
    clear = ((low > 0) & (spread > 0)).reshape(3, 4).all(axis=0)
    expected = at[clear].tolist()
    got = decision.clear_thresholds(LABELS, strong, {"x": OTHER}, at, drawn, 0.8).tolist()
    assert 0 < len(expected) < 4 and got == expected
