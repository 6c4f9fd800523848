"""How much does the network's score change with another outline or position?

METRICS item 17, CLEAR item 31. Lengths in mm; no label is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from radiogenomics.images.changes import regrown
from radiogenomics.images.scans import read_from, read_pair
from radiogenomics.images.volumes import load_volumes, preprocess
from radiogenomics.maps.similarity import AXES, shifted
from radiogenomics.models import network as cnn
from radiogenomics.models.devices import keras
from radiogenomics.radiomics.second_reader import with_second
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import digest
from radiogenomics.study.kept import digest_of, keep, kept
from radiogenomics.study.parallel import each
from radiogenomics.study.settings import Preprocessing
from radiogenomics.study.study import Study

STEP_MM = 1.0  # how far the outline is moved
COLUMNS = ["patient", "change", "score", "changed", "difference", "reason"]


def _outlined_anew(row: pd.Series, mm: float, settings: Preprocessing) -> np.ndarray | str:
    """Return the network's input (z, y, x) with the outline moved, or why there is none."""
    try:
        ct, mask = read_pair(row)
        return preprocess(ct, regrown(mask, mm) if mm else mask, settings)
    except (StudyError, RuntimeError) as fault:
        return str(fault)


def robustness_table(
    study: Study,
    network: keras.Model,
    patients: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Score these patients again with the outline or the position changed.

    The outline is drawn 1 mm inside and outside the reader's, then the second reader's is taken
    where `mask_2` is there; the network's input is moved by one voxel along each axis.

    Returns:
        patient, change, score, changed (the score after the change), difference, reason (why
        there is no changed score: nothing of a small lesion may be left).
    """
    batch, settings = study.settings.cnn.batch, study.settings.preprocessing
    volumes = load_volumes(study, patients)
    scores = pd.Series(cnn.score(network, volumes, batch), patients.patient)
    second = with_second(patients)
    parts = [
        (f"outline {STEP_MM:g} mm smaller", patients, -STEP_MM),
        (f"outline {STEP_MM:g} mm larger", patients, STEP_MM),
        ("second reader's outline", second, 0.0),
    ]
    key = digest_of(network.get_weights()), settings, keras.__version__
    folder = study.derived / "outlines"
    asked = [(change, row, mm, folder / f"{digest(read_from(row), mm, key)}.json")
             for change, rows, mm in parts for _, row in rows.iterrows()]  # fmt: skip
    missing = [one for one in asked if kept(one[-1]) is None]
    jobs = (delayed(_outlined_anew)(row, mm, settings) for _, row, mm, _ in missing)
    drawn = []
    for outlined in each(jobs, study.workers):
        drawn.append(outlined)
        progress(len(drawn), len(missing))
    # one by one: who else is in a batch changes the last digit, and not all are drawn every time
    new = _changed("", [""] * len(drawn), drawn, network, 1)[["changed", "reason"]]
    for (*_, path), found in zip(missing, new.to_dict("records"), strict=True):
        keep(path, found)
    outlined = [{"patient": row.patient, "change": change} | kept(path)
                for change, row, _, path in asked]  # fmt: skip
    tables = [pd.DataFrame(outlined)]
    for axis, name in enumerate(AXES):
        moved = list(shifted(volumes, axis + 1, 1)[..., 0])
        change = f"moved one voxel along {name}"
        tables.append(_changed(change, patients.patient.tolist(), moved, network, batch))
    table = pd.concat([t for t in tables if len(t)], ignore_index=True)
    table["score"] = table.patient.map(scores)
    return table.assign(difference=table.changed - table.score)[COLUMNS]


def _changed(
    change: str, patients: list[str], inputs: list[np.ndarray | str], network: keras.Model,
    batch: int,
) -> pd.DataFrame:  # fmt: skip
    good = [not isinstance(entry, str) for entry in inputs]
    scores = np.full(len(inputs), np.nan)
    if any(good):
        kept = np.stack([entry for entry in inputs if not isinstance(entry, str)])
        scores[good] = cnn.score(network, kept[..., np.newaxis], batch)
    reasons = [entry if isinstance(entry, str) else "" for entry in inputs]
    columns = {"patient": patients, "change": change, "changed": scores, "reason": reasons}
    return pd.DataFrame(columns)


def robustness_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a change: n, mean_difference, sd, largest, calls_changed (at 0.5), lost."""
    rows = []
    for change, part in table.groupby("change", sort=False):
        scored = part.dropna(subset="changed")
        calls = (scored.score >= 0.5) != (scored.changed >= 0.5)
        rows.append(
            {
                "change": change,
                "n": len(scored),
                "mean_difference": scored.difference.mean(),
                "sd": scored.difference.std(),
                "largest": scored.difference.abs().max(),
                "calls_changed": int(calls.sum()),
                "lost": len(part) - len(scored),
            }
        )
    return pd.DataFrame(rows)


def farthest(summary: pd.DataFrame) -> dict[str, Any]:
    """Return the changes that moved scores farthest, changed most calls and lost most lesions.

    `worst` is None where no score could be had; `lost` where no lesion was too small.
    """
    scored = summary[summary.n > 0]
    if scored.empty:
        return {"worst": None}
    lost = summary.loc[summary.lost.idxmax()] if summary.lost.any() else None
    calls = summary.loc[summary.calls_changed.idxmax()]
    return {"worst": scored.loc[scored.largest.idxmax()], "calls": calls, "lost": lost}
