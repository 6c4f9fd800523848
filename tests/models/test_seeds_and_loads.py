"""Every random step takes the seed; no file of a model runs code."""

import os
import pickle
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
import skops.io
from radiogenomics.comparison.controls import luck
from radiogenomics.models import classical, cnn_training, network, platt
from radiogenomics.models.augmentation import augmented
from radiogenomics.radiomics import lasso
from radiogenomics.statistics import resampling
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import whole_file
from radiogenomics.study.kept import kept_array
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

RNG = np.random.default_rng(11)
Y = np.tile([0, 1], 30)
X = pd.DataFrame(RNG.normal(size=(60, 4)) + 0.5 * Y[:, None], columns=list("abcd"))
TRAIN = pd.DataFrame({"patient": range(60), "label": Y, "cohort": "train"})
STEPS = {  # every random step of training and judging, as an array
    "folds": lambda seed: classical.folds(TRAIN, 3, seed),
    "epoch's validation": lambda seed: cnn_training.validation_split(Y, 0.3, seed)[1],
    "weights": lambda seed: network.build((16, 16, 16), Settings().cnn, seed).get_weights()[0],
    "augmentation": lambda seed: augmented(
        RNG_VOLUMES, ("flips", "shifts"), np.random.default_rng(seed)
    ),
    "Platt's folds": lambda seed: platt.unseen_decisions(LogisticRegression(), X, Y, seed),
    "LASSO's folds": lambda seed: lasso.Lasso(folds=5, seed=seed)._fold_of(Y),
    "bootstrap": lambda seed: resampling.draw(Y == 1, 5, seed).free,
    "permuted labels": lambda seed: luck.permuted_labels(TRAIN, seed, 1).label,
}
RNG_VOLUMES = RNG.normal(size=(4, 16, 16, 16, 1)).astype(np.float32)


@pytest.mark.parametrize("step", STEPS)
def test_a_random_step_takes_the_seed_and_nothing_else(step):
    first, again, other = (np.asarray(STEPS[step](seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


class Evil:
    """What a pickle would run when it is read."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of a model file was run')",)


def sealed(path, content):
    with whole_file(path, sealed=True) as part:
        part.write_bytes(content)


def test_no_code_of_an_arrays_or_models_file_is_run(tmp_path):
    """Also where the seal beside it was forged."""
    study = Study(tmp_path, tmp_path, Settings())
    with whole_file(tmp_path / "v.npy", sealed=True) as part, part.open("wb") as stream:
        np.save(stream, np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        kept_array(tmp_path / "v.npy")
    study.models.mkdir(parents=True)
    sealed(classical.model_file(study, "LR"), pickle.dumps(Evil()))
    with pytest.raises((StudyError, zipfile.BadZipFile)):
        classical.load_model(study, "LR")


def test_a_model_of_another_type_is_refused(tmp_path):
    study = Study(tmp_path, tmp_path, Settings())
    study.models.mkdir(parents=True)
    with whole_file(classical.model_file(study, "LR"), sealed=True) as part:
        skops.io.dump(FunctionTransformer(os.system), part)
    with pytest.raises(StudyError, match="which no model here has"):
        classical.load_model(study, "LR")


def test_a_network_with_code_in_it_is_refused(tmp_path):
    """Keras' safe mode: a lambda layer is Python code."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    network.save(model, tmp_path / "network.keras")
    with pytest.raises((ValueError, TypeError), match="(?i)lambda|unsafe|safe"):
        network.load(tmp_path / "network.keras")
