"""SEG, parametric map and structured report of one patient, read back with pydicom and by us."""

import shutil
import subprocess

import corpus
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from radiogenomics.images.scans import read_scan
from radiogenomics.new_patient import dicom_out
from radiogenomics.study.errors import UsageError

CONTENT = {
    "label": "EGFR mutant",
    "applicable": False,
    "models_from_synthetic_data": True,
    "probability": {"LR": 0.25, "CNN": 0.75},
    "signature": {"log-sigma-1-0-mm-3D_glszm_SmallAreaLowGrayLevelEmphasis": 1.5e-3},
}


@pytest.fixture
def written(tmp_path):
    """A series whose slices lie obliquely in their files' order, its outline, and the results."""
    series = corpus.write_ct(tmp_path / "ct")
    mask = corpus.write_image(tmp_path / "mask.nii.gz", corpus.lesion())
    scan = read_scan(series, mask)
    heat = sitk.Cast(scan.mask, sitk.sitkFloat32) * 0.5
    return scan, dicom_out.write_dicom(scan, CONTENT, heat, tmp_path / "results"), series, heat


def test_the_outline_comes_back_to_the_voxel(written):
    scan, (seg, *_), series, _ = written
    again = read_scan(series, seg)
    assert np.array_equal(sitk.GetArrayFromImage(again.mask), sitk.GetArrayFromImage(scan.mask))
    assert again.notes == scan.notes  # it refers to the series that it was drawn on


def test_the_map_comes_back_in_place_and_value(written):
    scan, files, _, heat = written
    held = pydicom.dcmread(next(p for p in files if p.name == dicom_out.MAP))
    values = np.frombuffer(held.FloatPixelData, np.float32).reshape(-1, held.Rows, held.Columns)
    places = [g.PlanePositionSequence[0].ImagePositionPatient[2]
              for g in held.PerFrameFunctionalGroupsSequence]  # fmt: skip
    expected = sitk.GetArrayFromImage(scan.file_grid.resampled(heat))
    from_feet = values[np.argsort(np.array(places, float))]
    assert np.allclose(from_feet, expected, atol=1e-6) and expected.max() == 0.5
    assert held.ContentQualification == "RESEARCH"


def items(dataset):
    """Every item of a structured report."""
    for item in dataset.get("ContentSequence", []):
        yield item
        yield from items(item)


def test_the_report_has_every_number_and_says_research(written):
    scan, files, _, _ = written
    held = pydicom.dcmread(next(p for p in files if p.name == dicom_out.REPORT))
    numbers = {
        item.ConceptNameCodeSequence[0].CodeMeaning:
            float(item.MeasuredValueSequence[0].NumericValue)
        for item in items(held) if item.ValueType == "NUM"
    }  # fmt: skip
    voxels = sitk.GetArrayFromImage(scan.mask).sum() * np.prod(scan.mask.GetSpacing())
    assert numbers.pop("Volume") == pytest.approx(voxels)
    assert numbers == {
        "Probability of EGFR mutant by LR": 0.25, "Probability of EGFR mutant by CNN": 0.75,
        "log-sigma-1-0-mm-3D_glszm_SmallAreaLowGrayLevelEmphasis": 0.0015,
    }  # fmt: skip
    words = {item.ConceptNameCodeSequence[0].CodeMeaning: item.ConceptCodeSequence[0].CodeMeaning
             for item in items(held) if item.ValueType == "CODE"}  # fmt: skip
    assert words["Intended use"] == "Research only, no medical device"
    assert words["Applicability"] == "not applicable"
    assert words["Models' patients"] == "simulated: no number applies"


def test_all_carry_the_patient_and_study_of_the_ct_and_series_of_their_own(written):
    _, files, series, _ = written
    ct, made = corpus.slices(series)[0], [pydicom.dcmread(path) for path in files]
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert {d.get(name, ct.get(name)) for d in made} == {ct.get(name)}
    assert len({d.SeriesInstanceUID for d in made} | {ct.SeriesInstanceUID}) == 4
    assert all(d.SeriesDescription.startswith("Research only") for d in made)


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (dicom3tools) is not here")
def test_dciodvfy_finds_no_error(written):
    for path in written[1]:
        told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True).stderr
        assert not [line for line in told.splitlines() if line.startswith("Error")], (path, told)


def test_a_ct_that_is_a_file_has_no_dicom_results(tmp_path):
    ct, mask = (corpus.write_image(tmp_path / f"{n}.nii.gz", a) for n, a in
                (("ct", corpus.volume()), ("mask", corpus.lesion())))  # fmt: skip
    with pytest.raises(UsageError, match="the CT is no DICOM series. Expected: a DICOM folder"):
        dicom_out.write_dicom(read_scan(ct, mask), CONTENT, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
