"""The four steps of selection against R (wilcox.test, glm, glmnet)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiogenomics.radiomics import lasso, signature
from radiogenomics.study.settings import Radiomics
from scipy import stats

REFERENCE = Path(__file__).parents[1] / "reference"
RS = json.loads((REFERENCE / "features.json").read_text())


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(REFERENCE / "features_528x300.csv")


@pytest.fixture(scope="module")
def x(table):
    return table[[c for c in table if c.startswith("f")]]


@pytest.fixture(scope="module")
def univariate():
    return pd.read_csv(REFERENCE / "features_univariate.csv")


def test_mann_whitney_is_rs(table, x, univariate):
    found = signature.mann_whitney(x, table.y)
    assert np.isnan(found[list(x).index("f296")])
    assert np.allclose(found, univariate.mw_p_cc, rtol=1e-9, atol=0, equal_nan=True)


def test_univariate_is_rs(table, x, univariate):
    """Every feature, the tied, the binary, the repeated and the mirrored one among them."""
    columns = [c for c in x if c != "f296"]
    found = signature.univariate(x[columns], table.y)
    theirs = univariate.set_index("feature").loc[columns]
    assert np.allclose(found.p, theirs.lr_lrt_p, rtol=1e-5, atol=1e-300)
    sample = np.sqrt(len(x) / (len(x) - 1))  # R's z-scores are of the sample SD
    assert np.allclose(found.coefficient * sample, theirs.lr_beta_z, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("limit", [0.9, 0.8])
def test_spearman_rule_is_the_stated_one(table, x, limit):
    kept = x.columns[signature.MannWhitney(0.05).fit(x, table.y).get_support()]
    found = signature.Spearman(limit).fit(x[kept], table.y)
    theirs = RS["prune"][f"mw05_{limit}"]["greedy_by_p_kept"]
    assert set(kept[found.get_support()]) == set(theirs)


FIXED = sorted(RS["lasso_fixed_lambda_standardised"], key=lambda r: -r["lambda"])


@pytest.mark.parametrize("theirs", FIXED, ids=lambda r: str(r["lambda"]))
def test_lasso_is_glmnets_at_fixed_lambdas(table, x, theirs):
    used = x.drop(columns=["f296", "f297", "f300"])
    z, y, lam = lasso.standardised(used), table.y.to_numpy(), theirs["lambda"]
    model = lasso.lasso(z, y, lam)
    gradient = np.abs(z.T @ (y - model.probability(z))) / len(y)
    assert gradient.max() < lam * (1 + 1e-6)  # Karush, Kuhn, Tucker: it is the minimum
    expected = pd.Series(theirs["nonzero"]).reindex(["(Intercept)", *used], fill_value=0.0)
    assert np.abs(np.append(model.intercept, model.coefficients) - expected).max() < 6e-6


@pytest.mark.parametrize("which", ["1se", "min"])
def test_pipelines_lasso_is_glmnets_on_its_path(table, x, which):
    """As the pipeline fits it: after Mann-Whitney and Spearman, warm from larger lambdas."""
    theirs = RS["lasso"]["pipeline_binomial_deviance"]
    steps = signature.signature_pipeline(Radiomics(), 1)[:2]
    kept = steps.fit_transform(x, table.y)
    lam = theirs[f"lambda_{which}"]
    path = lasso.lasso_path(
        lasso.standardised(kept), table.y.to_numpy(), np.array([4 * lam, 2 * lam, lam])
    )
    original = pd.Series(theirs[f"coef_{which}"]).reindex(kept.columns, fill_value=0.0)
    assert np.abs(path[-1] - original * kept.std(ddof=0)).max() < 6e-6


def test_pipelines_lasso_chooses_glmnets_lambda_on_the_same_folds(table, x):
    """Deviance to 1e-3: glmnet fits each fold on its own lambdas and interpolates between them."""
    theirs = RS["lasso"]["pipeline_binomial_deviance"]
    kept = signature.signature_pipeline(Radiomics(), 1)[:2].fit_transform(x, table.y)
    fold = pd.read_csv(REFERENCE / "features_cvfolds.csv").fold.to_numpy()
    found = lasso.Lasso(fold).fit(kept, table.y)
    n = len(found.lambdas_)
    assert np.allclose(found.lambdas_, theirs["lambda"][:n], rtol=1e-9)
    assert found.lambda_min_ == pytest.approx(theirs["lambda_min"], rel=1e-9)
    assert np.allclose(found.deviance_, theirs["cvm"][:n], atol=1e-3)
    assert np.allclose(found.se_, theirs["cvsd"][:n], atol=1e-3)
    assert ((found.path_ != 0).sum(axis=1) == theirs["nzero"][:n]).all()
    coefficients = pd.Series(theirs["coef_min"]).drop("(Intercept)")
    assert set(found.get_feature_names_out()) == set(coefficients.index)
    original = coefficients[found.get_feature_names_out()] * kept.std(ddof=0)
    assert found.coef_[found.coef_ != 0] == pytest.approx(
        original[found.get_feature_names_out()].to_numpy(), abs=1e-5
    )


def test_whole_lasso_path_is_glmnets(table, x):
    """297 features: those that enter, the cross-validated deviance and lambda.min on its folds."""
    theirs = RS["lasso"]["clean_binomial_deviance"]
    fold = pd.read_csv(REFERENCE / "features_cvfolds.csv").fold.to_numpy()
    found = lasso.Lasso(fold).fit(x.drop(columns=["f296", "f297", "f300"]), table.y)
    n = len(found.lambdas_)
    assert np.allclose(found.lambdas_, theirs["lambda"][:n], rtol=1e-9)
    assert found.lambda_min_ == pytest.approx(theirs["lambda_min"], rel=1e-9)
    assert np.allclose(found.deviance_, theirs["cvm"][:n], atol=1e-3)
    assert np.abs((found.path_ != 0).sum(axis=1) - theirs["nzero"][:n]).max() <= 1


def test_duplicated_constant_tied_and_separating_features(table, x):
    """f297 repeats f001, f300 mirrors f021, f296 is constant; a separating one has p of the LRT."""
    kept = signature.Spearman(0.9).fit(x[["f001", "f297", "f021", "f300", "f296"]], table.y)
    names = set(kept.get_feature_names_out())
    assert len(names & {"f001", "f297"}) == 1 and len(names & {"f021", "f300"}) == 1
    separating = pd.DataFrame({"s": table.y + 0.001 * np.arange(len(table)) / len(table)})
    found = signature.univariate(separating, table.y)
    share = table.y.mean()
    null = -2 * len(table) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    assert found.p.item() == pytest.approx(stats.chi2.sf(null, 1), rel=0.2)


def test_pipeline_fits_on_given_rows_and_repeats(table, x):
    rows = np.arange(len(x)) < 120
    one, two = (
        signature.signature_pipeline(Radiomics(lasso_folds=3), 1).fit(x[rows], table.y[rows])
        for _ in range(2)
    )
    changed = x.copy()
    changed.loc[~rows] = 0
    three = signature.signature_pipeline(Radiomics(lasso_folds=3), 1)
    three.fit(changed[rows], table.y[rows])
    names = [list(p[-1].get_feature_names_out()) for p in (one, two, three)]
    assert names[0] == names[1] == names[2] and len(names[0]) > 0
    steps = signature.steps_table(one)
    assert (steps.kept + steps.dropped).tolist() == [300, *steps.kept[:-1]]
    assert list(one.transform(x).columns) == names[0]
    described = signature.signature_table(one, x[rows], table.y[rows])
    assert (described.univariate_p < 0.05).all() and (described.mann_whitney_p < 0.05).all()
    mutants = x[rows].loc[table.y[rows].to_numpy() == 1, names[0]]
    assert np.allclose(described.q3_mutant, np.percentile(mutants, 75, axis=0))


def test_nothing_found_keeps_one_and_says_so():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({f"original_a_{i}": np.append(np.zeros(10), np.zeros(10)) for i in range(3)})
    x["original_a_v"] = np.tile([0.0, 1.0], 10) + rng.normal(0, 1e-9, 20)
    pipeline = signature.signature_pipeline(Radiomics(lasso_folds=3), 1)
    pipeline.fit(x, np.repeat([0, 1], 10))
    assert list(pipeline[-1].get_feature_names_out()) == ["original_a_v"]
    assert signature.steps_table(pipeline).fell_back.iloc[0]
