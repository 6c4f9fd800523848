"""Begin a study of one's own: templates with comments, filled from the files in its folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pandas as pd

from radiogenomics.images import formats
from radiogenomics.images.dicom.drawings import DRAWINGS
from radiogenomics.images.dicom.series import find_series
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import shipped, whole_file
from radiogenomics.study.settings import Author, key_of, keys, sections

COLUMNS = (
    "patient", "hospital", "label", "age", "sex", "smoking", "cea", "lobe", "stage",
    "interval_days", "ct", "mask", "mask_label", "mask_2",
)  # fmt: skip
MASK_WORDS = ("mask", "seg", "label", "roi", "lesion", "tumor", "tumour")

HEAD = """# Settings of this study. A line that begins with # shows a default; remove the #
# to change it. docs/settings.md lists limits and choices."""
FILLED_IN = ("title", "seed", "train", "test", *keys(Author))  # written without #


def study_toml() -> str:
    """Return the study.toml of a new study: every setting with its default and its meaning."""
    parts = [HEAD]
    for section, kind in sections().items():
        lines = [_line(kind, name) for name in keys(kind)]
        parts.append("\n".join([f"[{section}]", *lines] if section else lines))
    return "\n\n".join(parts) + "\n"


def _line(kind: type, name: str) -> str:
    behind = "" if name in FILLED_IN else "# "
    value = f"{behind}{name} = {json.dumps(getattr(kind, name))}"
    return f"{value:<36}  # {key_of(kind, name).meaning}"


def begin(folder: Path) -> pd.DataFrame:
    """Write study.toml and cohort.csv into `folder`; return the rows that were found there.

    One row per subfolder that holds a CT (DICOM series, or an image file whose name is no
    mask's) and a mask (SEG, RTSTRUCT, or an image file named mask, seg, label, roi, ...). What
    only a person knows stays empty. Files that are there already are kept.

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
    rows = [_row(folder, sub) for sub in sorted(p for p in folder.iterdir() if p.is_dir())]
    blank = dict.fromkeys(COLUMNS, "")
    table = pd.DataFrame([blank | r for r in rows if r], columns=list(COLUMNS))
    with whole_file(folder / "study.toml") as part:
        part.write_text(study_toml(), encoding="utf-8")
    with whole_file(folder / "cohort.csv") as part:
        table.to_csv(part, index=False)
    return table


def _row(folder: Path, sub: Path) -> dict[str, str]:
    """Return a patient's row; {} without an image; nothing is chosen among several files."""
    images = sorted(p for p in sub.rglob("*") if p.name.lower().endswith(formats.endings()))
    images = [p for p in images if p.name[0] != "."]
    masks = [p for p in images if _sounds_like_mask(p)]
    scans = [p for p in images if p not in masks]
    if not (scans and masks):
        slices, drawn = _dicom(sub)
        scans, masks = scans or slices, masks or drawn
    if not (scans or masks):
        return {}
    row = {name: files[0].relative_to(folder).as_posix() if len(files) == 1 else ""
           for name, files in (("ct", scans), ("mask", masks))}  # fmt: skip
    return {"patient": sub.name} | row


def _dicom(sub: Path) -> tuple[list[Path], list[Path]]:
    """Return the folder that holds every CT series, and the drawings.

    Among several series the reader chooses by its rules (`dicom`); `check` names the choice. A
    folder with a broken file is returned as it is, so that `check` can name the file.
    """
    try:
        series = find_series(sub)
    except StudyError:
        return [sub], []
    drawn = [f for s in series if s.first.get("Modality") in DRAWINGS for f in s.files]
    slices = [f.parent for s in series if s.first.get("Modality") == "CT" for f in s.files]
    return [Path(os.path.commonpath(slices))] if slices else [], drawn


def _sounds_like_mask(path: Path) -> bool:
    words = re.split(r"[\W_\d]+", path.name.lower())
    return any(word.startswith(MASK_WORDS) for word in words)


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
