"""Further classifiers of study.toml: what is refused, saved, seeded, explained, coloured."""

import dataclasses
import itertools
import sys
import tomllib

import numpy as np
import pandas as pd
import pytest
from radiogenomics.comparison import refitted
from radiogenomics.models import classical, classifiers, importance, predictions
from radiogenomics.radiomics.signature import signature_pipeline
from radiogenomics.report import acting
from radiogenomics.report.pages import notebooks
from radiogenomics.study import style
from radiogenomics.study.errors import ModelMismatch, SettingsFault
from radiogenomics.study.files import write_json
from radiogenomics.study.settings import Radiomics, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import build
from skimage.color import deltaE_ciede2000, rgb2lab
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

FOREST = "sklearn.ensemble.RandomForestClassifier"
SMALL = f'[models.forest]\nclass = "{FOREST}"\nn_estimators = 20\n'


def settings_of(toml):
    return build(Settings, tomllib.loads(toml), "study.toml")


def study_of(folder, toml=SMALL):
    return Study(folder, folder / "reports", settings_of(toml))


def made_up(n=80, features=30, seed=3):
    """Return features of which the first tells the label, labels, and folds."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    names = [f"original_firstorder_F{i}" for i in range(features)]
    x = pd.DataFrame(rng.normal(size=(n, features)), columns=names)
    x[names[0]] += 2.5 * labels
    return x, labels, np.arange(n) // 2 % 4 + 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f'LR = "{FOREST}"', "[models] LR: not a name for a further model"),
        (f'cnn = "{FOREST}"', "[models] cnn: not a name"),
        (f'none = "{FOREST}"', "[models] none: not a name"),
        (f'"a/b" = "{FOREST}"', "[models] a/b: not a name"),
        (f'tree = "{FOREST}"\nTree = "{FOREST}"', "[models] Tree: not a name"),
        ('x = "os.system"', "[models] x: {'class': 'os.system'}. Expected: a class of sklearn"),
        ('x = "sklearn.ensemble;os"', "Expected: a class of sklearn, xgboost, lightgbm"),
        ("x = 3", "[models] x: 3. Expected: a class"),
        ("x = {n_estimators = 3}", "[models] x: {'n_estimators': 3}. Expected: a class"),
        (f'x = {{class = "{FOREST}", random_state = 1}}', "no random_state: it is the study's"),
        (f'x = {{class = "{FOREST}", class_weight = {{a = 1}}}}', "x, class_weight: {'a': 1}"),
        ("\n".join(f'm{i} = "{FOREST}"' for i in range(6)), "6 classifiers. Expected: at most 5"),
    ],
)
def test_what_is_no_further_model_is_refused_by_its_setting(line, told):
    with pytest.raises(SettingsFault) as fault:
        settings_of(f"[models]\n{line}\n")
    assert told in str(fault.value) and "study.toml [models]" in str(fault.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('"sklearn.ensemble.RandomForrest"', "there is no class sklearn.ensemble.RandomForrest."),
        ('"sklearn.ensemble.RandomForestClasifier"', f"Did you mean {FOREST}?"),
        ('"sklearn.utils.os.path"', "there is no class"),
        ('"sklearn.nowhere.Thing"', "there is no class"),
        ('"sklearn.ensemble.RandomForestRegressor"', f"is a regressor. Did you mean {FOREST}?"),
        ('"sklearn.preprocessing.StandardScaler"', "is no classifier. Expected: a classifier"),
        ('"sklearn.ensemble.StackingClassifier"', "needs other estimators"),
        ('"sklearn.svm.LinearSVC"', "no predict_proba. Expected: a classifier that gives"),
        ('"sklearn.semi_supervised.LabelSpreading"', "cannot be saved and read again"),
        ('"sklearn.naive_bayes.MultinomialNB"', "cannot be fitted to z-scored features: Negative"),
        (f'{{class = "{FOREST}", n_tree = 5}}', "RandomForestClassifier has no parameter n_tree."),
        (f'{{class = "{FOREST}", n_estimators = -5}}', "Got -5 instead"),
        ('{class = "sklearn.linear_model.SGDClassifier", loss = "log_loss"}', ""),
        ('"sklearn.neighbors.KNeighborsClassifier"', ""),
        ('"sklearn.gaussian_process.GaussianProcessClassifier"', ""),
    ],
)
def test_a_classifier_is_tried_before_it_is_used(line, told):
    found = classifiers.faults(settings_of(f"[models]\nx = {line}\n"))
    assert [told in one and one.startswith("study.toml [models] x: ") for one in found] == (
        [True] if told else []
    )


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    classifiers._tried.cache_clear()
    asked = settings_of('[models]\nboosted = "xgboost.XGBClassifier"\n')
    with pytest.raises(SettingsFault, match=r"\[models\] boosted: xgboost is not installed"):
        classifiers.require(asked)


def test_both_forms_name_the_same_and_what_was_fitted_comes_back(tmp_path):
    short, long = (
        settings_of(text)
        for text in (f'[models]\nforest = "{FOREST}"\n', f'[models.forest]\nclass = "{FOREST}"\n')
    )
    assert short.models == long.models != Settings().models
    study = study_of(tmp_path)
    study.keep_fitted("models", "features")
    assert study_of(tmp_path, "").as_fitted().settings.models == study.settings.models


def test_a_further_model_has_the_studys_seed_and_its_parameters():
    model = classifiers.on_signature(settings_of(SMALL))[-1]
    forest = classifiers.made(model, 77)
    assert (forest.random_state, forest.n_estimators) == (77, 20)
    assert model.what == (
        "RandomForestClassifier of scikit-learn with n_estimators = 20, else its defaults, on the "
        "selected features"
    )


def test_it_is_saved_and_read_and_no_other_models_file_may_hold_its_types(tmp_path):
    study, (x, labels, _) = study_of(tmp_path), made_up()
    model = classical.radiomics_models(1, classifiers.on_signature(study.settings))["forest"]
    model.fit(x, labels)
    classical.save_model(study, "forest", model)
    again = classical.load_model(study, "forest")
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    with pytest.raises(ModelMismatch, match=r"LR.skops holds sklearn.tree._tree.Tree"):
        classical.save_model(study, "LR", model)
    assert not classical.model_file(study, "LR").exists()
    with pytest.raises(ModelMismatch, match="forest.skops holds"):
        classical.load_model(study_of(tmp_path, ""), "forest")


def test_it_is_fitted_again_with_the_others_and_caches_tell_it():
    x, labels, _ = made_up()
    asked = settings_of(SMALL)
    selector = signature_pipeline(Radiomics(), 1)
    models = classifiers.on_signature(asked)
    found = refitted.on_features(selector, 1, labels, x, x, models)
    assert list(found) == ["LR", "SVM", "Bayes", "forest"]
    assert list(refitted.ranked_by_features(selector, 1, labels, x, x, models)) == list(found)
    others = [SMALL, SMALL.replace("20", "21"), SMALL.replace("forest", "wood"), ""]
    keys = [tuple(map(classifiers.key, classifiers.further(settings_of(t)))) for t in others]
    assert len(set(keys)) == 4 and keys[-1] == ()


def test_another_classifier_than_the_run_had_is_told(tmp_path):
    study = study_of(tmp_path)
    state = {"settings": dataclasses.asdict(Settings())}
    write_json(study.manifest_json, {"notebooks": {"03_radiomics": state}})
    (line,) = acting.outdated(study, tuple(notebooks()))
    assert line.startswith("study.toml has [models] = {'forest': {'class'")
    assert line.endswith("Run again: workbook run --from 03")


def test_importance_is_of_patients_who_were_left_out():
    x, labels, fold = made_up()
    asked = settings_of(f"{SMALL}max_depth = 3\n")
    models = classical.radiomics_models(1, classifiers.further(asked))
    selector = signature_pipeline(Radiomics(), 1)
    found = importance.out_of_fold(selector, models, x, labels, fold, 5)
    first = found.iloc[0]
    assert (first.feature, first.folds, first.model) == ("original_firstorder_F0", 4, "forest")
    assert 0.2 < first.importance < 0.6 and first.importance > 5 * found.importance[1:].max()
    assert found.equals(importance.out_of_fold(selector, models, x, labels, fold, 5))
    noise = x.drop(columns="original_firstorder_F0")
    nothing = importance.out_of_fold(selector, models, noise, labels, fold, 5)
    assert nothing.importance.sum() < 0.15  # in sample a forest's are over 0.3
    forest = models["forest"].fit(noise, labels)
    assert forest.score(noise, labels) > 0.9


def test_scores_of_a_model_that_went_go(tmp_path):
    study = study_of(tmp_path)
    patients = pd.DataFrame({"patient": ["a", "b"], "cohort": ["train", "test"]})
    for name in ("LR", "forest", "other"):
        predictions.save_scores(study, predictions.score_rows(patients, name, [0.1, 0.2]))
    x, labels, fold = made_up(8, 2)
    train = pd.DataFrame({"patient": [f"p{i}" for i in range(8)], "cohort": "train"})
    test = train[:2].assign(cohort="test", patient=["q0", "q1"])
    model = classical.radiomics_models(1)["LR"].fit(x, labels)
    sides = (train, x), (test, x[:2])
    classical.keep_models(study, {"LR": model}, *sides, {"LR": np.full(8, 0.5)}, fold)
    assert set(predictions.read_scores(study).model) == {"LR", "forest"}


PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
          [-0.003882, -0.048116, 1.051998]]  # fmt: skip
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
          [-0.011820, 0.042940, 0.968881]]  # fmt: skip


def seen(colour, matrix):
    """Return a colour in CIELAB as seen with a colour vision (Machado 2009, severity 1)."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(coded[None, None])[0, 0]


def test_colours_of_further_models_are_told_apart_by_every_eye():
    own = [*style.COLOURS.values(), style.BACK]
    pairs = [*itertools.product(style.SPARE, own), *itertools.combinations(style.SPARE, 2)]
    for matrix in (np.eye(3), PROTAN, DEUTAN):
        for a, b in pairs:
            assert deltaE_ciede2000(seen(a, matrix), seen(b, matrix)) > 12, (a, b)


@pytest.mark.slow
def test_every_classifier_of_scikit_learn_is_used_or_refused_in_a_sentence(tmp_path):
    x, labels, _ = made_up()
    x = pd.DataFrame(StandardScaler().fit_transform(x), columns=x.columns)
    used = []
    for name, kind in all_estimators(type_filter="classifier"):
        path = f"{'.'.join(kind.__module__.split('.')[:2])}.{name}"
        study = study_of(tmp_path, f'[models]\nx = "{path}"\n')
        if told := classifiers.faults(study.settings):
            assert len(told) == 1 and "Traceback" not in told[0] and len(told[0]) < 500
            continue
        model = classifiers.made(classifiers.further(study.settings)[0], 1).fit(x, labels)
        classical.save_model(study, "x", model)
        again = classical.load_model(study, "x").predict_proba(x)
        assert np.array_equal(again, model.predict_proba(x)), name
        used.append(name)
    assert len(used) >= 20
