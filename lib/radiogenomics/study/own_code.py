"""A file of the study folder whose code a run executes: the network that `[cnn] network` names.

Nothing here runs it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from radiogenomics.study.errors import MissingFile, SettingsFault
from radiogenomics.study.files import sha256
from radiogenomics.study.settings import Settings

NAMED = re.compile(r"(?P<file>.+\.py):(?P<function>\w+)(?:@(?P<digest>[0-9a-f]{16}))?")
FORM = '[cnn] network = "networks/mine.py:build"'


class OwnCode(NamedTuple):
    """A function in a file of the study folder; `digest` of the file that a result came from."""

    file: str
    function: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.function}"


def own_code(network: str) -> OwnCode | None:
    """Return the file and the function that a network's name holds; None for one of the library's.

    >>> own_code("networks/mine.py:build").function, own_code("paper")
    ('build', None)
    """
    named = NAMED.fullmatch(network)
    return OwnCode(named["file"], named["function"], named["digest"] or "") if named else None


def place_of(code: OwnCode, folder: Path) -> Path:
    """Return where the file is.

    Raises:
        SettingsFault: it is not in the study folder, or is a link that leads out of it.
    """
    path = folder / code.file
    if Path(code.file).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise SettingsFault(
            f"[cnn] network names {Path(code.file).name} outside the study folder. Expected: a "
            f"file in it, for a run executes its code, such as {FORM}. Copy the file there."
        )
    return path


def with_digest(settings: Settings, folder: Path) -> Settings:
    """Return settings whose network is named with its file's content, where there is the file.

    So that models, caches and reports tell a network from an earlier state of its file.

    Raises:
        SettingsFault: the file is not in the study folder.
    """
    code = own_code(settings.cnn.network)
    if code is None or not place_of(code, folder).is_file():
        return settings
    named = f"{code}@{sha256(place_of(code, folder))[:16]}"
    return replace(settings, cnn=replace(settings.cnn, network=named))


def read(code: OwnCode, folder: Path) -> str:
    """Return the file's text.

    Raises:
        MissingFile: there is no file.
        SettingsFault: it is not Python, or has no such function of two arguments.
    """
    path = place_of(code, folder)
    if not path.is_file():
        raise MissingFile(f"{code.file} is not in the study folder. Expected: the file of {FORM}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as fault:
        raise SettingsFault(f"{code.file} is not Python: {fault}. Correct that line.") from None
    made = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    if code.function not in made:
        raise SettingsFault(
            f"{code.file} has no function {code.function}. Found: {', '.join(made) or 'none'}. "
            f"Expected: def {code.function}(shape, seed)."
        )
    given = made[code.function]
    names = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    if not len(names) - len(given.defaults) <= 2 <= len(names):
        raise SettingsFault(f"{code} takes {', '.join(names) or 'nothing'}. Expected: shape, seed.")
    for node in ast.walk(tree):
        if getattr(node, "attr", getattr(node, "id", "")) == "Lambda":
            raise unsafe(code, "has a Lambda layer")
        bases = map(ast.unparse, node.bases) if isinstance(node, ast.ClassDef) else ()
        if any(base.rpartition(".")[2] in ("Layer", "Model") for base in bases):
            raise unsafe(code, f"has a layer or model class of its own, {node.name}")
    return text


def unsafe(code: OwnCode, found: str) -> SettingsFault:
    """Return the error of a network that cannot be loaded without running its code."""
    return SettingsFault(
        f"{code.file} {found}. Keras' safe mode, by which `predict` reads the trained network "
        "without its code, does not load it. Expected: layers and operations (keras.ops) of Keras "
        "alone."
    )
