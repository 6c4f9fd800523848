"""A small picture of each lesion with its outline, for the contact sheet."""

from __future__ import annotations

import base64
import io

import numpy as np
import SimpleITK as sitk
from PIL import Image
from skimage.segmentation import find_boundaries

from radiogenomics.images.scans import Scan

THUMBNAIL_MM, THUMBNAIL_PIXELS = 60.0, 96
OUTLINE = (255, 200, 0)
WINDOW_HU = (-1000.0, 400.0)


def thumbnail(scan: Scan) -> str:
    """Return the lesion's largest slice with its outline, 60 mm wide, as a JPEG data URI."""
    ct, mask = scan.ct, scan.mask
    inside = sitk.GetArrayViewFromImage(mask)
    z = int(inside.sum(axis=(1, 2)).argmax())
    middle = np.argwhere(inside[z]).mean(axis=0)[::-1]
    step = THUMBNAIL_MM / THUMBNAIL_PIXELS
    grid = sitk.Image([THUMBNAIL_PIXELS] * 2, sitk.sitkFloat32)
    grid.SetSpacing([step] * 2)
    corner = np.array(ct[:, :, z].TransformContinuousIndexToPhysicalPoint(middle.tolist()))
    grid.SetOrigin((corner - THUMBNAIL_MM / 2 + step / 2).tolist())
    low, high = WINDOW_HU
    hu = sitk.Resample(ct[:, :, z], grid, sitk.Transform(), sitk.sitkLinear, low)
    lesion = sitk.Resample(mask[:, :, z], grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    grey = (np.clip(sitk.GetArrayFromImage(hu), low, high) - low) / (high - low) * 255
    picture = np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2)
    picture[find_boundaries(sitk.GetArrayFromImage(lesion) > 0, mode="outer")] = OUTLINE
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
