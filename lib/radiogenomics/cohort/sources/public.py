"""Public cohorts from the NCI Imaging Data Commons, made into a study (extra `idc`).

Choosing series needs the index alone, which ships with `idc-index-data`; the download is the
client's own. A study is described by one file, data/collections/NAME.toml: of one collection, or
of several (`collections`), each of which has its own.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.cohort.sources.genotype import read_genotypes
from radiogenomics.cohort.sources.public_series import choose_series, series_of
from radiogenomics.cohort.sources.public_tables import (
    cohort_table,
    hospital_of,
    licences,
    measurement_table,
    study_toml,
)
from radiogenomics.study.errors import StudyError, UsageError
from radiogenomics.study.files import SHIPPED, whole_file, with_extra

COLLECTIONS = SHIPPED / "data" / "collections"
PLACE = "%PatientID/%Modality_%SeriesInstanceUID"
REFERENCES = {  # of a kind of outline, the client's index and its column that names the CT
    "SEG": ("seg_index", "segmented_SeriesInstanceUID"),
    "RTSTRUCT": ("rtstruct_index", "referenced_SeriesInstanceUID"),
}
Mapping = dict[str, Any]


def load_mapping(name: str) -> Mapping:
    """Read how a public cohort becomes a study; `parts` are the mappings of its collections.

    Raises:
        UsageError: there is no such mapping.
    """
    mapping = _read(name)
    parts = [_read(part) for part in mapping.get("collections", [])] or [mapping]
    united = {key: list(dict.fromkeys(sum((part[key] for part in parts), [])))
              for key in ("prefixes", "citations")}  # fmt: skip
    return mapping | united | {"parts": parts}


def _read(name: str) -> Mapping:
    path = COLLECTIONS / f"{name.replace('-', '_')}.toml"
    if not path.is_file():
        names = ", ".join(sorted(p.stem.replace("_", "-") for p in COLLECTIONS.glob("*.toml")))
        raise UsageError(f"collection {name!r} has no mapping. Expected: one of {names}.")
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


def plan(
    name: str, index: pd.DataFrame, references: pd.Series | None = None
) -> tuple[Mapping, pd.DataFrame, pd.DataFrame]:
    """Return mapping, series and chosen series, from the index that ships with the client."""
    mapping = load_mapping(name)
    series = [series_of(index, part) for part in mapping["parts"]]
    chosen = [choose_series(own, part, references)
              for own, part in zip(series, mapping["parts"], strict=True)]  # fmt: skip
    return mapping, pd.concat(series), pd.concat(chosen, ignore_index=True)


def summary(chosen: pd.DataFrame, mapping: Mapping) -> pd.DataFrame:
    """Return what a dry run prints: hospital, outline, patients, series and gigabytes."""
    table = chosen.assign(
        hospital=hospital_of(chosen.patient, mapping),
        outline=chosen.outline_source.where(chosen.reason == "", chosen.reason),
        series=(chosen.reason == "") * 2,
    )
    by = table.groupby(["hospital", "outline"]).agg(
        patients=("patient", "size"), series=("series", "sum"), gigabytes=("mb", "sum")
    )
    by["gigabytes"] = (by.gigabytes / 1000).round(1)
    return by.reset_index()


def listing(chosen: pd.DataFrame, mapping: Mapping) -> pd.DataFrame:
    """Return one row per patient: hospital, outline, its series uids and megabytes, or a reason."""
    table = chosen.assign(hospital=hospital_of(chosen.patient, mapping), mb=chosen.mb.round(1))
    columns = ["patient", "measurement", "hospital", "outline_source", "segmentation", "seg", "ct",
               "mb", "reason"]  # fmt: skip
    return table[[c for c in columns if c != "measurement" or table[c].any()]]


def _from_client(idc: Any, mapping: Mapping) -> tuple[pd.Series, list[pd.DataFrame | None]]:
    """Return the CT series by series of outlines, and each part's clinical table, if it has one.

    The client only logs faults.
    """
    rules = [part.get("clinical") for part in mapping["parts"]]
    kinds = [k for part in mapping["parts"] for k in part.get("outlines", part.get("measurements"))]
    wanted = dict(REFERENCES[modality] for modality in {k.get("modality", "SEG") for k in kinds})
    try:
        for name in (*wanted, *(["clinical_index"] if any(rules) else [])):
            idc.fetch_index(name)
        clinical = [rule and idc.get_clinical_table(rule["table"]) for rule in rules]
    except (OSError, subprocess.CalledProcessError) as fault:
        reason = type(fault).__name__
        raise StudyError(
            f"the Imaging Data Commons cannot be reached ({reason}). Expected: its indices of "
            "outlines and the clinical tables. Check the network connection and run the command "
            "again."
        ) from None
    lost = [name for name in wanted if getattr(idc, name, None) is None]
    lost += [rule["table"] for rule, table in zip(rules, clinical, strict=True)
             if rule and table is None]  # fmt: skip
    if lost:
        raise StudyError(
            f"the Imaging Data Commons gave no table {', '.join(lost)}. Expected: it. Run the "
            "command again later."
        )
    return pd.concat([_references(getattr(idc, n), c) for n, c in wanted.items()]), clinical


def _references(outlines: pd.DataFrame, column: str) -> pd.Series:
    return outlines.drop_duplicates("SeriesInstanceUID").set_index("SeriesInstanceUID")[column]


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


def genotypes_of(mapping: Mapping, path: Path | None) -> list[pd.DataFrame | None]:
    """Return of each part the mutation status that its collection lacks, from the user's table.

    Raises:
        StudyError: no table where one is needed, one where none is, or one of another form.
    """
    rules = [part.get("genotype") for part in mapping["parts"]]
    if path and not any(rules):
        raise UsageError("--genotypes: this collection's own tables have the label. Leave it out.")
    return [rule and read_genotypes(path, rule) for rule in rules]


def fetch(name: str, folder: Path, genotypes: Path | None = None) -> pd.DataFrame:
    """Download a public cohort into `folder` as a ready study; a second call goes on.

    study.toml, cohort.csv and LICENCES.md that are there are kept: they may have been edited.

    The indices of outlines and the clinical tables are fetched first, then the chosen series, by
    the client (s5cmd), which passes over what is there. A collection of repeated measurements
    gets measurements.csv in the place of cohort.csv.

    Args:
        name: of the mapping.
        folder: new, or that of an earlier call.
        genotypes: a table of mutations, where the collection has none.

    Returns:
        The rows of cohort.csv or measurements.csv.

    Raises:
        StudyError: no client, mapping, table of mutations or network, a clinical table of another
            form, a download that is not whole (no study.toml is written then).
    """
    status = genotypes_of(load_mapping(name), genotypes)  # before gigabytes are downloaded
    idc = client()
    references, clinical = _from_client(idc, load_mapping(name))
    mapping, series, chosen = plan(name, idc.index, references)
    if any("measurements" in part for part in mapping["parts"]):
        file, table = "measurements.csv", measurement_table(chosen)
        chosen = chosen[chosen.patient.isin(table.patient)]
        if table.empty:
            raise StudyError(
                f"{name}: 0 measurements. Expected: outlines whose CT the Imaging Data Commons' "
                "index names. Run the command again later."
            )
    else:
        file, table = "cohort.csv", _tables(chosen, mapping, clinical, status)
    wanted = chosen[chosen.reason == ""]
    uids = list(dict.fromkeys([*wanted.seg, *wanted.ct]))
    folder.mkdir(parents=True, exist_ok=True)
    idc.download_from_selection(
        str(folder), seriesInstanceUID=uids, dirTemplate=PLACE, use_s5cmd_sync=True
    )
    _check_whole(folder, series[series.SeriesInstanceUID.isin(uids)])
    _write(folder, {
        "study.toml": study_toml(mapping), "LICENCES.md": licences(series, chosen, mapping),
        file: table.to_csv(index=False),
    })  # fmt: skip
    return table


def _tables(
    chosen: pd.DataFrame, mapping: Mapping, clinical: list[pd.DataFrame | None],
    genotypes: list[pd.DataFrame | None],
) -> pd.DataFrame:  # fmt: skip
    """Return cohort.csv of all parts, one below the other."""
    parts = zip(mapping["parts"], clinical, genotypes, strict=True)
    tables = [
        cohort_table(own, table, part, status)
        for part, table, status in parts
        if len(own := chosen[hospital_of(chosen.patient, part) != ""].reset_index(drop=True))
    ]
    return pd.concat(tables, ignore_index=True)


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write files that are not there; one that is may have been edited."""
    for file, text in texts.items():
        if not (folder / file).exists():
            with whole_file(folder / file) as part:
                part.write_text(text, encoding="utf-8")
