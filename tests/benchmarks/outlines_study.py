"""Does the result depend on who drew? The radiomics models on readers' and on grown outlines.

The built-in cohort, its lesions grown from the deepest voxel of each reader's outline, nobody
looking. Selection and models are fitted and judged on one kind at a time; the test patients are
the same, so that AUCs are compared by DeLong's test.

    uv run python tests/benchmarks/outlines_study.py
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import rows
import SimpleITK as sitk
from control import made
from radiogenomics.cohort import eligibility, outlines
from radiogenomics.cohort.included import split
from radiogenomics.comparison import refitted
from radiogenomics.images.growing import grow
from radiogenomics.images.scans import read_row
from radiogenomics.radiomics import features
from radiogenomics.statistics.discrimination import delong, delong_interval, delong_test
from radiogenomics.study.study import Study
from scipy.ndimage import distance_transform_edt

PATIENTS, SEED = 240, 2024
PAGE = Path(__file__).parents[2] / "docs/outlines.md"
MARKS = [f"<!-- {word} tests/benchmarks/outlines_study.py -->" for word in ("written by", "end of")]
KINDS = {"readers'": (), "grown, half way": (None,), "grown, -700 HU": (-700.0,)}


def grown(study: Study, table: pd.DataFrame, border: float | None) -> pd.DataFrame:
    """Return the patients with outlines grown in place of the readers'."""
    drawn = []
    for row in table.to_dict("records"):
        scan = read_row(row)
        spacing = scan.mask.GetSpacing()[::-1]
        depth = distance_transform_edt(sitk.GetArrayFromImage(scan.mask), sampling=spacing)
        at = np.unravel_index(depth.argmax(), depth.shape)
        point = scan.mask.TransformIndexToPhysicalPoint([int(v) for v in at[::-1]])
        lesion = grow(scan.ct, point, border_hu=border)
        name = f"{row['patient']}_{border}"
        path = outlines.keep(study, name, lesion.mask, outlines.told(lesion))
        drawn.append(row | {"mask": str(path), "mask_label": ""})
    again = pd.DataFrame(drawn)
    return again.assign(mask_hash=[eligibility.mask_hash(row) for row in again.to_dict("records")])


def scores(study: Study, table: pd.DataFrame) -> tuple[pd.Series, dict[str, np.ndarray]]:
    """Return the test patients' labels and each model's scores of them."""
    values, failed = features.extract_cohort(study, table)
    assert failed.empty, failed
    train, test = split(table)
    chain, labels = refitted.chain(study, train), train.label.to_numpy(int)
    sides = (values.loc[part.patient] for part in (train, test))
    found = refitted.on_features(chain, study.settings.seed, labels, *sides)
    return test.label.astype(int), found


def main() -> None:
    """Write the table into docs/outlines.md."""
    with tempfile.TemporaryDirectory() as place:
        study, table = made(Path(place) / "data" / "one", PATIENTS, SEED, "paper")
        found = {}
        for kind, border in KINDS.items():
            drawn = grown(study, table, *border) if border else table
            labels, found[kind] = scores(study, drawn)
    y, lines = labels.to_numpy(), []
    for model, own in found["readers'"].items():
        cells = []
        for kind in KINDS:
            aucs, covariance = delong(y, found[kind][model][np.newaxis])
            low, high = delong_interval(aucs[0], covariance[0, 0], 0.95, on_logit=True)[1:]
            cell = f"{aucs[0]:.2f} ({low:.2f} to {high:.2f})"
            if kind != "readers'":
                cell += f", p = {delong_test(y, own, found[kind][model])[1]:.2f}"
            cells.append(cell)
        lines.append(f"| {model} | {' | '.join(cells)} |")
    head = f"| model | {' | '.join(KINDS)} |\n{'|---' * (1 + len(KINDS))}|"
    about = (
        f"The study repeated on both kinds of outlines, {len(y)} test patients of {PATIENTS}: AUC "
        "(95% CI), p of the difference to the readers':"
    )
    table = "\n".join([head, *lines])
    rows.into(PAGE, Path(__file__).name, f"{about}\n\n{table}")


if __name__ == "__main__":
    main()
