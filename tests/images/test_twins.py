"""One patient in two rows is found by voxels and by the lesion, whatever the files are."""

import corpus
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.cohort import eligibility
from radiogenomics.images import inspection, scans, twins
from radiogenomics.images.grids import grid_of
from radiogenomics.study.errors import TableFault
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study

SHAPE = (40, 60, 60)


def scan(seed=0, radius=9, spacing=(1.0, 1.0, 1.0)):
    """A smooth CT with a ball of soft tissue in it."""
    rng = np.random.default_rng(seed)
    noise = sitk.GetImageFromArray(rng.normal(0, 60, SHAPE).astype(np.float32))
    z, y, x = np.indices(SHAPE)
    inside = (z - 20) ** 2 + (y - 30) ** 2 / 1.5 + (x - 30) ** 2 / 2 < radius**2
    hu = sitk.GetArrayFromImage(sitk.DiscreteGaussian(noise, 2.0)) + np.where(inside, 30, -800)
    ct, mask = sitk.GetImageFromArray(hu.astype(np.float32)), sitk.GetImageFromArray(
        inside.astype(np.uint8))  # fmt: skip
    for image in (ct, mask):
        image.SetSpacing(spacing)
    return scans.Scan(ct, mask, grid_of(ct))


def resampled(given, spacing_mm):
    size = [round(n * s / spacing_mm) for n, s in
            zip(given.ct.GetSize(), given.ct.GetSpacing(), strict=True)]  # fmt: skip
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing([spacing_mm] * 3)
    ct = sitk.Resample(given.ct, grid, sitk.Transform(), sitk.sitkLinear, -800)
    mask = sitk.Resample(given.mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return scans.Scan(ct, mask, grid_of(ct))


def cropped(given):
    ct, mask = (image[5:55, 8:52, 3:36] for image in (given.ct, given.mask))
    return scans.Scan(ct, mask, grid_of(ct))


def test_crops_and_resampled_copies_are_alike_and_others_are_not():
    first = scan()
    people = {"a": first, "crop": cropped(first), "fine": resampled(first, 0.8),
              "other": scan(1, 11), "smaller": scan(0, 8)}  # fmt: skip
    notes = twins.alike({name: twins.fingerprint(given) for name, given in people.items()})
    assert set(notes) == {"a", "crop", "fine"}
    assert notes["crop"] == "the lesion is like that of a, fine: the same patient?"


def test_the_same_voxels_in_other_files_stop_the_study(tmp_path):
    """Anonymised again as DICOM, as NIfTI, and as NIfTI with its axes turned round."""
    corpus.write_ct(tmp_path / "a")
    corpus.write_ct(tmp_path / "b", series=corpus.ROOT + "9", PatientID="X", AccessionNumber="B")
    corpus.write_image(tmp_path / "c.nii.gz", corpus.volume())
    turned = sitk.DICOMOrient(corpus.image(corpus.volume()), "RAS")
    sitk.WriteImage(turned, tmp_path / "d.nii.gz")
    corpus.write_ct(tmp_path / "e", corpus.volume(5) + 300, PatientID="Y")
    corpus.write_image(tmp_path / "mask.nii.gz", corpus.lesion())
    files = ["a", "b", "c.nii.gz", "d.nii.gz", "e"]
    rows = pd.DataFrame({
        "patient": list("ABCDE"), "cohort": ["train", "test", "train", "test", "train"],
        "ct": [str(tmp_path / f) for f in files], "mask": str(tmp_path / "mask.nii.gz"),
        "mask_label": "", "label": 1,
    })  # fmt: skip
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    masks, _, failures, faults = inspection.inspect_cohort(study, rows)
    assert failures.empty and len(faults) == 1
    assert "A (train), B (test), C (train), D (test) have the same CT" in faults[0]
    assert not masks.notes.str.contains("same patient").any()
    with pytest.raises(TableFault, match="voxel by voxel"):
        eligibility.require_both(study, rows, pd.DataFrame(), faults)
