"""The fast engine: every value is PyRadiomics', every count its C extension's."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from corpus import pair_of
from radiogenomics.cohort.sources import phantom
from radiogenomics.images.volumes import resample
from radiogenomics.radiomics import extraction, fast, gaussian, matrices, textures
from radiogenomics.study.settings import Radiomics
from radiomics import cMatrices
from scipy import ndimage
from test_features import EXAMPLE

SETTINGS = Radiomics()
IN_3D = (False, 0)


def held_to_pyradiomics(ct, mask, settings=SETTINGS):
    """Every value of one lesion, by both engines."""
    assert fast.serves(ct, settings.log_sigma_mm)
    ours = pd.Series(fast.extract_fast(ct, mask, settings.bin_width, settings.log_sigma_mm))
    made = extraction.extractor(settings).execute(ct, mask, label=1)
    theirs = pd.Series({name: float(value) for name, value in made.items()})
    assert list(ours.index) == list(theirs.index)
    off = ~np.isclose(ours, theirs, rtol=1e-6, atol=1e-12, equal_nan=True)
    assert not off.any(), pd.DataFrame({"ours": ours, "theirs": theirs})[off]


def drawn(shape, seed, smooth=1.0, spread=250.0):
    """A lesion of a noisy texture with a hole and an island, float32 on a grid of 1 mm."""
    rng = np.random.default_rng(seed)
    size = np.array(shape) + 32
    hu = ndimage.gaussian_filter(rng.normal(size=size), smooth)
    ct = sitk.GetImageFromArray((hu / hu.std() * spread - 100).astype(np.float32))
    inside = np.zeros(size, np.uint8)
    bumps = ndimage.gaussian_filter(rng.normal(size=shape), 1.0) > -0.25
    inside[16:-16, 16:-16, 16:-16] = bumps
    inside[16, 16, 16] = 1
    return ct, sitk.GetImageFromArray(inside)


def test_every_value_of_the_real_ct_is_pyradiomics():
    pair = pair_of(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz", 1)
    held_to_pyradiomics(*resample(*pair, 1.0, 16.0))
    finer = Radiomics(radiomics_spacing_mm=(1.3,), bin_width=10.0, log_sigma_mm=(1.5, 2.6))
    held_to_pyradiomics(*resample(*pair, 1.3, 16.0), finer)


@pytest.mark.slow
def test_every_value_of_built_in_patients_is_pyradiomics(tmp_path):
    phantom.make_phantom(tmp_path / "p", 24, 7)
    table = pd.read_csv(tmp_path / "p" / "cohort.csv", dtype=str)
    for row in table.itertuples():
        pair = pair_of(tmp_path / "p" / row.ct, tmp_path / "p" / row.mask, 1)
        held_to_pyradiomics(*resample(*pair, 1.0, 16.0))


@pytest.mark.parametrize("shape", [(3, 4, 3), (1, 9, 8), (12, 11, 10), (20, 24, 22)])
def test_every_value_of_drawn_lesions_is_pyradiomics(shape):
    held_to_pyradiomics(*drawn(shape, sum(shape)))


@pytest.mark.parametrize("spread", [2.0, 30.0, 900.0])
def test_few_and_many_grey_levels(spread):
    held_to_pyradiomics(*drawn((9, 10, 8), 3, spread=spread))


def test_lesions_at_the_edge_of_the_image():
    ct, mask = drawn((9, 10, 8), 4)
    for corner in ((0, 0, 0), (14, 12, 17)):
        part = [sitk.RegionOfInterest(image, (26, 27, 23), list(corner)) for image in (ct, mask)]
        held_to_pyradiomics(*part)


def test_a_flat_neighbourhood_is_left_to_itks_rounding():
    """In a constant region a Laplacian is 0 but for rounding, which decides its bin."""
    ct, mask = drawn((9, 10, 8), 5)
    hu = sitk.GetArrayFromImage(ct)
    hu[:, :, 20:] = -1000
    held_to_pyradiomics(sitk.GetImageFromArray(hu), mask)


def test_other_images_are_pyradiomics_own():
    ct, mask = drawn((9, 10, 8), 6)
    assert not fast.serves(sitk.Cast(ct, sitk.sitkFloat64), SETTINGS.log_sigma_mm)
    assert not fast.serves(ct[:, :, :4], (4.0,))
    ct.SetSpacing((1, 1, 2))
    mask.SetSpacing((1, 1, 2))
    assert not fast.serves(ct, SETTINGS.log_sigma_mm)
    values = extraction.measured(ct, mask, SETTINGS)
    assert values == extraction.measured(ct, mask, Radiomics(engine="pyradiomics"))


@pytest.mark.parametrize(("order", "sigma"), [(0, 1.0), (2, 1.0), (0, 3.3), (2, 4.0)])
def test_the_recursive_gaussian_is_itks(order, sigma):
    """Of single voxels and of a line that ends high, to ITK's float32."""
    lines = np.vstack([np.eye(30), np.arange(30.0) ** 2])
    image = sitk.GetImageFromArray(lines)
    image.SetSpacing((0.8, 1.0))
    theirs = sitk.GetArrayFromImage(sitk.RecursiveGaussian(image, sigma, True, order, 0))
    ours = lines @ gaussian.recursive_gaussian(30, 0.8, sigma, order).T
    assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 2), (1, 9, 8), (9, 10, 12), (25, 20, 22)])
def test_counts_are_those_of_pyradiomics_c_extension(shape):
    ct, mask = drawn(shape, 9)
    inside = sitk.GetArrayFromImage(mask) == 1
    levels = (sitk.GetArrayFromImage(ct) // 25 + 100).astype(np.int32)
    gray, rank = np.unique(levels[inside], return_inverse=True)
    n, lesion, one = len(gray), matrices.places(inside), np.array([1])
    dense = np.zeros(inside.shape, np.int32)
    dense[inside] = rank + 1

    def same(ours, theirs):
        """Both, without regard to the order of the directions."""
        first, second = (sorted(part.astype(int).tolist() for part in x) for x in (ours, theirs))
        return first == second

    pairs = cMatrices.calculate_glcm(dense, inside, one, n, *IN_3D)[0][0]
    own = matrices.co_occurrences(rank, n, lesion)
    pairs, own = (x + x.transpose(0, 2, 1) for x in (np.moveaxis(pairs, 2, 0), own))
    assert same(own, pairs)
    runs = cMatrices.calculate_glrlm(dense, inside, n, max(inside.shape), *IN_3D)[0][0]
    runs = np.moveaxis(runs, 2, 0)
    assert same(matrices.run_lengths(rank, n, lesion), runs[runs.any((1, 2))])
    dependences, around = matrices.surroundings(rank, gray, lesion)
    theirs = cMatrices.calculate_gldm(dense, inside, one, n, 0, *IN_3D)
    assert same(dependences, theirs[:, :, : matrices.NEIGHBOURS + 1])
    near = cMatrices.calculate_ngtdm(levels, inside, one, int(gray[-1]), *IN_3D)[0]
    near = near[near[:, 0] > 0]
    assert np.allclose(around, near[:, :2], rtol=1e-12) and np.array_equal(near[:, 2], gray)
    zones, sizes = matrices.zone_sizes(rank, n, lesion)
    theirs = cMatrices.calculate_glszm(dense, inside, n, int(inside.sum()), *IN_3D)[0]
    assert np.array_equal(np.flatnonzero(theirs.any(0)) + 1, sizes)
    assert np.array_equal(zones[0], theirs[:, sizes - 1])


def test_eps_is_felt_in_large_matrices_and_mcc_follows():
    """Rare levels of many voxels, where PyRadiomics' guard against 0 moves the coefficient."""
    rng = np.random.default_rng(1)
    pairs = np.zeros((1, 40, 40), int)
    pairs[0, :20, :20], pairs[0, 20:, 20:] = rng.integers(0, 10**6, (2, 20, 20))
    pairs[0, 39, 39] = 1
    pairs[0, 39, :39] = pairs[0, :39, 39] = 0
    pairs[0, 0, 39] = 1
    p = (pairs + pairs.transpose(0, 2, 1)).astype(float)
    p /= p.sum()
    px = p.sum(2)
    q = np.einsum("ik,jk,ik->ij", p[0], p[0], 1 / (px[0][:, None] * px[0] + np.spacing(1)))
    expected = np.sqrt(np.sort(np.linalg.eigvals(q).real)[-2])
    assert textures.mcc(p, px)[0] == pytest.approx(expected, rel=1e-9)
