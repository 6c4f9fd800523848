"""Every setting is in the key of what it changes, and is taken at its limits and not beyond."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiogenomics.cohort import included
from radiogenomics.images import inspection, volumes
from radiogenomics.models.cross_fitting import training_folder
from radiogenomics.radiomics import features
from radiogenomics.study import settings
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.files import digest
from radiogenomics.study.settings import CNN, Preprocessing, Radiomics, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import build

SELECTS = {  # of radiomics: what is done with features that are already measured
    "mann_whitney_p", "spearman_rho", "lasso_folds", "univariate_p", "reader_icc",
    "perturbation_icc", "stability",
}  # fmt: skip
ROW = {"patient": "P1", "ct": "ct", "mask": "m", "ct_hash": "1", "mask_hash": "2", "mask_label": "",
       "ct_series": "", "ct_acquisition": "", "ct_kernels": ""}  # fmt: skip


def another(kind, name):
    """A setting's value that is not its default and that study.toml may hold."""
    value, known = getattr(kind(), name), settings.key_of(kind, name)
    if isinstance(value, bool):
        return not value
    if known.choices:
        other = next((c for c in known.choices if c not in (value, *np.atleast_1d(value))), None)
        if other is None:  # every choice is chosen
            return value[1:]
        return (other,) if isinstance(value, tuple) else other
    if isinstance(value, str):
        return f"{value}another"
    if isinstance(value, tuple):
        more = [f"{v}another" if isinstance(v, str) else v + known.step for v in value]
        return tuple(more) or ("another",)
    if isinstance(value, dict):
        return {"another": ("B",)}
    return known.high if value != known.high else known.low


def changed(kind):
    """Every other setting of a section, by name."""
    names = settings.keys(kind)
    return {n: dataclasses.replace(kind(), **{n: another(kind, n)}) for n in names}


def test_no_network_of_other_settings_is_taken():
    """Nor of another seed, other patients, or the same ones in another order."""
    usual, where = (["a", "b"], CNN(), 1), Path("d")
    others = [
        *((["a", "b"], other, 1) for other in changed(CNN).values()),
        (["a", "b"], CNN(), 2), (["b", "a"], CNN(), 1), (["a"], CNN(), 1),
    ]  # fmt: skip
    folders = {training_folder(where, *asked) for asked in (usual, *others)}
    assert len(folders) == 1 + len(others) > 20


def test_volumes_features_and_inspections_are_known_by_what_changes_them():
    def keys(**sections):
        study = Study(Path("s"), Path("r"), Settings(**sections))
        return volumes.volume_path(study, pd.Series(ROW)), features._cache_path(study, ROW)

    volume, measured = keys()
    for name, other in changed(Preprocessing).items():
        assert keys(preprocessing=other)[0] != volume, name
        assert keys(preprocessing=other)[1] == measured, name
    for name, other in changed(Radiomics).items():
        assert keys(radiomics=other)[0] == volume, name
        assert (keys(radiomics=other)[1] == measured) is (name in SELECTS), name


def test_a_setting_that_came_later_leaves_the_keys_of_its_default_as_they_were():
    """So that nobody's volumes and networks are made again for a setting that they do not use."""
    before = dataclasses.asdict(Preprocessing())
    assert before.pop("margin_mm") == 0
    assert digest(["a"], Preprocessing()) == digest(["a"], before)
    assert digest(["a"], Preprocessing(margin_mm=2.0)) != digest(["a"], before)
    later = ("parameter_file", "bin_count", "image_types", "feature_classes")
    before = {n: v for n, v in dataclasses.asdict(Radiomics()).items() if n not in later}
    assert digest(CNN(), Radiomics()) == digest(dataclasses.asdict(CNN()), before)


@pytest.mark.parametrize("section", ["label", "cohorts", "eligibility", "images"])
def test_included_patients_are_known_by_the_rules(section, tmp_path):
    (tmp_path / "cohort.csv").write_text("patient\nP1\n")

    def source(settings):
        return included._source(Study(tmp_path, tmp_path, settings))

    usual, kind = source(Settings()), type(getattr(Settings(), section))
    for name, other in changed(kind).items():
        assert source(Settings(**{section: other})) != usual, name


LIMITED = [
    (section, kind, name)
    for section, kind in settings.sections().items()
    for name in settings.keys(kind)
    if settings.key_of(kind, name).low is not None
]


@pytest.mark.parametrize(("section", "kind", "name"), LIMITED, ids=lambda one: str(one))
def test_a_limit_is_taken_and_what_lies_beyond_is_not(section, kind, name):
    known, usual = settings.key_of(kind, name), getattr(kind(), name)

    def given(value):
        whole = (value,) * len(usual) if isinstance(usual, tuple) else value
        if known.rising:
            whole = (known.low, value) if value > known.low else (value, known.high)
        raw = {name: list(whole) if isinstance(whole, tuple) else whole}
        return build(Settings, {section: raw} if section else raw, "study.toml")

    for limit, beyond in ((known.low, -1), (known.high, 1)):
        kept = given(limit)
        section_of_it = getattr(kept, section) if section else kept
        assert limit in np.atleast_1d(getattr(section_of_it, name))
        with pytest.raises(SettingsFault, match="Expected: from"):
            given(limit + beyond * known.step)


def test_a_patient_at_the_limit_of_age_and_days_takes_part(tmp_path):
    from radiogenomics.cohort import eligibility

    rules = Settings().eligibility
    ages = [rules.min_age - 1, rules.min_age, 60, 60, 60, 60]
    days = [1, 1, rules.max_interval_days, rules.max_interval_days + 1, 0, -1]
    table = pd.DataFrame({
        "patient": [f"P{i}" for i in range(6)], "age": ages, "interval_days": days, "label": 1.0,
        "cohort": "train", "ct": "", "mask": "", "fault": "", "unread": "",
    })  # fmt: skip
    _, out, _ = eligibility.exclude(Study(tmp_path, tmp_path, Settings()), table, complete=False)
    by = out.set_index("patient").step
    assert by[by == "eligibility"].index.tolist() == ["P0", "P3", "P5"]


def test_inspections_are_known_by_settings_and_files(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(
        inspection, "_inspect_one",
        lambda row, used: looked.append(1) or {"reason": "", "print": ["", [0.0]]},
    )  # fmt: skip
    images = changed(settings.Images).values()
    measured = [changed(Radiomics)[n] for n in ("pad_mm", "radiomics_spacing_mm")]
    asked = [Settings(), *(Settings(images=i) for i in images),
             *(Settings(radiomics=r) for r in measured)]  # fmt: skip
    for twice in (1, 2):
        for one in asked:
            inspection._inspected(ROW, Study(tmp_path, tmp_path, one))
        assert len(looked) == len(asked), twice
    inspection._inspected(ROW | {"mask_hash": "3"}, Study(tmp_path, tmp_path, Settings()))
    assert len(looked) == len(asked) + 1
