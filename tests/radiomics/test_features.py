"""PyRadiomics on the shipped real CT: the crop changes nothing; one bad case changes nothing."""

import hashlib
import io
import logging
import tarfile
import tomllib
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from corpus import pair_of
from radiogenomics.images.formats import content_hash
from radiogenomics.radiomics import extraction, features
from radiogenomics.study.settings import Radiomics, Settings
from radiogenomics.study.study import Study
from radiomics.featureextractor import RadiomicsFeatureExtractor

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "data" / "example_patient"
AS_PYRADIOMICS = Radiomics(grid="pyradiomics")
BASELINE = Path(__file__).parents[1] / "reference" / "pyradiomics_lung1.csv"


@pytest.fixture(scope="module")
def pair():
    return pair_of(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz", 1)


def as_filed(image, mask):
    """Read both as their files have them, as the baseline was computed."""
    return sitk.ReadImage(str(image)), sitk.ReadImage(str(mask))


def whole_image_call(pair, spacing_mm=1.0, pad_mm=16.0):
    """PyRadiomics' own call on the uncropped images, resampling by itself."""
    made = extraction.extractor(Radiomics())
    made.settings |= {
        "resampledPixelSpacing": [spacing_mm] * 3,
        "interpolator": "sitkBSpline",
        "padDistance": pad_mm / spacing_mm,
    }
    return pd.Series({k: float(v) for k, v in made.execute(*pair, label=1).items()})


def test_every_value_is_the_uncropped_calls(pair):
    whole = whole_image_call(pair)
    ours = extraction.extract(*pair, AS_PYRADIOMICS)
    assert list(ours.index) == list(whole.index) and len(ours) == 1688
    assert np.allclose(ours, whole, rtol=1e-6, atol=1e-12)


def test_original_features_are_pyradiomics_published_baseline():
    """Without resampling the shipped crop gives the values published for the full image."""
    published = pd.read_csv(BASELINE).set_index("feature").value
    made = RadiomicsFeatureExtractor(binWidth=25, voxelArrayShift=2000, additionalInfo=False)
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    pair = as_filed(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz")
    found = pd.Series({k: float(v) for k, v in made.execute(*pair, label=1).items()})
    assert len(published) == 107 and set(published.index) == set(found.index)
    assert np.allclose(found[published.index], published, rtol=1e-9, atol=1e-12)


@pytest.fixture
def full_pair(tmp_path):
    """The whole image and mask of test case lung1, from the sdist that the lock names."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    sdist = next(p["sdist"] for p in lock["package"] if p["name"] == "pyradiomics-bhklab")
    try:
        with urllib.request.urlopen(sdist["url"], timeout=60) as answer:
            content = answer.read()
    except OSError as fault:
        pytest.skip(f"the sdist of PyRadiomics cannot be downloaded: {fault}")
    assert sdist["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            if Path(member.name).name in ("lung1_image.nrrd", "lung1_label.nrrd"):
                member.name = Path(member.name).name
                archive.extract(member, tmp_path, filter="data")
    return as_filed(tmp_path / "lung1_image.nrrd", tmp_path / "lung1_label.nrrd")


@pytest.mark.slow
def test_full_image_gives_the_published_baseline_and_its_crop_the_same_values(full_pair):
    """512 × 512 voxels: where the crop made for speed cuts most away."""
    assert full_pair[0].GetSize()[:2] == (512, 512)
    published = pd.read_csv(BASELINE).set_index("feature").value
    made = RadiomicsFeatureExtractor(binWidth=25, voxelArrayShift=2000, additionalInfo=False)
    found = pd.Series({k: float(v) for k, v in made.execute(*full_pair, label=1).items()})
    assert np.allclose(found[published.index], published, rtol=1e-9, atol=1e-12)
    ours = extraction.extract(*full_pair, AS_PYRADIOMICS)
    assert np.allclose(ours, whole_image_call(full_pair)[ours.index], rtol=1e-6, atol=1e-12)


def test_1727_is_the_width_of_pyradiomics_output(pair):
    counts = extraction.output_columns(*pair, Radiomics())
    assert counts.to_dict() == {
        "features": 1688,
        "diagnostics": 37,
        "Image, Mask": 2,
        "columns": 1727,
    }


def test_one_bad_case_is_recorded_and_the_rest_done_once(tmp_path, pair):
    small = [sitk.RegionOfInterest(image, [90, 90, 12], [0, 0, 0]) for image in pair]
    rng = np.random.default_rng(0)
    mask = np.zeros((12, 90, 90), np.uint8)
    mask[4:8, 30:50, 30:50] = 1
    noise = sitk.GetImageFromArray(rng.normal(0, 100, mask.shape).astype(np.int16))
    lesion = sitk.GetImageFromArray(mask)
    for image in (noise, lesion):
        image.CopyInformation(small[0])
    sitk.WriteImage(noise, tmp_path / "ct.nii.gz")
    sitk.WriteImage(lesion, tmp_path / "mask.nii.gz")
    (tmp_path / "bad.nii.gz").write_bytes((tmp_path / "ct.nii.gz").read_bytes()[:400])
    rows = [("good", "ct.nii.gz"), ("bad", "bad.nii.gz")]
    cohort = pd.DataFrame(
        {
            "patient": [p for p, _ in rows],
            "ct": [str(tmp_path / f) for _, f in rows],
            "mask": str(tmp_path / "mask.nii.gz"),
            "mask_label": 1,
            "ct_hash": [content_hash(tmp_path / f) for _, f in rows],
            "mask_hash": "m",
        }
    )
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    table, failures = features.extract_cohort(study, cohort)
    assert list(table.index) == ["good"] and table.shape[1] == 1688
    assert failures.patient.tolist() == ["bad"] and "cannot be read" in failures.reason[0]
    kept = list((tmp_path / "derived" / "features").glob("*.json"))
    before = kept[0].stat().st_mtime_ns
    again, _ = features.extract_cohort(study, cohort)
    assert len(kept) == 1 and kept[0].stat().st_mtime_ns == before and again.equals(table)
    features.save_features(study, table, cohort)
    assert features.load_features(study).equals(table)
