"""How well lesions are grown from a point: Dice and distance to the readers' outlines, by kind.

The built-in cohort (readers' outlines, simulated CT) and two real CTs: the example patient, and
IBSI's chest phantom where it lies beside the checkout. The point is the deepest voxel of the truth.

    uv run python tests/benchmarks/outlining.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import rows
import SimpleITK as sitk
from control import made
from radiogenomics.images.growing import grow
from radiogenomics.images.scans import Scan, read_row, read_scan
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.study.files import whole_file
from scipy.ndimage import distance_transform_edt

PATIENTS, SEED = 120, 2024
TABLE = Path(__file__).with_name("outlining.csv")
PAGE = Path(__file__).parents[2] / "docs/outlines.md"
IBSI = Path(__file__).parents[3] / "shared/data/ibsi/ibsi_1_ct_radiomics_phantom/nifti"
SHELL_MM, WALL_HU, WALL = 3.0, -300.0, 0.25
SOLID, GLASS = -300.0, -550.0  # mean HU of the lesion
BORDERS = {"half way": None, "-700 HU": -700.0}


def kind_of(scan: Scan, lesion: np.ndarray) -> str:
    """Return what a lesion is: at the wall or vessels, else by its mean HU."""
    hu, spacing = sitk.GetArrayFromImage(scan.ct), scan.ct.GetSpacing()[::-1]
    away = distance_transform_edt(~lesion, sampling=spacing)
    if (hu[(away > 0) & (away <= SHELL_MM)] > WALL_HU).mean() > WALL:
        return "at wall or vessel"
    mean = hu[lesion].mean()
    return "solid" if mean > SOLID else "part-solid" if mean > GLASS else "ground glass"


def compared(scan: Scan, name: str) -> list[dict]:
    """Return a row a border: Dice, mean surface distance (mm), seconds, doubts."""
    truth = sitk.GetArrayFromImage(scan.mask) > 0
    spacing = scan.ct.GetSpacing()[::-1]
    depth = distance_transform_edt(truth, sampling=spacing)
    at = np.unravel_index(depth.argmax(), depth.shape)
    point = scan.mask.TransformIndexToPhysicalPoint([int(v) for v in at[::-1]])
    rows = []
    for border, hu in BORDERS.items():
        start = time.process_time()
        grown = grow(scan.ct, point, border_hu=hu)
        seconds, found = time.process_time() - start, sitk.GetArrayFromImage(grown.mask) > 0
        dice = 2 * (truth & found).sum() / (truth.sum() + found.sum())
        row = {"patient": name, "kind": kind_of(scan, truth), "border": border, "dice": dice}
        row |= {"surface_mm": surface(truth, found, spacing), "seconds": seconds}
        rows.append(row | {"doubts": "; ".join(grown.doubts)})
    return rows


def surface(a: np.ndarray, b: np.ndarray, spacing: tuple) -> float:
    """Return the mean distance between two surfaces, both ways (mm)."""
    rims = [m & (distance_transform_edt(m, sampling=spacing) <= max(spacing)) for m in (a, b)]
    to = [distance_transform_edt(~rim, sampling=spacing) for rim in rims]
    return float(np.concatenate([to[1][rims[0]], to[0][rims[1]]]).mean())


def page(found: pd.DataFrame) -> None:
    """Write the table into docs/outlines.md."""
    lines = [
        "| lesions | number | border | Dice, median (10th percentile) | under 0.7, of these with a "
        "doubt | distance of surfaces, median | seconds |", "|---" * 7 + "|",
    ]  # fmt: skip
    for (kind, border), part in found.groupby(["kind", "border"], sort=False):
        bad = part[part.dice < 0.7]
        told = f"{len(bad)}, {(bad.doubts != '').sum()}"
        low = f"{part.dice.median():.2f} ({part.dice.quantile(0.1):.2f})"
        away = f"{part.surface_mm.median():.1f} mm | {part.seconds.median():.1f}"
        lines.append(f"| {kind} | {len(part)} | {border} | {low} | {told} | {away} |")
    rows.into(PAGE, Path(__file__).name, "\n".join(lines))


if __name__ == "__main__":
    found = compared(read_scan(EXAMPLE / "ct.nii.gz", EXAMPLE / "mask.nii.gz"), "example")
    found = [row | {"kind": "real: the example patient"} for row in found]
    if IBSI.is_dir():
        ct, mask = IBSI / "image/phantom.nii.gz", IBSI / "mask/mask.nii.gz"
        real = compared(read_scan(ct, mask), "ibsi")
        found += [row | {"kind": "real: IBSI's chest CT"} for row in real]
    with tempfile.TemporaryDirectory() as place:
        _, table = made(Path(place) / "data" / "one", PATIENTS, SEED, "paper")
        for row in table.to_dict("records"):
            found += compared(read_row(row), row["patient"])
    result = pd.DataFrame(found)
    with whole_file(TABLE) as part:
        result.round(4).to_csv(part, index=False)
    order = ["real: the example patient", "real: IBSI's chest CT", "solid", "part-solid",
             "ground glass", "at wall or vessel"]  # fmt: skip
    page(result.sort_values("kind", key=lambda k: k.map(order.index), kind="stable"))
