"""Table 1: its tests against R's, its counts, what is not known."""

import json
from pathlib import Path

import numpy as np
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
