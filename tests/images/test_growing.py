"""A lesion grown from a point: the real one, a ball beside a wall, leaks, what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk
from radiogenomics.images.growing import grow
from radiogenomics.images.scans import read_scan
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.study.errors import ImageFault


def image(hu, spacing=(0.7, 0.7, 1.25)):
    made = sitk.GetImageFromArray(hu.astype(np.float32))
    made.SetSpacing(spacing)
    made.SetOrigin((-30.0, -20.0, 100.0))
    return made


def ball(shape, centre, radius_mm, spacing=(0.7, 0.7, 1.25)):
    grids = np.meshgrid(*map(np.arange, shape), indexing="ij")
    return sum(((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing[::-1], strict=True)
               ) <= radius_mm**2  # fmt: skip


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


SHAPE, CENTRE = (50, 90, 90), (25, 45, 45)


def lung():
    return np.random.default_rng(3).normal(-850, 40, SHAPE)


def grown_from(hu, index=CENTRE, **options):
    ct = image(hu)
    point = ct.TransformIndexToPhysicalPoint([int(v) for v in index[::-1]])
    found = grow(ct, point, **options)
    return found, sitk.GetArrayFromImage(found.mask) > 0


def test_the_real_patients_lesion_is_found_as_the_reader_drew_it():
    scan = read_scan(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz")
    drawn = sitk.GetArrayFromImage(scan.mask) > 0
    middle = np.argwhere(drawn).mean(axis=0)[::-1]
    point = scan.mask.TransformContinuousIndexToPhysicalPoint(middle.tolist())
    found = grow(scan.ct, point)
    assert dice(sitk.GetArrayFromImage(found.mask) > 0, drawn) > 0.9 and not found.doubts


@pytest.mark.parametrize("radius", [4.0, 8.0, 15.0])
def test_a_ball_in_lung_is_found_with_its_volume_and_roundness(radius):
    hu, lesion = lung(), ball(SHAPE, CENTRE, radius)
    hu[lesion] = 30
    found, mask = grown_from(hu)
    assert dice(mask, lesion) > (0.9 if radius < 5 else 0.96) and not found.doubts
    assert found.volume_mm3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.2)
    assert found.sphericity > 0.8 and found.touching == 0


def test_a_vessel_and_the_chest_wall_are_cut_off():
    hu, lesion = lung(), ball(SHAPE, CENTRE, 8.0)
    hu[lesion] = 30
    hu[24:27, 44:47, :] = 30  # 2 mm thick, through the lesion
    hu[:, :, 80:] = 30  # the wall, which the vessel reaches
    found, mask = grown_from(hu)
    assert dice(mask, lesion) > 0.9 and not mask[:, :, 78:].any() and not found.doubts


def test_a_leak_is_told_and_a_wider_opening_or_a_box_stops_it():
    hu, lesion = lung(), ball(SHAPE, CENTRE, 9.0)
    hu[lesion] = 30
    hu[18:33, 38:53, 45:] = 30  # a bridge of 10 mm to the wall
    hu[:, :, 70:] = 30
    leaked, _ = grown_from(hu, opening_mm=0.0)
    assert any("leaks" in doubt or "sphericity" in doubt for doubt in leaked.doubts)
    box = image(ball(SHAPE, CENTRE, 12.0).astype(float))
    held, mask = grown_from(hu, box=sitk.Cast(box, sitk.sitkUInt8))
    assert not (mask & ~ball(SHAPE, CENTRE, 12.0)).any()


def test_ground_glass_around_a_solid_part_needs_a_lower_border():
    hu, whole, solid = lung(), ball(SHAPE, CENTRE, 10.0), ball(SHAPE, CENTRE, 5.0)
    hu[whole], hu[solid] = -550, 30
    assert dice(grown_from(hu)[1], solid) > 0.85
    assert dice(grown_from(hu, border_hu=-700.0)[1], whole) > 0.9


@pytest.mark.parametrize(
    ("point", "told"),
    [((500.0, 0.0, 0.0), "lies outside the CT"), ((-29.0, -19.0, 101.0), "lies in air or lung")],
)
def test_a_point_that_is_in_no_lesion_is_refused(point, told):
    hu = lung()
    hu[ball(SHAPE, CENTRE, 8.0)] = 30
    with pytest.raises(ImageFault, match=told):
        grow(image(hu), point)


def test_an_opening_that_leaves_nothing_is_a_fault_and_no_empty_outline():
    hu = lung()
    hu[ball(SHAPE, CENTRE, 8.0)] = 30
    with pytest.raises(ImageFault, match="denser than -410 HU nothing is left.*smaller opening"):
        grown_from(hu, opening_mm=20.0)
