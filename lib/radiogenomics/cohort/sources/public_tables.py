"""What a public collection's study folder gets beside the images: its tables and texts."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from radiogenomics.cohort.sources.genotype import UNKNOWN
from radiogenomics.study.errors import StudyError

AGE = re.compile(r"0*(\d+)Y")  # as DICOM writes years


def hospital_of(patients: pd.Series, mapping: dict[str, Any]) -> pd.Series:
    """Return the prefix of each patient's name that the mapping knows, "" where it knows none."""
    return patients.map(
        lambda p: next((name for name in mapping["prefixes"] if p.startswith(name)), "")
    )


def cohort_table(
    chosen: pd.DataFrame, clinical: pd.DataFrame | None, mapping: dict[str, Any],
    genotypes: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return cohort.csv: every patient with a CT, those who cannot take part too.

    Args:
        chosen: `choose_series`.
        clinical: the collection's clinical table, where the mapping has [clinical].
        mapping: names its columns and codes.
        genotypes: `read_genotypes`, where the mapping has [genotype].

    Raises:
        StudyError: the clinical table lacks a column that the mapping names.
    """
    parts = {"patient": chosen.patient, "hospital": hospital_of(chosen.patient, mapping)}
    if clinical is not None:
        parts |= _clinical(chosen.patient, clinical, mapping)
    parts |= {c: chosen[c].map(_years) for c in mapping.get("index", {})}
    if name := mapping.get("name"):  # what a patient's name tells
        letter = chosen.patient.str.extract(name["pattern"], expand=False)
        parts[name["column"]] = letter.map(name["codes"]).fillna("")
    if genotypes is not None:
        rows = genotypes.reindex(chosen.patient)
        blank = {rows.columns[0]: UNKNOWN, rows.columns[1]: "not in the table"}
        parts |= {c: rows[c].fillna(blank[c]).to_numpy() for c in rows}
    parts |= mapping.get("every_patient", {})
    return pd.DataFrame(parts).assign(**_files(chosen), outline_source=chosen.outline_source)


def _clinical(
    patients: pd.Series, clinical: pd.DataFrame, mapping: dict[str, Any]
) -> dict[str, Any]:
    """Return what the clinical table says of each patient, in the codes of the mapping."""
    rules = mapping["clinical"]
    absent = [c for c in (rules["patient"], *rules["columns"].values()) if c not in clinical]
    if absent:
        raise StudyError(
            f"the clinical table of {mapping['collection']} has no column {', '.join(absent)}. "
            f"Found: {', '.join(clinical)}. Correct [clinical.columns] of its mapping."
        )
    rows = clinical.drop_duplicates(rules["patient"]).set_index(rules["patient"]).reindex(patients)
    codes = rules["codes"]
    return {
        column: rows[name].map(lambda v: codes.get(_text(v), v)).to_numpy()
        for column, name in rules["columns"].items()
    }


def _text(value: Any) -> str:
    """Return a value as the codes of a mapping write it: 3 of 3.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _years(value: Any) -> Any:
    """Return the years of an age such as 058Y; anything else as it is."""
    found = AGE.fullmatch(str(value))
    return int(found[1]) if found else value


def _files(chosen: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the columns that name CT and outline, empty where one of them was not found."""
    there, place = chosen.reason == "", chosen.patient + "/"
    return {
        "ct": (place + "CT_" + chosen.ct).where(there, ""),
        "mask": (place + chosen.modality + "_" + chosen.seg).where(there, ""),
        "mask_label": chosen.segment,
        "segmentation": chosen.segmentation,
    }


def measurement_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return measurements.csv: of patients with all measurements one row each, for an ICC."""
    found = chosen[chosen.reason == ""]
    whole = found.groupby("patient").measurement.transform("size") == chosen.measurement.nunique()
    found = found[whole]
    return found[["patient", "measurement"]].assign(**_files(found)).reset_index(drop=True)


def study_toml(mapping: dict[str, Any]) -> str:
    """Return study.toml: the sections of [study], privacy, and what is known for [author]."""
    known = {
        "source": " ".join(mapping["citations"]),
        "design": mapping["split"],
        "segmentation": "DICOM SEG of the collection; column outline_source says whose",
    }
    sections = mapping.get("study", {})
    sections |= {"author": known | sections.get("author", {})}
    sections |= {"privacy": {"patient_is_pseudonym": True}}
    lines = [f"# Made by workbook fetch. {mapping['split']}", _line("title", mapping["title"])]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(_line(key, value) for key, value in values.items())]
    return "\n".join([*lines, ""])


def _line(key: str, value: Any) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def licences(series: pd.DataFrame, chosen: pd.DataFrame, mapping: dict[str, Any]) -> str:
    """Return LICENCES.md: what was fetched, under which licence, and how to cite it."""
    used = series[series.SeriesInstanceUID.isin([*chosen.seg, *chosen.ct])]
    counts = used.groupby(["Modality", "license_short_name", "source_DOI"]).size()
    lines = [f"- {n} {m} series, {name}, doi {doi}" for (m, name, doi), n in counts.items()]
    cite = [f"- {text}" for text in mapping["citations"]]
    return "\n".join(["# Licences", "", *lines, "", "# Please cite", "", *cite, ""])
