"""Sample size: Riley's criteria and an AUC's precision against others' numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import sample_size
from scipy import stats
from scipy.special import ndtri

REFERENCE = pd.read_csv(Path(__file__).parents[1] / "reference" / "sample_size.csv")


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


@pytest.mark.parametrize("row", REFERENCE[REFERENCE["for"] == "development"].to_dict("records"))
def test_development_is_pmsampsizes(row):
    found = sample_size.riley_minimum(row["parameters"], row["prevalence"], row["r2"])
    assert list(found.values()) == [row["first"], row["second"], row["third"], row["n"]]


@pytest.mark.parametrize("row", REFERENCE[REFERENCE["for"] == "validation"].to_dict("records"))
def test_external_validation_is_pmvalsampsizes(row):
    """Theirs simulates the linear predictor and widens o/e in steps of 0.0001."""
    line = np.linspace(row["mean"] - 10 * row["sd"], row["mean"] + 10 * row["sd"], 4001)
    weight = stats.norm.pdf(line, row["mean"], row["sd"])
    slope = sample_size.slope_patients(line, weight / weight.sum())
    assert slope == pytest.approx(row["second"], rel=0.01)
    found = sample_size.validation_minimum(row["auc"], row["prevalence"])
    assert found["auc"] == row["third"]
    assert found["o_over_e"] == pytest.approx(row["first"], rel=0.005)


def test_external_validation_reaches_its_widths_in_simulated_cohorts():
    auc, share, at = 0.8, 0.4, 0.3
    found = sample_size.validation_minimum(auc, share, threshold=at)
    rng, shift, n = np.random.default_rng(4), np.sqrt(2) * ndtri(auc), int(found["net_benefit"])
    benefits, slopes = [], []
    for _ in range(400):
        y = (rng.random(n) < share).astype(float)
        line = np.log(share / (1 - share)) + shift * (rng.normal(size=n) + shift * y) - shift**2 / 2
        called = line >= np.log(at / (1 - at))
        gain = (called * y).sum() - (called * (1 - y)).sum() * at / (1 - at)
        benefits.append(gain / y.sum())
        slopes.append(sm.Logit(y, sm.add_constant(line)).fit(disp=0).params[1])
    assert 2 * 1.96 * np.std(benefits) == pytest.approx(0.2, rel=0.12)
    expected = 0.2 * np.sqrt(found["calibration_slope"] / n)
    assert 2 * 1.96 * np.std(slopes) == pytest.approx(expected, rel=0.12)
