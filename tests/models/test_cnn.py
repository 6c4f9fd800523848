"""The network is the paper's; training decides its epoch on training patients alone."""

import random
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from radiogenomics.maps import gradcam
from radiogenomics.models import cnn_training, cross_fitting, devices
from radiogenomics.models import network as cnn
from radiogenomics.models.augmentation import augmented
from radiogenomics.models.devices import keras
from radiogenomics.study.errors import ModelMismatch, SettingsFault, StudyError
from radiogenomics.study.settings import CNN, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import build, overridden
from radiogenomics.study.words import say
from scipy import ndimage

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


def test_weights_do_not_depend_on_what_other_threads_draw():
    """As Dask's and Jupyter's do, from the process' own generator."""
    alone, ended = cnn.build(SMALL, CNN(), seed=1).get_weights(), threading.Event()

    def draw():
        while not ended.is_set():
            random.random()

    other = threading.Thread(target=draw)
    other.start()
    try:
        among = cnn.build(SMALL, CNN(), seed=1).get_weights()
    finally:
        ended.set()
        other.join()
    assert all(map(np.array_equal, alone, among))


@pytest.fixture
def small(monkeypatch):
    """A network whose training is about the same, but for the time."""

    def build_small(shape, settings, seed):
        inputs = keras.Input((*shape, 1))
        x = keras.layers.Conv3D(4, 3, activation="relu", name="conv3d_1")(inputs)
        x = keras.layers.BatchNormalization(momentum=settings.batch_norm_momentum)(x)
        x = keras.layers.GlobalAveragePooling3D()(x)
        x = keras.layers.Dropout(0.5, seed=seed)(x)
        return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))

    monkeypatch.setitem(cnn.NETWORKS, "small", build_small)


def test_another_network_is_an_entry_that_the_settings_name(small, tmp_path):
    volumes, labels = patients()
    settings = CNN(network="small", epochs=1)
    done = cnn_training.train(volumes, labels, settings, 3, tmp_path)
    assert len(done.model.layers) == 6 and done.model.count_params() == 138
    folders = [
        cross_fitting.training_folder(tmp_path, ["a"], s, 1) for s in (settings, CNN(epochs=1))
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
    [kept] = done.kept
    assert kept.history.loss.iloc[-1] < kept.history.loss.iloc[0]
    assert kept.kept.name == kept.history.val_loss.argmin() + 1
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
    assert resumed.kept[0].history.equals(whole.kept[0].history)
    assert np.array_equal(cnn.score(resumed.model, volumes), cnn.score(whole.model, volumes))


def test_more_epochs_go_on_where_a_training_from_the_start_gives_the_same_digits(
    small, tmp_path, capsys
):
    """A first attempt that found nothing in two epochs goes on and finds it: no second is taken."""
    volumes, labels = patients(16)
    kept, more = (CNN(network="small", epochs=n, augmentation=("flips",)) for n in (2, 6))

    def fitted(settings, derived):
        folder = cross_fitting.folder_to_train(derived, ["a"], settings, 4)
        return cnn_training.train(volumes, labels, settings, 4, folder / "final")

    begun = fitted(kept, tmp_path / "long")
    longer, fresh = fitted(more, tmp_path / "long"), fitted(more, tmp_path / "anew")
    assert "at most 2 epochs is kept. That of 6 goes on from there" in capsys.readouterr().out
    assert [len(x.attempts[0]) for x in (begun, longer, fresh)] == [len(begun.attempts[0]), 1, 1]
    assert len(begun.attempts[0]) > 1
    [went_on], [anew] = longer.attempts[0], fresh.attempts[0]
    assert len(anew.history) == 6 and went_on.history.equals(anew.history)
    assert begun.attempts[0][0].history.equals(anew.history[:2])
    assert all(map(np.array_equal, longer.model.get_weights(), fresh.model.get_weights()))


def test_more_epochs_begin_anew_where_their_number_is_in_the_learning_rate(tmp_path, capsys):
    settings = CNN(epochs=2, schedule="cosine")
    cross_fitting.training_folder(tmp_path, ["a"], settings, 3).mkdir(parents=True)
    longer = cross_fitting.folder_to_train(tmp_path, ["a"], replace(settings, epochs=4), 3)
    assert not longer.exists()
    said = capsys.readouterr().out
    assert "begins anew: with schedule = 'cosine' the learning rate depends on" in said
    rates = [cnn_training.learning_rate(2, replace(settings, epochs=n)) for n in (2, 4)]
    assert rates[0] != rates[1]


def test_a_stop_between_history_and_network_trains_that_epoch_again(small, tmp_path, monkeypatch):
    volumes, labels = patients()
    settings = CNN(network="small", epochs=2, patience=9)
    whole = cnn_training.train(volumes, labels, settings, 3, tmp_path / "whole")
    save = cnn.save

    def stop(model, path):
        if (
            path.name.startswith(cnn_training.EPOCH)
            and len(pd.read_csv(path.parent / "history.csv")) == 2
        ):
            raise KeyboardInterrupt
        save(model, path)

    monkeypatch.setattr(cnn_training, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        cnn_training.train(volumes, labels, settings, 3, tmp_path / "cut")
    monkeypatch.setattr(cnn_training, "save", save)
    assert len(pd.read_csv(tmp_path / "cut" / "network_1_attempt_1" / "history.csv")) == 2
    resumed = cnn_training.train(volumes, labels, settings, 3, tmp_path / "cut")
    assert resumed.kept[0].history.equals(whole.kept[0].history)


def test_every_damaged_file_of_a_training_is_noticed_and_it_begins_anew(small, tmp_path, capsys):
    volumes, labels = patients()
    settings, folder = CNN(network="small", epochs=2, patience=9), tmp_path / "kept"
    whole = cnn_training.train(volumes, labels, settings, 3, folder)
    scores = cnn.score(whole.model, volumes)
    place = folder / "network_1_attempt_1"
    files = [path for path in sorted(place.iterdir()) if path.suffix != ".sha256"]
    assert [path.name for path in files] == ["best.keras", "epoch_0002.keras", "history.csv"]
    for path in files:
        content = path.read_bytes()
        half = len(content) // 2
        for damage in (b"", content[:half], content[:half] + b"?" + content[half + 1 :]):
            path.write_bytes(damage)
            again = cnn_training.train(volumes, labels, settings, 3, folder)
            assert "kept: what was kept of its training cannot be" in capsys.readouterr().out
            assert np.array_equal(cnn.score(again.model, volumes), scores)
    cnn_training.train(volumes, labels, settings, 3, folder)
    assert "cannot be continued" not in capsys.readouterr().out


def test_a_changed_model_file_is_refused_by_name(tmp_path):
    study = Study(tmp_path / "s", tmp_path / "r", Settings())
    cnn.save_network(study, cnn.build(SMALL, CNN(), seed=1))
    cnn.load_network(study)
    path = study.models / cnn.NETWORK
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(ModelMismatch, match="cnn.keras is not as it was written.*--from 04"):
        cnn.load_network(study)


def test_gpu_asked_for_and_absent_is_a_clear_error():
    if devices.tf.config.list_physical_devices("GPU"):
        assert devices.device("gpu").startswith("GPU")
    else:
        with pytest.raises(StudyError, match="sees no GPU"):
            devices.device("gpu")


def test_lower_precision_trains_and_what_is_kept_computes_in_float32(small, tmp_path):
    volumes, labels = patients(16)
    settings = CNN(network="small", epochs=3, patience=9, attempts=1)
    lower = replace(settings, precision="bfloat16")
    exact = cnn_training.train(volumes, labels, settings, 3, tmp_path / "exact")
    other = cnn_training.train(volumes, labels, lower, 3, tmp_path / "other")
    found = other.kept[0].history
    assert np.isfinite(found.loss).all() and not found.equals(exact.kept[0].history)
    assert {layer.compute_dtype for layer in other.model.layers} == {"float32"}
    near = pytest.approx(cnn.score(exact.model, volumes), abs=0.1)
    assert cnn.score(other.model, volumes) == near
    trained = cnn.load(cnn_training.last_saved(tmp_path / "other" / "network_1_attempt_1"))
    conv = trained.get_layer("conv3d_1")
    assert conv.compute_dtype == "bfloat16" and conv.variable_dtype == "float32"
    folders = {cross_fitting.training_folder(tmp_path, [], s, 1) for s in (settings, lower)}
    assert len(folders) == 2


def test_lower_precision_leaves_weights_and_output_exact():
    model = cnn.build(SMALL, CNN(precision="bfloat16"), seed=1)
    assert model.output.dtype == "float32"
    assert {w.dtype for w in model.trainable_weights} == {"float32"}
    exact, again = cnn.build(SMALL, CNN(), seed=1), cnn.in_float32(model)
    volumes = patients(4)[0]
    assert np.array_equal(cnn.score(exact, volumes), cnn.score(again, volumes))
    assert gradcam.class_maps(again, volumes, "conv3d_2", 1).shape[0] == 4
    assert keras.config.dtype_policy().name == "float32"


def test_a_precision_that_the_device_has_not_is_refused(tmp_path):
    volumes, labels = patients(16)
    if devices.device().startswith("GPU"):
        pytest.skip("a GPU computes in float16")
    with pytest.raises(StudyError, match="mixed_float16.*this is a CPU"):
        cnn_training.train(volumes, labels, CNN(precision="mixed_float16"), 3, tmp_path)


def test_a_training_that_diverges_is_told(small, tmp_path):
    volumes, labels = patients(16)
    settings = CNN(network="small", epochs=3, learning_rate=1.0)
    volumes = volumes.copy()
    volumes[0, 0, 0, 0] = np.nan
    with pytest.raises(StudyError, match="scores are not numbers"):
        cnn_training.train(volumes, labels, settings, 3, tmp_path)


DETERMINED = """
import sys
import numpy as np
from pathlib import Path
from radiogenomics.models import cnn_training, network
from radiogenomics.study.settings import CNN
from tensorflow.python.framework import config
volumes = np.random.default_rng(1).random((12, 16, 16, 16, 1), np.float32)
settings = CNN(epochs=1, attempts=1, deterministic=True)
cnn_training.train(volumes, np.arange(12) % 2, settings, 3, Path(sys.argv[1]))
assert config.is_op_determinism_enabled()
"""


@pytest.mark.slow
def test_determinism_is_switched_on(tmp_path):
    subprocess.run([sys.executable, "-c", DETERMINED, str(tmp_path)], check=True)


def test_flips_keep_front_and_back():
    rng = np.random.default_rng(0)
    batch = np.zeros((6, 4, 4, 4, 1), np.float32)
    batch[:, :, 0] = 1
    flipped = augmented(batch, ["flips"], rng)
    assert np.array_equal(flipped, batch)
    batch[:, 0] = 2
    assert not np.array_equal(augmented(batch, ["flips"], rng), batch)


def test_shifts_and_rotations_move_noise_overlays():
    rng, ball = np.random.default_rng(0), np.zeros((1, 16, 32, 32, 1), np.float32)
    ball[0, 6:10, 10:22, 14:18] = 1
    centre = np.array(ndimage.center_of_mass(ball[0, ..., 0]))
    shifts = [augmented(ball, ["shifts"], rng)[0, ..., 0] for _ in range(20)]
    moved = np.array([ndimage.center_of_mass(volume) for volume in shifts]) - centre
    assert np.all(np.abs(moved) <= np.array([1, 2, 2]) + 1e-6) and moved.std(axis=0).min() > 0.2
    turned = [augmented(ball, ["rotations"], rng)[0, ..., 0] for _ in range(20)]
    assert np.allclose([ndimage.center_of_mass(v) for v in turned], centre, atol=0.05)
    slopes = [np.polyfit(*np.argwhere(v[8] > 0.5).T, 1)[0] for v in turned]
    assert 3 < np.degrees(np.arctan(np.abs(slopes))).max() <= 15.5
    noisy = augmented(ball, ["noise"], rng)
    assert noisy.dtype == np.float32 and noisy.min() >= 0 and noisy.max() <= 1
    assert 0.005 < (noisy - ball).std() < 0.02  # half of it is cut off at 0


def test_statistics_are_those_of_the_fitted_patients_in_their_order():
    volumes, _ = patients(12)
    model = cnn.build(SMALL, CNN(), 1)
    norm = model.get_layer("norm_1")
    before = keras.Model(model.input, norm.input)
    parts = [before(part).numpy() for part in np.array_split(volumes, 3)]
    cnn.freshen(model, volumes, 4)
    expected = np.mean([part.mean(axis=(0, 1, 2, 3)) for part in parts], axis=0)
    assert np.allclose(norm.moving_mean, expected, atol=1e-5)
    expected = np.mean([part.var(axis=(0, 1, 2, 3)) for part in parts], axis=0)
    assert np.allclose(norm.moving_variance, expected, atol=1e-5)
    first = [layer.numpy() for layer in model.weights]
    cnn.freshen(model, volumes, 4)  # what was there before does not count
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(first, model.weights, strict=True))
    assert norm.momentum == CNN().batch_norm_momentum


def test_a_training_that_finds_nothing_starts_again_on_the_same_patients(
    small, tmp_path, monkeypatch
):
    volumes, labels = patients()
    losses, checked = iter([0.9, 0.8, 0.95, 0.5]), []
    settings = CNN(network="small", epochs=1)

    def loss(truth, scores, weights):
        checked.append(truth.tolist())
        return {"val_loss": next(losses), "val_accuracy": 0.5}

    monkeypatch.setattr(cnn_training, "_validated", loss)
    never = cnn_training.train(volumes, labels, settings, 3, tmp_path / "never")
    assert [one.number for one in never.attempts[0]] == [1, 2, 3] and never.kept[0].number == 2
    share = 9 / 19
    expected = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert never.to_beat == pytest.approx(expected) and checked[0] == checked[1] == checked[2]
    once = cnn_training.train(volumes, labels, settings, 4, tmp_path / "once")
    assert [one.number for one in once.attempts[0]] == [1]
    first, second = (
        keras.models.load_model(tmp_path / "never" / f"network_1_attempt_{n}" / "best.keras")
        for n in (1, 2)
    )
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_patience_counts_after_the_warm_up():
    history = pd.DataFrame({"epoch": range(1, 9), "val_loss": [0.5, *[0.9] * 7]})
    stops = [cnn_training.stopped(history[:n], CNN(patience=3, warm_up=4)) for n in range(9)]
    assert stops.index(True) == 7
    stops = [cnn_training.stopped(history[:n], CNN(patience=3, warm_up=0)) for n in range(9)]
    assert stops.index(True) == 4


def test_a_cosine_falls_from_the_learning_rate_to_none():
    rates = [cnn_training.learning_rate(n, CNN(epochs=4, schedule="cosine")) for n in range(1, 5)]
    assert rates[0] == CNN().learning_rate and np.all(np.diff(rates) < 0) and rates[2] == 5e-4
    assert cnn_training.learning_rate(9, CNN()) == CNN().learning_rate


def test_label_weights_count_both_alike_and_leave_the_logit():
    labels = np.array([1] * 3 + [0] * 9)
    weights = cnn_training.label_weights(labels, CNN(class_weights="balanced"))
    assert weights == pytest.approx([12 / 18, 12 / 6])
    assert cnn_training.entropy(labels, weights) == pytest.approx(np.log(2))
    share = cnn_training.entropy(labels, np.ones(2))
    assert share == pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    volumes, _ = patients(4)
    model = cnn.build(SMALL, CNN(), 1)
    before = gradcam.logits(model, volumes)
    after = gradcam.logits(cnn_training.corrected(model, weights), volumes)
    moved = (after - before) @ [-1, 1]  # odds of the weighted patients, 1 to 1, become 3 to 9
    assert np.allclose(moved, np.log(3 / 9), atol=1e-6)


def test_networks_are_averaged_on_the_logit_scale_in_every_fold(small, tmp_path):
    volumes, labels = patients(16)
    fold, settings = (
        np.arange(16) // 2 % 2 + 1,
        CNN(network="small", epochs=1, networks=2, attempts=1),
    )
    final, oof, trainings = cross_fitting.cross_fit(volumes, labels, fold, settings, 3, tmp_path)
    first, second = (cnn.load(one.folder / "best.keras") for one in final.kept)
    mean = (gradcam.logits(first, volumes) + gradcam.logits(second, volumes)) / 2
    expected = 1 / (1 + np.exp(mean @ [1, -1]))
    assert np.allclose(cnn.score(final.model, volumes), expected, atol=1e-5)
    cnn.save(final.model, tmp_path / "average.keras")
    assert np.allclose(
        cnn.score(cnn.load(tmp_path / "average.keras"), volumes), expected, atol=1e-5
    )
    heat = [gradcam.class_maps(m, volumes[:2], "conv3d_1", 1) for m in (final.model, first, second)]
    assert np.allclose(heat[0], (heat[1] + heat[2]) / 2, atol=1e-6)
    table = cross_fitting.trainings_table(trainings, oof, fold)
    assert table.training.tolist() == ["final"] * 2 + ["fold 1"] * 2 + ["fold 2"] * 2
    outside = cnn.score(trainings["fold 1"].model, volumes[fold == 1])
    assert len(trainings["fold 1"].kept) == 2 and np.array_equal(oof[fold == 1], outside)
    history = cross_fitting.history_table(trainings)
    assert history.groupby(["training", "network", "attempt"]).ngroups == 6


def test_the_papers_protocol_is_one_word_that_single_settings_overrule():
    paper = build(Settings, {"cnn": {"protocol": "paper", "networks": 2}}, "study.toml").cnn
    assert (paper.attempts, paper.statistics, paper.warm_up, paper.networks) == (1, "moving", 0, 2)
    flips = build(Settings, {"cnn": {"augmentation": "flips"}}, "study.toml")
    assert flips.cnn.augmentation == ("flips",) and flips.cnn.attempts == 3
    changed = overridden(flips, {"protocol": "paper"}).cnn
    assert changed.augmentation == () and changed.attempts == 1
    with pytest.raises(
        SettingsFault, match="augmentation = .*shears.*Expected: one of none, flips"
    ):
        build(Settings, {"cnn": {"augmentation": ["shears"]}}, "study.toml")


def test_trainings_that_found_nothing_are_told(tmp_path):
    def training(*losses):
        history = [
            pd.DataFrame({"epoch": [1, 2], "val_loss": [0.9, loss], "val_accuracy": 0.5})
            for loss in losses
        ]
        attempts = [
            cnn_training.Attempt(n, tmp_path, part) for n, part in enumerate(history, start=1)
        ]
        return cnn_training.Training(None, [attempts], 0.69)

    trainings = {"final": training(0.4), "fold 1": training(0.8, 0.5)}
    trainings["fold 2"] = training(0.8, 0.75, 0.7)
    scores, fold = np.array([0.1, 0.9, 0.60, 0.65]), np.array([1, 1, 2, 2])
    table = cross_fitting.trainings_table(trainings, scores, fold)
    assert table.learned.tolist() == [True, True, False] and table.attempt.tolist() == [1, 2, 3]
    assert table[["lowest", "highest"]].iloc[2].tolist() == [0.60, 0.65]
    told = say("models", "trainings", idle=["fold 2"], again=["fold 1", "fold 2"], trainings=3)
    assert "No signal found in 1 of 3 trainings of the CNN (fold 2)" in told
    assert 'class="alert"' in told and "Started again with other weights: fold 1 and fold 2" in told
    told = say("models", "trainings", idle=[], again=[], trainings=3)
    assert told.startswith("In every training") and "again" not in told


@pytest.mark.filterwarnings("error:The structure of `inputs`")
def test_what_the_last_layer_reads_gives_the_score():
    volumes = np.random.default_rng(0).random((3, 16, 16, 16, 1), np.float32)
    models = [cnn.build((16, 16, 16), CNN(), seed) for seed in (1, 2)]
    inner = cnn.last_layer(models[0], volumes, batch=2)
    weights, bias = models[0].layers[-1].get_weights()
    logits = inner @ weights + bias
    expected = np.exp(logits[:, 1]) / np.exp(logits).sum(axis=1)
    assert cnn.score(models[0], volumes) == pytest.approx(expected, abs=1e-5)
    both = cnn.last_layer(cnn.average(models), volumes)
    assert both.shape == (3, 2 * inner.shape[1])
    assert both[:, : inner.shape[1]] == pytest.approx(inner, abs=1e-6)
