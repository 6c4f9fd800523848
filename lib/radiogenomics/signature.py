"""The radiomics signature: four steps of selection as scikit-learn steps (paper, Radiomics).

Mann-Whitney U → Spearman → LASSO → univariate logistic regression, each fitted on the rows it
is given. A step that would leave nothing keeps the one feature with its smallest p (or largest
coefficient) and says so in `fell_back_`: an empty signature cannot be modelled.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from radiogenomics.study import Radiomics

TIGHT = 1e-8  # tolerance at which LASSO's coefficients are glmnet's to 1e-6
ROUGH = 1e-3  # that of the folds, which only choose lambda
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


def lasso(
    z: np.ndarray, y: np.ndarray, lam: float, tol: float = TIGHT,
    before: LogisticRegression | None = None,
) -> LogisticRegression:  # fmt: skip
    """Fit glmnet's L1-penalised logistic regression at one lambda to z-scores.

    glmnet's lambda is scikit-learn's 1 / (n C); the intercept is not penalised. `before`, fitted
    at a larger lambda, is where the search starts.
    """
    model = LogisticRegression(
        l1_ratio=1.0, C=1 / (len(y) * lam), solver="saga", tol=tol, max_iter=5000, random_state=0,
        warm_start=True,
    )  # fmt: skip
    if before is not None:
        model.coef_, model.intercept_ = before.coef_.copy(), before.intercept_.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(z, y)


def lasso_path(z: np.ndarray, y: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    """Return the coefficients (lambda, feature) of falling lambdas, each to 1e-6 or better."""
    fitted = None
    path = [(fitted := lasso(z, y, lam, before=fitted)).coef_[0] for lam in lambdas]
    return np.array(path)


def lambda_path(z: np.ndarray, y: np.ndarray, n: int = 30, ratio: float = 0.02) -> np.ndarray:
    """Return glmnet's path: from the smallest lambda without features down by `ratio`."""
    top = np.abs(z.T @ (y - y.mean())).max() / len(y)
    return top * np.geomspace(0.999, ratio, n)


class Lasso(_Selector):
    """Keep features with a coefficient at lambda.min of `folds`-fold cross-validation.

    Folds are stratified and seeded; fewer where a label has fewer patients (`folds_`).
    """

    def __init__(self, folds: int = 10, seed: int = 0):
        self.folds = folds
        self.seed = seed

    def fit(self, x: pd.DataFrame, y: np.ndarray) -> Lasso:
        """Fit the path to (patient, feature) and choose lambda by the held-out deviance."""
        y = np.asarray(y).astype(int)
        z = standardised(x)
        self.lambdas_ = lambda_path(z, y)
        self.folds_ = int(min(self.folds, np.bincount(y).min()))
        splitter = StratifiedKFold(max(2, self.folds_), shuffle=True, random_state=self.seed)
        deviance = np.array([self._held_out(x, y, *rows) for rows in splitter.split(z, y)])
        self.deviance_ = deviance.mean(axis=0)
        self.se_ = deviance.std(axis=0, ddof=1) / np.sqrt(len(deviance))
        self.lambda_min_ = float(self.lambdas_[self.deviance_.argmin()])
        self.path_ = lasso_path(z, y, self.lambdas_)
        self.coef_ = self.path_[self.deviance_.argmin()]
        gradient = np.abs(z.T @ (y - y.mean()))
        return self._keep(x, self.coef_ != 0, -gradient)

    def _held_out(
        self, x: pd.DataFrame, y: np.ndarray, fit: np.ndarray, held: np.ndarray
    ) -> list[float]:
        inside = x.iloc[fit]
        spread = inside.std(axis=0, ddof=0).replace(0, 1)
        z, new = ((part - inside.mean(axis=0)) / spread for part in (inside, x.iloc[held]))
        deviance = []
        for lam in self.lambdas_:
            p = lasso(z.to_numpy(), y[fit], lam, ROUGH).predict_proba(new.to_numpy())[:, 1]
            p = np.clip(p, 1e-12, 1 - 1e-12)
            right = np.where(y[held] == 1, p, 1 - p)
            deviance.append(float(-2 * np.log(right).mean()))
        return deviance


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
