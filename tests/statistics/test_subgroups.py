"""Groups, baselines, hospitals and sample size: tests between groups, red sentences, Riley."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import subgroups
from radiogenomics.statistics.calibration import calibration
from radiogenomics.statistics.discrimination import auc_interval, delong
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


@pytest.mark.filterwarnings("error")
def test_scores_without_spread_have_no_test_of_interaction():
    labels = np.array([0, 1] * 30)
    parts = np.repeat(["a", "b"], 30)
    halves = np.array([0.25, 0.75, 0.75, 0.25] * 7 + [0.5] * 32)  # group b at their mean
    tiny = np.full(60, 1e-15) * np.arange(1, 61), 1e-200 * np.arange(60) - 1e-199
    for scores in (*tiny, np.full(60, 0.1), halves):
        assert np.isnan(subgroups.interaction(labels, scores, parts))


def test_small_groups_take_part_in_no_test():
    labels, score = scored(120)
    parts = np.array(["a"] * 60 + ["b"] * 51 + ["c"] * 9)
    without = parts != "c"
    assert subgroups.interaction(labels, score, parts) == pytest.approx(
        subgroups.interaction(labels[without], score[without], parts[without]), abs=1e-9
    )


def test_every_column_of_a_group_is_what_its_function_says():
    labels, score = scored(200)
    score[:2] = 0.0, 1.0  # still probabilities
    models = pd.DataFrame({"m": score, "higher": 1.5 * score}, dtype=object)
    by = pd.DataFrame({"sex": RNG.choice(["f", "m"], 200), "side": RNG.choice(["l", "r"], 200)})
    found = subgroups.subgroup_table(labels, models, by, 0.8, cutoffs={"m": 0.4})
    assert len(found) == 8 and found[found.model != "m"].o_over_e.isna().all()
    assert found.columns[: len(subgroups.COLUMNS)].tolist() == subgroups.COLUMNS
    for (_, variable), rows in found.groupby(["model", "variable"]):
        aucs = []
        for row in rows.itertuples():
            values = models[row.model].to_numpy(float)
            inside = (by[variable] == row.group).to_numpy()
            expected = auc_interval(labels[inside], values[inside], 0.8)
            assert (row.auc, row.ci_low, row.ci_high, row.ci_method) == expected
            aucs.append((row.auc, delong(labels[inside], values[inside])[1].item()))
            if row.model == "m":
                fits = calibration(labels[inside], values[inside], 0.8).set_index("metric")
                for name in ("o_over_e", "calibration_in_the_large"):
                    mine = [getattr(row, name + end) for end in ("", "_low", "_high")]
                    assert mine == fits.loc[name].tolist()
                hit = (values[inside & (labels == 1)] >= 0.4).mean()
                assert (row.threshold, row.sensitivity) == (0.4, pytest.approx(hit))
        (one, of_one), (two, of_two) = aucs  # of two groups: the z test, squared
        errors = of_one / (one * (1 - one)) ** 2 + of_two / (two * (1 - two)) ** 2
        p = stats.chi2.sf((logit(one) - logit(two)) ** 2 / errors, 1)
        assert rows.p_heterogeneity.to_numpy() == pytest.approx([p, p])
        x = logit(np.clip(values, 1e-12, 1 - 1e-12)) if row.model == "m" else values
        p = rao(labels, x, by[variable])
        assert rows.p_interaction.to_numpy() == pytest.approx([p, p], rel=1e-6)


def test_a_group_without_a_label_has_no_auc_and_with_one_patient_of_it_it_has():
    for events in (0, 1):
        labels = np.repeat([1, 0], [events, 20])
        row = subgroups._group(labels, RNG.random(len(labels)), 0.95, True)
        assert ("auc" in row) == events and (row["flag"] == "one label only") == (events == 0)
    rows = [{"auc": 0.6, "variance": 0.002}, {"auc": 0.8, "variance": 0.002}]
    assert subgroups.heterogeneity([*rows, {"auc": 0.7}]) == subgroups.heterogeneity(rows)


def test_groups_begin_at_their_edges_and_keep_the_patients_names():
    patients = pd.DataFrame(
        {
            "age": [54, 55, 64, 65, 80, 20, np.nan],
            "size": [1.0, 2, 3, 4, 5, 6, 7],
            "six": [1, 2, 3, 4, 5, 6, 6],
            "gap": [1.0, 2, 3, 4, 5, np.nan, 7],
            "same": ["x"] * 7,
        },
        index=list("abcdefg"),
    )
    found = subgroups.groups(patients, ("age", "size", "six", "gap", "same"))
    assert found.index.tolist() == list("abcdefg") and "same" not in found
    young, middle, old = (name for *_, name in subgroups.AGES)
    assert found.age.tolist() == [young, middle, middle, old, old, young, subgroups.UNKNOWN]
    assert found["size"].tolist() == ["under 4"] * 3 + ["4 and over"] * 4
    assert found.six.tolist() == list("1234566")  # as few values as this stay as they are
    assert found.gap.tolist() == ["1", "2", "3", "4", "5", subgroups.UNKNOWN, "7"]
    train = pd.DataFrame({"size": np.arange(8.0), "gap": np.arange(8.0)})
    halved = subgroups.groups(patients, ("size", "gap"), train)
    assert halved["size"].tolist() == ["under 3.5"] * 3 + ["3.5 and over"] * 4
    assert halved.gap["f"] == subgroups.UNKNOWN and halved.gap.nunique() == 3
    assert subgroups.groups(patients, ("same",)).index.tolist() == list("abcdefg")


def test_one_label_and_unknown_values_are_told():
    labels, score = np.array([0, 1] * 20 + [1] * 5), np.linspace(0.1, 0.9, 45)
    stage = pd.Series(["I", "I", "II", "II"] * 10 + ["IV"] * 4 + [np.nan])
    by = subgroups.groups(pd.DataFrame({"stage": stage}), ("stage",))
    table = subgroups.subgroup_table(labels, pd.DataFrame({"m": score}), by).set_index("group")
    assert table.flag["IV"] == "one label only" and np.isnan(table.auc["IV"])
    assert table.n["not known"] == 1


def rao(labels, x, part):
    """Return p of Rao's test of x × group on statsmodels' fit of x and group."""
    dummies = pd.get_dummies(part).to_numpy(float)[:, 1:]
    null = np.column_stack([np.ones(len(x)), x, dummies])
    p = sm.GLM(labels, null, family=sm.families.Binomial()).fit(tol=1e-12).fittedvalues
    more = np.column_stack([null, x[:, np.newaxis] * dummies])
    u, information = more.T @ (labels - p), more.T @ (more * (p * (1 - p))[:, np.newaxis])
    return stats.chi2.sf(u @ np.linalg.solve(information, u), dummies.shape[1])


def test_interaction_is_the_score_test_of_statsmodels():
    labels, score = scored(300)
    part = RNG.choice(["a", "b", "c"], 300)
    assert subgroups.interaction(labels, score, part) == pytest.approx(
        rao(labels, logit(score), part), rel=1e-6
    )
    for ends in ([0.0, 0.7], [0.2, 1.0], [0.0, 1.0]):  # 0 and 1 are still probabilities
        edged = np.append(score[:-2], ends)
        x = logit(np.clip(edged, 1e-12, 1 - 1e-12))
        assert subgroups.interaction(labels, edged, part) == pytest.approx(
            rao(labels, x, part), rel=1e-6
        )
    for scores in (score + 0.5, score - 0.5):  # up to 1.5 and down to -0.5: none
        expected = rao(labels, scores, part)
        for scale in (1, 1e9) if scores.max() > 1 else (1e-9, 1e-3, 1, 1e9):
            found = subgroups.interaction(labels, scale * scores, part)
            assert found == pytest.approx(expected, rel=1e-6)
        found = subgroups.interaction(labels, scores + 1e6, part)
        assert found == pytest.approx(expected, rel=1e-5)


def test_ten_patients_of_each_label_take_part_in_the_tests_and_nine_do_not():
    labels, score = scored(120)
    rest = np.repeat(["a", "b"], 60)
    for events, others in ((10, 30), (30, 10), (9, 30), (30, 9)):
        more = np.repeat([1, 0], [events, others])
        three = np.append(labels, more), np.append(score, RNG.random(len(more)))
        part = np.append(rest, ["c"] * len(more))
        if whole := min(events, others) == 10:
            expected = rao(three[0], logit(three[1]), part)
        else:
            expected = rao(labels, logit(score), rest)
        assert subgroups.interaction(*three, part) == pytest.approx(expected, rel=1e-6)
        flag = subgroups._group(more, three[1][120:], 0.95, False)["flag"]
        assert flag == "" if whole else flag.startswith("under 10")


@pytest.mark.parametrize(("small", "counted"), [(0.9e-9, False), (1.5e-9, True)])
def test_a_column_adds_something_from_a_share_of_the_largest(small, counted):
    """Of orthogonal columns and as many events as others the test is a sum of squares by hand."""
    signs = np.array(np.meshgrid(*[[-1.0, 1]] * 5)).reshape(5, 32)
    labels = (signs[:3].sum(axis=0) > 0).astype(int)
    columns = signs[[0, 1, 2]] * [[10], [10], [10 * np.sqrt(small)]]
    parts = (columns @ (labels - 0.5)) ** 2 / ((columns**2).sum(axis=1) / 4)
    kept = parts if counted else parts[:2]
    found = subgroups._rao(labels, np.ones((32, 1)), columns.T)
    assert found == pytest.approx(stats.chi2.sf(kept.sum(), len(kept)))


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
