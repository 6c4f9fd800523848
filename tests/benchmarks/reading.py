"""CPU seconds of `workbook new` and `workbook check` on folders of many DICOM files.

uv run python tests/benchmarks/reading.py --series 5 --slices 600
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import corpus

RUN = "from radiogenomics.cli import main; raise SystemExit(main())"


def write_study(folder: Path, series: int, slices: int) -> None:
    """Write a patient a series, of slices of 64 × 64 pixels, each with a mask."""
    rng = np.random.default_rng(1)
    for number in range(series):
        hu = rng.normal(-700, 50, (slices, 64, 64)).astype(np.int16)
        mask = np.zeros(hu.shape, np.uint8)
        mask[10:20, 20:35, 20:35] = 1
        name = folder / f"P{number}"
        (name / "ct").mkdir(parents=True)
        for z in range(slices):
            one = corpus.ct_slice(hu[z], z, f"{corpus.ROOT}{number + 9}")
            corpus.save(one, name / "ct" / f"{(7 * z) % 1009:04d}.dcm")
        corpus.write_image(name / "lesion.nii.gz", mask)


def cpu_seconds(folder: str, *words: str) -> float:
    """Return the CPU seconds of a command and its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print the CPU seconds of both commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=5)
    parser.add_argument("--slices", type=int, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        write_study(study, given.series, given.slices)
        for command in ("new", "check"):
            seconds = cpu_seconds(folder, command, "study")
            print(f"{command}: {seconds:.1f} s for {given.series} × {given.slices} files")


if __name__ == "__main__":
    main()
