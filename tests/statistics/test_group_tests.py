"""Table 1: its tests against R's, its counts, what is not known."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiogenomics.statistics import group_tests

R = json.loads((Path(__file__).parents[1] / "reference" / "table1.json").read_text())


@pytest.mark.parametrize("name", [k for k in R if "counts_wild_mutant" in R[k]])
def test_categorical_p_is_rs(name):
    counts = np.array(R[name]["counts_wild_mutant"])
    test, p = group_tests.categorical_test(counts, 1)
    assert test == "chi-square"
    assert p == pytest.approx(R[name]["chisq_pearson_nocorr"]["p"], rel=1e-10)


def test_small_expected_counts_take_fisher():
    counts = np.array([[3, 1], [1, 3]])
    test, p = group_tests.categorical_test(counts, 1)
    assert test == "Fisher" and p == pytest.approx(0.4857142857, abs=1e-9)  # R: fisher.test


@pytest.mark.parametrize("name", ["Lobe", "Stage"])
def test_fishers_test_of_larger_tables_is_rs(name):
    """Against R's exact p, by the simulation that small expected counts take."""
    test, p = group_tests.fisher(np.array(R[name]["counts_wild_mutant"]), 1)
    assert test == "Fisher, simulated"
    assert p == pytest.approx(R[name]["fisher_p"], abs=0.006)  # four standard errors


def test_small_expected_counts_of_larger_tables_take_fisher_with_the_seed():
    counts = np.array([[12, 9], [8, 11], [1, 4]])
    test, p = group_tests.categorical_test(counts, 1)
    assert (test, p) == group_tests.fisher(counts, 1) and p != group_tests.fisher(counts, 2)[1]


def test_fisher_of_a_handful_of_patients_has_a_p():
    assert 0 < group_tests.categorical_test(np.array([[2, 0], [0, 1], [0, 1]]), 1)[1] <= 1


def test_random_tables_are_a_hundred_thousand():
    """None of the random tables is as far apart as this one, which is counted itself."""
    assert group_tests.fisher(np.array([[20, 0], [0, 20], [20, 0]]), 1)[1] == pytest.approx(1e-5)


def test_ages_take_welchs_t_as_rs():
    """R's Welch test of these means, spreads and numbers; Student's p is 0.4481."""
    groups = []
    for mean, spread, n in ((57.91, 9.39, 335), (57.36, 9.22, 325)):
        z = np.linspace(-1, 1, n)
        values = np.append(mean + spread * z / z.std(ddof=1), np.nan)
        groups.append(pd.Series(values, name="age"))
    test, p = group_tests.continuous_test(*groups)
    assert test == "t" and p == pytest.approx(R["Age"]["welch"]["p"], rel=1e-9)


def test_other_numbers_take_mann_whitneys_u_as_rs():
    counts = np.array(R["Stage"]["counts_wild_mutant"])
    groups = [pd.Series(np.repeat([1, 2, 3, 4], side), name="stage") for side in counts.T]
    test, p = group_tests.continuous_test(*groups)
    expected = R["Stage"]["mannwhitney_on_ordinal_p_corr"]
    assert test == "Mann-Whitney" and p == pytest.approx(expected, rel=1e-9)
    two = pd.Series([1.0, 2, np.nan]), pd.Series([3.0, 4])
    assert group_tests.continuous_test(*two)[1] == pytest.approx(2 / 6)  # of six ways, two
    test, p = group_tests.continuous_test(two[0], pd.Series([3.0, np.nan]))
    assert test == "" and np.isnan(p)


def test_standardised_differences_are_those_of_yang_and_dalton():
    a, b = pd.Series([1.0, 2, 6, np.nan]), pd.Series([2.0, 7])
    spread = np.sqrt((7 + 12.5) / 2)  # variances of n - 1
    assert group_tests.standardised_difference(a, b) == pytest.approx(1.5 / spread)
    # two levels: that of two proportions
    a, b = pd.Series(["x"] * 3 + ["y"]), pd.Series(["x"] + ["y"] * 4)
    expected = (0.75 - 0.2) / np.sqrt((0.75 * 0.25 + 0.2 * 0.8) / 2)
    assert group_tests.standardised_difference(a, b) == pytest.approx(expected)
    # more, one of them in one group only: the distance of the indicators' means, another level out
    sides = pd.Series([*"aaabbc", None]), pd.Series(list("aabbbccd"))
    one, two = (np.array([list(side.dropna() == level) for level in "abc"]) for side in sides)
    gap = one.mean(axis=1) - two.mean(axis=1)
    covariance = (np.cov(one, bias=True) + np.cov(two, bias=True)) / 2
    expected = np.sqrt(gap @ np.linalg.solve(covariance, gap))
    assert group_tests.standardised_difference(*sides) == pytest.approx(expected)
    nobody = pd.Series([], dtype=object)
    for pair in ((nobody, sides[1]), (sides[0], nobody)):
        assert np.isnan(group_tests.standardised_difference(*pair))
