"""Begin a study of one's own: a folder with commented templates, filled from what lies in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

from radiogenomics.images.dicom import find_series
from radiogenomics.images.outlines import DRAWINGS
from radiogenomics.study.files import StudyError, shipped, whole_file

COLUMNS = (
    "patient", "hospital", "label", "age", "sex", "smoking", "cea", "lobe", "stage",
    "interval_days", "ct", "mask", "mask_label", "mask_2",
)  # fmt: skip
IMAGES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
MASK_WORDS = ("mask", "seg", "label", "roi", "lesion", "tumor", "tumour")

STUDY_TOML = """# Settings of this study. Behind # stand defaults: take the # away to change one.
title = "EGFR mutation from chest CT, our patients"
seed = 2024

[hospitals]                     # values of column hospital; every hospital stands on one side
train = ["A"]
test = ["B"]

# [label]                       # another gene: its column, and the value that counts as mutant
# column = "kras"
# positive = "mutant"
# negative = ["wild-type"]      # where there are more values than two
# name = "KRAS mutant"
# negative_name = "KRAS wild-type"

# [eligibility]
# min_age = 18
# max_interval_days = 14        # from CT to biopsy or surgery
# required = ["sex", "age", "smoking", "cea"]   # take cea away if you have none

# [clinical]
# predictors = ["sex", "smoking"]

# [preprocessing]
# background = "lesion"         # "box" keeps the tissue around the lesion

# [cnn]
# epochs = 16
# augmentation = "none"         # "flips" learns more steadily from few patients
# device = "auto"               # "gpu" stops where there is none

# [evaluation]
# folds = 3

# [privacy]
# patient_is_pseudonym = true   # only when the DICOM PatientID is no hospital number

[author]                        # quoted in the checklists
ethics = ""
readers = ""
reference_standard = ""
segmentation = ""
segmentation_kind = ""          # manual, semi-automatic or automatic
# more of them: lib/radiogenomics/study.py, Author
"""


def begin(folder: Path) -> pd.DataFrame:
    """Write study.toml and cohort.csv into `folder`; return the rows that were found there.

    One row a subfolder that holds a CT (DICOM series, or an image file whose name is no
    mask's) and a mask (SEG, RTSTRUCT, or an image file named mask, seg, label, roi, ...). What
    only a person knows stays empty. Files that are there already are kept.

    Raises:
        StudyError: the folder is a study already.
    """
    if (folder / "study.toml").exists() or (folder / "cohort.csv").exists():
        raise StudyError(
            f"{folder} holds a study already. Expected: a folder without study.toml and "
            "cohort.csv. Look at it with: workbook check"
        )
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(folder, sub) for sub in sorted(p for p in folder.iterdir() if p.is_dir())]
    blank = dict.fromkeys(COLUMNS, "")
    found = pd.DataFrame([blank | r for r in rows if r], columns=list(COLUMNS))
    with whole_file(folder / "study.toml") as part:
        part.write_text(STUDY_TOML, encoding="utf-8")
    with whole_file(folder / "cohort.csv") as part:
        found.to_csv(part, index=False)
    return found


def _row(folder: Path, sub: Path) -> dict[str, str]:
    """Return a patient's row, {} for a folder without an image; of several files none is chosen."""
    images = sorted(p for p in sub.rglob("*") if p.name.lower().endswith(IMAGES))
    images = [p for p in images if p.name[0] != "."]
    masks = [p for p in images if _sounds_like_mask(p)]
    scans = [p for p in images if p not in masks]
    if not (scans and masks):
        slices, drawn = _dicom(sub)
        scans, masks = scans or slices, masks or drawn
    if not (scans or masks):
        return {}
    one = {name: found[0].relative_to(folder).as_posix() if len(found) == 1 else ""
           for name, found in (("ct", scans), ("mask", masks))}  # fmt: skip
    return {"patient": sub.name} | one


def _dicom(sub: Path) -> tuple[list[Path], list[Path]]:
    """Return the folder that holds every CT series, and the drawings.

    Of several series the reader chooses by its rules (`dicom`), which `check` tells. A folder
    with a broken file stands as it is, for `check` to name the file.
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
    told = [f"{len(rows)} patients found below {folder.name}."]
    for column in ("ct", "mask"):
        gone = rows.patient[rows[column] == ""].tolist()
        if gone:
            names = ", ".join(gone[:5]) + " …" * (len(gone) > 5)
            told.append(f"No {column} chosen for {names}: none is there, or several.")
    told.append(
        "Fill in cohort.csv (hospital, label, age, sex, smoking, cea, interval_days; codes in "
        f"{shipped('data/README.md')}), name the hospitals in study.toml, then: "
        f"workbook check {folder}"
    )
    return told
