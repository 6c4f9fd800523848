"""Every setting of study.toml refuses values of another kind, and says what is expected."""

from typing import get_args, get_origin, get_type_hints

import pytest
from radiogenomics.study import settings
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.study import load_study

KINDS = {  # as TOML, by the kind that they are
    bool: "true", int: "7", float: "1.5", str: "'of no such kind'", list: "[[1], [2]]",
    dict: "{ a = [[1]] }", "date": "2024-05-17", "nothing": "nan", "endless": "inf",
}  # fmt: skip
TAKES = {  # of a type, the kinds that it takes
    bool: {bool}, int: {int}, float: {int, float}, str: {str, int},
}  # fmt: skip


def wrong_values():
    """Every setting with every value that is of none of the kinds that it takes."""
    for section, kind in settings.sections().items():
        for name in settings.keys(kind):
            hint = get_type_hints(kind)[name]
            single = None if get_origin(hint) is dict else (*get_args(hint), hint)[0]
            for form, value in KINDS.items():
                if form not in TAKES.get(single, set()):
                    yield pytest.param(section, name, value, id=f"{section}.{name}={value}")


def refused(tmp_path, text):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsFault) as told:
        load_study(tmp_path)
    assert "Expected" in str(told.value) and "study.toml" in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(("section", "name", "value"), wrong_values())
def test_a_value_of_another_kind_is_refused(tmp_path, section, name, value):
    head = f"[{section}]\n" if section else ""
    assert name in refused(tmp_path, f"{head}{name} = {value}\n")


@pytest.mark.parametrize("value", KINDS.values())
@pytest.mark.parametrize("name", ["others", "external", "a name", "ünknown"])
def test_a_test_cohort_of_another_form_is_refused(tmp_path, name, value):
    refused(tmp_path, f'[cohorts]\ntrain = ["A"]\n"{name}" = {value}\n')


@pytest.mark.parametrize("section", [name for name in settings.sections() if name])
def test_a_section_that_is_a_value_or_a_list_is_refused(tmp_path, section):
    for value in KINDS.values():
        if not value.startswith("{"):
            assert section in refused(tmp_path, f"{section} = {value}\n")
    assert section in refused(tmp_path, f"[[{section}]]\n")
