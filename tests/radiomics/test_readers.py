"""ICC against Shrout and Fleiss, Dice by hand, the second reader's masks; stability, optimism."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import statsmodels.formula.api as smf
from radiogenomics.models import classical
from radiogenomics.radiomics import agreement, perturbations, second_reader, signature
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Radiomics


def test_icc_is_shrout_and_fleiss():
    """Their Table 2 (1979): ICC(2,1) 0.29; the interval is that of R's psych::ICC."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = agreement.icc(np.array(table, float)[:, :, np.newaxis])[0]
    assert found == pytest.approx([0.2898, 0.0188, 0.7611], abs=5e-4)


def test_icc_is_that_of_variance_components():
    """An independent route: statsmodels' crossed random effects by restricted likelihood."""
    rng = np.random.default_rng(3)
    ratings = rng.normal(size=(40, 1)) * 2 + np.array([0, 0.8]) + rng.normal(size=(40, 2))
    long = pd.DataFrame({"y": ratings.ravel(), "p": np.repeat(range(40), 2), "r": [0, 1] * 40})
    long["one"] = 1
    parts = {"p": "0 + C(p)", "r": "0 + C(r)"}
    fit = smf.mixedlm("y ~ 1", long, groups="one", vc_formula=parts).fit()
    component = dict(zip(fit.model.exog_vc.names, fit.vcomp, strict=True))
    theirs = component["p"] / (component["p"] + component["r"] + fit.scale)
    assert agreement.icc(ratings[:, :, np.newaxis])[0, 0] == pytest.approx(theirs, abs=0.01)


def test_constant_and_equal_features_have_stated_answers():
    first = pd.DataFrame({"same": [1.0, 2, 3, 4], "flat": 5.0}, index=list("abcd"))
    table = agreement.icc_table(first, first).set_index("feature")
    assert table.icc["same"] == 1 and np.isnan(table.icc["flat"])
    asked = [agreement.filters(Radiomics(reader_icc=limit), first, {}) for limit in (0.75, 0)]
    assert [agreement.fitted(steps, first) for steps in asked] == [["same"], ["same", "flat"]]
    nobody = agreement.filters(Radiomics(reader_icc=0.75), first.iloc[:0], {})
    with pytest.raises(StudyError, match="reader_icc = 0.75 leaves none of 2 features"):
        agreement.fitted(nobody, first)


def test_a_feature_has_to_bear_every_small_error():
    rng = np.random.default_rng(4)
    first = pd.DataFrame(rng.normal(size=(30, 3)), columns=["steady", "once", "never"])
    noisy = first + 3 * rng.normal(size=first.shape)
    changed = {"a": first.assign(never=noisy.never), "b": noisy.assign(steady=first.steady)}
    steps = agreement.filters(Radiomics(perturbation_icc=0.9), first.iloc[:0], changed)
    assert [name for name, _ in steps] == ["agreement after small errors"]
    assert agreement.fitted(steps, first) == ["steady"]
    table = perturbations.agreement(
        first.add_prefix("original_glcm_"),
        {name: after.add_prefix("original_glcm_") for name, after in changed.items()},
    )
    shares = perturbations.shares(table)
    assert shares.loc["glcm"].to_list() == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    assert shares.loc["all"].to_list() == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    x, y = features(rng, 60, 2)
    after = {"a": x + rng.normal(0, 0.01, x.shape)}
    steps = agreement.filters(Radiomics(perturbation_icc=0.9), x, after)
    whole = agreement.with_filters(signature.signature_pipeline(Radiomics(lasso_folds=3), 1), steps)
    rules = signature.steps_table(whole.fit(x, y)).rule.tolist()
    assert rules[0] == "ICC >= 0.9" and len(rules) == 5


def test_dice_and_volumes_by_hand(tmp_path):
    box = np.zeros((10, 10, 10), np.uint8)
    one, two = box.copy(), box.copy()
    one[2:6, 2:6, 2:6] = 1
    two[2:6, 2:6, 4:8] = 1
    ct = np.arange(box.size, dtype=np.int16).reshape(box.shape) - 500
    for name, array in (("ct", ct), ("one", one), ("two", two)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((2, 1, 1))
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    row = {"patient": "a", "ct": str(tmp_path / "ct.nii.gz"), "mask_label": 1}
    row |= {"mask": str(tmp_path / "one.nii.gz"), "mask_2": str(tmp_path / "two.nii.gz")}
    table = pd.DataFrame([row, row | {"patient": "b", "mask_2": ""}])
    found = second_reader.agreement(table)
    assert found.patient.tolist() == ["a"]
    assert found.dice.item() == pytest.approx(0.5) and found.volume_1_mm3.item() == 128


def features(rng, n, informative):
    x = pd.DataFrame(rng.normal(size=(n, 150)), columns=[f"original_x_{i}" for i in range(150)])
    y = np.tile([0, 1], n // 2)
    x.iloc[:, :informative] += 1.5 * y[:, np.newaxis]
    return x, y


def chain(x, y):
    selector = signature.signature_pipeline(Radiomics(lasso_folds=3), 1).fit(x, y)
    fold = classical.folds(pd.DataFrame({"label": y, "hospital": "A"}), 3, 1)
    kinds = {"LR": classical.radiomics_models(1)["LR"]}
    nested = classical.radiomics_out_of_fold(selector, kinds, x, y, fold)
    return signature.optimism_of_selection(kinds, selector.transform(x), nested, y, fold).iloc[0]


def test_selection_outside_the_folds_flatters_noise():
    found = [chain(*features(np.random.default_rng(seed), 60, 0)) for seed in range(4)]
    assert np.mean([one.naive_auc for one in found]) > 0.65
    assert abs(np.mean([one.nested_auc for one in found]) - 0.5) < 0.12
    assert np.mean([one.optimism for one in found]) > 0.1


def test_informative_features_are_chosen_often():
    x, y = features(np.random.default_rng(1), 60, 2)
    selector = signature.signature_pipeline(Radiomics(lasso_folds=3), 1).fit(x, y)
    told = []
    table = signature.selection_frequency(
        selector, x, y, 6, 1, progress=lambda *counts: told.append(counts)
    ).set_index("feature")
    assert table.frequency["original_x_0"] >= 0.8 and table.chosen["original_x_0"]
    assert table.frequency.max() <= 1 and told[-1] == (6, 6)
    assert chain(x, y).nested_auc > 0.75


def test_choices_of_resamples_are_kept(tmp_path, monkeypatch):
    x, y = features(np.random.default_rng(1), 60, 2)
    selector = signature.signature_pipeline(Radiomics(lasso_folds=3), 1).fit(x, y)
    first = signature.selection_frequency(selector, x, y, 3, 1, folder=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 3
    monkeypatch.setattr(signature.Spearman, "fit", lambda *_: 1 / 0)
    assert signature.selection_frequency(selector, x, y, 3, 1, folder=tmp_path).equals(first)
    for data in ((x, 1 - y), (x + 1.0, y)):
        with pytest.raises(ZeroDivisionError):
            signature.selection_frequency(selector, *data, 3, 1, folder=tmp_path)


def test_permuted_labels_leave_nothing_to_find():
    """The leak smoke test: the whole chain, fitted to permuted training labels."""
    rng = np.random.default_rng(2)
    x, y = features(rng, 160, 3)
    inside, outside = x[:80], x[80:]
    found = []
    for _ in range(12):
        permuted = rng.permutation(y[:80])
        selector = signature.signature_pipeline(Radiomics(lasso_folds=3), 1)
        chosen, new = selector.fit_transform(inside, permuted), selector.transform(outside)
        model = classical.radiomics_models(1)["LR"].fit(chosen, permuted)
        found.append(signature._mean_auc(y[80:], classical.probability(model, new), np.zeros(80)))
    assert abs(np.mean(found) - 0.5) < 2.5 * np.std(found, ddof=1) / np.sqrt(12) + 0.03
    real = signature.signature_pipeline(Radiomics(lasso_folds=3), 1)
    chosen = real.fit_transform(inside, y[:80])
    model = classical.radiomics_models(1)["LR"].fit(chosen, y[:80])
    score = classical.probability(model, real.transform(outside))
    assert signature._mean_auc(y[80:], score, np.zeros(80)) > 0.8
