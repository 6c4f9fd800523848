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
