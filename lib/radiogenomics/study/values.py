"""Values for settings, of study.toml or of a command, checked against what is declared."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin, get_type_hints

from radiogenomics.study.contract import MODELS
from radiogenomics.study.errors import SettingsFault, StudyError, UsageError
from radiogenomics.study.files import shipped
from radiogenomics.study.settings import MOVED, Models, Settings, key_of, keys, sections

CLASSES_OF = ("sklearn", "xgboost", "lightgbm")  # packages that a further classifier may be of
CLASS = rf"({'|'.join(CLASSES_OF)})(\.[A-Za-z_]\w*)+"
EXAMPLE = "sklearn.ensemble.RandomForestClassifier"
MODEL_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,39}"
TAKEN = (*(model.name for model in MODELS), "all", "none", "features")  # other meanings in tables
MOST_MODELS = 5
SHORT = 20  # names that one can read in a line


def did_you_mean(name: str, names: Iterable[str], page: str = "docs/settings.md") -> str:
    """Return the name that is most like a wrong one, as a question, or else the names.

    Of many names the message gives the shipped page that lists them.
    """
    near = difflib.get_close_matches(name, names, n=1)
    every = sorted(names)
    there = ", ".join(every) if len(every) <= SHORT else f"a name of {shipped(page)}"
    return f"Did you mean {near[0]}?" if near else f"Expected: {there}."


def section_of() -> dict[str, str]:
    """Return the section of every setting, "" of those above the sections."""
    return {name: section for section, kind in sections().items() for name in keys(kind)}


def plain(name: str) -> str:
    """Return a setting's own name: of `cnn.epochs`, epochs; other names as they are.

    Raises:
        UsageError: the section has no such setting.
    """
    section, dot, own = name.partition(".")
    where = section_of()
    if dot and where.get(own) != section:
        raise UsageError(
            f"-p {name}: no such setting. "
            + did_you_mean(name, [f"{where[n]}.{n}" for n in where if where[n]])
        )
    return own or name


def overridden(settings: Settings, override: dict[str, Any]) -> Settings:
    """Return the settings with some replaced by name; None leaves one as it is.

    Raises:
        UsageError: no such setting, or a value of another kind or beyond its limits.
    """
    where = section_of()
    for name, value in override.items():
        if name not in where:
            raise UsageError(f"parameter {name}: no such setting. {did_you_mean(name, where)}")
        if value is not None:
            settings = _replaced(settings, where[name], name, value)
    return settings


def _replaced(settings: Settings, section: str, name: str, value: Any) -> Settings:
    part = getattr(settings, section) if section else settings
    try:
        value = _checked(type(part), name, value, "parameter")
        new = dataclasses.replace(part, **_implied(type(part), {name: value}), **{name: value})
    except StudyError as fault:
        raise UsageError(str(fault)) from None
    return dataclasses.replace(settings, **{section: new}) if section else new


def in_place(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a file's settings where they belong today, and a line for each that was elsewhere.

    Raises:
        SettingsFault: a setting is at both places.
    """
    raw = {name: dict(part) if isinstance(part, dict) else part for name, part in raw.items()}
    notes = []
    if "hospitals" in raw:
        if "cohorts" in raw:
            raise SettingsFault("study.toml has [hospitals] and [cohorts]. Keep [cohorts].")
        raw["cohorts"] = raw.pop("hospitals")
    for (section, name), (other, new) in MOVED.items():
        if not isinstance(raw.get(section), dict) or name not in raw[section]:
            continue
        there = raw.setdefault(other, {})
        if new in there:
            raise SettingsFault(f"study.toml: [{section}] {name} is [{other}] {new}. Keep one.")
        there[new] = raw[section].pop(name)
        notes.append(f"study.toml: [{section}] {name} is now [{other}] {new}: move the line.")
    return raw, notes


def build(kind: type, raw: dict[str, Any], where: str) -> Any:
    """Return settings of a kind from what a file says; `where` names the file in errors.

    Raises:
        StudyError: an unknown key, or a value of another kind or beyond its limits.
    """
    if kind is Models:
        return Models(_classifiers(raw, where))
    names, hints = [f.name for f in dataclasses.fields(kind)], get_type_hints(kind)
    if any("others" in f.metadata for f in dataclasses.fields(kind)):
        raw = _with_others(raw, names, where)
    values = {}
    for name, value in raw.items():
        if name not in names:
            raise SettingsFault(f"{where}: unknown key {name!r}. {did_you_mean(name, names)}")
        if name == "others":
            values[name] = {key: tuple(map(str, part)) for key, part in value.items()}
        elif not dataclasses.is_dataclass(hints[name]):
            values[name] = _checked(kind, name, value, where)
        elif isinstance(value, dict):
            values[name] = build(hints[name], value, f"{where} [{name}]")
        else:
            raise SettingsFault(f"{where}: {name} is no value. Expected: [{name}], its keys below.")
    return kind(**(_implied(kind, values) | values))


def _with_others(raw: dict[str, Any], names: list[str], where: str) -> dict[str, Any]:
    """Return [cohorts] with the test cohorts that its further keys name under `others`."""
    others = {name: raw[name] for name in raw if name not in names or name == "others"}
    if isinstance(others.get("others"), dict):  # as the settings of fitted models are written
        others |= others.pop("others")
    for name, value in others.items():
        listed = isinstance(value, list) and all(is_a(item, str) for item in value)
        if not (listed and value) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise SettingsFault(
                f"{where}: {name} = {value!r}. Expected: a cohort's name of letters, digits, _ or "
                '-, and a list of values, such as external_1 = ["B"].'
            )
    kept = {name: value for name, value in raw.items() if name in names and name != "others"}
    return ({"test": []} if others else {}) | kept | {"others": others}


def _classifiers(raw: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Return [models]: by name, each further classifier's `class` and parameters.

    Raises:
        SettingsFault: a name that is taken, a class of another package, a value that is no
            parameter, more models than there are colours.
    """
    fitted = raw.get("others")  # as the settings of fitted models are written
    raw = fitted if isinstance(fitted, dict) and "class" not in fitted else raw
    made = {name: {"class": part} if isinstance(part, str) else part for name, part in raw.items()}
    seen = {name.casefold() for name in TAKEN}
    for name, part in made.items():
        said, found, expected = f"{where} {name}", repr(part), ""
        of = part.get("class") if isinstance(part, dict) else None
        if name.casefold() in seen or not re.fullmatch(MODEL_NAME, name):
            found = "not a name for a further model"
            expected = f"letters, digits, _ or - (at most 40), and none of {', '.join(TAKEN)}"
        elif not isinstance(of, str) or not re.fullmatch(CLASS, of):
            expected = f"a class of {', '.join(CLASSES_OF)}, such as {EXAMPLE!r}"
        elif "random_state" in part:
            expected = "no random_state: it is the study's seed"
        elif odd := [n for n, value in part.items() if not _plain_value(value)]:
            said, found = f"{said}, {odd[0]}", repr(part[odd[0]])
            expected = "a number, text, true, false, or a list of these"
        if expected:
            raise SettingsFault(f"{said}: {found}. Expected: {expected}.")
        seen.add(name.casefold())
    if len(made) > MOST_MODELS:
        raise SettingsFault(
            f"{where}: {len(made)} classifiers. Expected: at most {MOST_MODELS}, which figures can "
            "tell apart by colour. Leave some out."
        )
    return made


def _plain_value(value: Any) -> bool:
    """Return whether a parameter is a number, text, a truth value, or a list of these."""
    if isinstance(value, list):
        return all(map(_plain_value, value))
    return isinstance(value, (str, int, float))


def _implied(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that choices among the values stand for."""
    sets: dict[str, Any] = {}
    for name in set(values) & set(keys(kind)):
        means = key_of(kind, name).means
        sets |= means.get(values[name], {}) if means else {}
    return sets


def _checked(kind: type, name: str, value: Any, where: str) -> Any:
    """Return `value` as the type of the setting's default, or raise StudyError."""
    declared, new = key_of(kind, name), _typed(kind, name, value)
    numbers = new if isinstance(new, tuple) else (new,)
    expected = ""
    if new is None:
        expected = f"something like {getattr(kind(), name)!r}"
    elif declared.counts and len(numbers) not in declared.counts:
        least, *_, most = declared.counts
        expected = f"{least} {'or' if len(declared.counts) == 2 else 'to'} {most} values"
    elif declared.choices and not set(numbers) <= set(declared.choices):
        expected = f"one of {', '.join(choice or 'empty' for choice in declared.choices)}"
    elif declared.low is not None and not all(declared.low <= n <= declared.high for n in numbers):
        expected = f"from {declared.low} to {declared.high}"
    elif declared.step > 1 and any(n % declared.step for n in numbers):
        expected = f"multiples of {declared.step}"
    elif declared.rising and not numbers[0] < numbers[1]:
        expected = "the lower number first"
    if expected:
        raise SettingsFault(f"{where}: {name} = {value!r}. Expected: {expected}.")
    return new


def _typed(kind: type, name: str, value: Any) -> Any:
    """Return a value in its setting's type, None where it is of another."""
    hint = get_type_hints(kind)[name]
    inner = get_args(hint)
    if get_origin(hint) is dict:
        given = value.items() if isinstance(value, dict) else [(None, None)]
        good = all(is_a(k, inner[0]) and is_a(v, inner[1]) for k, v in given)
        return {inner[0](k): inner[1](v) for k, v in given} if good else None
    if not inner:
        return hint(value) if is_a(value, hint) else None
    items = value if isinstance(value, (list, tuple)) else [value]
    right = inner[-1] is Ellipsis or len(items) == len(inner)
    good = right and all(is_a(item, inner[0]) for item in items)
    return tuple(inner[0](item) for item in items) if good else None


def is_a(value: Any, kind: type) -> bool:
    """Return whether a value can be used as a type: an int as float, an int as text."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, {float: (int, float), str: (str, int)}.get(kind, kind))
