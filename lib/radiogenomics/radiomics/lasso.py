"""LASSO as glmnet fits it, and what every step of the selection is made from (paper, Radiomics)."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.linear_model import enet_path
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import check_is_fitted

TIGHT = 1e-8  # change at which LASSO's coefficients have settled: glmnet's to 1e-6
ROUGH = 1e-5  # that of the folds, which only choose lambda
GAP = 1e-14  # duality gap, as a share of the response, at which coordinate descent ends
STEPS = 100  # quadratic approximations at most
STILL = 10  # lambdas over which a deviance that stays the same ends the path
FLAT = 1e-5  # weights and probabilities are kept from 0 by this, as glmnet's


class Selector(SelectorMixin, BaseEstimator):
    """A selector of named features; `support_` and `fell_back_` are set by fit."""

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def _keep(self, x: pd.DataFrame, kept: np.ndarray, otherwise: np.ndarray) -> Selector:
        """Keep these features; where none, the one with the smallest value of `otherwise`."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.n_features_in_ = x.shape[1]
        self.fell_back_ = not kept.any()
        if self.fell_back_:
            kept = np.arange(len(kept)) == np.nanargmin(np.nan_to_num(otherwise, nan=np.inf))
        self.support_ = kept
        return self


def standardised(x: pd.DataFrame) -> np.ndarray:
    """Return z-scores (population SD) of each feature; a constant feature becomes 0."""
    values = x.to_numpy(float)
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)


class Penalised(NamedTuple):
    """A logistic model with an L1 penalty: intercept and coefficients (feature,) of z-scores."""

    intercept: float
    coefficients: np.ndarray

    def probability(self, z: np.ndarray) -> np.ndarray:
        """Return the probability of label 1 (patient,)."""
        return expit(self.intercept + z @ self.coefficients)


def lasso(
    z: np.ndarray, y: np.ndarray, lam: float, before: Penalised | None = None,
    settled: float = TIGHT,
) -> Penalised:  # fmt: skip
    """Fit glmnet's L1-penalised logistic regression at one lambda to z-scores.

    glmnet's algorithm (Friedman 2010): coordinate descent on the quadratic approximation of the
    likelihood, until no coefficient changes by `settled`; of the features only those are worked
    on that have a coefficient or whose gradient asks for one, until no other does (Tibshirani
    2012). The intercept is not penalised. `before`, fitted at a larger lambda, is the start.
    """
    fit = before or Penalised(logit(y.mean()), np.zeros(z.shape[1]))
    work = fit.coefficients != 0
    while True:
        gradient = np.abs(z.T @ (y - fit.probability(z))) / len(y)
        asked = (gradient > lam) & ~work
        if not asked.any() and fit is not before:
            return fit
        work |= asked
        small = Penalised(fit.intercept, fit.coefficients[work])
        small = _descend(np.asfortranarray(z[:, work]), y, lam, small, settled)
        coefficients = np.zeros(z.shape[1])
        coefficients[work] = small.coefficients
        fit = Penalised(small.intercept, coefficients)


def _descend(z: np.ndarray, y: np.ndarray, lam: float, fit: Penalised, settled: float) -> Penalised:
    """Return the fit of all these features: weighted least squares again and again."""
    for _ in range(STEPS):
        p = fit.probability(z)
        weight = np.maximum(p * (1 - p), FLAT)
        response = logit(np.clip(p, FLAT, 1 - FLAT)) + (y - p) / weight
        means = np.average(np.column_stack([z, response]), axis=0, weights=weight)
        root = np.sqrt(weight)
        near, rest = (z - means[:-1]) * root[:, np.newaxis], (response - means[-1]) * root
        # to look at the arguments takes longer than many a fit
        with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = enet_path(
                near, rest, l1_ratio=1.0, alphas=[lam], precompute=near.T @ near, Xy=near.T @ rest,
                coef_init=fit.coefficients.copy(), check_input=False, tol=GAP, max_iter=10_000,
            )[1][:, 0]  # fmt: skip
        new = Penalised(float(means[-1] - means[:-1] @ found), found)
        change = np.abs(np.append(new.coefficients - fit.coefficients, new[0] - fit[0])).max()
        fit = new
        if change < settled:
            break
    return fit


def lasso_path(z: np.ndarray, y: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    """Return the coefficients (lambda, feature) of falling lambdas, each to 1e-6 or better."""
    fit = None
    return np.array([(fit := lasso(z, y, lam, fit)).coefficients for lam in lambdas])


def lambda_path(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return glmnet's 100 lambdas: from the smallest without features down to 1e-4 of it.

    To 1e-2 of it where there are as many features as patients, or more.
    """
    top = np.abs(z.T @ (y - y.mean())).max() / len(y)
    return top * np.geomspace(1, 1e-4 if len(y) > z.shape[1] else 1e-2, 100)


class Lasso(Selector):
    """Keep features with a coefficient at lambda.min of cross-validation, as cv.glmnet's.

    Args:
        folds: their number (stratified and seeded; fewer where a label has fewer patients,
            `folds_`), or each patient's fold (patient,).
        seed: of the folds.
    """

    def __init__(self, folds: int | np.ndarray = 10, seed: int = 0):
        self.folds = folds
        self.seed = seed

    @property
    def rule(self) -> str:
        """What is kept, for selection_steps.csv."""
        return f"lambda.min of {self.folds_} folds"

    def fit(self, x: pd.DataFrame, y: np.ndarray) -> Lasso:
        """Fit the path to (patient, feature) and choose lambda by the held-out deviance.

        The path ends where the deviance has clearly left its minimum (`_past_minimum`): glmnet
        goes on to lambdas of which none is chosen.
        """
        y = np.asarray(y).astype(int)
        z = standardised(x)
        fold = self._fold_of(y)
        parts = [_parts(x, y, fold == number) for number in np.unique(fold)]
        sizes = np.array([len(part[3]) for part in parts])
        models: list[Penalised | None] = [None] * len(parts)
        losses: list[list[float]] = []
        lambdas = lambda_path(z, y)
        for lam in lambdas:
            models = [
                lasso(part[0], part[1], lam, before, ROUGH)
                for part, before in zip(parts, models, strict=True)
            ]
            held = [_deviance(m, *part[2:]) for m, part in zip(models, parts, strict=True)]
            losses.append(held)
            if _past_minimum(losses, sizes):
                break
        self.folds_ = len(parts)
        self.lambdas_ = lambdas[: len(losses)]
        self.deviance_, self.se_ = _over_folds(np.array(losses), sizes)
        self.lambda_min_ = float(self.lambdas_[self.deviance_.argmin()])
        self.path_ = lasso_path(z, y, self.lambdas_)
        self.coef_ = self.path_[self.deviance_.argmin()]
        gradient = np.abs(z.T @ (y - y.mean()))
        return self._keep(x, self.coef_ != 0, -gradient)

    def _fold_of(self, y: np.ndarray) -> np.ndarray:
        if not isinstance(self.folds, int):
            return np.asarray(self.folds)
        number = max(2, int(min(self.folds, np.bincount(y).min())))
        splitter = StratifiedKFold(number, shuffle=True, random_state=self.seed)
        fold = np.zeros(len(y), int)
        for i, (_, rows) in enumerate(splitter.split(y, y)):
            fold[rows] = i
        return fold


def _parts(x: pd.DataFrame, y: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return z-scores and labels of a fold's others, then of its own by the others' scale."""
    inside = x[~held]
    spread = inside.std(axis=0, ddof=0).replace(0, 1)
    z, new = (((part - inside.mean(axis=0)) / spread).to_numpy() for part in (inside, x[held]))
    return z, y[~held], new, y[held]


def _deviance(model: Penalised, z: np.ndarray, y: np.ndarray) -> float:
    """Return the mean binomial deviance of held-out patients; p kept from 0 and 1 as glmnet's."""
    p = np.clip(model.probability(z), FLAT, 1 - FLAT)
    return float(-2 * np.log(np.where(y == 1, p, 1 - p)).mean())


def _over_folds(losses: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over folds (lambda,) weighted by their patients and its standard error."""
    mean = np.average(losses, axis=1, weights=sizes)
    squares = np.average((losses - mean[:, np.newaxis]) ** 2, axis=1, weights=sizes)
    return mean, np.sqrt(squares / (len(sizes) - 1))


def _past_minimum(losses: list[list[float]], sizes: np.ndarray) -> bool:
    """Return whether the deviance is two standard errors above its lowest, or moves no more."""
    mean, se = _over_folds(np.array(losses), sizes)
    still = len(mean) > STILL and np.ptp(mean[-STILL:]) < FLAT
    return bool(mean[-1] > mean.min() + 2 * se[mean.argmin()] or still)
