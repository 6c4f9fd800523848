"""Pairs of models: the given answers, statsmodels' McNemar, coverage of Newcombe's interval."""

import numpy as np
import pytest
from radiogenomics.statistics import paired
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

RNG = np.random.default_rng(6)


@pytest.mark.parametrize("n", [10, 60, 400])
def test_mcnemar_is_statsmodels(n):
    a, b = RNG.random(n) < 0.7, RNG.random(n) < 0.5
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    found, mid = paired.proportion_difference(a, b)
    assert found.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.value == pytest.approx(a.mean() - b.mean()) and mid < found.p


def test_equal_discordance_and_no_patient():
    a = np.array([1, 0, 1, 1], bool)
    found, mid = paired.proportion_difference(a, np.array([0, 1, 1, 1], bool))
    assert found.value == 0 and found.p == 1 and mid == pytest.approx(0.75)
    nobody = paired.proportion_difference(a[:0], a[:0])
    gap, *edges, method, p = nobody[0]
    assert method == "none" and np.isnan([gap, *edges, p, nobody[1]]).all()


def test_newcombe_is_the_printed_example():
    """Newcombe 1998, Table III, (a) 36, 12, 2, 0 and (d) 29, 0, 0, 21, method 10."""
    for cells, low, high in (((36, 12, 2, 0), 0.0569, 0.3404), ((29, 0, 0, 21), 0.0, 0.0)):
        both, a_alone, b_alone, neither = cells
        a = np.repeat([True, True, False, False], cells)
        b = np.repeat([True, False, True, False], cells)
        found, _ = paired.proportion_difference(a, b)
        assert found.value == pytest.approx((a_alone - b_alone) / sum(cells))
        if low:
            assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("n", "rates"), [(30, (0.9, 0.7)), (60, (0.6, 0.5)), (25, (0.5, 0.5))])
def test_newcombes_interval_covers(n, rates):
    rng, hit, draws = np.random.default_rng(3), 0, 2000
    for _ in range(draws):
        shared = rng.normal(size=n)
        a, b = (shared + rng.normal(size=n) < stats.norm.ppf(r) * 2**0.5 for r in rates)
        found, _ = paired.proportion_difference(a, b)
        hit += found.ci_low <= rates[0] - rates[1] <= found.ci_high
    assert 0.935 < hit / draws < 0.985


def test_auc_difference_and_its_margin():
    labels = np.repeat([0, 1], 60)
    a = RNG.normal(size=120) + 1.2 * labels
    b = 0.5 * a + RNG.normal(size=120) + 0.3 * labels
    both = paired.auc_difference(labels, a, b)
    assert (both.p < 0.05) == (both.ci_low > 0 or both.ci_high < 0)
    error = (both.ci_high - both.ci_low) / (2 * stats.norm.ppf(0.975))
    worse = paired.auc_difference(labels, b, a, margin=0.1)
    assert worse.p == pytest.approx(stats.norm.sf((0.1 - both.value) / error))
    assert np.isnan(paired.auc_difference(labels, a, a).p)
