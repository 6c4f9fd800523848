"""Is the cohort large enough? Riley's criteria for a binary outcome, and an AUC's precision."""

from __future__ import annotations

import numpy as np
from scipy import integrate, optimize, special, stats

SHRINKAGE = 0.9
OPTIMISM = 0.05  # in Nagelkerke's R²
MARGIN = 0.05  # of the overall risk


def cox_snell(auc: float, prevalence: float) -> float:
    """Return the Cox-Snell R² that goes with an AUC (Riley 2021, doi 10.1002/sim.8806).

    Their assumption, a linear predictor that is normal in both labels with one variance, by
    quadrature in place of their simulation. NaN at an AUC of 0.5 and below.

    >>> round(cox_snell(0.8, 0.5), 3)
    0.261
    """
    if not 0.5 < auc < 1:
        return float("nan")
    shift = np.sqrt(2) * special.ndtri(auc)

    def gain(x: float, label: int) -> float:
        line = special.logit(prevalence) + shift * x - shift**2 / 2
        return special.log_expit(line if label else -line) * stats.norm.pdf(x, shift * label)

    ones, zeros = (integrate.quad(gain, -12, 12 + shift, args=(y,))[0] for y in (1, 0))
    full = prevalence * ones + (1 - prevalence) * zeros
    return float(1 - np.exp(-2 * (full - _null(prevalence))))


def _null(prevalence: float) -> float:
    """Return the mean log likelihood of a model that knows the prevalence alone."""
    return prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence)


def riley_minimum(parameters: int, prevalence: float, r2: float) -> dict[str, float]:
    """Return the patients that each of Riley's criteria asks for, and the largest.

    Riley et al. 2019 (doi 10.1002/sim.7992), 2020 (BMJ 368:m441): shrinkage of at least 0.9,
    optimism in Nagelkerke's R² of at most 0.05, the overall risk within 0.05.

    Args:
        parameters: candidate parameters, those that selection dropped included.
        prevalence: share of events.
        r2: Cox-Snell's R² that is expected.

    >>> riley_minimum(parameters=20, prevalence=0.5, r2=0.2)
    {'shrinkage': 796.0, 'optimism': 468.0, 'overall_risk': 385.0, 'n': 796.0}
    """
    highest = 1 - np.exp(2 * _null(prevalence))
    wanted = {"shrinkage": SHRINKAGE, "optimism": r2 / (r2 + OPTIMISM * highest)}
    sizes = {k: parameters / ((s - 1) * np.log(1 - r2 / s)) for k, s in wanted.items()}
    sizes["overall_risk"] = (1.96 / MARGIN) ** 2 * prevalence * (1 - prevalence)
    rounded = {k: float(np.ceil(n)) for k, n in sizes.items()}
    return rounded | {"n": max(rounded.values())}


def parameters_supported(patients: int, prevalence: float, r2: float) -> float:
    """Return the most candidate parameters for which Riley's criteria ask for no more patients.

    NaN without patients: nothing is known of those that the model was made with.

    >>> parameters_supported(patients=528, prevalence=0.49, r2=0.2)
    13
    """
    if not patients:
        return float("nan")
    minimum = riley_minimum(1, prevalence, r2)
    if not np.isfinite(r2) or minimum["overall_risk"] > patients:
        return 0
    highest = 1 - np.exp(2 * _null(prevalence))
    wanted = (SHRINKAGE, r2 / (r2 + OPTIMISM * highest))
    return int(min(patients * (s - 1) * np.log(1 - r2 / s) for s in wanted))


def auc_standard_error(auc: float, prevalence: float, patients: float) -> float:
    """Return the standard error that n patients give an AUC (Newcombe 2006, his method 4).

    >>> round(auc_standard_error(0.684, 65 / 132, 132), 4)
    0.0462
    """
    even = patients / 2 - 1
    part = 1 + even * (1 - auc) / (2 - auc) + even * auc / (1 + auc)
    return float(np.sqrt(auc * (1 - auc) * part / (patients**2 * prevalence * (1 - prevalence))))


def patients_for_width(auc: float, prevalence: float, width: float = 0.1) -> float:
    """Return the test patients for a 95% interval of this width around an AUC (Riley 2021).

    NaN at an AUC of 0 or 1, which has no such interval.

    >>> patients_for_width(0.8, 0.5)
    302.0
    """
    if not 0 < auc < 1:
        return float("nan")

    def gap(patients: float) -> float:
        return 2 * 1.96 * auc_standard_error(auc, prevalence, patients) - width

    fewest = 4.0  # below it the method's even groups have no patient
    return fewest if gap(fewest) <= 0 else float(np.ceil(optimize.brentq(gap, fewest, 1e9)))


OE_WIDTH, SLOPE_WIDTH, BENEFIT_WIDTH = 0.2, 0.2, 0.2  # of 95% intervals (Riley 2021)
NODES = 400  # of the quadrature over the linear predictor


def validation_minimum(
    auc: float, prevalence: float, width: float = 0.1, threshold: float | None = None
) -> dict[str, float]:
    """Return the patients that an external validation needs, by criterion, and the largest.

    Riley et al. 2021 (doi 10.1002/sim.9025): 95% intervals of observed / expected (width 0.2),
    calibration slope (0.2), AUC, and, at a threshold, standardised net benefit (0.2), of a
    calibrated model whose linear predictor is normal in both labels with one variance.

    Args:
        auc: that is expected, above 0.5.
        prevalence: share of events.
        width: of the AUC's interval.
        threshold: probability from which one acts.

    >>> validation_minimum(0.8, 0.5)
    {'o_over_e': 386.0, 'calibration_slope': 1914.0, 'auc': 302.0, 'n': 1914.0}
    """
    line, weight = _linear_predictor(auc, prevalence)
    sizes = {
        "o_over_e": (1 - prevalence) / (prevalence * (np.arcsinh(OE_WIDTH / 2) / 1.96) ** 2),
        "calibration_slope": slope_patients(line, weight),
        "auc": patients_for_width(auc, prevalence, width),
    }
    if threshold is not None:
        sizes["net_benefit"] = _benefit_patients(auc, prevalence, threshold)
    rounded = {k: float(np.ceil(n)) for k, n in sizes.items()}
    return rounded | {"n": max(rounded.values())}


def _linear_predictor(auc: float, prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return values of the linear predictor and their probabilities."""
    shift = np.sqrt(2) * special.ndtri(auc)
    x = np.linspace(-9, 9 + shift, NODES)
    density = (1 - prevalence) * stats.norm.pdf(x) + prevalence * stats.norm.pdf(x, shift)
    return special.logit(prevalence) + shift * x - shift**2 / 2, density / density.sum()


def slope_patients(line: np.ndarray, weight: np.ndarray, width: float = SLOPE_WIDTH) -> float:
    """Return the patients for a calibration slope of 1 with this width.

    Args:
        line: values of the linear predictor.
        weight: their probabilities.
        width: of the 95% interval.

    >>> round(slope_patients(np.array([-1.0, 1.0]), np.array([0.5, 0.5])))
    1954
    """
    p = special.expit(line)
    spread = weight * p * (1 - p)
    first, both, second = spread.sum(), (spread * line).sum(), (spread * line**2).sum()
    return float(first / ((width / (2 * 1.96)) ** 2 * (first * second - both**2)))


def _benefit_patients(auc: float, prevalence: float, threshold: float) -> float:
    """Return the patients for a standardised net benefit with a width of 0.2 (Marsh 2020)."""
    shift = np.sqrt(2) * special.ndtri(auc)
    cut = (special.logit(threshold) - special.logit(prevalence) + shift**2 / 2) / shift
    hits, quiet = stats.norm.sf(cut - shift), stats.norm.cdf(cut)
    odds = (1 - prevalence) / prevalence * threshold / (1 - threshold)
    variance = hits * (1 - hits) / prevalence + odds**2 * quiet * (1 - quiet) / (1 - prevalence)
    variance += odds**2 * (1 - quiet) ** 2 / (prevalence * (1 - prevalence))
    return float(variance / (BENEFIT_WIDTH / (2 * 1.96)) ** 2)
