"""Groups, baselines, hospitals and sample size: tests between groups, red sentences, Riley."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import subgroups
from scipy import stats
from scipy.special import expit, logit
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

RNG = np.random.default_rng(8)


def scored(n, rng=RNG):
    labels = rng.integers(0, 2, n)
    return labels, expit(1.5 * (labels - 0.5) + rng.normal(size=n))


def test_groups_flag_few_events_and_keep_them():
    labels, score = scored(200)
    patients = pd.DataFrame({"sex": np.where(np.arange(200) < 15, "male", "female")})
    patients["age"] = RNG.integers(20, 90, 200)
    by = subgroups.groups(patients, ("sex", "age", "gone"))
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by)
    small = table[table.group == "male"].iloc[0]
    assert small.n == 15 and small.flag.startswith("under 10")
    assert set(table[table.variable == "age"].group) == {"under 55", "55 to 64", "65 and over"}
    assert table[table.variable == "sex"].n.sum() == 200 and np.isfinite(small.auc)


def test_models_that_are_only_ranked_have_no_calibration_in_any_group():
    labels, score = scored(100)
    by = pd.DataFrame({"sex": np.where(np.arange(100) < 50, "male", "female")})
    models = pd.DataFrame({"m": score, "logits": score})
    table = subgroups.subgroup_table(labels, models, by, ranked=["logits"]).set_index("model")
    assert table.o_over_e["m"].notna().all() and table.o_over_e["logits"].isna().all()
    assert table.auc.notna().all()


def test_long_codes_stay_apart_and_ages_stand_in_their_order():
    codes = pd.DataFrame({"scanner": [1234561.0, 1234562.0] * 50, "age": [40, 60, 70, 50] * 25})
    by = subgroups.groups(codes, ("scanner", "age"))
    assert set(by.scanner) == {"1234561", "1234562"}
    labels, score = scored(100)
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by)
    ages = table[table.variable == "age"].group.tolist()
    assert ages == ["under 55", "55 to 64", "65 and over"]


def test_scores_without_spread_have_no_test_of_interaction():
    labels = np.array([0, 1] * 30)
    parts = np.repeat(["a", "b"], 30)
    for scores in (np.full(60, 1e-15) * np.arange(1, 61), 1e-200 * np.arange(60) - 1e-199):
        assert np.isnan(subgroups.interaction(labels, scores, parts))


def test_small_groups_take_part_in_no_test():
    labels, score = scored(120)
    parts = np.array(["a"] * 60 + ["b"] * 51 + ["c"] * 9)
    without = parts != "c"
    assert subgroups.interaction(labels, score, parts) == pytest.approx(
        subgroups.interaction(labels[without], score[without], parts[without]), abs=1e-9
    )


def test_one_label_and_unknown_values_are_told():
    labels, score = np.array([0, 1] * 20 + [1] * 5), np.linspace(0.1, 0.9, 45)
    stage = pd.Series(["I", "I", "II", "II"] * 10 + ["IV"] * 4 + [np.nan])
    by = subgroups.groups(pd.DataFrame({"stage": stage}), ("stage",))
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by).set_index("group")
    assert table.flag["IV"] == "one label only" and np.isnan(table.auc["IV"])
    assert table.n["not known"] == 1


def test_interaction_is_the_score_test_of_statsmodels():
    labels, score = scored(300)
    part = RNG.choice(["a", "b", "c"], 300)
    dummies = np.column_stack([part == "b", part == "c"]).astype(float)
    x = logit(score)
    null = sm.GLM(labels, np.column_stack([np.ones(300), x, dummies]), sm.families.Binomial()).fit()
    theirs = null.score_test(exog_extra=x[:, np.newaxis] * dummies)
    assert subgroups.interaction(labels, score, part) == pytest.approx(theirs.pvalue[0], rel=1e-6)


def test_a_group_of_equal_scores_costs_no_degree_of_freedom():
    labels, score = scored(200)
    parts = np.repeat(["a", "b"], 100)
    more = np.array([0, 1] * 20)
    mine = subgroups.interaction(
        np.append(labels, more), np.append(score, np.full(40, 0.5)), np.append(parts, ["c"] * 40)
    )
    assert mine == pytest.approx(subgroups.interaction(labels, score, parts), rel=1e-9)
    for varying in ([], ["a"]):  # with scores that differ in one group at most nothing is tested
        for _ in range(20):
            level = np.where(parts == "a", 0.3, 0.6)
            level = np.where(np.isin(parts, varying), score, level)
            assert np.isnan(subgroups.interaction(RNG.permutation(labels), level, parts))
    separated = np.where(labels == 1, 0.9, 0.1) + RNG.uniform(0, 0.05, 200)
    assert np.isnan(subgroups.interaction(labels, separated, parts))


STAGES = (0.5, 0.15, 0.2, 0.15)
LOBES = (0.32, 0.06, 0.22, 0.26, 0.14)


@pytest.mark.parametrize(
    ("n", "shares"), [(132, (0.5, 0.5)), (132, STAGES), (132, LOBES), (528, LOBES)]
)
@pytest.mark.parametrize("slope", [1, 2])
def test_tests_between_groups_hold_their_level(n, shares, slope):
    rng = np.random.default_rng(4)
    found = {"q": [], "interaction": []}
    for _ in range(200):
        labels = rng.permutation(np.arange(n) < 0.46 * n).astype(int)
        score = expit(slope * (labels - 0.5) + rng.normal(size=n))
        part = rng.choice(len(shares), n, p=shares)
        rows = [
            subgroups._group(labels[part == g], score[part == g], 0.95, False)
            for g in range(len(shares))
        ]
        found["q"].append(subgroups.heterogeneity(rows))
        found["interaction"].append(subgroups.interaction(labels, score, part))
    for name, p in found.items():
        assert np.mean(np.isfinite(p)) > 0.8, name
        assert 0.02 <= np.mean(np.array(p)[np.isfinite(p)] < 0.05) <= 0.08, name


def test_tests_between_groups_find_a_difference():
    rng = np.random.default_rng(4)
    rows = [{"auc": 0.9, "variance": 0.001}, {"auc": 0.6, "variance": 0.004}]
    apart = logit(0.9) - logit(0.6)  # of two groups: the z test of the difference, squared
    theirs = stats.chi2.sf(apart**2 / (0.001 / 0.09**2 + 0.004 / 0.24**2), 1)
    assert subgroups.heterogeneity(rows) == pytest.approx(theirs)
    labels, score = scored(600, rng)
    part = np.where(np.arange(600) < 300, "a", "b")
    turned = np.where(part == "a", score, 1 - score)
    assert subgroups.interaction(labels, turned, part) < 1e-6


def test_numbers_that_are_names_are_not_halved():
    hospital = pd.Series(np.tile(np.arange(1, 9), 10), name="hospital")
    by = subgroups.groups(pd.DataFrame({"hospital": hospital}), ("hospital",))
    assert set(by.hospital) == {str(i) for i in range(1, 9)}
    numbers = hospital.astype(float).rename("thickness_mm")
    halves = subgroups.groups(pd.DataFrame({"thickness_mm": numbers}), ("thickness_mm",))
    assert set(halves.thickness_mm) == {"under 4.5", "4.5 and over"}


def test_hits_at_a_cutoff_and_no_calibration_interval_of_few():
    labels = np.array([1, 1, 1, 0] + [1, 0] * 20)
    score = np.r_[[0.9, 0.2, 0.8, 0.1], RNG.random(40)]
    by = pd.DataFrame({"hospital": ["A"] * 4 + ["B"] * 40})
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by, cutoffs={"m": 0.5})
    few, many = table.iloc[0], table.iloc[1]
    assert few.sensitivity == pytest.approx(2 / 3) and few.specificity == 1
    low, high = proportion_confint(2, 3, method="wilson")
    assert (few.sensitivity_low, few.sensitivity_high) == pytest.approx((low, high))
    calibrated = ["o_over_e", "calibration_in_the_large"]
    edges = [f"{name}_{side}" for name in calibrated for side in ("low", "high")]
    assert few[edges].isna().all() and few[calibrated].notna().all() and many[edges].notna().all()
    assert (few.calibration_ci_method, many.calibration_ci_method) == ("none", "wald")
    assert few.ci_low <= 0.5 <= few.ci_high or np.isnan(few.ci_low)


def test_both_tests_are_corrected_over_a_models_variables():
    n = 400
    labels, score = RNG.integers(0, 2, n), RNG.random(n)
    by = pd.DataFrame({v: RNG.choice(["a", "b"], n) for v in ("sex", "lobe", "stage")})
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by)
    once = table.drop_duplicates("variable")
    for test in ("p_heterogeneity", "p_interaction"):
        theirs = multipletests(once[test], method="holm")[1]
        assert once[f"{test}_holm"].to_numpy() == pytest.approx(theirs)
