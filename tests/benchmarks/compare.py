"""How long `workbook compare` takes on a large table: run by hand.

uv run python tests/benchmarks/compare.py --patients 20000 --models 4
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd


def write_tables(folder: Path, patients: int, models: int) -> None:
    """Write scores.csv of models of rising AUC and cohort.csv with columns for subgroups."""
    rng = np.random.default_rng(1)
    names = [f"P{i}" for i in range(patients)]
    label = rng.integers(0, 2, patients)
    rows = []
    for number in range(1, models + 1):
        margin = rng.normal(size=patients) + number / 2 * (label - 0.5)
        one = {"patient": names, "label": label, "model": f"model {number}"}
        rows.append(pd.DataFrame(one | {"score": 1 / (1 + np.exp(-margin))}))
    pd.concat(rows).to_csv(folder / "scores.csv", index=False)
    columns = {"sex": ["female", "male"], "stage": ["I", "II", "III"], "scanner": ["a", "b"]}
    drawn = {name: rng.choice(values, patients) for name, values in columns.items()}
    table = pd.DataFrame({"patient": names, "age": rng.integers(30, 80, patients)} | drawn)
    table.to_csv(folder / "cohort.csv", index=False)


def main() -> None:
    """Print the seconds without and with the patients' columns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--models", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_tables(place, given.patients, given.models)
        for name, extra in (("scores", []), ("columns", ["--cohort", place / "cohort.csv"])):
            start = time.monotonic()
            command = [sys.executable, "-m", "radiogenomics.cli", "compare", place / "scores.csv"]
            subprocess.run([*command, place / name, *extra], check=True, capture_output=True)
            print(f"{name}: {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
