"""Where there is nothing to find, nothing is found: null studies and permuted labels."""

import numpy as np
import pandas as pd
import pytest
from radiogenomics.models import classical, predictions
from radiogenomics.radiomics import signature
from radiogenomics.statistics import discrimination
from radiogenomics.study import contract
from radiogenomics.study.settings import Radiomics, Settings
from radiogenomics.study.study import Study
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

N, TRAIN, FOLDS = 150, 90, 3
PAIRS = 2  # permutations, each also with its labels turned round: chance favours neither
LUCK = 0.08  # how far from 0.5 the mean AUC may lie by chance


def test_null_studies_are_significant_in_five_percent():
    """AUC against 0.5 and a DeLong pair, correlated as two models of one cohort are."""
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 66)
    alone, paired, excluded = [], [], []
    for _ in range(1000):
        shared = rng.normal(size=132)
        a, b = shared + rng.normal(size=(2, 132))
        auc, variance = (part.item() for part in discrimination.delong(labels, a))
        alone.append(2 * stats.norm.sf(abs(auc - 0.5) / np.sqrt(variance)))
        low, high = discrimination.delong_interval(auc, variance)[1:]
        excluded.append(not low <= 0.5 <= high)
        paired.append(discrimination.delong_test(labels, a, b)[1])
    for p in (alone, paired):
        assert 0.03 <= np.mean(np.array(p) < 0.05) <= 0.07
    assert np.mean(excluded) == np.mean(np.array(alone) < 0.05)


@pytest.fixture(scope="module")
def cohort():
    """Patients and features that tell the label well, in 3 of 20 features, sex and smoking."""
    rng = np.random.default_rng(2)
    patients = pd.DataFrame({"patient": [f"P{i}" for i in range(N)], "label": [0, 1] * (N // 2)})
    patients["cohort"] = np.where(np.arange(N) < TRAIN, "train", "test")
    patients["hospital"] = patients.cohort
    told = rng.random((2, N)) < 0.7
    patients["sex"] = np.where(told[0] == patients.label, "female", "male")
    patients["smoking_history"] = np.where(told[1] == patients.label, "never", "ever")
    values = rng.normal(size=(N, 20))
    values[:, :3] += patients.label.to_numpy()[:, np.newaxis]
    names = [f"original_firstorder_{i}" for i in range(20)]
    return patients, pd.DataFrame(values, columns=names, index=patients.patient)


def chain(study, patients, values):
    """As notebooks 03 to 05 go: selection, every model, folds, stacks; a plain model as the CNN."""
    train, test = (patients[patients.cohort == side] for side in ("train", "test"))
    inside, outside = values.loc[train.patient], values.loc[test.patient]
    labels, fold = train.label.to_numpy(), classical.folds(train, FOLDS, 1)
    selector = signature.signature_pipeline(study.settings.radiomics, 1).fit(inside, labels)
    kinds = classical.radiomics_models(1)
    nested = classical.radiomics_out_of_fold(selector, kinds, inside, labels, fold)
    chosen, new = selector.transform(inside), selector.transform(outside)
    cases = {name: (kind, chosen, new, nested[name]) for name, kind in kinds.items()}
    clinical = [classical.clinical_columns(side, ("sex", "smoking")) for side in (train, test)]
    network = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3))
    for name, kind, known, unseen in (
        ("Clinical", classical.clinical_model(), *clinical),
        ("CNN", network, inside.to_numpy(), outside.to_numpy()),
    ):
        cases[name] = kind, known, unseen, classical.out_of_fold(kind, known, labels, fold)
    for name, (kind, known, unseen, oof) in cases.items():
        fitted = kind.fit(known, labels)
        inside, outside = (classical.probability(fitted, x) for x in (known, unseen))
        predictions.save(study, name, (train, inside), (test, outside), oof, fold)
    classical.fit_combined(study, patients)
    naive = signature.optimism_of_selection(kinds, chosen, nested, labels, fold)
    return predictions.read_scores(study), naive.set_index("model").naive_auc


def aucs(scores, patients, kind):
    """The mean AUC over the folds out of fold, as pooling turns prevalence into a ranking."""
    rows = predictions.select(scores, kind)
    rows = rows.assign(label=rows.patient.map(patients.set_index("patient").label))
    rows = rows.assign(fold=rows.fold.fillna(0))
    by = rows.groupby(["model", "fold"])[["label", "score"]]
    found = by.apply(lambda r: discrimination.delong(r.label.to_numpy(), r.score.to_numpy())[0][0])
    return found.groupby("model").mean()


def test_whole_chain_finds_what_is_there_and_nothing_in_permuted_labels(tmp_path, cohort):
    """Permuted in training, true in the test. A selection outside the folds, the naive AUC, is
    the kind of leak that this shows.
    """
    patients, values = cohort
    settings = Settings(radiomics=Radiomics(lasso_folds=3))
    study = Study(tmp_path, tmp_path / "true", settings)
    scores, _ = chain(study, patients, values)
    assert (aucs(scores, patients, "external") > 0.7).all()
    assert (aucs(scores, patients, "out_of_fold") > 0.65).all()
    rng = np.random.default_rng(9)
    found = {"external": [], "out_of_fold": [], "naive": []}
    train = patients.cohort == "train"
    drawn = [rng.permutation(patients.label[train]) for _ in range(PAIRS)]
    for i, labels in enumerate([*drawn, *(1 - one for one in drawn)]):
        permuted = patients.copy()
        permuted.loc[train, "label"] = labels
        study = Study(tmp_path, tmp_path / str(i), settings)
        scores, naive = chain(study, permuted, values)
        for kind in ("external", "out_of_fold"):
            found[kind].append(aucs(scores, permuted, kind))
        found["naive"].append(naive)
    mean = {kind: pd.concat(rows, axis=1).mean(axis=1) for kind, rows in found.items()}
    assert set(mean["external"].index) == {model.name for model in contract.MODELS}
    assert (mean["external"] - 0.5).abs().max() < LUCK
    assert (mean["out_of_fold"] - 0.5).max() < LUCK
    assert mean["naive"].mean() - 0.5 > LUCK
