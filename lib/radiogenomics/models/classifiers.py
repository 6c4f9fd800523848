"""The classifiers on the signature: the study's own, and those that study.toml, [models], names.

A further one is tried on made-up patients before it is used, so that whatever would stop a later
notebook is told at once.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils import all_estimators

from radiogenomics.study import contract, design
from radiogenomics.study.contract import Model
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.settings import RADIOMICS, Settings
from radiogenomics.study.values import CLASSES_OF, EXAMPLE, did_you_mean

SPOKEN = {"sklearn": "scikit-learn"}
KNOWN_TYPES = tuple(f"{package}." for package in ("numpy", "scipy", *CLASSES_OF))
PLAIN_TYPES = ("collections.OrderedDict", "collections.defaultdict")
QUIET = {"lightgbm": {"verbose": -1}}  # what keeps a package from printing a line a tree
PATIENTS, FEATURES = 200, 5  # of the trial


class Unusable(Exception):
    """A classifier that cannot be used: what was found, what was expected."""


def on_signature(settings: Settings) -> tuple[Model, ...]:
    """Return the models on the signature: the workbook's, then those that study.toml adds."""
    return (*contract.ON_SIGNATURE, *further(settings))


def names(settings: Settings) -> list[str]:
    """Return the names of all models of a study."""
    return [*(model.name for model in contract.MODELS), *added(settings)]


def added(settings: Settings) -> dict[str, str]:
    """Return what the models are that study.toml adds, by name, for readers."""
    elsewhere = settings.features.model_name if settings.features.table else ""
    on_features = {elsewhere: "logistic regression on features made elsewhere"}
    return {m.name: m.what for m in further(settings)} | (on_features if elsewhere else {})


def further(settings: Settings) -> tuple[Model, ...]:
    """Return the models on the signature that study.toml adds, in its order."""
    if RADIOMICS not in design.parts(settings):
        return ()
    found = []
    for name, given in settings.models.others.items():
        parameters = {word: value for word, value in given.items() if word != "class"}
        what = _in_words(given["class"], parameters)
        found.append(Model(name, "", what, given["class"], parameters))
    return tuple(found)


def _in_words(estimator: str, parameters: dict[str, Any]) -> str:
    package, name = estimator.split(".")[0], estimator.split(".")[-1]
    said = ", ".join(f"{word} = {value}" for word, value in parameters.items())
    rest = f"with {said}, else its defaults" if said else "with its default parameters"
    return f"{name} of {SPOKEN.get(package, package)} {rest}, on the selected features"


def made(model: Model, seed: int) -> BaseEstimator:
    """Return what a model's entry names, unfitted, given the seed where it takes one."""
    module, _, name = model.estimator.rpartition(".")
    maker = getattr(importlib.import_module(module), name)
    takes = maker().get_params() if inspect.isclass(maker) else inspect.signature(maker).parameters
    seeded = {word: seed for word in ("seed", "random_state") if word in takes}
    return maker(**seeded | QUIET.get(module.split(".")[0], {}) | model.parameters)


def require(settings: Settings) -> None:
    """Refuse classifiers of study.toml that cannot be used.

    Raises:
        SettingsFault: names the setting, what was found and what to do (`faults`).
    """
    if told := faults(settings):
        raise SettingsFault("\n".join(told))


def faults(settings: Settings) -> list[str]:
    """Return why classifiers of study.toml cannot be used: no such class, no probabilities, ..."""
    tried = {model.name: _tried(*_key(model))[0] for model in further(settings)}
    return [f"study.toml [models] {name}: {why}" for name, why in tried.items() if why]


def trusted(settings: Settings, name: str) -> frozenset[str]:
    """Return the types that a further model's file may hold, none for any other model's.

    Types of numpy, scipy and the classifier's package alone, as a trial's file holds them.

    Raises:
        SettingsFault: the classifier cannot be used here; its package is not installed, say.
    """
    own = next((model for model in further(settings) if model.name == name), None)
    if own is None:
        return frozenset()
    why, types = _tried(*_key(own))
    if why:
        raise SettingsFault(f"study.toml [models] {name}: {why}")
    return types


def key(model: Model) -> tuple[str, ...]:
    """Return what a further model's scores follow from beside the data: for keys of caches."""
    package = importlib.import_module(model.estimator.split(".")[0])
    return model.name, *_key(model), package.__version__


def _key(model: Model) -> tuple[str, str]:
    return model.estimator, json.dumps(model.parameters)


@cache
def _tried(estimator: str, parameters: str) -> tuple[str, frozenset[str]]:
    """Return why a classifier cannot be used, "" where it can; the types that its file holds."""
    try:
        kind = _class_of(estimator)
        _require_parameters(kind, json.loads(parameters))
        return "", _saved(made(Model("", "", "", estimator, json.loads(parameters)), 0))
    except Unusable as why:
        return str(why), frozenset()


def _class_of(path: str) -> type[BaseEstimator]:
    """Return the class that a name of study.toml stands for.

    Raises:
        Unusable: its package is not installed, there is no such class, or it is no classifier.
    """
    module, _, name = path.rpartition(".")
    package = path.split(".")[0]
    try:
        importlib.import_module(package)
    except ImportError:
        raise Unusable(
            f"{package} is not installed. Expected: an installed package. Install it "
            f"(uv pip install {package}), or name a class of scikit-learn."
        ) from None
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        kind = None
    if not inspect.isclass(kind) or kind.__module__.split(".")[0] not in CLASSES_OF:
        raise Unusable(f"there is no class {path}. {_near(path)}")
    if not issubclass(kind, BaseEstimator) or not _is(kind, is_classifier):
        found = "a regressor" if _is(kind, is_regressor) else "no classifier"
        raise Unusable(f"{path} is {found}. {_near(path)}")
    return kind


def _is(kind: type, of: Callable[[BaseEstimator], bool]) -> bool:
    """Return what scikit-learn says of a class, made with its defaults.

    Raises:
        Unusable: it has none.
    """
    try:
        return of(kind())
    except (TypeError, AttributeError):  # its estimator is None
        raise Unusable(
            f"{kind.__name__} needs other estimators, which study.toml cannot name. Expected: a "
            f"class that stands alone, such as {EXAMPLE}."
        ) from None


def _near(path: str) -> str:
    """Return the classifier of scikit-learn whose name is most like a wrong one, as a question."""
    named = {name: kind.__module__ for name, kind in all_estimators(type_filter="classifier")}
    near = difflib.get_close_matches(path.split(".")[-1], named, n=1)
    at = [f"{'.'.join(named[name].split('.')[:2])}.{name}" for name in near]
    return f"Did you mean {at[0]}?" if at else f"Expected: a classifier, such as {EXAMPLE}."


def _require_parameters(kind: type[BaseEstimator], given: dict[str, Any]) -> None:
    known = kind().get_params(deep=False)
    for name in given:
        if name not in known:
            raise Unusable(f"{kind.__name__} has no parameter {name}. {did_you_mean(name, known)}")


def _saved(model: BaseEstimator) -> frozenset[str]:
    """Return the types that a model's file holds beyond those that skops knows.

    Raises:
        Unusable: it cannot be fitted, gives no probabilities, or cannot be saved and read again.
    """
    import skops.io  # a second

    name, rng = type(model).__name__, np.random.default_rng(0)
    values = rng.normal(size=(PATIENTS, FEATURES))
    labels = (values[:, 0] + rng.normal(size=PATIENTS) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(values, labels)
        except Exception as fault:  # noqa: BLE001 - whatever a package raises of its parameters
            raise Unusable(
                f"{name} cannot be fitted to z-scored features: {_line(fault)} Correct its "
                "parameters, or name another class."
            ) from None
        if not hasattr(model, "predict_proba"):
            raise Unusable(
                f"{name} has no predict_proba. Expected: a classifier that gives probabilities. "
                'Set the parameter of it that does (SGDClassifier: loss = "log_loss"), or name '
                f"another class, such as {EXAMPLE}. A support vector machine with probabilities "
                "is among the models already."
            )
        why = _not_kept(model, values)
    if why:
        raise Unusable(
            f"{name} cannot be saved and read again with the same scores ({why.rstrip('.')}). "
            f"Expected: a classifier that skops can keep, such as {EXAMPLE}. Name another class."
        )
    return frozenset(skops.io.get_untrusted_types(data=skops.io.dumps(model)))


def _not_kept(model: BaseEstimator, values: np.ndarray) -> str:
    """Return why a fitted model's file would be refused later on, "" where it would not."""
    import skops.io

    try:
        content = skops.io.dumps(model)
        types = skops.io.get_untrusted_types(data=content)
        if strange := [k for k in types if not k.startswith(KNOWN_TYPES) and k not in PLAIN_TYPES]:
            return f"it holds {strange[0]}"
        again = skops.io.loads(content, trusted=types).predict_proba(values)
    except Exception as fault:  # noqa: BLE001 - whatever skops does not know
        return _line(fault)
    return "" if np.array_equal(again, model.predict_proba(values)) else "they differ"


def _line(fault: Exception) -> str:
    """Return the first line of what another package says."""
    return (str(fault).strip().splitlines() or [type(fault).__name__])[0].rstrip(".") + "."
