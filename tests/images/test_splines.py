"""The B-spline, one axis after the other, is ITK's."""

import numpy as np
import pytest
import SimpleITK as sitk
from radiogenomics.images.grids import lattice
from radiogenomics.images.splines import spline

TURNED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), TURNED])
@pytest.mark.parametrize("step", [0.6, 1.0, 2.3])
def test_it_is_itks_inside_and_beyond_the_image(direction, step):
    rng = np.random.default_rng(1)
    image = sitk.GetImageFromArray(rng.normal(-300, 400, (14, 31, 29)).astype(np.float32))
    image.SetSpacing((0.7, 0.7, 1.25))
    image.SetDirection(direction)
    image.SetOrigin((-100.3, 40.1, 7.7))
    grid = lattice(image, np.array([8, 9, 3]), np.array([20, 21, 9]), step, 5.0)
    wider = sitk.ConstantPad(grid, [7] * 3, [5] * 3)  # some points lie beyond the image
    lowest = float(sitk.GetArrayViewFromImage(image).min())
    for on in (grid, wider):
        theirs = sitk.Resample(
            image, on, sitk.Transform(), sitk.sitkBSpline3, lowest, sitk.sitkFloat64
        )
        assert np.allclose(spline(image, on), sitk.GetArrayFromImage(theirs), rtol=0, atol=1e-6)
