"""How long things take beside their peers: CPU seconds, medians of interleaved runs.

    uv run python tests/benchmarks/speed.py FOLDER [PART ...]

Without names every part is measured, on a quiet machine two hours on 2 cores. FOLDER holds
cohorts and reports. Rows go to speed.csv and, as a table, to README.md beside this script. Other
radiomics packages are measured where they are installed (peers.py).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # before numpy is loaded
import compare as tables_of_scores
import numpy as np
import pandas as pd
import peers as others
import rows
import SimpleITK as sitk
from control import made
from radiogenomics.images.scans import read_pair
from radiogenomics.images.volumes import resample
from radiogenomics.radiomics import extraction, features, lasso
from radiogenomics.study.files import read_json, whole_file
from radiogenomics.study.settings import Radiomics
from scipy import ndimage

HERE = Path(__file__).parent
TABLE, GROWTH, PAGE = HERE / "speed.csv", HERE / "growth.csv", HERE / "README.md"
SIZES = (60, 240, 660)  # patients of the studies whose stages are timed
PATIENTS, REPEATS = 24, 3
OURS, THEIRS = Radiomics(), Radiomics(engine="pyradiomics")
HEAD = """# How long it takes

Written by `uv run python tests/benchmarks/speed.py FOLDER`: CPU seconds of this machine, medians of
interleaved runs; `ratio` is the median of the peers' seconds by ours, `off` the largest relative
difference of a value.

"""
GROWN = """Stages of the whole study (notebooks, then everything), seconds of wall time on these
cores, and the largest process:

"""


def cpu() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    start = cpu()
    call()
    return cpu() - start


def side_by_side(
    what: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]],
    repeats: int = REPEATS,
) -> list[dict]:  # fmt: skip
    """Return a row a peer: medians of interleaved runs, and the median of their ratios."""
    runs = [{"ours": seconds(ours)} | {n: seconds(peer) for n, peer in peers.items()}
            for _ in range(repeats)]  # fmt: skip
    own = statistics.median(run["ours"] for run in runs)
    if not peers:
        return [{"what": what, "ours_s": own}]
    return [
        {
            "what": what, "ours_s": own, "peer": name,
            "peer_s": statistics.median(run[name] for run in runs),
            "ratio": statistics.median(run[name] / run["ours"] for run in runs),
        }
        for name in peers
    ]  # fmt: skip


def large_lesion() -> tuple[sitk.Image, sitk.Image]:
    """Return a drawn lesion of 135,000 voxels in a texture, on a grid of 1 mm."""
    rng, size = np.random.default_rng(3), (110, 120, 120)
    coarse, fine = (ndimage.gaussian_filter(rng.normal(size=size), s) for s in (1.5, 0.6))
    away = [(axis - middle) / half for axis, middle, half in
            zip(np.indices(size), (55, 60, 60), (28, 33, 35), strict=True)]  # fmt: skip
    bumps = 3 * ndimage.gaussian_filter(rng.normal(size=size), 3)
    inside = sum(a**2 for a in away) + bumps < 1
    ct = (900 * coarse + 100 * fine - 300).astype(np.float32).round(3)
    return sitk.GetImageFromArray(ct), sitk.GetImageFromArray(inside.astype(np.uint8))


def radiomics(folder: Path) -> list[dict]:
    """All features of built-in lesions and of a large one, by both engines."""
    study, table = made(folder / "speed_24", PATIENTS, 7, "paper")
    pairs = [resample(*read_pair(row), 1.0, OURS.pad_mm) for row in table.to_dict("records")]
    found = []
    for name, lesions in (("built-in lesions, mean", pairs), ("135,000 voxels", [large_lesion()])):
        peers = {"PyRadiomics": lambda p=lesions: [extraction.measured(*x, THEIRS) for x in p]}
        ours = extraction.measured(*lesions[0], OURS)
        for peer, call in others.installed().items():
            known = others.told(peer, call(*lesions[0]), ours)
            peers[known] = lambda p=lesions, c=call: [c(*x) for x in p]
        own = side_by_side(
            f"1,688 features, {name}",
            lambda p=lesions: [extraction.measured(*x, OURS) for x in p], peers,
        )  # fmt: skip
        both = [[pd.Series(extraction.measured(*x, by)) for by in (OURS, THEIRS)] for x in lesions]
        off = max(float(((a - b).abs() / (b.abs() + 1e-12)).max()) for a, b in both)
        for row in own:
            row |= {key: row[key] / len(lesions) for key in ("ours_s", "peer_s")}
        own[0]["off"] = off
        found += own
    started = table.to_dict("records")
    whole = side_by_side(
        "a built-in patient: read, resample, extract",
        lambda: [extraction.extract(*read_pair(row), OURS) for row in started], {},
    )  # fmt: skip
    return found + [row | {"ours_s": row["ours_s"] / len(started)} for row in whole]


def selection(_: Path) -> list[dict]:
    """LASSO with ten folds."""
    found = []
    for patients in (528, 2000):
        rng = np.random.default_rng(1)
        hidden = rng.normal(size=(patients, 20))
        x = 0.7 * hidden @ rng.normal(size=(20, 450)) + rng.normal(size=(patients, 450))
        y = rng.random(patients) < 1 / (1 + np.exp(-hidden[:, 0] - 0.7 * hidden[:, 1]))
        frame = pd.DataFrame(x).add_prefix("f")
        call = lambda f=frame, y=y: lasso.Lasso(10, 1).fit(f, y)  # noqa: E731
        found += side_by_side(f"LASSO, 10 folds, {patients:,} × 450", call, {})
    return found


def workbook(*words: str) -> Callable[[], object]:
    """Return a call of the command."""
    whole = [sys.executable, "-m", "radiogenomics.cli", *words]
    return lambda: subprocess.run(whole, check=True, capture_output=True)


def command(_: Path) -> list[dict]:
    """The command's help."""
    return side_by_side("workbook --help", workbook("--help"), {})


def rerun(folder: Path) -> list[dict]:
    """The built-in study's run, and the run after it."""
    study, reports = str(folder / "phantom"), str(folder / "reports" / "phantom")
    if not Path(study).exists():
        workbook("phantom", study)()
    found = []
    for name in ("built-in study, first run or what is missing", "built-in study, run again"):
        start, used = time.monotonic(), cpu()
        workbook("run", study, "--reports", reports)()
        wall = time.monotonic() - start
        found.append({"what": f"{name} ({wall:.0f} s of wall time)", "ours_s": cpu() - used})
    return found


def prediction(folder: Path) -> list[dict]:
    """New patients scored by the built-in study's models: one, and each of a table of ten."""
    rerun(folder)
    example = Path(features.__file__).parents[3] / "data" / "example_patient"
    images = example / "ct.nii.gz", example / "mask.nii.gz"
    study = ["--study", str(folder / "phantom"), "--reports", str(folder / "reports" / "phantom")]
    table = folder / "new.csv"
    lines = [f"N{n},{images[0]},{images[1]}" for n in range(10)]
    table.write_text("\n".join(["patient,ct,mask", *lines]) + "\n")
    out = ["--out", str(folder / "predicted")]
    single = workbook("predict", *map(str, images), *study, *out)
    several = workbook("predict", "--cohort", str(table), *study, *out)
    one, ten = side_by_side("a new patient", single, {}), side_by_side("ten", several, {})
    each = (ten[0]["ours_s"] - one[0]["ours_s"]) / 9
    return [*one, {"what": "each further patient of a table", "ours_s": each}]


def growth(folder: Path) -> None:
    """Stages of the whole built-in study by its size, seconds of wall time, and peak memory."""
    for patients in SIZES:
        study, reports = folder / f"grown_{patients}", folder / "reports" / f"grown_{patients}"
        rows.once(
            GROWTH, {"patients": patients},
            lambda p=patients, s=study, r=reports: _grown(p, s, r),
        )  # fmt: skip


def _grown(patients: int, study: Path, reports: Path) -> dict:
    workbook("phantom", str(study), "--patients", str(patients))()
    start = time.monotonic()
    workbook("run", str(study), "--reports", str(reports))()
    total = time.monotonic() - start
    manifest = read_json(reports / "manifest.json")
    stages = {name[:2]: round(one["seconds"]) for name, one in manifest["notebooks"].items()}
    memory = round(manifest["peak_memory_mb"] / 1024, 2)
    return stages | {"whole": round(total), "memory_gb": memory}


def comparison(folder: Path) -> list[dict]:
    """`workbook compare` of four models."""
    found = []
    for patients in (132, 20_000, 100_000):
        place = folder / f"scores_{patients}"
        place.mkdir(parents=True, exist_ok=True)
        tables_of_scores.write_tables(place, patients, 4)
        call = workbook("compare", str(place / "scores.csv"), str(place / "out"))
        found += side_by_side(f"workbook compare, {patients:,} patients × 4 models", call, {}, 1)
    return found


PARTS = {
    "radiomics": radiomics, "lasso": selection, "command": command, "rerun": rerun,
    "compare": comparison, "predict": prediction,
}  # fmt: skip


def keep(part: str, found: list[dict]) -> None:
    """Put a part's rows in the place of its earlier ones, and write the page."""
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame({"part": []})
    new = pd.DataFrame(found).assign(part=part)
    table = pd.concat([old[old.part != part], new], ignore_index=True)
    table = table.reindex(columns=["part", "what", "ours_s", "peer", "peer_s", "ratio", "off"])
    with whole_file(TABLE) as whole:
        table.to_csv(whole, index=False, float_format="%.3g")
    page()


def page() -> None:
    """Write README.md from the tables that are there."""
    parts = [HEAD + _drawn(pd.read_csv(TABLE))]
    if GROWTH.exists():
        parts.append(GROWN + _drawn(pd.read_csv(GROWTH)))
    with whole_file(PAGE) as part:
        part.write_text("\n".join(parts), encoding="utf-8")


def _drawn(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [["" if pd.isna(x) else f"{x:.3g}" if isinstance(x, float) else x for x in row]
              for row in table.astype(object).to_numpy()]  # fmt: skip
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def main() -> None:
    """Measure these parts, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "growth", []], default=[])
    given = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    for name in given.parts or [*PARTS, "growth"]:
        if name == "growth":
            growth(given.folder.resolve())
            page()
            continue
        keep(name, PARTS[name](given.folder.resolve()))
        print(pd.read_csv(TABLE).query("part == @name").to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
