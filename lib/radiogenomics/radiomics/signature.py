"""The radiomics signature: four steps of selection as scikit-learn steps (paper, Radiomics).

Mann-Whitney U → Spearman → LASSO → univariate logistic regression, each fitted on the rows it
is given. A step that would leave nothing keeps the one feature with its smallest p (or largest
coefficient) and says so in `fell_back_`: an empty signature cannot be modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from joblib import delayed
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import Pipeline

from radiogenomics.models import classical
from radiogenomics.radiomics.lasso import Lasso, Selector, standardised
from radiogenomics.statistics.discrimination import delong
from radiogenomics.study import tables
from radiogenomics.study.files import digest
from radiogenomics.study.kept import digest_of, once
from radiogenomics.study.parallel import each
from radiogenomics.study.settings import Radiomics

QUARTILES = {"q1": 0.25, "median": 0.5, "q3": 0.75}


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


class MannWhitney(Selector):
    """Keep features whose Mann-Whitney p is below `alpha`."""

    def __init__(self, alpha: float = 0.05):
        self.alpha = alpha

    @property
    def rule(self) -> str:
        """What is kept, for selection_steps.csv."""
        return f"p < {self.alpha:g}"

    def fit(self, x: pd.DataFrame, y: np.ndarray) -> MannWhitney:
        """Compute p values of (patient, feature)."""
        self.p_ = mann_whitney(x, y)
        return self._keep(x, np.nan_to_num(self.p_, nan=1.0) < self.alpha, self.p_)


class Spearman(Selector):
    """Of features with |rho| > `limit` keep the one with the smaller Mann-Whitney p.

    The rule: take features by p from the smallest (ties in column order) and keep one when its
    |rho| with every feature kept so far is at most the limit.
    """

    def __init__(self, limit: float = 0.9):
        self.limit = limit

    @property
    def rule(self) -> str:
        """What is kept, for selection_steps.csv."""
        return f"|rho| <= {self.limit:g}, smaller p kept"

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


class Univariate(Selector):
    """Keep features whose own logistic regression has p below `alpha`."""

    def __init__(self, alpha: float = 0.05):
        self.alpha = alpha

    @property
    def rule(self) -> str:
        """What is kept, for selection_steps.csv."""
        return f"p < {self.alpha:g} (likelihood ratio)"

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
    """Return how many features each fitted step kept: step, rule, kept, dropped, fell_back."""
    rows = [
        (name, step.rule, int(step.support_.sum()), int((~step.support_).sum()), step.fell_back_)
        for name, step in pipeline.steps
    ]
    return tables.SELECTION_STEPS.frame(rows)


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


SHARE = 0.8  # of the training patients in every resample
CHAIN = 1  # of kept choices: another number where the steps' code chooses otherwise


def selection_frequency(
    selector: Pipeline, x: pd.DataFrame, y: np.ndarray, resamples: int, seed: int, workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None, folder: Path | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return how often each feature is chosen: feature, frequency, chosen (by `selector` itself).

    The whole chain is fitted to stratified subsamples of 80% of the training patients, without
    replacement: a patient drawn twice would be in two of LASSO's folds at once.

    Args:
        selector: the four steps, fitted to all training patients.
        x: features (patient, feature) of training patients.
        y: labels (patient,).
        resamples: how many subsamples.
        seed: of the subsamples.
        workers: processes.
        progress: receives how many are done.
        folder: where each subsample's choice is kept.
    """
    splitter = StratifiedShuffleSplit(resamples, train_size=SHARE, random_state=seed)
    steps = {k: v for k, v in selector.get_params().items() if isinstance(v, int | float | str)}
    key = digest_of([x.to_numpy(), y]), list(x.columns), steps, sklearn.__version__, CHAIN
    jobs = (
        delayed(_chosen)(
            clone(selector), x.iloc[rows], y[rows],
            folder and folder / f"{digest(key, rows.tolist())}.json",
        )
        for rows, _ in splitter.split(x, y)
    )  # fmt: skip
    times = pd.Series(0, x.columns)
    for done, names in enumerate(each(jobs, workers), start=1):
        times[names] += 1
        progress(done, resamples)
    chosen = set(selector[-1].get_feature_names_out())
    table = pd.DataFrame({"feature": times.index, "frequency": times.to_numpy() / resamples})
    table["chosen"] = table.feature.isin(chosen)
    return table[(table.frequency > 0) | table.chosen].sort_values(
        ["frequency", "chosen"], ascending=False, kind="stable", ignore_index=True
    )


def _chosen(selector: Pipeline, x: pd.DataFrame, y: np.ndarray, path: Path | None) -> list[str]:
    def names() -> list[str]:
        return list(selector.fit(x, y)[-1].get_feature_names_out())

    return once(path, names) if path else names()


def optimism_of_selection(
    kinds: dict[str, Pipeline], chosen: pd.DataFrame, nested: dict[str, np.ndarray], y: np.ndarray,
    fold: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    """Return the naive training AUC (features selected once, on all patients) and the nested one.

    Both are means over the same folds; only the nested one leaves a fold's patients out of the
    selection too (Demircioglu 2021, doi 10.1186/s13244-021-01115-1).

    Args:
        kinds: the models, unfitted.
        chosen: the selected features (patient, feature) of training patients.
        nested: each model's out-of-fold scores with the selection inside the folds.
        y: labels (patient,).
        fold: of each patient.
    """
    rows = []
    for name, model in kinds.items():
        naive = classical.out_of_fold(model, chosen, y, fold)
        aucs = [_mean_auc(y, scores, fold) for scores in (naive, nested[name])]
        rows.append((name, *aucs, aucs[0] - aucs[1]))
    return tables.SELECTION_OPTIMISM.frame(rows)


def _mean_auc(y: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> float:
    return float(np.mean([delong(y[fold == f], scores[fold == f])[0][0] for f in np.unique(fold)]))
