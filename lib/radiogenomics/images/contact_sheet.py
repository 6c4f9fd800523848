"""Every lesion with its outline on one page, for a reader who looks through the masks."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import SimpleITK as sitk
from PIL import Image
from skimage.segmentation import find_boundaries

from radiogenomics.images.scans import Scan
from radiogenomics.study.files import digest

THUMBNAIL_MM, THUMBNAIL_PIXELS = 60.0, 96
OUTLINE = (255, 200, 0)
WINDOW_HU = (-1000.0, 400.0)
BAR_MM = 10
SHEET = Path(__file__).with_name("contact_sheet.html.j2")


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


def contact_sheet(masks: pd.DataFrame, synthetic: bool) -> str:
    """Return every lesion with its outline as HTML: a thumbnail of 60 mm a patient.

    Masks with flags are framed and can be sorted to the front; a bar gives the scale.
    """
    template = jinja2.Environment(autoescape=True).from_string(SHEET.read_text(encoding="utf-8"))
    flagged = int((masks["flags"] != "").sum()) if len(masks) else 0
    return template.render(
        synthetic=synthetic, flagged=flagged, lesions=masks.to_dict("records"),
        key=f"flagged-first-{digest(masks.patient.tolist())}" if flagged else "",
        pixels=THUMBNAIL_PIXELS, bar_mm=BAR_MM,
        bar_pixels=round(BAR_MM * THUMBNAIL_PIXELS / THUMBNAIL_MM),
    )  # fmt: skip
