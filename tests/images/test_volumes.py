"""The paper's image steps on arrays whose answer is known by hand."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.images import volumes
from radiogenomics.images.grids import bounds, canonical
from radiogenomics.study.errors import SettingsFault, StudyError
from radiogenomics.study.settings import Preprocessing, Settings
from radiogenomics.study.study import Study
from scipy import ndimage


def image(array, spacing=(1.0, 1.0, 1.0), direction=None):
    made = sitk.GetImageFromArray(np.asarray(array))
    made.SetSpacing(spacing)
    if direction is not None:
        made.SetDirection(direction)
    return made


def ramp_and_box(spacing):
    """A CT that rises by 10 HU a mm in x, and a lesion of 12 x 10 x 8 mm."""
    x = np.arange(60) * spacing[0]
    ct = np.broadcast_to(10 * x, (40, 50, 60)).astype(np.float32)
    mask = np.zeros(ct.shape, np.uint8)
    z, y, x = (
        slice(10, 10 + int(mm / s)) for mm, s in zip((8, 10, 12), spacing[::-1], strict=True)
    )
    mask[z, y, x] = 1
    return image(ct, spacing), image(mask, spacing)


def test_resampling_keeps_size_in_mm_and_values():
    ct, mask = ramp_and_box((0.5, 0.5, 2.0))
    fine, lesion = volumes.resample(ct, mask, 1.0)
    low, high = volumes.bounds(lesion)
    assert fine.GetSpacing() == (1.0, 1.0, 1.0)
    assert np.allclose((high - low + 1), (12, 10, 8), atol=1)
    for index in ((3, 3, 3), (8, 5, 2)):
        x = fine.TransformIndexToPhysicalPoint(index)[0]
        assert fine[index] == pytest.approx(10 * x, abs=1e-2)


def test_crop_gives_the_whole_volumes_values():
    rng = np.random.default_rng(1)
    ct = image(rng.normal(0, 100, (40, 90, 90)).astype(np.float32), (0.7, 0.7, 1.25))
    mask = np.zeros((40, 90, 90), np.uint8)
    mask[18:24, 40:50, 42:55] = 1
    near, lesion = volumes.resample(ct, image(mask, (0.7, 0.7, 1.25)), 1.0)
    whole = sitk.Resample(ct, near, sitk.Transform(), sitk.sitkBSpline3)
    assert np.allclose(*map(sitk.GetArrayFromImage, (near, whole)), atol=1e-3)


def test_window_is_the_papers():
    scaled = volumes.scale(np.array([-2000.0, -1000, -300, 400, 3000]), (-1000.0, 400.0))
    assert scaled.tolist() == [0, 0, 0.5, 1, 1]


def test_axis_order_and_marked_corner():
    """The voxel that lies right, in front and low comes first; (z, y, x) stays in that order."""
    hu = np.full((32, 64, 64), -300, np.float32)
    hu[:8, :16, :32] = 400
    whole = np.ones(hu.shape, np.uint8)
    out = volumes.preprocess(image(hu), image(whole), Preprocessing())
    assert out.shape == (32, 64, 64)
    assert out[2, 4, 8] == pytest.approx(1) and out[28, 60, 60] == pytest.approx(0.5)
    assert out[2, 4, 60] == pytest.approx(0.5) and out[2, 60, 8] == pytest.approx(0.5)


def test_any_orientation_gives_the_same_volume():
    rng = np.random.default_rng(2)
    hu = sitk.GetArrayFromImage(
        sitk.DiscreteGaussian(image(rng.normal(-300, 300, (24, 30, 36)).astype(np.float32)), 4.0)
    )
    ct, mask = image(hu), image(np.ones(hu.shape, np.uint8))
    straight = volumes.preprocess(ct, mask, Preprocessing())
    for axes in ("RAS", "PSL", "LAI"):
        turned = [canonical(sitk.DICOMOrient(one, axes)) for one in (ct, mask)]
        assert (straight == volumes.preprocess(*turned, Preprocessing())).all(), axes


def test_background_lesion_or_box():
    hu = np.full((20, 30, 30), 100, np.float32)
    mask = np.zeros(hu.shape, np.uint8)
    mask[5:15, 5:25, 5:25] = 1
    mask[5:15, 5:15, 5:15] = 0
    lesion = volumes.preprocess(image(hu), image(mask), Preprocessing())
    box = volumes.preprocess(image(hu), image(mask), Preprocessing(background="box"))
    assert lesion[16, 10, 10] == 0 and lesion[16, 50, 50] == pytest.approx(1100 / 1400, abs=1e-3)
    assert box[16, 10, 10] == pytest.approx(1100 / 1400, abs=1e-3)


@pytest.mark.parametrize("background", ["lesion", "box"])
def test_a_margin_is_as_wide_in_every_direction_whatever_the_slices_are(background):
    """A ball of 8 mm in slices of 2 mm, 3 mm of margin: a ball of 11 mm is kept."""
    z, y, x = np.ogrid[-20:21:2, -20:21, -20:21]
    away = np.sqrt(z**2 + y**2 + x**2)
    ct, mask = (image(a, (1, 1, 2)) for a in (np.full(away.shape, 100, np.float32),
                                              (away <= 8).astype(np.uint8)))  # fmt: skip
    settings = Preprocessing(margin_mm=3.0, background=background)
    box, lesion = volumes.lesion_box(ct, mask, settings)
    drawn = volumes.resample(ct, mask, 1.0)[1]
    assert sitk.GetArrayFromImage(lesion).sum() == sitk.GetArrayFromImage(drawn).sum()
    grown = np.array(bounds(drawn)) + [[-3] * 3, [3] * 3]
    assert box.GetSize() == tuple(int(n) for n in grown[1] - grown[0] + 1)
    kept = sitk.GetArrayFromImage(volumes.with_margin(lesion, 3.0)) > 0
    inside = sitk.GetArrayFromImage(lesion) > 0
    assert np.array_equal(kept, ndimage.distance_transform_edt(~inside) <= 3)
    out = volumes.preprocess(ct, mask, settings)
    whole = pytest.approx(1100 / 1400, abs=1e-3)
    assert out[16, 32, 32] == whole and out[16, 32, 0] > 0  # the margin's outermost voxels
    assert out[0, 0, 0] == (0 if background == "lesion" else whole)


def test_a_margin_of_less_than_a_voxel_is_refused(tmp_path):
    study = Study(tmp_path, tmp_path, Settings(preprocessing=Preprocessing(margin_mm=0.5)))
    with pytest.raises(SettingsFault, match="margin_mm = 0.5 is less than a voxel.*which is 1."):
        volumes.prepare(study, pd.DataFrame())


def test_empty_mask_is_refused():
    empty = image(np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(StudyError, match="no voxel"):
        volumes.preprocess(empty, empty, Preprocessing())
