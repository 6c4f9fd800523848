"""Which series of a public collection are a patient's CT and outline: the index alone decides."""

from __future__ import annotations

from typing import Any

import pandas as pd

KEPT = ("PatientID", "PatientSex", "PatientAge", "StudyInstanceUID", "StudyDate",
        "SeriesInstanceUID", "Modality", "SeriesDescription", "analysis_result_id",
        "instanceCount", "series_size_MB", "license_short_name", "source_DOI")  # fmt: skip
OF_AN_OUTLINE = {  # columns of what was chosen = keys of [[outlines]], empty where not given
    "outline_source": "source", "segmentation": "made", "segment": "segment",
}  # fmt: skip
NOTHING = dict.fromkeys((*OF_AN_OUTLINE, "modality", "seg", "ct"), "") | {"mb": 0.0}


def series_of(index: pd.DataFrame, mapping: dict[str, Any]) -> pd.DataFrame:
    """Return the collection's series: the columns of `KEPT`."""
    return index.loc[index.collection_id == mapping["collection"], list(KEPT)]


def choose_series(
    series: pd.DataFrame, mapping: dict[str, Any], references: pd.Series | None = None
) -> pd.DataFrame:
    """Choose the outline of each patient who has a CT, and the CT it was drawn on.

    The outline: the first kind of [[outlines]] that the patient has; of several the one of the
    earliest examination where `earliest_first` is set, then the one with the lowest uid. The CT:
    the series that the outline refers to where that is known (`references`; an outline on a PET
    series has none) and, where `always` is set, [ct] allows it; else, unless `referenced_only` is
    set, the CT in the outline's study with most slices that [ct] allows, one made for attenuation
    correction last.

    Of a collection with [[measurements]] instead, each of these is chosen so.

    Args:
        series: `series_of` the index.
        mapping: of the collection.
        references: CT series by series of outlines, from the indices of SEG and RTSTRUCT.

    Returns:
        patient (one row each, or one each measurement), measurement, outline_source, segmentation
        (manual, semi-automatic, automatic), segment, modality, seg, ct (series uids), mb, the
        columns of [index], and reason where there is no outline or no CT.
    """
    kinds = mapping.get("measurements")
    if kinds is None:
        return _choose(series, mapping, mapping["outlines"], references).assign(measurement="")
    parts = [_choose(series, mapping, [kind], references).assign(measurement=kind["name"])
             for kind in kinds]  # fmt: skip
    return pd.concat(parts).sort_values(["patient", "measurement"], ignore_index=True)


def _choose(
    series: pd.DataFrame, mapping: dict[str, Any], kinds: list[dict[str, str]],
    references: pd.Series | None,
) -> pd.DataFrame:  # fmt: skip
    outlines = _ranked_outlines(series, kinds, mapping.get("earliest_first", False))
    every = series[series.Modality == "CT"]
    scans, asked = _axial(every, mapping["ct"]), mapping.get("index", {})
    referable = scans if mapping["ct"].get("always") else every
    if references is not None and mapping["ct"].get("referenced_only"):
        scans = scans.iloc[:0]
    rows = []
    for patient in sorted(every.PatientID.unique()):
        own = outlines[outlines.PatientID == patient]
        rows.append({"patient": patient} | _pair(own, scans, referable, references, asked))
    return pd.DataFrame(rows)


def _ranked_outlines(
    series: pd.DataFrame, kinds: list[dict[str, str]], earliest_first: bool
) -> pd.DataFrame:
    """Return the series of outlines with their rank and the columns of theirs, the best first."""
    text, group = (series[c].fillna("") for c in ("SeriesDescription", "analysis_result_id"))
    ranked = []
    for rank, kind in enumerate(kinds):
        wanted = series[
            (series.Modality == kind.get("modality", "SEG"))
            & (group == kind["analysis"])
            & text.str.contains(kind["description"], case=False, regex=True)
        ]
        more = {column: kind.get(key, "") for column, key in OF_AN_OUTLINE.items()}
        ranked.append(wanted.assign(rank=rank, **more))
    dated = ["StudyDate"] if earliest_first else []
    return pd.concat(ranked).sort_values(["PatientID", "rank", *dated, "SeriesInstanceUID"])


def _axial(scans: pd.DataFrame, rules: dict[str, Any]) -> pd.DataFrame:
    """Return CT series that can be the scan, the one with most slices first."""
    text = scans.SeriesDescription.fillna("")
    bad = text.str.contains(rules["not"], case=False, regex=True)
    last = text.str.contains(rules["last"], case=False, regex=True)
    good = scans.assign(last=last)[~bad & (scans.instanceCount >= rules["fewest_slices"])]
    order = ["last", "instanceCount", "SeriesInstanceUID"]
    return good.sort_values(order, ascending=[True, False, True])


def _pair(
    outlines: pd.DataFrame, scans: pd.DataFrame, referable: pd.DataFrame,
    references: pd.Series | None, asked: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Return the first outline with a CT, both, and of the CT what is asked of the index."""
    for seg in outlines.itertuples():
        referenced = references.get(seg.SeriesInstanceUID) if references is not None else None
        candidates = referable[referable.SeriesInstanceUID == referenced]
        if candidates.empty:
            candidates = scans[scans.StudyInstanceUID == seg.StudyInstanceUID]
        if len(candidates):
            ct = candidates.iloc[0]
            return {
                **{column: getattr(seg, column) for column in OF_AN_OUTLINE},
                "modality": seg.Modality,
                "seg": seg.SeriesInstanceUID,
                "ct": ct.SeriesInstanceUID,
                "mb": float(seg.series_size_MB + ct.series_size_MB),
                **{column: ct[name] for column, name in asked.items()},
                "reason": "",
            }
    reason = "no axial CT for its outline" if len(outlines) else "no outline of the lesion"
    return NOTHING | dict.fromkeys(asked, "") | {"reason": reason}
