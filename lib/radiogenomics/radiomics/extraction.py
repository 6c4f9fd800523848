"""The features of one lesion: PyRadiomics as the settings say, on the canonical or its own grid."""

from __future__ import annotations

import json
import logging
from functools import lru_cache

import numpy as np
import pandas as pd
import pywt
import radiomics
import SimpleITK as sitk
from radiomics.featureextractor import RadiomicsFeatureExtractor
from threadpoolctl import ThreadpoolController

from radiogenomics.images.changes import Change, put_back
from radiogenomics.images.grids import bounds, crop
from radiogenomics.images.scans import Scan
from radiogenomics.images.volumes import SPLINE_REACH, require_voxels, resample
from radiogenomics.radiomics.fast import extract_fast, serves
from radiogenomics.study.errors import ImageFault
from radiogenomics.study.settings import FEATURE_CLASSES, IMAGE_TYPES, Radiomics

VERSIONS = {
    "pyradiomics": radiomics.__version__,
    "SimpleITK": sitk.__version__,
    "numpy": np.__version__,
    "PyWavelets": pywt.__version__,
}
SHAPE = "original_shape"  # how the names of features of the outline alone begin
MEASURED = ("bin_width", "grid", "pad_mm", "log_sigma_mm", "engine")
CHOSEN = (
    "parameter_file",
    "bin_count",
    "image_types",
    "feature_classes",
)  # told where not the default


def measured_settings(settings: Radiomics) -> dict:
    """Return the settings that a feature's value depends on (not those of the selection)."""
    chosen = [name for name in CHOSEN if getattr(settings, name) != getattr(Radiomics(), name)]
    named = {name: getattr(settings, name) for name in (*MEASURED, *chosen)}
    return {"radiomics_spacing_mm": settings.edges_mm} | named


def extractor(settings: Radiomics, diagnostics: bool = False) -> RadiomicsFeatureExtractor:
    """Return PyRadiomics as the settings, or the parameter file that they name, say.

    By default that is 1,688 features: all 3D classes on eight image types.
    """
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    if settings.parameter_file:
        held = json.loads(settings.parameter_file)
        return RadiomicsFeatureExtractor(held, additionalInfo=diagnostics)
    made = RadiomicsFeatureExtractor(
        binWidth=settings.bin_width, binCount=settings.bin_count or None, label=1,
        additionalInfo=diagnostics, correctMask=False,
    )  # fmt: skip
    made.disableAllImageTypes()
    made.disableAllFeatures()
    made.enableFeaturesByName(**{c: [] for c in FEATURE_CLASSES if c in settings.feature_classes})
    for name in [kind for kind in IMAGE_TYPES if kind in settings.image_types]:
        made.enableImageTypeByName(
            name, customArgs={"sigma": list(settings.log_sigma_mm)} if name == "LoG" else {}
        )
    return made


def resampled_on_full_grid(
    ct: sitk.Image, mask: sitk.Image, spacing_mm: float | tuple[float, ...], pad_mm: float
) -> tuple[sitk.Image, sitk.Image]:
    """Return CT and mask around the lesion as PyRadiomics would resample the whole images.

    The grid is the one that `radiomics.imageoperations.resampleImage` computes from the full
    images (padDistance = pad_mm / spacing_mm); the voxels come from a crop that
    reaches far enough for the B-spline, which spares the transform of the whole CT.
    """
    low, high = bounds(mask)
    pad = pad_mm / np.array(spacing_mm)
    old = np.array(ct.GetSpacing())
    new = np.where(high > low, spacing_mm, old)  # PyRadiomics leaves one-slice directions alone
    if np.allclose(old, new):
        reach = np.ceil(pad).astype(int)
        return crop(ct, low - reach, high + reach), crop(mask, low - reach, high + reach)
    ratio = old / new
    first = np.maximum(np.floor((low - 0.5) * ratio - pad), 0)
    end = np.ceil(np.array(ct.GetSize()) * ratio) - 1
    last = np.minimum(np.ceil((high + 0.5) * ratio + pad), end)
    grid = sitk.ResampleImageFilter()
    grid.SetSize((last - first + 1).astype(int).tolist())
    grid.SetOutputSpacing(new.tolist())
    grid.SetOutputDirection(ct.GetDirection())
    origin = 0.5 * (new - old) / old + first / ratio
    grid.SetOutputOrigin(ct.TransformContinuousIndexToPhysicalPoint(origin.tolist()))
    near = [
        crop(
            image,
            np.floor(first / ratio).astype(int) - SPLINE_REACH,
            np.ceil((last + 1) / ratio).astype(int) + SPLINE_REACH,
        )
        for image in (ct, mask)
    ]
    grid.SetInterpolator(sitk.sitkBSpline)
    fine = grid.Execute(near[0])
    grid.SetInterpolator(sitk.sitkNearestNeighbor)
    return fine, grid.Execute(near[1])


def extract(ct: sitk.Image, mask: sitk.Image, settings: Radiomics) -> pd.Series:
    """Return the features of one lesion, named as PyRadiomics names them.

    Args:
        ct: the whole CT in canonical form, HU.
        mask: 1 in the lesion, on the CT's grid.
        settings: spacing, grid, bin width, padding, LoG sigmas. With `grid = "pyradiomics"` values
            are those of PyRadiomics' own call on these images, and with `parameter_file` it is that
            call, which resamples and crops as the file says.

    Raises:
        StudyError: fewer than 8 voxels are left at the new spacing, or values are not finite.
    """
    pair = as_stored(ct), mask
    if not settings.parameter_file:
        resampled = resampled_on_full_grid if settings.grid == "pyradiomics" else resample
        pair = resampled(ct, mask, settings.edges_mm, settings.pad_mm)
        require_voxels(pair[1])
    values = measured(*pair, settings)
    bad = [name for name, value in values.items() if not np.isfinite(value)]
    if bad:
        raise ImageFault(f"{len(bad)} features are not finite, the first is {bad[0]}.")
    return pd.Series(values)


def extract_scan(scan: Scan, settings: Radiomics, change: Change | None = None) -> pd.Series:
    """Return the features of a patient: of his lesion, or one value of all his lesions'.

    Of several, each is measured alone; a feature's value is their unweighted mean (as Chang et al.
    2021, doi 10.1038/s41598-021-89114-6, compare it with others), or the highest.

    Args:
        scan: CT and mask, and the lesions' masks where `scan.rule` makes one value of several.
        settings: as of `extract`.
        change: of images or outlines before they are measured.

    Raises:
        StudyError: as `extract`.
    """
    found = []
    for mask in scan.lesions or (scan.mask,):
        pair = change.of(scan.ct, mask) if change else (scan.ct, mask)
        if change and settings.parameter_file:  # what a file asks of the whole CT, it is given
            pair = put_back(as_stored(scan.ct), pair[0]), put_back(mask, pair[1])
        found.append(extract(*pair, settings))
    return pd.DataFrame(found).agg(scan.rule) if scan.lesions else found[0]


def as_stored(ct: sitk.Image) -> sitk.Image:
    """Return a CT as files hold it, int16 if its HU are whole: PyRadiomics rounds such to whole."""
    hu = sitk.GetArrayViewFromImage(ct)
    return sitk.Cast(ct, sitk.sitkInt16) if (hu == hu.astype(np.int16)).all() else ct


def measured(ct: sitk.Image, mask: sitk.Image, settings: Radiomics) -> dict[str, float]:
    """Return the features of a resampled lesion, by the fast engine where that was proven."""
    with _pools().limit(limits=1, user_api="blas"):  # small matrices: more threads only spin
        proven = settings.engine == "fast" and not set(measured_settings(settings)) & {*CHOSEN}
        if proven and serves(ct, settings.log_sigma_mm):
            return extract_fast(ct, mask, settings.bin_width, settings.log_sigma_mm)
        return {k: float(v) for k, v in extractor(settings).execute(ct, mask, label=1).items()}


@lru_cache(maxsize=1)
def _pools() -> ThreadpoolController:
    """Return the libraries that have threads, which takes a moment to find out."""
    return ThreadpoolController()


def output_columns(ct: sitk.Image, mask: sitk.Image, settings: Radiomics) -> pd.Series:
    """Count the columns of PyRadiomics' own CSV output: features, diagnostics, Image and Mask."""
    low, high = bounds(mask)
    near = [crop(image, low - SPLINE_REACH, high + SPLINE_REACH) for image in (ct, mask)]
    made = extractor(settings, diagnostics=True)
    if not settings.parameter_file:
        made.settings["resampledPixelSpacing"] = np.broadcast_to(settings.edges_mm, 3).tolist()
    names = list(made.execute(*near, label=1))
    diagnostics = sum(name.startswith("diagnostics") for name in names)
    counts = {"features": len(names) - diagnostics, "diagnostics": diagnostics, "Image, Mask": 2}
    return pd.Series(counts | {"columns": sum(counts.values())})


def described(settings: Radiomics) -> dict:
    """Return how features are measured, by the settings or by the parameter file they name."""
    made = extractor(settings)
    asked, told = made.settings, measured_settings(settings)
    if settings.parameter_file:
        told = {"parameters": json.loads(settings.parameter_file)}
    bins = {"bin_count": asked.get("binCount")}
    own = asked["resampledPixelSpacing"] if asked["interpolator"] else None
    resampled = own if settings.parameter_file else settings.edges_mm
    return {
        "image_types": list(made.enabledImagetypes),
        "feature_classes": [c for c in FEATURE_CLASSES if c in made.enabledFeatures],
        "discretisation": bins if bins["bin_count"] else {"bin_width": asked.get("binWidth", 25)},
        "spacing_mm": resampled or "as the CT has it",
        "settings": told,
    }
