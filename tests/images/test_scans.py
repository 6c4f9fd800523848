"""CT and mask are read as they are, or refused with what was found and what to do."""

import numpy as np
import pytest
import SimpleITK as sitk
from corpus import pair_of, write_series
from radiogenomics.images import scans
from radiogenomics.study.errors import StudyError


def image(array, spacing=(0.7, 0.7, 1.25), origin=(0.0, 0.0, 0.0)):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    return made


@pytest.fixture
def pair(tmp_path):
    """A CT of noise with a lesion of 4 x 6 x 8 voxels (z, y, x), written as NIfTI."""
    ct = np.random.default_rng(0).normal(-700, 50, (12, 20, 24)).astype(np.int16)
    mask = np.zeros(ct.shape, np.uint8)
    mask[3:7, 5:11, 8:16] = 1
    for name, array in (("ct", ct), ("mask", mask)):
        sitk.WriteImage(image(array), tmp_path / f"{name}.nii.gz")
    return tmp_path, ct, mask


def test_pair_is_read_as_written(pair):
    folder, ct, mask = pair
    found = pair_of(folder / "ct.nii.gz", folder / "mask.nii.gz", 1)
    assert (sitk.GetArrayFromImage(found[0]) == ct).all()
    assert (sitk.GetArrayFromImage(found[1]) == mask).all()
    assert found[0].GetPixelID() == sitk.sitkFloat32


def test_dicom_series_has_the_same_voxels_in_order_of_position(pair):
    folder, ct, mask = pair
    series = write_series(folder / "series", ct)
    found = pair_of(series, folder / "mask.nii.gz", 1)
    assert (sitk.GetArrayFromImage(found[0]) == ct).all()
    assert np.allclose(found[0].GetSpacing(), (0.7, 0.7, 1.25))
    assert (sitk.GetArrayFromImage(found[1]) == mask).all()


def test_missing_slice_is_never_invented(pair):
    folder, ct, _ = pair
    series = write_series(folder / "gap", ct, skip=5)
    with pytest.raises(StudyError, match="slices 5 and 6 lie 2.50 mm apart"):
        scans.read_ct(series)[0]


def test_mask_on_another_grid_lands_on_the_ct(pair):
    folder, _, mask = pair
    cropped = image(mask[2:9, 4:14, 6:20], origin=(6 * 0.7, 4 * 0.7, 2 * 1.25))
    sitk.WriteImage(cropped, folder / "small.nii.gz")
    found = pair_of(folder / "ct.nii.gz", folder / "small.nii.gz", 1)[1]
    assert (sitk.GetArrayFromImage(found) == mask).all()


def test_mask_outside_the_ct_is_refused_with_both_grids(pair):
    folder, _, mask = pair
    sitk.WriteImage(image(mask, origin=(100.0, 0, 0)), folder / "away.nii.gz")
    with pytest.raises(StudyError, match="does not lie inside the CT: mask .*; CT .*"):
        pair_of(folder / "ct.nii.gz", folder / "away.nii.gz", 1)


def test_mask_of_the_cts_size_that_lost_its_header_is_refused(pair):
    folder, _, mask = pair
    lost = sitk.GetImageFromArray(mask)
    lost.SetSpacing((0.7, 0.7, 1.0))
    sitk.WriteImage(lost, folder / "lost.nii.gz")
    with pytest.raises(StudyError, match="has the CT's size but another position: mask .*; CT .*"):
        pair_of(folder / "ct.nii.gz", folder / "lost.nii.gz", 1)


def test_formats_whose_voxels_lie_apart_are_refused(pair):
    folder, _, mask = pair
    sitk.WriteImage(image(mask), folder / "mask.hdr")
    for name in ("mask.hdr", "mask.img"):
        with pytest.raises(StudyError, match="Convert it to .nii.gz"):
            pair_of(folder / "ct.nii.gz", folder / name, 1)


def test_other_label_and_broken_files_are_named(pair):
    folder, ct, mask = pair
    with pytest.raises(StudyError, match="holds the labels 0, 1. Expected: 2"):
        pair_of(folder / "ct.nii.gz", folder / "mask.nii.gz", 2)
    whole = (folder / "ct.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match="cut.nii.gz cannot be read: it is damaged or cut off"):
        scans.read_ct(folder / "cut.nii.gz")[0]
    bad = ct.astype(np.float32)
    bad[0, 0, 0] = np.nan
    sitk.WriteImage(image(bad), folder / "nan.nrrd")
    with pytest.raises(StudyError, match="nan.nrrd: 1 voxels are not finite"):
        pair_of(folder / "nan.nrrd", folder / "mask.nii.gz", 1)
    with pytest.raises(StudyError, match="gone.nii.gz is not there"):
        scans.read_ct(folder / "gone.nii.gz")[0]


def test_label_1_of_several_is_taken_with_a_note(pair):
    folder, _, mask = pair
    mask[8, 5, 5] = 3
    sitk.WriteImage(image(mask), folder / "mask.nii.gz")
    scan = scans.read_scan(folder / "ct.nii.gz", folder / "mask.nii.gz")
    assert scan.notes == ("label 1 used, not 3; name one in mask_label",)
    named = scans.read_scan(folder / "ct.nii.gz", folder / "mask.nii.gz", "1")
    assert named.notes == ()
