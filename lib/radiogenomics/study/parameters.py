"""PyRadiomics' parameter file of a study: checked, and kept among its settings as what it holds."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from radiogenomics.study.errors import MissingFile, SettingsFault
from radiogenomics.study.files import shipped
from radiogenomics.study.settings import Radiomics, Settings
from radiogenomics.study.values import did_you_mean

PAGE = "docs/pyradiomics_settings.md"
INSTEAD = (  # of these settings the file speaks
    "radiomics_spacing_mm", "bin_width", "bin_count", "image_types", "feature_classes", "pad_mm",
    "log_sigma_mm",
)  # fmt: skip
WHOLE = (  # settings that PyRadiomics reads once, before it filters: an image type has none
    "additionalInfo", "correctMask", "interpolator", "label", "label_channel",
    "minimumROIDimensions", "minimumROISize", "normalize", "normalizeScale", "padDistance",
    "preCrop", "removeOutliers", "resampledPixelSpacing", "resegmentMode", "resegmentRange",
    "resegmentShape",
)  # fmt: skip


def with_parameters(folder: Path, settings: Settings) -> Settings:
    """Return settings in which `[radiomics] parameter_file` is what the file that it names holds.

    Args:
        folder: the study folder.
        settings: as study.toml or a command gives them; those of an earlier run stay as they are.

    Raises:
        StudyError: no such file, a fault in it, or a setting that it names too.
    """
    ours = settings.radiomics
    if ours.bin_count and ours.bin_width != Radiomics().bin_width:
        raise SettingsFault("[radiomics] has bin_count and bin_width. Expected: one of the two.")
    twice = [name for name in INSTEAD if getattr(ours, name) != getattr(Radiomics(), name)]
    if ours.parameter_file and twice:
        raise SettingsFault(
            f"[radiomics] has parameter_file and {', '.join(twice)}. Expected: one of them, as the "
            "file says all of how features are measured. Keep one."
        )
    if not ours.parameter_file or ours.parameter_file.startswith("{"):
        return settings
    held = json.dumps(read_parameters(folder / ours.parameter_file))
    return dataclasses.replace(settings, radiomics=dataclasses.replace(ours, parameter_file=held))


def read_parameters(path: Path) -> dict[str, Any]:
    """Return what a parameter file holds: `setting`, `imageType`, `featureClass`.

    It is read as PyRadiomics reads it, which makes no object and runs no code of the file.

    Raises:
        MissingFile: it is not there.
        SettingsFault: it is no YAML, PyRadiomics does not take it, or this workbook cannot honour
            a part of it.
    """
    if not path.is_file():
        raise MissingFile(
            f"{path.name}, [radiomics] parameter_file, is not there. Expected: PyRadiomics' "
            f"parameter file in the folder of study.toml ({shipped(PAGE)}). Copy it there."
        )
    from radiomics import getParameterValidationFiles  # seconds, which few studies need
    from radiomics.featureextractor import RadiomicsFeatureExtractor, pykwalify

    logging.getLogger("pykwalify").setLevel(logging.CRITICAL)
    try:
        schema, _ = getParameterValidationFiles()
        text = pykwalify.core.Core(str(path), [schema], file_encoding="utf-8-sig")
        held, known = text.source, text.schema["mapping"]
        if not isinstance(held, dict):
            raise TypeError("it holds no section")
        _refuse_unknown(held, known, path.name)
        RadiomicsFeatureExtractor(held)
    except SettingsFault:
        raise
    except Exception as fault:  # noqa: BLE001 - of three libraries
        raise SettingsFault(
            f"{path.name}: {_why(fault).replace(str(path), path.name)}. Expected: a parameter file "
            f"that PyRadiomics takes, ending in .yaml ({shipped(PAGE)}). Correct it."
        ) from None
    for name, why in _not_honoured(held):
        raise SettingsFault(f"{path.name}: {name} {why}")
    return held


def _why(fault: Exception) -> str:
    """Return the first thing that PyRadiomics' readers say against a file, in one line."""
    if mark := getattr(fault, "problem_mark", None):
        return f"line {mark.line + 1}: {fault.problem}"
    if isinstance(fault, UnicodeDecodeError):
        return f"byte {fault.start} is not UTF-8"
    lines = str(getattr(fault, "msg", fault)).replace("\n", " ").split(" - ")
    return lines[min(1, len(lines) - 1)].strip().rstrip(".")


def _refuse_unknown(held: dict[str, Any], known: dict[str, Any], name: str) -> None:
    """Refuse names that PyRadiomics does not know, with the nearest that it knows."""
    from radiomics import getFeatureClasses, getImageTypes

    settings, classes = known["setting"]["mapping"], getFeatureClasses()
    images = _parts(held, "imageType")
    of_images = [("a setting", _parts(images, image), settings) for image in images]
    of_classes = [(f"a feature of {c}", features, classes[c].getFeatureNames())
                  for c, features in _parts(held, "featureClass").items()
                  if c in classes and isinstance(features, list)]  # fmt: skip
    asked = [
        ("a section", held, known),
        ("a setting", _parts(held, "setting"), settings),
        ("an image type", images, getImageTypes()),
        ("a feature class", _parts(held, "featureClass"), classes),
        *of_images,
        *of_classes,
    ]
    for what, names, there in asked:
        for strange in [n for n in names if n not in there]:
            hint = did_you_mean(str(strange), list(there), PAGE)
            raise SettingsFault(f"{name}: {strange!r} is not {what} of PyRadiomics. {hint}")


def _parts(held: dict[str, Any], section: str) -> dict[str, Any]:
    part = held.get(section)
    return part if isinstance(part, dict) else {}


def _not_honoured(held: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a file asks for that cannot be done here, and why."""
    settings, images = held.get("setting", {}), held.get("imageType", {})
    if held.get("voxelSetting"):
        yield "voxelSetting", "is of maps over voxels, which are not made here. Remove it."
    for name, usual in (("label", 1), ("label_channel", 0)):
        if settings.get(name, usual) != usual:
            yield name, ("is not used here: cohort.csv, column mask_label, names each patient's "
                         "lesion. Remove it.")  # fmt: skip
    if "geometryTolerance" in settings:
        yield "geometryTolerance", ("is not used here: masks are brought onto the CT's grid as "
                                    "they are read. Remove it.")  # fmt: skip
    spacing = settings.get("resampledPixelSpacing")
    if spacing is not None and len(spacing) != 3:
        yield "resampledPixelSpacing", f"has {len(spacing)} numbers. Expected: 3, for x, y and z."
    if "shape2D" in held.get("featureClass", {}):
        yield "shape2D", "is of single slices; lesions here are volumes. Name shape instead."
    if "LBP3D" in images:
        yield "LBP3D", ("needs packages that are not installed, and PyRadiomics would leave it out "
                        "without a word. Remove it.")  # fmt: skip
    if "LoG" in images and not (images["LoG"].get("sigma") or settings.get("sigma")):
        yield "LoG", "names no sigma, so that nothing is measured. Expected: sigma: [1.0, 2.0]."
    for image, own in images.items():
        for name in sorted({*own} & {*WHOLE}):
            yield f"{name} of {image}", "has no effect there. Move it to setting, or remove it."
