"""Read every case of a folder of inputs from public bug reports; write a table with verdicts.

uv run python tests/benchmarks/import_cases.py CASES tests/benchmarks/import_cases.md

Each case has a README with its source and right answer; case.json holds the lesion's voxels,
centroid (mm) and mean HU where it should be read.
"""

import argparse
import contextlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from radiogenomics import cli
from radiogenomics.images import scans, volumes
from radiogenomics.radiomics import extraction
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Preprocessing, Radiomics

EDGE = 0.011  # share of voxels: of contours, points that lie on an edge are ties
FILLED = {"new_mixed": 1, "new_names": 5, "new_nnunet": 2, "new_subfolders": 2, "new_zip": 1}
TOO_SMALL = {"one_voxel"}  # which the check after reading refuses

HEAD = """# Inputs from public bug reports

Written by `import_cases.py`; the inputs are not shipped.

| case | right answer | verdict | what the workbook says |
|---|---|---|---|"""


def numbers(scan: scans.Scan) -> tuple[int, np.ndarray, float]:
    """Return the lesion's voxels, centroid (x, y, z in mm) and mean HU."""
    inside = sitk.GetArrayFromImage(scan.mask) > 0
    middle = np.argwhere(inside)[:, ::-1].mean(axis=0).tolist()
    place = scan.mask.TransformContinuousIndexToPhysicalPoint(middle)
    return inside.sum(), np.array(place), float(sitk.GetArrayFromImage(scan.ct)[inside].mean())


def agrees(scan: scans.Scan, truth: dict, contours: bool) -> str:
    """Return in words whether the lesion is the right one."""
    voxels, place, hu = numbers(scan)
    off = abs(voxels - truth["voxels"]) / truth["voxels"]
    near = truth["centroid"] is None or np.abs(place - truth["centroid"]).max() < 0.05
    if not off and near and abs(hu - truth["mean_hu"]) < 0.01:
        return "right"
    if contours and off < EDGE and near and abs(hu - truth["mean_hu"]) < 2:
        return f"right but for {off:.1%} of the voxels, on the contours' edges"
    return f"WRONG: {voxels} voxels, not {truth['voxels']}"


def command(*words: str) -> tuple[int, str]:
    """Run a command of the workbook; return its exit status and what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = cli.main(list(words))
    return status, said.getvalue()


def new_study(case: Path) -> tuple[str, str]:
    """Return the verdict on `workbook new`, and its lines on the patients."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(case, Path(folder) / "study")
        said = command("new", str(copy))[1]
        rows = (copy / "cohort.csv").read_text(encoding="utf-8").splitlines()[1:]
    both = sum(row.split(",")[10] != "" != row.split(",")[11] for row in rows)
    lines = [line for line in said.splitlines() if ": CT " in line or ": no CT " in line]
    verdict = "right" if both == FILLED[case.name] else f"WRONG: {both} patients with CT and mask"
    return verdict, "; ".join(lines)


def same_person(case: Path) -> tuple[str, str]:
    """Return the verdict on `workbook check` where one person is several patients."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(case, Path(folder) / "study")
        status, said = command("check", str(copy))
    line = next((line for line in said.splitlines() if "voxel by voxel" in line), "")
    return "right" if status and line else "WRONG: passed", line


def every_way(case: Path) -> tuple[str, str]:
    """Return the verdict on one patient in several forms, and the largest differences."""
    ways = [("dcm", "lesion"), ("ct_las.nii.gz", "lesion_las"), ("ct_psl.nii.gz", "lesion_psl"),
            ("ct_f.nii.gz", "lesion"), ("dcm", "lesion_las"), ("dcm", "lesion_psl")]  # fmt: skip
    found = []
    for ct, mask in ways:
        scan = scans.read_scan(case / ct, case / f"{mask}.nii.gz")
        volume = volumes.preprocess(scan.ct, scan.mask, Preprocessing())
        values = np.asarray(extraction.extract(scan.ct, scan.mask, Radiomics()), float)
        found.append((volume, values))
    volumes_apart, values_apart = (
        max(float(np.abs(way[i] - found[0][i]).max()) for way in found) for i in (0, 1)
    )
    worst = max(volumes_apart, values_apart)
    said = (f"{len(ways)} ways: features differ by at most {values_apart:g}, the network's input "
            f"by {volumes_apart:g}")  # fmt: skip
    return "right" if worst == 0 else "WRONG", said


def reading(case: Path) -> tuple[str, str]:
    """Return the verdict on a scan that is read or refused, and what is said of it."""
    about = {"ct": "ct.nii.gz", "mask": "lesion.nii.gz"}  # a case without a right lesion
    if (case / "case.json").exists():
        about = json.loads((case / "case.json").read_text(encoding="utf-8"))
    allowed = any(word in about.get("expect", "refused") for word in ("refused", "message"))
    try:
        scan = scans.read_scan(case / about["ct"], case / about["mask"], about.get("label") or "")
        if case.name in TOO_SMALL:
            volumes.require_voxels(volumes.resample(scan.ct, scan.mask, 1.0)[1])
    except StudyError as fault:
        return "refused, as it may be" if allowed else "WRONG: refused", str(fault)
    notes = "; ".join(scan.notes)
    if not about.get("truth"):
        return "WRONG: read", notes
    return agrees(scan, about["truth"], about["mask"].startswith("rt")), notes


def verdict_on(case: Path) -> tuple[str, str]:
    """Return the verdict on a case, and what the workbook says of it."""
    if case.name.startswith("new_"):
        return new_study(case)
    other = {"duplicate_reexported": same_person, "path_invariance": every_way}
    return other.get(case.name, reading)(case)


def main() -> int:
    """Write the table; the exit status says whether every answer is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rows, wrong = [HEAD], 0
    for case in sorted(path for path in given.cases.iterdir() if path.is_dir()):
        verdict, said = verdict_on(case)
        told = (case / "README").read_text(encoding="utf-8").split("Right answer:")[1]
        answer = " ".join(told.split("Truth:")[0].split("Source:")[0].split())
        cells = [case.name, answer, verdict, said]
        rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        wrong += verdict.startswith("WRONG")
        print(f"{case.name}: {verdict}", flush=True)
    given.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
