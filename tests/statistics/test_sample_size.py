"""Sample size: Riley's criteria and an AUC's precision against others' numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from radiogenomics.statistics import sample_size
from scipy import stats
from scipy.special import expit, ndtri, xlogy

REFERENCE = pd.read_csv(Path(__file__).parents[1] / "reference" / "sample_size.csv")


def test_an_auc_near_one_needs_few_patients():
    assert sample_size.patients_for_width(0.9995, 0.3) == 4
    assert sample_size.patients_for_width(0.98, 0.5) > 20
    for auc in (0, 1):
        assert np.isnan(sample_size.patients_for_width(auc, 0.3))


@pytest.mark.parametrize("width", [0.1, 0.3])
def test_one_patient_less_than_the_validation_needs_is_too_few(width):
    n = sample_size.validation_minimum(0.75, 0.4, width)["auc"]
    widths = [2 * 1.96 * sample_size.auc_standard_error(0.75, 0.4, k) for k in (n, n - 1)]
    assert widths[0] <= width < widths[1]


def test_too_few_patients_for_the_overall_risk_support_no_parameter():
    """At a prevalence of a half (1.96 / 0.05)² / 4 = 384.16 patients are asked for."""
    supported = sample_size.parameters_supported
    assert [supported(n, 0.5, 0.2) for n in (384, 385)] == [0, 9]
    assert supported(1000, 0.5, float("nan")) == 0
    assert np.isnan(supported(0, 0.5, 0.2))


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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("prevalence", [0.05, 0.4])
def test_cox_snell_is_what_the_calibrated_risks_tell(prevalence):
    """Of a calibrated model the mean log likelihood follows from its risks alone."""
    for auc in (0.51, 0.7, 0.95, 1 - 1e-9):
        line, weight = _lines(auc, prevalence)
        p = expit(line)
        told = (weight * (xlogy(p, p) + xlogy(1 - p, 1 - p))).sum()
        nothing = xlogy(prevalence, prevalence) + xlogy(1 - prevalence, 1 - prevalence)
        expected = 1 - np.exp(2 * (nothing - told))
        assert sample_size.cox_snell(auc, prevalence) == pytest.approx(expected, abs=1e-7)
    assert np.isnan(sample_size.cox_snell(1, prevalence))


def _lines(auc, prevalence):
    """Return the linear predictor of 20,001 patients, normal in both labels, and its weights."""
    sd = np.sqrt(2) * ndtri(auc)
    middle = np.log(prevalence / (1 - prevalence))
    line = np.linspace(middle - sd**2 / 2 - 10 * sd, middle + sd**2 / 2 + 10 * sd, 20_001)
    weight = (1 - prevalence) * stats.norm.pdf(line, middle - sd**2 / 2, sd)
    weight += prevalence * stats.norm.pdf(line, middle + sd**2 / 2, sd)
    return line, weight / weight.sum()


@pytest.mark.parametrize("auc", [0.7, 0.9, 0.9999])
def test_patients_for_the_slope_are_those_of_its_information(auc):
    """The inverse of the summed information of a logistic model; 1% of events make n large."""
    line, weight = _lines(auc, 0.01)
    design = np.column_stack([np.ones_like(line), line])
    information = design.T @ (design * (weight * expit(line) * expit(-line))[:, np.newaxis])
    n = np.linalg.inv(information)[1, 1] * (2 * 1.96 / 0.2) ** 2
    assert sample_size.validation_minimum(auc, 0.01)["calibration_slope"] == np.ceil(n)


@pytest.mark.parametrize("auc", [0.65, 0.8, 0.95])
@pytest.mark.parametrize(("prevalence", "threshold"), [(0.4, 0.3), (0.2, 0.5), (0.6, 0.1)])
def test_patients_for_the_net_benefit_are_those_of_the_delta_method(auc, prevalence, threshold):
    """The gradient of (tp - odds fp) / events in the four cells, which are multinomial."""
    sd, middle = np.sqrt(2) * ndtri(auc), np.log(prevalence / (1 - prevalence))
    odds = threshold / (1 - threshold)
    tpr, fpr = (stats.norm.sf(np.log(odds), middle + k * sd**2 / 2, sd) for k in (1, -1))
    tp, fp = prevalence * tpr, (1 - prevalence) * fpr
    cells = np.array([tp, prevalence - tp, fp, 1 - prevalence - fp])
    benefit = (tp - odds * fp) / prevalence
    gradient = np.array([1 - benefit, -benefit, -odds, 0]) / prevalence
    variance = gradient**2 @ cells - (gradient @ cells) ** 2
    n = np.ceil(variance * (2 * 1.96 / 0.2) ** 2)
    found = sample_size.validation_minimum(auc, prevalence, threshold=threshold)
    assert found["net_benefit"] == n
    assert found["n"] == max(n, found["calibration_slope"], found["auc"], found["o_over_e"])


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
