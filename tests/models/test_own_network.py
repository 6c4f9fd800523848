"""A network of the study's own: what it may be, what is kept under its content, its maps."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from radiogenomics.maps import gradcam, occlusion, similarity
from radiogenomics.models import cnn_training, cross_fitting
from radiogenomics.models import network as cnn
from radiogenomics.models.devices import keras
from radiogenomics.models.own_network import Recipe
from radiogenomics.report import request, standing
from radiogenomics.report.pages import notebooks
from radiogenomics.study.errors import MissingFile, ModelMismatch, SettingsFault
from radiogenomics.study.files import digest
from radiogenomics.study.own_code import own_code
from radiogenomics.study.settings import CNN, GradCAM, Settings
from radiogenomics.study.study import load_study
from radiogenomics.study.words import say

DOC = Path(__file__).parents[2] / "docs" / "another_network.md"
EXAMPLE = re.search(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)[1]
SHAPE = (16, 16, 16)
HEAD = """
import keras
import numpy as np

def build(shape, seed):
    x = inputs = keras.Input((*shape, 1))
"""
END = """
    x = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)
"""


def study_of(folder, code, name="networks/mine.py:build", **cnn):
    """A study whose network is this code, with volumes of 16 voxels a side."""
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    (folder / "networks/mine.py").write_text(code, encoding="utf-8")
    text = f'[preprocessing]\nshape = {list(SHAPE)}\n[cnn]\nnetwork = "{name}"\nepochs = 1\n'
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return load_study(folder, folder / "reports", **cnn)


def patients(n=12):
    labels = np.arange(n) % 2
    volumes = np.random.default_rng(1).random((n, *SHAPE, 1)).astype(np.float32) * 0.5
    return volumes + 0.4 * labels[:, None, None, None, None].astype(np.float32), labels


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    """The network of the docs, trained for one epoch."""
    study = study_of(tmp_path_factory.mktemp("study"), EXAMPLE, attempts=1)
    recipe = cnn.recipe_of(study)
    volumes, labels = patients()
    done = cnn_training.train(volumes, labels, recipe, 3, study.derived / "one")
    cnn.save_network(study, done.model)
    study.keep_fitted("preprocessing", "cnn")
    return study


def test_the_network_of_the_docs_is_trained_saved_and_read_without_its_code(residual):
    """It stops where a layer is left out of the file, and gives the scores that it gave."""
    model = cnn.load_network(residual)
    (residual.folder / "networks/mine.py").rename(residual.folder / "networks/away.py")
    try:
        again = cnn.load_network(load_study(residual.folder, residual.reports).as_fitted())
    finally:
        (residual.folder / "networks/away.py").rename(residual.folder / "networks/mine.py")
    volumes, _ = patients()
    scores = cnn.score(model, volumes)
    assert np.array_equal(cnn.score(again, volumes), scores) and np.ptp(scores) > 0
    table = cnn.layers_table(model)
    assert {"Add", "Conv3D"} <= set(table.kind) and table.parameters.sum() == model.count_params()
    assert table.kind[0] == "InputLayer" and table.output_shape[0] == "16×16×16×1"
    kept = residual.fitted_with()["cnn"]["network"]
    assert re.fullmatch(r"networks/mine\.py:build@[0-9a-f]{16}", kept)


def test_methods_name_the_network_and_nothing_of_the_papers(residual):
    layers, own = (
        cnn.layers_table(cnn.load_network(residual)),
        own_code(residual.fitted_with()["cnn"]["network"]),
    )
    told = say("report", "network", layers=layers, own=own)
    count = f"{layers.parameters.sum():,} parameters"
    assert f"a network of this study (`networks/mine.py`, SHA-256 {own.digest}…)" in told
    assert f"has {len(layers)} layers, 7 of them 3D convolutions, and {count}" in told
    facts = {"cnn": residual.settings.cnn, "changes": [], "norms": False, "epochs": 1, "best": 1}
    told = say("report", "training", **facts, own=own, folds=2, again=0)
    assert "dropout" not in told and "statistics" not in told and "no augmentation" in told
    told = say("models", "layers", layers=layers, by_hand=1_297_090, own=own)
    assert count in told.replace("**", "") and "has 1,297,090 and is not used" in told


def test_maps_of_branches_equal_finite_differences(residual):
    """The layer before the average pool is found; a branch's own layer has a map of its own."""
    model, (volumes, _) = cnn.load_network(residual), patients(4)
    layer = gradcam.chosen_layer(model, residual.as_fitted().settings)
    assert layer == gradcam.map_layers(model)[-1] and model.get_layer(layer).name.startswith(
        "re_lu"
    )
    for name in (layer, next(n for n in gradcam.map_layers(model) if n.startswith("add"))):
        found = gradcam.class_maps(model, volumes, name, 1)
        expected = _by_differences(model, volumes, name)
        assert found.shape == expected.shape and expected.max() > 0
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99  # but for ReLU's kinks
    drop, share = occlusion.occlusion(model, volumes[0], 1, (8, 8, 8))
    assert drop.shape == share.shape == (2, 2, 2) and drop.any()
    stages = [name for name, _ in similarity.reset_networks(model, 1)]
    assert stages[-1].startswith("conv3d") and not any("norm" in name for name in stages)


def _by_differences(model, volumes, layer):
    """The map from slopes of the logit, by steps of each channel, through what lies above."""
    output, head = model.get_layer(layer).output, model.layers[-1]
    below, above = keras.Model(model.input, output), keras.Model(output, head.input)
    activation, (kernel, bias) = below(volumes, training=False).numpy(), head.get_weights()
    h, maps = 1e-2, np.zeros(activation.shape[:4])
    for channel in range(activation.shape[-1]):
        step = h * np.eye(activation.shape[-1], dtype=np.float32)[channel]
        up, down = (above(activation + s, training=False) @ kernel + bias for s in (step, -step))
        slope = (up - down).numpy()[:, 1] / (2 * h) / np.prod(activation.shape[1:4])
        maps += slope[:, None, None, None] * activation[..., channel]
    return np.maximum(maps, 0)


def test_a_network_without_a_grid_has_no_maps_and_hiding_goes_on(tmp_path):
    flat = HEAD + "    x = keras.layers.Dense(4)(keras.layers.Flatten()(x))" + END
    study = study_of(tmp_path, flat)
    model, (volumes, _) = cnn.build(SHAPE, cnn.recipe_of(study), 1), patients(2)
    assert gradcam.chosen_layer(model, study.settings) == ""
    maps = gradcam.class_maps(model, volumes, "", 1)
    assert [gradcam.kind(heat) for heat in maps] == ["none", "none"]
    assert np.isnan(similarity.similarity(*maps)["spearman"])
    assert occlusion.occlusion(model, volumes[0], 1, (8, 8, 8))[0].any()


def test_the_papers_layer_stays_and_a_wrong_name_is_told():
    model = cnn.build(SHAPE, CNN(), 1)
    assert gradcam.chosen_layer(model, Settings()) == "conv3d_3"
    assert gradcam.chosen_layer(model, Settings(gradcam=GradCAM("conv3d_1"))) == "conv3d_1"
    with pytest.raises(Exception, match="layer = 'pool_1'. Expected: one of conv3d_1, conv3d_2, c"):
        gradcam.chosen_layer(model, Settings(gradcam=GradCAM("pool_1")))


CUSTOM = """
import keras
@keras.saving.register_keras_serializable()
def swish_of_mine(x):
    return x * keras.ops.sigmoid(x)

def build(shape, seed):
    x = inputs = keras.Input((*shape, 1))
    x = keras.layers.Conv3D(2, 3, activation=swish_of_mine)(x)
""" + END  # fmt: skip
LAYER = """
import keras
Base = keras.layers.Layer
class Mine(Base):
    def call(self, x):
        return x

def build(shape, seed):
    x = inputs = keras.Input((*shape, 1))
    x = Mine()(x)
""" + END  # fmt: skip
SEQUENTIAL = """
import keras
def build(shape, seed):
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
"""
REFUSED = {
    "no model": ("def build(shape, seed):\n    pass\n", "returns a NoneType. Expected: a Keras m"),
    "stops": (HEAD + "    1 / 0\n" + END, r"mine.py, line 7: ZeroDivisionError: division by zero"),
    "no input": (SEQUENTIAL, "a model without an input. Expected: keras.Input"),
    "another input": (
        HEAD + "    x = inputs = keras.Input((*shape, 2))\n" + END,
        "an input of 16 × 16 × 16 × 2. Expected: one of 16 × 16 × 16 × 1",
    ),
    "one sigmoid": (
        HEAD + END.replace('Dense(2, activation="softmax")', 'Dense(1, activation="sigmoid")'),
        r"ends in Dense \(sigmoid\) with an output of 1. Expected: keras.layers.Dense\(2, activ",
    ),
    "no activation": (HEAD + END.replace(', activation="softmax"', ""), r"Dense \(linear\) wi"),
    "softmax apart": (
        HEAD + END.replace("return keras.Model(inputs, x)",
                           "return keras.Model(inputs, keras.layers.Softmax()(x))"),
        "ends in Softmax",
    ),
    "a registered function": (CUSTOM, "has a part of its own: .*safe mode"),
    "a class that no name betrays": (LAYER, "has a layer of a class of its own, Mine. Keras' safe"),
    "a network within": (
        HEAD + "    x = keras.Sequential([keras.layers.Conv3D(2, 3)], name='part')(x)\n" + END,
        "a network within the network, part. Expected: its layers alone",
    ),
    "no seed": (
        HEAD + "    rng = np.random.default_rng()\n"
        "    x = keras.layers.Conv3D(2, 3, bias_initializer=keras.initializers.Constant("
        "rng.random()))(x)\n" + END,
        "gives other weights each time. Expected: the same of one seed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_told_before_anything_is_trained(kind, tmp_path):
    code, told = REFUSED[kind]
    registered = dict(keras.saving.get_custom_objects())
    with pytest.raises(SettingsFault, match=told):
        cnn.recipe_of(study_of(tmp_path, code))
    assert keras.saving.get_custom_objects() == registered


READ = {
    "not Python": ("def build(shape, seed:\n", "mine.py is not Python"),
    "another name": ("def make(shape, seed): pass\n", "has no function build. Found: make."),
    "other arguments": ("def build(shape): pass\n", "takes shape. Expected: shape, seed"),
    "a Lambda layer": (HEAD + "    x = keras.layers.Lambda(lambda v: v)(x)" + END, "has a Lambda"),
    "a layer": ("class M(keras.Layer): pass\ndef build(shape, seed): pass\n", "of its own, M. K"),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_check_and_run_read_the_file_before_and_run_nothing_of_it(kind, tmp_path):
    code, told = READ[kind]
    study = study_of(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n{code}")
    with pytest.raises(SettingsFault, match=told):
        request.executed(study, None, None, {})
    assert request.executed(study, ["01", "02"], None, {}) == [] and not (tmp_path / "ran").exists()


def test_a_run_names_the_file_before_it_runs_it(tmp_path):
    study = study_of(tmp_path, EXAMPLE)
    [line] = request.executed(study, None, None, {})
    assert line.endswith(str(study.folder / "networks/mine.py")) and "code of this study" in line
    assert request.executed(load_study(tmp_path), None, None, {"network": "paper"}) == []


@pytest.mark.parametrize("name", ["../mine.py:build", "link.py:build", "/ABSOLUTE/mine.py:build"])
def test_no_path_leads_out_of_the_study_folder(name, tmp_path):
    folder = tmp_path / "study"
    (tmp_path / "mine.py").write_text(EXAMPLE, encoding="utf-8")
    folder.mkdir()
    (folder / "link.py").symlink_to(tmp_path / "mine.py")
    name = name.replace("/ABSOLUTE", str(folder))
    with pytest.raises(SettingsFault, match="outside the study folder. Expected: a file in it"):
        study_of(folder, EXAMPLE, name)
    with pytest.raises(SettingsFault, match="outside the study folder"):
        study_of(folder, EXAMPLE, "paper", network=name)


def test_a_file_that_is_not_there_is_told_where_it_is_needed(tmp_path):
    study = study_of(tmp_path, EXAMPLE, "networks/other.py:build")
    assert own_code(study.settings.cnn.network).digest == ""
    with pytest.raises(MissingFile, match="networks/other.py is not in the study folder"):
        cnn.recipe_of(study)
    with pytest.raises(SettingsFault, match="network = 'mine.py': no such network.*mine.py:build"):
        cnn.build(SHAPE, CNN(network="mine.py"), 1)


def test_an_edited_network_is_never_answered_by_the_old_ones_trainings(residual, tmp_path):
    """Nor is one whose weights come from another file, which changed while the code did not."""

    def folder(code):
        study = study_of(tmp_path, code)
        recipe = cnn.recipe_of(study)
        return study, cross_fitting.training_folder(study.derived, ["a"], recipe, 1)

    first, usual = folder(EXAMPLE)
    edited, other = folder(EXAMPLE.replace("64", "48"))
    assert usual != other and folder(EXAMPLE)[1] == usual
    np.save(tmp_path / "bias.npy", np.zeros(2))
    reads = (
        HEAD + "    x = keras.layers.Conv3D(2, 3, bias_initializer=keras.initializers.Constant("
        f"np.load({str(tmp_path / 'bias.npy')!r})))(x)" + END
    )
    zeros = folder(reads)[1]
    np.save(tmp_path / "bias.npy", np.ones(2))
    assert folder(reads)[1] != zeros
    states = [standing.made_from("", notebooks()[n], study.settings, {}, [])
              for n in (2, 3) for study in (first, edited)]  # fmt: skip
    assert states[0] == states[1] and states[2] != states[3]  # 03 stands, 04 does not
    file = residual.folder / "networks/mine.py"
    file.write_text(EXAMPLE + "\n# edited\n", encoding="utf-8")
    try:
        with pytest.raises(ModelMismatch, match="mine.py has changed since.*--from 04"):
            cnn.recipe_of(load_study(residual.folder, residual.reports).as_fitted())
    finally:
        file.write_text(EXAMPLE, encoding="utf-8")


def test_a_study_with_the_papers_network_has_its_keys_as_before(tmp_path):
    study = study_of(tmp_path, EXAMPLE, "paper")
    assert cnn.recipe_of(study) is study.settings.cnn
    assert digest(study.settings.cnn) == digest(replace(CNN(), epochs=1))


def test_intensity_is_in_hu_leaves_the_background_and_follows_the_seed(tmp_path, monkeypatch):
    study = study_of(tmp_path, EXAMPLE, "paper", augmentation=["intensity"])
    recipe = cnn.recipe_of(study)
    assert isinstance(recipe, Recipe) and recipe.window_hu == (-1000.0, 400.0)
    one, low, high = 1400.0, -1000.0, 400.0
    batch = np.stack([np.full((*SHAPE, 1), (hu - low) / one, np.float32) for hu in (-800, 0, 40)])
    batch[:, :4] = 0
    drawn = [
        cnn_training.augmented(batch, ["intensity"], np.random.default_rng(seed), (low, high))
        for seed in (1, 1, *range(2, 60))
    ]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])
    changed = np.stack(drawn)
    assert changed.dtype == np.float32 and not changed[:, :, :4].any()
    hu = changed[:, :, 5, 0, 0, 0] * one + low
    assert np.ptp(changed[:, :, 4:].reshape(len(drawn), 3, -1), axis=2).max() == 0
    for found, true in zip(hu.T, (-800, 0, 40), strict=True):
        reach = 0.1 * abs(true) + 30
        assert np.abs(found - true).max() <= reach + 0.1 and np.ptp(found) > reach
    given = []

    def stop(batch, kinds, rng, window):
        given.append((kinds, window))
        raise KeyboardInterrupt

    monkeypatch.setattr(cnn_training, "augmented", stop)
    with pytest.raises(KeyboardInterrupt):
        cnn_training.train(*patients(), recipe, 3, tmp_path / "trained")
    assert given == [(("intensity",), (-1000.0, 400.0))]


def test_layers_that_draw_at_random_draw_apart_and_by_seed_and_epoch_alone(tmp_path):
    """So that an interrupted training goes on as an undisturbed one."""
    noise = "    x = keras.layers.Dropout(0.5)(keras.layers.GaussianNoise(0.1)(x))\n"
    recipe = cnn.recipe_of(study_of(tmp_path, HEAD + noise + END, batch=6))
    volumes, labels = patients()
    model = cnn_training._compiled(cnn.build(SHAPE, recipe, 1), 0.001)
    rows = np.arange(len(labels))
    everyone = cnn_training.Patients(volumes, labels, rows, rows, np.ones(2))
    for epoch in (5, 2):
        cnn_training._epoch(model, everyone, recipe, 3, epoch)
        states = [np.array(state).tolist() for state in cnn_training._random_states(model)]
        assert states == [[3, epoch + 2], [3, epoch + 2 + cnn_training.BETWEEN]]  # two steps on
    assert cnn_training._random_states(cnn.build(SHAPE, CNN(dropout=0.0), 1)) == []
