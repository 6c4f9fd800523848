"""A network that a function in the study folder builds: its code is run here, and nowhere else."""

from __future__ import annotations

import re
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radiogenomics.models.devices import keras
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.own_code import OwnCode, own_code, unsafe
from radiogenomics.study.settings import CNN

Shape = tuple[int, int, int]
MODULE = "networks_of_the_study"  # which is not installed: no other process can import from it


@dataclass(frozen=True)
class Recipe(CNN):
    """`[cnn]` with what a training needs that study.toml does not hold.

    Attributes:
        window_hu: HU that are 0 and 1 in the volumes.
        source: the text of the file that builds the network.
        start: a digest of its first weights, which the file may have read elsewhere.
    """

    window_hu: tuple[float, float] | None = None
    source: str = ""
    start: str = ""


def build_own(shape: Shape, recipe: Recipe, seed: int) -> keras.Model:
    """Return the network of the study's own function, untrained, with its input as a layer.

    Raises:
        SettingsFault: the function stops, or what it returns cannot be used; says what was found.
    """
    code = own_code(recipe.network)
    with _nothing_registered():
        model = _called(code, recipe.source, shape, seed)
    _require_form(code, model, shape)
    _number_layers(model)
    return keras.Model(model.inputs[0], model.outputs[0], name="own_network")


def _number_layers(model: keras.Model) -> None:
    """Name the layers that have no name of their own by kind and place, as in every other build.

    Keras counts them over all models of the process; Grad-CAM finds a layer by its name.
    """
    counts: Counter[str] = Counter()
    for layer in model.layers:
        kind = re.sub(
            r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", type(layer).__name__
        ).lower()
        if re.fullmatch(rf"{kind}(_\d+)?", layer.name):
            counts[kind] += 1
            layer.name = f"{kind}_{counts[kind]}"


@contextmanager
def _nothing_registered() -> Iterator[None]:
    """Forget the classes that code registers with Keras: where it is not run, they are unknown."""
    registered = keras.saving.get_custom_objects()
    before = dict(registered)
    try:
        yield
    finally:
        registered.clear()
        registered.update(before)


def _called(code: OwnCode, source: str, shape: Shape, seed: int) -> keras.Model:
    names: dict = {"__name__": MODULE}
    try:
        exec(compile(source, code.file, "exec"), names)
        return names[code.function](shape, seed)
    except Exception as fault:
        frames = traceback.extract_tb(fault.__traceback__)
        line = max((f.lineno for f in frames if f.filename == code.file), default="?")
        told = str(fault).strip().partition("\n")[0]
        raise SettingsFault(
            f"{code.file}, line {line}: {type(fault).__name__}: {told} Expected: a function "
            f"{code.function}(shape, seed) that returns a Keras model. Correct the file."
        ) from None


def _require_form(code: OwnCode, model: keras.Model, shape: Shape) -> None:
    """Refuse a network of another input or output than the library's."""
    if not isinstance(model, keras.Model):
        raise _unlike(code, f"a {type(model).__name__}", "a Keras model")
    if not type(model).__module__.startswith("keras."):
        raise unsafe(code, f"returns a class of its own, {type(model).__name__}")
    if not getattr(model, "built", False) or not model.inputs:
        raise _unlike(
            code, "a model without an input", "keras.Input((*shape, 1)) as its first part"
        )
    found = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if found != [(*shape, 1)]:
        raise _unlike(code, f"an input of {_sides(found)}", f"one of {_sides([(*shape, 1)])}")
    last = model.layers[-1]
    dense, kind = isinstance(last, keras.layers.Dense), getattr(last, "activation", None)
    outputs = [tuple(tensor.shape[1:]) for tensor in model.outputs]
    softmax = dense and kind is keras.activations.softmax and last.bias is not None
    if not softmax or outputs != [(2,)]:
        ends = f"{type(last).__name__} ({getattr(kind, '__name__', 'no activation')})"
        ends += f" with an output of {_sides(outputs)}"
        expected = 'keras.layers.Dense(2, activation="softmax") as its last part, whose second '
        raise _unlike(code, f"a model that ends in {ends}", f"{expected}output is the label")
    if last.compute_dtype != "float32":
        raise _unlike(code, f"a last layer in {last.compute_dtype}", 'dtype="float32" there')
    for layer in model.layers:
        _require_layer(code, layer)


def _unlike(code: OwnCode, found: str, expected: str) -> SettingsFault:
    return SettingsFault(f"{code} returns {found}. Expected: {expected} (docs/another_network.md).")


def _sides(shapes: list[tuple]) -> str:
    return " and ".join(" × ".join(map(str, shape)) for shape in shapes)


def _require_layer(code: OwnCode, layer: keras.Layer) -> None:
    if isinstance(layer, keras.Model):
        raise _unlike(code, f"a network within the network, {layer.name}",
                      "its layers alone; write what repeats as a function")  # fmt: skip
    if isinstance(layer, keras.layers.Lambda):
        raise unsafe(code, f"has a Lambda layer, {layer.name}")
    if not hasattr(layer.output, "shape"):
        raise _unlike(code, f"a layer with several outputs, {layer.name}", "layers with one output")
    if not type(layer).__module__.startswith("keras."):
        raise unsafe(code, f"has a layer of a class of its own, {type(layer).__name__}")


def require_loadable(recipe: Recipe, model: keras.Model) -> None:
    """Refuse a network that could not be read where its code is not run.

    Raises:
        SettingsFault: Keras' safe mode does not load it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        try:
            model.save(path)
            keras.models.load_model(path, safe_mode=True)
        except Exception as fault:
            told = str(fault).strip().partition("\n")[0]
            raise unsafe(own_code(recipe.network), f"has a part of its own: {told[:200]}") from None
