"""Write a table of features made elsewhere: `uv run docs/pca_features.py STUDY embeddings.csv`.

A stand-in for a foundation model's embeddings that needs no download: the principal components of
the study's volumes, as notebook 02 prepared them. What is fitted (mean and components) sees
training patients alone. Put the embeddings of your model in the place of `embedded`; one that was
trained elsewhere needs no fit. docs/embeddings.md says what comes next.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from radiogenomics.cohort.included import load_patients, split
from radiogenomics.images.volumes import load_volumes
from radiogenomics.study import Study, load_study
from sklearn.decomposition import PCA

COMPONENTS = 64  # at most; fewer where there are fewer training patients


def embedded(train: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
    """Return the components of both (patient, component), fitted to the first.

    Args:
        train: volumes of training patients (patient, z, y, x, 1).
        new: of the others.
        seed: of the randomised solver.
    """
    flat = [volumes.reshape(len(volumes), -1) for volumes in (train, new)]
    number = min(COMPONENTS, len(train) - 1)
    fitted = PCA(number, svd_solver="randomized", random_state=seed).fit(flat[0])
    return np.concatenate([fitted.transform(part) for part in flat])


def table(study: Study) -> pd.DataFrame:
    """Return the table: column patient, then pc1, pc2, ..."""
    sides = split(load_patients(study))
    values = embedded(*(load_volumes(study, side) for side in sides), study.settings.seed)
    names = [f"pc{number}" for number in range(1, values.shape[1] + 1)]
    found = pd.DataFrame(values, columns=names)
    found.insert(0, "patient", [name for side in sides for name in side.patient])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("file", help="name of the table, in the study folder")
    parser.add_argument("--reports", type=Path, help="its reports, where they lie elsewhere")
    given = parser.parse_args()
    study = load_study(given.study, given.reports)
    table(study).to_csv(study.folder / given.file, index=False)
    print(f"{given.file} is written. In study.toml: [features], then table = {given.file!r}")
