"""Whether a new patient's scan is of the kind that the models know: refused, unlike, or to note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.images.description import LUNG_HU, MOST_AIR, NO_LUNG, acquisition_row, mask_row
from radiogenomics.images.scans import Scan
from radiogenomics.new_patient.training import ALARMS, thickness
from radiogenomics.statistics.conformal import mahalanobis
from radiogenomics.study.words import say

THICKER = 1.5  # times the training patients' thickest slices: another kind of scan
SHOWN = 3  # features that are named


@dataclass(frozen=True)
class Applicability:
    """What speaks against a prediction.

    Attributes:
        refused: reasons for which no model is asked.
        unlike: reasons to take the patient for one whom the models do not know.
        notes: what lies outside the training patients' range without either.
    """

    refused: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def applicable(self) -> bool:
        """Return whether the models know this kind of patient, as far as that can be seen."""
        return not (self.refused or self.unlike)

    @property
    def reasons(self) -> list[str]:
        """Return all reasons why they do not."""
        return [*self.refused, *self.unlike]


def of_scan(known: dict[str, Any], scan: Scan | None) -> Applicability:
    """Judge a scan before any model reads it: what it is, slices, lung around the lesion.

    Args:
        known: `training.known`'s.
        scan: CT and mask; None in a study without images.
    """
    if scan is None:
        return Applicability()
    mask = mask_row(scan, 0)
    taken = acquisition_row(scan.ct, scan.acquisition, scan.file_grid)
    slices = float(thickness(pd.DataFrame([taken])).iloc[0])
    thickest = known["ranges"].get("thickness_mm", [0, np.inf])[1]
    thick = say("new_patient", "thick", slices=slices, thickest=thickest)
    return Applicability(
        tuple(_refusals(mask, taken)),
        (thick,) if slices > THICKER * thickest else (),
        tuple(_notes(known["ranges"], mask, taken, slices)),
    )


def _refusals(mask: dict, taken: dict) -> Iterator[str]:
    if taken["ct_min"] > LUNG_HU:
        yield say("new_patient", "no_hu", lowest=taken["ct_min"])
    elif mask["lung_near"] < NO_LUNG:
        yield say("new_patient", "no_lung", share=mask["lung_near"])
    if mask["air_share"] > MOST_AIR:
        yield say("new_patient", "air", share=mask["air_share"])
    if taken.get("body_part") == "another":
        yield say("new_patient", "body_part")


def _notes(ranges: dict[str, Any], mask: dict, taken: dict, slices: float) -> Iterator[str]:
    if not ranges:
        return
    values = {name: mask[name] for name in ranges if name in mask} | {"thickness_mm": slices}
    for name, value in values.items():
        low, high = ranges[name]
        if name == "thickness_mm" and value > THICKER * high:
            continue  # said as a reason
        if not low <= value <= high:
            yield say("new_patient", "range", name=name, value=value, low=low, high=high)
    for name in ("kernel", "scanner"):
        if taken.get(name) and ranges[name] and taken[name] not in ranges[name]:
            yield say("new_patient", "unseen", name=name, value=taken[name])


def of_values(
    known: dict[str, Any], signature: pd.Series | None, inner: np.ndarray | None
) -> Applicability:
    """Judge what the models read: features outside the training range, distances.

    Args:
        known: `training.known`'s.
        signature: the selected features by name; None without radiomics.
        inner: of the network's last layer (unit,); None without a network.
    """
    unlike, notes = [], []
    held = known["signature"] if signature is not None else {}
    if held:
        values = signature[held["names"]].to_numpy(float)
        beyond = (values < held["lowest"]) | (values > held["highest"])
        names = [name for name, out in zip(held["names"], beyond, strict=True) if out]
        if names:
            counts = {"outside": len(names), "features": len(values), "names": names[:SHOWN]}
            notes.append(say("new_patient", "features", **counts))
        unlike += _far(held, values, "signature")
    if inner is not None:
        unlike += _far(known["network"], inner, "network")
    return Applicability(unlike=tuple(unlike), notes=tuple(notes))


def _far(held: dict[str, Any], values: np.ndarray, what: str) -> list[str]:
    if "distance" not in held:
        return []
    away = float(mahalanobis(held["distance"], values[np.newaxis])[0])
    if away <= held["limit"]:
        return []
    facts = {"what": what, "distance": away, "limit": held["limit"], "alarms": ALARMS}
    return [say("new_patient", "unlike", **facts)]


def together(*parts: Applicability) -> Applicability:
    """Return all reasons as one."""
    return Applicability(
        *(tuple(r for part in parts for r in getattr(part, name))
          for name in ("refused", "unlike", "notes"))
    )  # fmt: skip
