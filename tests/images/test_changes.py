"""Changes of images do what their names say, and nothing else."""

import numpy as np
import pytest
import SimpleITK as sitk
from radiogenomics.images import changes


@pytest.fixture
def cube():
    """A cube of 5 x 7 x 9 voxels (z, y, x) of 2 x 0.5 x 0.5 mm."""
    array = np.zeros((11, 20, 21), np.uint8)
    array[3:8, 5:12, 6:15] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.5, 2.0))
    return image


def sides(mask):
    where = np.argwhere(sitk.GetArrayFromImage(mask))
    return tuple(np.ptp(where, axis=0) + 1)


def test_outline_moves_by_a_millimetre_in_the_slice_and_not_between_thick_slices(cube):
    smaller, larger = (changes.regrown(cube, mm) for mm in (-1.0, 1.0))
    assert sides(smaller) == (5, 3, 5) and sides(larger) == (5, 11, 13)
    assert smaller.GetSize() == larger.GetSize() == cube.GetSize()
    assert larger.GetOrigin() == cube.GetOrigin()


def test_pixels_larger_than_the_step_are_moved_by_one(cube):
    cube.SetSpacing((1.5, 1.5, 2.0))
    assert sides(changes.regrown(cube, -1.0)) == (5, 5, 7)


def test_lesion_at_the_border_is_peeled_there_too():
    whole = sitk.GetImageFromArray(np.ones((5, 5, 5), np.uint8))
    assert sides(changes.regrown(whole, -1.0)) == (3, 3, 3)


@pytest.fixture
def lesion(cube):
    """A CT of 11 x 20 x 21 voxels around the cube, whose lesion lies at 0 to 99 HU."""
    rng = np.random.default_rng(5)
    inside = sitk.GetArrayFromImage(cube) > 0
    hu = rng.integers(-900, -700, inside.shape).astype(np.int16)
    hu[inside] = rng.integers(0, 100, inside.sum())
    ct = sitk.GetImageFromArray(hu)
    ct.CopyInformation(cube)
    return ct, cube


def of(change, lesion):
    ct, mask = change.of(*lesion)
    return sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(mask) > 0


@pytest.mark.parametrize("where", changes.REGIONS)
def test_shuffled_voxels_keep_their_histogram_and_leave_the_rest(lesion, where):
    before, inside = (sitk.GetArrayFromImage(image) for image in lesion)
    inside = inside > 0
    region = {"inside": inside, "outside": ~inside, "everywhere": inside | True}[where]
    hu, mask = of(changes.shuffled(where, 1), lesion)
    assert (mask == inside).all() and (hu[~region] == before[~region]).all()
    assert (np.sort(hu[region]) == np.sort(before[region])).all()
    assert (hu[region] != before[region]).mean() > 0.9
    assert (hu == of(changes.shuffled(where, 1), lesion)[0]).all()
    assert (hu != of(changes.shuffled(where, 2), lesion)[0]).any()


def test_redrawn_voxels_lie_evenly_within_the_region(lesion):
    before, _ = (sitk.GetArrayFromImage(image) for image in lesion)
    hu, inside = of(changes.redrawn("inside", 1), lesion)
    assert (hu[~inside] == before[~inside]).all()
    assert hu[inside].min() >= 0 and hu[inside].max() <= 99
    assert hu[inside].std() == pytest.approx(99 / np.sqrt(12), rel=0.1)


def test_outline_alone_is_filled_with_one_value(lesion):
    hu, inside = of(changes.filled(-20.0), lesion)
    assert set(hu[inside]) == {-20.0} and hu[~inside].max() < -600


def test_small_errors_are_small(lesion):
    before, inside = (sitk.GetArrayFromImage(image) for image in lesion)
    for change in changes.small_errors(1):
        hu, drawn = of(change, lesion)
        if change.what == "noise":
            assert (drawn == (inside > 0)).all()
            added = (hu - before).std()
            assert 0.5 * changes.noise_hu(lesion[0]) < added < 2 * changes.noise_hu(lesion[0])
        else:
            assert (hu == before).all() and (drawn != (inside > 0)).any()
        if change.what == "moved":
            assert (drawn[:, :, 1:] == (inside > 0)[:, :, :-1]).all()


def test_noise_is_measured_in_the_slices():
    rng = np.random.default_rng(1)
    steps = np.repeat(np.arange(0, 800, 40), 64 * 64).reshape(20, 64, 64)
    noisy = sitk.GetImageFromArray((steps + rng.normal(0, 25, steps.shape)).astype(np.float32))
    assert changes.noise_hu(noisy) == pytest.approx(25, rel=0.03)


def test_a_large_scan_is_cut_around_the_lesion_and_voxels_stay_where_they_were():
    mask = sitk.Image(200, 200, 100, sitk.sitkUInt8)
    mask[95:105, 95:105, 45:55] = 1
    ct = sitk.Cast(mask, sitk.sitkInt16) * 900 - 850
    near, lesion = changes.shuffled("outside", 1).of(ct, mask)
    assert near.GetSize() == (70, 70, 70) and near.GetPixelID() == sitk.sitkFloat32
    middle = near.TransformPhysicalPointToIndex(ct.TransformIndexToPhysicalPoint((100, 100, 50)))
    assert near[middle] == 50 and lesion[middle] == 1
