"""One patient, one answer: features and network input do not depend on the file or its grid."""

import corpus
import numpy as np
import pytest
import SimpleITK as sitk
from corpus import ORIGIN, SPACING
from radiogenomics.images import grids, scans, volumes
from radiogenomics.radiomics import extraction
from radiogenomics.study.settings import Preprocessing, Radiomics

SETTINGS = Radiomics(pad_mm=5)
SIZE = (64, 80, 90)  # z, y, x: so large that a crop keeps the margin
BOX = np.s_[30:34, 36:47, 40:54]


def answers(ct, mask, **settings):
    scan = scans.read_scan(ct, mask)
    found = extraction.extract(scan.ct, scan.mask, Radiomics(pad_mm=5, **settings))
    return found.to_numpy(), volumes.preprocess(scan.ct, scan.mask, Preprocessing()), scan


def same(first, second):
    return (first[0] == second[0]).all() and (first[1] == second[1]).all()


def image_of(array, spacing=SPACING, origin=ORIGIN):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    return made


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """One patient as a DICOM series and a mask beside it, and the answers for them."""
    place = tmp_path_factory.mktemp("patient")
    folder = corpus.write_ct(place / "ct")
    mask = corpus.write_image(place / "mask.nii.gz", corpus.lesion())
    return place, answers(folder, mask)


def turned(axes):
    return lambda image: sitk.DICOMOrient(image, axes)


WAYS = {
    "NIfTI": (turned("LPS"), ".nii.gz"),
    "as dcm2niix writes it": (turned("LAS"), ".nii.gz"),
    "RAS": (turned("RAS"), ".nii.gz"),
    "axes permuted": (turned("PSL"), ".nii.gz"),
    "axes permuted and reversed": (turned("IRA"), ".nii.gz"),
    "floats": (lambda image: sitk.Cast(image, sitk.sitkFloat32), ".nii.gz"),
    "doubles in NRRD": (lambda image: sitk.Cast(image, sitk.sitkFloat64), ".nrrd"),
    "RAS in NRRD": (turned("RAS"), ".nrrd"),
    "MetaImage": (turned("LAS"), ".mha"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_gives_the_same_numbers(patient, tmp_path, way):
    change, ending = WAYS[way]
    for name, array in (("ct", corpus.volume()), ("mask", corpus.lesion())):
        sitk.WriteImage(change(image_of(array)), tmp_path / f"{name}{ending}")
    assert same(patient[1], answers(tmp_path / f"ct{ending}", tmp_path / f"mask{ending}"))
    mixed = answers(patient[0] / "ct", tmp_path / f"mask{ending}")
    assert same(patient[1], mixed) and mixed[2].notes == ()


def test_slices_from_the_head_down_give_the_same_numbers(patient, tmp_path):
    """A series that lies head first on its stomach: rows and columns run the other way."""

    def prone(made, z):
        made.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        x, y, z_mm = made.ImagePositionPatient
        made.ImagePositionPatient = [x + 23 * SPACING[0], y + 19 * SPACING[1], z_mm]

    folder = corpus.write_ct(tmp_path / "ct", corpus.volume()[:, ::-1, ::-1], prone)
    assert same(patient[1], answers(folder, patient[0] / "mask.nii.gz"))


def test_outline_as_rtstruct_lands_on_the_same_voxels_of_dicom_and_nifti(tmp_path):
    folder = corpus.write_ct(tmp_path / "ct")
    drawn = [corpus.square(6.5, 13.5, z) for z in range(2, 6)]
    outline = corpus.write_rtstruct(tmp_path / "rt.dcm", folder, {"GTV": drawn})
    sitk.WriteImage(turned("LAS")(image_of(corpus.volume())), tmp_path / "ct.nii.gz")
    assert same(answers(folder, outline), answers(tmp_path / "ct.nii.gz", outline))


@pytest.fixture(scope="module")
def wide():
    """A smooth CT and a lesion in the midst of it, (z, y, x), on a grid of odd numbers."""
    noise = sitk.GetImageFromArray(
        np.random.default_rng(3).normal(-300, 400, SIZE).astype(np.float32)
    )
    ct = sitk.GetArrayFromImage(sitk.DiscreteGaussian(noise, 2.0)).astype(np.int16)
    mask = np.zeros(SIZE, np.uint8)
    mask[BOX] = 1
    mask[30, 36:40, 40:44] = 0
    place = {"spacing": (0.703125, 0.703125, 1.25), "origin": (-171.3125, -160.6484375, -301.25)}
    return image_of(ct, **place), image_of(mask, **place)


def test_numbers_do_not_hang_on_the_last_digits_of_the_geometry(wide):
    straight = [grids.canonical(image) for image in wide]
    moved = [sitk.Image(image) for image in wide]
    for image in moved:
        image.SetOrigin([o + 4e-6 for o in image.GetOrigin()])
        image.SetSpacing([s + 5e-7 for s in image.GetSpacing()])
    moved = [grids.canonical(image) for image in moved]
    assert (extraction.extract(*straight, SETTINGS) == extraction.extract(*moved, SETTINGS)).all()


def test_canonical_geometry_is_rounded_as_said():
    image = image_of(np.zeros((2, 2, 2)), (0.71000049, 0.7421879, 1.25), (-171.3122, 0.0004, 3))
    lean = [0.9999619, -0.0087265, 0, 0.0087265, 0.9999619, 0, 0, 0, 1]  # turned by half a degree
    image.SetDirection(lean)
    out = grids.canonical(image)
    assert np.allclose(out.GetSpacing(), (0.71, 380 / 512, 1.25), rtol=0, atol=1e-12)
    assert np.allclose(out.GetOrigin(), image.GetOrigin(), rtol=0, atol=1e-3)
    axes = np.array(out.GetDirection()).reshape(3, 3)
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-15)
    assert np.allclose(axes.ravel(), lean, atol=1e-6)


def test_a_crop_with_enough_margin_gives_the_same_numbers(wide, tmp_path):
    whole, cropped = [], []
    for name, image in zip(("ct", "mask"), wide, strict=True):
        whole.append(tmp_path / f"{name}.nii.gz")
        cropped.append(tmp_path / f"{name}_cropped.nii.gz")
        sitk.WriteImage(image, whole[-1])
        sitk.WriteImage(image[9:86, 4:77, 2:62], cropped[-1])
    first, second = answers(*whole), answers(*cropped)
    assert np.allclose(first[0], second[0], rtol=1e-6, atol=1e-12)
    assert np.abs(first[1] - second[1]).max() < 1e-6


def test_the_outline_does_not_move_the_grid(wide):
    ct, mask = (grids.canonical(image) for image in wide)
    other = sitk.BinaryErode(mask, [1, 1, 1])
    points = [np.array(volumes.resample(ct, m, 1.0)[0].GetOrigin()) for m in (mask, other)]
    for point in points:
        assert np.allclose(point, np.round(point), rtol=0, atol=1e-9)  # whole mm of the patient
    assert not np.allclose(*points)


def test_points_lie_on_multiples_of_the_spacing_along_oblique_axes(wide):
    lean = [0.995, -0.0998749, 0, 0.0998749, 0.995, 0, 0, 0, 1]
    for image in (copies := [sitk.Image(image) for image in wide]):
        image.SetDirection(lean)
    ct, mask = (grids.canonical(image) for image in copies)
    fine, lesion = volumes.resample(ct, mask, 0.8)
    axes = np.array(fine.GetDirection()).reshape(3, 3).T
    multiples = axes @ np.array(fine.GetOrigin()) / 0.8
    assert np.allclose(multiples, np.round(multiples), rtol=0, atol=1e-9)
    ratio = sitk.GetArrayViewFromImage(lesion).sum() * 0.8**3
    ratio /= sitk.GetArrayViewFromImage(mask).sum() * 0.703125**2 * 1.25
    assert ratio == pytest.approx(1, abs=0.15)  # 4 slices of 1.25 mm


def test_a_point_half_way_between_two_voxels_takes_the_lower_one():
    mask = np.zeros((1, 1, 4), np.uint8)
    mask[0, 0, 1] = 1
    ct = image_of(mask, (1, 1, 1), (0.5, 0, 0))
    grid = image_of(np.zeros((1, 1, 4), np.uint8), (1, 1, 1), (1, 0, 0))
    for axes in ("LPS", "RAS"):
        turned_mask = grids.canonical(sitk.DICOMOrient(ct, axes))
        assert sitk.GetArrayFromImage(grids.nearest(turned_mask, grid)).ravel().tolist() == [
            0, 1, 0, 0,
        ]  # fmt: skip


def test_one_slice_is_resampled_like_the_rest(wide):
    ct, mask = (grids.canonical(image) for image in wide)
    drawn = sitk.GetArrayFromImage(mask)
    drawn[:31] = drawn[32:] = 0
    found = volumes.resample(ct, grids.mask_on(ct, drawn), 1.0)[1]
    assert found.GetSpacing() == (1.0, 1.0, 1.0)


def test_a_map_goes_back_to_the_files_own_voxels(patient, tmp_path):
    ct = turned("PIL")(image_of(corpus.volume()))
    sitk.WriteImage(ct, tmp_path / "ct.nii.gz")
    scan = scans.read_scan(tmp_path / "ct.nii.gz", patient[0] / "mask.nii.gz")
    back = scan.file_grid.resampled(sitk.Cast(scan.mask, sitk.sitkFloat32))
    own = sitk.GetArrayFromImage(turned("PIL")(image_of(corpus.lesion())))
    assert back.GetSize() == ct.GetSize()
    assert np.allclose(sitk.GetArrayFromImage(back), own, atol=1e-2)
    assert (
        np.allclose(back.GetOrigin(), ct.GetOrigin()) and back.GetDirection() == ct.GetDirection()
    )


def test_values_below_air_are_padding_and_said(tmp_path):
    array = corpus.volume()
    plain = answers(
        corpus.write_image(tmp_path / "a.nii.gz", np.where(array < -700, -1024, array)),
        corpus.write_image(tmp_path / "mask.nii.gz", corpus.lesion()),
    )
    padded = array.copy()
    padded[array < -700] = -3024
    filled = answers(corpus.write_image(tmp_path / "b.nii.gz", padded), tmp_path / "mask.nii.gz")
    assert same(plain, filled) and "lies below -1024 HU (to -3024)" in filled[2].notes[0]


def test_a_mask_half_a_voxel_away_is_on_the_cts_grid(patient, tmp_path):
    half = [o + 0.5 * s for o, s in zip(ORIGIN, SPACING, strict=True)]
    sitk.WriteImage(image_of(corpus.lesion(), origin=half), tmp_path / "mask.nii.gz")
    found = answers(patient[0] / "ct", tmp_path / "mask.nii.gz")
    assert same(patient[1], found)
    assert found[2].notes == ("mask lies 1.36 mm beside the CT's grid: taken as on it",)
