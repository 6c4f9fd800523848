"""Which files of a folder are a patient's CT and mask: by what they hold, then by their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiogenomics.images import formats
from radiogenomics.images.dicom.choice import Wanted, choose
from radiogenomics.images.dicom.drawings import DRAWINGS
from radiogenomics.images.dicom.series import find_series, scans_of
from radiogenomics.images.masks import whole
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import files_below

LESION = re.compile(
    r"lesion|l[äae]*sion|tum[o]?u?r|tumeur|lesione|n[oó]d[uo]l|nodule|gtv|krebs|cancer|herd|"
    r"肿瘤|腫瘤|病灶|结节",
    re.I,
)
ROLE = re.compile(
    r"(?i)(?<![^\W_])(?:ct|image|images|img|scan|volume|mask|masks|maske|masque|maschera|mascara|"
    r"seg|segmentation|label|labels|roi|lesion|gtv|tumou?r|nodule|0000)(?![^\W_])"
)
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")
MASK_VALUES = 10  # a mask has no more different values
PACKED, FULL = 0.03, 0.4  # bytes on disk a voxel: below, a packed mask; above, a CT


@dataclass
class Found:
    """What was seen of one patient, and chosen; paths are below the study's folder."""

    patient: str
    scans: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, folder: Path) -> dict[str, str]:
        """Return the patient's row of cohort.csv; nothing is chosen among several files."""
        chosen = {"ct": self.scans, "mask": self.masks}
        return {"patient": self.patient} | {
            column: paths[0].relative_to(folder).as_posix() if len(paths) == 1 else ""
            for column, paths in chosen.items()
        }

    def line(self, folder: Path) -> str:
        """Return in one line what was seen and chosen."""
        parts = []
        for name, paths in (("CT", self.scans), ("mask", self.masks)):
            shown = [p.relative_to(folder).as_posix() for p in paths[:5]]
            more = ", …" * (len(paths) > 5)
            if len(paths) == 1:
                parts.append(f"{name} {shown[0]}")
            else:
                parts.append(f"no {name} chosen: " + (", ".join(shown) + more if shown else "none"))
        return f"{self.patient}: {'; '.join([*parts, *self.notes])}"


def patients_in(folder: Path) -> list[Found]:
    """Return every patient of a folder, in one of four layouts.

    One subfolder per patient; nnU-Net's imagesTr and labelsTr; folders of images and of masks with
    the same file names; files of all patients side by side, such as P001_ct and P001_mask.
    """
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    by_name = {p.name.casefold(): p for p in folders}
    pairs = [(by_name[i], by_name[m]) for i, m in (("imagestr", "labelstr"), ("images", "labels"),
             ("images", "masks"), ("image", "mask")) if i in by_name and m in by_name]  # fmt: skip
    if pairs:
        return _side_by_side([*_images(pairs[0][0]), *_images(pairs[0][1])])
    loose = [p for p in _images(folder) if p.parent == folder]
    return [*_side_by_side(loose), *filter(None, map(_of_folder, folders))]


def _images(folder: Path) -> list[Path]:
    ends = formats.endings()
    return [p for p in files_below(folder) if p.name.lower().endswith(ends) and p.name[0] != "."]


def _side_by_side(images: list[Path]) -> list[Found]:
    """Return patients by what is left of file names without the words for CT and mask."""
    by_patient: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        stem = path.name[: -len(next(e for e in _ends() if path.name.lower().endswith(e)))]
        name = re.sub(r"^[\W_]+|[\W_]+$", "", ROLE.sub("", stem))
        by_patient[name or stem].append(path)
    return [_chosen(name, paths) for name, paths in sorted(by_patient.items())]


def _ends() -> list[str]:
    return sorted(formats.endings(), key=len, reverse=True)


def _of_folder(folder: Path) -> Found | None:
    """Return the patient of a folder, None where there is nothing to do with images in it."""
    found = _chosen(folder.name, _images(folder))
    packed = [p for p in files_below(folder) if p.name.lower().endswith(ARCHIVES)
              and not p.name.lower().endswith(formats.endings())]  # fmt: skip
    found.notes += [f"{p.name} is an archive: unpack it" for p in packed]
    slices, drawn, notes = _dicom(folder)
    found.notes += notes
    if slices:
        copies = ", ".join(p.name for p in found.scans)
        found.notes += [f"DICOM taken, not {copies}"] * bool(copies)
        found.scans = slices
    if drawn and not found.masks:
        found.masks = drawn
    elif drawn:
        found.notes.append(f"image taken as mask, not {', '.join(p.name for p in drawn)}")
    return found if found.scans or found.masks or packed else None


def _chosen(patient: str, images: list[Path]) -> Found:
    """Return images as scans and masks; of several masks the one that is called a lesion."""
    masks = [p for p in images if is_mask(p)]
    scans = [p for p in images if p not in masks]
    lesions = [p for p in masks if LESION.search(p.name)]
    notes = []
    if len(masks) > 1 and len(lesions) == 1:
        others = ", ".join(p.name for p in masks if p not in lesions)
        notes, masks = [f"mask by its name, not {others[:200]}"], lesions
    return Found(patient, scans, masks, notes)


def _dicom(folder: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Return the folder that holds every CT series, the drawings, and what was seen.

    Among several series the reader chooses by its rules (`dicom.choice`). A folder with a broken
    file is returned as it is, so that `check` can name the file.
    """
    try:
        series = find_series(folder)
    except StudyError as fault:
        return [folder], [], [str(fault)]
    drawn = [f for s in series if s.first.get("Modality") in DRAWINGS for f in s.files]
    scans = [scan for s in series for scan in scans_of(s)]
    if not scans:
        return [], drawn, []
    place = Path(os.path.commonpath([f.parent for s in scans for f in s.files]))
    if len(scans) == 1:
        return [place], drawn, []
    try:
        taken = f"{choose(series, place.name, Wanted())[0].describe()} is taken"
    except StudyError as fault:
        taken = str(fault)
    return [place], drawn, [f"{len(scans)} CT series", taken]


def is_mask(path: Path) -> bool:
    """Return whether an image holds few whole values; by its name where it cannot be read."""
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        per_voxel = path.stat().st_size / float(np.prod(reader.GetSize()))
        if path.name.lower().endswith(".gz") and not PACKED < per_voxel < FULL:
            return per_voxel < PACKED
        values = np.unique(sitk.GetArrayFromImage(whole(formats.read_file(path))))
    except (RuntimeError, StudyError):
        return bool(LESION.search(path.name) or re.search(r"(?i)mask|seg|label|roi", path.name))
    return values.dtype.kind in "iu" and len(values) <= MASK_VALUES and values.min() >= 0
