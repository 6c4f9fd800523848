"""The network is the paper's; training decides its epoch on training patients alone."""

import numpy as np
import pandas as pd
import pytest
from radiogenomics.models import cnn_training
from radiogenomics.models import network as cnn
from radiogenomics.models.network import keras
from radiogenomics.study.errors import SettingsFault, StudyError
from radiogenomics.study.settings import CNN
from radiogenomics.study.words import say

SMALL = (16, 16, 16)


def patients(n=24, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    volumes = rng.random((n, *SMALL, 1)).astype(np.float32) * 0.2
    volumes[labels == 1, :, :8] += 0.6
    volumes[labels == 0, :, 8:] += 0.6
    return volumes, labels


@pytest.fixture(scope="module")
def network():
    return cnn.build((32, 64, 64), CNN(), seed=1)


def test_parameters_and_layers_are_the_papers(network):
    table = cnn.layers_table(network)
    assert network.count_params() == table.parameters.sum() == 1_297_090
    assert len(table) == 17
    assert table.parameters.sum() - table.trainable.sum() == 960


def test_same_seed_same_weights():
    a, b, c = (cnn.build(SMALL, CNN(), seed=s).get_weights()[0] for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_another_network_is_an_entry_that_the_settings_name(monkeypatch, tmp_path):
    def small(shape, settings, seed):
        inputs = keras.Input((*shape, 1))
        x = keras.layers.Conv3D(4, 3, activation="relu", name="conv3d_1")(inputs)
        x = keras.layers.GlobalAveragePooling3D()(x)
        return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))

    monkeypatch.setitem(cnn.NETWORKS, "small", small)
    volumes, labels = patients()
    settings = CNN(network="small", epochs=1)
    done = cnn_training.train(volumes, labels, settings, 3, tmp_path)
    assert len(done.model.layers) == 4 and done.model.count_params() == 122
    folders = [
        cnn_training.training_folder(tmp_path, ["a"], s, 1) for s in (settings, CNN(epochs=1))
    ]
    assert folders[0] != folders[1]
    with pytest.raises(
        SettingsFault, match="network = 'smal': no such network. Did you mean small"
    ):
        cnn.build(SMALL, CNN(network="smal"), 1)


def test_training_learns_and_stops_on_its_own_patients(tmp_path):
    volumes, labels = patients()
    settings = CNN(epochs=5, patience=2)
    done = cnn_training.train(volumes, labels, settings, 3, tmp_path)
    assert done.history.loss.iloc[-1] < done.history.loss.iloc[0]
    assert done.best_epoch == done.history.val_loss.argmin() + 1
    fit, check = cnn_training.validation_split(labels, 0.2, 3)
    assert not set(fit) & set(check) and len(fit) + len(check) == len(labels)
    assert cnn.score(done.model, volumes).shape == (24,)


def test_interrupted_training_ends_as_an_undisturbed_one(tmp_path):
    volumes, labels = patients()
    settings = CNN(epochs=3, patience=9)
    whole = cnn_training.train(volumes, labels, settings, 3, tmp_path / "whole")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cnn_training.train(volumes, labels, settings, 3, tmp_path / "cut", stop)
    resumed = cnn_training.train(volumes, labels, settings, 3, tmp_path / "cut")
    assert resumed.history.equals(whole.history)
    assert np.array_equal(cnn.score(resumed.model, volumes), cnn.score(whole.model, volumes))


def test_a_stop_between_history_and_network_trains_that_epoch_again(tmp_path, monkeypatch):
    volumes, labels = patients()
    settings = CNN(epochs=2, patience=9)
    whole = cnn_training.train(volumes, labels, settings, 3, tmp_path / "whole")
    save = cnn.save

    def stop(model, path):
        if path.name == "last.keras" and len(pd.read_csv(path.parent / "history.csv")) == 2:
            raise KeyboardInterrupt
        save(model, path)

    monkeypatch.setattr(cnn_training, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        cnn_training.train(volumes, labels, settings, 3, tmp_path / "cut")
    monkeypatch.setattr(cnn_training, "save", save)
    assert len(pd.read_csv(tmp_path / "cut" / "history.csv")) == 2
    resumed = cnn_training.train(volumes, labels, settings, 3, tmp_path / "cut")
    assert resumed.history.equals(whole.history)


def test_gpu_asked_for_and_absent_is_a_clear_error():
    if cnn.tf.config.list_physical_devices("GPU"):
        assert cnn.device("gpu").startswith("GPU")
    else:
        with pytest.raises(StudyError, match="sees no GPU"):
            cnn.device("gpu")


def test_flips_keep_front_and_back():
    rng = np.random.default_rng(0)
    batch = np.zeros((6, 4, 4, 4, 1), np.float32)
    batch[:, :, 0] = 1
    flipped = cnn_training.augmented(batch, "flips", rng)
    assert np.array_equal(flipped, batch)
    batch[:, 0] = 2
    assert not np.array_equal(cnn_training.augmented(batch, "flips", rng), batch)


def test_trainings_that_learned_nothing_are_told():
    def training(loss):
        history = pd.DataFrame({"epoch": [1, 2], "val_loss": [0.9, loss], "val_accuracy": 0.5})
        return cnn_training.Training(None, history, 2)

    trainings = {"final": training(0.4), "fold 1": training(0.5), "fold 2": training(0.6)}
    scores, fold = np.array([0.1, 0.9, 0.60, 0.65]), np.array([1, 1, 2, 2])
    table = cnn_training.trainings_table(trainings, scores, fold)
    assert table.learned.tolist() == [True, True, False]
    assert table[["lowest", "highest"]].iloc[2].tolist() == [0.60, 0.65]
    coin = cnn_training.trainings_table({"final": training(0.7)}, scores, fold)
    assert coin.learned.tolist() == [False]
    told = say("models", "trainings", idle=["fold 2"], trainings=3)
    assert "1 of 3 trainings of the CNN failed (fold 2)" in told and 'class="alert"' in told
    assert say("models", "trainings", idle=[], trainings=3) == "No training failed."
