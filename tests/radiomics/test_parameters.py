"""PyRadiomics' settings and parameter file: its own values, nothing dropped, no code run."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from corpus import pair_of
from radiogenomics.images.changes import put_back, small_errors
from radiogenomics.radiomics import extraction, features
from radiogenomics.report.drafted_methods import measured_facts
from radiogenomics.report.request import with_overrides
from radiogenomics.study.errors import MissingFile, SettingsFault
from radiogenomics.study.parameters import read_parameters
from radiogenomics.study.settings import Radiomics
from radiogenomics.study.study import load_study
from radiogenomics.study.words import say
from radiomics.featureextractor import RadiomicsFeatureExtractor

EXAMPLE = Path(__file__).parents[2] / "data" / "example_patient"
FILES = EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz"
RESAMPLED = """
setting: # as published
  binWidth: 20
  resampledPixelSpacing: [1, 1, 2.5]
  interpolator: sitkBSpline
  padDistance: 8
  label: 1
imageType:
  Original: {}
  LoG: {sigma: [1.0, 2]}
  Wavelet: {wavelet: haar}
featureClass:
  shape:
  firstorder: [Mean, Energy]
  glcm: []
"""
NORMALISED = """
setting:
  binCount: 32
  normalize: true
  normalizeScale: 100
  removeOutliers: 3
  resampledPixelSpacing: [2, 2, 0]
  interpolator: sitkLinear
imageType: {Original: {}, Gradient: {}}
"""
IN_SLICES = """
setting: {binWidth: 25, preCrop: true, resegmentRange: [-400, 300], force2D: true}
featureClass: {firstorder: , glszm: }
"""


@pytest.fixture(scope="module")
def pair():
    return pair_of(*FILES, 1)


def held_in(folder, text):
    """A parameter file as a study's settings hold it."""
    (folder / "Params.yaml").write_text(text, encoding="utf-8")
    return Radiomics(parameter_file=json.dumps(read_parameters(folder / "Params.yaml")))


def numbers(found):
    return pd.Series({name: float(value) for name, value in found.items()})


@pytest.mark.parametrize("text", [RESAMPLED, NORMALISED, IN_SLICES])
def test_a_parameter_file_gives_pyradiomics_own_values_of_the_same_files(text, tmp_path, pair):
    ours = extraction.extract(*pair, held_in(tmp_path, text))
    made = RadiomicsFeatureExtractor(str(tmp_path / "Params.yaml"), additionalInfo=False)
    theirs = numbers(made.execute(*map(str, FILES)))
    assert list(ours.index) == list(theirs.index) and len(ours) > 30
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        Radiomics(bin_count=32, image_types=("LoG", "Original"), feature_classes=("glcm", "shape")),
        Radiomics(radiomics_spacing_mm=(1.5, 1.0, 2.5), image_types=("Original", "Gradient")),
    ],
)
def test_chosen_settings_are_pyradiomics(settings, pair, monkeypatch):
    monkeypatch.setattr(extraction, "extract_fast", lambda *_: pytest.fail("not proven on these"))
    settings = dataclasses.replace(settings, grid="pyradiomics")
    ours, edges = extraction.extract(*pair, settings), np.broadcast_to(settings.edges_mm, 3)
    made = RadiomicsFeatureExtractor(
        binWidth=25, binCount=settings.bin_count or None, additionalInfo=False,
        resampledPixelSpacing=edges.tolist(), padDistance=settings.pad_mm / edges,
    )  # fmt: skip
    made.enabledImagetypes = {name: {} for name in settings.image_types}
    if "LoG" in settings.image_types:
        made.enabledImagetypes["LoG"] = {"sigma": [1.0, 2.0, 3.0, 4.0]}
    made.enabledFeatures = {name: [] for name in settings.feature_classes}
    theirs = numbers(made.execute(*pair, label=1))
    assert set(ours.index) == set(theirs.index) and len(ours) > 100
    assert np.allclose(ours, theirs[ours.index], rtol=1e-6, atol=1e-12)


def test_the_patients_grid_takes_a_spacing_for_each_axis(pair):
    settings = Radiomics(radiomics_spacing_mm=(0.8, 1.6, 2.5))
    fine, lesion = extraction.resample(*pair, settings.edges_mm)
    assert fine.GetSpacing() == lesion.GetSpacing() == (0.8, 1.6, 2.5)
    volume = [sitk.GetArrayViewFromImage(mask).sum() * np.prod(mask.GetSpacing())
              for mask in (pair[1], lesion)]  # fmt: skip
    assert volume[1] == pytest.approx(volume[0], rel=0.05)
    single = extraction.resample(*pair, (1.0, 1.0, 1.0))[0], extraction.resample(*pair, 1.0)[0]
    assert np.array_equal(*map(sitk.GetArrayViewFromImage, single))


REFUSED = {
    "setting:\n  binwidth: 25": "'binwidth' is not a setting of PyRadiomics. Did you mean binWidth",
    "settings: {}": "Did you mean setting?",
    "featureClass: {glcn: }": "Did you mean glcm?",
    "featureClass: {glcm: [Contrst]}": "Did you mean Contrast?",
    "imageType: {Wavlet: {}}": "Did you mean Wavelet?",
    "imageType: {LoG: {sigmas: [1]}}": "Did you mean sigma?",
    "setting: {binWidth: wide}": "'wide' is not of type 'float'",
    "setting: {binWidth: -3}": "/setting/binWidth",
    "setting: [25": "line 1: expected ',' or ']'",
    "setting:\n\tbinWidth: 25": "line 2: found character",
    "a: 1\n---\nb: 2": "another document",
    "setting: {binWidth: 25, binWidth: 20}": "duplicate key",
    "- Original": "no section",
    "": "No source",
    "imageType: {Original: }": "not a dict",
    "setting: {label: 2}": "label is not used here: cohort.csv",
    "setting: {geometryTolerance: 0.1}": "geometryTolerance is not used here",
    "voxelSetting: {kernelRadius: 2}": "voxelSetting is of maps",
    "setting: {resampledPixelSpacing: [1, 1]}": "has 2 numbers",
    "imageType: {LoG: {}}": "LoG names no sigma",
    "imageType: {LBP3D: {}}": "LBP3D needs packages",
    "imageType: {Square: {padDistance: 3}}": "padDistance of Square has no effect there",
    "featureClass: {shape2D: }": "shape2D is of single slices",
}


@pytest.mark.parametrize(("text", "told"), REFUSED.items(), ids=REFUSED.values())
def test_what_is_wrong_or_cannot_be_honoured_is_named(text, told, tmp_path):
    with pytest.raises(SettingsFault) as fault:
        held_in(tmp_path, text)
    said = str(fault.value)
    assert told in said and said.startswith("Params.yaml: ") and "\n" not in said
    assert str(tmp_path) not in said


def test_no_code_of_a_file_is_run(tmp_path):
    victim = tmp_path / "written"
    with pytest.raises(SettingsFault, match="could not determine a constructor"):
        held_in(tmp_path, f"!!python/object/apply:os.system ['touch {victim}']")
    assert not victim.exists()


def a_study(folder, text, name="Params.yaml", more=""):
    (folder / "study.toml").write_text(f'[radiomics]\nparameter_file = "{name}"\n{more}')
    (folder / "Params.yaml").write_text(text, encoding="utf-8")
    return load_study(folder, folder / "reports")


def test_the_file_is_part_of_the_settings_and_of_every_key(tmp_path):
    row = {"ct_hash": "1", "mask_hash": "2"}
    study = a_study(tmp_path, RESAMPLED)
    again = a_study(tmp_path, RESAMPLED.replace("# as published", "# a comment changes nothing"))
    other = a_study(tmp_path, RESAMPLED.replace("binWidth: 20", "binWidth: 21"))
    keys = [features._cache_path(each, row) for each in (study, again, other)]
    assert keys[0] == keys[1] != keys[2]
    study.keep_fitted("radiomics")
    assert other.as_fitted().settings.radiomics == study.settings.radiomics
    (tmp_path / "Other.yaml").write_text("setting: {binWidth: 30}")
    changed = with_overrides(study, {"parameter_file": "Other.yaml"}).settings.radiomics
    assert json.loads(changed.parameter_file) == {"setting": {"binWidth": 30}}


def test_a_file_that_is_missing_or_contradicted_is_told(tmp_path):
    with pytest.raises(
        MissingFile, match=r"Parms.yaml, \[radiomics\] parameter_file, is not there"
    ):
        a_study(tmp_path, "setting: {binWidth: 25}", "Parms.yaml")
    with pytest.raises(SettingsFault, match="parameter_file and bin_width, image_types"):
        a_study(tmp_path, RESAMPLED, more='bin_width = 10\nimage_types = ["LoG"]\n')
    with pytest.raises(SettingsFault, match="bin_count and bin_width"):
        a_study(tmp_path, RESAMPLED, "", "bin_count = 16\nbin_width = 10\n")
    for wrong, told in (('["Wavlet"]', "Expected: one of Original, Wavelet"), ("[]", "1 to 8")):
        with pytest.raises(SettingsFault, match=told):
            a_study(tmp_path, RESAMPLED, "", f"image_types = {wrong}\n")
    with pytest.raises(SettingsFault, match="Expected: 1 or 3 values"):
        a_study(tmp_path, RESAMPLED, "", "radiomics_spacing_mm = [1, 2]\n")


def test_the_usual_word_for_it_is_understood(tmp_path):
    study = a_study(tmp_path, RESAMPLED)
    text = (tmp_path / "study.toml").read_text().replace("parameter_file", "parameters")
    (tmp_path / "study.toml").write_text(text)
    other = load_study(tmp_path)
    assert other.settings == study.settings and "now [radiomics] parameter_f" in other.notes[0]


def test_methods_and_checklist_tell_how_features_are_measured(tmp_path):
    def told(settings):
        made = json.loads(json.dumps(extraction.described(settings)))
        made |= {"features": 9, "versions": extraction.VERSIONS}
        return made, say("report", "features", **measured_facts(made))

    made, text = told(held_in(tmp_path, RESAMPLED))
    assert made["discretisation"] == {"bin_width": 20} and made["spacing_mm"] == [1, 1, 2.5]
    assert made["feature_classes"] == ["shape", "firstorder", "glcm"]
    for part in ("own resampling", "resampledPixelSpacing 1 1 2.5", "wavelet of Wavelet haar",
                 "sigma of LoG 1.0 2", "features of firstorder Mean Energy"):  # fmt: skip
        assert part in text
    assert "of surroundings" not in text
    chosen = Radiomics(bin_count=16, radiomics_spacing_mm=(1.0, 1.0, 3.0), image_types=("Square",),
                       feature_classes=("glcm",))  # fmt: skip
    made, text = told(chosen)
    assert made["discretisation"] == {"bin_count": 16}
    assert "type" in text and "Square (classes glcm): resampling to 1 × 1 × 3 mm, 16 grey-l" in text
    assert "Laplacian" not in text
    assert "1 mm, bin width 25 HU, Laplacian" in told(Radiomics())[1]


def test_a_changed_part_is_measured_in_the_whole_ct(pair):
    """A file may normalise by the whole CT, or lay its points from its corner."""
    stored = extraction.as_stored(pair[0])
    assert stored.GetPixelID() == sitk.sitkInt16
    noisy = next(one for one in small_errors(1) if one.what == "noise")
    changed = [put_back(*both) for both in zip((stored, pair[1]), noisy.of(*pair), strict=True)]
    assert all(image.GetSize() == stored.GetSize() for image in changed)
    assert np.array_equal(*map(sitk.GetArrayViewFromImage, (changed[1], pair[1])))
    away = sitk.GetArrayFromImage(changed[0]) - sitk.GetArrayFromImage(stored)
    assert 0 < (away != 0).mean() < 0.9 and np.abs(away).max() < 300
    assert extraction.as_stored(sitk.Add(pair[0], 0.5)).GetPixelID() == sitk.sitkFloat32
