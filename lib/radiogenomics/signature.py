"""The radiomics signature: four steps of selection as scikit-learn steps (paper, Radiomics).

Mann-Whitney U → Spearman → LASSO → univariate logistic regression, each fitted on the rows it
is given. A step that would leave nothing keeps the one feature with its smallest p (or largest
coefficient) and says so in `fell_back_`: an empty signature cannot be modelled.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.linear_model import Lasso as LinearLasso
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from radiogenomics.study.settings import Radiomics

TIGHT = 1e-8  # change at which LASSO's coefficients have settled: glmnet's to 1e-6
ROUGH = 1e-5  # that of the folds, which only choose lambda
GAP = 1e-10  # duality gap, as a share of the response, at which coordinate descent ends
STEPS = 100  # quadratic approximations at most
STILL = 10  # lambdas over which a deviance that stays the same ends the path
FLAT = 1e-5  # weights and probabilities are kept from 0 by this, as glmnet's
QUARTILES = {"q1": 0.25, "median": 0.5, "q3": 0.75}


class _Selector(SelectorMixin, BaseEstimator):
    """A selector of named features; `support_` and `fell_back_` are set by fit."""

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def _keep(self, x: pd.DataFrame, kept: np.ndarray, otherwise: np.ndarray) -> _Selector:
        """Keep these features; where none, the one with the smallest value of `otherwise`."""
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.n_features_in_ = x.shape[1]
        self.fell_back_ = not kept.any()
        if self.fell_back_:
            kept = np.arange(len(kept)) == np.nanargmin(np.nan_to_num(otherwise, nan=np.inf))
        self.support_ = kept
        return self


def mann_whitney(x: pd.DataFrame, y: np.ndarray) -> np.ndarray:
    """Return the p value of each feature (normal approximation, corrected); constant ones NaN.

    Equal to R's wilcox.test(exact = FALSE).
    """
    values = x.to_numpy(float)
    y = np.asarray(y).astype(bool)
    p = np.full(values.shape[1], np.nan)
    varies = np.ptp(values, axis=0) > 0
    p[varies] = stats.mannwhitneyu(
        values[y][:, varies], values[~y][:, varies], method="asymptotic", axis=0
    ).pvalue
    return p


class MannWhitney(_Selector):
    """Keep features whose Mann-Whitney p is below `alpha`."""

    def __init__(self, alpha: float = 0.05):
        self.alpha = alpha

    def fit(self, x: pd.DataFrame, y: np.ndarray) -> MannWhitney:
        """Compute p values of (patient, feature)."""
        self.p_ = mann_whitney(x, y)
        return self._keep(x, np.nan_to_num(self.p_, nan=1.0) < self.alpha, self.p_)


class Spearman(_Selector):
    """Of features with |rho| > `limit` keep the one with the smaller Mann-Whitney p.

    The rule: take features by p from the smallest (ties in column order) and keep one when its
    |rho| with every feature kept so far is at most the limit.
    """

    def __init__(self, limit: float = 0.9):
        self.limit = limit

    def fit(self, x: pd.DataFrame, y: np.ndarray) -> Spearman:
        """Compute rank correlations of (patient, feature)."""
        p = np.nan_to_num(mann_whitney(x, y), nan=np.inf)
        ranks = stats.rankdata(x.to_numpy(float), axis=0)
        ranks -= ranks.mean(axis=0)
        length = np.linalg.norm(ranks, axis=0)
        ranks /= np.where(length > 0, length, 1)
        rho = np.abs(ranks.T @ ranks)
        kept: list[int] = []
        for feature in np.argsort(p, kind="stable"):
            if not kept or rho[feature, kept].max() <= self.limit:
                kept.append(int(feature))
        return self._keep(x, np.isin(np.arange(x.shape[1]), kept), p)


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

    glmnet's algorithm (Friedman 2010): coordinate descent (scikit-learn's) on the quadratic
    approximation of the likelihood, until no coefficient changes by `settled`. The intercept is
    not penalised. `before`, fitted at a larger lambda, is where the search starts.
    """
    share = y.mean()
    found = before or Penalised(logit(share), np.zeros(z.shape[1]))
    model = LinearLasso(warm_start=True, tol=GAP, max_iter=10_000)
    for _ in range(STEPS):
        p = found.probability(z)
        weight = np.maximum(p * (1 - p), FLAT)
        response = logit(np.clip(p, FLAT, 1 - FLAT)) + (y - p) / weight
        model.set_params(alpha=lam * len(y) / weight.sum())
        model.coef_ = found.coefficients.copy()
        with warnings.catch_warnings(), config_context(assume_finite=True):
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(z, response, sample_weight=weight)
        new = Penalised(float(model.intercept_), model.coef_.copy())
        change = np.abs(np.append(new.coefficients - found.coefficients, new[0] - found[0])).max()
        found = new
        if change < settled:
            break
    return found


def lasso_path(z: np.ndarray, y: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    """Return the coefficients (lambda, feature) of falling lambdas, each to 1e-6 or better."""
    found = None
    return np.array([(found := lasso(z, y, lam, found)).coefficients for lam in lambdas])


def lambda_path(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return glmnet's 100 lambdas: from the smallest without features down to 1e-4 of it.

    To 1e-2 of it where there are as many features as patients, or more.
    """
    top = np.abs(z.T @ (y - y.mean())).max() / len(y)
    return top * np.geomspace(1, 1e-4 if len(y) > z.shape[1] else 1e-2, 100)


class Lasso(_Selector):
    """Keep features with a coefficient at lambda.min of cross-validation, as cv.glmnet's.

    Args:
        folds: their number (stratified and seeded; fewer where a label has fewer patients,
            `folds_`), or each patient's fold (patient,).
        seed: of the folds.
    """

    def __init__(self, folds: int | np.ndarray = 10, seed: int = 0):
        self.folds = folds
        self.seed = seed

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


def univariate(x: pd.DataFrame, y: np.ndarray) -> pd.DataFrame:
    """Fit one unpenalised logistic model a feature (z-scored): coefficient, p.

    p is the likelihood ratio test's, which stays right where a feature nearly separates the
    labels and Wald's does not.
    """
    y = np.asarray(y).astype(float)
    z = standardised(x)
    share = y.mean()
    null = 2 * len(y) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    rows = []
    for column in z.T:
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000).fit(column[:, None], y)
        margin = np.where(y == 1, 1, -1) * model.decision_function(column[:, None])
        full = -2 * np.logaddexp(0, -margin).sum()
        rows.append((float(model.coef_[0, 0]), float(stats.chi2.sf(full - null, 1))))
    return pd.DataFrame(rows, columns=["coefficient", "p"], index=x.columns)


class Univariate(_Selector):
    """Keep features whose own logistic regression has p below `alpha`."""

    def __init__(self, alpha: float = 0.05):
        self.alpha = alpha

    def fit(self, x: pd.DataFrame, y: np.ndarray) -> Univariate:
        """Fit one model a feature of (patient, feature)."""
        self.table_ = univariate(x, y)
        p = self.table_.p.to_numpy()
        return self._keep(x, p < self.alpha, p)


def signature_pipeline(settings: Radiomics, seed: int) -> Pipeline:
    """Return the four steps, unfitted; fit and transform take a DataFrame (patient, feature)."""
    steps = [
        ("Mann-Whitney U", MannWhitney(settings.mann_whitney_p)),
        ("Spearman", Spearman(settings.spearman_rho)),
        ("LASSO", Lasso(settings.lasso_folds, seed)),
        ("univariate LR", Univariate(settings.univariate_p)),
    ]
    return Pipeline(steps).set_output(transform="pandas")


def steps_table(pipeline: Pipeline) -> pd.DataFrame:
    """Return how many features each step kept: step, rule, kept, dropped, fell_back."""
    one, two, three, four = (step for _, step in pipeline.steps)
    rules = (
        f"p < {one.alpha:g}",
        f"|rho| <= {two.limit:g}, smaller p kept",
        f"lambda.min of {three.folds_} folds",
        f"p < {four.alpha:g} (likelihood ratio)",
    )
    rows = [
        (name, rule, int(s.support_.sum()), int((~s.support_).sum()), s.fell_back_)
        for (name, s), rule in zip(pipeline.steps, rules, strict=True)
    ]
    return pd.DataFrame(rows, columns=["step", "rule", "kept", "dropped", "fell_back"])


def told_steps(steps: pd.DataFrame) -> str:
    """Return the sentence that reads `steps_table`."""
    offered = steps.kept.iloc[0] + steps.dropped.iloc[0]
    most = steps.loc[steps.dropped.idxmax()]
    left = f"Of {offered:,} features {steps.kept.iloc[-1]} are left"
    return f"{left}; {most.step} drops the most ({most.dropped:,})." if most.dropped else f"{left}."


def told_path(pipeline: Pipeline) -> str:
    """Return the sentence that reads the LASSO path."""
    step = pipeline.named_steps["LASSO"]
    return (
        f"At lambda.min, {step.lambda_min_:.3g}, where the deviance of held-out folds is lowest, "
        f"{(step.coef_ != 0).sum()} of {len(step.coef_)} features have a coefficient."
    )


def signature_table(pipeline: Pipeline, x: pd.DataFrame, y: np.ndarray) -> pd.DataFrame:
    """Return one row a selected feature: its kind, p values, coefficient, quartiles by label."""
    chosen = list(pipeline[-1].get_feature_names_out())
    first, _, third, last = (step for _, step in pipeline.steps)
    p = dict(zip(first.feature_names_in_, first.p_, strict=True))
    weight = dict(zip(third.feature_names_in_, third.coef_, strict=True))
    parts = [name.rsplit("_", 2) for name in chosen]
    y = np.asarray(y)
    return pd.DataFrame(
        {
            "feature": chosen,
            "image_type": [part[0] for part in parts],
            "feature_class": [part[1] if len(part) == 3 else "" for part in parts],
            "mann_whitney_p": [p[name] for name in chosen],
            "lasso_coefficient": [weight[name] for name in chosen],
            "univariate_p": last.table_.p[chosen].to_numpy(),
        }
        | {
            f"{name}_{label}": x.loc[y == value, chosen].quantile(share).to_numpy()
            for label, value in (("wild_type", 0), ("mutant", 1))
            for name, share in QUARTILES.items()
        }
    )


def path_table(pipeline: Pipeline) -> pd.DataFrame:
    """Return the LASSO path: lambda, feature, coefficient, of features that ever enter."""
    step = pipeline.named_steps["LASSO"]
    table = pd.DataFrame(step.path_, columns=step.feature_names_in_)
    table = table.loc[:, (table != 0).any()].assign(**{"lambda": step.lambdas_})
    return table.melt(id_vars="lambda", var_name="feature", value_name="coefficient")


def deviance_table(pipeline: Pipeline) -> pd.DataFrame:
    """Return the cross-validated deviance over lambda: lambda, deviance, se."""
    step = pipeline.named_steps["LASSO"]
    columns = {"lambda": step.lambdas_, "deviance": step.deviance_, "se": step.se_}
    return pd.DataFrame(columns)
