"""A public cohort from the NCI Imaging Data Commons, made into a study (extra `idc`).

Choosing series needs the index alone, which ships with `idc-index-data`; the download is the
client's own. A collection is described by one file, data/collections/NAME.toml.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import SHIPPED, whole_file, with_extra

COLLECTIONS = SHIPPED / "data" / "collections"
PLACE = "%PatientID/%Modality_%SeriesInstanceUID"
KEPT = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesDescription",
        "analysis_result_id", "instanceCount", "series_size_MB", "license_short_name",
        "source_DOI")  # fmt: skip


def load_mapping(name: str) -> dict[str, Any]:
    """Read how a collection becomes a study.

    Raises:
        StudyError: there is no such mapping.
    """
    path = COLLECTIONS / f"{name.replace('-', '_')}.toml"
    if not path.is_file():
        names = ", ".join(sorted(p.stem.replace("_", "-") for p in COLLECTIONS.glob("*.toml")))
        raise StudyError(f"collection {name!r} has no mapping. Expected: one of {names}.")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def client() -> Any:
    """Return the Imaging Data Commons' client.

    Raises:
        StudyError: it is not installed.
    """
    try:
        from idc_index import IDCClient
    except ImportError:
        raise StudyError(
            f"idc-index is not installed. It comes with: {with_extra('idc', 'fetch ...')}"
        ) from None
    return IDCClient()


def series_of(index: pd.DataFrame, mapping: dict[str, Any]) -> pd.DataFrame:
    """Return the collection's series: the columns of `KEPT`."""
    return index.loc[index.collection_id == mapping["collection"], list(KEPT)]


def choose_series(
    series: pd.DataFrame, mapping: dict[str, Any], references: pd.Series | None = None
) -> pd.DataFrame:
    """Choose each patient's outline and the CT it was drawn on.

    The outline: the first kind of [[outlines]] that the patient has; of several the one with
    the lowest uid. The CT: the series that the outline refers to where that is known
    (`references`; an outline on a PET series has none); else, in the outline's study, the CT
    with most slices that [ct] allows, one made for attenuation correction last.

    Args:
        series: `series_of` the index.
        mapping: of the collection.
        references: CT series by SEG series, from the collection's SEG index.

    Returns:
        patient (one row each), outline_source, segment, seg, ct (series uids), mb, and reason
        where there is no outline or no CT.
    """
    segs = _ranked_outlines(series, mapping)
    every = series[series.Modality == "CT"]
    scans = _axial(every, mapping["ct"])
    rows = []
    for patient in sorted(series.PatientID.unique()):
        own = segs[segs.PatientID == patient]
        rows.append({"patient": patient} | _pair(own, scans, every, references))
    return pd.DataFrame(rows)


def _ranked_outlines(series: pd.DataFrame, mapping: dict[str, Any]) -> pd.DataFrame:
    """Return the SEG series with their rank and source, the best first."""
    segs = series[series.Modality == "SEG"]
    text = segs.SeriesDescription.fillna("").str.casefold()
    group = segs.analysis_result_id.fillna("")
    ranked = []
    for rank, kind in enumerate(mapping["outlines"]):
        words = [text.str.contains(word, regex=False) for word in kind["description"].split()]
        wanted = segs[pd.concat(words, axis=1).all(axis=1) & (group == kind["analysis"])]
        more = {"rank": rank, "outline_source": kind["source"], "segment": kind.get("segment", "")}
        ranked.append(wanted.assign(**more))
    return pd.concat(ranked).sort_values(["PatientID", "rank", "SeriesInstanceUID"])


def _axial(scans: pd.DataFrame, rules: dict[str, Any]) -> pd.DataFrame:
    """Return CT series that can be the scan, the one with most slices first."""
    text = scans.SeriesDescription.fillna("")
    bad = text.str.contains(rules["not"], case=False, regex=True)
    last = text.str.contains(rules["last"], case=False, regex=True)
    good = scans.assign(last=last)[~bad & (scans.instanceCount >= rules["fewest_slices"])]
    order = ["last", "instanceCount", "SeriesInstanceUID"]
    return good.sort_values(order, ascending=[True, False, True])


def _pair(
    outlines: pd.DataFrame, scans: pd.DataFrame, every: pd.DataFrame, references: pd.Series | None
) -> dict[str, Any]:
    for seg in outlines.itertuples():
        referenced = references.get(seg.SeriesInstanceUID) if references is not None else None
        candidates = every[every.SeriesInstanceUID == referenced]
        if candidates.empty:
            candidates = scans[scans.StudyInstanceUID == seg.StudyInstanceUID]
        if len(candidates):
            ct = candidates.iloc[0]
            return {
                "outline_source": seg.outline_source,
                "segment": seg.segment,
                "seg": seg.SeriesInstanceUID,
                "ct": ct.SeriesInstanceUID,
                "mb": float(seg.series_size_MB + ct.series_size_MB),
                "reason": "",
            }
    reason = "no axial CT for its outline" if len(outlines) else "no outline of the lesion"
    blank = {"outline_source": "", "segment": "", "seg": "", "ct": "", "mb": 0.0}
    return blank | {"reason": reason}


def summary(chosen: pd.DataFrame, mapping: dict[str, Any]) -> pd.DataFrame:
    """Return what a dry run prints: hospital, outline, patients, series and gigabytes."""
    table = chosen.assign(
        hospital=_hospital(chosen.patient, mapping),
        outline=chosen.outline_source.where(chosen.reason == "", chosen.reason),
        series=(chosen.reason == "") * 2,
    )
    by = table.groupby(["hospital", "outline"]).agg(
        patients=("patient", "size"), series=("series", "sum"), gigabytes=("mb", "sum")
    )
    by["gigabytes"] = (by.gigabytes / 1000).round(1)
    return by.reset_index()


def listing(chosen: pd.DataFrame, mapping: dict[str, Any]) -> pd.DataFrame:
    """Return one row per patient: hospital, outline, its series uids and megabytes, or a reason."""
    table = chosen.assign(hospital=_hospital(chosen.patient, mapping), mb=chosen.mb.round(1))
    return table[["patient", "hospital", "outline_source", "seg", "ct", "mb", "reason"]]


def _hospital(patients: pd.Series, mapping: dict[str, Any]) -> pd.Series:
    names = [*mapping["hospitals"]["train"], *mapping["hospitals"]["test"]]
    return patients.map(lambda p: next((n for n in names if p.startswith(n)), ""))


def cohort_table(
    chosen: pd.DataFrame, clinical: pd.DataFrame, mapping: dict[str, Any]
) -> pd.DataFrame:
    """Return cohort.csv: every patient of the collection, those who cannot take part too.

    Args:
        chosen: `choose_series`.
        clinical: the collection's clinical table.
        mapping: names its columns and codes.

    Raises:
        StudyError: the clinical table lacks a column that the mapping names.
    """
    names = mapping["clinical"]["columns"]
    key = mapping["clinical"]["patient"]
    absent = [c for c in (key, *names.values()) if c not in clinical]
    if absent:
        raise StudyError(
            f"the clinical table of {mapping['collection']} has no column {', '.join(absent)}. "
            f"Found: {', '.join(clinical)}. Correct [clinical.columns] of its mapping."
        )
    codes = mapping["clinical"]["codes"]
    rows = clinical.drop_duplicates(key).set_index(key).reindex(chosen.patient)
    columns = {c: rows[n].map(lambda v: codes.get(v, v)).to_numpy() for c, n in names.items()}
    there = chosen.reason == ""
    place = chosen.patient + "/"
    return pd.DataFrame(
        {
            "patient": chosen.patient,
            "hospital": _hospital(chosen.patient, mapping),
            **columns,
            "ct": (place + "CT_" + chosen.ct).where(there, ""),
            "mask": (place + "SEG_" + chosen.seg).where(there, ""),
            "mask_label": chosen.segment,
            "outline_source": chosen.outline_source,
        }
    )


def study_toml(mapping: dict[str, Any]) -> str:
    """Return the settings of the study: split, label, eligibility, licences and citations."""
    rules, hospitals = mapping["study"], mapping["hospitals"]
    return f"""# Made by workbook fetch. {mapping["split"]}
title = "{mapping["title"]}"

[label]
column = "{rules["label_column"]}"
positive = "{rules["label_positive"]}"

[cohorts]
train = {hospitals["train"]}
test = {hospitals["test"]}

[eligibility]
required = {rules["required"]}
histology = {rules["histology"]}
max_interval_days = {rules["max_interval_days"]}

[plan]
subgroups = ["sex", "age", "smoking_history", "hospital", "affiliation", "outline_source",
             "scanner", "thickness_mm"]

[privacy]
patient_is_pseudonym = true     # the public collection's own pseudonyms

[author]
source = "{" ".join(mapping["citations"])}"
design = "{mapping["split"]}"
segmentation = "DICOM SEG of the collection; column outline_source says whose"
"""


def licences(series: pd.DataFrame, chosen: pd.DataFrame, mapping: dict[str, Any]) -> str:
    """Return LICENCES.md: what was fetched, under which licence, and how to cite it."""
    used = series[series.SeriesInstanceUID.isin([*chosen.seg, *chosen.ct])]
    counts = used.groupby(["Modality", "license_short_name", "source_DOI"]).size()
    lines = [f"- {n} {m} series, {name}, doi {doi}" for (m, name, doi), n in counts.items()]
    cite = [f"- {text}" for text in mapping["citations"]]
    return "\n".join(["# Licences", "", *lines, "", "# Please cite", "", *cite, ""])


def plan(name: str, idc: Any) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Return mapping, series and chosen series from the index that ships with the client."""
    mapping = load_mapping(name)
    series = series_of(idc.index, mapping)
    return mapping, series, choose_series(series, mapping)


def _tables(idc: Any, mapping: dict[str, Any]) -> tuple[pd.Series, pd.DataFrame]:
    """Return the CT series by SEG series, and the clinical table; the client only logs faults."""
    try:
        for name in ("seg_index", "clinical_index"):
            idc.fetch_index(name)
        clinical = idc.get_clinical_table(mapping["clinical"]["table"])
    except (OSError, subprocess.CalledProcessError) as fault:
        reason = type(fault).__name__
        raise StudyError(
            f"the Imaging Data Commons cannot be reached ({reason}). Expected: its index of "
            "outlines and the clinical table. Check the network connection and run the command "
            "again."
        ) from None
    outlines = getattr(idc, "seg_index", None)
    if outlines is None or clinical is None:
        raise StudyError(
            f"the Imaging Data Commons gave no index of outlines or no table "
            f"{mapping['clinical']['table']}. Run the command again later."
        )
    outlines = outlines.drop_duplicates("SeriesInstanceUID").set_index("SeriesInstanceUID")
    return outlines.segmented_SeriesInstanceUID, clinical


def _check_whole(folder: Path, series: pd.DataFrame) -> None:
    """Refuse a download with fewer files or bytes than the index says."""
    short = []
    for row in series.itertuples():
        place = folder / row.PatientID / f"{row.Modality}_{row.SeriesInstanceUID}"
        sizes = [p.stat().st_size for p in place.glob("*") if p.is_file()]
        if len(sizes) != row.instanceCount or sum(sizes) != round(row.series_size_MB * 1e6):
            short.append(row.PatientID)
    if short:
        raise StudyError(
            f"{len(short)} of {len(series)} series are incomplete (first: patient {short[0]}). "
            "Expected: every file of the index. Run the same command again: it continues."
        )


def fetch(name: str, folder: Path) -> pd.DataFrame:
    """Download a collection into `folder` as a ready study; a second call goes on.

    study.toml, cohort.csv and LICENCES.md that are there are kept: they may have been edited.

    The SEG index and the clinical table are fetched first, then the chosen series, by the
    client (s5cmd), which passes over what is there.

    Returns:
        The rows of cohort.csv.

    Raises:
        StudyError: no client, mapping or network, a clinical table of another form, a download
            that is not whole (no study.toml is written then).
    """
    idc = client()
    mapping, series, _ = plan(name, idc)
    references, clinical = _tables(idc, mapping)
    chosen = choose_series(series, mapping, references)
    table = cohort_table(chosen, clinical, mapping)
    wanted = chosen[chosen.reason == ""]
    folder.mkdir(parents=True, exist_ok=True)
    idc.download_from_selection(
        str(folder), seriesInstanceUID=[*wanted.seg, *wanted.ct], dirTemplate=PLACE,
        use_s5cmd_sync=True,
    )  # fmt: skip
    _check_whole(folder, series[series.SeriesInstanceUID.isin([*wanted.seg, *wanted.ct])])
    texts = {"study.toml": study_toml(mapping), "LICENCES.md": licences(series, chosen, mapping)}
    texts["cohort.csv"] = table.to_csv(index=False)
    for file, text in texts.items():
        if not (folder / file).exists():  # else it may have been edited
            with whole_file(folder / file) as part:
                part.write_text(text, encoding="utf-8")
    return table
