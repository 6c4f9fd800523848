"""Statistics against R's pROC and rms and against dcurves; edge cases; properties."""

import json
import time
import timeit
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radiogenomics.statistics import (
    calibration,
    decision,
    discrimination,
    measures,
    resampling,
    roc,
)

REFERENCE = Path(__file__).parents[1] / "reference"
TABLE = pd.read_csv(REFERENCE / "b_cont_n528.csv")
LABELS = TABLE.y.to_numpy()
ROC = json.loads((REFERENCE / "roc_b_cont.json").read_text())
MODELS = ("p1", "p2", "p3")


def score(model):
    return TABLE[model].to_numpy()


@pytest.mark.parametrize("model", MODELS)
def test_auc_and_intervals_are_procs(model):
    expected = ROC["single"][model]
    auc, covariance = discrimination.delong(LABELS, score(model))
    assert auc[0] == pytest.approx(expected["auc"], abs=1e-12)
    assert covariance[0, 0] == pytest.approx(expected["var_delong"], abs=1e-12)
    low, middle, high = expected["ci95_delong_lo_auc_hi"]
    found = auc.item(), covariance.item()
    plain, on_logit = (discrimination.delong_interval(*found, on_logit=on) for on in (False, True))
    assert plain == pytest.approx((middle, low, high), abs=1e-9)
    assert on_logit[1:] == pytest.approx(expected["ci95_delong_logit"], abs=1e-9)
    low, middle, high = expected["ci90_delong_lo_auc_hi"]
    assert discrimination.delong_interval(*found, 0.9)[1:] == pytest.approx((low, high), abs=1e-9)
    quoted = discrimination.auc_interval(LABELS, score(model))
    assert quoted[1:3] == pytest.approx(expected["ci95_delong_logit"], abs=2e-3)
    assert quoted[1] < on_logit[1] and quoted[2] > on_logit[2] and quoted[3] == "delong-logit-t"


@pytest.mark.parametrize("pair", sorted(ROC["pairs"]))
def test_paired_test_is_procs(pair):
    a, b = (score(name) for name in pair.split("_vs_"))
    expected = ROC["pairs"][pair]
    z, p = discrimination.delong_test(LABELS, a, b)
    assert z == pytest.approx(expected["paired_delong"]["statistic"], abs=1e-9)
    assert p == pytest.approx(expected["paired_delong"]["p"], rel=1e-8)
    covariance = discrimination.delong(LABELS, np.stack([a, b]))[1][0, 1]
    assert covariance == pytest.approx(expected["cov_delong"], abs=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_youden_and_wilson_are_rs(model):
    expected = ROC["single"][model]
    threshold = roc.youden_threshold(LABELS, score(model))
    counts = discrimination.confusion(LABELS, score(model), threshold)
    assert counts in [{k: best[k] for k in counts} for best in expected["youden_best"]]
    for key in ("youden_sens_ci", "youden_spec_ci", "youden_acc_ci"):
        e = expected[key]
        assert discrimination.wilson(e["k"], e["n"])[1:] == pytest.approx(e["wilson95"], abs=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_confusion_counts_are_procs_at_every_threshold(model):
    expected = ROC["single"][model]
    for at in [*expected["at_threshold_0.5"], *expected["at_given_thresholds"]]:
        counts = discrimination.confusion(LABELS, score(model), at["threshold"])
        assert counts == {k: at[k] for k in counts}
        rows = measures.metrics_table(LABELS, score(model), {"it": at["threshold"]})
        found = rows[rows.threshold_rule == "it"].set_index("metric").value
        for name in ("sensitivity", "specificity", "accuracy", "ppv", "npv"):
            assert found[name] == pytest.approx(at[name], abs=1e-12)
        sensitivity, specificity = at["sensitivity"], at["specificity"]
        assert found["lr_plus"] == pytest.approx(sensitivity / (1 - specificity))
        assert found["lr_minus"] == pytest.approx((1 - sensitivity) / specificity)


def test_of_tied_youden_points_the_lowest_threshold_is_taken():
    """Sensitivity + specificity is the same at 0.3 and at 0.7; pROC prints both."""
    labels = np.array([0, 0, 1, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
    points = roc.roc_points(labels, scores).set_index("threshold")
    index = points.tpr - points.fpr
    assert index[0.3] == pytest.approx(index.max()) == pytest.approx(index[0.7])
    assert roc.youden_threshold(labels, scores) == 0.3


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wanted", [0.5, 0.9, 1.0])
def test_fixed_sensitivity_is_reached_by_the_highest_threshold(model, wanted):
    found = roc.sensitivity_threshold(LABELS, score(model), wanted)
    positives = np.sort(score(model)[LABELS == 1])
    enough = [t for t in positives if (positives >= t).mean() >= wanted]
    assert found == max(enough)
    counts = discrimination.confusion(LABELS, score(model), found)
    assert counts["tp"] >= wanted * LABELS.sum() > counts["tp"] - 1


def test_likelihood_ratios_have_the_log_intervals_of_simel():
    """The formula by hand: 217 of 260 and 59 of 268, pROC's counts at p1's Youden point."""
    best = ROC["single"]["p1"]["youden_best"][0]
    table = measures.metrics_table(LABELS, score("p1"), {"y": best["threshold"]})
    row = table[table.metric == "lr_plus"].iloc[0]
    tp, fp, m, n = best["tp"], best["fp"], 260, 268
    ratio = (tp / m) / (fp / n)
    spread = 1.959963984540054 * np.sqrt(1 / tp - 1 / m + 1 / fp - 1 / n)
    found = (row.value, row.ci_low, row.ci_high)
    assert found == pytest.approx((ratio, ratio * np.exp(-spread), ratio * np.exp(spread)))


def test_resamples_without_false_positives_count_as_infinite():
    """One false positive of 20: in 36% of resamples it is not drawn, which is no gap."""
    labels = np.repeat([0, 1], 20)
    scores = np.append(np.append(np.full(19, 0.1), 0.8), np.linspace(0.6, 0.9, 20))
    drawn = resampling.draw(labels.astype(bool), 2000, 1)
    table = measures.metrics_table(labels, scores, {"half": 0.5}, drawn=drawn)
    row = table[(table.metric == "lr_plus") & (table.ci_method == "bootstrap")].iloc[0]
    assert row.value == pytest.approx(20) and row.ci_high == np.inf
    assert row.ci_low == pytest.approx(20 / 3, abs=3)
    assert resampling.percentile_interval(np.full(9, np.inf), 0.95) == (np.inf, np.inf)
    assert resampling.percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5, 95))


@pytest.mark.parametrize("model", MODELS)
def test_calibration_is_rs(model):
    expected = json.loads((REFERENCE / "calibration_b.json").read_text())[model]
    found = calibration.calibration(LABELS, score(model)).set_index("metric")
    names = {
        "calibration_slope": "calibration_slope",
        "calibration_intercept": "calibration_intercept_joint",
        "calibration_in_the_large": "calibration_in_the_large_offset",
        "o_over_e": "O_over_E",
        "brier": "brier",
        "brier_scaled": "brier_scaled",
    }
    for ours, rs in names.items():
        assert found.value[ours] == pytest.approx(expected[rs], rel=1e-6)
    slope = found.loc["calibration_slope", ["ci_low", "ci_high"]].tolist()
    assert slope == pytest.approx(expected["slope_ci_wald"], abs=1e-5)


def test_edge_cases_have_stated_answers():
    labels = np.array([0, 0, 0, 1, 1, 1])
    perfect = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    end = 0.025 ** (1 / 3)
    *found, method = discrimination.auc_interval(labels, perfect)
    assert found == pytest.approx([1, end, 1]) and method == "exact"
    *found, method = discrimination.auc_interval(labels, -perfect)
    assert found == pytest.approx([0, 0, 1 - end]) and method == "exact"
    auc, low, high, method = discrimination.auc_interval(labels, np.full(6, 0.5))
    assert auc == 0.5 and np.isnan([low, high]).all() and method == "none"
    assert discrimination.delong_test(labels, perfect, perfect**2) == (0, 1)
    assert np.isnan(discrimination.delong_test(labels, perfect, 1 - perfect)).all()
    for pair in ((perfect, np.full(6, 0.5)), (np.full(6, 0.5), perfect)):
        z, p = discrimination.delong_test(labels, *pair)
        assert np.isnan(z) and p == pytest.approx(0.1)  # 2 of the 20 ways to give out the labels
    one = discrimination.auc_interval(np.array([0, 0, 0, 1]), np.array([0.1, 0.4, 0.2, 0.3]))
    assert one[0] == pytest.approx(2 / 3) and np.isnan(one[1])
    table = measures.metrics_table(labels, perfect, {"half": 0.5}).set_index("metric")
    assert np.isnan(table.value["calibration_slope"]) and table.value["lr_plus"] == np.inf
    nobody = measures.metrics_table(labels, perfect, {"high": 0.95}).set_index("metric")
    assert np.isnan(nobody.value["lr_plus"]) and nobody.value["lr_minus"] == 1


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([1, 1], [0.1, 0.2], "Expected: both"),
        ([0, 2], [0.1, 0.2], "Expected: 0 and 1"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "1 scores are not finite"),
        ([0, 1], [0.1, 0.2, 0.3], "3 scores for 2 labels"),
        ([0, 1, "x"], [0.1, 0.2, 0.3], "Expected: 0 and 1"),
        ([0, 1], ["low", "high"], "not numbers"),
    ],
)
def test_bad_input_is_refused(labels, scores, says):
    with pytest.raises(discrimination.EvaluationError, match=says):
        discrimination.delong(np.array(labels, dtype=object), np.array(scores))
    with pytest.raises(discrimination.EvaluationError, match=says):
        measures.metrics_table(labels, scores, {})


def test_one_patient_of_each_label_has_an_auc_and_no_covariance():
    aucs, covariance = discrimination.delong([0, 1], [[0.1, 0.4], [0.4, 0.1]])
    assert aucs.tolist() == [1, 0]
    assert covariance.shape == (2, 2) and np.isnan(covariance).all()


def test_one_model_alone_is_compared_with_nobody():
    table = discrimination.delong_table([0, 1, 1], pd.DataFrame({"a": [0.1, 0.2, 0.3]}))
    assert table.empty and "p_holm" in table


def test_unpaired_scores_are_refused_by_model_and_patient():
    scores = pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.1, np.nan, 0.3]}, index=["x", "y", "z"])
    with pytest.raises(
        discrimination.EvaluationError, match="model b lacks the scores of 1 patients: y"
    ):
        discrimination.delong_table(np.array([0, 1, 1]), scores)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [0, 1, 1, 1], [0] * 30 + [1]])
@pytest.mark.parametrize("kind", ["rising", "falling", "constant", "ends"])
@pytest.mark.filterwarnings("error")
def test_few_patients_make_numbers_and_no_noise(labels, kind):
    labels = np.array(labels)
    scores = {
        "rising": np.linspace(0.1, 0.9, len(labels)),
        "falling": np.linspace(0.9, 0.1, len(labels)),
        "constant": np.full(len(labels), 0.5),
        "ends": labels.astype(float),
    }[kind]
    drawn = resampling.draw(labels.astype(bool), 200, 1)
    table = measures.metrics_table(labels, scores, {"half": 0.5}, drawn=drawn)
    assert table.value[table.metric == "auc"].notna().all()
    calibration.smooth_curve(labels, scores)
    calibration.grouped_curve(labels, scores)
    roc.roc_band(labels, scores, drawn)


def test_delong_of_a_hundred_thousand_patients_takes_no_time():
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 2, 100_000), rng.normal(size=100_000)
    took = min(timeit.repeat(lambda: discrimination.delong(labels, scores), number=1, repeat=5))
    assert took < 1  # counting all pairs takes far longer


def test_youden_is_the_maximum_though_another_is_near():
    """From 0.9 to 0.5 one patient of each label is added: J falls by 1 / 20,000 - 1 / 20,001."""
    positives = np.repeat([0.9, 0.5, 0.1], [15_000, 1, 5000])
    negatives = np.repeat([0.9, 0.5, 0.1], [4000, 1, 15_999])
    labels = np.repeat([1, 0], [20_001, 20_000])
    assert roc.youden_threshold(labels, np.concatenate([positives, negatives])) == 0.9


def test_bootstrap_of_six_models_and_two_cohorts_takes_seconds():
    start = time.process_time()
    for cohort, n in enumerate((528, 132)):
        rng = np.random.default_rng(cohort)
        labels = rng.integers(0, 2, n)
        drawn = resampling.draw(labels.astype(bool), 2000, 1)
        for _ in range(6):
            scores = np.clip(0.3 * labels + 0.7 * rng.random(n), 0, 1)
            measures.metrics_table(labels, scores, {"half": 0.5}, drawn=drawn)
    assert time.process_time() - start < 20  # 4 s where the machine is idle


def test_unbounded_scores_are_ranked_only():
    labels, scores = np.array([0, 1, 0, 1]), np.array([-3.0, 2, 1, 5])
    assert discrimination.auc_interval(labels, scores)[0] == 1
    for beyond in (scores, [0.1, 0.4, 0.2, 1.5], [-0.1, 0.4, 0.2, 0.9]):
        with pytest.raises(discrimination.EvaluationError, match="for AUC only"):
            calibration.calibration(labels, np.array(beyond))
    with pytest.raises(discrimination.EvaluationError, match="decision curves"):
        decision.decision_curve(labels, pd.DataFrame({"m": scores}))


@pytest.mark.parametrize(("digits", "share"), [(2, 0.85), (8, 0.35)])
def test_corners_are_fewer_points_of_the_same_curve(digits, share):
    whole = roc.roc_points(LABELS, score("p1").round(digits))
    kept = roc.corners(whole)
    assert len(kept) < share * len(whole)
    assert np.allclose(np.interp(whole.tpr + whole.fpr, kept.tpr + kept.fpr, kept.tpr), whole.tpr)
    assert np.trapezoid(kept.tpr, kept.fpr) == pytest.approx(np.trapezoid(whole.tpr, whole.fpr))


def test_band_of_a_large_cohort_hardly_differs_from_that_of_all_its_points(monkeypatch):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 5000)
    scores = labels + rng.normal(size=5000)
    drawn = resampling.draw(labels.astype(bool), 100, 1)
    quick = roc.roc_band(labels, scores, drawn)
    monkeypatch.setattr(roc, "MANY", 10_000)
    whole = roc.roc_band(labels, scores, drawn)
    assert np.abs(quick - whole)[["tpr_low", "tpr_high"]].to_numpy().max() < 0.005


@pytest.mark.parametrize("points", [None, 13])
def test_the_band_is_that_of_every_resamples_own_curve(monkeypatch, points):
    """The weighted shares at or above each cut, joined by straight lines; of `points` or all."""
    rng = np.random.default_rng(6)
    labels = np.repeat([1, 0, 1], [1, 22, 17])
    scores = np.append(-9.0, (labels[1:] + rng.normal(size=39)).round(1))  # the last cut is of a 1
    cuts = np.unique(scores)[::-1]
    monkeypatch.setattr(roc, "MANY", len(cuts))
    if points:
        assert (len(cuts) - 2) % (len(cuts) // points) == 0  # the last but one is taken
        monkeypatch.setattr(roc, "MANY", len(cuts) - 1)
        monkeypatch.setattr(roc, "POINTS", points)
        cuts = np.append(cuts[:-1][:: len(cuts) // points], cuts[-1])
    monkeypatch.setattr(resampling, "BLOCK", 1000)
    drawn = resampling.draw(labels == 1, 60, 1)
    grid, curves = np.linspace(0, 1, 101), []
    for weights in drawn.stratified:
        rates = []
        for value in (0, 1):
            mine = weights * (labels == value)
            rates.append([0] + [mine[scores >= cut].sum() / mine.sum() for cut in cuts])
        curves.append(np.interp(grid, *rates))
    edges = np.quantile(curves, [0.1, 0.9], axis=0)
    found = roc.roc_band(labels, scores, drawn, 0.8)
    for name, edge in zip(["tpr_low", "tpr_high"], edges, strict=True):
        assert found[name].to_numpy() == pytest.approx(np.interp(found.fpr, grid, edge))


def test_bootstrap_rows_are_percentiles_of_the_drawn_patients():
    positive, drawn = LABELS == 1, resampling.draw(LABELS == 1, 150, 3)
    at = np.sort(score("p2"))[250]  # a score that is observed: its patient is called positive
    table = measures.metrics_table(positive, score("p2"), {"it": at}, 0.8, drawn)
    assert table.index.tolist() == list(range(len(table)))
    assert set(table) == {*measures.COLUMNS, "n", "events", "resamples", "resampling"}
    again = table[table.ci_method == "bootstrap"].set_index("metric")
    assert sorted(again.index) == sorted(measures.NAMES)
    of_rule = again.threshold_rule == "it"
    assert set(again.index[of_rule]) == set(measures.AT_THRESHOLD)
    assert (table.threshold_rule[~table.metric.isin(measures.AT_THRESHOLD)] == "").all()
    called = score("p2") >= at
    for name, picked, right in (
        ("sensitivity", positive, called), ("specificity", ~positive, ~called),
        ("ppv", called, positive), ("npv", ~called, ~positive),
    ):  # fmt: skip
        free = name in ("ppv", "npv")
        shares = [
            np.average(right, weights=picked * weights)
            for weights in (drawn.free if free else drawn.stratified)
        ]
        assert again.value[name] == pytest.approx(right[picked].mean())
        both = again.ci_low[name], again.ci_high[name]
        assert both == pytest.approx(tuple(np.quantile(shares, [0.1, 0.9])))
        assert again.resampling[name] == resampling.SCHEMES["free" if free else "stratified"]
    assert again.resampling["auc"] == resampling.SCHEMES["stratified"]
    assert again.resampling["brier"] == resampling.SCHEMES["free"]


@pytest.mark.parametrize(("labels", "told"), [
    ([1, 0, 0, 0, 0], False), ([0, 1, 1, 1, 1], False), ([1, 1, 0, 0], True),
])  # fmt: skip
def test_a_label_of_one_patient_has_no_bootstrap_interval(labels, told):
    scores = np.linspace(0.2, 0.7, len(labels))
    drawn = resampling.draw(np.array(labels) == 1, 100, 1)
    table = measures.metrics_table(labels, scores, {"low": 0.3}, drawn=drawn)
    rows = table[(table.ci_method == "bootstrap") & table.metric.isin(["auc", "sensitivity"])]
    assert len(rows) == 2 and (rows[["ci_low", "ci_high"]].notna() == told).all(axis=None)


def test_what_has_no_value_keeps_its_row_and_has_no_interval():
    labels = np.array([0, 0, 0, 1, 1, 1])
    drawn = resampling.draw(labels == 1, 100, 1)
    table = measures.metrics_table(labels, labels * 0.6 + 0.2, {"all": 0.1}, drawn=drawn)
    rows = table.set_index(["metric", "ci_method"])
    assert ("calibration_slope", "none") in rows.index and ("brier", "none") not in rows.index
    empty = rows[rows.value.isna()]
    assert {"calibration_slope", "npv", "lr_minus"} <= {metric for metric, _ in empty.index}
    assert empty[["ci_low", "ci_high"]].isna().all(axis=None)
    nothing = measures.Share(np.zeros(1), np.ones(1))
    assert measures.Ratio(nothing, nothing).interval(0.95)[2] == "wald"


def test_holm_is_rs():
    """p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") of R's stats."""
    assert discrimination.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )


@pytest.mark.parametrize("model", MODELS)
def test_bootstrap_is_near_procs(model):
    positive = LABELS.astype(bool)
    drawn = resampling.draw(positive, 2000, 7)
    table = measures.metrics_table(positive, score(model), {}, drawn=drawn)
    found = table[(table.metric == "auc") & (table.ci_method == "bootstrap")].iloc[0]
    low, _, high = ROC["single"][model]["boot_stratified"]["mean"]
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=0.006)


samples = st.integers(0, 2**31).map(np.random.default_rng)


@given(samples)
@settings(max_examples=50, deadline=None)
def test_auc_keeps_under_monotone_maps_and_turns_under_reversal(rng):
    labels = np.append([0, 1], rng.integers(0, 2, 30))
    scores = rng.integers(0, 10, 32) / 10
    auc = discrimination.delong(labels, scores)[0][0]
    assert discrimination.delong(labels, np.exp(3 * scores))[0][0] == pytest.approx(auc, abs=1e-12)
    assert discrimination.delong(labels, -scores)[0][0] == pytest.approx(1 - auc, abs=1e-12)
    assert discrimination.delong(1 - labels, scores)[0][0] == pytest.approx(1 - auc, abs=1e-12)


@given(samples)
@settings(max_examples=30, deadline=None)
def test_delong_is_symmetric_and_all_has_no_benefit_at_prevalence(rng):
    labels = np.append([0, 0, 1, 1], rng.integers(0, 2, 40))
    a, b = rng.random((2, 44))
    z, p = discrimination.delong_test(labels, a, b)
    assert discrimination.delong_test(labels, b, a) == pytest.approx((-z, p))
    at = decision.decision_curve(labels, pd.DataFrame({"a": a}), np.array([labels.mean()]))
    assert at[at.model == "all"].net_benefit.item() == pytest.approx(0, abs=1e-12)
