"""How a CT was acquired, from its headers (paper, Images): nothing that identifies a patient."""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.multival import MultiValue

from radiogenomics.images.dicom.series import Series, kernel_of
from radiogenomics.images.dicom.slices import gaps_of

PHASES = {
    "arter": "arterial", "venous": "venous", "portal": "venous", "delay": "delayed",
    "native": "without contrast", "non-contrast": "without contrast", "inspi": "inspiration",
    "expi": "expiration",
}  # fmt: skip
CHEST = ("CHEST", "THORAX", "TORAX", "LUNG", "BODY", "TRUNK")  # of BodyPartExamined's words


def acquisition(series: Series) -> dict[str, float | str]:
    """Return how a series was acquired (paper, Images): nothing that identifies a patient.

    `gap_mm` is the distance between slices without their thickness (below 0: they overlap),
    `uneven_mm` the largest difference of a distance from the usual one; `phase` is a word of the
    series' description, where it has one of `PHASES`; `body_part` is `chest`, `another` or
    `not recorded`; `burned_in` says whether a slice's header tells of text in its picture.

    Args:
        series: `in_order`'s.
    """
    first = series.first
    gaps = gaps_of(series)
    usual = float(np.median(gaps))
    return {
        "vendor": str(first.get("Manufacturer", "")),
        "scanner": str(first.get("ManufacturerModelName", "")),
        "kernel": kernel_of(first),
        "kvp": _number(first, "KVP"),
        "mas": _exposure(first),
        "thickness_mm": _number(first, "SliceThickness"),
        "gap_mm": round(usual - _number(first, "SliceThickness"), 3),
        "uneven_mm": round(float(np.abs(gaps - usual).max()), 3),
        "phase": _phase(first),
        "body_part": _body_part(first),
        "contrast": "yes" if first.get("ContrastBolusAgent") else "not recorded",
        "rescale": _rescale(series),
        "burned_in": "yes" if any(map(_burned_in, series.headers)) else "not recorded",
    }


def _burned_in(header: pydicom.Dataset) -> bool:
    return str(header.get("BurnedInAnnotation", "")).strip().upper() == "YES"


def _phase(header: pydicom.Dataset) -> str:
    """Return the phase that the series' description names; the description itself may name more."""
    description = str(header.get("SeriesDescription", "")).casefold()
    return next((phase for word, phase in PHASES.items() if word in description), "not recorded")


def _body_part(header: pydicom.Dataset) -> str:
    """Return whether the header's part of the body, which is often wrong, is the chest."""
    word = str(header.get("BodyPartExamined", "")).upper()
    if not word:
        return "not recorded"
    return "chest" if any(part in word for part in CHEST) else "another"


def _number(header: pydicom.Dataset, tag: str) -> float:
    value = header.get(tag)
    if isinstance(value, (list, MultiValue)):  # two tubes
        value = value[0] if len(value) else None
    return float(value) if value not in (None, "") else float("nan")


def _exposure(header: pydicom.Dataset) -> float:
    """Return mAs: the header's, or tube current (mA) × exposure time (ms) / 1000."""
    if header.get("Exposure") not in (None, ""):
        return _number(header, "Exposure")
    return _number(header, "XRayTubeCurrent") * _number(header, "ExposureTime") / 1000


def _rescale(series: Series) -> str:
    rescalings = {(h.get("RescaleSlope"), h.get("RescaleIntercept")) for h in series.headers}
    if None in {value for pair in rescalings for value in pair}:
        return "missing"
    pairs = sorted((float(slope), float(intercept)) for slope, intercept in rescalings)
    return ", ".join(f"{slope:g} × value {intercept:+g}" for slope, intercept in pairs[:3])
