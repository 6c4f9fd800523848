"""Sample size: Riley's criteria and an AUC's precision against others' numbers."""

import numpy as np
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import sample_size
from scipy.special import ndtri


def test_an_auc_near_one_needs_few_patients():
    assert sample_size.patients_for_width(0.9995, 0.3) == 4
    assert sample_size.patients_for_width(0.98, 0.5) > 20


def test_riley_is_pmsampsizes():
    """The example of R's pmsampsize: 24 parameters, prevalence 0.174, Cox-Snell R² 0.288."""
    found = sample_size.riley_minimum(24, 0.174, 0.288)
    assert found == {"shrinkage": 623, "optimism": 662, "overall_risk": 221, "n": 662}
    assert sample_size.parameters_supported(662, 0.174, 0.288) == 24
    assert sample_size.parameters_supported(661, 0.174, 0.288) == 23


def test_cox_snell_is_that_of_a_simulation():
    """As pmsampsize's cstat2rsq does it: a logistic model on a simulated linear predictor."""
    rng = np.random.default_rng(1)
    y = (np.arange(200_000) < 0.4 * 200_000).astype(float)
    x = rng.normal(size=len(y)) + y * np.sqrt(2) * ndtri(0.8)
    fit = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    theirs = 1 - np.exp(2 * (fit.llnull - fit.llf) / len(y))
    assert sample_size.cox_snell(0.8, 0.4) == pytest.approx(theirs, abs=0.005)
    assert np.isnan(sample_size.cox_snell(0.5, 0.4))


def test_width_is_that_of_simulated_cohorts():
    n = int(sample_size.patients_for_width(0.8, 0.5))
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], n // 2)
    shift = np.sqrt(2) * ndtri(0.8)
    aucs = [
        (lambda x: (x[labels == 1][:, None] > x[labels == 0]).mean())(
            rng.normal(size=len(labels)) + shift * labels
        )
        for _ in range(400)
    ]
    assert 2 * 1.96 * np.std(aucs) == pytest.approx(0.1, abs=0.015)
