"""Begin a study of one's own: templates with comments, filled from the files in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from radiogenomics.cohort.sources.found import patients_in
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import shipped, whole_file
from radiogenomics.study.settings import Author, key_of, keys, sections
from radiogenomics.study.values import EXAMPLE

COLUMNS = (
    "patient", "hospital", "label", "age", "sex", "smoking", "cea", "lobe", "stage",
    "interval_days", "ct", "mask", "mask_label", "mask_2",
)  # fmt: skip

HEAD = """# Settings of this study. A line that begins with # shows a default; remove the #
# to change it. docs/settings.md lists limits and choices."""
FURTHER = f'# forest = "{EXAMPLE}"  # a further classifier'  # of [models]
FILLED_IN = ("title", "seed", "train", "test", *keys(Author))  # written without #


def study_toml() -> str:
    """Return the study.toml of a new study: every setting with its default and its meaning."""
    parts = [HEAD]
    for section, kind in sections().items():
        lines = [_line(kind, name) for name in keys(kind)] or [FURTHER]
        parts.append("\n".join([f"[{section}]", *lines] if section else lines))
    return "\n\n".join(parts) + "\n"


def _line(kind: type, name: str) -> str:
    behind = "" if name in FILLED_IN else "# "
    value = f"{behind}{name} = {json.dumps(getattr(kind(), name))}"
    return f"{value:<36}  # {key_of(kind, name).meaning}"


def begin(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Write study.toml and cohort.csv into `folder`; return the rows, and a line per patient.

    Files are told apart by what they hold (`found`); what only a person knows stays empty. Files
    that are there already are kept.

    Raises:
        StudyError: the folder is not there, or is a file, or is a study already.
    """
    if not folder.is_dir():
        fault = "is a file" if folder.exists() else "is not there"
        raise StudyError(
            f"{folder} {fault}. Expected: a folder with one subfolder per patient that holds the "
            "CT and the mask. Copy the images there, then run this command again."
        )
    if (folder / "study.toml").exists() or (folder / "cohort.csv").exists():
        raise StudyError(
            f"{folder} holds a study already. Expected: a folder without study.toml and "
            "cohort.csv. Look at it with: workbook check"
        )
    patients = patients_in(folder)
    if not patients:
        raise StudyError(
            f"{folder} holds no images of patients. Expected: one subfolder per patient with CT "
            "and mask, nnU-Net's imagesTr and labelsTr, or files such as P001_ct.nii.gz and "
            "P001_mask.nii.gz. Copy them there."
        )
    blank = dict.fromkeys(COLUMNS, "")
    rows = [blank | found.row(folder) for found in patients]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    with whole_file(folder / "study.toml") as part:
        part.write_text(study_toml(), encoding="utf-8")
    with whole_file(folder / "cohort.csv") as part:
        table.to_csv(part, index=False)
    return table, [found.line(folder) for found in patients]


def left_to_do(folder: Path, rows: pd.DataFrame) -> list[str]:
    """Return what was found and what has to be done by hand, one sentence each."""
    lines = [f"{len(rows)} patients found below {folder.name}."]
    for column in ("ct", "mask"):
        gone = rows.patient[rows[column] == ""].tolist()
        if gone:
            names = ", ".join(gone[:5]) + " …" * (len(gone) > 5)
            lines.append(f"No {column} chosen for {names}: there is none, or there are several.")
    lines.append(
        "Fill in cohort.csv (hospital, label, age, sex, smoking, cea, interval_days; codes in "
        f"{shipped('data/README.md')}), name the hospitals in study.toml, then: "
        f"workbook check {folder}"
    )
    return lines
