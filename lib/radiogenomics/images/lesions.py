"""One lesion of a patient who has several: rows of cohort.csv, or labels or parts of one mask.

What a patient's row says of them is kept as one text (JSON) in column `lesions`, "" where the mask
is the lesion, as it is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from radiogenomics.images.grids import grid_of, mask_on
from radiogenomics.images.masks import labels_in, refuse_litres
from radiogenomics.study import settings
from radiogenomics.study.errors import ImageFault

COLUMN = "lesions"
RULES = ("index", "largest", "union")  # of [lesions] rule, those by which one image is read
OF_FEATURES = ("mean", "max")  # those that read every lesion, and make one value of its features
WORDS = {"index": "the first", "largest": "the largest"}
EACH = {"mean": "features of {} averaged", "max": "the highest features of {}"}
NOTE = "lesions"  # how a note on the choice begins


@dataclass(frozen=True)
class Lesions:
    """How a patient's lesion comes about.

    Attributes:
        rule: which becomes the lesion: `RULES`, or `OF_FEATURES`.
        in_mask: what a mask holds: one lesion; one a label; one a connected part (components).
        rows: how many rows of cohort.csv the patient has.
        others: of those after the first, where they count, the mask, as a path from the first's
            folder, and its label.
    """

    rule: str
    in_mask: str
    rows: int = 1
    others: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """Return this as one text, which `of` reads."""
        return json.dumps(asdict(self))


def of(text: str) -> Lesions | None:
    """Return what a cell of column `lesions` says, None of an empty one."""
    return Lesions(**json.loads(text)) if text else None


def of_mask(rules: settings.Lesions) -> str:
    """Return the text of a patient of one row: "" where a mask holds one lesion."""
    return "" if rules.in_mask == "one" else Lesions(rules.rule, rules.in_mask).text()


def counted(table: pd.DataFrame) -> int:
    """Return in how many patients of masks.csv a rule made one lesion of several."""
    return int(table.notes.fillna("").str.contains(f"{NOTE}: ", regex=False).sum())


def masks(row: Mapping[str, Any]) -> list[str]:
    """Return the paths of a patient's mask and of those of his other lesions."""
    kept = of(row.get(COLUMN, ""))
    beside = Path(row["mask"]).parent
    return [row["mask"], *(str(beside / path) for path, _ in (kept.others if kept else ()))]


def one(row: Mapping[str, Any], read: Callable[[str, str], Any]) -> Any:
    """Return the scan of a patient's lesion: by `read` of mask and label, and the row's rule.

    Args:
        row: `mask`, `mask_label`, and `lesions` where he has several.
        read: returns a `scans.Scan` of a mask's path and a label.

    Raises:
        ImageFault: as `scans.read_scan`; lesions that lie on different series.
    """
    kept = of(row.get(COLUMN, ""))
    if kept is None:
        return read(row["mask"], row["mask_label"])
    found = list(_each(row, kept, read))
    if len({grid_of(scan.ct) for _, scan in found}) > 1:
        raise ImageFault(
            "the lesions lie on different series of the CT. Expected: one series for all of them. "
            "Name it in ct_series, or keep one lesion."
        )
    voxels = [int(sitk.GetArrayViewFromImage(scan.mask).sum()) for _, scan in found]
    name, scan = found[int(np.argmax(voxels)) if kept.rule == "largest" else 0]
    many = len(found) + kept.rows - 1 - len(kept.others)
    said = f"{name} of {many} used, {WORDS.get(kept.rule)}"
    if kept.rule not in WORDS:
        masks_of = tuple(s.mask for _, s in found)
        together = np.any([sitk.GetArrayViewFromImage(mask) for mask in masks_of], axis=0)
        scan = replace(scan, mask=mask_on(scan.ct, together))
        said = EACH.get(kept.rule, "{} joined").format(len(found))
        refuse_litres(scan.mask, "their union")
        if kept.rule in OF_FEATURES and many > 1:
            scan = replace(scan, lesions=masks_of, rule=kept.rule)
    return replace(scan, notes=(*scan.notes, f"{NOTE}: {said}")) if many > 1 else scan


def _each(row: Mapping[str, Any], kept: Lesions, read: Callable) -> Iterator[tuple[str, Any]]:
    """Yield what it is called and the scan of every lesion: rows, labels, parts in their order."""
    labels = [row["mask_label"], *(label for _, label in kept.others)]
    for number, (path, label) in enumerate(zip(masks(row), labels, strict=True), start=1):
        own = f"row {number}" if kept.rows > 1 else ""
        if kept.in_mask == "labels":
            for value in _labels(Path(path), label):
                yield f"{own} label {value}".strip(), read(path, value)
            continue
        scan = read(path, label)
        if kept.in_mask == "one":
            yield own, scan
            continue
        for part, mask in enumerate(_parts(scan.mask), start=1):
            yield f"{own} part {part}".strip(), replace(scan, mask=mask)


def _labels(path: Path, label: str) -> list[str]:
    """Return the labels that are lesions: those of mask_label, or all that the file holds."""
    return [part.strip() for part in label.split("+")] if label else labels_in(path)


def _parts(mask: sitk.Image) -> list[sitk.Image]:
    """Return the parts of a mask that touch nowhere, not at a corner; at least one."""
    found = sitk.ConnectedComponent(mask, True)
    values = sitk.GetArrayViewFromImage(found)
    return [mask_on(mask, values == n) for n in range(1, max(int(values.max()), 1) + 1)]
